//! The catalog: schemas, tables and views. One version of it never changes; a commit makes the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{self, Error, Result};
use crate::store::Segment;
use crate::types::Type;

/// What identifies an object for ever, whatever its name.
pub(crate) type Id = u64;

/// The schema that is there from the start.
pub(crate) const PUBLIC: Id = 2200;
/// The first number of objects that users create.
pub(crate) const FIRST: Id = 100_000;

/// What the schema of a session's temporary tables is called; a number may follow.
pub(crate) const TEMPORARY: &str = "pg_temp";

pub(crate) fn is_temporary(schema: &str) -> bool {
    schema.starts_with(TEMPORARY)
}

/// A schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) id: Id,
    pub(crate) name: String,
}

/// A table with its rows. Those have records of their own, so that a change of some rows does not write all again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) id: Id,
    pub(crate) schema: Id,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Vec<Key>,
    pub(crate) distribution: String,
    pub(crate) sort_keys: Vec<String>,
    #[serde(default)]
    pub(crate) interleaved: bool,
    pub(crate) next_column: u32,
    #[serde(skip)]
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The commit that changed it last, of this process.
    #[serde(skip)]
    pub(crate) changed: u64,
}

/// A constraint, which informs and is not enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) columns: Vec<String>,
    /// Empty in records that are older than names, whose keys are called as PostgreSQL would.
    #[serde(default)]
    pub(crate) name: String,
    /// What a foreign key refers to; older records do not say.
    #[serde(default)]
    pub(crate) references: Option<Reference>,
}

/// The key of a table that a foreign key refers to: the numbers of its columns, in the order of those that refer to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) table: Id,
    pub(crate) columns: Vec<u32>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// What files call it, whatever its name.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) data_type: Type,
    pub(crate) not_null: bool,
    /// An expression of SQL.
    pub(crate) default: Option<String>,
    /// What rows hold that are older than the column, as text.
    pub(crate) before: Option<String>,
    pub(crate) identity: Option<Identity>,
    pub(crate) encoding: String,
    pub(crate) distribution_key: bool,
}

/// Numbers of an IDENTITY column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) seed: i64,
    pub(crate) step: i64,
    pub(crate) by_default: bool,
}

/// A view: a query, with what its names stood for when it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) id: Id,
    pub(crate) schema: Id,
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, Type)>,
    pub(crate) query: String,
    /// Objects by the names that the query uses; empty for a view that is bound late.
    pub(crate) bound: BTreeMap<String, Id>,
    /// The columns of those objects that are tables: their numbers, and their names when the view was made. A list, since the keys of
    /// a JSON object are texts.
    #[serde(default)]
    pub(crate) bound_columns: Vec<(Id, Vec<(u32, String)>)>,
    pub(crate) late_binding: bool,
    pub(crate) search_path: Vec<String>,
}

/// An object of the catalog.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    Schema(Arc<Schema>),
    Table(Arc<Table>),
    View(Arc<View>),
}

impl Object {
    pub(crate) fn id(&self) -> Id {
        match self {
            Self::Schema(schema) => schema.id,
            Self::Table(table) => table.id,
            Self::View(view) => view.id,
        }
    }

    /// The schema and the name. Schemas are in none.
    pub(crate) fn key(&self) -> (Id, &str) {
        match self {
            Self::Schema(schema) => (0, &schema.name),
            Self::Table(table) => (table.schema, &table.name),
            Self::View(view) => (view.schema, &view.name),
        }
    }
}

/// All objects at one moment. Each statement has a copy: copies share what did not change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    /// The commit that made it.
    pub(crate) number: u64,
    objects: Arc<BTreeMap<Id, Object>>,
    names: Arc<BTreeMap<(Id, String), Id>>,
}

impl Catalog {
    pub(crate) fn get(&self, id: Id) -> Option<&Object> {
        self.objects.get(&id)
    }

    pub(crate) fn table(&self, id: Id) -> Result<&Arc<Table>> {
        match self.objects.get(&id) {
            Some(Object::Table(table)) => Ok(table),
            _ => Err(Error::new(&error::UNDEFINED_TABLE, &[&id])),
        }
    }

    pub(crate) fn find(&self, schema: Id, name: &str) -> Option<&Object> {
        let id = self.names.get(&(schema, name.to_owned()))?;
        self.objects.get(id)
    }

    pub(crate) fn schema(&self, name: &str) -> Option<Id> {
        self.names.get(&(0, name.to_owned())).copied()
    }

    pub(crate) fn schema_name(&self, id: Id) -> &str {
        match self.objects.get(&id) {
            Some(Object::Schema(schema)) => &schema.name,
            _ => TEMPORARY,
        }
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// Adds or replaces an object; a name that it had before is gone.
    pub(crate) fn put(&mut self, object: Object) {
        let id = object.id();
        let (schema, name) = object.key();
        if self.find(schema, name).is_none_or(|found| found.id() != id) {
            self.remove(id);
            Arc::make_mut(&mut self.names).insert((schema, name.to_owned()), id);
        }
        Arc::make_mut(&mut self.objects).insert(id, object);
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Object> {
        if !self.objects.contains_key(&id) {
            return None;
        }
        let removed = Arc::make_mut(&mut self.objects).remove(&id)?;
        let (schema, name) = removed.key();
        let key = (schema, name.to_owned());
        if self.names.get(&key) == Some(&id) {
            Arc::make_mut(&mut self.names).remove(&key);
        }
        Some(removed)
    }
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The name of the key at a place.
    pub(crate) fn key_name(&self, at: usize) -> String {
        let key = &self.keys[at];
        match key.name.is_empty() {
            true => key.usual_name(&self.name),
            false => key.name.clone(),
        }
    }

    /// The place of the key of a name.
    pub(crate) fn key(&self, name: &str) -> Option<usize> {
        (0..self.keys.len()).find(|at| self.key_name(*at) == name)
    }

    /// Rows that are not deleted.
    pub(crate) fn rows(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| segment.rows - segment.deleted.len() as u64)
            .sum()
    }
}

impl Key {
    pub(crate) const PRIMARY: &'static str = "PRIMARY KEY";
    pub(crate) const FOREIGN: &'static str = "FOREIGN KEY";

    /// The name that PostgreSQL makes for a key of a table that has none.
    pub(crate) fn usual_name(&self, table: &str) -> String {
        let columns = self.columns.join("_");
        match self.kind.as_str() {
            Self::PRIMARY => format!("{table}_pkey"),
            Self::FOREIGN => format!("{table}_{columns}_fkey"),
            _ => format!("{table}_{columns}_key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_older_records_have_the_usual_names() {
        let record = r#"{
            "id": 100001, "schema": 2200, "name": "t", "columns": [], "distribution": "auto", "sort_keys": [], "next_column": 3,
            "keys": [
                {"kind": "PRIMARY KEY", "columns": ["a"]},
                {"kind": "UNIQUE", "columns": ["a", "b"]},
                {"kind": "FOREIGN KEY", "columns": ["b"]},
                {"kind": "UNIQUE", "columns": ["b"], "name": "of_b"}
            ]
        }"#;
        let table: Table = serde_json::from_str(record).unwrap();
        let names: Vec<String> = (0..4).map(|at| table.key_name(at)).collect();
        assert_eq!(names, ["t_pkey", "t_a_b_key", "t_b_fkey", "of_b"]);
        assert_eq!(table.key("t_b_fkey"), Some(2));
        assert_eq!(table.key("t_b_key"), None);
        assert_eq!(table.keys[2].references, None);
        assert!(!table.interleaved);
    }
}
