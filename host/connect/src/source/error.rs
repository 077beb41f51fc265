//! What can be wrong with a source. Every message names the source and, where there is one, the file, the line and the
//! column; causes are chained, advice is apart ([`SourceError::hint`]).

use std::path::PathBuf;

use arrow::{datatypes::DataType, error::ArrowError};
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

/// Why a source cannot be read. Paths are relative to the source's root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The pattern is not a valid glob.
    #[error("source `{name}` has an invalid pattern `{pattern}`")]
    Pattern {
        /// Name of the source.
        name: String,
        /// As the pipeline gives it.
        pattern: String,
        /// What is wrong with it, and where.
        #[source]
        source: glob::PatternError,
    },
    /// Nothing matches.
    #[error(
        "source `{name}`: no {format} file matches `{pattern}` under `{root}`; the nearest existing folder {nearest}"
    )]
    NoFiles {
        /// Name of the source.
        name: String,
        /// Format that was looked for.
        format: &'static str,
        /// As the pipeline gives it.
        pattern: String,
        /// Where the pattern starts.
        root: PathBuf,
        /// Deepest folder on the way that exists, and what it holds.
        nearest: String,
    },
    /// A file or folder cannot be opened or read.
    #[error("source `{name}`: cannot read `{path}`")]
    Io {
        /// Name of the source.
        name: String,
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Files lie in partition folders of different columns.
    #[error(
        "source `{name}` mixes partitions: `{first}` is partitioned by {first_columns}, `{second}` by {second_columns}"
    )]
    MixedPartitions {
        /// Name of the source.
        name: String,
        /// One file.
        first: PathBuf,
        /// Its partition columns.
        first_columns: Box<str>,
        /// Another file.
        second: PathBuf,
        /// Its partition columns.
        second_columns: Box<str>,
    },
    /// The value in a folder's name is not of the column's type.
    #[error(
        "source `{name}`: partition `{column}={value}` of `{path}` is not a valid value of type {expected}"
    )]
    PartitionValue {
        /// Name of the source.
        name: String,
        /// A file in that partition.
        path: PathBuf,
        /// The partition column.
        column: String,
        /// Decoded value.
        value: String,
        /// Type that the column has.
        expected: Box<DataType>,
    },
    /// A CSV file holds a column that its path holds too.
    #[error(
        "source `{name}`: column `{column}` is both in the CSV file `{path}` and a partition of its path"
    )]
    PartitionInFile {
        /// Name of the source.
        name: String,
        /// First file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// The header of a CSV file does not name the columns that are expected, in their order.
    #[error("source `{name}`: the header of `{path}` is {found}, expected {expected}")]
    Header {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Columns of the file.
        found: String,
        /// Columns of the source.
        expected: String,
    },
    /// The columns of the files cannot be told from their content.
    #[error("source `{name}`: cannot tell the columns of `{pattern}`")]
    Infer {
        /// Name of the source.
        name: String,
        /// As the pipeline gives it.
        pattern: String,
        /// What DataFusion says.
        #[source]
        source: Box<DataFusionError>,
    },
    /// There are files, but all are empty, and the source declares no columns.
    #[error("source `{name}`: every file of `{pattern}` is empty, so its columns are unknown")]
    NoColumns {
        /// Name of the source.
        name: String,
        /// As the pipeline gives it.
        pattern: String,
    },
    /// A CSV row has too few or too many fields.
    #[error("source `{name}`: `{path}` line {line} has {found} fields, expected {expected}")]
    FieldCount {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where the row starts, from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// A value is not of its column's type.
    #[error(
        "source `{name}`: `{path}` line {line}: column `{column}` holds {value}, expected {expected}"
    )]
    Value {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where the row starts, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The value in backticks, cut if long; or `no value`.
        value: String,
        /// Type that the column has.
        expected: Box<DataType>,
    },
    /// Text is not UTF-8.
    #[error("source `{name}`: `{path}` line {line} is not valid UTF-8")]
    Encoding {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// A line is not JSON.
    #[error("source `{name}`: `{path}` line {line} is not a JSON object")]
    Json {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The parser's reason; none if the line is JSON, but not an object.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The file is not Parquet at all.
    #[error("source `{name}`: `{path}` is not a Parquet file: it does not {part} with `PAR1`")]
    NotParquet {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// `begin` or `end`.
        part: &'static str,
    },
    /// The footer of a Parquet file cannot be read.
    #[error("source `{name}`: the footer of `{path}` is damaged")]
    ParquetFooter {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: ParquetError,
    },
    /// A column chunk of a Parquet file cannot be read.
    #[error("source `{name}`: column `{column}` in row group {row_group} of `{path}` is damaged")]
    ParquetData {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Top-level column.
        column: String,
        /// From 0, as Parquet tools count.
        row_group: usize,
        /// What the reader says.
        #[source]
        source: Box<ArrowError>,
    },
    /// A column of a Parquet file cannot be turned into the type that the table has.
    #[error(
        "source `{name}`: column `{column}` in row group {row_group} of `{path}` is {found}, which cannot be read as {expected}"
    )]
    ParquetType {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Top-level column.
        column: String,
        /// From 0, as Parquet tools count.
        row_group: usize,
        /// Type in the file.
        found: Box<DataType>,
        /// Type in the table.
        expected: Box<DataType>,
        /// Which value does not fit, if it is a matter of values.
        #[source]
        source: Box<ArrowError>,
    },
    /// The work was given up: the process is shutting down.
    #[error("source `{name}`: reading was interrupted")]
    Interrupted {
        /// Name of the source.
        name: String,
        /// Why the task ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl SourceError {
    /// What to do about it, where there is something to say beyond the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFiles { .. } => Some(
                "a pattern is a file, a folder or a glob such as `data/**/*.csv`; hidden files (`.x`, `_x`) are never taken"
                    .to_owned(),
            ),
            Self::MixedPartitions { .. } => {
                Some("narrow the pattern to files that are partitioned alike".to_owned())
            }
            Self::PartitionInFile { column, .. } => Some(format!(
                "take column `{column}` out of the files, or move them to folders that are not named `{column}=...`"
            )),
            Self::Header { .. } => Some(
                "CSV columns are read by position: every file needs the same columns in the same order; lock again if the files have changed"
                    .to_owned(),
            ),
            Self::NoColumns { .. } => Some("declare the source's columns".to_owned()),
            Self::FieldCount { .. } => {
                Some("check the delimiter, and quotes around fields that hold it".to_owned())
            }
            Self::Value { column, .. } => Some(format!(
                "correct the file, or declare column `{column}` as `utf8` and convert it in SQL with `try_cast`"
            )),
            Self::Encoding { .. } => Some("convert the file to UTF-8".to_owned()),
            Self::Json { .. } => {
                Some("JSON sources hold one object per line, not an array".to_owned())
            }
            Self::NotParquet { .. } => {
                Some("the file may be of another format, or its writer did not finish".to_owned())
            }
            Self::ParquetFooter { .. } | Self::ParquetData { .. } => {
                Some("fetch or write the file again".to_owned())
            }
            _ => None,
        }
    }
}

/// Names in backticks, for messages.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
