//! Rows on their way into S3: each stream becomes files in the table's types, the files become a manifest.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{RwLock, mpsc};
use tokio::task::{JoinError, JoinSet};
use transom_commit::fault;
use transom_file::spec::{LoadMode, S3Url, SinkFormat};

use super::api::{MOST_STATEMENTS, MOST_TEXT};
use super::document::{Load, Replaced};
use super::error::RedshiftError;
use super::target::{self, TargetColumn, folded, with_folded_names};
use super::values::Columns;
use super::{RedshiftSink, Refused, RefusedRows};
use super::{sql, target::next_change};
use crate::aws::{Bucket, S3Error, Upload};
use crate::format::{Encoder, Unwritable, WriteProgress};
use crate::sink::{
    OutFile, Publish, Replaces, SinkError, SinkLimits, Staged, Staging, Written, WrittenFile,
};

/// Batches that wait for the encoder of their stream.
const BATCHES_AHEAD: usize = 2;
/// The list of the partitions that are replaced.
const LIST: &str = "replaces.parquet";
/// Statements of a transaction beside those of the load.
const OWN_STATEMENTS: usize = 3;

/// A load that is being written.
#[derive(Debug)]
pub(super) struct RedshiftStaging(Arc<Writing>);

/// Shared by the tasks that write the streams.
#[derive(Debug)]
struct Writing {
    sink: RedshiftSink,
    bucket: Bucket,
    /// All that is written lies below it.
    prefix: S3Url,
    /// The partitions that are computed anew, though no row may be in them any more.
    replaces: Option<Replaces>,
    /// The table as it was when the attempt began.
    existing: Option<Vec<TargetColumn>>,
    shared: Mutex<Shared>,
    /// Held shared by each thread that encodes: such a thread cannot be stopped, only waited for.
    encoding: Arc<RwLock<()>>,
}

/// What all streams have in common.
#[derive(Debug, Default)]
struct Shared {
    table: Option<Arc<Table>>,
    files: Vec<WrittenFile>,
    partitions: HashSet<OwnedRow>,
    /// Streams that were begun.
    streams: usize,
    /// Streams that were begun and have not come to their end: they failed, or were dropped.
    unfinished: usize,
}

/// The table as its columns are known with the first stream.
#[derive(Debug)]
struct Table {
    /// Columns of the streams.
    from: SchemaRef,
    columns: Columns,
    /// Of a table whose partitions are replaced: the places of the columns that name them.
    partition_by: Vec<usize>,
    partitions: RowConverter,
}

impl Table {
    fn new(columns: Columns, from: SchemaRef, partition_by: &[String]) -> Result<Self, ArrowError> {
        let schema = columns.schema();
        let places = (0..schema.fields().len())
            .filter(|place| partition_by.contains(schema.field(*place).name()))
            .collect::<Vec<_>>();
        let fields = places.iter();
        let fields = fields.map(|place| SortField::new(schema.field(*place).data_type().clone()));
        let partitions = RowConverter::new(fields.collect())?;
        Ok(Self {
            from,
            partition_by: places,
            partitions,
            columns,
        })
    }

    /// The partitions that rows are in; the batch is one of files.
    fn partitions_of(&self, batch: &RecordBatch) -> Result<HashSet<OwnedRow>, ArrowError> {
        let columns = self.partition_by.iter();
        let columns: Vec<ArrayRef> = columns.map(|at| Arc::clone(batch.column(*at))).collect();
        if columns.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = self.partitions.convert_columns(&columns)?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    }

    fn partition_names(&self) -> Vec<String> {
        let schema = self.columns.schema();
        let names = self.partition_by.iter();
        names.map(|at| schema.field(*at).name().clone()).collect()
    }

    /// The list of partitions as a file has it.
    fn list(&self, partitions: &HashSet<OwnedRow>) -> Result<RecordBatch, ArrowError> {
        let mut sorted: Vec<&OwnedRow> = partitions.iter().collect();
        sorted.sort_unstable();
        let rows = sorted.into_iter().map(OwnedRow::row);
        let columns = self.partitions.convert_rows(rows)?;
        let schema = self.columns.schema().project(&self.partition_by)?;
        RecordBatch::try_new(Arc::new(schema), columns)
    }
}

impl RedshiftStaging {
    pub(super) fn new(
        sink: RedshiftSink,
        bucket: Bucket,
        prefix: S3Url,
        replaces: Option<Replaces>,
        existing: Option<Vec<TargetColumn>>,
    ) -> Self {
        Self(Arc::new(Writing {
            sink,
            bucket,
            prefix,
            replaces,
            existing,
            shared: Mutex::default(),
            encoding: Arc::default(),
        }))
    }
}

