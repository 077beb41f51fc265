//! `INSERT`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, Insert, Parens, Query, SelectItem, SetExpr, TableObject, Value, Values,
};
use futures::stream;

use transom_sql::walk::visit_expressions;

use super::rows::{Given, assigned, completed, default_value, write};
use super::{Environment, constants, locked};
use crate::bind::{self, Binder};
use crate::catalog::{Catalog, Id, Table};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::transaction::Transaction;

pub(super) async fn insert(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    insert: Insert,
) -> Result<Outcome> {
    let Insert {
        insert_token: _,
        optimizer_hints: _,
        or,
        ignore,
        into: _,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let near = |word: &str| Error::new(&error::SYNTAX_ERROR, &[&word]);
    if on.is_some() {
        return Err(near("on").hint("Redshift has no ON CONFLICT: use MERGE"));
    }
    if returning.is_some() {
        return Err(near("returning"));
    }
    let is_foreign = or.is_some()
        || ignore
        || table_alias.is_some()
        || overwrite
        || !assignments.is_empty()
        || partitioned.is_some()
        || !after_columns.is_empty()
        || has_table_keyword
        || output.is_some()
        || replace_into
        || priority.is_some()
        || insert_alias.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || multi_table_insert_type.is_some()
        || !multi_table_into_clauses.is_empty()
        || !multi_table_when_clauses.is_empty()
        || multi_table_else_clause.is_some();
    let TableObject::TableName(name) = table else {
        return Err(near("insert"));
    };
    if is_foreign {
        return Err(near("insert"));
    }
    let id = locked(environment, transaction, &name, true).await?;
    let catalog = transaction.catalog().clone();
    let table = catalog.table(id)?;
    let names = bind::column_names(&columns)?;
    let given = Given::new(table, &names)?;
    let (planned, given, numbered) = match source {
        Some(source) => {
            let is_plain = source.with.is_none()
                && source.order_by.is_none()
                && source.limit_clause.is_none()
                && source.fetch.is_none();
            let planned = match *source.body {
                SetExpr::Values(values) if is_plain => {
                    let has_list = !names.is_empty();
                    let width = values.rows.first().map_or(0, |row| row.len());
                    given.check(width, has_list)?;
                    if let Some(batch) =
                        constants::rows(table, &given, &values, environment.context.digits)?
                    {
                        let schema = batch.schema();
                        let batch = stream::iter([Ok(batch)]);
                        let rows = RecordBatchStreamAdapter::new(schema, batch);
                        let numbered = given.is_numbered(table, width);
                        let written =
                            write(environment, table, vec![Box::pin(rows)], numbered).await?;
                        transaction.append(id, written.segments)?;
                        return Ok(Outcome::changed("INSERT 0", written.rows));
                    }
                    let (query, tables) =
                        values_query(environment, &catalog, table, &given, values)?;
                    transaction.has_read(tables);
                    environment.plan(&catalog, query).await?
                }
                body => {
                    let source = Query {
                        body: Box::new(body),
                        ..*source
                    };
                    let mut binder = Binder::new(&catalog, environment.context);
                    let bound = binder.statement(source)?;
                    transaction.has_read(binder.tables);
                    environment.plan(&catalog, bound).await?
                }
            };
            let width = planned.columns()?.len();
            given.check(width, !names.is_empty())?;
            let numbered = given.is_numbered(table, width);
            (planned, given, numbered)
        }
        // `DEFAULT VALUES`: a row that gives no column.
        None => {
            let one = SelectItem::UnnamedExpr(Expr::value(Value::Number("1".to_owned(), false)));
            let row = bind::select(vec![one], Vec::new(), None);
            let given = Given {
                places: vec![None; table.columns.len()],
            };
            (environment.plan(&catalog, row).await?, given, true)
        }
    };
    let query = completed(environment, &catalog, table, &given, planned).await?;
    let streams = bind::streams(query).await?;
    let written = write(environment, table, streams, numbered).await?;
    transaction.append(id, written.segments)?;
    Ok(Outcome::changed("INSERT 0", written.rows))
}

/// Rows of values as a query, with the tables that it reads; `DEFAULT` is the column's.
fn values_query(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &Table,
    given: &Given,
    values: Values,
) -> Result<(Query, BTreeSet<Id>)> {
    let mut cells = values.rows.iter().flat_map(|row| &row.content);
    let has_subquery = cells.any(has_subquery);
    if has_subquery && values.rows.len() > 1 {
        return Err(Error::new(&error::VALUES_SUBQUERY, &[])
            .hint("write one INSERT for each row, or INSERT .. SELECT"));
    }
    let mut binder = Binder::new(catalog, environment.context);
    let mut columns = vec![None; given.count()];
    for (column, place) in table.columns.iter().zip(&given.places) {
        if let Some(place) = place {
            columns[*place] = Some(column);
        }
    }
    let width = values.rows.first().map_or(0, |row| row.len());
    let rows = values.rows.into_iter().map(|row| {
        if row.len() != width {
            return Err(Error::new(&error::SYNTAX_ERROR, &[&"VALUES"])
                .hint("lists in VALUES must all have the same length"));
        }
        let cells = row.content.into_iter().zip(&columns).map(|(cell, column)| {
            let column = column.ok_or_else(|| Error::internal("a value without a column"))?;
            let value = match &cell {
                Expr::Identifier(word) if word.value == "default" => {
                    default_value(environment.shared, &mut binder, table, column)?
                }
                _ => binder.constant("VALUES", cell)?,
            };
            Ok(assigned(value, column))
        });
        let content = cells.collect::<Result<Vec<_>>>()?;
        Ok(Parens {
            opening_token: AttachedToken::empty(),
            content,
            closing_token: AttachedToken::empty(),
        })
    });
    let mut rows = rows.collect::<Result<Vec<_>>>()?;
    // DataFusion computes no subqueries in VALUES.
    let query = match rows.pop() {
        Some(row) if has_subquery => {
            let cells = row.content.into_iter().enumerate();
            let items = cells.map(|(at, expr)| SelectItem::ExprWithAlias {
                expr,
                alias: bind::ident(&format!("\u{1}c{at}")),
            });
            bind::select(items.collect(), Vec::new(), None)
        }
        last => {
            rows.extend(last);
            bind::query(SetExpr::Values(Values {
                explicit_row: false,
                value_keyword: false,
                rows,
            }))
        }
    };
    Ok((query, binder.tables))
}

fn has_subquery(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}
