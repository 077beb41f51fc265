//! `ALTER TABLE`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::create::{add, attributes, dependents, known_encoding};
use super::keys::{Gone, depends};
use super::rows::default;
use super::{Environment, keys, locked};
use crate::bind::{self, Binder};
use crate::catalog::{Catalog, Object, Table, View};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::syntax::{AlterAction, ColumnDefinition, TableAttributes};
use crate::transaction::Transaction;
use crate::types::show::{self, Digits};
use crate::types::{Type, parse};

/// Encodings of which the columns keep their type.
const KEEP_TYPE: [&str; 4] = ["bytedict", "runlength", "text255", "text32k"];

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
        check_permanent(to)?;
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
    let referenced = match &action {
        AlterAction::AddKey(key) => keys::referenced(std::iter::once(key)),
        _ => Vec::new(),
    };
    keys::lock_referenced(environment, transaction, &referenced).await?;
    let id = locked(environment, transaction, name, false).await?;
    keys::lock_referenced(environment, transaction, &referenced).await?;
    let catalog = transaction.catalog().clone();
    let mut table = Table::clone(catalog.table(id)?);
    let is_temporary = table.schema == environment.context.temporary;
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
            drop_column(environment, transaction, &mut table, at, cascade).await?;
        }
        AlterAction::RenameTable(to) => {
            if !is_temporary {
                check_permanent(&to)?;
            }
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
        AlterAction::Attributes(new) => {
            check_attributes(&table, &new, is_temporary)?;
            attributes(&mut table, &new)?;
        }
        AlterAction::ColumnEncoding { name, encoding } => {
            let at = place(&table, &name)?;
            if table.interleaved {
                return Err(refused("ENCODE in a table with an INTERLEAVED SORTKEY"));
            }
            let column = &mut table.columns[at];
            let encoding = known_encoding(&name.value, column.data_type, encoding)?;
            if column.encoding == encoding {
                return Err(refused("ENCODE with the encoding that the column has"));
            }
            column.encoding = encoding;
        }
        AlterAction::AddKey(key) => keys::add(environment, &catalog, &mut table, vec![key])?,
        AlterAction::DropKey { name, cascade } => {
            keys::drop(transaction, &mut table, &name.value, cascade).await?;
        }
        AlterAction::Nothing => return Ok(outcome),
        AlterAction::AppendFrom => return Err(Error::not_yet("ALTER TABLE APPEND")),
    }
    transaction.put(Object::Table(Arc::new(table)))?;
    Ok(outcome)
}

fn refused(what: &str) -> Error {
    Error::new(&error::UNSUPPORTED, &[&what])
}

/// An error for the name of a temporary table.
fn check_permanent(name: &Ident) -> Result<()> {
    match name.value.starts_with('#') {
        true => Err(refused("a permanent table whose name begins with #")),
        false => Ok(()),
    }
}

/// An error for what `ALTER TABLE` does not change: where the rows of temporary tables and of interleaved ones are, and a sort key into an
/// interleaved one.
fn check_attributes(table: &Table, new: &TableAttributes, is_temporary: bool) -> Result<()> {
    let is_spread = matches!(new.distribution.as_deref(), Some("all" | "even"));
    if new.interleaved {
        return Err(refused("ALTER INTERLEAVED SORTKEY"));
    }
    if is_spread && is_temporary {
        return Err(refused("ALTER DISTSTYLE of a temporary table"));
    }
    if (is_spread || new.distribution_key.is_some()) && table.interleaved {
        let what = "ALTER DISTSTYLE or DISTKEY of a table with an INTERLEAVED SORTKEY";
        return Err(refused(what));
    }
    Ok(())
}

/// Drops a column; with CASCADE also the views that refer to it, and the keys that have it or refer to it.
async fn drop_column(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    table: &mut Table,
    at: usize,
    cascade: bool,
) -> Result<()> {
    if table.columns.len() == 1 {
        return Err(refused("a table without columns"));
    }
    let catalog = transaction.catalog().clone();
    let column = table.columns[at].clone();
    let id = table.id;
    let mut views = Vec::new();
    for object in catalog.objects() {
        if let Object::View(view) = object
            && view.bound.values().any(|bound| *bound == id)
            && is_used(environment, &catalog, view, table, &column.name).await
        {
            views.push(view.id);
            views.extend(dependents(&catalog, view.id));
        }
    }
    views.sort_unstable();
    views.dedup();
    let gone = Gone::Column(id, column.id);
    let others = gone.referring(transaction, &[id])?;
    let mut kept = table.keys.clone();
    kept.retain(|key| !key.columns.contains(&column.name) && !gone.has(key));
    let is_placed = column.distribution_key || table.sort_keys.contains(&column.name);
    let is_in_key = !others.is_empty() || kept.len() < table.keys.len();
    if (is_placed || is_in_key || !views.is_empty()) && !cascade {
        let what = format!("table {} column {}", table.name, column.name);
        return Err(depends(&what));
    }
    for view in views {
        transaction.lock(view, false).await?;
        transaction.remove(view)?;
    }
    gone.release(transaction, others).await?;
    if column.distribution_key {
        "auto".clone_into(&mut table.distribution);
    }
    table.columns.remove(at);
    table.sort_keys.retain(|key| *key != column.name);
    table.keys = kept;
    Ok(())
}

/// Whether a view refers to a column; one that cannot be planned any more refers to all that it was bound to.
async fn is_used(
    environment: &Environment<'_>,
    catalog: &Catalog,
    view: &Arc<View>,
    table: &Table,
    column: &str,
) -> bool {
    let (shared, context) = (environment.shared, environment.context);
    let uses = bind::uses(shared, catalog, context, view, table.id, column).await;
    uses.unwrap_or(true)
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
    let attributes = [
        (definition.identity.is_some(), "IDENTITY"),
        (definition.distribution_key, "DISTKEY"),
        (definition.sort_key, "SORTKEY"),
    ];
    let mut given = attributes.iter().filter(|(is_given, _)| *is_given);
    let first = given.next().map(|(_, name)| *name);
    if let Some(with) = first.or(definition.keys.first().map(|key| key.kind)) {
        return Err(refused(&format!("ADD COLUMN with {with}")));
    }
    if definition.not_null && definition.default.is_none() {
        return Err(Error::new(&error::ADD_COLUMN_NOT_NULL, &[]));
    }
    add(environment, catalog, table, definition)?;
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
    if KEEP_TYPE.contains(&column.encoding.as_str()) {
        let encoding = column.encoding.to_uppercase();
        let hint = format!("columns with the encoding {encoding} keep their type");
        return Err(refused().hint(hint));
    }
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
