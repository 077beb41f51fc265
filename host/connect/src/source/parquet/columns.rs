//! The columns of a table from those of its files, and whether each file can be read as the table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use transom_sql::{lossless, type_name};

use super::{FileSource, SourceError};
use crate::source::inputs::Input;
use transom_file::spec::Unknown;

/// A file and the columns that its footer offers.
pub(super) type Offered<'a> = (&'a Input, Schema);

/// Whether the file has two columns of one name, at any level.
pub(super) fn check_names(
    source: &FileSource,
    found: &Input,
    columns: &Schema,
) -> Result<(), SourceError> {
    match twice(columns.fields(), "") {
        Some(column) => Err(SourceError::TwoColumns {
            name: source.name.clone(),
            path: found.path.clone(),
            column,
        }),
        None => Ok(()),
    }
}

fn twice(fields: &Fields, path: &str) -> Option<String> {
    let mut names = HashSet::new();
    fields.iter().find_map(|field| {
        let name = format!("{path}{}", field.name());
        if !names.insert(field.name()) {
            return Some(name);
        }
        below(field.data_type()).and_then(|fields| twice(fields, &format!("{name}.")))
    })
}

/// The fields of the struct that a type is, or has items of.
fn below(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Struct(fields) => Some(fields),
        _ => below(item_of(data_type)?),
    }
}

/// The columns of all files, each with the type that holds the values of every file; `declared` types win.
///
/// # Errors
/// If two files have a column with types that have nothing in common, or a declared column is in no file.
pub(super) fn infer(
    source: &FileSource,
    files: &[Offered<'_>],
    declared: Option<&Schema>,
) -> Result<SchemaRef, SourceError> {
    let declared_type = |name: &str| declared.and_then(|schema| schema.field_with_name(name).ok());
    // Each column with the first file that has it.
    let mut columns: Vec<(FieldRef, usize)> = Vec::new();
    for (position, (found, offered)) in files.iter().enumerate() {
        for field in offered.fields() {
            let known = columns
                .iter_mut()
                .find(|(known, _)| known.name() == field.name());
            let Some((known, first)) = known else {
                let field = declared_type(field.name())
                    .map_or_else(|| Arc::clone(field), |declared| Arc::new(declared.clone()));
                columns.push((field, position));
                continue;
            };
            if declared_type(field.name()).is_some() {
                continue;
            }
            let nullable = known.is_nullable() || field.is_nullable();
            let data_type =
                lossless::common(known.data_type(), field.data_type()).ok_or_else(|| {
                    SourceError::MixedTypes {
                        name: source.name.clone(),
                        column: field.name().as_str().into(),
                        first: files[*first].0.path.clone(),
                        first_type: type_name(known.data_type()).into(),
                        second: found.path.clone(),
                        second_type: type_name(field.data_type()).into(),
                    }
                })?;
            *known = Arc::new(Field::new(field.name(), data_type, nullable));
        }
    }
    let schema = Schema::new(
        columns
            .into_iter()
            .map(|(field, _)| field)
            .collect::<Vec<_>>(),
    );
    if let Some(declared) = declared {
        for field in declared.fields() {
            if schema.field_with_name(field.name()).is_err() {
                return Err(nowhere(source, field.name(), files));
            }
        }
    }
    Ok(Arc::new(schema))
}

/// Files that a table is read from.
pub(super) struct Given<'a> {
    pub(super) files: &'a [Offered<'a>],
    /// Whether they are all that the source has: a slice may consist of files that lack a column which others have.
    pub(super) are_all: bool,
}

