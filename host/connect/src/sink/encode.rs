//! One file being written: Parquet, CSV or JSON over a file that counts its bytes.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{RecordBatch, new_null_array},
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
    json::LineDelimitedWriter,
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::format::{ParquetCompression, SinkFormat};

/// Written into the key-value metadata of every Parquet file. No time and no run: the same rows give the same bytes.
const CREATED_BY: &str = concat!("transom ", env!("CARGO_PKG_VERSION"));
/// Output is given to the system in pieces of this many bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// How far a run has come, for a progress display; to be shared by all streams of a sink.
#[derive(Debug, Default)]
pub struct WriteProgress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl WriteProgress {
    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes in files so far; Parquet's come in row groups.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// A file that counts what goes into it.
#[derive(Debug)]
struct Counted {
    file: BufWriter<File>,
    bytes: Arc<AtomicU64>,
    progress: Arc<WriteProgress>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        self.progress
            .bytes
            .fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Writer<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Csv(Box<arrow::csv::Writer<W>>),
    Json(LineDelimitedWriter<W>),
}

impl<W: Write + Send> Writer<W> {
    fn try_new(
        output: W,
        format: &SinkFormat,
        schema: &SchemaRef,
        row_group_bytes: usize,
    ) -> Result<Self, ArrowError> {
        Ok(match format {
            SinkFormat::Parquet { compression } => {
                let compression = match compression {
                    ParquetCompression::Zstd(level) => {
                        Compression::ZSTD(ZstdLevel::try_new(*level)?)
                    }
                    ParquetCompression::Snappy => Compression::SNAPPY,
                    ParquetCompression::Uncompressed => Compression::UNCOMPRESSED,
                };
                let created_by = KeyValue::new("created_by".to_owned(), CREATED_BY.to_owned());
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_bytes(Some(row_group_bytes))
                    .set_key_value_metadata(Some(vec![created_by]))
                    .build();
                let schema = Arc::clone(schema);
                Self::Parquet(Box::new(ArrowWriter::try_new(
                    output,
                    schema,
                    Some(properties),
                )?))
            }
            SinkFormat::Csv(options) => Self::Csv(Box::new(
                arrow::csv::WriterBuilder::new()
                    .with_delimiter(options.delimiter)
                    .with_quote(options.quote)
                    .with_header(options.header)
                    .with_null(options.null.clone().unwrap_or_default())
                    .build(output),
            )),
            SinkFormat::Json => Self::Json(
                arrow::json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build(output),
            ),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Self::Parquet(writer) => Ok(writer.write(batch)?),
            Self::Csv(writer) => writer.write(batch),
            Self::Json(writer) => writer.write(batch),
        }
    }

    fn finish(self) -> Result<W, ArrowError> {
        let mut output = match self {
            // Writes the footer.
            Self::Parquet(writer) => writer.into_inner()?,
            Self::Csv(writer) => writer.into_inner(),
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        };
        output.flush()?;
        Ok(output)
    }
}

/// One open file.
pub(super) struct Encoder {
    writer: Writer<Counted>,
    bytes: Arc<AtomicU64>,
}

impl Encoder {
    /// Makes a new file; one that exists is never overwritten.
    pub(super) fn create(
        path: &Path,
        format: &SinkFormat,
        schema: &SchemaRef,
        row_group_bytes: usize,
        progress: &Arc<WriteProgress>,
    ) -> Result<Self, ArrowError> {
        let bytes = Arc::new(AtomicU64::new(0));
        let output = Counted {
            file: BufWriter::with_capacity(BUFFER_BYTES, File::create_new(path)?),
            bytes: Arc::clone(&bytes),
            progress: Arc::clone(progress),
        };
        let mut writer = Writer::try_new(output, format, schema, row_group_bytes)?;
        if let Writer::Csv(_) = writer {
            // The header, also if no row follows.
            writer.write(&RecordBatch::new_empty(Arc::clone(schema)))?;
        }
        Ok(Self { writer, bytes })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(batch)
    }

    /// Bytes of memory that rows not yet in the file take.
    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.writer {
            Writer::Parquet(writer) => writer.memory_size(),
            Writer::Csv(_) | Writer::Json(_) => 0,
        }
    }

    /// Ends the row group.
    pub(super) fn flush(&mut self) -> Result<(), ArrowError> {
        match &mut self.writer {
            Writer::Parquet(writer) => Ok(writer.flush()?),
            Writer::Csv(_) | Writer::Json(_) => Ok(()),
        }
    }

    /// Closes the file and gives its size. It is not on the disk yet: that is awaited for all files at once.
    pub(super) fn finish(self) -> Result<u64, ArrowError> {
        self.writer.finish()?;
        Ok(self.bytes.load(Ordering::Relaxed))
    }
}

/// Whether the format can hold columns of this schema, by writing a row of nulls: some types that an encoder does not know it finds
/// with the first row only.
pub(super) fn probe(format: &SinkFormat, schema: &SchemaRef) -> Result<(), ArrowError> {
    let fields = schema.fields().iter();
    let columns = fields
        .clone()
        .map(|field| new_null_array(field.data_type(), 1));
    let fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect())?;
    let mut writer = Writer::try_new(io::sink(), format, &batch.schema(), BUFFER_BYTES)?;
    writer.write(&batch)?;
    writer.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Fields, IntervalUnit, TimeUnit};

    use super::*;

    fn holds(format: &SinkFormat, data_type: DataType, nullable: bool) -> bool {
        let field = Field::new("column", data_type, nullable);
        probe(format, &Arc::new(Schema::new(vec![field]))).is_ok()
    }

    #[test]
    fn a_column_that_may_not_be_null_is_probed_like_another() {
        let parquet = SinkFormat::Parquet {
            compression: ParquetCompression::Uncompressed,
        };
        let required = |data_type| Arc::new(Field::new("item", data_type, false));
        let inner = DataType::Struct(Fields::from(vec![
            Field::new("one", DataType::Int64, false),
            Field::new("two", DataType::Utf8, true),
        ]));
        for data_type in [
            DataType::Null,
            DataType::Decimal128(10, 2),
            DataType::FixedSizeBinary(3),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            DataType::List(required(inner.clone())),
            DataType::FixedSizeList(required(DataType::Int64), 2),
            DataType::Struct(Fields::from(vec![Field::new("inner", inner, false)])),
        ] {
            for nullable in [false, true] {
                assert!(holds(&parquet, data_type.clone(), nullable), "{data_type}");
            }
        }
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        assert!(!holds(&parquet, interval, true));
    }
}
