//! Writes one stream into the folders of its partitions, with a bounded number of open files and bounded memory.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, error::ArrowError};

use super::{
    FileSink, SinkError, SinkLimits,
    encode::{Encoder, WriteProgress},
    partition::{SplitError, Splitter, Values},
    unwritable::Unwritable,
};

/// A file that a sink has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Relative to the table.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Partition columns with their values as text, `None` for NULL; empty if the table has no partitions.
    pub partition: Vec<(String, Option<String>)>,
}

/// A file that is open for writing.
struct Open {
    encoder: Encoder,
    path: PathBuf,
    rows: u64,
    /// When rows last came, counted in batches.
    used: u64,
}

/// The files of one stream.
pub(super) struct StreamWriter<'a> {
    sink: &'a FileSink,
    folder: &'a Path,
    stream: usize,
    splitter: Splitter,
    limits: SinkLimits,
    progress: Arc<WriteProgress>,
    open: HashMap<Values, Open>,
    /// Files begun per partition: a partition whose file was closed goes on in another.
    parts: HashMap<Values, usize>,
    clock: u64,
    written: Vec<WrittenFile>,
}

impl<'a> StreamWriter<'a> {
    pub(super) fn new(
        sink: &'a FileSink,
        folder: &'a Path,
        stream: usize,
        splitter: Splitter,
        limits: SinkLimits,
        progress: Arc<WriteProgress>,
    ) -> Self {
        Self {
            sink,
            folder,
            stream,
            splitter,
            limits,
            progress,
            open: HashMap::new(),
            parts: HashMap::new(),
            clock: 0,
            written: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let groups = self.splitter.split(batch).map_err(|error| match error {
            SplitError::Value {
                column,
                value,
                reason,
                hint,
            } => SinkError::PartitionValue {
                name: self.sink.name.clone(),
                column,
                value,
                reason,
                hint,
            },
            SplitError::Other(error) => SinkError::Split {
                name: self.sink.name.clone(),
                source: error,
            },
        })?;
        for (values, rows) in groups {
            self.append(&values, &rows)?;
        }
        self.progress.add_rows(batch.num_rows());
        Ok(())
    }

    /// Writes a file of no rows, so that a reader finds the columns.
    pub(super) fn write_empty(&mut self) -> Result<(), SinkError> {
        let values = self.splitter.null_values();
        let empty = RecordBatch::new_empty(Arc::clone(self.splitter.file_schema()));
        self.append(&values, &empty)
    }

    pub(super) fn finish(mut self) -> Result<Vec<WrittenFile>, SinkError> {
        let values: Vec<_> = self.open.keys().cloned().collect();
        for values in values {
            self.close(&values)?;
        }
        self.written.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.written)
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
        let (sink, clock) = (self.sink, self.clock);
        let Some(open) = self.open.get_mut(values) else {
            return Ok(());
        };
        open.used = clock;
        open.rows += rows.num_rows() as u64;
        open.encoder
            .write(rows)
            .map_err(|error| write_error(sink, &open.path, error))?;
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
                .map_err(|error| write_error(self.sink, &open.path, error.into()))?;
            let freed = before.saturating_sub(open.encoder.buffered_bytes());
            if freed == 0 {
                return Ok(());
            }
            buffered -= freed;
        }
        Ok(())
    }

    fn coldest(&self) -> Option<Values> {
        let coldest = self.open.iter().min_by_key(|(_, open)| open.used);
        coldest.map(|(values, _)| values.clone())
    }

    fn create(&mut self, values: &Values) -> Result<Open, SinkError> {
        let part = self.parts.entry(values.clone()).or_insert(0);
        let name = format!(
            "part-{:05}-{part:05}.{}",
            self.stream,
            self.sink.format.extension()
        );
        *part += 1;
        let path = self.splitter.folder(values).join(name);
        let absolute = self.folder.join(&path);
        let encoder = absolute
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .map_err(|error| Unwritable::from(ArrowError::from(error)))
            .and_then(|()| {
                Encoder::create(
                    &absolute,
                    &self.sink.format,
                    self.splitter.file_schema(),
                    self.limits.row_group_bytes,
                    &self.progress,
                )
            })
            .map_err(|error| self.error(&path, error))?;
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
        let bytes = open
            .encoder
            .finish()
            .map_err(|error| self.error(&open.path, error.into()))?;
        self.written.push(WrittenFile {
            path: open.path,
            rows: open.rows,
            bytes,
            partition: self.splitter.named(values),
        });
        Ok(())
    }

    fn error(&self, path: &Path, error: Unwritable) -> SinkError {
        write_error(self.sink, path, error)
    }
}

fn write_error(sink: &FileSink, path: &Path, error: Unwritable) -> SinkError {
    let (name, path) = (sink.name.clone(), path.to_owned());
    match error {
        Unwritable::Other(source) => SinkError::Write { name, path, source },
        Unwritable::Type { .. } => SinkError::Unwritable {
            name,
            reason: Box::new(error),
        },
        Unwritable::Value { .. } => SinkError::Value {
            name,
            path,
            reason: Box::new(error),
        },
    }
}