/// The table of `columns` as these files can give it: columns that some file lacks, or has NULL in, are nullable.
/// `is_partition` says which columns stand in the path, and hide one of the file.
///
/// # Errors
/// If a column is in none of all files, a file has it with a type that cannot become the table's, or a file has more columns.
pub(super) fn fitting(
    source: &FileSource,
    given: &Given<'_>,
    columns: &Schema,
    is_partition: &dyn Fn(&str) -> bool,
) -> Result<SchemaRef, SourceError> {
    let Given { files, are_all } = *given;
    let fields = columns
        .fields()
        .iter()
        .map(|field| {
            let mut nullable = field.is_nullable();
            let mut missing = 0;
            for (found, offered) in files {
                let Ok(given) = offered.field_with_name(field.name()) else {
                    check_capitals(source, found, field.name(), offered, columns)?;
                    missing += 1;
                    continue;
                };
                nullable |= given.is_nullable();
                if fit(given.data_type(), field.data_type()).is_none() {
                    return Err(SourceError::ColumnType {
                        name: source.name.clone(),
                        path: found.path.clone(),
                        column: field.name().clone(),
                        found: type_name(given.data_type()).into(),
                        expected: type_name(field.data_type()).into(),
                    });
                }
            }
            if are_all && missing == files.len() && missing > 0 {
                return Err(nowhere(source, field.name(), files));
            }
            if missing == files.len() && missing > 0 {
                tracing::warn!(
                    target: "transom",
                    "source `{}`: no file of the slice has the column `{}`, which is NULL",
                    source.name,
                    field.name()
                );
            }
            let given = files.iter().filter_map(|(_, offered)| {
                let given = offered.field_with_name(field.name()).ok()?;
                Some(given.data_type())
            });
            if are_all && let Some(within) = missing_within(field.data_type(), given.collect()) {
                return Err(nowhere(source, &format!("{}{within}", field.name()), files));
            }
            let field = field.as_ref().clone();
            Ok(field.with_nullable(nullable || missing > 0))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if source.unknown == Unknown::Fail {
        for (found, offered) in files {
            if let Some(column) = unknown(offered, columns, is_partition).next() {
                return Err(SourceError::UnknownColumn {
                    name: source.name.clone(),
                    path: found.path.clone(),
                    column: column.to_owned(),
                });
            }
        }
    }
    Ok(Arc::new(Schema::new_with_metadata(
        fields,
        columns.metadata().clone(),
    )))
}

/// A column that a file lacks may be in it in other letters, where it would be passed over.
fn check_capitals(
    source: &FileSource,
    found: &Input,
    column: &str,
    offered: &Schema,
    columns: &Schema,
) -> Result<(), SourceError> {
    let is_alike = |name: &str| {
        name.to_lowercase() == column.to_lowercase() && columns.field_with_name(name).is_err()
    };
    let mut names = offered.fields().iter().map(|field| field.name());
    match names.find(|name| is_alike(name)) {
        None => Ok(()),
        Some(other) => Err(SourceError::Capitals {
            name: source.name.clone(),
            path: found.path.clone(),
            column: column.to_owned(),
            found: other.clone(),
        }),
    }
}

/// A field within a type that none of the types of the files has, by its path.
fn missing_within(wanted: &DataType, given: Vec<&DataType>) -> Option<String> {
    if given.is_empty() {
        return None;
    }
    let fields = match wanted {
        DataType::Struct(fields) => fields,
        // Names of keys and values differ from writer to writer.
        DataType::Map(..) => {
            return (0..2).find_map(|place| {
                let given = given.iter().filter_map(|given| part_of_map(given, place));
                missing_within(part_of_map(wanted, place)?, given.collect())
            });
        }
        _ => {
            let item = item_of(wanted)?;
            return missing_within(item, given.into_iter().filter_map(item_of).collect());
        }
    };
    fields.iter().find_map(|field| {
        let of_file = |given: &&'_ DataType| match given {
            DataType::Struct(fields) => fields.find(field.name()).is_some(),
            _ => false,
        };
        if !given.iter().any(of_file) {
            return Some(format!(".{}", field.name()));
        }
        let below = given.iter().filter_map(|given| match given {
            DataType::Struct(fields) => Some(fields.find(field.name())?.1.data_type()),
            _ => None,
        });
        let within = missing_within(field.data_type(), below.collect())?;
        Some(format!(".{}{within}", field.name()))
    })
}

/// The type of a map's keys or values.
fn part_of_map(data_type: &DataType, place: usize) -> Option<&DataType> {
    match data_type {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => Some(fields.get(place)?.data_type()),
            _ => None,
        },
        _ => None,
    }
}

/// The type of the items of a list or a map.
fn item_of(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// The columns of a file that the table does not have.
pub(super) fn unknown<'a>(
    offered: &'a Schema,
    columns: &'a Schema,
    is_partition: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = &'a str> {
    let names = offered.fields().iter().map(|field| field.name().as_str());
    names.filter(|name| columns.index_of(name).is_err() && !is_partition(name))
}

/// Whether a column of a file can be read as the table's. Bytes of a fixed size that are no UUID are never text.
fn fit(given: &DataType, wanted: &DataType) -> Option<lossless::Fit> {
    match (given, wanted) {
        (
            DataType::FixedSizeBinary(_),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
        ) => None,
        _ => lossless::fit(given, wanted),
    }
}

fn nowhere(source: &FileSource, column: &str, files: &[Offered<'_>]) -> SourceError {
    let names = files
        .iter()
        .flat_map(|(_, offered)| offered.fields())
        .map(|field| field.name());
    SourceError::NoColumn {
        name: source.name.clone(),
        column: column.to_owned(),
        similar: transom_file::nearest(column, names.map(String::as_str)).map(str::to_owned),
    }
}
