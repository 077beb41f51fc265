//! Opens a transform for an input, or says all that is wrong with the input's columns.
//!
//! A transform says no to one column at a time, and not which type it wants. So a column that it refuses is offered in other types:
//! first in those that it casts to without loss, as SQL does for functions, then in all usual ones, to say which cast to write.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use transom_plugin::{Error, GuestErrorKind, Instance, OpenedTransform, Result};
use transom_sql::type_name;

use crate::arguments::{cast_of, other_types, usual_types};

/// Why a transform was not opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    Plugin(Error),
    Columns(WrongColumns),
}

/// An input has columns that a transform does not take, or lacks some that it reads.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct WrongColumns(pub Vec<WrongColumn>);

/// One of them.
#[derive(Debug, Clone)]
pub struct WrongColumn {
    /// `plugin.transform`.
    pub transform: String,
    /// Name of the column.
    pub column: String,
    /// The type that it has; none if the input does not have it.
    pub given: Option<String>,
    /// The type that the transform reads it as, as far as it takes one of the usual ones.
    pub expected: Option<String>,
    /// What is wrong with it.
    pub said: String,
    /// The column to select in a query before the transform, if a cast makes it: `CAST(x AS INT) AS x`.
    pub cast: Option<String>,
}

impl fmt::Display for WrongColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transform,
            column,
            given,
            expected,
            said,
            ..
        } = self;
        match (given, expected) {
            (Some(given), Some(expected)) => write!(
                f,
                "`{column}` must be {expected} for `{transform}`, but the input has {given}"
            ),
            (None, Some(expected)) => write!(
                f,
                "`{transform}` reads `{column}` as {expected}, and {said}"
            ),
            (_, None) => f.write_str(said),
        }
    }
}

/// Opens a transform for `input`. The second part of what it gives is the schema with the types in which it takes the columns.
pub(crate) fn open(
    instance: &mut Instance,
    plugin: &str,
    transform: &str,
    options: &str,
    input: &SchemaRef,
) -> Result<(OpenedTransform, SchemaRef), Unopened> {
    let mut opening = Opening {
        instance,
        transform,
        options,
        input,
        offered: Arc::clone(input),
    };
    let mut result = opening.open(input);
    let mut wrong: Vec<WrongColumn> = Vec::new();
    // Each column once: a transform that refuses it again does not mean its type.
    let mut tried: HashSet<String> = HashSet::new();
    while let Some(refusal) = Refusal::of(&result) {
        let column = match refusal.column {
            Some(column) if column < opening.offered.fields().len() => column,
            Some(_) => break,
            None => match refusal.missing {
                Some(missing) if opening.offered.index_of(&missing).is_err() => {
                    let names = input
                        .fields()
                        .iter()
                        .map(|field| format!("`{}`", field.name()));
                    let names = names.collect::<Vec<_>>().join(", ");
                    wrong.push(WrongColumn {
                        transform: format!("{plugin}.{transform}"),
                        column: missing.clone(),
                        given: None,
                        expected: None,
                        // By the host, since the transform has been offered columns that are not there.
                        said: format!("there is no column `{missing}`; the input has {names}"),
                        cast: None,
                    });
                    result = opening.with_column(&missing);
                    continue;
                }
                _ => break,
            },
        };
        let field = opening.offered.field(column).clone();
        if !tried.insert(field.name().clone()) {
            break;
        }
        let is_missing = input.fields().len() <= column;
        if !is_missing && let Some(taken) = opening.first(column, other_types(field.data_type())) {
            result = taken;
            continue;
        }
        let usual = usual_types(field.data_type());
        let taken = opening.first(column, usual.filter(|other| other != field.data_type()));
        // What its language cannot read has no type that would be right.
        let unreadable = refusal.unreadable(&field);
        let expected = match unreadable {
            Some(_) => None,
            None => taken
                .as_ref()
                .map(|_| opening.offered.field(column).data_type().clone()),
        };
        let name = expected.as_ref().map(type_name);
        let known = wrong.iter_mut().find(|wrong| wrong.column == *field.name());
        match known {
            Some(missing) => missing.expected = name,
            None => wrong.push(WrongColumn {
                transform: format!("{plugin}.{transform}"),
                column: field.name().clone(),
                given: Some(type_name(field.data_type())),
                cast: match unreadable {
                    Some(_) => part_of(&field),
                    None => expected.and_then(|to| cast_as(&field, &to)),
                },
                expected: name,
                said: unreadable.unwrap_or(refusal.said),
            }),
        }
        match taken {
            Some(next) => result = next,
            None => break,
        }
    }
    match wrong.is_empty() {
        true => Ok((result.map_err(Unopened::Plugin)?, opening.offered)),
        false => Err(Unopened::Columns(WrongColumns(wrong))),
    }
}

