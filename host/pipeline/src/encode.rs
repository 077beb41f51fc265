//! A record batch as the bytes of one file.

use std::io;

use arrow::array::RecordBatch;
use arrow::json::writer::LineDelimited;
use transom_connect::Unwritable;
use transom_file::spec::{CsvOptions, SinkFormat};

/// How rows are written into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Comma-separated values under a header.
    Csv,
    /// One JSON object on each line.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// The rows as the bytes of a file, as a sink would write them.
///
/// # Errors
/// If the format does not hold a column, as CSV does not hold lists, or a value.
pub fn encode(batch: &RecordBatch, encoding: Encoding) -> Result<Vec<u8>, Unwritable> {
    let format = match encoding {
        Encoding::Csv => SinkFormat::Csv(CsvOptions::default()),
        Encoding::Json => SinkFormat::Json,
        Encoding::Parquet => SinkFormat::default(),
    };
    transom_connect::encode(batch, &format)
}

/// The rows as JSON objects, one on each line, to be looked at: what JSON cannot hold is written in some other way.
///
/// # Errors
/// If there is no way at all to write a column's type.
pub fn lines(batch: &RecordBatch) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(&mut bytes);
    writer.write(batch).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    drop(writer);
    Ok(bytes)
}
