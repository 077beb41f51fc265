//! `ALTER TABLE`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::create::{add, add_keys, attributes, dependents, known_encoding};
use super::rows::default;
use super::{Environment, locked};
use crate::bind::{self, Binder};
use crate::catalog::{Catalog, Object, Table, View};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::syntax::{AlterAction, ColumnDefinition};
use crate::transaction::Transaction;
use crate::types::show::{self, Digits};
use crate::types::{Type, parse};

pub(super) async fn alter(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    name: &ObjectName,
    action: AlterAction,
) -> Result<Outcome> {
    let outcome = Outcome::tagged("ALTER TABLE");
    if let AlterAction::RenameTable(to) = &action
        && let Some(view) = view(environment, transaction, name)?
    {
        transaction.lock(view.id, false).await?;
        transaction.lock_name(view.schema, &to.value).await?;
        free(transaction.catalog(), view.schema, to)?;
        let view = View {
            name: to.value.clone(),
            ..View::clone(&view)
        };
        transaction.put(Object::View(Arc::new(view)))?;
        return Ok(outcome);
    }
    let id = locked(environment, transaction, name, false).await?;
    let catalog = transaction.catalog().clone();
    let mut table = Table::clone(catalog.table(id)?);
    let place = |table: &Table, name: &Ident| {
        let found = table
            .columns
            .iter()
            .position(|column| column.name == name.value);
        found.ok_or_else(|| Error::new(&error::UNDEFINED_COPY_COLUMN, &[&name.value, &table.name]))
    };
    match action {
        AlterAction::AddColumn(definition) => {
            add_column(environment, &catalog, &mut table, *definition).await?;
        }
        AlterAction::DropColumn { name, cascade } => {
            let at = place(&table, &name)?;
            let column = &table.columns[at];
            let uses = column.distribution_key || table.sort_keys.contains(&column.name);
            let views = dependents(&catalog, id);
            if (uses || !views.is_empty()) && !cascade {
                let what = format!("table {} column {}", table.name, column.name);
                return Err(Error::new(&error::SCHEMA_NOT_EMPTY, &[&what])
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            for view in views {
                transaction.lock(view, false).await?;
                transaction.remove(view)?;
            }
            if table.columns.len() == 1 {
                return Err(Error::new(
                    &error::UNSUPPORTED,
                    &[&"a table without columns"],
                ));
            }
            let removed = table.columns.remove(at);
            table.sort_keys.retain(|key| *key != removed.name);
            table
                .keys
                .retain(|key| !key.columns.contains(&removed.name));
        }
        AlterAction::RenameTable(to) => {
            transaction.lock_name(table.schema, &to.value).await?;
            free(&catalog, table.schema, &to)?;
            table.name = to.value;
        }
        AlterAction::RenameColumn { from, to } => {
            let at = place(&table, &from)?;
            if table.column(&to.value).is_some() {
                return Err(Error::new(&error::DUPLICATE_COLUMN, &[&to.value]));
            }
            for name in table
                .sort_keys
                .iter_mut()
                .chain(table.keys.iter_mut().flat_map(|key| &mut key.columns))
            {
                if *name == from.value {
                    name.clone_from(&to.value);
                }
            }
            table.columns[at].name = to.value;
        }
        AlterAction::ColumnType { name, data_type } => {
            let at = place(&table, &name)?;
            let new = parse::sql(&data_type, Some(&name.value))?;
            column_type(environment, &catalog, &mut table, at, new).await?;
        }
        AlterAction::Attributes(new) => attributes(&mut table, &new)?,
        AlterAction::ColumnEncoding { name, encoding } => {
            let at = place(&table, &name)?;
            let data_type = table.columns[at].data_type;
            table.columns[at].encoding = known_encoding(&name.value, data_type, encoding)?;
        }
        AlterAction::AddKey(key) => add_keys(environment, &catalog, &mut table, vec![key])?,
        AlterAction::Nothing => return Ok(outcome),
        AlterAction::AppendFrom => return Err(Error::not_yet("ALTER TABLE APPEND")),
    }
    transaction.put(Object::Table(Arc::new(table)))?;
    Ok(outcome)
}

fn view(
    environment: &Environment<'_>,
    transaction: &Transaction,
    name: &ObjectName,
) -> Result<Option<Arc<View>>> {
    let preview = transaction.preview();
    let object = super::create::existing(environment, &preview, name)?;
    Ok(match object {
        Object::View(view) => Some(view),
        _ => None,
    })
}

fn free(catalog: &Catalog, schema: u64, name: &Ident) -> Result<()> {
    match catalog.find(schema, &name.value) {
        Some(_) => Err(Error::new(&error::DUPLICATE_TABLE, &[&name.value])),
        None => Ok(()),
    }
}

async fn add_column(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    definition: ColumnDefinition,
) -> Result<()> {
    if definition.identity.is_some() {
        return Err(Error::new(
            &error::UNSUPPORTED,
            &[&"ADD COLUMN with IDENTITY"],
        ));
    }
    if definition.not_null && definition.default.is_none() {
        return Err(Error::new(&error::ADD_COLUMN_NOT_NULL, &[]));
    }
    let keys = add(environment, catalog, table, definition)?;
    add_keys(environment, catalog, table, keys)?;
    let Some(column) = table.columns.last_mut() else {
        return Ok(());
    };
    let mut binder = Binder::new(catalog, environment.context);
    let Some(value) = default(&mut binder, column)? else {
        return Ok(());
    };
    // What older rows hold is computed once.
    let item = datafusion::sql::sqlparser::ast::SelectItem::ExprWithAlias {
        expr: super::rows::assigned(value, column),
        alias: bind::ident("value"),
    };
    let query = bind::select(vec![item], Vec::new(), None);
    let batches = bind::run(environment.plan(catalog, query).await?).await?;
    column.before = batches
        .first()
        .and_then(|batch| show::text(batch.column(0), 0, Digits::All));
    match column.before.is_none() && column.not_null {
        true => Err(Error::new(&error::ADD_COLUMN_NOT_NULL, &[])),
        false => Ok(()),
    }
}

/// Only the size of a VARCHAR changes, and never below what is there.
async fn column_type(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    at: usize,
    new: Type,
) -> Result<()> {
    let column = &table.columns[at];
    let refused = || Error::new(&error::ALTER_TYPE_REFUSED, &[&column.name]);
    let (Type::Varchar(_), Type::Varchar(length)) = (column.data_type, new) else {
        return Err(refused());
    };
    let is_key = table
        .keys
        .iter()
        .any(|key| key.columns.contains(&column.name));
    if is_key || column.default.is_some() {
        return Err(refused().hint("columns with a default or in a key keep their type"));
    }
    let name = &column.name;
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let text = format!(
        "select max(octet_length({})) from {}.{}",
        quote(name),
        quote(catalog.schema_name(table.schema)),
        quote(&table.name)
    );
    let parsed = crate::syntax::parse(&text, &crate::syntax::Parameters::None)?;
    let Some(crate::syntax::Statement::Query(query)) = parsed else {
        return Err(Error::internal("the longest value cannot be asked for"));
    };
    let mut binder = Binder::new(catalog, environment.context);
    let bound = binder.statement(*query)?;
    let batches = bind::run(environment.plan(catalog, bound).await?).await?;
    let longest = batches
        .first()
        .and_then(|batch| show::text(batch.column(0), 0, Digits::All));
    let longest = longest
        .and_then(|text| text.parse::<u32>().ok())
        .unwrap_or(0);
    if longest > length {
        return Err(Error::new(&error::ALTER_TYPE_SHRINKS, &[name]));
    }
    table.columns[at].data_type = new;
    Ok(())
}
