//! Names of tables and views: the search path, what a view was bound to.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, SelectItem, TableAlias, TableFactor, TableWithJoins,
};

use super::{Binder, plain_name, select, syntax};
use crate::catalog::{Id, Object, is_temporary};
use crate::error::{self, Error, Result};
use crate::syntax::check_names;

/// Prefix of a table's number in plans.
pub(super) const TABLE: char = '\u{1}';
/// Prefix of a table whose rows are numbered.
pub(super) const NUMBERED: char = '\u{2}';

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Resolved {
    Object(Object),
    /// A table of the system.
    System(String),
}

impl Binder<'_> {
    /// The object of a name; an error if there is none.
    pub(crate) fn resolve(&self, name: &ObjectName) -> Result<Resolved> {
        check_names(name)?;
        let parts = plain_name(name);
        let full = parts.join(".");
        if let Some(bound) = self.bound.last()
            && let Some(object) = bound.get(&full).and_then(|id| self.catalog.get(*id))
        {
            return Ok(Resolved::Object(object.clone()));
        }
        let missing = || {
            let mut last = parts.iter().rev().map(String::as_str);
            let (table, schema) = (last.next().unwrap_or_default(), last.next());
            match crate::run::system::is_to_come(schema, table) {
                true => Error::not_yet(format_args!("the system table {full}")),
                false => Error::new(&error::UNDEFINED_TABLE, &[&full]),
            }
        };
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            [database, schema, table] => match *database == self.context.database {
                true => (Some(schema), table),
                false => return Err(Error::not_yet("queries of other databases")),
            },
            _ => return Err(syntax(&full)),
        };
        let Some(schema) = schema else {
            if let Some(object) = self.catalog.find(self.context.temporary, table) {
                return Ok(Resolved::Object(object.clone()));
            }
            if crate::run::system::has("pg_catalog", table) {
                return Ok(Resolved::System(format!("pg_catalog.{table}")));
            }
            let path = self.context.path.iter();
            let object = path
                .filter_map(|schema| self.catalog.find(*schema, table))
                .next();
            return object.cloned().map(Resolved::Object).ok_or_else(missing);
        };
        if crate::run::system::is_schema(schema) {
            return match crate::run::system::has(schema, table) {
                true => Ok(Resolved::System(format!("{schema}.{table}"))),
                false => Err(missing()),
            };
        }
        if is_temporary(schema) {
            let object = self.catalog.find(self.context.temporary, table);
            return object.cloned().map(Resolved::Object).ok_or_else(missing);
        }
        let Some(schema_id) = self.catalog.schema(schema) else {
            return Err(Error::new(&error::UNDEFINED_SCHEMA, &[schema]));
        };
        let object = self.catalog.find(schema_id, table);
        object.cloned().map(Resolved::Object).ok_or_else(missing)
    }

    /// The table of a name that a statement changes.
    pub(crate) fn target(
        &self,
        name: &ObjectName,
    ) -> Result<std::sync::Arc<crate::catalog::Table>> {
        match self.resolve(name)? {
            Resolved::Object(Object::Table(table)) => Ok(table),
            Resolved::Object(_) => {
                let name = plain_name(name).join(".");
                Err(Error::new(&error::NOT_A_TABLE, &[&name]))
            }
            Resolved::System(name) => {
                let schema = name.split('.').next().unwrap_or_default().to_owned();
                Err(Error::new(&error::RESERVED_SCHEMA, &[&schema]))
            }
        }
    }

    /// The schema and the name that a new object gets.
    pub(crate) fn new_name(&self, name: &ObjectName, temporary: bool) -> Result<(Id, String)> {
        check_names(name)?;
        let parts = plain_name(name);
        let parts = match parts.as_slice() {
            [database, rest @ ..] if rest.len() == 2 && *database == self.context.database => rest,
            parts => parts,
        };
        match parts {
            [name] if temporary || name.starts_with('#') => {
                Ok((self.context.temporary, name.clone()))
            }
            [name] => match self.context.path.first() {
                Some(schema) => Ok((*schema, name.clone())),
                None => Err(Error::new(&error::UNDEFINED_SCHEMA, &[&"public"])),
            },
            [schema, _] if temporary && !is_temporary(schema) => {
                Err(syntax(schema).hint("temporary tables have no schema"))
            }
            [schema, name] if is_temporary(schema) => Ok((self.context.temporary, name.clone())),
            [schema, name] => match self.catalog.schema(schema) {
                Some(id) => Ok((id, name.clone())),
                None if crate::run::system::is_schema(schema) => {
                    Err(Error::new(&error::RESERVED_SCHEMA, &[schema]))
                }
                None => Err(Error::new(&error::UNDEFINED_SCHEMA, &[schema])),
            },
            _ => Err(syntax(&plain_name(name).join("."))),
        }
    }

    /// Whether a WITH clause around has the name.
    pub(super) fn is_with(&self, name: &ObjectName) -> bool {
        match plain_name(name).as_slice() {
            [name] => self.with.iter().any(|names| names.contains_key(name)),
            _ => false,
        }
    }

    /// The columns of the innermost WITH of a name; `None` if they are not known.
    fn with_columns(&self, name: &ObjectName) -> Option<BTreeSet<String>> {
        let parts = plain_name(name);
        let name = parts.first()?;
        let mut names = self.with.iter().rev();
        names.find_map(|names| names.get(name))?.clone()
    }

    /// A table of FROM as plans know it, under the name that the query has for it.
    pub(super) fn relation(
        &mut self,
        name: ObjectName,
        alias: Option<TableAlias>,
    ) -> Result<TableFactor> {
        if self.is_with(&name) {
            let columns = self.with_columns(&name);
            let renamed = alias.as_ref().filter(|alias| !alias.columns.is_empty());
            let columns = match renamed {
                Some(_) => None,
                None => columns,
            };
            let shown = match &alias {
                Some(alias) => alias.name.value.clone(),
                None => plain_name(&name).pop().unwrap_or_default(),
            };
            self.add_relation(&shown, BTreeSet::new(), columns);
            return Ok(table(name, alias));
        }
        let parts = plain_name(&name);
        let shown = parts.last().cloned().unwrap_or_default();
        let has_alias = alias.is_some();
        let alias = alias.unwrap_or_else(|| named(&shown));
        let known = alias.name.value.clone();
        let is_renamed = !alias.columns.is_empty();
        let alias = Some(alias);
        let resolved = match (self.resolve(&name), parts.as_slice()) {
            (Err(_), [relation, _, ..]) if self.has_relation(relation) => {
                return Err(Error::not_yet("the unnesting of SUPER values in FROM"));
            }
            (resolved, _) => resolved?,
        };
        let schemas = match has_alias {
            true => BTreeSet::new(),
            false => self.schemas(&parts, &resolved),
        };
        let object = match resolved {
            Resolved::System(name) => {
                let columns = crate::run::system::columns(&name);
                let columns = columns.into_iter().map(str::to_owned).collect();
                self.add_relation(&known, schemas, (!is_renamed).then_some(columns));
                return Ok(table(ident(&format!("{TABLE}{name}")).into(), alias));
            }
            Resolved::Object(object) => object,
        };
        self.used.insert(parts.join("."), object.id());
        match object {
            Object::Table(found) => {
                self.tables.insert(found.id);
                let columns = found.columns.iter().map(|column| column.name.clone());
                let name = ident(&format!("{TABLE}{}", found.id));
                let Some(bound) = self.bound_columns.get(&found.id) else {
                    self.add_relation(&known, schemas, (!is_renamed).then(|| columns.collect()));
                    return Ok(table(name.into(), alias));
                };
                // A view keeps the columns that it was made with, under the names that they had.
                let items: Vec<_> = bound
                    .iter()
                    .filter_map(|(id, name)| {
                        let column = found.columns.iter().find(|column| column.id == *id)?;
                        Some(SelectItem::ExprWithAlias {
                            expr: Expr::Identifier(ident(&column.name)),
                            alias: ident(name),
                        })
                    })
                    .collect();
                let columns = bound.iter().map(|(_, name)| name.clone()).collect();
                let from = TableWithJoins {
                    relation: table(name.into(), None),
                    joins: Vec::new(),
                };
                self.add_relation(&known, schemas, (!is_renamed).then_some(columns));
                Ok(TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(select(items, vec![from], None)),
                    alias,
                    sample: None,
                })
            }
            Object::View(view) => {
                let columns = view.columns.iter().map(|(name, _)| name.clone());
                self.add_relation(&known, schemas, (!is_renamed).then(|| columns.collect()));
                self.view(&view, alias)
            }
            Object::Schema(_) => Err(Error::new(&error::UNDEFINED_TABLE, &[&shown])),
        }
    }

    /// The schemas that may stand before a table's name: its own, and the one that it was found by, which a view keeps.
    fn schemas(&self, parts: &[String], found: &Resolved) -> BTreeSet<String> {
        let own = match found {
            Resolved::Object(object) => self.catalog.schema_name(object.key().0),
            Resolved::System(name) => name.split('.').next().unwrap_or_default(),
        };
        let written = match parts {
            [.., schema, _] if !is_temporary(schema) => Some(schema.clone()),
            _ => None,
        };
        written.into_iter().chain([own.to_owned()]).collect()
    }

    /// The target of a statement that changes rows, which are numbered.
    pub(crate) fn numbered(&mut self, id: Id, alias: Option<&str>) -> Result<TableFactor> {
        let catalog = self.catalog;
        let target = catalog.table(id)?;
        let schemas = match alias {
            Some(_) => BTreeSet::new(),
            None => BTreeSet::from([catalog.schema_name(target.schema).to_owned()]),
        };
        let shown = alias.unwrap_or(&target.name);
        let columns = target.columns.iter().map(|column| column.name.clone());
        self.add_relation(shown, schemas, Some(columns.collect()));
        self.tables.insert(id);
        let name = ident(&format!("{NUMBERED}{id}"));
        Ok(table(name.into(), Some(named(shown))))
    }
}

pub(crate) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

pub(super) fn named(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: ident(name),
        columns: Vec::new(),
        at: None,
    }
}

pub(crate) fn table(name: ObjectName, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
