//! Hands DataFusion footers that can be trusted, and bytes of the very file that was listed.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::{
    common::Result,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{ParquetFileReaderFactory, parquet::CachedParquetFileReaderFactory},
    },
    execution::cache::cache_manager::FileMetadataCache,
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt, future::BoxFuture};
use object_store::ObjectStore;
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

use super::{footer, reads_text, thrift};
use crate::aws::{PinnedObject, S3Error};
use crate::source::{
    FileSource, SourceError,
    inputs::{Input, Location},
    io_error,
    open::unknown_bucket,
};

/// Readers of the files of a source.
#[derive(Debug)]
pub(super) struct Footers {
    source: Arc<FileSource>,
    table: SchemaRef,
    cache: Arc<FileMetadataCache>,
    /// Reads files.
    inner: CachedParquetFileReaderFactory,
}

impl Footers {
    /// `table` are the columns that the files are read as.
    pub(super) fn new(
        source: FileSource,
        table: SchemaRef,
        store: Arc<dyn ObjectStore>,
        cache: Arc<FileMetadataCache>,
    ) -> Self {
        Self {
            source: Arc::new(source),
            table,
            cache: Arc::clone(&cache),
            inner: CachedParquetFileReaderFactory::new(store, cache),
        }
    }
}

impl ParquetFileReaderFactory for Footers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let found = Input::of(&file)?.clone();
        let inner =
            match self.source.object(&found) {
                Some(object) => {
                    let store = Arc::new(PinnedObject::new(object, None));
                    CachedParquetFileReaderFactory::new(store, Arc::clone(&self.cache))
                        .create_reader(partition, file, metadata_size_hint, metrics)?
                }
                None if matches!(found.location, Location::Object { .. }) => {
                    return Err(io_error(&self.source, &found.path, unknown_bucket()).into());
                }
                None => self
                    .inner
                    .create_reader(partition, file, metadata_size_hint, metrics)?,
            };
        Ok(Box::new(Reader {
            source: Arc::clone(&self.source),
            table: Arc::clone(&self.table),
            found,
            columns: Vec::new(),
            inner,
        }))
    }
}

/// The error with what S3 said at its top, if it did.
pub(super) fn of_object(source: &FileSource, error: ParquetError) -> ParquetError {
    match S3Error::find(&error) {
        Some(said) => ParquetError::External(Box::new(SourceError::S3 {
            name: source.name.clone(),
            source: Box::new(said.clone()),
        })),
        None => error,
    }
}

struct Reader {
    source: Arc<FileSource>,
    table: SchemaRef,
    found: Input,
    /// Where the columns of all row groups lie, and how many values they have.
    columns: Vec<(Range<u64>, i64)>,
    inner: Box<dyn AsyncFileReader + Send>,
}

impl Reader {
    /// Looks at the headers of pages before the decoder does.
    fn check_pages(&self, range: &Range<u64>, bytes: &Bytes) -> ParquetResult<()> {
        let column = self
            .columns
            .iter()
            .find(|(column, _)| column.contains(&range.start));
        match column {
            Some((_, values)) => thrift::check_pages(bytes, *values),
            None => Ok(()),
        }
    }

    /// The store opens the file by name at each read. What was read is the listed file's if that has not changed since.
    fn check(&self) -> ParquetResult<()> {
        self.source
            .check_unchanged(&self.found)
            .map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let bytes = self.inner.get_bytes(range.clone()).await;
            self.check()?;
            let bytes = bytes.map_err(|error| of_object(&self.source, error))?;
            self.check_pages(&range, &bytes)?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let bytes = self.inner.get_byte_ranges(ranges.clone()).await;
            self.check()?;
            let bytes = bytes.map_err(|error| of_object(&self.source, error))?;
            for (range, bytes) in ranges.iter().zip(&bytes) {
                self.check_pages(range, bytes)?;
            }
            Ok(bytes)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.inner.get_metadata(options).await;
            self.check()?;
            let text = reads_text(&self.table);
            let metadata = metadata.map_err(|error| of_object(&self.source, error))?;
            let metadata = footer::trusted(metadata.as_ref(), self.found.bytes, &text)?;
            let columns = metadata
                .row_groups()
                .iter()
                .flat_map(RowGroupMetaData::columns);
            self.columns = columns
                .map(|column| {
                    let (begin, length) = column.byte_range();
                    (begin..begin.saturating_add(length), column.num_values())
                })
                .collect();
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
