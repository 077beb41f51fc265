//! Checks of a table's rows, named and written as dbt's data tests are: what stands in the file, and what is valid.
//!
//! A check is a map with one key that says what must hold, such as `not_null`, and keys that any check may have: its `name`,
//! its `severity`, and `where`, which rows it looks at.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::names::NameText;
use super::node::{Key, Node, Yaml};
use super::parts::{SqlText, Whole};
use super::pipeline::SqlStep;
use super::problem::{Problem, Span, list};
use super::reader::{Read, Reader, Spanned, Word};
use super::value::Scalar;

/// What the rows of a table must meet before anything is published.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Check", extend("oneOf" = [
    { "required": ["not_null"] },
    { "required": ["unique"] },
    { "required": ["accepted_values"] },
    { "required": ["relationships"] },
    { "required": ["row_count"] },
    { "required": ["sql"] },
]))]
pub(crate) struct CheckEntry {
    /// The column, or each column of a list, has a value in every row.
    pub(crate) not_null: Option<ColumnOrColumns>,
    /// No two rows have the same value in the column, or the same values in the columns of a list. Rows in which one of them is
    /// missing are not compared.
    pub(crate) unique: Option<ColumnOrColumns>,
    /// The values of a column are among those of a list, or missing.
    pub(crate) accepted_values: Option<AcceptedValuesEntry>,
    /// The values of a column stand in a column of another table, or are missing.
    pub(crate) relationships: Option<RelationshipsEntry>,
    /// The table has at least or at most so many rows.
    pub(crate) row_count: Option<Spanned<RowCountEntry>>,
    /// A query, or the path of one, that gives no row.
    pub(crate) sql: Option<SqlText>,
    /// The name of the check; without it, the kind of check and its columns.
    pub(crate) name: Option<Spanned<NameText>>,
    /// Looks only at rows for which this SQL condition holds.
    #[schemars(rename = "where")]
    pub(crate) condition: Option<Spanned<String>>,
    /// What happens if the check fails: `error` fails the run, `warn` reports it; `error` if it is left out.
    #[schemars(with = "Option<Severity>")]
    pub(crate) severity: Option<Option<Severity>>,
    /// Where the check stands.
    #[schemars(skip)]
    pub(crate) span: Span,
}

/// The values that a column may have.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "AcceptedValues")]
pub(crate) struct AcceptedValuesEntry {
    /// The column.
    #[schemars(required)]
    pub(crate) column: Option<Spanned<String>>,
    /// The values that it may have.
    #[schemars(required)]
    pub(crate) values: Option<Vec<Spanned<Scalar>>>,
}

/// A column whose values stand in another table.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Relationships")]
pub(crate) struct RelationshipsEntry {
    /// The column.
    #[schemars(required)]
    pub(crate) column: Option<Spanned<String>>,
    /// The source or step with the values.
    #[schemars(required)]
    pub(crate) to: Option<Spanned<String>>,
    /// The column of that table.
    #[schemars(required)]
    pub(crate) field: Option<Spanned<String>>,
}

/// How many rows a table has.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "RowCount", extend("minProperties" = 1))]
pub(crate) struct RowCountEntry {
    /// At least so many.
    pub(crate) min: Option<Whole>,
    /// At most so many.
    pub(crate) max: Option<Whole>,
}

/// One column, or a list of different ones.
#[derive(Debug, Clone)]
pub(crate) struct ColumnOrColumns(pub(crate) Vec<Spanned<String>>);

/// What happens if a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run fails, and nothing is published.
    #[default]
    Error,
    /// The run reports it and goes on.
    Warn,
}

/// A check of the rows of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name, which no other check of the table has.
    pub name: String,
    /// What must hold.
    #[serde(flatten)]
    pub kind: CheckKind,
    /// Looks only at rows for which this SQL condition holds.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Spanned<String>>,
    /// What happens if it does not hold.
    pub severity: Severity,
    /// Where the check stands.
    #[serde(skip)]
    pub span: Span,
}

