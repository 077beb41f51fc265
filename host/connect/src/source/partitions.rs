//! Columns that stand in the names of folders (`month=1/`): which there are, of which types, and each file's values.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Component, Path};

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;

use super::{FileSource, SourceError, error::quoted, inputs::Input};
use crate::format::hive;
use transom_sql::text::{self, Inference, Origin};
use transom_sql::type_name;

/// Column and value of every partition folder on the way to a file, outermost first.
type PartitionPath = Vec<(String, Option<String>)>;

/// The partition columns of a source and the values of each of its files, in the order of the files.
#[derive(Debug, Clone, Default)]
pub(super) struct Partitions {
    pub(super) columns: Vec<FieldRef>,
    pub(super) values: Vec<Vec<ScalarValue>>,
}

impl Partitions {
    /// Reads them off the files' paths. A type that `known` gives to a column holds; else the type is inferred from all values as
    /// that of a CSV column is. `01` stays text, since leading zeros (post codes) would be lost.
    pub(super) fn detect(
        source: &FileSource,
        files: &[Input],
        known: Option<&Schema>,
    ) -> Result<Self, SourceError> {
        let paths = files.iter().map(|file| {
            folders(&file.path).map_err(|folder| SourceError::PartitionEscapes {
                name: source.name.clone(),
                path: file.path.clone(),
                folder,
            })
        });
        let paths = paths.collect::<Result<Vec<PartitionPath>, _>>()?;
        let Some(first) = paths.first() else {
            return Ok(Self::default());
        };
        if let Some((file, [outer, inner])) = files
            .iter()
            .zip(&paths)
            .find_map(|(file, path)| Some((file, doubled(path)?)))
        {
            return Err(SourceError::DoubledPartition {
                name: source.name.clone(),
                path: file.path.clone(),
                outer: outer.into(),
                inner: inner.into(),
            });
        }
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
                    None => infer_type(paths.iter().map(|path| path[position].1.as_deref())),
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

    /// Refuses a file that has a column which its path has too. `ignorable` says whether `unknown` lets it pass.
    pub(super) fn check_names<'a>(
        &self,
        source: &FileSource,
        path: &Path,
        mut names: impl Iterator<Item = &'a String>,
        ignorable: bool,
    ) -> Result<(), SourceError> {
        let doubled = names.find(|name| self.contains(name));
        doubled.map_or(Ok(()), |column| {
            Err(SourceError::PartitionInFile {
                name: source.name.clone(),
                path: path.to_owned(),
                column: column.clone(),
                ignorable,
            })
        })
    }

    pub(super) fn contains(&self, column: &str) -> bool {
        self.columns.iter().any(|field| field.name() == column)
    }
}

/// Two folders on the way to a file that are the same column, as they are called.
fn doubled(path: &[(String, Option<String>)]) -> Option<[String; 2]> {
    let called = |(column, value): &(String, Option<String>)| {
        let value = value.as_deref().unwrap_or(hive::NULL_PARTITION);
        format!("{column}={value}")
    };
    path.iter().enumerate().find_map(|(depth, inner)| {
        let outer = path[..depth].iter().find(|outer| outer.0 == inner.0)?;
        Some([called(outer), called(inner)])
    })
}

/// # Errors
/// The first folder whose escapes are not UTF-8.
fn folders(path: &Path) -> Result<PartitionPath, String> {
    path.parent()
        .into_iter()
        .flat_map(Path::components)
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .filter_map(|name| {
            let parsed = hive::parse_folder_name(name);
            parsed.map_err(|hive::NotUtf8| name.to_owned()).transpose()
        })
        .collect()
}

/// Why a path does not say which partition it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPartition {
    /// None of its folders has the column.
    #[error("lies in no folder `{0}=..`")]
    Column(String),
    /// A folder's name has escapes that are not UTF-8.
    #[error("lies in a folder `{0}`, whose escapes are not UTF-8")]
    Escapes(String),
    /// The value is not of the column's type.
    #[error("lies in a folder `{column}={value}`, which is no {expected}")]
    Value {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The type.
        expected: String,
    },
}

