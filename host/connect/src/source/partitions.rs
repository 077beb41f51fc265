//! Columns that stand in the names of folders (`month=1/`): which there are, of which types, and each file's values.

use std::path::{Component, Path};

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;

use super::{FileSource, SourceError, error::quoted, listing::Found};
use crate::hive;

/// Column and value of every partition folder on the way to a file, outermost first.
type PartitionPath = Vec<(String, Option<String>)>;

/// The partition columns of a source and the values of each of its files, in the order of the files.
#[derive(Debug, Clone, Default)]
pub(super) struct Partitions {
    pub(super) columns: Vec<FieldRef>,
    pub(super) values: Vec<Vec<ScalarValue>>,
}

impl Partitions {
    /// Reads them off the files' paths. A type that `known` gives to a column holds; else the type is told from all values:
    /// Int64, Date32 or Boolean if every value is written as that type is, Utf8 otherwise. `01` is not how a number
    /// is written: it stays text, since leading zeros (post codes) would be lost.
    pub(super) fn detect(
        source: &FileSource,
        files: &[Found],
        known: Option<&Schema>,
    ) -> Result<Self, SourceError> {
        let paths: Vec<PartitionPath> = files.iter().map(|file| folders(&file.path)).collect();
        let Some(first) = paths.first() else {
            return Ok(Self::default());
        };
        let columns_of =
            |path: &PartitionPath| quoted(path.iter().map(|(column, _)| column.as_str()));
        for (file, path) in files.iter().zip(&paths) {
            let alike =
                path.len() == first.len() && path.iter().zip(first).all(|((a, _), (b, _))| a == b);
            if !alike {
                return Err(SourceError::MixedPartitions {
                    name: source.name.clone(),
                    first: files[0].path.clone(),
                    first_columns: columns_of(first).into(),
                    second: file.path.clone(),
                    second_columns: columns_of(path).into(),
                });
            }
        }
        let columns: Vec<FieldRef> = first
            .iter()
            .enumerate()
            .map(|(position, (column, _))| {
                let declared = known.and_then(|schema| schema.field_with_name(column).ok());
                let data_type = match declared {
                    Some(field) => field.data_type().clone(),
                    None => tell_type(paths.iter().map(|path| path[position].1.as_deref())),
                };
                // NULL has a folder of its own, which may appear any day.
                Field::new(column, data_type, true).into()
            })
            .collect();
        let values = files
            .iter()
            .zip(paths)
            .map(|(file, path)| {
                path.into_iter()
                    .zip(&columns)
                    .map(|((_, value), field)| parse(source, file, value, field))
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { columns, values })
    }

    pub(super) fn contains(&self, column: &str) -> bool {
        self.columns.iter().any(|field| field.name() == column)
    }
}

fn folders(path: &Path) -> PartitionPath {
    path.parent()
        .into_iter()
        .flat_map(Path::components)
        .filter_map(|component| match component {
            Component::Normal(name) => hive::parse_folder_name(name.to_str()?),
            _ => None,
        })
        .collect()
}

fn tell_type<'a>(values: impl Iterator<Item = Option<&'a str>>) -> DataType {
    let values: Vec<&str> = values.flatten().collect();
    let candidates = [DataType::Int64, DataType::Date32, DataType::Boolean];
    candidates
        .into_iter()
        .find(|candidate| {
            !values.is_empty()
                && values.iter().all(|value| {
                    ScalarValue::try_from_string((*value).to_owned(), candidate)
                        .is_ok_and(|scalar| scalar.to_string() == *value)
                })
        })
        .unwrap_or(DataType::Utf8)
}

fn parse(
    source: &FileSource,
    file: &Found,
    value: Option<String>,
    field: &FieldRef,
) -> Result<ScalarValue, SourceError> {
    let scalar = match &value {
        Some(value) => ScalarValue::try_from_string(value.clone(), field.data_type()),
        None => ScalarValue::try_from(field.data_type()),
    };
    scalar
        .ok()
        // A cast that fails may also give NULL.
        .filter(|scalar| scalar.is_null() == value.is_none())
        .ok_or_else(|| SourceError::PartitionValue {
            name: source.name.clone(),
            path: file.path.clone(),
            column: field.name().clone(),
            value: value.unwrap_or_else(|| hive::NULL_PARTITION.to_owned()),
            expected: Box::new(field.data_type().clone()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_only_if_no_value_would_be_written_otherwise() {
        let tell = |values: &[&str]| tell_type(values.iter().map(|value| Some(*value)));
        assert_eq!(tell(&["1", "-2"]), DataType::Int64);
        assert_eq!(tell(&["01", "2"]), DataType::Utf8);
        assert_eq!(tell(&["2024-01-31"]), DataType::Date32);
        assert_eq!(tell(&["2024-1-31"]), DataType::Utf8);
        assert_eq!(tell(&["true", "false"]), DataType::Boolean);
        assert_eq!(tell(&["t"]), DataType::Utf8);
        assert_eq!(tell_type([None].into_iter()), DataType::Utf8);
    }
}
