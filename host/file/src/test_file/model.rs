//! A file of tests as it is written: which keys there are and what kind of value each has.
//!
//! As for the pipeline's own file, the JSON Schema for editors is derived from these types, with the doc comments as help. What
//! stands in a row is kept as it is written: only the table it is for knows its type.

use std::borrow::Cow;
use std::time::SystemTime;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::node::{Key, Node};
use crate::parts::{ColumnNames, Columns, Whole};
use crate::problem::{Problem, Source, Span};
use crate::reader::{Entries, Spanned};
use crate::value::Scalar;

/// Tests of a Transom pipeline.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Tests")]
pub(crate) struct TestsFile {
    /// The tests, each under its name.
    #[schemars(required)]
    pub(crate) tests: Option<Entries<TestEntry>>,
}

/// What is given, and what is expected of it.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TestEntry {
    /// What is tested, and why.
    #[expect(
        dead_code,
        reason = "read to check it; speaks to the file's readers alone"
    )]
    pub(crate) description: Option<String>,
    /// The time that SQL's `now()` and the clocks of plugins show: `2024-01-31`, `2024-01-31 10:00:00` (UTC) or with a zone.
    pub(crate) clock: Option<Clock>,
    /// Where the randomness of plugins starts; 0 if it is left out.
    pub(crate) seed: Option<Whole>,
    /// Values of the pipeline's variables, stronger than those of the command line.
    pub(crate) variables: Option<Entries<Spanned<Scalar>>>,
    /// Tables in place of sources and steps.
    pub(crate) given: Option<Entries<GivenEntry>>,
    /// What comes out of steps and sinks.
    #[schemars(required)]
    pub(crate) expect: Option<Entries<ExpectEntry>>,
}

/// A table in place of a source or step: `rows`, a `file` or a query.
#[derive(Debug)]
pub struct GivenEntry {
    /// Its rows; `None` after a mistake.
    pub data: Option<Data>,
    /// Types of columns that neither the lock file nor the pipeline says.
    pub columns: Option<Spanned<Columns>>,
}

/// What is expected of a table.
#[derive(Debug, Default)]
pub struct ExpectEntry {
    /// The rows.
    pub data: Option<Data>,
    /// The columns that are compared; all without it.
    pub columns: Option<ColumnNames>,
    /// Whether the order of the rows counts.
    pub ordered: Option<bool>,
    /// How far a floating-point number may be off.
    pub tolerance: Option<Tolerance>,
    /// How many rows there are.
    pub count: Option<Counted>,
    /// All columns with their types.
    pub schema: Option<Types>,
    /// What the step rejects.
    pub rejected: Option<RejectedEntry>,
    /// A part of the error that the step ends with.
    pub error: Option<Spanned<String>>,
}

/// The rows that a step rejects.
#[derive(Debug, Default)]
pub struct RejectedEntry {
    /// The rows.
    pub rows: Option<Rows>,
    /// How many.
    pub count: Option<Counted>,
}

/// Where rows come from.
#[derive(Debug)]
pub enum Data {
    /// Written in the file itself.
    Rows(Rows),
    /// A path, relative to the file of tests.
    File(Spanned<String>),
    /// A query.
    Sql(Spanned<String>),
}

impl Data {
    /// Where it is written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Rows(rows) => rows.key,
            Self::File(text) | Self::Sql(text) => text.span,
        }
    }
}

/// Rows as they are written.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The key that they stand under.
    pub key: Span,
    /// In the order of the file.
    pub rows: Vec<Row>,
}

/// One row: values by their columns.
#[derive(Debug, Clone)]
pub struct Row {
    /// The columns that are written, with their values.
    pub cells: Vec<(Key, Node)>,
}

/// A number of rows, and the key that it stands under.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The key.
    pub key: Span,
    /// The number.
    pub rows: u64,
}

/// How far a floating-point number may be from what is expected.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance(pub f64);

/// A point in time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(pub SystemTime);

/// Columns with the names of their types.
#[derive(Debug, Clone)]
pub struct Types(pub Vec<(Spanned<String>, String)>);

