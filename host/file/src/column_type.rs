//! The types of declared columns: those of variables, smaller ones, and nested ones.

use std::borrow::Cow;

use arrow::datatypes::{DataType, Field};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use transom_types::{field_type_name, parse_field, type_names};

use super::node::{Node, Yaml};
use super::problem::{Problem, Span, did_you_mean, list};
use super::reader::{Read, Reader};

/// The type of a declared column, as in `struct<id: int64, tags: list<utf8>>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType(Field);

impl ColumnType {
    /// A nullable column of this type.
    #[must_use]
    pub fn column(&self, name: &str) -> Field {
        self.0.clone().with_name(name)
    }

    /// Its Arrow type.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        self.0.data_type()
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&field_type_name(&self.0))
    }
}

impl Read for ColumnType {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = String::read(reader, node)?;
        let error = match parse_field("", &text) {
            Ok(field) => return Some(Self(field)),
            Err(error) => error,
        };
        let before = text.get(..error.at).unwrap_or_default().chars().count();
        let rest = text.get(error.at..).unwrap_or_default();
        let word = rest
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .map_or(rest, |end| &rest[..end]);
        // Without escapes and line breaks the characters of the value are those of the file.
        let quotes = node.span.length.checked_sub(text.chars().count());
        let span = match (&node.value, quotes) {
            (Yaml::Text(..), Some(quotes @ (0 | 2))) => Span {
                column: node.span.column + quotes / 2 + before,
                length: word.chars().count().max(1),
                ..node.span
            },
            _ => node.span,
        };
        let here = reader.here();
        let message = if word == text {
            format!("unknown type `{text}` of {here}")
        } else {
            format!("{here} is not a type: {}", error.message)
        };
        let mut problem = Problem::new(message).at(reader.place(span));
        problem = match &error.hint {
            Some(hint) => problem.with_hint(hint),
            None => match did_you_mean(word, type_names().iter().copied()) {
                Some(near) => problem.with_hint(near),
                None => problem,
            },
        };
        let label = format!("allowed: {}", list(type_names().iter().copied()));
        reader.report(problem.with_label(label));
        None
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let plain: Vec<&str> = type_names()
            .iter()
            .copied()
            .filter(|name| !name.contains(['(', '<']))
            .collect();
        json_schema!({
            "description": "A type: a plain one, decimal(p,s), time or timestamp with a unit, list<..>, struct<name: ..> or map<utf8, ..>.",
            "anyOf": [
                { "enum": plain },
                { "type": "string", "pattern": r"^decimal\(\s*[0-9]+\s*,\s*-?[0-9]+\s*\)$" },
                { "type": "string", "pattern": r"^(time|timestamp|timestamptz)\(\s*(s|ms|us|ns)\s*\)$" },
                { "type": "string", "pattern": r"^(list|struct|map)\s*<.*>$" },
            ],
        })
    }
}
