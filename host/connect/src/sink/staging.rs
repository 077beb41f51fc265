//! A new version on its way: streams become files, files become a document.

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
    FileSink, Publish, Sink, SinkError, SinkLimits, Staged, Staging, Written, WrittenFile,
    partition::Splitter,
    versions::{Version, Versions},
    writer::{Rows, StreamWriter},
};
use crate::format::WriteProgress;

/// Batches that wait for the encoder of their stream.
const BATCHES_AHEAD: usize = 2;

/// A version that is being written. No reader sees it; dropping it gives it up.
#[derive(Debug)]
pub(super) struct FileStaging(Arc<Writing>);

/// Shared by the tasks that write the streams.
#[derive(Debug)]
struct Writing {
    sink: FileSink,
    versions: Arc<dyn Versions>,
    version: Version,
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
        let settled = self.shared().is_settled;
        // Who holds a version does not delete it.
        self.version.lease = None;
        if !settled {
            self.versions.remove_now(&self.version.name);
        }
    }
}

impl FileStaging {
    pub(super) fn new(sink: FileSink, versions: Arc<dyn Versions>, version: Version) -> Self {
        Self(Arc::new(Writing {
            sink,
            versions,
            version,
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
        if files.is_empty() {
            // A file without rows, so that a reader finds the columns.
            let empty = Rows::Empty;
            let limits = writing.sink.limits;
            files = writing
                .encode(0, &schema, Arc::default(), limits, empty)
                .await?;
        }
        writing.versions.seal(&writing.version.name, &files).await?;
        writing.shared().is_settled = true;
        Ok(Staged {
            sink: name(),
            written: Written::of(files),
            publish: Publish::Switch {
                table: writing.versions.table(),
                version: writing.version.name.clone(),
                previous: writing.version.previous.clone(),
            },
        })
    }

    async fn abandon(self: Box<Self>) {
        drop(self.0.encoding.write().await);
        // On this machine the last to let go deletes the version.
        let (versions, version) = (Arc::clone(&self.0.versions), self.0.version.name.clone());
        drop(self);
        versions.remove(&version).await;
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
                    self.sink.check(&schema)?;
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
        let splitter = Splitter::try_new(schema, &self.sink.partition_by);
        let splitter = splitter.map_err(|error| SinkError::Split {
            name: self.sink.name.clone(),
            source: error,
        })?;
        let writer = StreamWriter::new(
            self.sink.clone(),
            Arc::clone(&self.versions),
            self.version.name.clone(),
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
