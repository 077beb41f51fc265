//! The values of `transom.yaml` that have a form of their own: queries, orders, options, policies, columns.
//!
//! Each stands here with how it is read and what the JSON Schema says of it, so that the two are seen side by side.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::column_type::ColumnType;
use super::model::ErrorPolicy;
use super::node::{Node, TextStyle, Yaml};
use super::problem::{Problem, Span};
use super::reader::{Read, Reader, Spanned, Word, read_word};

/// One column of an order: its name, or a map that says more.
#[derive(Debug)]
pub(crate) struct OrderEntry {
    pub(crate) column: Option<Spanned<String>>,
    pub(crate) desc: Option<bool>,
    pub(crate) nulls_first: Option<bool>,
}

/// The columns by which rows are ordered, each at most once.
#[derive(Debug)]
pub(crate) struct Order(pub(crate) Vec<OrderEntry>);

/// What happens to failing values: one word for all functions, or one for each.
#[derive(Debug)]
pub(crate) enum OnErrorEntry {
    All(ErrorPolicy),
    Each(Vec<(Spanned<String>, ErrorPolicy)>),
}

/// Which part of a source a slice reads.
#[derive(Debug, Clone)]
pub(crate) enum IncrementalEntry {
    NewFiles,
    By(Spanned<String>),
}

/// A character that is one byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteText(pub(crate) u8);

/// A whole number from 0.
#[derive(Debug, Clone, Copy)]
pub struct Whole(pub u64);

/// A text, or a list of texts.
#[derive(Debug, Clone)]
pub(crate) struct NullTexts(pub(crate) Vec<String>);

/// A list of different columns, at least one.
#[derive(Debug, Clone)]
pub struct ColumnNames(pub Vec<Spanned<String>>);

/// Columns with their types.
#[derive(Debug, Clone)]
pub struct Columns(pub Vec<(String, ColumnType)>);

/// A query or the path of one, and how its text stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct SqlText {
    pub(crate) text: String,
    pub(crate) style: TextStyle,
    pub(crate) span: Span,
}

impl Read for ByteText {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = String::read(reader, node)?;
        if let [byte] = text.as_bytes()
            && !matches!(byte, b'\n' | b'\r')
        {
            return Some(Self(*byte));
        }
        let message = format!(
            "{} must be one character of ASCII, not `{text}`",
            reader.here()
        );
        let problem = Problem::new(message)
            .at(reader.place(node.span))
            .with_label("expected a single byte, no line break");
        let problem = if text == r"\t" {
            problem.with_hint(r#"write `"\t"` for a tab"#)
        } else {
            problem
        };
        reader.report(problem);
        None
    }
}

impl JsonSchema for ByteText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Byte".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[\x00-\x09\x0B\x0C\x0E-\x7F]$" })
    }
}

impl Read for NullTexts {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        match &node.value {
            Yaml::List(_) => Vec::read(reader, node).map(Self),
            _ => String::read(reader, node).map(|text| Self(vec![text])),
        }
    }
}

impl JsonSchema for NullTexts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NullTexts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

impl Read for Whole {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::Int(text) = &node.value
            && let Ok(number) = text.parse()
        {
            return Some(Self(number));
        }
        reader.wrong_type(node, "a whole number from 0");
        None
    }
}

impl JsonSchema for Whole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl Read for ColumnNames {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let columns: Vec<Spanned<String>> = Vec::read(reader, node)?;
        if columns.is_empty() {
            let message = format!("{} has no column", reader.here());
            let problem = Problem::new(message)
                .at(reader.place(node.span))
                .with_label("needs at least one column")
                .with_hint("name a column, or remove the key");
            reader.report(problem);
        }
        for (at, column) in columns.iter().enumerate() {
            check_first(reader, column, &columns[..at]);
        }
        Some(Self(columns))
    }
}

/// Reports `column` if it is among those `before` it.
fn check_first(reader: &mut Reader<'_>, column: &Spanned<String>, before: &[Spanned<String>]) {
    if let Some(first) = before.iter().find(|other| other.value == column.value) {
        let message = format!("{} has the column `{}` twice", reader.here(), column.value);
        let problem = Problem::new(message)
            .at(reader.place(column.span))
            .with_label("is there already")
            .with_related("the first is here", reader.place(first.span));
        reader.report(problem);
    }
}

impl JsonSchema for ColumnNames {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ColumnNames".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "string", "minLength": 1 },
            "minItems": 1,
            "uniqueItems": true,
        })
    }
}

impl Read for Order {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let entries: Vec<OrderEntry> = Vec::read(reader, node)?;
        let columns: Vec<Spanned<String>> = entries
            .iter()
            .filter_map(|entry| entry.column.clone())
            .collect();
        for (at, column) in columns.iter().enumerate() {
            check_first(reader, column, &columns[..at]);
        }
        Some(Self(entries))
    }
}

