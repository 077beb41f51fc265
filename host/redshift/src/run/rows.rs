//! Rows that go into a table: values for columns that a statement does not name, numbers of IDENTITY columns, and
//! which rows of a table a statement replaces.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, UInt64Type};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use parking_lot::Mutex;

use super::Environment;
use crate::bind::{Binder, Query};
use crate::catalog::{Catalog, Column, Id, Identity, Table};
use crate::engine::Shared;
use crate::error::{self, Error, Result};
use crate::functions;
use crate::store::{self, Written};
use crate::types::{Type, cast};

/// The expression of a default, bound.
pub(super) fn default(binder: &mut Binder<'_>, column: &Column) -> Result<Option<ast::Expr>> {
    let Some(text) = &column.default else {
        return Ok(None);
    };
    let statement =
        crate::syntax::parse(&format!("select {text}"), &crate::syntax::Parameters::None)?;
    let Some(crate::syntax::Statement::Query(query)) = statement else {
        return Err(Error::internal("a default is no expression"));
    };
    let ast::SetExpr::Select(select) = *query.body else {
        return Err(Error::internal("a default is no expression"));
    };
    match select.projection.into_iter().next() {
        Some(ast::SelectItem::UnnamedExpr(expr)) => binder.constant("DEFAULT", expr).map(Some),
        _ => Err(Error::internal("a default is no expression")),
    }
}

/// A value for a column, as an expression of SQL.
pub(super) fn assigned(value: ast::Expr, column: &Column) -> ast::Expr {
    let text = |text: &str| ast::Expr::value(ast::Value::SingleQuotedString(text.to_owned()));
    let data_type = text(&column.data_type.name());
    crate::bind::call(
        functions::ASSIGN,
        vec![value, data_type, text(&column.name)],
    )
}

/// What an INSERT gives for a table's columns: places of the given ones in its list.
pub(crate) struct Given {
    pub(crate) places: Vec<Option<usize>>,
}

impl Given {
    /// The columns that a list names, or all that take values.
    pub(crate) fn new(table: &Table, names: &[String]) -> Result<Self> {
        let mut places = vec![None; table.columns.len()];
        if names.is_empty() {
            let takes =
                |column: &Column| column.identity.is_none_or(|identity| identity.by_default);
            let mut next = 0;
            for (place, column) in places.iter_mut().zip(&table.columns) {
                if takes(column) {
                    *place = Some(next);
                    next += 1;
                }
            }
            return Ok(Self { places });
        }
        for (at, name) in names.iter().enumerate() {
            let found = table.columns.iter().position(|column| column.name == *name);
            let Some(found) = found else {
                return Err(Error::new(
                    &error::UNDEFINED_COPY_COLUMN,
                    &[name, &table.name],
                ));
            };
            if places[found].is_some() {
                return Err(Error::new(&error::DUPLICATE_COLUMN, &[name]));
            }
            if table.columns[found]
                .identity
                .is_some_and(|identity| !identity.by_default)
            {
                return Err(Error::new(&error::IDENTITY_INSERT, &[]));
            }
            places[found] = Some(at);
        }
        Ok(Self { places })
    }

    /// Whether rows of so many values leave the numbers of an IDENTITY column to the table.
    pub(super) fn is_numbered(&self, table: &Table, width: usize) -> bool {
        let mut columns = table.columns.iter().zip(&self.places);
        columns.any(|(column, place)| {
            column.identity.is_some() && place.is_none_or(|place| place >= width)
        })
    }

    /// How many values a row has.
    pub(super) fn count(&self) -> usize {
        self.places.iter().flatten().count()
    }

    pub(super) fn check(&self, count: usize, has_list: bool) -> Result<()> {
        match count.cmp(&self.count()) {
            std::cmp::Ordering::Greater => Err(Error::new(&error::TOO_MANY_EXPRESSIONS, &[])),
            std::cmp::Ordering::Less if has_list => {
                Err(Error::new(&error::TOO_FEW_EXPRESSIONS, &[]))
            }
            _ => Ok(()),
        }
    }
}

