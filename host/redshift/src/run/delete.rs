//! `DELETE` and `TRUNCATE`.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use datafusion::sql::sqlparser::ast::{
    Delete, Distinct, FromTable, ObjectName, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use super::rows::without;
use super::update::qualified;
use super::{Environment, locked};
use crate::bind::{self, Binder};
use crate::catalog::{Object, Table};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::store::ROW;
use crate::transaction::Transaction;

pub(super) async fn delete(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    delete: Delete,
) -> Result<Outcome> {
    let Delete {
        delete_token: _,
        optimizer_hints: _,
        tables,
        from,
        using,
        selection,
        returning,
        output,
        order_by,
        limit,
    } = delete;
    let near = |word: &str| Error::new(&error::SYNTAX_ERROR, &[&word]);
    if returning.is_some() {
        return Err(near("returning"));
    }
    if !tables.is_empty() || output.is_some() || !order_by.is_empty() || limit.is_some() {
        return Err(near("delete"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
    let [TableWithJoins { relation, joins }] = from.as_slice() else {
        return Err(near(","));
    };
    let TableFactor::Table { name, alias, .. } = relation else {
        return Err(near("("));
    };
    if let Some(alias) = alias {
        return Err(near(&alias.name.value).hint("DELETE takes no alias: name the table itself"));
    }
    if !joins.is_empty() {
        return Err(near("join"));
    }
    let id = locked(environment, transaction, name, false).await?;
    let catalog = transaction.catalog().clone();
    let table = catalog.table(id)?;
    let shown = bind::plain_name(name).pop().unwrap_or_default();
    let mut binder = Binder::new(&catalog, environment.context);
    binder.begin_change();
    let relation = binder.numbered(id, None)?;
    let mut tables = vec![TableWithJoins {
        relation,
        joins: Vec::new(),
    }];
    for table in using.unwrap_or_default() {
        tables.push(binder.tables(table)?);
    }
    let is_all = selection.is_none() && tables.len() == 1;
    let selection = binder.selection(selection)?;
    let item = SelectItem::ExprWithAlias {
        expr: qualified(&shown, ROW),
        alias: bind::ident(ROW),
    };
    let mut query = bind::select(vec![item], tables, selection);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.distinct = Some(Distinct::Distinct);
    }
    transaction.has_read(binder.tables);
    if is_all {
        let deleted = table.rows();
        let emptied = Table {
            segments: Vec::new(),
            ..Table::clone(table)
        };
        transaction.put(Object::Table(Arc::new(emptied)))?;
        return Ok(Outcome::changed("DELETE", deleted));
    }
    let batches = bind::run(environment.plan(&catalog, query).await?).await?;
    let rows = batches.iter().flat_map(|batch| {
        let numbers = batch.column(0).as_primitive::<UInt64Type>();
        numbers.values().iter().copied()
    });
    let rows: Vec<u64> = rows.collect();
    let deleted = rows.len() as u64;
    if deleted > 0 {
        let changed = without(table, rows);
        transaction.put(Object::Table(Arc::new(changed)))?;
    }
    Ok(Outcome::changed("DELETE", deleted))
}

/// The session commits afterwards.
pub(super) async fn truncate(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    name: &ObjectName,
) -> Result<Outcome> {
    let id = locked(environment, transaction, name, false).await?;
    let emptied = Table {
        segments: Vec::new(),
        ..Table::clone(transaction.catalog().table(id)?)
    };
    transaction.put(Object::Table(Arc::new(emptied)))?;
    Ok(Outcome::tagged("TRUNCATE TABLE"))
}