impl JsonSchema for Order {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Order".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = generator.subschema_for::<OrderEntry>();
        json_schema!({ "type": "array", "items": entry })
    }
}

impl Read for OrderEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::Map(_) = node.value {
            let mut fields = reader.fields(node)?;
            let entry = Self {
                column: fields.required("column"),
                desc: fields.optional("desc"),
                nulls_first: fields.optional("nulls_first"),
            };
            fields.finish();
            return Some(entry);
        }
        let Yaml::Text(..) = node.value else {
            reader.wrong_type(node, "a column or a map with `column`");
            return None;
        };
        let column = Spanned::<String>::read(reader, node)?;
        if let Some((name, direction @ ("asc" | "desc"))) = column.value.rsplit_once(' ') {
            let message = format!("{} must be a column, not `{}`", reader.here(), column.value);
            let problem = Problem::new(message)
                .at(reader.place(node.span))
                .with_label("is no column")
                .with_hint(format!(
                    "write `{{ column: {}, desc: {} }}`",
                    name.trim(),
                    direction == "desc"
                ));
            reader.report(problem);
        }
        Some(Self {
            column: Some(column),
            desc: None,
            nulls_first: None,
        })
    }
}

impl JsonSchema for OrderEntry {
    fn schema_name() -> Cow<'static, str> {
        "OrderEntry".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One column of an order: its name, or a map that says more.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": {
                        "column": { "description": "The column.", "type": "string", "minLength": 1 },
                        "desc": {
                            "description": "Whether large values come first; `false` if it is left out.",
                            "type": "boolean",
                        },
                        "nulls_first": {
                            "description": "Whether missing values come first; as `desc` if it is left out.",
                            "type": "boolean",
                        },
                    },
                    "required": ["column"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl Read for OnErrorEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Yaml::Map(entries) = &node.value else {
            return read_word(reader, node).map(Self::All);
        };
        let mut each = Vec::new();
        for (key, node) in entries {
            let function = Spanned {
                value: key.name.clone(),
                span: key.span,
            };
            if let Some(policy) = reader.value(key, node) {
                each.push((function, policy));
            }
        }
        Some(Self::Each(each))
    }
}

impl JsonSchema for OnErrorEntry {
    fn schema_name() -> Cow<'static, str> {
        "OnError".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // YAML reads the bare word `null` as a value of its own.
        let word = generator.subschema_for::<ErrorPolicy>();
        let policy = json_schema!({ "anyOf": [word, { "const": null }] });
        json_schema!({
            "description": "`fail` or `null` for all functions, or a map from functions to one of them.",
            "anyOf": [
                policy,
                {
                    "type": "object",
                    "propertyNames": { "pattern": "^[a-z_][a-z0-9_]*\\.[a-z_][a-z0-9_]*$" },
                    "additionalProperties": policy,
                },
            ],
        })
    }
}

impl Read for IncrementalEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::Map(_) = &node.value {
            let mut fields = reader.fields(node)?;
            let by = fields.required("by");
            fields.finish();
            return by.map(Self::By);
        }
        #[derive(Clone, Copy)]
        struct NewFiles;
        impl Word for NewFiles {
            const WORDS: &'static [(&'static str, Self)] = &[("new_files", Self)];
        }
        let NewFiles = read_word(reader, node)?;
        Some(Self::NewFiles)
    }
}

impl JsonSchema for IncrementalEntry {
    fn schema_name() -> Cow<'static, str> {
        "Incremental".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`new_files`, or `{ by: COLUMN }` for a column whose values are in the names of folders.",
            "anyOf": [
                { "const": "new_files" },
                {
                    "type": "object",
                    "properties": { "by": { "type": "string" } },
                    "required": ["by"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl Read for Columns {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut columns = Vec::new();
        for (key, node) in reader.map(node)? {
            if let Some(value_type) = reader.value(key, node) {
                columns.push((key.name.clone(), value_type));
            }
        }
        Some(Self(columns))
    }
}

impl JsonSchema for Columns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value_type = generator.subschema_for::<ColumnType>();
        json_schema!({ "type": "object", "additionalProperties": value_type })
    }
}

impl Read for SqlText {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = String::read(reader, node)?;
        if text.trim().is_empty() {
            reader.wrong_type(node, "a query or the path of a `.sql` file");
            return None;
        }
        let style = if let Yaml::Text(_, style) = node.value {
            style
        } else {
            TextStyle::Other
        };
        Some(Self {
            text,
            style,
            span: node.span,
        })
    }
}

impl JsonSchema for SqlText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sql".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"\S" })
    }
}
