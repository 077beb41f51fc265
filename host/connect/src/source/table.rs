//! The files of a source as a DataFusion table.
//!
//! DataFusion's own `ListingTable` lists again at every scan, has no NULL partition and gives partition columns to folders
//! only. This one reads a list of files that was made before; formats, splitting, pruning of row groups and statistics
//! are DataFusion's.

use std::sync::Arc;

use ::parquet::arrow::RowNumber;
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        ColumnStatistics, DFSchema, DataFusionError, Result, ScalarValue, Statistics,
        stats::Precision,
    },
    datasource::{
        TableType,
        listing::{PartitionedFile, helpers::expr_applicable_for_cols},
        physical_plan::FileGroup,
        table_schema::TableSchema,
    },
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    physical_plan::{ExecutionPlan, empty::EmptyExec, streaming::StreamingTableExec},
};
use datafusion_datasource::source::DataSourceExec;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, path::Path as ObjectPath};

use super::{
    FileSource,
    inputs::{Input, Inputs, Location},
    parquet,
    partitions::Partitions,
    text::{Pieces, TextScan, line_of_row},
};
use transom_file::spec::Format;

/// Files of one schema.
#[derive(Debug)]
pub(super) struct FileTable {
    source: FileSource,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    // Every file carries these too, so that a plan outlives the table that made it.
    leases: Arc<Inputs>,
}

/// The column of [`with_origin`] that names the file of a row: a path relative to the source's root.
pub const ORIGIN_FILE: &str = "_file";
/// The column of [`with_origin`] that counts the rows of a file from 0, without the header.
pub const ORIGIN_ROW: &str = "_row";

/// The table of a [`FileSource`] with two more columns behind its own, [`ORIGIN_FILE`] and [`ORIGIN_ROW`], which say where a row
/// comes from. It reads the very files of the other. `None` if `table` is no such table, or has a column of these names.
#[must_use]
pub fn with_origin(table: &Arc<dyn TableProvider>) -> Option<Arc<dyn TableProvider>> {
    let table = table.downcast_ref::<FileTable>()?;
    let taken = |name| table.schema.table_schema().index_of(name).is_ok();
    if taken(ORIGIN_FILE) || taken(ORIGIN_ROW) {
        return None;
    }
    Some(Arc::new(table.with_origin()))
}

/// The line in which a row begins, from 1: a row of one of the files of a [`FileSource`]'s table, as [`with_origin`] names and counts
/// them. `None` of a format that has no lines. The file is read up to that row.
#[must_use]
pub fn origin_line(table: &Arc<dyn TableProvider>, file: &str, row: u64) -> Option<u64> {
    let table = table.downcast_ref::<FileTable>()?;
    let mut inputs = table
        .files
        .iter()
        .filter_map(|file| file.extension::<Input>());
    let found = inputs.find(|input| input.path.to_string_lossy() == file)?;
    line_of_row(&table.source, found, row)
}

