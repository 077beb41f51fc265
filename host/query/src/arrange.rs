//! Rows brought together by keys, for sinks that write a file for each value.
//!
//! Rows of mixed keys would begin a file for every key in every batch. So they go, by a hash of the keys, to one stream for each
//! key, and are sorted there by the keys; rows with equal keys stay in their order, or come in the one that the sink asks for. The sort
//! spills to disk beyond its memory.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use crate::transform::OrderBy;

/// Memory of the sort in a session without a limit.
const SORT_MEMORY: usize = 1 << 30;

/// Rows that one stream numbers at most, as a power of two; the number of the stream comes above.
const ROW_BITS: u32 = 44;

/// The plan with rows of equal `keys` one after another, those of each key in this order, and the context to run it in. Nothing is added
/// to a plan that is so already. `limited` says whether the session's memory is.
pub(crate) fn by_keys(
    plan: Arc<dyn ExecutionPlan>,
    keys: &[String],
    order: &[OrderBy],
    context: Arc<TaskContext>,
    limited: bool,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
    if order.is_empty() && (keys.is_empty() || is_grouped(&plan, keys)) {
        return Ok((plan, context));
    }
    let schema = plan.schema();
    let column = |index: usize| -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new(schema.field(index).name(), index))
    };
    let keys = keys.iter().map(|key| Ok(column(schema.index_of(key)?)));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let order = order.iter().map(|by| {
        let options = SortOptions::new(by.descending, by.nulls_first);
        Ok(PhysicalSortExpr::new(
            column(schema.index_of(&by.column)?),
            options,
        ))
    });
    let order = order.collect::<Result<Vec<_>>>()?;
    let numbered: Arc<dyn ExecutionPlan> =
        Arc::new(NumberRowsExec::new(plan, Arc::clone(&context)));
    let number = schema.fields().len();
    let number: Arc<dyn PhysicalExpr> = Arc::new(Column::new(NUMBER, number));
    let partitions = context.session_config().target_partitions();
    let divided: Arc<dyn ExecutionPlan> = match partitions {
        1 if numbered.output_partitioning().partition_count() == 1 => numbered,
        // Each stream is in order for itself.
        _ if keys.is_empty() => numbered,
        _ => {
            let by_hash = Partitioning::Hash(keys.clone(), partitions);
            Arc::new(RepartitionExec::try_new(numbered, by_hash)?)
        }
    };
    let ascending = |expr| PhysicalSortExpr::new(expr, SortOptions::default());
    let keys = keys.into_iter().map(ascending);
    let order = keys.chain(order).chain([ascending(number)]);
    let Some(order) = LexOrdering::new(order) else {
        return internal_err!("an order without columns");
    };
    let sorted = SortExec::new(order, divided).with_preserve_partitioning(true);
    let own = (0..schema.fields().len()).map(|index| ProjectionExpr {
        expr: column(index),
        alias: schema.field(index).name().clone(),
    });
    let plan = ProjectionExec::try_new(own, Arc::new(sorted))?;
    let context = match limited {
        true => context,
        false => Arc::new(with_own_memory(&context)),
    };
    Ok((Arc::new(plan), context))
}

/// Whether the streams of the plan have rows with equal keys one after another.
fn is_grouped(plan: &Arc<dyn ExecutionPlan>, keys: &[String]) -> bool {
    let Some(order) = plan.output_ordering() else {
        return false;
    };
    let first: Vec<&str> = order
        .iter()
        .take(keys.len())
        .filter_map(|by| Some(by.expr.downcast_ref::<Column>()?.name()))
        .collect();
    keys.iter().all(|key| first.contains(&key.as_str()))
}

/// The context with bounded memory for the operators that are run in it.
fn with_own_memory(context: &TaskContext) -> TaskContext {
    let mut environment = context.runtime_env().as_ref().clone();
    environment.memory_pool = Arc::new(FairSpillPool::new(SORT_MEMORY));
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone(),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        Arc::new(environment),
    )
}

/// Name of the column of numbers; it does not leave the plan.
const NUMBER: &str = "number of the row";

/// Adds the number of each row, so that a sort can keep equal rows in their order and gives the same rows at every run.
///
/// What is below runs in the context that it was planned for, whatever the operators above run in.
#[derive(Debug)]
struct NumberRowsExec {
    input: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl NumberRowsExec {
    fn new(input: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Self {
        let fields = input.schema().fields().iter().cloned().collect::<Vec<_>>();
        let number = Arc::new(Field::new(NUMBER, DataType::UInt64, false));
        let fields = fields.into_iter().chain([number]).collect::<Vec<_>>();
        let metadata = input.schema().metadata().clone();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self {
            input,
            context,
            schema,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for NumberRowsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberRowsExec")
    }
}

impl ExecutionPlan for NumberRowsExec {
    fn name(&self) -> &'static str {
        "NumberRowsExec"
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
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.len()) {
            (Some(input), 0) => Ok(Arc::new(Self::new(input, Arc::clone(&self.context)))),
            _ => internal_err!("rows of one input are numbered"),
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
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&self.context))?;
        let schema = Arc::clone(&self.schema);
        let mut next = (partition as u64) << ROW_BITS;
        let numbered = input.and_then(move |batch| {
            let end = next + batch.num_rows() as u64;
            let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(next..end));
            next = end;
            let columns = batch.columns().iter().cloned().chain([numbers]).collect();
            let numbered = RecordBatch::try_new(Arc::clone(&schema), columns);
            futures::future::ready(numbered.map_err(Into::into))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            numbered,
        )))
    }
}
