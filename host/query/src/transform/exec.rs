//! The operator that runs a transform: one guest per partition, batch after batch.
//!
//! It asks the planner for its input hash-partitioned by `partition_by` and sorted by `partition_by`, then `order_by`, so a guest
//! sees the rows of a key one after another. It streams: one batch of input is in the guest at a time, and its output is handed
//! on before the next is read ([`Running`]).
//!
//! One that goes on from the state of an earlier slice gets its rows bucket after bucket instead, each to a guest of its own: so a
//! partition holds the state of one bucket at a time.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr,
    PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use transom_plugin::OutputColumn;

use super::bucket::BucketOf;
use super::metrics::{PartitionMetrics, TransformMetrics};
use super::running::Running;
use super::state::StateStore;
use super::step::TransformSpec;

/// Runs a transform over each partition of its input.
#[derive(Debug, Clone)]
pub(crate) struct TransformExec {
    pub(crate) spec: Arc<TransformSpec>,
    input: Arc<dyn ExecutionPlan>,
    /// For each column the transform was opened with its position in `input`, unless pruned.
    pub(super) columns: Vec<Option<usize>>,
    /// Columns of the transform's output that are given, in order.
    pub(super) keep: Vec<usize>,
    pub(super) schema: SchemaRef,
    /// Where its state lies, if it goes on from that of an earlier slice.
    pub(super) state: Option<Arc<dyn StateStore>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TransformExec {
    pub(crate) fn try_new(
        spec: Arc<TransformSpec>,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Option<usize>>,
        keep: Vec<usize>,
    ) -> Result<Self> {
        let schema = Arc::new(spec.opened.schema.project(&keep)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        let metrics = ExecutionPlanMetricsSet::new();
        let state = spec.state.lock().clone();
        Ok(Self {
            state,
            spec,
            input,
            columns,
            keep,
            schema,
            properties: Arc::new(properties),
            metrics,
        })
    }

    fn column(&self, name: &str) -> Option<Arc<dyn PhysicalExpr>> {
        let index = self.spec.input.index_of(name).ok()?;
        let position = self.columns[index]?;
        Some(Arc::new(Column::new(name, position)))
    }

    fn keys(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.spec
            .step
            .partition_by
            .iter()
            .filter_map(|name| self.column(name))
            .collect()
    }

    /// The bucket of a row, if it keeps state by keys. All rows without keys are in bucket 0.
    pub(super) fn bucket(&self) -> Option<BucketOf> {
        let keys = self.keys();
        let state = self.state.as_ref().filter(|_| !keys.is_empty())?;
        let buckets = state.buckets();
        Some(BucketOf { keys, buckets })
    }

    /// The figures of the run so far.
    pub(crate) fn figures(&self) -> TransformMetrics {
        TransformMetrics::of(&self.spec.step.name, &self.metrics.clone_inner())
    }
}

impl DisplayAs for TransformExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.spec.step;
        let reads: Vec<&str> = self
            .spec
            .opened
            .reads
            .iter()
            .map(|&index| self.spec.input.field(index).name().as_str())
            .collect();
        write!(
            f,
            "TransformExec: {}.{}, reads=[{}]",
            step.plugin,
            step.transform,
            reads.join(", ")
        )?;
        let carried: Vec<&str> = self
            .keep
            .iter()
            .filter(|&&column| matches!(self.spec.opened.output[column], OutputColumn::Input(_)))
            .map(|&column| self.spec.opened.schema.field(column).name().as_str())
            .collect();
        write!(f, ", carries=[{}]", carried.join(", "))
    }
}

impl ExecutionPlan for TransformExec {
    fn name(&self) -> &'static str {
        "TransformExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // Keys and order are requirements on the input, not expressions that are evaluated here.
        Ok(TreeNodeRecursion::Continue)
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let keys = self.keys();
        let distribution = if let Some(bucket) = self.bucket() {
            Distribution::KeyPartitioned(vec![Arc::new(bucket)])
        } else if !keys.is_empty() {
            Distribution::KeyPartitioned(keys)
        } else if self.spec.stateful || !self.spec.step.order_by.is_empty() {
            // State or order over all rows: there is one sequence, so there is one guest.
            Distribution::SinglePartition
        } else {
            Distribution::UnspecifiedDistribution
        };
        InputDistributionRequirements::new(vec![distribution])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let key_order = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let bucket = self.bucket();
        let bucket = bucket.map(|bucket| Arc::new(bucket) as Arc<dyn PhysicalExpr>);
        let keys = bucket
            .into_iter()
            .chain(self.keys())
            .map(|key| PhysicalSortRequirement::new(key, Some(key_order)));
        let order = self.spec.step.order_by.iter().filter_map(|order| {
            let options = SortOptions {
                descending: order.descending,
                nulls_first: order.nulls_first,
            };
            Some(PhysicalSortRequirement::new(
                self.column(&order.column)?,
                Some(options),
            ))
        });
        vec![LexRequirement::new(keys.chain(order)).map(OrderingRequirements::new)]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.len()) {
            (Some(input), 0) => Ok(Arc::new(Self::try_new(
                Arc::clone(&self.spec),
                input,
                self.columns.clone(),
                self.keep.clone(),
            )?)),
            _ => internal_err!("a transform has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let metrics = PartitionMetrics::new(&self.metrics, partition);
        let running = Running::new(self.clone(), input, partition, metrics);
        let batches = futures::stream::try_unfold(running, |mut running| async move {
            let batch = running.next().await?;
            Ok(batch.map(|batch| (batch, running)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
