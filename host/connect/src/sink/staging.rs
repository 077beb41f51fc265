//! A result on its way: streams become files, files become a document.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::{
    sync::{RwLock, mpsc},
    task::JoinSet,
};

use super::{
    FileSink, Publish, SinkError, SinkLimits, Staged, Staging, Written, WrittenFile,
    out_file::OutFile,
    writer::{Rows, StreamWriter},
};
use crate::format::WriteProgress;

/// Batches that wait for the encoder of their stream.
const BATCHES_AHEAD: usize = 2;

/// Where the files of one attempt are written, out of readers' sight.
#[async_trait]
pub(super) trait Room: fmt::Debug + Send + Sync {
    /// A new file, by its path within the room. Not to be called from a task.
    fn file(&self, path: &Path) -> io::Result<OutFile>;

    /// Waits until the names of all files, which are complete, outlive a power failure.
    async fn seal(&self, files: &[WrittenFile]) -> Result<(), SinkError>;

    /// Deletes all that was written, unless a log decides what is needed of it. Failures are only logged.
    async fn remove(&self);

    /// Writing has ended: what was written is left to its document, or is to be deleted, as far as that takes no requests.
    fn let_go(&self, is_settled: bool);
}

/// What is done with the files once all are complete.
#[async_trait]
pub(super) trait Ending: fmt::Debug + Send + Sync {
    /// Whether a result without rows has a file, so that a reader finds the columns.
    fn wants_empty_file(&self) -> bool;

    /// How the files become visible. `schema` has the table's columns, those of partitions included.
    async fn publish(&self, written: &Written, schema: &SchemaRef) -> Result<Publish, SinkError>;
}

/// A result that is being written. No reader sees it; dropping it gives it up.
#[derive(Debug)]
pub(super) struct FileStaging(Arc<Writing>);

/// Shared by the tasks that write the streams.
#[derive(Debug)]
struct Writing {
    sink: FileSink,
    room: Arc<dyn Room>,
    ending: Box<dyn Ending>,
    shared: Mutex<Shared>,
    /// Held shared by each thread that encodes: such a thread cannot be stopped, only waited for.
    encoding: Arc<RwLock<()>>,
}

/// What all streams of a table have in common.
#[derive(Debug, Default)]
struct Shared {
    schema: Option<SchemaRef>,
    files: Vec<WrittenFile>,
    /// Streams that were begun.
    streams: usize,
    /// Streams that were begun and have not come to their end: they failed, or were dropped.
    unfinished: usize,
    /// The version is left to its document, or was deleted.
    is_settled: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        let is_settled = self.shared().is_settled;
        self.room.let_go(is_settled);
    }
}

impl FileStaging {
    pub(super) fn new(sink: FileSink, room: Arc<dyn Room>, ending: Box<dyn Ending>) -> Self {
        Self(Arc::new(Writing {
            sink,
            room,
            ending,
            shared: Mutex::default(),
            encoding: Arc::default(),
        }))
    }
}

#[async_trait]
impl Staging for FileStaging {
    async fn write(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        progress: &Arc<WriteProgress>,
    ) -> Result<Written, SinkError> {
        let writing = &self.0;
        let first = writing.enter(&streams)?;
        let limits = writing.sink.limits.share(streams.len());
        let mut tasks = JoinSet::new();
        for (position, batches) in streams.into_iter().enumerate() {
            let (writing, progress) = (Arc::clone(writing), Arc::clone(progress));
            let stream = first + position;
            tasks.spawn(async move { writing.write(stream, batches, progress, limits).await });
        }
        let mut files = Vec::new();
        let mut failure = None;
        while let Some(joined) = tasks.join_next().await {
            let written = joined.unwrap_or_else(|error| Err(writing.interrupted(error)));
            match written {
                Ok(written) => files.extend(written),
                Err(error) if failure.is_none() => {
                    failure = Some(error);
                    tasks.abort_all();
                }
                // The others were stopped.
                Err(_) => {}
            }
        }
        if let Some(error) = failure {
            drop(writing.encoding.write().await);
            return Err(error);
        }
        Ok(Written::of(files))
    }

