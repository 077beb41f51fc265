//! Constraints of tables. They inform and are not enforced, but what they name and refer to is there, and stays there below them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::Environment;
use crate::bind::Binder;
use crate::catalog::{Catalog, Id, Key, Object, Reference, Table};
use crate::error::{self, Error, Result};
use crate::syntax::KeyDefinition;
use crate::transaction::Transaction;

/// Adds keys to a table whose columns are all there.
pub(super) fn add(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    keys: Vec<KeyDefinition>,
) -> Result<()> {
    let mut references = Vec::new();
    for definition in keys {
        if let Some((other, named)) = definition.references {
            references.push((table.keys.len(), other, texts(named)));
        }
        let mut key = Key {
            kind: definition.kind.to_owned(),
            columns: texts(definition.columns),
            name: String::new(),
            references: None,
        };
        check(table, &key)?;
        key.name = match definition.name {
            Some(name) => given_name(table, name.value)?,
            None => free_name(table, &key),
        };
        table.keys.push(key);
    }
    // A table may refer to itself.
    let mut catalog = catalog.clone();
    catalog.put(Object::Table(Arc::new(table.clone())));
    for (at, other, named) in references {
        let other = Binder::new(&catalog, environment.context).target(&other)?;
        let key = &mut table.keys[at];
        key.references = Some(reference(key.columns.len(), &other, named)?);
    }
    Ok(())
}

/// The tables that keys refer to.
pub(super) fn referenced<'a>(keys: impl Iterator<Item = &'a KeyDefinition>) -> Vec<ObjectName> {
    let references = keys.filter_map(|key| key.references.as_ref());
    references.map(|(table, _)| table.clone()).collect()
}

/// Waits for tables that keys will refer to, so that nobody drops them. It is called before there is a snapshot, which then has what this has
/// waited for, and once there is one: the name may stand for another table by then.
pub(super) async fn lock_referenced(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    tables: &[ObjectName],
) -> Result<()> {
    for table in tables {
        let preview = transaction.preview();
        let found = Binder::new(&preview, environment.context).target(table);
        // One that is not there is an error when the key is added.
        if let Ok(found) = found {
            transaction.lock_referenced(found.id).await?;
        }
    }
    Ok(())
}

fn texts(names: Vec<Ident>) -> Vec<String> {
    names.into_iter().map(|name| name.value).collect()
}

/// An error for a key that a table cannot have beside its others.
fn check(table: &Table, key: &Key) -> Result<()> {
    let is_primary = key.kind == Key::PRIMARY;
    if is_primary && table.keys.iter().any(|other| other.kind == Key::PRIMARY) {
        return Err(Error::new(&error::SECOND_KEY, &[&table.name]));
    }
    for (at, name) in key.columns.iter().enumerate() {
        let Some(column) = table.column(name) else {
            return Err(Error::new(&error::UNDEFINED_COLUMN, &[name]));
        };
        if key.columns[..at].contains(name) {
            return Err(Error::new(&error::DUPLICATE_COLUMN, &[name]));
        }
        if is_primary && !column.not_null {
            return Err(Error::new(&error::NULLABLE_KEY, &[name])
                .hint("a column is NOT NULL from when it is made"));
        }
    }
    if key.kind != Key::FOREIGN && is_key(table, &set(&key.columns)) {
        let what = "a second UNIQUE or PRIMARY KEY of the same columns";
        return Err(Error::new(&error::UNSUPPORTED, &[&what]));
    }
    Ok(())
}

fn set(columns: &[String]) -> BTreeSet<&str> {
    columns.iter().map(String::as_str).collect()
}

/// Whether columns are those of a primary key or of a unique one, in any order.
fn is_key(table: &Table, columns: &BTreeSet<&str>) -> bool {
    let mut keys = table.keys.iter().filter(|key| key.kind != Key::FOREIGN);
    keys.any(|key| set(&key.columns) == *columns)
}

fn given_name(table: &Table, name: String) -> Result<String> {
    match table.key(&name) {
        None => Ok(name),
        Some(_) => Err(Error::new(
            &error::DUPLICATE_CONSTRAINT,
            &[&name, &table.name],
        )),
    }
}

/// The usual name of a key, with a number if another has it.
fn free_name(table: &Table, key: &Key) -> String {
    let usual = key.usual_name(&table.name);
    let mut name = usual.clone();
    let mut number = 0;
    while table.key(&name).is_some() {
        number += 1;
        name = format!("{usual}{number}");
    }
    name
}