/// Carried by every file of a plan for what its `Drop` does.
struct HeldVersions(#[expect(dead_code, reason = "held, not read")] Arc<Inputs>);

impl FileTable {
    /// `file_schema` has no partition column.
    pub(super) fn try_new(
        source: FileSource,
        listing: Inputs,
        partitions: &Partitions,
        file_schema: SchemaRef,
    ) -> Result<Self> {
        let held = Arc::new(Inputs {
            pieces: Vec::new(),
            leases: listing.leases,
            ..Inputs::default()
        });
        let files = listing
            .pieces
            .iter()
            .zip(&partitions.values)
            // There is no row in an empty file, and no format's reader takes one.
            .filter(|(found, _)| found.bytes > 0)
            .map(|(found, values)| {
                Ok(PartitionedFile::new_from_meta(object_meta(found)?)
                    .with_partition_values(values.clone())
                    .with_extension(found.clone())
                    .with_extension(HeldVersions(Arc::clone(&held))))
            })
            .collect::<Result<_>>()?;
        let schema = TableSchema::builder(file_schema)
            .with_table_partition_cols(partitions.columns.clone())
            .build();
        Ok(Self {
            source,
            schema,
            files,
            leases: held,
        })
    }

    /// A file's name is the same for all its rows, as a folder's value is. Rows are numbered by their reader: Parquet's can, and of
    /// text ours can, since it does not cut files into ranges.
    fn with_origin(&self) -> Self {
        // Written once a batch, not once a row.
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let file: FieldRef = Arc::new(Field::new(ORIGIN_FILE, kind, false));
        let row = Field::new(ORIGIN_ROW, DataType::Int64, false).with_extension_type(RowNumber);
        let mut partitions = self.schema.table_partition_cols().to_vec();
        partitions.push(file);
        let schema = TableSchema::builder(Arc::clone(self.schema.file_schema()))
            .with_table_partition_cols(partitions)
            .with_virtual_columns(vec![Arc::new(row)])
            .build();
        let named = |file: &PartitionedFile| {
            let path = file.extension::<Input>().map(|found| &found.path);
            let path = path.map(|path| path.to_string_lossy().into_owned());
            let name = ScalarValue::Utf8(path);
            let mut file = file.clone();
            let kind = Box::new(DataType::Int32);
            file.partition_values
                .push(ScalarValue::Dictionary(kind, Box::new(name)));
            file
        };
        Self {
            source: self.source.clone(),
            schema,
            files: self.files.iter().map(named).collect(),
            leases: Arc::clone(&self.leases),
        }
    }

    /// The files whose partition can hold a row that passes. An expression that cannot be evaluated keeps its files: DataFusion
    /// filters the rows again.
    fn prune(&self, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let columns = self.schema.table_partition_cols();
        let names: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
        let applicable = filters
            .iter()
            .filter(|filter| !names.is_empty() && expr_applicable_for_cols(&names, filter))
            .cloned();
        let (Some(filter), false) = (conjunction(applicable), self.files.is_empty()) else {
            return Ok(self.files.clone());
        };
        let schema = Arc::new(Schema::new(columns.clone()));
        let arrays = (0..columns.len())
            .map(|column| {
                ScalarValue::iter_to_array(
                    self.files
                        .iter()
                        .map(|file| file.partition_values[column].clone()),
                )
            })
            .collect::<Result<_>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let kept = datafusion::physical_expr::create_physical_expr(
            &filter,
            &DFSchema::try_from(schema)?,
            &Default::default(),
            &Default::default(),
        )
        .and_then(|expression| expression.evaluate(&batch))
        .and_then(|value| value.into_array(batch.num_rows()));
        let Some(kept) = kept.ok().and_then(|array| array.as_boolean_opt().cloned()) else {
            return Ok(self.files.clone());
        };
        let files = self.files.iter().enumerate();
        Ok(files
            .filter(|(row, _)| kept.is_valid(*row) && kept.value(*row))
            .map(|(_, file)| file.clone())
            .collect())
    }

    async fn with_statistics(
        &self,
        state: &dyn Session,
        file: PartitionedFile,
    ) -> Result<PartitionedFile> {
        let mut statistics =
            parquet::with_statistics(&self.source, state, &self.schema, &file).await?;
        for value in &file.partition_values {
            let column = partition_statistics(value, statistics.num_rows);
            statistics.column_statistics.push(column);
        }
        let numbered = self.schema.virtual_columns().iter();
        let unknown = numbered.map(|_| ColumnStatistics::new_unknown());
        statistics.column_statistics.extend(unknown);
        Ok(PartitionedFile {
            statistics: Some(Arc::new(statistics)),
            ..file
        })
    }
}

/// DataFusion's own `with_statistics` counts no NULL in partition columns.
fn partition_statistics(value: &ScalarValue, rows: Precision<usize>) -> ColumnStatistics {
    if value.is_null() {
        return ColumnStatistics {
            null_count: rows,
            ..ColumnStatistics::new_unknown()
        };
    }
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: Precision::Exact(value.clone()),
        max_value: Precision::Exact(value.clone()),
        distinct_count: Precision::Exact(1),
        ..ColumnStatistics::new_unknown()
    }
}

/// The file as DataFusion's local object store names it; an object by a name that no other has.
pub(super) fn object_meta(found: &Input) -> Result<ObjectMeta> {
    let location = match &found.location {
        Location::File(path) => ObjectPath::from_absolute_path(path)
            .map_err(|error| DataFusionError::External(Box::new(error)))?,
        // For the cache of footers alone: keys may hold what such a path may not.
        Location::Object { url, etag } => {
            ObjectPath::from_iter([url.bucket.as_str(), url.key.as_str(), etag.as_str()])
        }
    };
    Ok(ObjectMeta {
        location,
        last_modified: DateTime::<Utc>::from(found.modified),
        size: found.bytes,
        e_tag: None,
        version: None,
    })
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.prune(filters)?;
        if files.is_empty() {
            let schema = datafusion::common::project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        match self.source.format {
            Format::Parquet => self.scan_parquet(state, projection, files, limit).await,
            Format::Csv(_) | Format::Json => self.scan_text(state, projection, files, limit),
        }
    }
}

impl FileTable {
    /// Text is read here, see [`text`](super::text).
    fn scan_text(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        files: Vec<PartitionedFile>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pieces = Pieces {
            partitions: state.config().target_partitions(),
            min_bytes: state.config_options().optimizer.repartition_file_min_size,
        };
        let scans = TextScan::of_files(&self.source, &self.schema, projection, files, pieces)?;
        let table = self.schema.table_schema();
        let schema = datafusion::common::project_schema(table, projection)?;
        let scan = StreamingTableExec::try_new(schema, scans, None, [], false, limit)?;
        Ok(Arc::new(scan))
    }

    /// Parquet is read by DataFusion, with what is known better here, see [`parquet`](super::parquet).
    async fn scan_parquet(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        files: Vec<PartitionedFile>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions();
        let collect = state.config().collect_statistics();
        let files: Vec<_> = if collect {
            let concurrency = state
                .config_options()
                .execution
                .meta_fetch_concurrency
                .get();
            stream::iter(files)
                .map(|file| self.with_statistics(state, file))
                .buffered(concurrency)
                .try_collect()
                .await?
        } else {
            files
        };
        let groups = FileGroup::new(files).split_files(partitions);
        let (groups, statistics) = if collect {
            datafusion_datasource::compute_all_files_statistics(
                groups,
                self.schema(),
                collect,
                false,
            )?
        } else {
            (groups, Statistics::new_unknown(&self.schema()))
        };
        let config = parquet::scan(&self.source, state, &self.schema)?
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
