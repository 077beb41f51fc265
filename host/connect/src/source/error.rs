//! What can be wrong with a source. Every message names the source and, where there is one, the file, the line and the
//! column; causes are chained, advice is apart ([`SourceError::hint`]).

use std::io;
use std::path::PathBuf;

use ::parquet::errors::ParquetError;
use arrow::{datatypes::DataType, error::ArrowError};
use datafusion::error::DataFusionError;
use transom_file::spec::Place;
use transom_sql::{text::Reason, type_name};

use crate::aws::{S3Error, S3ErrorKind};
use crate::kind::ErrorKind;

/// A value of a file that the table's type does not hold.
#[derive(Debug)]
pub struct Misfit {
    /// The way from the column to the value, if it is in a list, struct or map.
    pub within: String,
    /// The value in backticks, cut if long.
    pub value: String,
    /// Its type in the file.
    pub found: String,
    /// Type of the whole column in the file.
    pub whole: String,
    /// Its type in the table.
    pub expected: String,
}

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
        root: Box<Place>,
        /// Deepest folder on the way that exists, and what it holds.
        nearest: String,
    },
    /// S3 refuses, or an object is no longer the one that was listed.
    #[error("source `{name}`: {source}")]
    S3 {
        /// Name of the source.
        name: String,
        /// What was asked, and what came.
        source: Box<S3Error>,
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
        source: io::Error,
    },
    /// A file, or a folder on the way to it, has a name that is not UTF-8.
    #[error("source `{name}`: `{part}` on the way to `{path}` is not UTF-8")]
    NotUtf8 {
        /// Name of the source.
        name: String,
        /// The name, with escapes.
        part: String,
        /// The file.
        path: PathBuf,
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
    /// Two folders on the way to a file are the same column.
    #[error("source `{name}`: `{path}` lies in two folders of one column, `{outer}` and `{inner}`")]
    DoubledPartition {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// One folder.
        outer: Box<str>,
        /// The one within it.
        inner: Box<str>,
    },
    /// The value in a folder's name is not of the column's type.
    #[error(
        "source `{name}`: partition `{column}={value}` of `{path}` is not a valid value of type {}",
        type_name(expected)
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
    /// A folder's name has escapes that are not UTF-8.
    #[error("source `{name}`: `{path}` lies in a folder `{folder}`, whose escapes are not UTF-8")]
    PartitionEscapes {
        /// Name of the source.
        name: String,
        /// A file in that partition.
        path: PathBuf,
        /// The folder's name.
        folder: String,
    },
    /// A file holds a column that its path holds too.
    #[error(
        "source `{name}`: column `{column}` is both in the file `{path}` and a partition of its path"
    )]
    PartitionInFile {
        /// Name of the source.
        name: String,
        /// First file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Whether `unknown` lets it pass.
        ignorable: bool,
    },
    /// Two CSV files of a source have different columns.
    #[error("source `{name}`: the header of `{path}` is {found}, that of `{first}` is {expected}")]
    Headers {
        /// Name of the source.
        name: String,
        /// The file that differs.
        path: PathBuf,
        /// Its columns.
        found: Box<str>,
        /// The file that was read before.
        first: PathBuf,
        /// Its columns.
        expected: Box<str>,
    },
    /// A CSV file lacks a column of the source.
    #[error("source `{name}`: `{path}` has no column `{column}`")]
    MissingColumn {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// A column of the file that may be meant.
        similar: Option<String>,
        /// Columns of the file.
        found: Box<str>,
    },
    /// A file has a column or key that the source does not have.
    #[error("source `{name}`: `{path}` has a column `{column}`, which the source does not have")]
    UnknownColumn {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A file has a column in other letters.
    #[error("source `{name}`: `{path}` has the column `{found}`, and not `{column}`")]
    Capitals {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The column that is expected.
        column: String,
        /// The one that is there.
        found: String,
    },
    /// The header of a CSV file names a column twice.
    #[error(
        "source `{name}`: `{path}` has two columns `{column}`: columns {first} and {second} of its header"
    )]
    DuplicateColumn {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Where it comes first, from 1.
        first: usize,
        /// Where it comes again.
        second: usize,
    },
    /// The header of a CSV file has an empty name.
    #[error("source `{name}`: `{path}` line {line}: column {position} of {columns} has no name")]
    UnnamedColumn {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Line of the header.
        line: u64,
        /// Where the column is, from 1.
        position: usize,
        /// Columns of the header.
        columns: usize,
    },
    /// A CSV file seems to have another delimiter.
    #[error("source `{name}`: `{path}` has one column, {which} `{column}`")]
    OneColumn {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is shown of it: `named`, or `which holds` without a header.
        which: &'static str,
        /// The column's name, or its first value.
        column: String,
        /// What that seems to be delimited by.
        delimiter: char,
    },
    /// A quote in a CSV file does not close.
    #[error("source `{name}`: `{path}` line {line}: the quote that opens here never closes")]
    UnclosedQuote {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where it opens, from 1.
        line: u64,
    },
    /// Text follows a closing quote in a CSV file.
    #[error(
        "source `{name}`: `{path}` line {line}: text follows a closing quote; the quote opens in line {opened}"
    )]
    TextAfterQuote {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where the quote closes, from 1.
        line: u64,
        /// Where it opens.
        opened: u64,
    },
    /// A CSV row is too long to be one.
    #[error(
        "source `{name}`: `{path}` line {line}: the row that begins here is longer than 256 MiB"
    )]
    LongRow {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where it begins, from 1.
        line: u64,
    },
    /// A file that should be text is something else.
    #[error("source `{name}`: `{path}` is {kind}, not plain text")]
    NotText {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// What it is: `gzip`, `zstd`, ...
        kind: &'static str,
    },
    /// Text is UTF-16.
    #[error("source `{name}`: `{path}` is UTF-16, not UTF-8")]
    Utf16 {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Text is UTF-16 in the other order of bytes.
    #[error(
        "source `{name}`: `{path}` is UTF-16 with the high byte first, and has no mark that says so"
    )]
    OtherOrder {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A file changed its size while it was read.
    #[error(
        "source `{name}`: `{path}` changed while it was read: it had {listed} bytes when it was listed and has {now} now"
    )]
    Resized {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Its size in bytes when it was listed.
        listed: u64,
        /// Its size in bytes when the difference was met.
        now: u64,
    },
    /// The columns of the files cannot be inferred from their content.
    #[error("source `{name}`: cannot infer the columns of `{pattern}`")]
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
    #[error("source `{name}`: `{path}` line {line} has {}, expected {expected}", fields(*found))]
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
        /// What may be behind it.
        hint: Option<String>,
    },
    /// A value is not of its column's type.
    #[error(
        "source `{name}`: `{path}` line {line}: column `{column}` holds {value}, expected {}",
        expected_type(expected, *reason)
    )]
    Value {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where the row starts, from 1.
        line: u64,
        /// The column.
        column: Box<str>,
        /// The value in backticks, cut if long; or `no value`.
        value: Box<str>,
        /// Type that the column has.
        expected: Box<DataType>,
        /// Why the text is no value of it.
        reason: Option<Reason>,
        /// A type that holds the value, as the pipeline file writes it.
        fitting: &'static str,
    },
    /// A text of a column that was declared as `json`.
    #[error(
        "source `{name}`: `{path}` line {line}: column `{column}` holds {value}, which is not JSON"
    )]
    NotJson {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Where the row starts, from 1.
        line: u64,
        /// The column.
        column: Box<str>,
        /// The text in backticks, cut if long.
        value: Box<str>,
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
    /// A line of a JSON file is not what the source's columns say, or not JSON.
    #[error("source `{name}`: `{path}` line {line}{message}")]
    JsonLine {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it, from the place in the line on.
        message: Box<str>,
        /// What to do about it.
        hint: Option<Box<str>>,
        /// The parser's reason, if the line is not JSON.
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
        /// In the file, from 1, as the rows of dead letters count.
        row_group: usize,
        /// What the reader says.
        #[source]
        source: Box<ArrowError>,
    },
    /// The columns of a Parquet file can be read one by one, but not as rows.
    #[error("source `{name}`: `{path}` is damaged")]
    ParquetRows {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: Box<DataFusionError>,
    },
    /// A column of a Parquet file is of a type that cannot become the table's.
    #[error(
        "source `{name}`: column `{column}` of `{path}` is {found}, which cannot be read as {expected}"
    )]
    ColumnType {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Top-level column.
        column: String,
        /// Type in the file.
        found: Box<str>,
        /// Type in the table.
        expected: Box<str>,
    },
    /// A column of a Parquet file is of a type that is not read at all.
    #[error("source `{name}`: column `{column}` of `{path}` is {found}, which cannot be read")]
    ForeignType {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Column, with the fields on the way to the type.
        column: String,
        /// Type in the file.
        found: Box<str>,
    },
    /// A value of a Parquet file would change if it were turned into the type that the table has.
    #[error(
        "source `{name}`: `{path}` row {row}: column `{column}{}` holds {} ({}), which is no value of type {}",
        misfit.within, misfit.value, misfit.found, misfit.expected
    )]
    ParquetValue {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// In the file, from 1, as the rows of dead letters count.
        row: u64,
        /// Top-level column.
        column: Box<str>,
        /// What does not fit.
        misfit: Box<Misfit>,
    },
    /// Two files have a column with types that have nothing in common.
    #[error(
        "source `{name}`: column `{column}` is {first_type} in `{first}` and {second_type} in `{second}`"
    )]
    MixedTypes {
        /// Name of the source.
        name: String,
        /// Top-level column.
        column: Box<str>,
        /// One file.
        first: PathBuf,
        /// The type in it.
        first_type: Box<str>,
        /// Another file.
        second: PathBuf,
        /// The type in that.
        second_type: Box<str>,
    },
    /// A Parquet file has two columns of one name.
    #[error("source `{name}`: `{path}` has two columns named `{column}`")]
    TwoColumns {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The name, with those of the structs that it is in.
        column: String,
    },
    /// A column is in none of the files.
    #[error("source `{name}`: no file has column `{column}`")]
    NoColumn {
        /// Name of the source.
        name: String,
        /// The column that is expected.
        column: String,
        /// A column of the files that may be meant.
        similar: Option<String>,
    },
    /// A file is not the one that was listed.
    #[error(
        "source `{name}`: `{path}` was changed while it was read: {}", what_changed(*listed, *now)
    )]
    Changed {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
        /// Bytes when the files were listed.
        listed: u64,
        /// Bytes later.
        now: u64,
    },
    /// A file belonged to a version of a table that is gone.
    #[error("source `{name}`: `{path}` was listed, and its table has been replaced since")]
    Replaced {
        /// Name of the source.
        name: String,
        /// The file.
        path: PathBuf,
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

/// Shared, since DataFusion may give one error to several readers: `Arc<SourceError>` is what is found at the bottom of it.
impl From<SourceError> for DataFusionError {
    fn from(error: SourceError) -> Self {
        Self::External(Box::new(std::sync::Arc::new(error)))
    }
}

impl SourceError {
    /// What callers act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::S3 { source, .. } => source.kind().into(),
            Self::Changed { .. } | Self::Resized { .. } | Self::Replaced { .. } => {
                ErrorKind::Temporary
            }
            _ => ErrorKind::Data,
        }
    }

    /// The source, if one of its files is gone, or is not the one any more that was listed.
    #[must_use]
    pub fn unlisted(&self) -> Option<&str> {
        match self {
            Self::Changed { name, .. }
            | Self::Resized { name, .. }
            | Self::Replaced { name, .. } => Some(name),
            Self::Io { name, source, .. } if source.kind() == io::ErrorKind::NotFound => Some(name),
            Self::S3 { name, source } => {
                let is_other =
                    matches!(source.kind(), S3ErrorKind::Changed | S3ErrorKind::NotFound);
                is_other.then_some(name)
            }
            _ => None,
        }
    }

    /// Whether it is only that there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::NoFiles { .. })
    }

    /// What to do about it, where there is something to say beyond the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFiles { .. } => Some(
                "a pattern is a file, a folder or a glob such as `data/**/*.csv`; hidden files (`.x`, `_x`) are never taken"
                    .to_owned(),
            ),
            Self::NotUtf8 { .. } => {
                Some("rename it: names of files and folders are text here".to_owned())
            }
            Self::MixedPartitions { .. } => {
                Some("narrow the pattern to files that are partitioned alike".to_owned())
            }
            Self::DoubledPartition { .. } => {
                Some("rename one of the folders, or name a path below the first".to_owned())
            }
            Self::PartitionEscapes { .. } => Some(
                "rename the folder: letters need no escape there, and `%25` is a percent sign"
                    .to_owned(),
            ),
            Self::PartitionInFile {
                column, ignorable, ..
            } => Some(format!(
                "take column `{column}` out of the files, or move them to folders that are not named `{column}=...`{}",
                match ignorable {
                    true => "; with `unknown: ignore` the value of the folder counts",
                    false => "",
                }
            )),
            Self::Headers { .. } => Some(
                "every file needs the same columns, in any order; columns more are left out with `unknown: ignore`"
                    .to_owned(),
            ),
            Self::MissingColumn {
                similar: Some(similar),
                ..
            } => Some(format!("did you mean `{similar}`?")),
            Self::MissingColumn { found, .. } => Some(format!(
                "its columns are {found}; lock again if the files have changed"
            )),
            Self::Capitals { column, .. } => Some(format!(
                "call it `{column}` in the file; if all files have changed, lock again"
            )),
            Self::UnknownColumn { .. } => Some(
                "lock again to read it, or leave out what the source does not have with `unknown: ignore`"
                    .to_owned(),
            ),
            Self::DuplicateColumn { .. } | Self::UnnamedColumn { .. } => Some(
                "change the header in the file, or name the columns yourself: `csv: { header: false, skip: 1 }` and `columns`"
                    .to_owned(),
            ),
            Self::OneColumn {
                which, delimiter, ..
            } => {
                let delimiter = delimiter.escape_default();
                let declared = match *which {
                    "named" => "",
                    _ => ", or declare what it is: `columns: { column_1: utf8 }`",
                };
                Some(format!(
                    "name the delimiter: `csv: {{ delimiter: \"{delimiter}\" }}`{declared}"
                ))
            }
            Self::UnclosedQuote { .. } | Self::LongRow { .. } => Some(
                "close the quote in the file; if quotes mean nothing there, name another character with `csv: { quote: .. }`"
                    .to_owned(),
            ),
            Self::TextAfterQuote { .. } => Some(
                "double a quote within quotes, or name what is before it with `csv: { escape: \"\\\\\" }`"
                    .to_owned(),
            ),
            Self::NotText { kind: "gzip", .. } => {
                Some("it is gzip: let its name end in `.gz`".to_owned())
            }
            Self::NotText { kind: "Parquet", .. } => Some("write `format: parquet`".to_owned()),
            Self::NotText { .. } => Some("unpack it, or compress it with gzip".to_owned()),
            Self::Utf16 { .. } => Some(
                "CSV is read with `csv: { encoding: utf-16 }`; convert other files to UTF-8".to_owned(),
            ),
            Self::OtherOrder { .. } => Some("write `csv: { encoding: utf-16be }`".to_owned()),
            Self::Resized { .. } => Some("run again when nothing writes to it".to_owned()),
            Self::NoColumns { .. } => Some("declare the source's columns".to_owned()),
            Self::FieldCount { hint, .. } => Some(hint.clone().unwrap_or_else(|| {
                "check the delimiter, and quotes around fields that hold it".to_owned()
            })),
            Self::Value {
                column, fitting, ..
            } if *fitting != "utf8" => Some(format!(
                "fix the file, or declare column `{column}` as `{fitting}`"
            )),
            Self::Value { column, .. } => Some(format!(
                "fix the file, or declare column `{column}` as `utf8` and convert it in SQL with `try_cast`"
            )),
            Self::NotJson { column, .. } => Some(format!(
                "fix the file, or declare column `{column}` as `utf8`"
            )),
            Self::PartitionValue { column, .. } => Some(format!(
                "lock again if the folders have changed, or declare the type: `columns: {{ {column}: utf8 }}`"
            )),
            Self::Encoding { .. } => Some(
                "convert the file to UTF-8; CSV can be read as it is with, for example, `csv: { encoding: windows-1252 }`"
                    .to_owned(),
            ),
            Self::JsonLine { hint, .. } => hint.as_deref().map(str::to_owned),

            Self::ColumnType { column, .. } => Some(format!(
                "lock again if the files have changed, or declare a type that can hold both: `columns: {{ {column}: ... }}`"
            )),
            Self::ForeignType { .. } => Some(
                "write the file again with a decimal or text in its place: in Polars with `.cast(pl.Decimal(38, 0))`"
                    .to_owned(),
            ),
            Self::ParquetValue { column, misfit, .. } => {
                let (found, expected) = (misfit.found.as_str(), misfit.expected.as_str());
                let is_text = expected == "utf8" && found.starts_with("binary");
                Some(match misfit.within.as_str() {
                    "" if is_text => format!(
                        "convert the text to UTF-8, or read the bytes with `columns: {{ {column}: binary }}`"
                    ),
                    _ if is_text => "convert the text to UTF-8".to_owned(),
                    _ if found == expected && misfit.value == "`NULL`" => {
                        "write the file again: a map has no key that is NULL".to_owned()
                    }
                    _ if found == expected => {
                        format!("write the file again: `{expected}` has no such value")
                    }
                    "" if !found.contains(',') => declare(column, found),
                    // Commas would end the type in YAML.
                    "" => declare(column, &format!("\"{found}\"")),
                    _ => declare(column, &format!("\"{}\"", misfit.whole)),
                })
            }
            Self::MixedTypes { column, .. } => Some(format!(
                "declare a type that both can become without loss, `columns: {{ {column}: .. }}`; or read the files as two sources, and convert `{column}` of one of them in a step"
            )),
            Self::TwoColumns { .. } => Some("write the file with a name for each column".to_owned()),
            Self::NoColumn { similar, .. } => Some(match similar {
                Some(similar) => format!("did you mean `{similar}`? If the files have changed, lock again"),
                None => "if the files have changed, lock again".to_owned(),
            }),
            Self::S3 { source, .. } if source.kind() == S3ErrorKind::Changed => {
                Some("run again when nothing writes to the object".to_owned())
            }
            Self::S3 { source, .. } => source.hint(),
            Self::Changed { .. } => Some("run again when nothing writes to the file".to_owned()),
            Self::Replaced { .. } => Some("list the source again".to_owned()),
            Self::NotParquet { .. } => {
                Some("the file may be of another format, or its writer did not finish".to_owned())
            }
            Self::ParquetFooter { .. } | Self::ParquetData { .. } | Self::ParquetRows { .. } => {
                Some("fetch or write the file again".to_owned())
            }
            _ => None,
        }
    }
}

fn what_changed(listed: u64, now: u64) -> String {
    match listed == now {
        true => "its time of change is another one than when the run was planned".to_owned(),
        false => format!("it had {listed} bytes when the run was planned and has {now} now"),
    }
}

/// Advice on a column that is read as another type than the files have.
fn declare(column: &str, data_type: &str) -> String {
    format!(
        "lock again if the files have changed, or declare the type: `columns: {{ {column}: {data_type} }}`"
    )
}

fn expected_type(data_type: &DataType, reason: Option<Reason>) -> String {
    let name = type_name(data_type);
    match reason.and_then(Reason::detail) {
        Some(detail) => format!("{name}: {detail}"),
        None => name,
    }
}

fn fields(count: usize) -> String {
    match count {
        1 => "1 field".to_owned(),
        count => format!("{count} fields"),
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
