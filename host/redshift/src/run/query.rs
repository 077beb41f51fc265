//! Queries.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, Query as Sql, SelectInto, SetExpr};

use super::Environment;
use crate::bind::{self, Binder, Context, Query};
use crate::engine::Shared;
use crate::error::Result;
use crate::session::{Outcome, Rows};
use crate::transaction::Transaction;
use crate::types::Column;

pub(super) async fn run(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    query: Sql,
) -> Result<Outcome> {
    let rows = rows(environment, transaction, query).await?;
    Ok(Outcome {
        tag: "SELECT".to_owned(),
        rows: Some(rows),
        ..Outcome::default()
    })
}

pub(crate) async fn rows(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    query: Sql,
) -> Result<Rows> {
    let planned = plan(environment.shared, transaction, environment.context, query).await?;
    let columns = planned.columns()?;
    let batches = bind::run(planned).await?;
    Ok(Rows::new(columns, batches))
}

pub(crate) async fn plan(
    shared: &Arc<Shared>,
    transaction: &mut Transaction,
    context: &Context,
    query: Sql,
) -> Result<Query> {
    let catalog = transaction.catalog().clone();
    let mut binder = Binder::new(&catalog, context);
    let bound = binder.statement(query)?;
    transaction.has_read(binder.tables);
    Query::plan(shared, &catalog, bound).await
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
pub(super) fn into(query: &Sql) -> Option<(ObjectName, bool, Box<Sql>)> {
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
