//! Writes one stream into the folders of its partitions, with a bounded number of open files and bounded memory.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, error::ArrowError};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use super::{
    FileSink, SinkError, SinkLimits, WrittenFile,
    out_file::OutFile,
    partition::{SplitError, Splitter, Values},
    staging::Room,
};
use crate::aws::S3Error;
use crate::format::{Encoder, Unwritable, WriteProgress};

/// Files that wait for the disk or for S3 at the same time: both confirm many at once, each alone would cost as much.
const COMPLETED_AT_ONCE: usize = 32;

/// What a stream consists of.
pub(super) enum Rows {
    /// Batches up to `None`: a channel that closes before it was given up.
    Batches(mpsc::Receiver<Option<RecordBatch>>),
    /// One file without rows.
    Empty,
}

/// A file that is open for writing.
struct Open {
    encoder: Encoder,
    path: PathBuf,
    rows: u64,
    /// When rows last came, counted in batches.
    used: u64,
}

/// The files of one stream. Works outside of the tasks of a runtime.
pub(super) struct StreamWriter {
    sink: FileSink,
    room: Arc<dyn Room>,
    stream: usize,
    splitter: Splitter,
    limits: SinkLimits,
    progress: Arc<WriteProgress>,
    open: HashMap<Values, Open>,
    /// Files begun per partition: a partition whose file was closed goes on in another.
    parts: HashMap<Values, usize>,
    clock: u64,
    written: Vec<WrittenFile>,
    /// Files with all of their rows.
    completing: JoinSet<Result<(), (PathBuf, io::Error)>>,
    runtime: Handle,
}

impl StreamWriter {
    /// Must be called within a runtime.
    pub(super) fn new(
        sink: FileSink,
        room: Arc<dyn Room>,
        stream: usize,
        splitter: Splitter,
        limits: SinkLimits,
        progress: Arc<WriteProgress>,
    ) -> Self {
        Self {
            sink,
            room,
            stream,
            splitter,
            limits,
            progress,
            open: HashMap::new(),
            parts: HashMap::new(),
            clock: 0,
            written: Vec::new(),
            completing: JoinSet::new(),
            runtime: Handle::current(),
        }
    }

    /// Writes all rows. Files that were begun when something fails are given up.
    pub(super) fn run(mut self, rows: Rows) -> Result<Vec<WrittenFile>, SinkError> {
        let Rows::Batches(mut batches) = rows else {
            self.write_empty()?;
            return self.finish();
        };
        loop {
            match batches.blocking_recv() {
                Some(Some(batch)) => self.write(&batch)?,
                Some(None) => return self.finish(),
                None => {
                    return Err(SinkError::Unfinished {
                        name: self.sink.name,
                    });
                }
            }
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let groups = self.splitter.split(batch);
        let groups = groups.map_err(|error| split_error(&self.sink, error))?;
        for (values, rows) in groups {
            self.append(&values, &rows)?;
        }
        self.progress.add_rows(batch.num_rows());
        Ok(())
    }

    /// Writes a file of no rows, so that a reader finds the columns.
    fn write_empty(&mut self) -> Result<(), SinkError> {
        let values = self.splitter.null_values();
        let empty = RecordBatch::new_empty(Arc::clone(self.splitter.file_schema()));
        self.append(&values, &empty)
    }

    fn finish(mut self) -> Result<Vec<WrittenFile>, SinkError> {
        let values: Vec<_> = self.open.keys().cloned().collect();
        for values in values {
            self.close(&values)?;
        }
        self.await_completed(0)?;
        self.written.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.written)
    }

    /// Waits until no more than `left` files are being completed.
    fn await_completed(&mut self, left: usize) -> Result<(), SinkError> {
        while self.completing.len() > left {
            let completed = self.runtime.block_on(self.completing.join_next());
            match completed {
                Some(Ok(Err((path, error)))) => return Err(io_error(&self.sink, &path, error)),
                Some(Err(error)) => {
                    return Err(SinkError::Interrupted {
                        name: self.sink.name.clone(),
                        source: error,
                    });
                }
                Some(Ok(Ok(()))) | None => {}
            }
        }
        Ok(())
    }

    fn append(&mut self, values: &Values, rows: &RecordBatch) -> Result<(), SinkError> {
        if !self.open.contains_key(values) {
            if self.open.len() >= self.limits.open_files.max(1)
                && let Some(idle) = self.coldest()
            {
                self.close(&idle)?;
            }
            let opened = self.create(values)?;
            self.open.insert(values.clone(), opened);
        }
        self.clock += 1;
        let clock = self.clock;
        let Some(open) = self.open.get_mut(values) else {
            return Ok(());
        };
        open.used = clock;
        open.rows += rows.num_rows() as u64;
        open.encoder
            .write(rows)
            .map_err(|error| write_error(&self.sink, &open.path, error))?;
        if open.encoder.written_bytes() >= self.limits.file_bytes {
            self.close(values)?;
        }
        self.bound_memory()
    }

