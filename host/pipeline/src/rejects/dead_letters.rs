//! Rejected rows of one step on their way to its table of dead letters.
//!
//! They are kept in a temporary file while the step runs, since a step may reject any number of rows from any partition, and become
//! a table with the other results of the run: dead letters of a failed run are given up like its other results.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::compute::kernels::numeric::add;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::Result as QueryResult;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parking_lot::Mutex;
use transom_connect::{ORIGIN_FILE, ORIGIN_ROW};
use transom_query::{DeadLetters, RejectedRows};

use crate::error::{Error, Result};
use crate::rejects::reasons::Reasons;

/// The columns that a dead letter has beside its row's own: name, type, and whether they may be NULL.
///
/// `_row` counts from 1: within `_file` where the step reads a source's files directly, otherwise among the rows that the step was
/// given of partition `_partition`.
const ADDED: [(&str, DataType, bool); 7] = [
    (REASON, DataType::Utf8, false),
    ("_step", DataType::Utf8, false),
    ("_plugin", DataType::Utf8, false),
    ("_plugin_version", DataType::Utf8, false),
    (FILE, DataType::Utf8, true),
    (PARTITION, DataType::Int32, true),
    (ROW, DataType::Int64, false),
];

pub(crate) const REASON: &str = "_reason";
pub(crate) const FILE: &str = "_file";
pub(crate) const PARTITION: &str = "_partition";
pub(crate) const ROW: &str = "_row";

/// The folder, below that of the dead letters, for the rows of a step that rejected too many. No step has such a name.
pub(crate) fn failed(step: &str) -> String {
    format!("{step}.failed")
}

/// Whether a dead letter has this column beside its row's own.
pub(crate) fn is_added(column: &str) -> bool {
    ADDED.iter().any(|(name, ..)| *name == column)
}

/// Rejected rows of one step.
pub(crate) struct DeadLetterSpool {
    step: String,
    file: File,
    inner: Mutex<Inner>,
    /// Counted only if they may be asked for.
    reasons: Option<Mutex<Reasons>>,
}

#[derive(Default)]
struct Inner {
    writer: Option<StreamWriter<BufWriter<File>>>,
    rows: u64,
    /// They are being read. What other partitions of a failed run still reject is too late.
    is_closed: bool,
}

impl std::fmt::Debug for DeadLetterSpool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetterSpool")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl DeadLetterSpool {
    /// `counts_reasons`: what [`DeadLetterSpool::reasons`] tells is asked for if the step rejects too many rows.
    pub(crate) fn new(step: &str, counts_reasons: bool) -> Result<Self> {
        let failed = |source| Error::Io {
            what: format!("no temporary file for the dead letters of `{step}`"),
            source,
        };
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self {
            step: step.to_owned(),
            file,
            inner: Mutex::default(),
            reasons: counts_reasons.then(Mutex::default),
        })
    }

    /// Forgets all rows, for another run.
    pub(crate) fn clear(&self) -> Result<()> {
        let failed = |source| Error::Io {
            what: format!("the temporary file for the dead letters of `{}`", self.step),
            source,
        };
        *self.inner.lock() = Inner::default();
        if let Some(reasons) = &self.reasons {
            *reasons.lock() = Reasons::default();
        }
        self.file.set_len(0).map_err(failed)?;
        (&self.file).rewind().map_err(failed)
    }

    pub(crate) fn step(&self) -> &str {
        &self.step
    }

    /// How many rows were rejected why so far, if that is counted; the most frequent reason first. Then the rows with other reasons.
    pub(crate) fn reasons(&self) -> Option<(Vec<(u64, String)>, u64)> {
        Some(self.reasons.as_ref()?.lock().most_frequent())
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.inner.lock().rows
    }

    /// All rows as one stream; `input` is the schema of the step's input, for the case that there are none.
    pub(crate) fn read(&self, input: &Schema) -> QueryResult<SendableRecordBatchStream> {
        let writer = {
            let mut inner = self.inner.lock();
            inner.is_closed = true;
            inner.writer.take()
        };
        let Some(writer) = writer else {
            let empty = RecordBatch::new_empty(schema(input));
            let batches = futures::stream::iter([Ok(empty.clone())]);
            return Ok(Box::pin(RecordBatchStreamAdapter::new(
                empty.schema(),
                batches,
            )));
        };
        let mut file = writer
            .into_inner()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        let reader = StreamReader::try_new(BufReader::new(file), None)?;
        let schema = reader.schema();
        let batches = futures::stream::iter(reader.map(|batch| batch.map_err(Into::into)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The row's own columns, then [`ADDED`].
fn schema(input: &Schema) -> SchemaRef {
    let added = ADDED.map(|(name, kind, nullable)| Arc::new(Field::new(name, kind, nullable)));
    Arc::new(Schema::new(
        input
            .fields()
            .iter()
            .cloned()
            .chain(added)
            .collect::<Vec<_>>(),
    ))
}

impl DeadLetters for DeadLetterSpool {
    fn put(&self, rejected: RejectedRows) -> QueryResult<()> {
        let RejectedRows {
            step,
            plugin,
            version,
            rows,
            origin,
            partition,
            numbers,
            reasons,
        } = rejected;
        let count = rows.num_rows();
        let same = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
        let numbers = numbers.into_iter().map(|number| number as i64);
        let numbers = Int64Array::from_iter_values(numbers);
        let column = |origin: &RecordBatch, name| origin.column_by_name(name).cloned();
        let files = origin
            .as_ref()
            .and_then(|origin| column(origin, ORIGIN_FILE));
        let rows_of_files = origin
            .as_ref()
            .and_then(|origin| column(origin, ORIGIN_ROW));
        let (file, partition, number) = match (files, rows_of_files) {
            (Some(files), Some(rows)) => {
                let unknown = new_null_array(&DataType::Int32, count);
                (cast(&files, &DataType::Utf8)?, unknown, rows)
            }
            _ => {
                let unknown = new_null_array(&DataType::Utf8, count);
                let partition = Int32Array::from_value(partition as i32, count);
                (unknown, Arc::new(partition) as _, Arc::new(numbers) as _)
            }
        };
        let added = [
            Arc::new(StringArray::from_iter_values(&reasons)) as ArrayRef,
            same(&step),
            same(&plugin),
            same(&version),
            file,
            partition,
            // People count from 1.
            add(&number, &Int64Array::new_scalar(1))?,
        ];
        let columns = rows.columns().iter().cloned().chain(added).collect();
        let batch = RecordBatch::try_new(schema(&rows.schema()), columns)?;
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Ok(());
        }
        if inner.writer.is_none() {
            let file = BufWriter::new(self.file.try_clone()?);
            inner.writer = Some(StreamWriter::try_new(file, &batch.schema())?);
        }
        if let Some(writer) = &mut inner.writer {
            writer.write(&batch)?;
        }
        inner.rows += batch.num_rows() as u64;
        drop(inner);
        if let Some(counted) = &self.reasons {
            let mut counted = counted.lock();
            reasons.iter().for_each(|reason| counted.count(reason));
        }
        Ok(())
    }
}