/// A query for all columns of a table from one for the given ones.
pub(super) async fn completed(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &Table,
    given: &Given,
    query: Query,
) -> Result<Query> {
    let references = query.references();
    let columns = query.columns()?;
    let mut expressions = Vec::new();
    for (column, place) in table.columns.iter().zip(&given.places) {
        let expr = match place.filter(|place| *place < references.len()) {
            Some(place) => {
                let from = match query.literals[place] {
                    true => Type::Unknown,
                    false => columns[place].data_type,
                };
                if !cast::is_assignable(from, column.data_type) {
                    return Err(mismatch(column, from));
                }
                functions::assigned(references[place].clone(), column.data_type)
            }
            None => match usual(environment, catalog, column).await? {
                Usual::Same(value) => lit(value),
                Usual::Each(query) => {
                    let expr = query.expression().cloned();
                    let expr = expr.ok_or_else(|| Error::internal("a default is no expression"))?;
                    expr.unalias()
                }
            },
        };
        expressions.push(expr.alias(&column.name));
    }
    query.projected(expressions)
}

pub(super) fn mismatch(column: &Column, from: Type) -> Error {
    let names = [column.data_type.base_name(), from.base_name()];
    Error::new(
        &error::DATATYPE_MISMATCH,
        &[&column.name, &names[0], &names[1]],
    )
}

/// What a column holds that a statement gives no value for.
pub(crate) enum Usual {
    /// The same in all rows.
    Same(ScalarValue),
    /// Another value in each row, such as RANDOM gives: a query of the one expression.
    Each(Box<Query>),
}

/// The default of a column; NULL where it has none.
pub(crate) async fn usual(
    environment: &Environment<'_>,
    catalog: &Catalog,
    column: &Column,
) -> Result<Usual> {
    let mut binder = Binder::new(catalog, environment.context);
    let Some(value) = default(&mut binder, column)? else {
        let null = ScalarValue::try_from(&column.data_type.arrow())?;
        return Ok(Usual::Same(null));
    };
    let item = ast::SelectItem::ExprWithAlias {
        expr: assigned(value, column),
        alias: crate::bind::ident("value"),
    };
    let query = crate::bind::select(vec![item], Vec::new(), None);
    let query = environment.plan(catalog, query).await?;
    if query.expression().is_some_and(Expr::is_volatile) {
        return Ok(Usual::Each(Box::new(query)));
    }
    let batches = crate::bind::run(query).await?;
    let batch = batches.first().filter(|batch| batch.num_rows() == 1);
    let batch = batch.ok_or_else(|| Error::internal("a default gave no value"))?;
    let value = ScalarValue::try_from_array(batch.column(0), 0)?;
    Ok(Usual::Same(value))
}

/// Writes streams for a table, with numbers for its IDENTITY column.
pub(crate) async fn write(
    environment: &Environment<'_>,
    table: &Table,
    streams: Vec<SendableRecordBatchStream>,
    numbers: bool,
) -> Result<Written> {
    let identity = table
        .columns
        .iter()
        .position(|column| column.identity.is_some());
    let streams = match identity {
        Some(place) if numbers => {
            let shared = environment.shared;
            let each = streams.into_iter();
            each.map(|stream| numbered(shared, table, place, stream))
                .collect()
        }
        _ => streams,
    };
    store::write(&environment.shared.store.folder, &table.columns, streams).await
}