impl Rows {
    /// The columns that any row names, in the order in which they appear.
    pub fn columns(&self) -> Vec<Spanned<String>> {
        let mut columns: Vec<Spanned<String>> = Vec::new();
        for (key, _) in self.rows.iter().flat_map(|row| &row.cells) {
            if !columns.iter().any(|column| column.value == key.name) {
                columns.push(Spanned {
                    value: key.name.clone(),
                    span: key.span,
                });
            }
        }
        columns
    }
}

/// The problems of one file, at its places.
#[derive(Debug)]
pub struct Reported<'a> {
    /// The file.
    pub source: &'a Source,
    /// All so far.
    pub problems: Vec<Problem>,
}

impl<'a> Reported<'a> {
    /// None yet.
    pub fn new(source: &'a Source) -> Self {
        Self {
            source,
            problems: Vec::new(),
        }
    }

    /// A problem at `span`, still to be added to.
    pub fn at(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(message).at(self.source.place(span))
    }

    /// Adds one.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

fn rows_schema() -> Schema {
    json_schema!({
        "description": "Rows, each a map from columns to values.",
        "type": "array",
        "items": { "type": "object" },
    })
}

fn data_properties() -> serde_json::Value {
    serde_json::json!({
        "rows": rows_schema(),
        "file": {
            "description": "A CSV, JSON lines or Parquet file, relative to this file.",
            "type": "string",
            "minLength": 1,
        },
        "sql": { "description": "A query, mostly of `VALUES`.", "type": "string", "minLength": 1 },
    })
}

impl JsonSchema for GivenEntry {
    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = data_properties();
        let columns = generator.subschema_for::<Columns>();
        properties["columns"] = columns.to_value();
        properties["columns"]["description"] =
            "The types of columns, where neither the lock file nor the pipeline says them.".into();
        json_schema!({
            "description": "A table in place of a source or step: a list of rows, or a map that says where they come from.",
            "anyOf": [
                rows_schema(),
                {
                    "type": "object",
                    "properties": properties,
                    "oneOf": [{ "required": ["rows"] }, { "required": ["file"] }, { "required": ["sql"] }],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for ExpectEntry {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = data_properties();
        let more = serde_json::json!({
            "columns": generator.subschema_for::<ColumnNames>(),
            "ordered": {
                "description": "Whether the order of the rows counts; `false` if it is left out.",
                "type": "boolean",
            },
            "tolerance": {
                "description": "How far a floating-point number may be from what is expected, absolute or relative; 1e-9 if it is left out.",
                "type": "number",
                "minimum": 0,
            },
            "count": generator.subschema_for::<Whole>(),
            "schema": generator.subschema_for::<Types>(),
            "rejected": generator.subschema_for::<RejectedEntry>(),
            "error": { "description": "A part of the error that the step ends with.", "type": "string", "minLength": 1 },
        });
        if let (Some(properties), serde_json::Value::Object(more)) =
            (properties.as_object_mut(), more)
        {
            properties.extend(more);
        }
        properties["columns"]["description"] =
            "The columns that are compared; all if it is left out.".into();
        json_schema!({
            "description": "What is expected of a step or sink: a list of rows, or a map that says more.",
            "anyOf": [
                rows_schema(),
                {
                    "type": "object",
                    "properties": properties,
                    "minProperties": 1,
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for RejectedEntry {
    fn schema_name() -> Cow<'static, str> {
        "Rejected".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let count = generator.subschema_for::<Whole>();
        json_schema!({
            "description": "The rows that the step rejects, of the columns that are written here and `_reason`; or how many.",
            "anyOf": [
                rows_schema(),
                {
                    "type": "object",
                    "properties": { "rows": rows_schema(), "count": count },
                    "minProperties": 1,
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for Clock {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Clock".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" })
    }
}

impl JsonSchema for Types {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Types".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "All columns of the table with their types.",
            "type": "object",
            "additionalProperties": { "type": "string", "minLength": 1 },
        })
    }
}
