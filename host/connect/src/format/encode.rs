//! One file being written: Parquet, CSV or JSON over a file that counts its bytes.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::RecordBatch, datatypes::SchemaRef, error::ArrowError, json::LineDelimitedWriter,
};

use super::json::JsonColumns;
use super::{csv::CsvWriter, parquet::ParquetWriter, stored::Stored, unwritable::Unwritable};
use crate::sink::{OutFile, SinkLimits};
use transom_file::spec::SinkFormat;

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

    pub(crate) fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// A file that counts what goes into it.
struct Counted {
    file: OutFile,
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

/// Rows on their way into one output, in the format's own words.
enum Writer<W: Write + Send> {
    Parquet(Box<ParquetWriter<W>>),
    Csv(CsvWriter<W>),
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
                let writer = ParquetWriter::new(output, schema, *compression, row_group_bytes);
                Self::Parquet(Box::new(writer))
            }
            SinkFormat::Csv(options) => Self::Csv(CsvWriter::try_new(output, options, schema)?),
            SinkFormat::Json => Self::Json(
                arrow::json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .with_encoder_factory(Arc::new(JsonColumns))
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
            Self::Csv(writer) => writer.finish()?,
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        };
        output.flush()?;
        Ok(output)
    }
}

/// The rows as the bytes of one file.
///
/// # Errors
/// If the format cannot hold a column or a value.
pub fn encode(batch: &RecordBatch, format: &SinkFormat) -> Result<Vec<u8>, Unwritable> {
    let stored = Stored::try_new(format, &batch.schema())?;
    let row_group = SinkLimits::default().row_group_bytes;
    let mut writer = Writer::try_new(Vec::new(), format, stored.schema(), row_group)?;
    writer.write(&stored.batch(batch)?)?;
    Ok(writer.finish()?)
}

/// One open file.
pub(crate) struct Encoder {
    writer: Writer<Counted>,
    stored: Stored,
    rows: u64,
    bytes: Arc<AtomicU64>,
}

impl Encoder {
    /// Writes the beginning of a file.
    pub(crate) fn create(
        file: OutFile,
        format: &SinkFormat,
        schema: &SchemaRef,
        row_group_bytes: usize,
        progress: &Arc<WriteProgress>,
    ) -> Result<Self, Unwritable> {
        let stored = Stored::try_new(format, schema)?;
        let bytes = Arc::new(AtomicU64::new(0));
        let output = Counted {
            file,
            bytes: Arc::clone(&bytes),
            progress: Arc::clone(progress),
        };
        let writer = Writer::try_new(output, format, stored.schema(), row_group_bytes)?;
        Ok(Self {
            writer,
            stored,
            rows: 0,
            bytes,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Unwritable> {
        let stored = self.stored.batch(batch);
        let stored = stored.map_err(|error| error.after(self.rows))?;
        self.rows += batch.num_rows() as u64;
        Ok(self.writer.write(&stored)?)
    }

    /// Bytes that were given to the file so far: of Parquet whole row groups.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of memory that it takes: rows that are not encoded yet, bytes that are not sent yet.
    pub(crate) fn buffered_bytes(&self) -> usize {
        match &self.writer {
            Writer::Parquet(writer) => {
                let output = writer.inner();
                writer.memory_size() + output.map_or(0, |output| output.file.buffered_bytes())
            }
            Writer::Csv(writer) => writer.inner().file.buffered_bytes(),
            Writer::Json(writer) => writer.get_ref().file.buffered_bytes(),
        }
    }

    /// Ends the row group.
    pub(crate) fn flush(&mut self) -> Result<(), ArrowError> {
        match &mut self.writer {
            Writer::Parquet(writer) => Ok(writer.flush()?),
            Writer::Csv(_) | Writer::Json(_) => Ok(()),
        }
    }

    /// Writes the end of the file and gives it back with its size. It is not complete yet: that is awaited for many files at once.
    pub(crate) fn finish(self) -> Result<(OutFile, u64), ArrowError> {
        let output = self.writer.finish()?;
        Ok((output.file, self.bytes.load(Ordering::Relaxed)))
    }
}