/// What a foreign key of so many columns refers to: a key of another table.
fn reference(count: usize, other: &Table, named: Vec<String>) -> Result<Reference> {
    if let Some(name) = named.iter().find(|name| other.column(name).is_none()) {
        return Err(Error::new(&error::UNDEFINED_REFERENCE, &[name]));
    }
    let primary = other.keys.iter().find(|key| key.kind == Key::PRIMARY);
    let wanted = match primary {
        _ if !named.is_empty() => named,
        Some(key) => key.columns.clone(),
        None => return Err(Error::new(&error::NO_PRIMARY_KEY, &[&other.name])),
    };
    if wanted.len() != count {
        return Err(Error::new(&error::REFERENCE_COUNT, &[]));
    }
    let columns = set(&wanted);
    if columns.len() != count || !is_key(other, &columns) {
        return Err(Error::new(&error::NO_REFERENCED_KEY, &[&other.name]));
    }
    let numbers = wanted.iter().filter_map(|name| other.column(name));
    Ok(Reference {
        table: other.id,
        columns: numbers.map(|column| column.id).collect(),
    })
}

/// What is dropped, in the eyes of foreign keys.
#[derive(Debug)]
pub(super) enum Gone {
    Tables(Vec<Id>),
    Column(Id, u32),
    /// A key of a table by the numbers of its columns.
    Key(Id, BTreeSet<u32>),
}

impl Gone {
    /// Whether a key refers to it.
    pub(super) fn has(&self, key: &Key) -> bool {
        let Some(Reference { table, columns }) = &key.references else {
            return false;
        };
        match self {
            Self::Tables(tables) => tables.contains(table),
            Self::Column(of, column) => of == table && columns.contains(column),
            Self::Key(of, all) => {
                of == table && columns.iter().copied().collect::<BTreeSet<_>>() == *all
            }
        }
    }

    /// Tables that have a foreign key to it, but for some. It is locked by then, so no more will come; an error if one came after the
    /// snapshot.
    pub(super) fn referring(
        &self,
        transaction: &mut Transaction,
        but_for: &[Id],
    ) -> Result<Vec<Id>> {
        let refers = |object: &Object| match object {
            Object::Table(table) if !but_for.contains(&table.id) => {
                table.keys.iter().any(|key| self.has(key))
            }
            _ => false,
        };
        let found = transaction.catalog().objects();
        let found = found.filter(|object| refers(object)).map(Object::id);
        let found: Vec<Id> = found.collect();
        transaction.check_others(|object| refers(object) && !found.contains(&object.id()))?;
        Ok(found)
    }

    /// Drops the foreign keys of tables to it.
    pub(super) async fn release(
        &self,
        transaction: &mut Transaction,
        tables: Vec<Id>,
    ) -> Result<()> {
        for id in tables {
            transaction.lock(id, false).await?;
            let mut table = Table::clone(transaction.catalog().table(id)?);
            table.keys.retain(|key| !self.has(key));
            transaction.put(Object::Table(Arc::new(table)))?;
        }
        Ok(())
    }
}

/// `DROP CONSTRAINT`
pub(super) async fn drop(
    transaction: &mut Transaction,
    table: &mut Table,
    name: &str,
    cascade: bool,
) -> Result<()> {
    let Some(at) = table.key(name) else {
        return Err(Error::new(&error::UNDEFINED_CONSTRAINT, &[&name]));
    };
    let key = table.keys.remove(at);
    let is_referred = key.kind != Key::FOREIGN && !is_key(table, &set(&key.columns));
    let columns = key.columns.iter().filter_map(|name| table.column(name));
    let columns = columns.map(|column| column.id).collect();
    let gone = match is_referred {
        true => Gone::Key(table.id, columns),
        // Nothing refers to it.
        false => Gone::Tables(Vec::new()),
    };
    let others = gone.referring(transaction, &[table.id])?;
    let is_free = others.is_empty() && !table.keys.iter().any(|key| gone.has(key));
    if !is_free && !cascade {
        return Err(depends(&format!(
            "constraint {name} on table {}",
            table.name
        )));
    }
    gone.release(transaction, others).await?;
    table.keys.retain(|key| !gone.has(key));
    Ok(())
}

/// An error for what others depend on.
pub(super) fn depends(what: &str) -> Error {
    Error::new(&error::SCHEMA_NOT_EMPTY, &[&what])
        .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}
