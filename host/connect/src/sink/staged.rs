//! The way of a new version: staged, prepared, published; given up at any point by being dropped.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::{
    FileSink, SinkError, SinkLimits,
    encode::WriteProgress,
    partition::Splitter,
    versions::{self, Versions},
    writer::{StreamWriter, WrittenFile},
};

/// Files that wait for the disk at the same time.
const SYNCED_AT_ONCE: usize = 32;

/// What was written by [`StagedSink::write`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows taken.
    pub rows: u64,
    /// Size of all files.
    pub bytes: u64,
    /// The files, by path within each stream; of the whole table, by path.
    pub files: Vec<WrittenFile>,
}

impl Written {
    fn of(files: Vec<WrittenFile>) -> Self {
        Self {
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            files,
        }
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.files.extend(other.files.iter().cloned());
    }
}

/// A table that shows its new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Name of the sink.
    pub name: String,
    /// Where readers find the table: absolute.
    pub path: PathBuf,
    /// Name of the new version's folder.
    pub version: String,
    /// The version that was visible before, and is kept.
    pub previous: Option<String>,
    /// All that was written.
    pub written: Written,
}

/// A version's folder, deleted with the value unless readers can see it.
#[derive(Debug)]
struct Stage {
    sink: FileSink,
    versions: Versions,
    version: String,
    folder: PathBuf,
    published: bool,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.published {
            self.versions.remove(&self.version);
        }
    }
}

/// What all streams of a table have in common.
#[derive(Debug, Default)]
struct Shared {
    schema: Option<SchemaRef>,
    written: Written,
    /// Streams that were begun and have not come to their end: they failed, or were dropped.
    unfinished: usize,
}

/// A version that is being written. No reader sees it; dropping it gives it up.
#[derive(Debug)]
pub struct StagedSink {
    writing: Arc<Writing>,
}

/// Shared by the tasks that write the streams.
#[derive(Debug)]
struct Writing {
    stage: Stage,
    shared: Mutex<Shared>,
}

impl StagedSink {
    pub(super) fn begin(sink: FileSink, run_id: &str) -> Result<Self, SinkError> {
        let versions = Versions::open(&sink.name, &sink.path, run_id)?;
        let version = versions.create(run_id)?;
        let stage = Stage {
            folder: versions.folder_of(&version),
            published: false,
            sink,
            versions,
            version,
        };
        let shared = Mutex::default();
        Ok(Self {
            writing: Arc::new(Writing { stage, shared }),
        })
    }

    /// Writes one stream to its end. `stream` is its number, part of the files' names: different for each stream of the
    /// table, the same at every run. Encoding happens on the caller's task.
    ///
    /// # Errors
    /// If the plan fails ([`SinkError::Input`]), the columns do not pass [`FileSink::check`], or the disk is full. The
    /// version is then of no use: drop it.
    pub async fn write(
        &self,
        stream: usize,
        batches: SendableRecordBatchStream,
        progress: &Arc<WriteProgress>,
    ) -> Result<Written, SinkError> {
        let limits = self.writing.stage.sink.limits;
        self.writing.write(stream, batches, progress, limits).await
    }

