//! A record batch as the bytes of one file.

use std::io::{self, Write as _};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, NullableEncoder};
use arrow::json::{Encoder, EncoderFactory, EncoderOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use transom_connect::Unwritable;
use transom_file::spec::{CsvOptions, SinkFormat};
use transom_sql::show;

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
    let builder = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Moments));
    let mut writer = builder.build::<_, LineDelimited>(&mut bytes);
    writer.write(batch).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    drop(writer);
    Ok(bytes)
}

/// Encodes timestamps with a zone as tables show them.
#[derive(Debug)]
struct Moments;

impl EncoderFactory for Moments {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let DataType::Timestamp(_, Some(_)) = array.data_type() else {
            return Ok(None);
        };
        let shown = show::formatter(array, &FormatOptions::default())?;
        let nulls = array.nulls().cloned();
        Ok(Some(NullableEncoder::new(Box::new(Shown(shown)), nulls)))
    }
}

/// Texts without anything to escape.
struct Shown<'a>(ArrayFormatter<'a>);

impl Encoder for Shown<'_> {
    fn encode(&mut self, index: usize, output: &mut Vec<u8>) {
        write!(output, "\"{}\"", self.0.value(index)).expect("a Vec takes all writes");
    }
}