    /// Ends row groups, the largest first, until all that is buffered is within the limit.
    fn bound_memory(&mut self) -> Result<(), SinkError> {
        let mut buffered: usize = self
            .open
            .values()
            .map(|open| open.encoder.buffered_bytes())
            .sum();
        while buffered > self.limits.buffered_bytes {
            let largest = self
                .open
                .values_mut()
                // Of equals the last used, so that the same stream gives the same files.
                .max_by_key(|open| (open.encoder.buffered_bytes(), open.used));
            let Some(open) = largest else {
                return Ok(());
            };
            let before = open.encoder.buffered_bytes();
            open.encoder
                .flush()
                .map_err(|error| write_error(&self.sink, &open.path, error.into()))?;
            let freed = before.saturating_sub(open.encoder.buffered_bytes());
            buffered -= freed;
            if freed == 0 {
                break;
            }
        }
        // What an upload has not sent yet is less than a part: only its end frees it.
        while buffered > self.limits.buffered_bytes && self.open.len() > 1 {
            let Some(values) = self.coldest() else {
                break;
            };
            let freed = self
                .open
                .get(&values)
                .map(|open| open.encoder.buffered_bytes());
            self.close(&values)?;
            buffered = buffered.saturating_sub(freed.unwrap_or_default());
        }
        Ok(())
    }

    fn coldest(&self) -> Option<Values> {
        let coldest = self.open.iter().min_by_key(|(_, open)| open.used);
        coldest.map(|(values, _)| values.clone())
    }

    fn create(&mut self, values: &Values) -> Result<Open, SinkError> {
        // S3 has no folders: its keys have a length as a whole.
        if self.sink.path.local().is_some() {
            let checked = self.splitter.check_names(values);
            checked.map_err(|error| split_error(&self.sink, error))?;
        }
        let part = self.parts.entry(values.clone()).or_insert(0);
        let name = format!(
            "part-{:05}-{part:05}.{}",
            self.stream,
            self.sink.format.extension()
        );
        *part += 1;
        let path = self.splitter.folder(values).join(name);
        transom_commit::fault::at("attempt.file_open");
        let output = self.room.file(&path);
        let output = output.map_err(|error| io_error(&self.sink, &path, error))?;
        let encoder = Encoder::create(
            output,
            &self.sink.format,
            self.splitter.file_schema(),
            self.limits.row_group_bytes,
            &self.progress,
        )
        .map_err(|error| write_error(&self.sink, &path, error))?;
        Ok(Open {
            encoder,
            path,
            rows: 0,
            used: self.clock,
        })
    }

    fn close(&mut self, values: &Values) -> Result<(), SinkError> {
        let Some(open) = self.open.remove(values) else {
            return Ok(());
        };
        let (output, bytes) = open
            .encoder
            .finish()
            .map_err(|error| write_error(&self.sink, &open.path, error.into()))?;
        let crc32 = output.crc32();
        self.await_completed(COMPLETED_AT_ONCE - 1)?;
        let path = open.path.clone();
        let completing = async move {
            let completed = OutFile::complete(output).await;
            transom_commit::fault::at("attempt.file_done");
            completed.map_err(|error| (path, error))
        };
        self.completing.spawn_on(completing, &self.runtime);
        self.written.push(WrittenFile {
            path: open.path,
            rows: open.rows,
            bytes,
            partition: self.splitter.named(values),
            crc32: Some(crc32),
        });
        Ok(())
    }
}

fn split_error(sink: &FileSink, error: SplitError) -> SinkError {
    let name = sink.name.clone();
    match error {
        SplitError::Value {
            column,
            value,
            reason,
            hint,
        } => SinkError::PartitionValue {
            name,
            column,
            value,
            reason,
            hint,
        },
        SplitError::Other(source) => SinkError::Split { name, source },
    }
}

fn io_error(sink: &FileSink, path: &Path, error: io::Error) -> SinkError {
    write_error(sink, path, ArrowError::from(error).into())
}

fn write_error(sink: &FileSink, path: &Path, error: Unwritable) -> SinkError {
    let (name, path) = (sink.name.clone(), path.to_owned());
    match error {
        Unwritable::Other(source) => match S3Error::find(&source) {
            Some(said) => SinkError::s3(&name, said.clone()),
            None => SinkError::Write { name, path, source },
        },
        Unwritable::Type { .. } => sink.unwritable(error),
        Unwritable::Value { .. } => SinkError::Value {
            name,
            path,
            reason: Box::new(error),
        },
    }
}
