//! Paths into SUPER values: `orders.lines[0].price`, as a call of one function.
//!
//! The first parts of a path are a column, the rest are steps. Which is which depends on the names of FROM: tables go before columns,
//! as for all names. A schema before a table is the one that it is in; before an alias there is none.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, JsonPath, JsonPathElem, ObjectName, Subscript, Value,
};

use super::expr::{call, qualified};
use super::names::ident;
use super::{Binder, plain_name};
use crate::error::{self, Error, Result};
use crate::functions;
use crate::syntax::{OTHER_PATH, check_name};

/// Parts of the longest name of a table: its database, its schema and its own.
const LONGEST: usize = 3;

/// What a step of a path takes.
enum Step {
    Attribute(String),
    /// Counted from 0.
    Element(u64),
}

impl Binder<'_> {
    /// A column with or without a table before it and a path after it.
    pub(super) fn compound(&mut self, mut parts: Vec<Ident>) -> Result<Expr> {
        parts.iter().take(1).try_for_each(check_name)?;
        let steps = parts.split_off(self.column_length(&parts)?);
        let steps = steps
            .into_iter()
            .map(|part| Step::Attribute(part.value))
            .collect();
        let column = match parts.as_slice() {
            [name] => self.column(name.clone())?,
            [.., relation, name] => {
                self.note_reference(Some(&relation.value), &name.value)?;
                qualified(parts)
            }
            [] => qualified(parts),
        };
        Ok(walk(column, steps))
    }

    /// How many parts name the column.
    fn column_length(&self, parts: &[Ident]) -> Result<usize> {
        let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        // Longer names of tables come last: what is an alias or a table goes before a schema of its name.
        let is_table = |length: &usize| *length < names.len() && self.is_table(&names[..*length]);
        if let Some(length) = (1..=LONGEST).find(is_table) {
            return Ok(length + 1);
        }
        match names.as_slice() {
            [_] => Ok(1),
            [column, ..] if self.sees_column(column) => Ok(1),
            [table, _] | [_, table, _] | [_, _, table, _] | [table, ..] => {
                Err(Error::new(&error::MISSING_FROM, &[table]))
            }
            [] => Ok(0),
        }
    }

    /// Whether parts are the name of a table that expressions see, with its schema and database or without.
    fn is_table(&self, parts: &[&str]) -> bool {
        match parts {
            [table] => self.sees_relation(table),
            [schema, table] => self.sees_relation_of(schema, table),
            [database, schema, table] => {
                *database == self.context.database && self.sees_relation_of(schema, table)
            }
            _ => false,
        }
    }

    /// The table of `table.*`, by the name that plans know it by.
    pub(super) fn table_of_all(&self, name: &ObjectName) -> Result<Ident> {
        let parts = plain_name(name);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let table = parts.last().copied().unwrap_or_default();
        match self.is_table(&parts) {
            true => Ok(ident(table)),
            false => Err(Error::new(&error::MISSING_FROM, &[&table])),
        }
    }

    /// `root[0].name`
    pub(super) fn accessed(&mut self, root: Expr, chain: Vec<AccessExpr>) -> Result<Expr> {
        let steps = chain.into_iter().map(|access| match access {
            AccessExpr::Dot(Expr::Identifier(name)) => Ok(Step::Attribute(name.value)),
            AccessExpr::Subscript(Subscript::Index { index }) => element(&index),
            _ => Err(other()),
        });
        let steps = steps.collect::<Result<_>>()?;
        Ok(walk(self.expr(root)?, steps))
    }

    /// The same, as sqlparser has it where PartiQL begins with a bracket.
    pub(super) fn accessed_json(&mut self, root: Expr, path: JsonPath) -> Result<Expr> {
        let steps = path.path.into_iter().map(|step| match step {
            JsonPathElem::Dot { key, .. } => Ok(Step::Attribute(key)),
            JsonPathElem::Bracket { key } => element(&key),
            _ => Err(other()),
        });
        let steps = steps.collect::<Result<_>>()?;
        Ok(walk(self.expr(root)?, steps))
    }
}

/// The last name of a path, which its column has.
pub(super) fn last_name<'a>(
    chain: &'a [AccessExpr],
    path: Option<&'a JsonPath>,
) -> Option<&'a str> {
    let names = chain.iter().rev().find_map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.value.as_str()),
        AccessExpr::Subscript(Subscript::Index { index }) => name_in_brackets(index),
        _ => None,
    });
    names.or_else(|| {
        path?.path.iter().rev().find_map(|step| match step {
            JsonPathElem::Dot { key, .. } => Some(key.as_str()),
            JsonPathElem::Bracket { key } => name_in_brackets(key),
            _ => None,
        })
    })
}

fn name_in_brackets(index: &Expr) -> Option<&str> {
    match index {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

fn other() -> Error {
    Error::not_yet(OTHER_PATH)
}

/// What stands in brackets: a place, or a name as a text.
fn element(index: &Expr) -> Result<Step> {
    let Expr::Value(value) = index else {
        return Err(other());
    };
    match &value.value {
        Value::Number(digits, _) => {
            let place = digits.parse().map_err(|_| other());
            Ok(Step::Element(place?))
        }
        Value::SingleQuotedString(name) => Ok(Step::Attribute(name.clone())),
        _ => Err(other()),
    }
}

/// Takes steps into a value. The path is one text, as JSON.
fn walk(value: Expr, steps: Vec<Step>) -> Expr {
    if steps.is_empty() {
        return value;
    }
    let steps = steps.into_iter().map(|step| match step {
        Step::Attribute(name) => serde_json::Value::from(name),
        Step::Element(place) => serde_json::Value::from(place),
    });
    let path = serde_json::Value::Array(steps.collect()).to_string();
    let path = Expr::value(Value::SingleQuotedString(path));
    call(functions::SUPER_PATH, vec![value, path])
}
