//! Rows of a table as DataFusion reads them.

use std::fs::File;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, UInt64Array,
    new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::segment::{Place, Segment};
use super::write::stored_name;
use crate::catalog::{Column, Table};
use crate::error::Error;
use crate::types::Type;
use crate::types::cast::{Mode, cast};

/// The column of row numbers: the place of the segment in the upper half, the row in the lower.
pub(crate) const ROW: &str = "\u{1}row";

/// Rows for which another thread is worth its start.
const PART_ROWS: u64 = 8_192;

/// A version of a table.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Arc<Table>,
    schema: SchemaRef,
    numbered: bool,
}

impl Rows {
    /// `numbered` adds [`ROW`].
    pub(crate) fn new(table: Arc<Table>, numbered: bool) -> Self {
        let columns = table.columns.iter();
        let mut fields: Vec<_> = columns
            .map(|column| column.data_type.field(column.name.as_str()))
            .collect();
        if numbered {
            fields.push(Arc::new(Field::new(ROW, DataType::UInt64, false)));
        }
        Self {
            table,
            schema: Arc::new(Schema::new(fields)),
            numbered,
        }
    }
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(projection)?);
        let columns: Vec<Option<Column>> = projection
            .iter()
            .map(|at| self.table.columns.get(*at).cloned())
            .collect();
        let most = session.config().target_partitions().max(1);
        let parts = divided(&self.table.segments, most)
            .into_iter()
            .map(|segments| {
                Arc::new(Part {
                    schema: Arc::clone(&schema),
                    columns: columns.clone(),
                    segments,
                }) as Arc<dyn PartitionStream>
            })
            .collect();
        debug_assert!(self.numbered || columns.iter().all(Option::is_some));
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            parts,
            None,
            [],
            false,
            limit,
        )?))
    }
}

/// Segments with their places in the table.
type Placed = Vec<(u64, Arc<Segment>)>;

/// Segments in parts that can be read at once: the largest first, each to the part that has least. Within a part they are in the
/// order of the table, and a small table is one part.
fn divided(segments: &[Arc<Segment>], most: usize) -> Vec<Placed> {
    let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
    let most = (rows / PART_ROWS + 1).min(most as u64).max(1) as usize;
    let mut parts: Vec<(u64, Placed)> = vec![(0, Vec::new()); most.min(segments.len()).max(1)];
    let mut largest: Placed = (0u64..).zip(segments.iter().cloned()).collect();
    largest.sort_by_key(|(_, segment)| std::cmp::Reverse(segment.rows));
    for (place, segment) in largest {
        if let Some((rows, part)) = parts.iter_mut().min_by_key(|(rows, _)| *rows) {
            *rows += segment.rows;
            part.push((place, segment));
        }
    }
    let parts = parts.into_iter().map(|(_, mut part)| {
        part.sort_by_key(|(place, _)| *place);
        part
    });
    parts.collect()
}

/// Segments that are read one after the other.
#[derive(Debug)]
struct Part {
    schema: SchemaRef,
    /// `None` is the row's number.
    columns: Vec<Option<Column>>,
    segments: Placed,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 2);
        let sender = builder.tx();
        let (schema, columns, segments) = (
            Arc::clone(&self.schema),
            self.columns.clone(),
            self.segments.clone(),
        );
        let batch_size = context.session_config().batch_size();
        builder.spawn_blocking(move || {
            for (place, segment) in &segments {
                let read = read(&schema, &columns, *place, segment, batch_size, |batch| {
                    sender.blocking_send(Ok(batch)).is_ok()
                });
                if !read? {
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// Batches of a segment with the columns of these names that it has; others may be among them.
fn batches(
    segment: &Segment,
    names: &[Option<String>],
    batch_size: usize,
) -> Result<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>> {
    let file = match &segment.place {
        Place::Database(bytes) => {
            let reader = StreamReader::try_new(Cursor::new(bytes.clone()), None)?;
            return Ok(Box::new(reader));
        }
        Place::File(file) => file,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file.path())?)?;
    let names = names.iter().flatten();
    let wanted = names.filter_map(|name| reader.schema().index_of(name).ok());
    let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
    let reader = reader.with_projection(mask).with_batch_size(batch_size);
    Ok(Box::new(reader.build()?))
}

/// Hands the rows of a segment over; false if they are not wanted any more.
pub(super) fn read(
    schema: &SchemaRef,
    columns: &[Option<Column>],
    place: u64,
    segment: &Segment,
    batch_size: usize,
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<bool> {
    let broken = |error: &dyn std::fmt::Display| match segment.file() {
        Some(file) => Error::internal(format_args!("file {}: {error}", file.name())),
        None => Error::internal(format_args!("segment {}: {error}", segment.number)),
    };
    let names = columns
        .iter()
        .map(|column| column.as_ref().map(stored_name));
    let names: Vec<Option<String>> = names.collect();
    let mut first = 0u32;
    let mut deleted = segment.deleted.as_slice();
    for batch in batches(segment, &names, batch_size).map_err(|error| broken(&error))? {
        let batch = batch.map_err(|error| broken(&error))?;
        let rows = batch.num_rows();
        let arrays = columns.iter().zip(&names).map(|(column, name)| {
            let (Some(column), Some(name)) = (column, name) else {
                let numbers = (0..rows as u64).map(|row| place << 32 | (u64::from(first) + row));
                return Ok(Arc::new(UInt64Array::from_iter_values(numbers)) as ArrayRef);
            };
            match batch.column_by_name(name) {
                // A VARCHAR may have become longer; nothing else changes its type.
                Some(values) => Ok(Arc::clone(values)),
                None => before(column, rows),
            }
        });
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let mut batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
        let end = first + rows as u32;
        let within = deleted.partition_point(|row| *row < end);
        if within > 0 {
            let mut keep = vec![true; rows];
            for row in &deleted[..within] {
                keep[(row - first) as usize] = false;
            }
            batch = filter_record_batch(&batch, &BooleanArray::from(keep))?;
            deleted = &deleted[within..];
        }
        first = end;
        if batch.num_rows() > 0 && !hand_over(batch) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What rows hold in a column that is younger.
fn before(column: &Column, rows: usize) -> Result<ArrayRef, Error> {
    match &column.before {
        None => Ok(new_null_array(&column.data_type.arrow(), rows)),
        Some(text) => {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); rows]));
            cast(&texts, Type::Unknown, column.data_type, Mode::Assignment)
        }
    }
}
