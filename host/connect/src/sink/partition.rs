//! Splits batches by the values of the partition columns.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array},
    compute::{CastOptions, cast_with_options, take_record_batch},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

use crate::format::{hive, quoted, shown, sql_name};

/// Bytes of a folder's name at most, on all disks that are in use.
const NAME_BYTES: usize = 255;

/// The values of a partition, in the order of `partition_by`; `None` is NULL.
pub(super) type Values = Vec<Option<String>>;

/// Types that have one obvious spelling as text.
pub(super) fn is_allowed(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Boolean | DataType::Date32 => true,
        DataType::Dictionary(_, values) => is_allowed(values),
        other => other.is_integer(),
    }
}

/// Why the column cannot name folders; none if it can.
pub(super) fn unfit_name(column: &str) -> Option<&'static str> {
    if column.is_empty() {
        Some("it is empty")
    } else if column.starts_with(['.', '_']) {
        Some("readers skip names that begin with `.` or `_`")
    } else if hive::is_escaped(column) {
        Some(
            "readers take special characters in it, such as `=`, `/`, `%` and `:`, for something else",
        )
    } else {
        None
    }
}

/// Why rows cannot be divided.
pub(super) enum SplitError {
    Value {
        column: String,
        value: String,
        reason: &'static str,
        hint: String,
    },
    Other(ArrowError),
}

impl From<ArrowError> for SplitError {
    fn from(error: ArrowError) -> Self {
        Self::Other(error)
    }
}

/// How the columns of a stream are divided between folder names and files.
#[derive(Debug, Clone)]
pub(super) struct Splitter {
    /// Positions in the stream's schema, in the order of `partition_by`.
    keys: Vec<usize>,
    names: Vec<String>,
    /// Positions of the rest.
    kept: Vec<usize>,
    file_schema: SchemaRef,
}

impl Splitter {
    /// All of `partition_by` must be in the schema.
    pub(super) fn try_new(schema: &SchemaRef, partition_by: &[String]) -> Result<Self, ArrowError> {
        let keys = partition_by
            .iter()
            .map(|column| schema.index_of(column))
            .collect::<Result<Vec<_>, _>>()?;
        let all = 0..schema.fields().len();
        let kept: Vec<_> = all.filter(|position| !keys.contains(position)).collect();
        Ok(Self {
            file_schema: Arc::new(schema.project(&kept)?),
            names: partition_by.to_vec(),
            keys,
            kept,
        })
    }

    /// Columns of the files.
    pub(super) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// The folder of a partition, relative to the table; empty if the table has none.
    pub(super) fn folder(&self, values: &Values) -> PathBuf {
        let parts = self.names.iter().zip(values);
        parts
            .map(|(column, value)| hive::folder_name(column, value.as_deref()))
            .collect()
    }

    /// Whether a disk takes the names of a partition's folders.
    ///
    /// # Errors
    /// The first value whose folder has too long a name.
    pub(super) fn check_names(&self, values: &Values) -> Result<(), SplitError> {
        let mut parts = self.names.iter().zip(values);
        let long = parts
            .find(|(column, value)| hive::folder_name(column, value.as_deref()).len() > NAME_BYTES);
        match long {
            None => Ok(()),
            Some((column, value)) => Err(SplitError::Value {
                column: column.clone(),
                value: quoted(value.as_deref().unwrap_or(hive::NULL_PARTITION)),
                reason: "the name of its folder would have more than 255 bytes",
                hint: format!(
                    "partition by the beginning of such texts, as in `left({}, 50)`, or by another column",
                    sql_name(column)
                ),
            }),
        }
    }

    /// Columns and values of a partition as a reader of the table will see them.
    pub(super) fn named(&self, values: &Values) -> Vec<(String, Option<String>)> {
        self.names
            .iter()
            .cloned()
            .zip(values.iter().cloned())
            .collect()
    }

    /// All keys NULL: where an empty result puts its file, so that readers find the columns.
    pub(super) fn null_values(&self) -> Values {
        vec![None; self.keys.len()]
    }