#[async_trait]
impl Staging for RedshiftStaging {
    async fn write(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        progress: &Arc<WriteProgress>,
    ) -> Result<Written, SinkError> {
        let writing = &self.0;
        let (first, table) = writing.enter(&streams)?;
        let limits = writing.sink.limits.share(streams.len());
        let mut tasks = JoinSet::new();
        for (position, batches) in streams.into_iter().enumerate() {
            let (writing, progress) = (Arc::clone(writing), Arc::clone(progress));
            let table = table.clone();
            let stream = first + position;
            tasks.spawn(async move {
                match table {
                    Some(table) => {
                        writing
                            .write(stream, batches, table, progress, limits)
                            .await
                    }
                    None => Ok(vec![]),
                }
            });
        }
        let mut files = Vec::new();
        let mut failure = None;
        while let Some(joined) = tasks.join_next().await {
            match joined.unwrap_or_else(|error| Err(writing.interrupted(error))) {
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
        let (table, files, mut partitions) = {
            let mut shared = writing.shared();
            if shared.unfinished > 0 {
                return Err(SinkError::Unfinished { name: name() });
            }
            let Some(table) = shared.table.clone() else {
                return Err(SinkError::NothingWritten { name: name() });
            };
            let files = std::mem::take(&mut shared.files);
            (table, files, std::mem::take(&mut shared.partitions))
        };
        let written = Written::of(files);
        if let (Some(replaces), false) = (&writing.replaces, table.partition_by.is_empty()) {
            partitions.extend(writing.named(&table, replaces)?);
        }
        let manifest = match written.rows {
            0 => None,
            _ => Some(writing.manifest("load.manifest", &written.files).await?),
        };
        let replaces = match partitions.len() {
            0 => None,
            rows => {
                let file = writing.list(&table, &partitions).await?;
                let manifest = writing.manifest("replaces.manifest", &[file]).await?;
                Some(Replaced {
                    columns: table.partition_names(),
                    manifest,
                    rows: rows as u64,
                })
            }
        };
        let options = with_folded_names(&writing.sink.table);
        let existing = writing.existing.as_deref();
        let load = Load {
            columns: target::loaded(&options, &table.columns, existing),
            table: options,
            rows: written.rows,
            manifest,
            replaces,
            creates: existing.is_none(),
            staged: writing.prefix.clone(),
        };
        writing.check_size(&load)?;
        Ok(Staged {
            sink: name(),
            written,
            publish: Publish::Load(Box::new(load)),
        })
    }

    /// What it leaves is for a gc, whose entry names the attempt first.
    async fn abandon(self: Box<Self>) {
        drop(self.0.encoding.write().await);
    }
}

impl Writing {
    /// The number of the first of some streams, which must have the columns of the others.
    fn enter(
        &self,
        streams: &[SendableRecordBatchStream],
    ) -> Result<(usize, Option<Arc<Table>>), SinkError> {
        let mut shared = self.shared();
        let first = shared.streams;
        shared.streams += streams.len();
        shared.unfinished += streams.len();
        for (position, stream) in streams.iter().enumerate() {
            let schema = stream.schema();
            match &shared.table {
                Some(known) if known.from.fields() != schema.fields() => {
                    return Err(SinkError::Schema {
                        name: self.sink.name.clone(),
                        stream: first + position,
                    });
                }
                Some(_) => {}
                None => {
                    let options = &self.sink.table;
                    let columns = target::plan(options, &schema, self.existing.as_deref());
                    let columns = columns.map_err(|error| self.refused(error))?;
                    let partition_by = match (options.mode, &self.replaces) {
                        (LoadMode::OverwritePartitions, Some(replaces)) => {
                            vec![folded(&replaces.column)]
                        }
                        (LoadMode::OverwritePartitions, None) => {
                            with_folded_names(options).partition_by
                        }
                        _ => Vec::new(),
                    };
                    let table = Table::new(columns, schema, &partition_by);
                    let table =
                        table.map_err(|error| self.refused(Unwritable::from(error).into()))?;
                    shared.table = Some(Arc::new(table));
                }
            }
        }
        Ok((first, shared.table.clone()))
    }

    /// Gives the batches of a stream to a thread that encodes them.
    async fn write(
        &self,
        stream: usize,
        mut batches: SendableRecordBatchStream,
        table: Arc<Table>,
        progress: Arc<WriteProgress>,
        limits: SinkLimits,
    ) -> Result<Vec<WrittenFile>, SinkError> {
        let (send, receive) = mpsc::channel(BATCHES_AHEAD);
        let held = Arc::clone(&self.encoding).read_owned().await;
        let encoder = StreamEncoder {
            name: self.sink.name.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            stream,
            refused: self.sink.refused.clone(),
            limits,
            table,
            progress,
            runtime: Handle::current(),
        };
        let encoding = tokio::task::spawn_blocking(move || {
            let written = encoder.run(receive);
            drop(held);
            written
        });
        // Moved into it: when it ends, however it ends, the encoder gets no more.
        let feeding = async move {
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| SinkError::Input {
                    name: self.sink.name.clone(),
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
        let (files, partitions) = encoded.unwrap_or_else(|error| Err(self.interrupted(error)))?;
        let mut shared = self.shared();
        shared.files.extend(files.iter().cloned());
        shared.partitions.extend(partitions);
        shared.unfinished -= 1;
        Ok(files)
    }

    /// The partitions that are computed anew: the values of one column, as text.
    fn named(&self, table: &Table, replaces: &Replaces) -> Result<Vec<OwnedRow>, SinkError> {
        let values: ArrayRef = Arc::new(replaces.values.iter().cloned().collect::<StringArray>());
        let columns = table.partition_by.iter().map(|at| {
            let column = &table.columns.columns[*at];
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            column.convert(&cast_with_options(&values, &column.arrow, &strict)?)
        });
        let columns = columns.collect::<Result<Vec<_>, Unwritable>>();
        let rows = columns.and_then(|columns| Ok(table.partitions.convert_columns(&columns)?));
        let rows = rows.map_err(|error| self.write_error(LIST, error))?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    }

    /// Writes the list of the partitions that are replaced.
    async fn list(
        &self,
        table: &Table,
        partitions: &HashSet<OwnedRow>,
    ) -> Result<WrittenFile, SinkError> {
        let encoded = table.list(partitions).map_err(Unwritable::from);
        let encoded =
            encoded.and_then(|batch| crate::format::encode(&batch, &SinkFormat::default()));
        let encoded = encoded.map_err(|error| self.write_error(LIST, error))?;
        let bytes = encoded.len() as u64;
        self.put(LIST, encoded.into()).await?;
        Ok(WrittenFile {
            path: LIST.into(),
            rows: partitions.len() as u64,
            bytes,
            partition: vec![],
            crc32: None,
        })
    }

    /// Writes what COPY reads the names of files from: each must be there, with its size.
    async fn manifest(&self, path: &str, files: &[WrittenFile]) -> Result<S3Url, SinkError> {
        let entries = files.iter().map(|file| {
            let url = self.prefix.join(&file.path.to_string_lossy()).to_string();
            json!({ "url": url, "mandatory": true, "meta": { "content_length": file.bytes } })
        });
        let manifest = json!({ "entries": entries.collect::<Vec<_>>() });
        self.put(path, manifest.to_string().into()).await?;
        Ok(self.prefix.join(path))
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), SinkError> {
        let put = self.bucket.put(&self.prefix.join(path).key, bytes).await;
        put.map_err(|error| SinkError::s3(&self.sink.name, error))
    }

    /// Whether the Data API takes the statements that the load will be.
    fn check_size(&self, load: &Load) -> Result<(), SinkError> {
        let existing = self.existing.as_deref().unwrap_or_default();
        let statements = sql::load(load, existing, u64::MAX, &self.sink.warehouse.iam_role);
        let created = next_change(&load.table, &load.columns, None);
        let created = created.ok().flatten();
        let mut texts = statements.iter().chain(&created);
        let fits = texts.all(|text| text.len() < MOST_TEXT)
            && statements.len() + OWN_STATEMENTS <= MOST_STATEMENTS;
        match fits {
            true => Ok(()),
            false => Err(self.refused(RedshiftError::TooWide(load.columns.len()))),
        }
    }

    fn refused(&self, error: RedshiftError) -> SinkError {
        SinkError::redshift(&self.sink.name, error)
    }

    fn write_error(&self, path: &str, error: Unwritable) -> SinkError {
        write_error(&self.sink.name, path.into(), error)
    }

    fn interrupted(&self, error: JoinError) -> SinkError {
        SinkError::Interrupted {
            name: self.sink.name.clone(),
            source: error,
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // What it guards is whole after every statement.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_error(name: &str, path: PathBuf, error: Unwritable) -> SinkError {
    match error {
        Unwritable::Other(source) => match S3Error::find(&source) {
            Some(said) => SinkError::s3(name, said.clone()),
            None => SinkError::Write {
                name: name.to_owned(),
                path,
                source,
            },
        },
        refused => SinkError::redshift(name, refused.into()),
    }
}

/// The files of one stream. Works outside of the tasks of a runtime.
struct StreamEncoder {
    name: String,
    bucket: Bucket,
    prefix: S3Url,
    /// Its number.
    stream: usize,
    refused: Option<Arc<dyn RefusedRows>>,
    /// Those of this stream.
    limits: SinkLimits,
    table: Arc<Table>,
    progress: Arc<WriteProgress>,
    runtime: Handle,
}

/// A file that is open for writing.
struct Open {
    encoder: Encoder,
    path: PathBuf,
    rows: u64,
}

impl StreamEncoder {
    /// Writes all rows, into as many files as their size asks for; none if there are none. Gives back the partitions that they are in.
    fn run(
        self,
        mut batches: mpsc::Receiver<Option<RecordBatch>>,
    ) -> Result<(Vec<WrittenFile>, HashSet<OwnedRow>), SinkError> {
        let mut open: Option<Open> = None;
        let mut files = Vec::new();
        // Those in files that are complete.
        let mut before = 0;
        // Those that the table does not take included.
        let mut given = 0;
        let mut partitions = HashSet::new();
        loop {
            let batch = match batches.blocking_recv() {
                Some(Some(batch)) if batch.num_rows() == 0 => continue,
                Some(Some(batch)) => batch,
                Some(None) => break,
                None => return Err(SinkError::Unfinished { name: self.name }),
            };
            let path = self.path(files.len());
            let stored = self.taken(&path, &batch, given)?;
            given += batch.num_rows() as u64;
            if stored.num_rows() == 0 {
                continue;
            }
            let of_batch = self.table.partitions_of(&stored);
            partitions.extend(of_batch.map_err(|error| self.failed(&path, error.into()))?);
            let mut file = match open.take() {
                Some(file) => file,
                None => self.open(path, &stored.schema())?,
            };
            let written = file.encoder.write(&stored);
            written.map_err(|error| self.failed(&file.path, error.after(before)))?;
            if file.encoder.buffered_bytes() > self.limits.buffered_bytes {
                let flushed = file.encoder.flush();
                flushed.map_err(|error| self.failed(&file.path, error.into()))?;
            }
            file.rows += stored.num_rows() as u64;
            self.progress.add_rows(stored.num_rows());
            if file.encoder.written_bytes() >= self.limits.file_bytes {
                before += file.rows;
                files.push(self.close(file)?);
            } else {
                open = Some(file);
            }
        }
        if let Some(file) = open {
            files.push(self.close(file)?);
        }
        Ok((files, partitions))
    }

    fn path(&self, part: usize) -> PathBuf {
        PathBuf::from(format!("part-{:05}-{part:05}.parquet", self.stream))
    }

    /// The rows that the table takes, as files hold them; `given` others came before.
    fn taken(
        &self,
        path: &Path,
        batch: &RecordBatch,
        given: u64,
    ) -> Result<RecordBatch, SinkError> {
        let failed = |error: Unwritable| self.failed(path, error.after(given));
        let Some(refused) = &self.refused else {
            return self.table.columns.batch(batch).map_err(failed);
        };
        let (stored, misfits) = self.table.columns.sift(batch).map_err(failed)?;
        if !misfits.is_empty() {
            let places = misfits.keys().map(|row| *row as u64);
            let rows = take_record_batch(batch, &UInt64Array::from_iter_values(places.clone()));
            let put = rows.and_then(|rows| {
                refused.put(Refused {
                    rows,
                    stream: self.stream,
                    numbers: places.map(|row| given + row).collect(),
                    reasons: misfits.values().cloned().collect(),
                })
            });
            put.map_err(|error| self.failed(path, error.into()))?;
        }
        Ok(stored)
    }

    fn open(&self, path: PathBuf, schema: &Arc<Schema>) -> Result<Open, SinkError> {
        fault::at("attempt.file_open");
        // An upload needs a runtime to send its parts.
        let _entered = self.runtime.enter();
        let key = self.prefix.join(&path.to_string_lossy()).key;
        let upload = Upload::new(self.bucket.clone(), key);
        let output = OutFile::upload(upload);
        let format = SinkFormat::default();
        let row_group = self.limits.row_group_bytes;
        let created = Encoder::create(output, &format, schema, row_group, &self.progress);
        Ok(Open {
            encoder: created.map_err(|error| self.failed(&path, error))?,
            path,
            rows: 0,
        })
    }

    fn close(&self, file: Open) -> Result<WrittenFile, SinkError> {
        let Open {
            encoder,
            path,
            rows,
        } = file;
        let finished = encoder.finish();
        let (output, bytes) = finished.map_err(|error| self.failed(&path, error.into()))?;
        let completed = self.runtime.block_on(output.complete());
        completed.map_err(|error| self.failed(&path, ArrowError::from(error).into()))?;
        fault::at("attempt.file_done");
        Ok(WrittenFile {
            path,
            rows,
            bytes,
            partition: vec![],
            crc32: None,
        })
    }

    fn failed(&self, path: &Path, error: Unwritable) -> SinkError {
        write_error(&self.name, path.to_owned(), error)
    }
}