    async fn finish(self: Box<Self>) -> Result<Staged, SinkError> {
        let writing = &self.0;
        let name = || writing.sink.name.clone();
        let (schema, mut files) = {
            let mut shared = writing.shared();
            if shared.unfinished > 0 {
                return Err(SinkError::Unfinished { name: name() });
            }
            let Some(schema) = shared.schema.clone() else {
                return Err(SinkError::NothingWritten { name: name() });
            };
            (schema, std::mem::take(&mut shared.files))
        };
        if files.is_empty() && writing.ending.wants_empty_file() {
            // A file without rows, so that a reader finds the columns.
            let empty = Rows::Empty;
            let limits = writing.sink.limits;
            files = writing
                .encode(0, &schema, Arc::default(), limits, empty)
                .await?;
        }
        writing.room.seal(&files).await?;
        let written = Written::of(files);
        let publish = writing.ending.publish(&written, &schema).await?;
        writing.shared().is_settled = true;
        Ok(Staged {
            sink: name(),
            written,
            publish,
        })
    }

    async fn abandon(self: Box<Self>) {
        drop(self.0.encoding.write().await);
        let room = Arc::clone(&self.0.room);
        drop(self);
        room.remove().await;
    }
}

impl Writing {
    /// The number of the first of some streams, which must have the columns of the others.
    fn enter(&self, streams: &[SendableRecordBatchStream]) -> Result<usize, SinkError> {
        let mut shared = self.shared();
        let first = shared.streams;
        shared.streams += streams.len();
        shared.unfinished += streams.len();
        for (position, stream) in streams.iter().enumerate() {
            let schema = stream.schema();
            match &shared.schema {
                Some(known) if known.fields() != schema.fields() => {
                    return Err(SinkError::Schema {
                        name: self.sink.name.clone(),
                        stream: first + position,
                    });
                }
                Some(_) => {}
                None => {
                    self.sink.check_columns(&schema)?;
                    shared.schema = Some(schema);
                }
            }
        }
        Ok(first)
    }

    /// Gives the batches of a stream to a thread that encodes them: a plan's own threads have other work, and those that wait for
    /// files and requests must not be kept from it.
    async fn write(
        &self,
        stream: usize,
        mut batches: SendableRecordBatchStream,
        progress: Arc<WriteProgress>,
        limits: SinkLimits,
    ) -> Result<Vec<WrittenFile>, SinkError> {
        let schema = batches.schema();
        let (send, receive) = mpsc::channel(BATCHES_AHEAD);
        let encoding = self.encode(stream, &schema, progress, limits, Rows::Batches(receive));
        let name = self.sink.name.clone();
        // Moved into it: when it ends, however it ends, the encoder gets no more.
        let feeding = async move {
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| SinkError::Input {
                    name: name.clone(),
                    source: error,
                })?;
                // The encoder has failed, and says why.
                if send.send(Some(batch)).await.is_err() {
                    return Ok(());
                }
            }
            // Without this end, what came is not all.
            let _ = send.send(None).await;
            Ok(())
        };
        let (fed, encoded) = futures::join!(feeding, encoding);
        fed?;
        let files = encoded?;
        let mut shared = self.shared();
        shared.files.extend(files.iter().cloned());
        shared.unfinished -= 1;
        Ok(files)
    }

    /// Encodes rows on a thread of its own.
    async fn encode(
        &self,
        stream: usize,
        schema: &SchemaRef,
        progress: Arc<WriteProgress>,
        limits: SinkLimits,
        rows: Rows,
    ) -> Result<Vec<WrittenFile>, SinkError> {
        let splitter = self.sink.splitter(schema)?;
        let writer = StreamWriter::new(
            self.sink.clone(),
            Arc::clone(&self.room),
            stream,
            splitter,
            limits,
            progress,
        );
        let held = Arc::clone(&self.encoding).read_owned().await;
        let encoding = tokio::task::spawn_blocking(move || {
            let written = writer.run(rows);
            drop(held);
            written
        });
        encoding
            .await
            .unwrap_or_else(|error| Err(self.interrupted(error)))
    }

    fn interrupted(&self, error: tokio::task::JoinError) -> SinkError {
        SinkError::Interrupted {
            name: self.sink.name.clone(),
            source: error,
        }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        // What it guards is whole after every statement.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
