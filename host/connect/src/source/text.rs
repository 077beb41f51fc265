//! Reads what DataFusion's own readers do not: any CSV, and compressed JSON.
//!
//! DataFusion's CSV reader decides too much of what a value is, and it can decompress only with a feature that brings the libraries of
//! four formats. Rows of CSV may hold line breaks, so that files could not be read in ranges anyway: a file is read by one thread,
//! several files by several. Plain JSON is left to DataFusion, which cuts large files into ranges.

use std::{io::BufReader, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    json::{ReaderBuilder as JsonReader, reader::infer_json_schema},
};
use datafusion::{
    common::DataFusionError,
    datasource::{listing::PartitionedFile, table_schema::TableSchema},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStream, streaming::PartitionStream},
};

use super::{
    FileSource, SourceError,
    csv::CsvBatches,
    listing::{Found, Listing},
    open::open_text,
};
use crate::format::{Encoding, Format};

/// Rows that are looked at to tell the columns, as DataFusion does.
const INFERRED_ROWS: usize = 1000;
/// Batches that are read ahead.
const READ_AHEAD: usize = 2;

/// Columns by the first rows of the files.
pub(super) fn infer_schema(source: &FileSource, listing: &Listing) -> Result<Schema, InferError> {
    let files = listing.files.iter().filter(|found| found.bytes > 0);
    let mut schemas = Vec::new();
    let mut rows = 0;
    for found in files {
        if rows >= INFERRED_ROWS {
            break;
        }
        let reader = BufReader::new(open_text(source, found, Encoding::Utf8)?);
        let (schema, more) = infer_json_schema(reader, Some(INFERRED_ROWS - rows))?;
        rows += more;
        schemas.push(schema);
    }
    Ok(Schema::try_merge(schemas)?)
}

/// Why columns cannot be told.
pub(super) enum InferError {
    Source(SourceError),
    Arrow(ArrowError),
}

impl From<SourceError> for InferError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<ArrowError> for InferError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// Where a column of the output comes from.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// Position among the columns that are read.
    File(usize),
    /// Position among the partition columns.
    Partition(usize),
    /// The number of the row in its file, from 0.
    Row,
}

/// One partition of a scan: some files, one after another.
#[derive(Debug)]
pub(super) struct TextScan {
    /// Shared with the blocking task.
    scan: Arc<Scan>,
    files: Vec<PartitionedFile>,
}

#[derive(Debug)]
struct Scan {
    source: FileSource,
    file_schema: SchemaRef,
    /// Positions in `file_schema`, ascending: nothing else is decoded.
    read: Vec<usize>,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl TextScan {
    /// Scans of groups of files. `projection` counts file columns, then partition columns, then the number of the row.
    pub(super) fn of_groups(
        source: &FileSource,
        schema: &TableSchema,
        projection: Option<&Vec<usize>>,
        groups: Vec<Vec<PartitionedFile>>,
    ) -> Result<Vec<Arc<dyn PartitionStream>>, ArrowError> {
        let (file_schema, table_schema) = (schema.file_schema(), schema.table_schema());
        let all = || (0..table_schema.fields().len()).collect();
        let projection: Vec<usize> = projection.cloned().unwrap_or_else(all);
        let of_file = file_schema.fields().len();
        let partitions = schema.table_partition_cols().len();
        let read: Vec<usize> = (0..of_file).filter(|at| projection.contains(at)).collect();
        let columns = projection
            .iter()
            .map(|at| match read.binary_search(at) {
                Ok(position) => Column::File(position),
                Err(_) if at - of_file < partitions => Column::Partition(at - of_file),
                Err(_) => Column::Row,
            })
            .collect();
        let scan = Arc::new(Scan {
            source: source.clone(),
            file_schema: Arc::clone(file_schema),
            read,
            columns,
            schema: Arc::new(table_schema.project(&projection)?),
        });
        let scans = groups.into_iter().map(|files| {
            let scan = Arc::clone(&scan);
            Arc::new(Self { scan, files }) as Arc<dyn PartitionStream>
        });
        Ok(scans.collect())
    }
}

impl PartitionStream for TextScan {
    fn schema(&self) -> &SchemaRef {
        &self.scan.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.scan.schema);
        let mut stream = RecordBatchReceiverStream::builder(schema, READ_AHEAD);
        let output = stream.tx();
        let scan = Arc::clone(&self.scan);
        let files = self.files.clone();
        let batch_size = context.session_config().batch_size();
        stream.spawn_blocking(move || {
            for file in &files {
                let mut first_row = 0;
                for batch in scan.batches(file, batch_size)? {
                    let batch = scan.complete(file, first_row, &batch?)?;
                    first_row += batch.num_rows() as i64;
                    scan.source.read.add(batch.num_rows());
                    // Nobody wants more rows.
                    if output.blocking_send(Ok(batch)).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        stream.build()
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>>>;

impl Scan {
    fn batches(
        &self,
        file: &PartitionedFile,
        batch_size: usize,
    ) -> Result<Batches, DataFusionError> {
        let found = file
            .extension::<Found>()
            .ok_or_else(|| DataFusionError::Internal("a file without its path".to_owned()))?;
        let (source, schema) = (&self.source, &self.file_schema);
        if let Format::Csv(options) = &source.format {
            let batches = CsvBatches::open(source, options, found, schema, &self.read, batch_size)?;
            return Ok(Box::new(batches.map(|batch| Ok(batch?))));
        }
        let text = open_text(source, found, Encoding::Utf8)?;
        let schema = Arc::new(schema.project(&self.read)?);
        let reader = JsonReader::new(schema)
            .with_batch_size(batch_size)
            .build(BufReader::new(text))?;
        Ok(Box::new(reader.map(|batch| Ok(batch?))))
    }

    /// Columns in the order that is wanted, with those of the path.
    fn complete(
        &self,
        file: &PartitionedFile,
        first_row: i64,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, DataFusionError> {
        let rows = batch.num_rows();
        let columns = self
            .columns
            .iter()
            .map(|column| match *column {
                Column::File(position) => Ok(Arc::clone(batch.column(position))),
                Column::Partition(position) => {
                    file.partition_values[position].to_array_of_size(rows)
                }
                Column::Row => {
                    let numbers = first_row..first_row + rows as i64;
                    Ok(Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef)
                }
            })
            .collect::<Result<Vec<ArrayRef>, _>>()?;
        // With no column at all, as for `count(*)`, only the number of rows is left.
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}
