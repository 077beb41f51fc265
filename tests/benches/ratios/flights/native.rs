//! The plugin `aviation` without a sandbox: its function as a DataFusion function, its transform as an operator.
//!
//! The operator does what Transom's does around a guest (same partitioning and order, columns carried over along source rows),
//! but calls the transform's code directly.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use aviation::Turnarounds;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, TableType, Volatility, create_udf};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr,
    PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;
use transom_sdk::__private::{OpenTable, Source, TransformEntry};

use crate::common::native;

/// The function, under the name that the example's SQL calls.
pub(super) fn great_circle() -> ScalarUDF {
    create_udf(
        "aviation.great_circle",
        vec![DataType::Float64; 4],
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let columns = ColumnarValue::values_to_arrays(arguments)?;
            let columns = std::array::from_fn(|index| columns[index].as_primitive());
            Ok(ColumnarValue::Array(Arc::new(native::great_circle(
                columns,
            ))))
        }),
    )
}

/// What `turnarounds` makes of `input`, as a table.
pub(super) fn turnarounds(input: Arc<dyn ExecutionPlan>, options: &'static str) -> Result<Table> {
    Ok(Table(NativeExec::try_new(input, options)?))
}

fn open(input: &Schema, options: &str) -> Result<OpenTable> {
    let entry = TransformEntry::of::<Turnarounds>();
    (entry.open)(input, options).map_err(outside)
}

fn outside(error: transom_sdk::Error) -> DataFusionError {
    DataFusionError::External(error.to_string().into())
}

/// Lets a plan scan what an operator gives.
#[derive(Debug)]
pub(super) struct Table(NativeExec);

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Arc<dyn ExecutionPlan> = Arc::new(self.0.clone());
        let Some(projection) = projection else {
            return Ok(all);
        };
        let schema = self.schema();
        let columns = projection.iter().map(|&index| {
            let name = schema.field(index).name().clone();
            Ok((col(&name, &schema)?, name))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, all)?))
    }
}

/// Runs the transform over each partition of its input.
#[derive(Debug, Clone)]
struct NativeExec {
    input: Arc<dyn ExecutionPlan>,
    options: &'static str,
    /// Input columns that the transform reads.
    reads: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl NativeExec {
    fn try_new(input: Arc<dyn ExecutionPlan>, options: &'static str) -> Result<Self> {
        let schema = input.schema();
        let (table, layout) = open(&schema, options)?;
        // The transform passes all columns, then computes its own.
        let fields = schema.fields().iter().chain(table.computes().fields());
        let fields: Vec<Arc<Field>> = fields.cloned().collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::new(fields))),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Ok(Self {
            input,
            options,
            reads: layout.reads,
            properties: Arc::new(properties),
        })
    }

    fn column(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        col(name, &self.input.schema())
    }
}

impl DisplayAs for NativeExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NativeExec: turnarounds")
    }
}

impl ExecutionPlan for NativeExec {
    fn name(&self) -> &'static str {
        "NativeExec"
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

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let key = self.column("tailnum").into_iter().collect();
        InputDistributionRequirements::new(vec![Distribution::KeyPartitioned(key)])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let ascending = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let columns = ["tailnum", "departed"].into_iter();
        let order = columns
            .filter_map(|name| self.column(name).ok())
            .map(|column| PhysicalSortRequirement::new(column, Some(ascending)));
        vec![LexRequirement::new(order).map(OrderingRequirements::new)]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Self::try_new(input, self.options)?)),
            None => internal_err!("the operator has one input"),
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
        let (table, _) = open(&self.input.schema(), self.options)?;
        let mut running = Running {
            table: Sent(table),
            reads: self.reads.clone(),
            schema: self.schema(),
        };
        let input = self.input.execute(partition, context)?;
        let output = input
            .and_then(move |batch| std::future::ready(running.process(&batch)))
            .map_ok(|parts| futures::stream::iter(parts.into_iter().map(Ok)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            output,
        )))
    }
}

/// A partition's transform. Trait objects of the SDK are not `Send`, since guests have one thread.
struct Sent(Box<dyn transom_sdk::__private::Table>);

// SAFETY: what is in the box is a `Turnarounds`, which is `Send` as the function below would not compile without, and schemas.
unsafe impl Send for Sent {}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Turnarounds>();
};

struct Running {
    table: Sent,
    reads: Vec<usize>,
    schema: SchemaRef,
}

impl Running {
    fn process(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let read = batch.project(&self.reads)?;
        let outcome = self.table.0.process(&read).map_err(outside)?;
        let parts = outcome.parts.into_iter().map(|part| {
            let Source::Rows(rows) = part.source else {
                return internal_err!("the transform names each row's source");
            };
            let rows = UInt32Array::from(rows);
            let carried = batch
                .columns()
                .iter()
                .map(|column| take(column, &rows, None));
            let mut columns = carried.collect::<Result<Vec<ArrayRef>, _>>()?;
            columns.extend(part.columns);
            Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
        });
        parts.collect()
    }
}
