//! The file formats, as a pipeline may name them: one set of options for reading and for writing, so that what a sink
//! writes can be read back by a source with the same options.

use std::path::Path;

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Bytes of rows that a sink keeps in memory at most until they are in a file. A row group of Parquet is written as a whole, so that none is
/// larger.
pub const MOST_BUFFERED: u64 = 256 << 20;

/// The name of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(
    rename = "Format",
    description = "The format of a source's or sink's files."
)]
pub enum FormatName {
    /// Comma-separated values.
    Csv,
    /// One JSON object on each line.
    Json,
    /// Apache Parquet.
    Parquet,
}

impl FormatName {
    /// As messages write it.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        }
    }
}

/// How CSV is laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CsvOptions {
    /// Between the fields of a row; `,` by default.
    pub delimiter: u8,
    /// Whether the first row of every file names the columns; true by default.
    pub header: bool,
    /// Around fields that hold delimiters, quotes or line breaks; `"` by default, doubled within a field.
    pub quote: u8,
    /// The texts that stand for NULL beside an empty field; sinks write the first, or an empty field if there is none. What is in
    /// quotes is text, also if it is empty.
    #[serde(serialize_with = "one_or_more")]
    pub null: Vec<String>,
    /// How the text is encoded. For sources.
    #[serde(skip_serializing_if = "is_default")]
    pub encoding: Encoding,
    /// Lines at the beginning of every file that are not read. For sources.
    #[serde(skip_serializing_if = "is_default")]
    pub skip: usize,
    /// Lines that begin with it are not read. For sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<u8>,
    /// Within quotes, takes the next character as it is. For sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<u8>,
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// As the file writes it: a text, or a list of them.
fn one_or_more<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match texts {
        [] => serializer.serialize_none(),
        [one] => serializer.serialize_str(one),
        more => more.serialize(serializer),
    }
}

/// How text is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without.
    #[default]
    Utf8,
    /// ISO 8859-1: every byte is the character of its number.
    Latin1,
    /// One of those that browsers know.
    Other(&'static encoding_rs::Encoding),
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Utf8 => serializer.serialize_str("utf-8"),
            Self::Latin1 => serializer.serialize_str("latin-1"),
            Self::Other(encoding) => serializer.collect_str(&encoding.name().to_ascii_lowercase()),
        }
    }
}

impl Encoding {
    /// The encoding of a name, as Python and browsers call it: `utf-16le`, `latin-1`, `windows-1252`, `shift_jis`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        // Browsers take these for windows-1252.
        if matches!(
            name.as_str(),
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1"
        ) {
            return Some(Self::Latin1);
        }
        let label = match name.as_str() {
            // And these, so that bytes would be characters that ASCII does not have.
            "ascii" | "us-ascii" | "ansi-x3.4-1968" => return None,
            "utf-16" => "utf-16le",
            "shift-jis" => "shift_jis",
            "cp1252" => "windows-1252",
            other => other,
        };
        let encoding = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())?;
        Some(if encoding == encoding_rs::UTF_8 {
            Self::Utf8
        } else {
            Self::Other(encoding)
        })
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: true,
            quote: b'"',
            null: Vec::new(),
            encoding: Encoding::Utf8,
            skip: 0,
            comment: None,
            escape: None,
        }
    }
}

/// What a source reads. CSV and JSON files whose name ends in `.gz` are decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Delimited text.
    Csv(CsvOptions),
    /// One JSON object per line.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// The keys of the file: `format`, and `csv` or `compression`.
impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_map(None)?;
        keys.serialize_entry("format", &self.name())?;
        if let Self::Csv(csv) = self {
            keys.serialize_entry("csv", csv)?;
        }
        keys.end()
    }
}

/// With the default options.
impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv(CsvOptions::default()),
            FormatName::Json => Self::Json,
            FormatName::Parquet => Self::Parquet,
        }
    }
}

impl Format {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> FormatName {
        match self {
            Self::Csv(_) => FormatName::Csv,
            Self::Json => FormatName::Json,
            Self::Parquet => FormatName::Parquet,
        }
    }

    /// Endings by which the files of a folder are recognised.
    fn extensions(&self) -> &'static [&'static str] {
        match self {
            Self::Csv(_) => &["csv", "tsv", "csv.gz", "tsv.gz"],
            Self::Json => &[
                "json",
                "jsonl",
                "ndjson",
                "json.gz",
                "jsonl.gz",
                "ndjson.gz",
            ],
            Self::Parquet => &["parquet"],
        }
    }

    /// Whether a file found in a folder is taken for a file of this format.
    #[must_use]
    pub fn takes(&self, file_name: &str) -> bool {
        let file_name = file_name.to_ascii_lowercase();
        self.extensions().iter().any(|extension| {
            file_name
                .strip_suffix(extension)
                .is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

/// Compressions that are not read, by the endings of names.
const NOT_READ: &[(&str, &str)] = &[
    ("zst", "zstd"),
    ("zstd", "zstd"),
    ("bz2", "bzip2"),
    ("xz", "xz"),
    ("zip", "zip"),
];

/// The compression that a name's ending says, if it is one that is not read, and the name without the ending.
#[must_use]
pub fn compression_not_read(path: &str) -> Option<(&'static str, &str)> {
    let (inner, ending) = path.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let (_, compression) = NOT_READ.iter().find(|(known, _)| *known == ending)?;
    Some((*compression, inner))
}

/// Whether a file's bytes are gzip, by its name alone.
#[must_use]
pub fn is_gzip(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// How the pages of Parquet files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy: for readers that know nothing newer.
    Snappy,
    /// Zstandard.
    #[default]
    Zstd,
}

/// What a sink writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkFormat {
    /// Apache Parquet.
    Parquet {
        /// How pages are compressed.
        compression: Compression,
    },
    /// Delimited text. Nested columns are refused.
    Csv(CsvOptions),
    /// One JSON object per line; NULL is written as `null`, so that every line names every column.
    Json,
}

/// The keys of the file: `format`, and `csv` or `compression`.
impl Serialize for SinkFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_map(None)?;
        keys.serialize_entry("format", &self.name())?;
        match self {
            Self::Csv(csv) => keys.serialize_entry("csv", csv)?,
            Self::Parquet { compression } => keys.serialize_entry("compression", compression)?,
            Self::Json => {}
        }
        keys.end()
    }
}

impl SinkFormat {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> FormatName {
        match self {
            Self::Parquet { .. } => FormatName::Parquet,
            Self::Csv(_) => FormatName::Csv,
            Self::Json => FormatName::Json,
        }
    }

    /// Ending of the files written.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Parquet { .. } => "parquet",
            Self::Csv(_) => "csv",
            Self::Json => "json",
        }
    }
}

impl Default for SinkFormat {
    fn default() -> Self {
        Self::Parquet {
            compression: Compression::default(),
        }
    }
}

/// What happens to columns or keys of a file that the source does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The run fails.
    #[default]
    Fail,
    /// They are left out, and the report warns.
    Warn,
    /// They are left out.
    Ignore,
}