fn numbered(
    shared: &Arc<Shared>,
    table: &Table,
    place: usize,
    stream: SendableRecordBatchStream,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let shared = Arc::clone(shared);
    let column = table.columns[place].clone();
    let id = table.id;
    let stream = stream.map(move |batch| {
        let batch = batch?;
        let values = identities(&shared, id, &column, batch.column(place))?;
        let mut columns = batch.columns().to_vec();
        columns[place] = values;
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// The next numbers of an IDENTITY column, where no value is given.
fn identities(
    shared: &Shared,
    id: Id,
    column: &Column,
    given: &arrow::array::ArrayRef,
) -> Result<arrow::array::ArrayRef> {
    let Some(identity) = column.identity else {
        return Ok(Arc::clone(given));
    };
    let whole = cast::cast(given, column.data_type, Type::Int8, cast::Mode::Explicit)?;
    let whole = whole.as_primitive::<Int64Type>();
    let mut identities = shared.identities.lock();
    let next = identities.entry(id).or_insert(identity.seed);
    let values = whole
        .iter()
        .map(|value| value.unwrap_or_else(|| taken(next, identity)));
    let values: arrow::array::ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    cast::cast(
        &values,
        Type::Int8,
        column.data_type,
        cast::Mode::Assignment,
    )
}

fn taken(next: &mut i64, identity: Identity) -> i64 {
    let value = *next;
    *next = value.saturating_add(identity.step);
    value
}

/// What `DEFAULT` is for a column in a row of values: of an IDENTITY column, its next number.
pub(super) fn default_value(
    shared: &Shared,
    binder: &mut Binder<'_>,
    table: &Table,
    column: &Column,
) -> Result<ast::Expr> {
    let Some(identity) = column.identity else {
        let value = default(binder, column)?;
        return Ok(value.unwrap_or(ast::Expr::value(ast::Value::Null)));
    };
    let mut identities = shared.identities.lock();
    let next = identities.entry(table.id).or_insert(identity.seed);
    let number = ast::Value::SingleQuotedString(taken(next, identity).to_string());
    Ok(crate::bind::call_cast(
        functions::CAST,
        ast::Expr::value(number),
        "bigint",
    ))
}

/// Numbers of rows that a statement replaces or deletes.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) rows: Vec<u64>,
    seen: std::collections::HashSet<u64>,
}

/// What happens to a row that several rows of a source match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Error,
    KeepFirst,
}

/// The stream without its last column, the rows' numbers, which are noted.
pub(super) fn marked(
    marks: &Arc<Mutex<Marked>>,
    again: Again,
    stream: SendableRecordBatchStream,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let last = schema.fields().len() - 1;
    let kept: Vec<usize> = (0..last).collect();
    let rest = match schema.project(&kept) {
        Ok(rest) => Arc::new(rest),
        Err(_) => Arc::clone(&schema),
    };
    let marks = Arc::clone(marks);
    let stream = stream.map(move |batch| {
        let batch = batch?;
        let numbers: UInt64Array = batch.column(last).as_primitive::<UInt64Type>().clone();
        let mut marks = marks.lock();
        let mut is_new = Vec::with_capacity(numbers.len());
        for number in numbers.values() {
            let first = marks.seen.insert(*number);
            if !first && again == Again::Error {
                return Err(Error::new(&error::MULTIPLE_MATCHES, &[]).into());
            }
            if first {
                marks.rows.push(*number);
            }
            is_new.push(first);
        }
        let batch = batch.project(&kept)?;
        Ok(match is_new.contains(&false) {
            true => filter_record_batch(&batch, &is_new.into())?,
            false => batch,
        })
    });
    Box::pin(RecordBatchStreamAdapter::new(rest, stream))
}

/// A table without rows, by their numbers.
pub(super) fn without(table: &Table, mut rows: Vec<u64>) -> Table {
    rows.sort_unstable();
    rows.dedup();
    let mut table = table.clone();
    for (place, segment) in (0u64..).zip(&mut table.segments) {
        let from = rows.partition_point(|row| row >> 32 < place);
        let to = rows.partition_point(|row| row >> 32 <= place);
        if from < to {
            let deleted = &mut Arc::make_mut(segment).deleted;
            // The lower half is the row.
            deleted.extend(rows[from..to].iter().map(|row| *row as u32));
            deleted.sort_unstable();
        }
    }
    table
}
