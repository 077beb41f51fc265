//! Rejected rows of one step, or one sink in Redshift, on their way to its table of dead letters.
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
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::Result as QueryResult;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parking_lot::Mutex;
use transom_connect::{ORIGIN_FILE, ORIGIN_ROW, Refused, RefusedRows};
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

/// Those that tables of sinks do not have: no plugin has rejected their rows.
const OF_PLUGINS: [&str; 3] = ["_step", "_plugin", "_plugin_version"];

pub(crate) const REASON: &str = "_reason";
pub(crate) const FILE: &str = "_file";
pub(crate) const PARTITION: &str = "_partition";
pub(crate) const ROW: &str = "_row";

/// The folder, below that of the dead letters, for the rows of a step that rejected too many. No step has such a name.
pub(crate) fn failed(step: &str) -> String {
    format!("{step}.failed")
}

/// What follows a sink's name in that of its table of dead letters: a step may have the same name.
const SINK: &str = ".sink";

/// The table of dead letters of a sink. No step has such a name.
pub(crate) fn of_sink(sink: &str) -> String {
    format!("{sink}{SINK}")
}

/// Whose dead letters a table has, in words, and where it says that they are kept.
pub(crate) fn keeper(table: &str) -> (String, &'static str) {
    match table.strip_suffix(SINK) {
        Some(sink) => (
            format!("sink `{sink}`"),
            "redshift: { on_reject: dead_letter }",
        ),
        None => (format!("step `{table}`"), "on_reject: dead_letter"),
    }
}

/// Whether a dead letter has this column beside its row's own.
pub(crate) fn is_added(column: &str) -> bool {
    ADDED.iter().any(|(name, ..)| *name == column)
}

/// Rejected rows of one step or sink.
pub(crate) struct DeadLetterSpool {
    /// The name of its table: the step's, or [`of_sink`].
    step: String,
    /// Whether a step's plugin rejects them.
    is_step: bool,
    /// Whether they become a table; otherwise they are only counted.
    keeps: bool,
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
    /// For the rows that a sink's table cannot hold.
    pub(crate) fn for_sink(sink: &str, keeps: bool) -> Result<Self> {
        Ok(Self {
            is_step: false,
            keeps,
            ..Self::new(&of_sink(sink), false)?
        })
    }

    /// `counts_reasons`: what [`DeadLetterSpool::reasons`] tells is asked for if the step rejects too many rows.
    pub(crate) fn new(step: &str, counts_reasons: bool) -> Result<Self> {
        let failed = |source| Error::Io {
            what: format!("no temporary file for the dead letters of `{step}`"),
            source,
        };
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self {
            step: step.to_owned(),
            is_step: true,
            keeps: true,
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

    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Adds rows with the columns of dead letters; says whether it was in time.
    fn write(&self, batch: &RecordBatch) -> std::result::Result<bool, ArrowError> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Ok(false);
        }
        if self.keeps {
            if inner.writer.is_none() {
                let file = BufWriter::new(self.file.try_clone()?);
                inner.writer = Some(StreamWriter::try_new(file, &batch.schema())?);
            }
            if let Some(writer) = &mut inner.writer {
                writer.write(batch)?;
            }
        }
        inner.rows += batch.num_rows() as u64;
        Ok(true)
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
            let empty = RecordBatch::new_empty(schema(input, self.is_step));
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

/// The row's own columns, then [`ADDED`], of a sink without [`OF_PLUGINS`].
fn schema(input: &Schema, is_step: bool) -> SchemaRef {
    let added = ADDED
        .into_iter()
        .filter(|(name, ..)| is_step || !OF_PLUGINS.contains(name))
        .map(|(name, kind, nullable)| Arc::new(Field::new(name, kind, nullable)));
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
        let batch = RecordBatch::try_new(schema(&rows.schema(), true), columns)?;
        if !self.write(&batch)? {
            return Ok(());
        }
        if let Some(counted) = &self.reasons {
            let mut counted = counted.lock();
            reasons.iter().for_each(|reason| counted.count(reason));
        }
        Ok(())
    }
}

impl RefusedRows for DeadLetterSpool {
    fn put(&self, refused: Refused) -> std::result::Result<(), ArrowError> {
        let Refused {
            rows,
            stream,
            numbers,
            reasons,
        } = refused;
        let count = rows.num_rows();
        // People count from 1.
        let numbers = numbers.into_iter().map(|number| number as i64 + 1);
        let added = [
            Arc::new(StringArray::from_iter_values(reasons)) as ArrayRef,
            // What a sink is given may be of no file, or of many.
            new_null_array(&DataType::Utf8, count),
            Arc::new(Int32Array::from_value(stream as i32, count)),
            Arc::new(Int64Array::from_iter_values(numbers)),
        ];
        let columns = rows.columns().iter().cloned().chain(added).collect();
        let batch = RecordBatch::try_new(schema(&rows.schema(), false), columns)?;
        self.write(&batch).map(drop)
    }
}