    /// Writes all streams of a plan concurrently, each in a task of the current runtime; they are numbered by position and
    /// share the sink's limits. Gives what was written in the order of the streams.
    ///
    /// # Errors
    /// The first of [`Self::write`]; the other streams have then been dropped.
    pub async fn write_all(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        progress: &Arc<WriteProgress>,
    ) -> Result<Written, SinkError> {
        let sink = &self.writing.stage.sink;
        let limits = sink.limits.share(streams.len());
        let mut tasks = JoinSet::new();
        for (stream, batches) in streams.into_iter().enumerate() {
            let writing = Arc::clone(&self.writing);
            let progress = Arc::clone(progress);
            tasks.spawn(async move {
                let written = writing.write(stream, batches, &progress, limits).await?;
                Ok((stream, written))
            });
        }
        let mut parts = Vec::with_capacity(tasks.len());
        while let Some(joined) = tasks.join_next().await {
            let written = joined.unwrap_or_else(|error| {
                Err(SinkError::Interrupted {
                    name: sink.name.clone(),
                    source: error,
                })
            });
            match written {
                Ok(part) => parts.push(part),
                Err(error) => {
                    // Until they have ended, they hold the version and its lock.
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        parts.sort_by_key(|(stream, _)| *stream);
        let mut all = Written::default();
        for (_, written) in &parts {
            all.add(written);
        }
        Ok(all)
    }

    /// Puts all files on the disk, so that only a switch is left. After this, publishing can hardly fail.
    ///
    /// # Errors
    /// If nothing was written, if a stream was not written to its end, or if the disk refuses; the version is then given up.
    pub async fn prepare(self) -> Result<PreparedSink, SinkError> {
        let name = self.writing.stage.sink.name.clone();
        let Some(Writing { stage, shared }) = Arc::into_inner(self.writing) else {
            return Err(SinkError::Unfinished { name });
        };
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        tokio::task::spawn_blocking(move || prepare(stage, shared))
            .await
            .map_err(|error| SinkError::Interrupted {
                name,
                source: error,
            })?
    }

    /// [`Self::prepare`] and [`PreparedSink::publish`], for a run with one sink.
    ///
    /// # Errors
    /// Theirs.
    pub async fn commit(self) -> Result<Committed, SinkError> {
        self.prepare().await?.publish().await
    }
}

impl Writing {
    async fn write(
        &self,
        stream: usize,
        mut batches: SendableRecordBatchStream,
        progress: &Arc<WriteProgress>,
        limits: SinkLimits,
    ) -> Result<Written, SinkError> {
        let schema = batches.schema();
        self.shared().unfinished += 1;
        self.agree(stream, &schema)?;
        let progress = Arc::clone(progress);
        let mut writer = stream_writer(&self.stage, stream, &schema, limits, progress)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| SinkError::Input {
                name: self.stage.sink.name.clone(),
                source: error,
            })?;
            writer.write(&batch)?;
        }
        let written = Written::of(writer.finish()?);
        let mut shared = self.shared();
        shared.written.add(&written);
        shared.unfinished -= 1;
        Ok(written)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        // What it guards is whole after every statement.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agree(&self, stream: usize, schema: &SchemaRef) -> Result<(), SinkError> {
        let known = self.shared().schema.clone();
        match known {
            Some(known) if known.fields() != schema.fields() => Err(SinkError::Schema {
                name: self.stage.sink.name.clone(),
                stream,
            }),
            Some(_) => Ok(()),
            None => {
                self.stage.sink.check(schema)?;
                self.shared().schema = Some(Arc::clone(schema));
                Ok(())
            }
        }
    }
}

fn stream_writer<'a>(
    stage: &'a Stage,
    stream: usize,
    schema: &SchemaRef,
    limits: SinkLimits,
    progress: Arc<WriteProgress>,
) -> Result<StreamWriter<'a>, SinkError> {
    let splitter =
        Splitter::try_new(schema, &stage.sink.partition_by).map_err(|error| SinkError::Write {
            name: stage.sink.name.clone(),
            path: PathBuf::new(),
            source: error,
        })?;
    let folder = &stage.folder;
    Ok(StreamWriter::new(
        &stage.sink,
        folder,
        stream,
        splitter,
        limits,
        progress,
    ))
}

fn prepare(stage: Stage, shared: Shared) -> Result<PreparedSink, SinkError> {
    let Shared {
        schema,
        mut written,
        unfinished,
    } = shared;
    if unfinished > 0 {
        return Err(SinkError::Unfinished {
            name: stage.sink.name.clone(),
        });
    }
    let Some(schema) = schema else {
        return Err(SinkError::NothingWritten {
            name: stage.sink.name.clone(),
        });
    };
    if written.files.is_empty() {
        let mut writer = stream_writer(&stage, 0, &schema, stage.sink.limits, Arc::default())?;
        writer.write_empty()?;
        written = Written::of(writer.finish()?);
    }
    // Concurrent streams end in any order.
    written.files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut folders = BTreeSet::from([stage.folder.clone()]);
    let mut files = Vec::with_capacity(written.files.len());
    for file in &written.files {
        let path = stage.folder.join(&file.path);
        let above = path.ancestors().skip(1);
        folders.extend(
            above
                .take_while(|folder| folder.starts_with(&stage.folder))
                .map(Path::to_owned),
        );
        files.push(path);
    }
    sync_all(&stage, &files)?;
    sync_all(&stage, &folders.into_iter().collect::<Vec<_>>())?;
    Ok(PreparedSink { stage, written })
}

