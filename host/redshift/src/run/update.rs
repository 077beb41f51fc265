//! `UPDATE`: a query for the new rows and the numbers of the old ones.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, Ident, Join, JoinOperator, SelectItem, TableFactor,
    TableWithJoins, Update, UpdateTableFromKind, Value,
};
use parking_lot::Mutex;

use super::rows::{Again, Marked, assigned, default, marked, without, write};
use super::{Environment, locked};
use crate::bind::{self, Binder};
use crate::catalog::{Object, Table};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::store::ROW;
use crate::syntax::check_names;
use crate::transaction::Transaction;

pub(super) async fn update(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    update: Update,
) -> Result<Outcome> {
    let Update {
        update_token: _,
        optimizer_hints: _,
        table,
        assignments,
        from,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = update;
    let near = |word: &str| Error::new(&error::SYNTAX_ERROR, &[&word]);
    if returning.is_some() {
        return Err(near("returning"));
    }
    if output.is_some() || or.is_some() || !order_by.is_empty() || limit.is_some() {
        return Err(near("update"));
    }
    let TableWithJoins { relation, joins } = table;
    let TableFactor::Table { name, alias, .. } = relation else {
        return Err(near("update"));
    };
    if !joins.is_empty() {
        return Err(near("join"));
    }
    let id = locked(environment, transaction, &name, false).await?;
    let catalog = transaction.catalog().clone();
    let table = catalog.table(id)?;
    if alias
        .as_ref()
        .is_some_and(|alias| !alias.columns.is_empty())
    {
        return Err(near("("));
    }
    let alias = alias.map(|alias| alias.name.value);
    let mut binder = Binder::new(&catalog, environment.context);
    binder.begin_change();
    let relation = binder.numbered(id, alias.as_deref())?;
    let mut tables = vec![TableWithJoins {
        relation,
        joins: Vec::new(),
    }];
    match from {
        None => {}
        Some(UpdateTableFromKind::AfterSet(from)) => {
            for table in from {
                if has_outer_join(&table) {
                    return Err(Error::new(&error::UPDATE_OUTER_JOIN, &[])
                        .hint("put the outer join into a subquery of WHERE"));
                }
                tables.push(binder.tables(table)?);
            }
        }
        Some(UpdateTableFromKind::BeforeSet(_)) => return Err(near("from")),
    }
    let shown = alias.as_deref().unwrap_or(&table.name);
    let items = new_row(&mut binder, table, shown, assignments)?;
    let selection = binder.selection(selection)?;
    let query = bind::select(items, tables, selection);
    transaction.has_read(binder.tables);
    let again = match environment.one_match {
        true => Again::Error,
        false => Again::KeepFirst,
    };
    let changed = replace(environment, transaction, table, query, again).await?;
    Ok(Outcome::changed("UPDATE", changed))
}

/// Whether rows of some table stay without a row of the one that it is joined with.
fn has_outer_join(tables: &TableWithJoins) -> bool {
    let is_outer = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    };
    let is_within = |relation: &TableFactor| match relation {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => has_outer_join(table_with_joins),
        _ => false,
    };
    let mut joins = tables.joins.iter();
    is_within(&tables.relation) || joins.any(|join| is_outer(join) || is_within(&join.relation))
}

/// The columns of a changed row, and its number.
pub(super) fn new_row(
    binder: &mut Binder<'_>,
    table: &Table,
    shown: &str,
    assignments: Vec<Assignment>,
) -> Result<Vec<SelectItem>> {
    let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
    for Assignment { target, value } in assignments {
        let AssignmentTarget::ColumnName(name) = target else {
            return Err(Error::new(&error::SYNTAX_ERROR, &[&"("]));
        };
        check_names(&name)?;
        let parts = bind::plain_name(&name);
        // The name of the table does not stand before a column: it is taken for the column.
        let name = parts.first().cloned().unwrap_or_default();
        if parts.len() > 1 {
            return Err(
                Error::new(&error::UNDEFINED_COPY_COLUMN, &[&name, &table.name])
                    .hint("leave out the name of the table"),
            );
        }
        let place = table.columns.iter().position(|column| column.name == name);
        let Some(place) = place else {
            return Err(Error::new(
                &error::UNDEFINED_COPY_COLUMN,
                &[&name, &table.name],
            ));
        };
        if values[place].is_some() {
            return Err(Error::new(&error::DUPLICATE_COLUMN, &[&name]));
        }
        let column = &table.columns[place];
        // One that is GENERATED BY DEFAULT takes values.
        if column.identity.is_some_and(|identity| !identity.by_default) {
            return Err(Error::new(&error::IDENTITY_INSERT, &[]));
        }
        let value = match &value {
            Expr::Identifier(word) if word.value == "default" && word.quote_style.is_none() => {
                default(binder, column)?.unwrap_or(Expr::value(Value::Null))
            }
            _ => binder.of_row("SET", value)?,
        };
        values[place] = Some(assigned(value, column));
    }
    let mut items = Vec::new();
    for (at, (column, value)) in table.columns.iter().zip(values).enumerate() {
        let own = || qualified(shown, &column.name);
        items.push(SelectItem::ExprWithAlias {
            expr: value.unwrap_or_else(own),
            alias: bind::ident(&format!("\u{1}c{at}")),
        });
    }
    items.push(SelectItem::ExprWithAlias {
        expr: qualified(shown, ROW),
        alias: bind::ident(ROW),
    });
    Ok(items)
}

pub(super) fn qualified(table: &str, column: &str) -> Expr {
    let parts: Vec<Ident> = vec![bind::ident(table), bind::ident(column)];
    Expr::CompoundIdentifier(parts)
}

/// Runs a query for new rows, and puts them in the place of the old ones.
pub(super) async fn replace(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    table: &Table,
    query: datafusion::sql::sqlparser::ast::Query,
    again: Again,
) -> Result<u64> {
    let catalog = transaction.catalog().clone();
    let marks = Arc::new(Mutex::new(Marked::default()));
    let streams = bind::streams(environment.plan(&catalog, query).await?).await?;
    let streams = streams.into_iter();
    let streams = streams
        .map(|stream| marked(&marks, again, stream))
        .collect();
    let written = write(environment, table, streams, false).await?;
    let rows = std::mem::take(&mut marks.lock().rows);
    if rows.is_empty() {
        return Ok(0);
    }
    // Other parts of the statement may have changed it already.
    let mut changed = without(table, rows);
    changed.segments.extend(written.segments);
    transaction.put(Object::Table(Arc::new(changed)))?;
    Ok(written.rows)
}