/// The value of a partition column in the names of a path's folders, as sinks write it: `01` and `1` are one number. `None` is NULL.
///
/// # Errors
/// If no folder has the column, the value is not of its type, or a folder's escapes are not UTF-8.
pub fn partition_value(path: &Path, column: &Field) -> Result<Option<String>, NoPartition> {
    let name = column.name();
    let folders = folders(path).map_err(NoPartition::Escapes)?;
    let found = folders.into_iter().find(|(folder, _)| folder == name);
    let (_, value) = found.ok_or_else(|| NoPartition::Column(name.clone()))?;
    let scalar = value_of(value.as_deref(), column.data_type(), Origin::Declared);
    match scalar.and_then(|scalar| scalar.cast_to(&DataType::Utf8).ok()) {
        Some(ScalarValue::Utf8(text)) => Ok(text),
        _ => Err(NoPartition::Value {
            column: name.clone(),
            value: value.unwrap_or_else(|| hive::NULL_PARTITION.to_owned()),
            expected: type_name(column.data_type()),
        }),
    }
}

/// Which of two values of a partition column comes first, both as [`partition_value`] writes them: texts by their bytes, all others by what
/// they say.
#[must_use]
pub fn compare_partitions(a: &str, b: &str, data_type: &DataType) -> Ordering {
    let value = |text| value_of(Some(text), data_type, Origin::Declared);
    let values = value(a).zip(value(b));
    let compared = values.and_then(|(a, b)| a.partial_cmp(&b));
    compared.unwrap_or_else(|| a.cmp(b))
}

/// The type of values that are not declared. What differs in the folders differs in the column, too.
fn infer_type<'a>(values: impl Iterator<Item = Option<&'a str>>) -> DataType {
    let texts: BTreeSet<&str> = values.flatten().collect();
    let mut inference = Inference::default();
    texts.iter().for_each(|text| inference.observe(text));
    let data_type = inference.data_type().unwrap_or(DataType::Utf8);
    let written = texts.iter().map(|&text| {
        let value = value_of(Some(text), &data_type, Origin::Inferred)?;
        let written = value.cast_to(&DataType::Utf8).ok()?;
        written.try_as_str().flatten().map(str::to_owned)
    });
    match written.collect::<Option<BTreeSet<_>>>() {
        Some(written) if written.len() == texts.len() => data_type,
        _ => DataType::Utf8,
    }
}

fn parse(
    source: &FileSource,
    file: &Input,
    value: Option<String>,
    field: &FieldRef,
) -> Result<ScalarValue, SourceError> {
    let declared = source.columns.as_deref();
    let origin = match declared.is_some_and(|schema| schema.index_of(field.name()).is_ok()) {
        true => Origin::Declared,
        // Of the lock file, or of these folders: as in a file, `01` is no number there.
        false => Origin::Inferred,
    };
    value_of(value.as_deref(), field.data_type(), origin).ok_or_else(|| {
        SourceError::PartitionValue {
            name: source.name.clone(),
            path: file.path.clone(),
            column: field.name().clone(),
            value: value.unwrap_or_else(|| hive::NULL_PARTITION.to_owned()),
            expected: Box::new(field.data_type().clone()),
        }
    })
}

