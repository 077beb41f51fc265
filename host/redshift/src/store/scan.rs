//! Rows of a table as DataFusion reads them.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, UInt64Array,
    new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
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

use super::files::DataFile;
use crate::catalog::{Column, Table};
use crate::error::Error;
use crate::types::Type;
use crate::types::cast::{Mode, cast};

/// The column of row numbers: the file in the upper half, the row in the lower.
pub(crate) const ROW: &str = "\u{1}row";

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
        let mut parts: Vec<Vec<(u64, DataFile)>> =
            vec![Vec::new(); most.min(self.table.files.len()).max(1)];
        // The largest first, each to the part that has least.
        let mut files: Vec<(u64, DataFile)> =
            (0u64..).zip(self.table.files.iter().cloned()).collect();
        files.sort_by_key(|(_, file)| std::cmp::Reverse(file.rows));
        for file in files {
            let least = parts
                .iter_mut()
                .min_by_key(|part| part.iter().map(|(_, file)| file.rows).sum::<u64>());
            if let Some(least) = least {
                least.push(file);
            }
        }
        let parts = parts
            .into_iter()
            .map(|files| {
                Arc::new(Part {
                    schema: Arc::clone(&schema),
                    columns: columns.clone(),
                    files,
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

/// Files that are read one after the other.
#[derive(Debug)]
struct Part {
    schema: SchemaRef,
    /// `None` is the row's number.
    columns: Vec<Option<Column>>,
    files: Vec<(u64, DataFile)>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 2);
        let sender = builder.tx();
        let (schema, columns, files) = (
            Arc::clone(&self.schema),
            self.columns.clone(),
            self.files.clone(),
        );
        let batch_size = context.session_config().batch_size();
        builder.spawn_blocking(move || {
            for (number, file) in &files {
                let read = read(&schema, &columns, *number, file, batch_size, |batch| {
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

/// Hands the rows of a file over; false if they are not wanted any more.
pub(super) fn read(
    schema: &SchemaRef,
    columns: &[Option<Column>],
    number: u64,
    file: &DataFile,
    batch_size: usize,
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<bool> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::internal(format_args!("file {}: {error}", file.name))
    };
    let path = file.path().map_err(|error| broken(&error))?;
    let opened = File::open(path).map_err(|error| broken(&error))?;
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| broken(&error))?;
    let stored = Arc::clone(reader.schema());
    let places: Vec<Option<usize>> = columns
        .iter()
        .map(|column| {
            let name = format!("c{}", column.as_ref()?.id);
            stored.index_of(&name).ok()
        })
        .collect();
    let mut wanted: Vec<usize> = places.iter().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mask = ProjectionMask::roots(reader.parquet_schema(), wanted.iter().copied());
    let reader = reader
        .with_projection(mask)
        .with_batch_size(batch_size)
        .build()
        .map_err(|error| broken(&error))?;
    let mut first = 0u32;
    let mut deleted = file.deleted.as_slice();
    for batch in reader {
        let batch = batch.map_err(|error| broken(&error))?;
        let rows = batch.num_rows();
        let arrays = columns.iter().zip(&places).map(|(column, place)| {
            let Some(column) = column else {
                let numbers = (0..rows as u64).map(|row| number << 32 | (u64::from(first) + row));
                return Ok(Arc::new(UInt64Array::from_iter_values(numbers)) as ArrayRef);
            };
            match place {
                // A VARCHAR may have become longer; nothing else changes its type.
                Some(place) => {
                    let at = wanted.binary_search(place).unwrap_or(0);
                    Ok(Arc::clone(batch.column(at)))
                }
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
