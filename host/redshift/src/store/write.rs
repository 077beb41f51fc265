//! New files: from the results of queries, and from files of which many rows were deleted.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::files::{DataFile, Folder, Handle};
use super::scan;
use crate::catalog::{Column, Table};
use crate::error::{self, Error, Result};

/// Rows in one file at most; a number of a row has 32 bits.
const ROWS: u64 = 4 << 20;
/// Rows of a group, which a scan reads at once.
const GROUP: usize = 128 << 10;
/// Deleted rows that a record names before their file is written anew.
const MOST_DELETED: usize = 4_096;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<DataFile>,
    pub(crate) rows: u64,
}

/// Writes streams whose columns are those of the table, in order, each into files of its own.
pub(crate) async fn write(
    folder: &Arc<Folder>,
    columns: &[Column],
    streams: Vec<SendableRecordBatchStream>,
) -> Result<Written> {
    let mut tasks = tokio::task::JoinSet::new();
    for stream in streams {
        tasks.spawn(write_one(Arc::clone(folder), columns.to_vec(), stream));
    }
    let mut written = Written::default();
    while let Some(finished) = tasks.join_next().await {
        let part = finished.map_err(Error::internal)??;
        written.rows += part.rows;
        written.files.extend(part.files);
    }
    if !written.files.is_empty() {
        folder.sync().map_err(Error::internal)?;
    }
    Ok(written)
}

async fn write_one(
    folder: Arc<Folder>,
    columns: Vec<Column>,
    mut stream: SendableRecordBatchStream,
) -> Result<Written> {
    let mut written = Written::default();
    let mut open: Option<Open> = None;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        check_nulls(&columns, &batch)?;
        written.rows += batch.num_rows() as u64;
        let folder = Arc::clone(&folder);
        let columns = columns.clone();
        // Encoding takes long, and the last batch of a file waits for the disk.
        let task =
            tokio::task::spawn_blocking(move || -> Result<(Option<Open>, Option<DataFile>)> {
                let mut writer = match open {
                    Some(writer) => writer,
                    None => Open::new(&folder, &columns)?,
                };
                writer.append(&batch)?;
                match writer.rows >= ROWS {
                    true => Ok((None, Some(writer.finish()?))),
                    false => Ok((Some(writer), None)),
                }
            });
        let (next, finished) = task.await.map_err(Error::internal)??;
        open = next;
        written.files.extend(finished);
    }
    if let Some(writer) = open {
        let finished = tokio::task::spawn_blocking(move || writer.finish());
        written
            .files
            .push(finished.await.map_err(Error::internal)??);
    }
    Ok(written)
}

fn check_nulls(columns: &[Column], batch: &RecordBatch) -> Result<()> {
    for (column, values) in columns.iter().zip(batch.columns()) {
        if column.not_null && values.null_count() > 0 {
            return Err(Error::new(&error::NOT_NULL, &[&column.name]));
        }
    }
    Ok(())
}

/// A file that is being written.
struct Open {
    name: String,
    handle: Arc<Handle>,
    file: File,
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    rows: u64,
}

impl Open {
    fn new(folder: &Folder, columns: &[Column]) -> Result<Self> {
        let (name, handle, file) = folder.create().map_err(Error::internal)?;
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(format!("c{}", column.id), column.data_type.arrow(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let clone = file.try_clone().map_err(Error::internal)?;
        let writer = ArrowWriter::try_new(clone, Arc::clone(&schema), Some(properties))
            .map_err(Error::internal)?;
        Ok(Self {
            name,
            handle,
            file,
            writer,
            schema,
            rows: 0,
        })
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns()[..self.schema.fields().len()].to_vec();
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(Error::internal)?;
        self.writer.write(&batch).map_err(Error::internal)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self) -> Result<DataFile> {
        self.writer.close().map_err(Error::internal)?;
        self.file.sync_all().map_err(Error::internal)?;
        let bytes = self.file.metadata().map_err(Error::internal)?.len();
        Ok(DataFile {
            name: self.name,
            rows: self.rows,
            bytes,
            deleted: Vec::new(),
            handle: Some(self.handle),
        })
    }
}

/// Writes files anew of which many rows are deleted, and drops those of which all are.
pub(crate) async fn compact(folder: &Arc<Folder>, mut table: Table) -> Result<Table> {
    let mut files = Vec::new();
    for file in table.files {
        let deleted = file.deleted.len();
        if deleted as u64 == file.rows {
            continue;
        }
        if deleted <= MOST_DELETED {
            files.push(file);
            continue;
        }
        let folder = Arc::clone(folder);
        let columns = table.columns.clone();
        let task = tokio::task::spawn_blocking(move || -> Result<DataFile> {
            let mut writer = Open::new(&folder, &columns)?;
            let schema = Arc::clone(&writer.schema);
            let columns: Vec<Option<Column>> = columns.into_iter().map(Some).collect();
            let mut failure = None;
            scan::read(&schema, &columns, 0, &file, 8_192, |batch| {
                failure = writer.append(&batch).err();
                failure.is_none()
            })?;
            match failure {
                Some(failure) => Err(failure),
                None => writer.finish(),
            }
        });
        files.push(task.await.map_err(Error::internal)??);
    }
    folder.sync().map_err(Error::internal)?;
    table.files = files;
    Ok(table)
}
