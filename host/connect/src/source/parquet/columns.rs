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
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => below(item.data_type()),
        _ => None,
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

/// The table of `columns` as these files can give it: columns that some file lacks, or has NULL in, are nullable.
/// `is_partition` says which columns stand in the path, and hide one of the file.
///
/// # Errors
/// If a column is in no file, a file has it with a type that cannot become the table's, or a file has more columns.
pub(super) fn fitting(
    source: &FileSource,
    files: &[Offered<'_>],
    columns: &Schema,
    is_partition: &dyn Fn(&str) -> bool,
) -> Result<SchemaRef, SourceError> {
    let fields = columns
        .fields()
        .iter()
        .map(|field| {
            let mut nullable = field.is_nullable();
            let mut missing = 0;
            for (found, offered) in files {
                let Ok(given) = offered.field_with_name(field.name()) else {
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
            if missing == files.len() && missing > 0 {
                return Err(nowhere(source, field.name(), files));
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
