//! Rejected rows of one step on their way to its table of dead letters.
//!
//! They are kept in a temporary file while the step runs, since a step may reject any number of rows from any partition, and become
//! a table with the other results of the run: dead letters of a failed run are given up like its other results.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::Result as QueryResult;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parking_lot::Mutex;
use transom_query::{DeadLetters, RejectedRows};

use crate::error::{Error, Result};

/// Columns that a dead letter has beside its row's own.
pub(crate) const COLUMNS: [&str; 4] = ["_reason", "_step", "_plugin", "_plugin_version"];

/// Rejected rows of one step.
pub(crate) struct DeadLetterSpool {
    step: String,
    file: File,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    writer: Option<StreamWriter<BufWriter<File>>>,
    rows: u64,
}

impl std::fmt::Debug for DeadLetterSpool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetterSpool")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl DeadLetterSpool {
    pub(crate) fn new(step: &str) -> Result<Self> {
        let failed = |source| Error::Io {
            what: format!("no temporary file for the dead letters of `{step}`"),
            source,
        };
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self {
            step: step.to_owned(),
            file,
            inner: Mutex::default(),
        })
    }

    pub(crate) fn step(&self) -> &str {
        &self.step
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.inner.lock().rows
    }

    /// All rows as one stream; `input` is the schema of the step's input, for the case that there are none.
    pub(crate) fn read(&self, input: &Schema) -> QueryResult<SendableRecordBatchStream> {
        let Some(writer) = self.inner.lock().writer.take() else {
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

/// The row's own columns, then [`COLUMNS`].
fn schema(input: &Schema) -> SchemaRef {
    let added = COLUMNS.map(|name| Arc::new(Field::new(name, DataType::Utf8, false)));
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
            reasons,
        } = rejected;
        let same =
            |text: &str| Arc::new(StringArray::from(vec![text; rows.num_rows()])) as ArrayRef;
        let added = [
            Arc::new(StringArray::from(reasons)) as ArrayRef,
            same(&step),
            same(&plugin),
            same(&version),
        ];
        let columns = rows.columns().iter().cloned().chain(added).collect();
        let batch = RecordBatch::try_new(schema(&rows.schema()), columns)?;
        let mut inner = self.inner.lock();
        if inner.writer.is_none() {
            let file = BufWriter::new(self.file.try_clone()?);
            inner.writer = Some(StreamWriter::try_new(file, &batch.schema())?);
        }
        if let Some(writer) = &mut inner.writer {
            writer.write(&batch)?;
        }
        inner.rows += batch.num_rows() as u64;
        Ok(())
    }
}
