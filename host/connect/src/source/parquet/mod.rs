//! Parquet: DataFusion decodes and prunes, we decide what of a file is believed and what it may become.
//!
//! - [`footer`]: the annotations and statistics that a reader gets to see,
//! - [`columns`]: the table's columns from those of the files, and whether each file fits,
//! - [`exact`]: from a file's types to the table's, without loss; [`int96`] does that for the timestamps of old writers,
//! - [`reader`]: hands DataFusion the footers and the bytes, and notices files that change,
//! - [`guard`]: turns whatever goes wrong, panics too, into an error that names the place,
//! - [`place`]: finds the place.

mod columns;
mod exact;
mod footer;
mod guard;
mod int96;
mod place;
mod reader;
mod thrift;

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    catalog::Session,
    common::{ColumnStatistics, Result, Statistics},
    config::TableParquetOptions,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{
            FileScanConfigBuilder, FileSource as ScanSource, ParquetSource,
            parquet::metadata::DFParquetMetadata,
        },
        table_schema::TableSchema,
    },
    error::DataFusionError,
    execution::object_store::ObjectStoreUrl,
};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use object_store::ObjectStore;
use parquet::{
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, ParquetMetaData},
};

pub(super) use self::place::check_magic;
use self::{guard::Guarded, reader::Footers};
use super::{
    FileSource, SourceError,
    inputs::{Input, Inputs},
    partitions::Partitions,
    table::object_meta,
};
use crate::aws::PinnedObject;
use transom_file::spec::Unknown;

/// The table's columns by the footers of all files. `known` are those of the lock file, which every file must fit.
pub(super) async fn table_columns(
    source: &FileSource,
    state: &dyn Session,
    listing: &Inputs,
    known: Option<&Schema>,
    partitions: &Partitions,
) -> Result<SchemaRef, SourceError> {
    let pieces = listing.pieces.iter().filter(|found| found.bytes > 0);
    let footers: Vec<BoxFuture<'_, _>> = pieces
        .map(|found| offered(source, state, found).boxed())
        .collect();
    let concurrency = state.config_options().execution.meta_fetch_concurrency;
    let footers: Vec<_> = stream::iter(footers)
        .buffered(concurrency.get())
        .try_collect()
        .await?;
    let is_partition = |name: &str| partitions.contains(name);
    if source.unknown == Unknown::Fail {
        for (found, offered) in &footers {
            let names = offered.fields().iter().map(|field| field.name());
            partitions.check_names(source, &found.path, names, true)?;
        }
    }
    let columns = match known {
        Some(known) => Arc::new(known.clone()),
        None => {
            let declared = source.columns.as_deref();
            let declared = declared.map(|schema| super::without_partitions(schema, partitions));
            let inferred = columns::infer(source, &footers, declared.as_deref())?;
            super::without_partitions(&inferred, partitions)
        }
    };
    let given = columns::Given {
        files: &footers,
        are_all: !listing.is_slice,
    };
    columns::fitting(source, &given, &columns, &is_partition)
}

/// The columns of a file, by its footer.
async fn offered<'a>(
    source: &'a FileSource,
    state: &'a dyn Session,
    found: &'a Input,
) -> Result<(&'a Input, Schema), SourceError> {
    let metadata = footer(source, state, found).await?;
    let offered = guard::caught(|| {
        footer::trusted(&metadata, found.bytes, &|_| false)?;
        footer::columns(&metadata)
    })
    .map_err(|error| match footer::foreign_type(&metadata) {
        Some((column, of_file)) => SourceError::ForeignType {
            name: source.name.clone(),
            path: found.path.clone(),
            column,
            found: of_file.into(),
        },
        None => damaged(source, found, error),
    })?;
    columns::check_names(source, found, &offered)?;
    Ok((found, offered))
}