/// What must hold.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum CheckKind {
    /// The column has a value in every row.
    NotNull {
        /// The column.
        column: Spanned<String>,
    },
    /// No two rows have the same values, missing ones aside.
    Unique {
        /// The columns, at least one.
        columns: Vec<Spanned<String>>,
    },
    /// The values of a column are among these, or missing.
    AcceptedValues {
        /// The column.
        column: Spanned<String>,
        /// The values as they are written.
        values: Vec<Spanned<String>>,
    },
    /// The values of a column stand in another table, or are missing.
    Relationships {
        /// The column.
        column: Spanned<String>,
        /// The source or step, which exists.
        to: Spanned<String>,
        /// Its column.
        field: Spanned<String>,
    },
    /// The table has so many rows.
    RowCount {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// The query gives no row.
    Sql(SqlStep),
}

/// The keys that say what must hold.
const KINDS: [&str; 6] = [
    "not_null",
    "unique",
    "accepted_values",
    "relationships",
    "row_count",
    "sql",
];

impl Word for Severity {
    const WORDS: &'static [(&'static str, Self)] = &[("error", Self::Error), ("warn", Self::Warn)];
}

impl Read for CheckEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            not_null: fields.optional("not_null"),
            unique: fields.optional("unique"),
            accepted_values: fields.optional("accepted_values"),
            relationships: fields.optional("relationships"),
            row_count: fields.optional("row_count"),
            sql: fields.optional("sql"),
            name: fields.optional("name"),
            condition: fields.optional("where"),
            severity: fields.optional("severity"),
            span: node.span,
        };
        fields.finish();
        check_kind(reader, node);
        Some(entry)
    }
}

/// Reports a check that says nothing, or several things.
///
/// This looks at the keys that are written, since a value that is wrong has been reported already.
fn check_kind(reader: &mut Reader<'_>, node: &Node) {
    let Yaml::Map(entries) = &node.value else {
        return;
    };
    let keys: Vec<&Key> = entries
        .iter()
        .map(|(key, _)| key)
        .filter(|key| KINDS.contains(&key.name.as_str()))
        .collect();
    let here = reader.here();
    let problem = match keys.as_slice() {
        [] => Problem::new(format!("{here} does not say what to check"))
            .at(reader.place(node.span))
            .with_label(format!("needs one of {}", list(KINDS))),
        [first, second, ..] => {
            let message = format!("{here} has both `{}` and `{}`", first.name, second.name);
            Problem::new(message)
                .at(reader.place(second.span))
                .with_label("each check is an item of its own")
                .with_related("the other is here", reader.place(first.span))
        }
        [one] => {
            let condition = entries.iter().find(|(key, _)| key.name == "where");
            let Some((key, _)) = condition.filter(|_| one.name == "sql") else {
                return;
            };
            Problem::new(format!("{here} has both `sql` and `where`"))
                .at(reader.place(key.span))
                .with_label("belongs into the query")
        }
    };
    reader.report(problem);
}

impl Read for AcceptedValuesEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            column: fields.required("column"),
            values: fields.required("values"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for RelationshipsEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            column: fields.required("column"),
            to: fields.required("to"),
            field: fields.required("field"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for RowCountEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            min: fields.optional("min"),
            max: fields.optional("max"),
        };
        fields.finish();
        let problem = match (&entry.min, &entry.max) {
            (Some(Whole(min)), Some(Whole(max))) if min > max => {
                "`min` is more than `max`, so that no table has so many rows"
            }
            (None, None) if matches!(&node.value, Yaml::Map(entries) if entries.is_empty()) => {
                "needs `min` or `max`"
            }
            _ => return Some(entry),
        };
        let message = format!("{} cannot be met", reader.here());
        reader.refuse(node, message, problem);
        Some(entry)
    }
}

impl Read for ColumnOrColumns {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        match &node.value {
            Yaml::List(_) => super::parts::ColumnNames::read(reader, node).map(|list| Self(list.0)),
            Yaml::Text(..) => Some(Self(vec![Spanned::read(reader, node)?])),
            _ => {
                reader.wrong_type(node, "a column or a list of columns");
                None
            }
        }
    }
}

impl JsonSchema for ColumnOrColumns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ColumnOrColumns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let columns = generator.subschema_for::<super::parts::ColumnNames>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, columns] })
    }
}