fn cast_as(field: &Field, to: &DataType) -> Option<String> {
    let name = quoted(field.name());
    Some(format!(
        "{} AS {name}",
        cast_of(&name, field.data_type(), to)?
    ))
}

/// What every language reads of a column that one cannot read.
fn part_of(field: &Field) -> Option<String> {
    let name = quoted(field.name());
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) if !item.data_type().is_nested() => {
            Some(format!("array_to_string({name}, ',') AS {name}"))
        }
        DataType::Struct(fields) => {
            let first = fields.first()?.name();
            let key = first.replace('\'', "''");
            Some(format!("{name}['{key}'] AS {}", quoted(first)))
        }
        DataType::Map(..) => Some(format!("{name}['key'] AS {name}")),
        _ => None,
    }
}

/// A name as a query has it.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// That a transform says no to its input.
struct Refusal {
    /// The column that it means.
    column: Option<usize>,
    /// The column that the input lacks, by its name.
    missing: Option<String>,
    said: String,
}

impl Refusal {
    fn of(result: &Result<OpenedTransform>) -> Option<Self> {
        let Err(Error::Guest { error, .. }) = result else {
            return None;
        };
        // All SDKs say it so.
        let missing = error.message.strip_prefix("there is no column `");
        let missing = missing.and_then(|rest| rest.split_once('`'));
        (error.kind == GuestErrorKind::Config).then(|| Self {
            column: error.column.map(|column| column as usize),
            missing: missing.map(|(name, _)| name.to_owned()),
            said: error.message.clone(),
        })
    }

    /// The sentence of an SDK whose language cannot read the column, with the type's name in the place of Arrow's format.
    fn unreadable(&self, field: &Field) -> Option<String> {
        let (_, language) = self.said.split_once(", which a plugin in ")?;
        let language = language.strip_suffix(" cannot read")?;
        Some(format!(
            "column `{}` is {}, which a plugin in {language} cannot read",
            field.name(),
            type_name(field.data_type())
        ))
    }
}

struct Opening<'a> {
    instance: &'a mut Instance,
    transform: &'a str,
    options: &'a str,
    input: &'a SchemaRef,
    /// The columns as they were offered last.
    offered: SchemaRef,
}

impl Opening<'_> {
    fn open(&mut self, offered: &SchemaRef) -> Result<OpenedTransform> {
        // An input that lacks columns is no schema to open it for.
        let input = match offered.fields().len() == self.input.fields().len() {
            true => self.input,
            false => offered,
        };
        self.instance
            .open_transform_as(self.transform, input, offered, self.options)
    }

    /// Offers a column in one type after the other, until it is not the one that is refused.
    fn first(
        &mut self,
        column: usize,
        types: impl Iterator<Item = DataType>,
    ) -> Option<Result<OpenedTransform>> {
        for other in types {
            let mut fields = self.offered.fields().to_vec();
            fields[column] = Arc::new(fields[column].as_ref().clone().with_data_type(other));
            let other = self.with_fields(fields);
            let result = self.open(&other);
            let is_refused =
                Refusal::of(&result).is_some_and(|refusal| refusal.column == Some(column));
            if !is_refused {
                self.offered = other;
                return Some(result);
            }
        }
        None
    }

    fn with_column(&mut self, name: &str) -> Result<OpenedTransform> {
        let mut fields = self.offered.fields().to_vec();
        fields.push(Arc::new(Field::new(name, DataType::Null, true)));
        self.offered = self.with_fields(fields);
        let offered = Arc::clone(&self.offered);
        self.open(&offered)
    }

    fn with_fields(&self, fields: Vec<arrow::datatypes::FieldRef>) -> SchemaRef {
        let metadata = self.offered.metadata().clone();
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }
}
