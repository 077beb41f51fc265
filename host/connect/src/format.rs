//! The file formats, as a pipeline may name them: one set of options for reading and for writing, so that what a sink
//! writes can be read back by a source with the same options.

use std::path::Path;

/// How CSV is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between the fields of a row; `,` by default.
    pub delimiter: u8,
    /// Whether the first row of every file names the columns; true by default.
    pub header: bool,
    /// Around fields that hold delimiters, quotes or line breaks; `"` by default, doubled within a field.
    pub quote: u8,
    /// The texts that stand for NULL beside an empty field; sinks write the first, or an empty field if there is none. What is in
    /// quotes is text, also if it is empty.
    pub null: Vec<String>,
    /// How the text is encoded. For sources.
    pub encoding: Encoding,
    /// Lines at the beginning of every file that are not read. For sources.
    pub skip: usize,
    /// Lines that begin with it are not read. For sources.
    pub comment: Option<u8>,
    /// Within quotes, takes the next character as it is. For sources.
    pub escape: Option<u8>,
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

impl Format {
    /// Name for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
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
    pub(crate) fn takes(&self, file_name: &str) -> bool {
        let file_name = file_name.to_ascii_lowercase();
        self.extensions().iter().any(|extension| {
            file_name
                .strip_suffix(extension)
                .is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

/// Whether a file's bytes are gzip, by its name alone.
pub(crate) fn is_gzip(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// How the pages of a Parquet file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    /// Zstandard, level 1 (fastest) to 22 (smallest); level 1 by default.
    Zstd(i32),
    /// Snappy: for readers that know nothing newer.
    Snappy,
    /// None at all.
    Uncompressed,
}

impl Default for ParquetCompression {
    fn default() -> Self {
        Self::Zstd(1)
    }
}

/// What a sink writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkFormat {
    /// Apache Parquet.
    Parquet {
        /// How pages are compressed.
        compression: ParquetCompression,
    },
    /// Delimited text. Nested columns are refused.
    Csv(CsvOptions),
    /// One JSON object per line; NULL is written as `null`, so that every line names every column.
    Json,
}

impl SinkFormat {
    /// Name for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Parquet { .. } => "Parquet",
            Self::Csv(_) => "CSV",
            Self::Json => "JSON",
        }
    }

    /// Ending of the files written.
    pub(crate) fn extension(&self) -> &'static str {
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
            compression: ParquetCompression::default(),
        }
    }
}
