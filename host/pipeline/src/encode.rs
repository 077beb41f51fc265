//! A record batch as the bytes of one file.

use std::io;

use arrow::array::RecordBatch;
use arrow::json::writer::LineDelimited;
use datafusion::parquet::arrow::ArrowWriter;

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

/// The rows as the bytes of a file.
///
/// # Errors
/// If the format does not hold the batch's types, as CSV does not hold lists.
pub fn encode(batch: &RecordBatch, encoding: Encoding) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match encoding {
        Encoding::Csv => {
            let builder = arrow::csv::WriterBuilder::new().with_header(true);
            let mut writer = builder.build(&mut bytes);
            writer.write(batch).map_err(io::Error::other)?;
        }
        Encoding::Json => {
            let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, LineDelimited>(&mut bytes);
            writer.write(batch).map_err(io::Error::other)?;
            writer.finish().map_err(io::Error::other)?;
        }
        Encoding::Parquet => {
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
            writer.write(batch)?;
            writer.close()?;
        }
    }
    Ok(bytes)
}