/// A number may be written `01` in a folder, if it is declared as one: `month=01` is Spark's. Otherwise it is none, and 1.10 is not 1.1:
/// a version, which would become another one.
fn value_of(value: Option<&str>, data_type: &DataType, origin: Origin) -> Option<ScalarValue> {
    let array = text::column(std::iter::once(value), data_type, origin).ok()?;
    let scalar = ScalarValue::try_from_array(&array, 0).ok()?;
    let has_one_text = data_type.is_numeric() || *data_type == DataType::Boolean;
    match value {
        Some(text) if origin == Origin::Inferred && has_one_text => {
            let written = scalar.cast_to(&DataType::Utf8).ok()?;
            (written.try_as_str() == Some(Some(text))).then_some(scalar)
        }
        _ => Some(scalar),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn partitions_are_compared_by_value() {
        let at =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (first, second, data_type) in [
            ("-10", "9", DataType::Int64),
            ("9", "10", DataType::Int64),
            ("2.00", "10.50", DataType::Decimal128(10, 2)),
            ("-10.50", "-2.00", DataType::Decimal128(10, 2)),
            ("2024-01-02", "2024-01-10", DataType::Date32),
            ("2024-01-01T00:00:00", "2024-01-01T00:00:00.500", at(None)),
            (
                "2024-01-01T00:00:00Z",
                "2024-01-01T00:00:00.500Z",
                at(Some("UTC")),
            ),
            ("false", "true", DataType::Boolean),
            ("10", "9", DataType::Utf8),
            ("B", "a", DataType::Utf8),
        ] {
            let compared = compare_partitions(first, second, &data_type);
            assert_eq!(compared, Ordering::Less, "{first} {second}");
            let turned = compare_partitions(second, first, &data_type);
            assert_eq!(turned, Ordering::Greater, "{first} {second}");
        }
    }

    #[test]
    fn what_is_one_value_is_one_partition() {
        let of = |value: &str, data_type: &DataType| {
            let path = format!("p={value}/a.csv");
            partition_value(Path::new(&path), &Field::new("p", data_type.clone(), true))
        };
        let seconds = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (data_type, values) in [
            (DataType::Int64, &["1", "01", "+1"][..]),
            (DataType::Decimal128(10, 2), &["1.5", "1.50"][..]),
            (DataType::Boolean, &["true", "TRUE", "t", "1"][..]),
            (
                seconds,
                &["2024-01-01 00%3A00%3A00", "2024-01-01T00%3A00%3A00.000"][..],
            ),
        ] {
            let first = of(values[0], &data_type).unwrap();
            for value in values {
                assert_eq!(of(value, &data_type).unwrap(), first, "{value}");
            }
        }
        let text = |value| of(value, &DataType::Utf8).unwrap();
        assert_ne!(text("1"), text("01"));
    }

    #[test]
    fn a_column_is_one_folder_of_a_path() {
        let doubled = |path: &str| doubled(&folders(Path::new(path)).unwrap());
        assert_eq!(doubled("d/k=1/j=2/a.csv"), None);
        let both = ["k=1", "k=2"].map(str::to_owned);
        assert_eq!(doubled("d/k=1/j=3/k=2/a.csv"), Some(both));
    }

    #[test]
    fn a_type_is_inferred_only_if_no_value_would_be_written_otherwise() {
        let tell = |values: &[&str]| infer_type(values.iter().map(|value| Some(*value)));
        assert_eq!(tell(&["1", "-2"]), DataType::Int64);
        assert_eq!(tell(&["01", "2"]), DataType::Utf8);
        assert_eq!(tell(&["2024-01-31"]), DataType::Date32);
        assert_eq!(tell(&["2024-1-31"]), DataType::Utf8);
        assert_eq!(tell(&["true", "false"]), DataType::Boolean);
        assert_eq!(tell(&["t"]), DataType::Utf8);
        assert_eq!(tell(&["1.1", "2.5"]), DataType::Float64);
        assert_eq!(tell(&["1.0", "-0.5"]), DataType::Float64);
        assert_eq!(tell(&["1.1", "1.10"]), DataType::Utf8);
        assert_eq!(tell(&["1.10"]), DataType::Utf8);
        assert_eq!(tell(&["1", "1.0"]), DataType::Utf8);
        assert_eq!(tell(&["1e+5", "0.5"]), DataType::Utf8);
        assert_eq!(tell(&["true", "TRUE"]), DataType::Utf8);
        let moments = ["2024-01-01 00:00:00", "2024-01-01 01:00:00"];
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(tell(&moments), timestamp);
        let twice = ["2024-01-01 00:00:00", "2024-01-01T00:00:00"];
        assert_eq!(tell(&twice), DataType::Utf8);
        assert_eq!(infer_type([None].into_iter()), DataType::Utf8);
    }
}
