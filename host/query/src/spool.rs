//! A step with several readers: run once, kept on disk, read by all.
//!
//! Plans are trees, so without this a step would run once for every reader, and its plugin calls, rejects and state would happen
//! as often. Each partition goes to an Arrow IPC file of its own in the session's temporary folder, batch by batch: memory
//! holds one batch, whatever the size of the step.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;

/// Batches read ahead.
const CHANNEL: usize = 2;

/// Writes a stream to `path`, counting its rows.
pub(crate) async fn write(
    mut stream: SendableRecordBatchStream,
    path: PathBuf,
    rows: Arc<AtomicU64>,
) -> Result<()> {
    let mut writer = StreamWriter::try_new(BufWriter::new(create(&path)?), &stream.schema())?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        writer.write(&batch)?;
        rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
    }
    writer
        .into_inner()?
        .into_inner()
        .map_err(|error| DataFusionError::IoError(error.into_error()))?;
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| {
        DataFusionError::IoError(std::io::Error::new(
            error.kind(),
            format!("cannot create `{}`: {error}", path.display()),
        ))
    })
}

/// The written files as a table, a partition each.
pub(crate) fn table(schema: &SchemaRef, files: Vec<PathBuf>) -> Result<StreamingTable> {
    let partitions = files
        .into_iter()
        .map(|path| {
            Arc::new(SpoolFile {
                schema: Arc::clone(schema),
                path,
            }) as Arc<dyn PartitionStream>
        })
        .collect();
    StreamingTable::try_new(Arc::clone(schema), partitions)
}

#[derive(Debug)]
struct SpoolFile {
    schema: SchemaRef,
    path: PathBuf,
}

impl PartitionStream for SpoolFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let path = self.path.clone();
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), CHANNEL);
        let sender = builder.tx();
        builder.spawn_blocking(move || {
            for batch in StreamReader::try_new(BufReader::new(File::open(&path)?), None)? {
                if sender.blocking_send(batch.map_err(Into::into)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}
