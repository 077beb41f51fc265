//! Between DataFusion's Parquet reader and the rest: whatever goes wrong in a file, panics too, becomes an error that names the
//! place.
//!
//! The decoders of the parquet crate assert things that hold in every file that a sane writer made, and hostile or damaged files do
//! not keep them. Errors of DataFusion name no file, so that the file is read again, up to the place that fails.

use std::{
    any::Any,
    cell::Cell,
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::{Arc, Once},
    task::Poll,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError};
use datafusion::{
    common::{Result, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileScanConfig, FileSource as ScanSource},
        table_schema::TableSchema,
    },
    error::DataFusionError,
    physical_expr::{
        EquivalenceProperties, PhysicalExpr, PhysicalSortExpr, expressions::Column,
        projection::ProjectionExprs,
    },
    physical_plan::{
        DisplayFormatType, SortOrderPushdownResult, filter_pushdown::FilterPushdownPropagation,
        metrics::ExecutionPlanMetricsSet,
    },
};
use datafusion_datasource::{
    file_stream::FileOpener,
    morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer},
};
use futures::{StreamExt, stream, stream::BoxStream};
use object_store::ObjectStore;
use parquet::errors::ParquetError;

use super::place;
use crate::source::{
    FileSource, SourceError,
    inputs::Input,
    progress::{Reading, ScanProgress},
};

/// What a panic said.
pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the decoder gave up").to_owned()
}

/// What a panic carries.
type Panic = Box<dyn Any + Send>;

thread_local! {
    /// How many calls of [`catch`] this thread is in.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
}

/// Runs what may panic. Such a panic becomes an error with its place, so that the process's hook, which would print it, is passed over.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if CATCHING.get() == 0 {
                others(panic);
            }
        }));
    });
    CATCHING.set(CATCHING.get() + 1);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(CATCHING.get() - 1);
    done
}

/// Runs a decoder that may panic.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch(work).unwrap_or_else(|panic| Err(ParquetError::General(said(panic.as_ref()))))
}

/// The same of a future: each time that it is asked.
pub(super) async fn caught_future<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch(|| work.as_mut().poll(context)) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()))),
    })
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> DataFusionError {
    DataFusionError::ParquetError(Box::new(ParquetError::General(said(panic))))
}

/// DataFusion's scan of Parquet, guarded.
pub(super) struct Guarded {
    files: Arc<Files>,
    inner: Arc<dyn ScanSource>,
}

/// What is needed to find the place of an error, and to count rows.
#[derive(Debug)]
struct Files {
    source: FileSource,
    table: SchemaRef,
    progress: ScanProgress,
}

impl Files {
    /// The error with its place, if the file is to blame.
    async fn placed(self: Arc<Self>, found: Arc<Input>, error: DataFusionError) -> DataFusionError {
        let (files, looked_at) = (Arc::clone(&self), Arc::clone(&found));
        let placed = tokio::task::spawn_blocking(move || {
            files.source.check_unchanged(&looked_at)?;
            place::diagnose(&files.source, &looked_at, Some(&files.table))
        });
        match placed.await {
            Ok(Err(placed)) => placed.into(),
            // Each column can be read, but they do not belong together.
            Ok(Ok(())) if is_of_decoder(&error) => {
                let (name, path) = (self.source.name.clone(), found.path.clone());
                let source = Box::new(error);
                SourceError::ParquetRows { name, path, source }.into()
            }
            Ok(Ok(())) | Err(_) => error,
        }
    }
}

/// Whether an error is the parquet crate's. Others are those of expressions that were pushed into the scan.
fn is_of_decoder(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ParquetError(_) => true,
        DataFusionError::ArrowError(error, _) => matches!(**error, ArrowError::ParquetError(_)),
        DataFusionError::External(error) => error.is::<Arc<SourceError>>(),
        _ => false,
    }
}

impl Guarded {
    pub(super) fn new(source: FileSource, table: SchemaRef, inner: Arc<dyn ScanSource>) -> Self {
        let files = Arc::new(Files {
            progress: source.read.scan(),
            source,
            table,
        });
        Self { files, inner }
    }

    fn around(&self, inner: Arc<dyn ScanSource>) -> Arc<dyn ScanSource> {
        let files = Arc::clone(&self.files);
        Arc::new(Self { files, inner })
    }
}