    /// Readers take the text that stands for NULL for NULL, and Spark cannot read a folder named `column=`.
    fn values_of(&self, keys: &[ArrayRef], row: usize) -> Result<Values, SplitError> {
        keys.iter()
            .zip(&self.names)
            .map(|(key, name)| {
                let text = key.as_string::<i32>();
                let value = text.is_valid(row).then(|| text.value(row));
                let refused = |value: &str, reason, hint| SplitError::Value {
                    column: name.clone(),
                    value: value.to_owned(),
                    reason,
                    hint,
                };
                match value {
                    Some(hive::NULL_PARTITION) => Err(refused(
                        &quoted(hive::NULL_PARTITION),
                        "it means NULL in the name of a partition's folder",
                        format!(
                            "write NULL or another text in its place: `NULLIF({}, '{}')`",
                            sql_name(name),
                            hive::NULL_PARTITION
                        ),
                    )),
                    // DuckDB does.
                    Some(text) if text.eq_ignore_ascii_case("null") => Err(refused(
                        &quoted(text),
                        "some readers take it for NULL in the name of a partition's folder",
                        format!(
                            "write NULL or another text in its place: `NULLIF({}, '{text}')`",
                            sql_name(name)
                        ),
                    )),
                    Some("") => Err(refused(
                        "an empty text",
                        "a folder's name cannot tell it from NULL",
                        format!(
                            "write NULL or another text in its place: `NULLIF({}, '')`",
                            sql_name(name)
                        ),
                    )),
                    value => Ok(value.map(str::to_owned)),
                }
            })
            .collect()
    }

    /// The key columns as text.
    fn texts(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, SplitError> {
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let keys = self.keys.iter().zip(&self.names);
        keys.map(|(key, name)| {
            let values = batch.column(*key);
            cast_with_options(values, &DataType::Utf8, &strict).map_err(|error| {
                let texts = |row: &usize| {
                    cast_with_options(&values.slice(*row, 1), &DataType::Utf8, &strict).is_err()
                };
                match (0..values.len()).find(texts) {
                    Some(row) => SplitError::Value {
                        column: name.clone(),
                        value: shown(values, row),
                        reason: "it is beyond the calendar",
                        hint: "leave such rows out, or partition by another column".to_owned(),
                    },
                    None => error.into(),
                }
            })
        })
        .collect()
    }

    /// The rows of each partition, in their order; partitions in the order in which they appear.
    pub(super) fn split(
        &self,
        batch: &RecordBatch,
    ) -> Result<Vec<(Values, RecordBatch)>, SplitError> {
        let kept = batch.project(&self.kept)?;
        if self.keys.is_empty() || batch.num_rows() == 0 {
            return Ok(vec![(self.null_values(), kept)]);
        }
        let keys = self.texts(batch)?;
        let mut groups: Vec<(Values, Vec<u32>)> = Vec::new();
        let mut known: HashMap<Values, usize> = HashMap::new();
        let mut last: Option<(usize, usize)> = None;
        for row in 0..batch.num_rows() {
            // Mostly a row is of the partition of the row before it.
            let group = match last {
                Some((before, group)) if same(&keys, before, row) => group,
                _ => {
                    let values = self.values_of(&keys, row)?;
                    *known.entry(values).or_insert_with_key(|values| {
                        groups.push((values.clone(), Vec::new()));
                        groups.len() - 1
                    })
                }
            };
            groups[group].1.push(row as u32);
            last = Some((row, group));
        }
        if let [(_, rows)] = groups.as_slice()
            && rows.len() == batch.num_rows()
            && let Some((values, _)) = groups.pop()
        {
            return Ok(vec![(values, kept)]);
        }
        groups
            .into_iter()
            .map(|(values, rows)| Ok((values, take_record_batch(&kept, &UInt32Array::from(rows))?)))
            .collect()
    }
}

fn same(keys: &[ArrayRef], a: usize, b: usize) -> bool {
    keys.iter().all(|key| {
        let text = key.as_string::<i32>();
        match (text.is_null(a), text.is_null(b)) {
            (false, false) => text.value(a) == text.value(b),
            (a, b) => a && b,
        }
    })
}