/// Waits for many files at once: a disk confirms them together, each alone would cost it as much.
fn sync_all(stage: &Stage, paths: &[PathBuf]) -> Result<(), SinkError> {
    let share = paths.len().div_ceil(SYNCED_AT_ONCE).max(1);
    let sync = |path: &PathBuf| {
        versions::sync(path).map_err(|error| SinkError::Io {
            name: stage.sink.name.clone(),
            action: "sync",
            path: path.clone(),
            source: error,
        })
    };
    std::thread::scope(|scope| {
        let shares = paths.chunks(share).skip(1);
        let others: Vec<_> = shares
            .map(|paths| scope.spawn(move || paths.iter().try_for_each(sync)))
            .collect();
        let mut result = paths.iter().take(share).try_for_each(sync);
        for other in others {
            let synced = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(synced);
        }
        result
    })
}

/// A version that is on the disk, whole, and waits for the switch. Dropping it gives it up.
#[derive(Debug)]
pub struct PreparedSink {
    stage: Stage,
    written: Written,
}

impl PreparedSink {
    /// What the version holds.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Makes the version the one that readers find, and deletes versions older than the one before it.
    ///
    /// # Errors
    /// If the disk refuses. The table then shows the old version, or, if only the last sync failed, the new one.
    pub async fn publish(self) -> Result<Committed, SinkError> {
        let mut committed = publish_all(vec![self]).await?;
        Ok(committed.remove(0))
    }

    fn switch(&mut self) -> Result<Committed, SinkError> {
        let stage = &mut self.stage;
        let previous = stage.versions.current().map(str::to_owned);
        stage
            .versions
            .switch(&stage.version, &mut stage.published)?;
        Ok(Committed {
            name: stage.sink.name.clone(),
            path: stage.versions.visible().to_owned(),
            version: stage.version.clone(),
            previous,
            written: std::mem::take(&mut self.written),
        })
    }
}

/// Publishes the sinks of one run, in the order given.
///
/// Each switch is atomic, all of them together are not: between the first and the last, some milliseconds, a reader of two
/// tables can see one new and one old, and a process that is killed then leaves them so until the next run. That is why
/// every sink is prepared before: what takes time and what fails (a full disk) lies behind, and what is left is one
/// `rename` and its syncs for each. Old versions are deleted after the last switch.
///
/// # Errors
/// The first failure: nothing is published if it is the first sink's, else [`SinkError::PartlyPublished`]; sinks after the
/// failed one keep their old version.
pub async fn publish_all(sinks: Vec<PreparedSink>) -> Result<Vec<Committed>, SinkError> {
    let Some(first) = sinks.first() else {
        return Ok(Vec::new());
    };
    let name = first.stage.sink.name.clone();
    tokio::task::spawn_blocking(move || switch_all(sinks))
        .await
        .map_err(|error| SinkError::Interrupted {
            name,
            source: error,
        })?
}

fn switch_all(mut sinks: Vec<PreparedSink>) -> Result<Vec<Committed>, SinkError> {
    let mut committed: Vec<Committed> = Vec::with_capacity(sinks.len());
    for sink in &mut sinks {
        match sink.switch() {
            Ok(switched) => committed.push(switched),
            Err(error) => return Err(partly(&sinks, committed.len(), error)),
        }
    }
    for (sink, committed) in sinks.iter().zip(&committed) {
        sink.stage
            .versions
            .remove_old(committed.previous.as_deref());
    }
    Ok(committed)
}

/// What readers see after the switch of the sink at `failed` came to `error`. The sink itself may show its new result: a disk that
/// does not sync after the switch has switched all the same.
fn partly(sinks: &[PreparedSink], failed: usize, error: SinkError) -> SinkError {
    let name = |sink: &PreparedSink| sink.stage.sink.name.clone();
    let error = match sinks[failed].stage.published {
        true => SinkError::Unconfirmed {
            name: name(&sinks[failed]),
            source: Box::new(error),
        },
        false => error,
    };
    let published: Vec<String> = sinks
        .iter()
        .filter(|sink| sink.stage.published)
        .map(|sink| format!("`{}`", name(sink)))
        .collect();
    match sinks.iter().find(|sink| !sink.stage.published) {
        Some(old) if !published.is_empty() => SinkError::PartlyPublished {
            name: name(old),
            published: published.join(", "),
            source: Box::new(error),
        },
        _ => error,
    }
}