/// The footer, from the session's cache if it was read before.
async fn footer(
    source: &FileSource,
    state: &dyn Session,
    found: &Input,
) -> Result<Arc<ParquetMetaData>, SourceError> {
    let store = match source.object(found) {
        Some(object) => {
            let tail = place::checked_tail(source, found, &object).await?;
            Arc::new(PinnedObject::new(object, Some(tail))) as Arc<dyn ObjectStore>
        }
        None => {
            let url = ObjectStoreUrl::local_filesystem();
            let store = state.runtime_env().object_store(url);
            store.map_err(|error| source.infer_error(error))?
        }
    };
    let fetched = async {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        DFParquetMetadata::new(store.as_ref(), &object_meta(found)?)
            .with_file_metadata_cache(Some(cache))
            .with_page_index_policy(Some(PageIndexPolicy::Skip))
            .fetch_metadata()
            .await
    };
    // The parser has asserted what a hostile footer does not keep.
    let error = match guard::caught_future(fetched).await {
        Ok(metadata) => return Ok(metadata),
        Err(DataFusionError::ParquetError(error)) => *error,
        Err(error) => ParquetError::External(Box::new(error)),
    };
    source.check_unchanged(found)?;
    Err(damaged(source, found, error))
}

/// What S3 said, or that the file is damaged.
fn damaged(source: &FileSource, found: &Input, error: ParquetError) -> SourceError {
    let error = match reader::of_object(source, error) {
        ParquetError::External(inner) => match inner.downcast::<SourceError>() {
            Ok(placed) => return *placed,
            Err(inner) => ParquetError::External(inner),
        },
        other => other,
    };
    SourceError::ParquetFooter {
        name: source.name.clone(),
        path: found.path.clone(),
        source: error,
    }
}

/// What the file's footer says of its values: rows exactly, values as an estimate, since they were not checked. Counts the columns that
/// the table does not have.
pub(super) async fn with_statistics(
    source: &FileSource,
    state: &dyn Session,
    schema: &TableSchema,
    file: &PartitionedFile,
) -> Result<Statistics> {
    let found = Input::of(file)?;
    let metadata = footer(source, state, found).await;
    let metadata = metadata?;
    let table = schema.file_schema();
    let partitions = schema.table_partition_cols();
    let is_partition = |name: &str| partitions.iter().any(|field| field.name() == name);
    let estimate = || -> Result<Statistics, ParquetError> {
        let offered = footer::columns(&metadata)?;
        let metadata = footer::trusted(&metadata, found.bytes, &reads_text(table))?;
        let rows = metadata.file_metadata().num_rows().cast_unsigned();
        let unknown = columns::unknown(&offered, table, &is_partition);
        let unknown: BTreeMap<_, _> = unknown.map(|column| (column.to_owned(), rows)).collect();
        if !unknown.is_empty() {
            source.read.scan().begin(found, 0).add(0, unknown);
        }
        let mut statistics = DFParquetMetadata::statistics_from_parquet_metadata(&metadata, table)
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        for (field, column) in table.fields().iter().zip(&mut statistics.column_statistics) {
            let given = offered.field_with_name(field.name()).ok();
            *column = match given {
                Some(given) if given.data_type() == field.data_type() => {
                    column.clone().to_inexact()
                }
                // Of another type, so that it would be another's smallest value.
                _ => ColumnStatistics::new_unknown(),
            };
        }
        statistics.total_byte_size = statistics.total_byte_size.to_inexact();
        Ok(statistics)
    };
    let estimate = guard::caught(estimate);
    estimate.map_err(|error| damaged(source, found, error).into())
}

/// What DataFusion scans.
pub(super) fn scan(
    source: &FileSource,
    state: &dyn Session,
    schema: &TableSchema,
) -> Result<FileScanConfigBuilder> {
    let url = ObjectStoreUrl::local_filesystem();
    let store = state.runtime_env().object_store(&url)?;
    let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
    let mut options = TableParquetOptions::default();
    options.global.schema_force_view_types = false;
    let footers = Footers::new(
        source.clone(),
        Arc::clone(schema.file_schema()),
        store,
        cache,
    );
    let native = ParquetSource::new(schema.clone())
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(footers));
    let guarded: Arc<dyn ScanSource> = Arc::new(Guarded::new(
        source.clone(),
        Arc::clone(schema.file_schema()),
        Arc::new(native),
    ));
    Ok(FileScanConfigBuilder::new(url, guarded)
        .with_expr_adapter(Some(Arc::new(exact::ExactColumns))))
}

/// Whether a table has text in the column of a name.
fn reads_text(table: &Schema) -> impl Fn(&str) -> bool + use<'_> {
    |name| {
        let field = table.field_with_name(name).ok();
        field.is_some_and(|field| {
            matches!(
                field.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        })
    }
}
