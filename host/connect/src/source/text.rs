//! The scan of CSV and JSON: files, or ranges of them, as batches of the columns that are wanted.
//!
//! DataFusion's readers decide too much of what a value is, and can decompress only with a feature that brings the libraries of four
//! formats. Plain JSON is cut into ranges, which several threads read. Rows of CSV may hold line breaks, and compressed files can be
//! read from their beginning only: each of them is read by one thread, several files by several.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions},
    datatypes::{FieldRef, SchemaRef},
};
use datafusion::{
    common::DataFusionError,
    datasource::{listing::PartitionedFile, table_schema::TableSchema},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStream, streaming::PartitionStream},
};

use super::{
    FileSource,
    csv::{self, CsvBatches},
    inputs::Input,
    json::{self, JsonBatches},
    progress::ScanProgress,
};
use transom_file::spec::{Format, is_gzip};

/// Batches that are read ahead.
const READ_AHEAD: usize = 2;

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

/// A file, or a range of its bytes.
#[derive(Debug, Clone)]
struct Piece {
    file: PartitionedFile,
    range: Option<Range<u64>>,
}

/// Into how many parts a scan is to be cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    /// At most so many.
    pub(super) partitions: usize,
    /// Files of less bytes in total stay whole.
    pub(super) min_bytes: usize,
}

impl Pieces {
    /// Deals files out in their order, cut where that may be, so that each partition has about as many bytes.
    fn of(
        self,
        files: Vec<PartitionedFile>,
        may_cut: impl Fn(&PartitionedFile) -> bool,
    ) -> Vec<Vec<Piece>> {
        let total: u64 = files.iter().map(|file| file.object_meta.size).sum();
        let partitions = self.partitions.max(1);
        let share = total.div_ceil(partitions as u64).max(1);
        let is_large = total >= self.min_bytes as u64;
        let mut groups: Vec<Vec<Piece>> = Vec::new();
        let mut room = 0;
        for file in files {
            let cut = is_large && may_cut(&file);
            let size = file.object_meta.size;
            let mut start = 0;
            while start < size {
                let is_full = room == 0 || (!cut && size > room);
                let is_last = groups.len() == partitions;
                if groups.is_empty() || (is_full && !is_last) {
                    groups.push(Vec::new());
                    room = share;
                }
                let end = match cut && groups.len() < partitions {
                    true => size.min(start + room),
                    false => size,
                };
                let piece = Piece {
                    file: file.clone(),
                    range: cut.then_some(start..end),
                };
                if let Some(group) = groups.last_mut() {
                    group.push(piece);
                }
                room = room.saturating_sub(end - start);
                start = end;
            }
        }
        groups
    }
}

/// One partition of a scan: pieces of files, one after another.
#[derive(Debug)]
pub(super) struct TextScan {
    /// Shared with the blocking task.
    scan: Arc<Scan>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Scan {
    source: FileSource,
    progress: ScanProgress,
    file_schema: SchemaRef,
    /// Positions in `file_schema`, ascending: nothing else is decoded.
    read: Vec<usize>,
    /// Partition columns, which hide keys of their name.
    hidden: Vec<FieldRef>,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl TextScan {
    /// Scans of files. `projection` counts file columns, then partition columns, then the number of the row.
    pub(super) fn of_files(
        source: &FileSource,
        schema: &TableSchema,
        projection: Option<&Vec<usize>>,
        files: Vec<PartitionedFile>,
        pieces: Pieces,
    ) -> Result<Vec<Arc<dyn PartitionStream>>, DataFusionError> {
        let (file_schema, table_schema) = (schema.file_schema(), schema.table_schema());
        let all = || (0..table_schema.fields().len()).collect();
        let projection: Vec<usize> = projection.cloned().unwrap_or_else(all);
        let of_file = file_schema.fields().len();
        let of_path = schema.table_partition_cols();
        let read: Vec<usize> = (0..of_file).filter(|at| projection.contains(at)).collect();
        let columns: Vec<Column> = projection
            .iter()
            .map(|at| match read.binary_search(at) {
                Ok(position) => Column::File(position),
                Err(_) if at - of_file < of_path.len() => Column::Partition(at - of_file),
                Err(_) => Column::Row,
            })
            .collect();
        let scan = Arc::new(Scan {
            source: source.clone(),
            progress: source.read.scan(),
            file_schema: Arc::clone(file_schema),
            read,
            hidden: of_path.to_vec(),
            columns,
            schema: Arc::new(table_schema.project(&projection)?),
        });
        if let Format::Json = source.format {
            JsonBatches::check(&scan.file_schema, &scan.read)?;
        }
        // Who reads a range does not know the number of its first row.
        let numbered = scan
            .columns
            .iter()
            .any(|column| matches!(column, Column::Row));
        let ranges = matches!(source.format, Format::Json) && !numbered;
        let is_plain = |file: &PartitionedFile| {
            let found = file.extension::<Input>();
            found.is_some_and(|found| !is_gzip(&found.path))
        };
        let groups = pieces.of(files, |file| ranges && is_plain(file));
        let scans = groups.into_iter().map(|pieces| {
            let scan = Arc::clone(&scan);
            Arc::new(Self { scan, pieces }) as Arc<dyn PartitionStream>
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
        let pieces = self.pieces.clone();
        let batch_size = context.session_config().batch_size();
        stream.spawn_blocking(move || {
            for piece in &pieces {
                let found = Input::of(&piece.file)?;
                let start = piece.range.as_ref().map_or(0, |range| range.start);
                let reading = scan.progress.begin(found, start);
                let mut first_row = 0;
                for batch in scan.batches(found, piece, batch_size)? {
                    let Batch { rows, unknown } = batch?;
                    let batch = scan.complete(&piece.file, first_row, &rows)?;
                    first_row += batch.num_rows() as i64;
                    reading.add(batch.num_rows() as u64, unknown);
                    // No more rows are wanted.
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

/// The line of a file in which a row begins, from 1; `row` counts from 0. `None` if there is no such row, or the file cannot be read.
pub(super) fn line_of_row(source: &FileSource, found: &Input, row: u64) -> Option<u64> {
    match &source.format {
        Format::Csv(options) => csv::line_of_row(source, options, found, row).ok()?,
        Format::Json => json::line_of_row(source, found, row).ok()?,
        Format::Parquet => None,
    }
}

/// Rows of a file.
pub(crate) struct Batch {
    pub(crate) rows: RecordBatch,
    /// Columns or keys that the source does not have, with the number of these rows that have them.
    pub(crate) unknown: BTreeMap<String, u64>,
}

type Batches = Box<dyn Iterator<Item = Result<Batch, DataFusionError>>>;

impl Scan {
    fn batches(
        &self,
        found: &Input,
        piece: &Piece,
        batch_size: usize,
    ) -> Result<Batches, DataFusionError> {
        let (source, schema) = (&self.source, &self.file_schema);
        if let Format::Csv(options) = &source.format {
            let batches = CsvBatches::open(source, options, found, schema, &self.read, batch_size)?;
            return Ok(Box::new(batches.map(|batch| Ok(batch?))));
        }
        let range = piece.range.clone();
        let (read, hidden) = (&self.read, &self.hidden);
        let batches = JsonBatches::open(source, found, range, schema, read, hidden, batch_size)?;
        Ok(Box::new(batches))
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