impl ScanSource for Guarded {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        Ok(Box::new(Opener {
            files: Arc::clone(&self.files),
            inner: self.inner.create_morselizer(store, config, partition)?,
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn ScanSource> {
        self.around(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(format, f)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ScanSource>>> {
        let pushed = self.inner.try_pushdown_filters(filters, config)?;
        Ok(FilterPushdownPropagation {
            filters: pushed.filters,
            updated_node: pushed.updated_node.map(|inner| self.around(inner)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn ScanSource>>> {
        use SortOrderPushdownResult::{Exact, Inexact, Unsupported};
        Ok(match self.inner.try_pushdown_sort(order, properties)? {
            Exact { inner } => Exact {
                inner: self.around(inner),
            },
            Inexact { inner } => Inexact {
                inner: self.around(inner),
            },
            Unsupported => Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn ScanSource>>> {
        let computes = projection.iter().any(|column| !column.expr.is::<Column>());
        let fields = self.table_schema().table_schema().fields();
        // Every NaN is made the same one behind the scan: what is computed from floats comes after that.
        if computes
            && fields
                .iter()
                .any(|field| transom_sql::has_floats(field.data_type()))
        {
            return Ok(None);
        }
        let pushed = self.inner.try_pushdown_projection(projection)?;
        Ok(pushed.map(|inner| self.around(inner)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

struct Opener {
    files: Arc<Files>,
    inner: Box<dyn Morselizer>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Morselizer for Opener {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let found = Input::of(&file)?.clone();
        let range = file.range.as_ref();
        let start = range.map_or(0, |range| range.start.cast_unsigned());
        let of_file = OfFile {
            reading: Arc::new(self.files.progress.begin(&found, start)),
            files: Arc::clone(&self.files),
            found: Arc::new(found),
        };
        let inner = self.inner.plan_file(file)?;
        Ok(Box::new(of_file.planner(inner)))
    }
}

/// The file that a piece of work belongs to.
#[derive(Debug, Clone)]
struct OfFile {
    files: Arc<Files>,
    found: Arc<Input>,
    reading: Arc<Reading>,
}

impl OfFile {
    fn planner(&self, inner: Box<dyn MorselPlanner>) -> Planner {
        Planner {
            of_file: self.clone(),
            inner,
        }
    }

    async fn placed(self, error: DataFusionError) -> DataFusionError {
        self.files.placed(self.found, error).await
    }
}

#[derive(Debug)]
struct Planner {
    of_file: OfFile,
    inner: Box<dyn MorselPlanner>,
}

impl MorselPlanner for Planner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { of_file, inner } = *self;
        let planned = catch(|| inner.plan()).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        let mut plan = match planned {
            Ok(Some(plan)) => plan,
            Ok(None) => return Ok(None),
            // Finding the place reads the file, for which planning is not the time.
            Err(error) => {
                let placed = async move { Err(of_file.placed(error).await) };
                return Ok(Some(MorselPlan::new().with_pending_planner(placed)));
            }
        };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            let of_file = of_file.clone();
            Box::new(Rows { of_file, inner }) as Box<dyn Morsel>
        });
        let morsels = morsels.collect();
        let planners = plan.take_ready_planners().into_iter();
        let planners = planners
            .map(|inner| Box::new(of_file.planner(inner)) as Box<dyn MorselPlanner>)
            .collect();
        let pending = plan.take_pending_planner();
        let mut guarded = MorselPlan::new()
            .with_morsels(morsels)
            .with_planners(planners);
        if let Some(pending) = pending {
            guarded.set_pending_planner(async move {
                match caught_future(pending).await {
                    Ok(inner) => Ok(Box::new(of_file.planner(inner)) as Box<dyn MorselPlanner>),
                    Err(error) => Err(of_file.placed(error).await),
                }
            });
        }
        Ok(Some(guarded))
    }
}

#[derive(Debug)]
struct Rows {
    of_file: OfFile,
    inner: Box<dyn Morsel>,
}

impl Morsel for Rows {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { of_file, inner } = *self;
        let mut batches = inner.into_stream();
        let mut is_over = false;
        let caught = stream::poll_fn(move |context| {
            if is_over {
                return Poll::Ready(None);
            }
            catch(|| batches.poll_next_unpin(context)).unwrap_or_else(|panic| {
                is_over = true;
                Poll::Ready(Some(Err(panicked(panic.as_ref()))))
            })
        });
        caught
            .then(move |batch| {
                let of_file = of_file.clone();
                async move {
                    match batch {
                        Ok(batch) => {
                            let rows = batch.num_rows() as u64;
                            of_file.reading.add(rows, BTreeMap::new());
                            transom_sql::with_one_nan(batch)
                        }
                        Err(error) => Err(of_file.placed(error).await),
                    }
                }
            })
            .boxed()
    }
}
