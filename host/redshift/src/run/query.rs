//! Queries.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{ObjectName, Query as Sql, SelectInto, SetExpr};

use super::{Done, Environment};
use crate::bind::{self, Binder, Context, Query};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::session::{Outcome, Rows};
use crate::transaction::Transaction;
use crate::types::Column;

pub(super) async fn run(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    query: Sql,
) -> Result<Done> {
    let context = environment.context;
    let (planned, on_compute_nodes) =
        planned(environment.shared, transaction, context, query).await?;
    let columns = planned.columns()?;
    let batches = bind::run(planned).await?;
    let batches = batches.into_iter().map(|batch| canonical(batch, &columns));
    let batches = batches.collect::<Result<_>>()?;
    let outcome = Outcome {
        tag: "SELECT".to_owned(),
        rows: Some(Rows::new(columns, batches, context.digits)),
        ..Outcome::default()
    };
    Ok(Done {
        on_compute_nodes,
        ..outcome.into()
    })
}

/// The rows as Arrow holds the types of their columns: DataFusion has several forms of texts and numbers.
fn canonical(batch: RecordBatch, columns: &[Column]) -> Result<RecordBatch> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let arrays = batch.columns().iter().zip(columns);
    let arrays = arrays.map(|(array, column)| {
        let wanted = column.data_type.arrow();
        match *array.data_type() == wanted {
            true => Ok(Arc::clone(array)),
            false => cast_with_options(array, &wanted, &options),
        }
    });
    let arrays = arrays
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::internal)?;
    let fields = columns
        .iter()
        .map(|column| column.data_type.field(&column.name));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, arrays, &rows).map_err(Error::internal)
}

pub(crate) async fn plan(
    shared: &Arc<Shared>,
    transaction: &mut Transaction,
    context: &Context,
    query: Sql,
) -> Result<Query> {
    let (query, _) = planned(shared, transaction, context, query).await?;
    Ok(query)
}

/// The plan of a query, and whether it reads tables that are not the system's.
async fn planned(
    shared: &Arc<Shared>,
    transaction: &mut Transaction,
    context: &Context,
    query: Sql,
) -> Result<(Query, bool)> {
    let catalog = transaction.catalog().clone();
    let mut binder = Binder::new(&catalog, context);
    let bound = binder.statement(query)?;
    let has_tables = !binder.tables.is_empty();
    transaction.has_read(binder.tables);
    let query = Query::plan(shared, &catalog, bound, context.digits).await?;
    Ok((query, has_tables))
}

pub(crate) async fn describe(
    shared: &Arc<Shared>,
    transaction: &mut Transaction,
    context: &Context,
    query: Sql,
) -> Result<Vec<Column>> {
    plan(shared, transaction, context, query).await?.columns()
}

/// `SELECT .. INTO table`, and the query without that.
pub(crate) fn into(query: &Sql) -> Option<(ObjectName, bool, Box<Sql>)> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let SelectInto {
        temporary, name, ..
    } = select.into.clone()?;
    let mut query = query.clone();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.into = None;
    }
    Some((name, temporary, Box::new(query)))
}
