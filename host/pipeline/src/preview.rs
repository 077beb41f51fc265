//! What comes out of single tables of a pipeline: planned alone, computed, collected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::Column;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col};
use futures::TryStreamExt;
use transom_file::ErrorPolicy;
use transom_query::Session;

use crate::error::{Error, Result};
use crate::plan::{Planned, params};
use transom_file::{OrderBy, Pipeline, Problem, Problems, TransformStep};

/// All rows of a table, and those that it rejected.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) rows: RecordBatch,
    /// `None` if the table keeps no rejected rows.
    pub(crate) rejected: Option<RecordBatch>,
}

impl Planned {
    /// The first `rows` rows of a source or step for which `condition`, an expression of SQL, holds.
    ///
    /// Steps with several readers are computed for each of them: the first rows are wanted soon, not all rows once.
    ///
    /// # Errors
    /// A condition that does not plan; whatever computing the rows ends with.
    pub async fn preview(
        &self,
        pipeline: &Pipeline,
        table: &str,
        condition: Option<&str>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let what = format!("`{table}`");
        let failed = |error| Error::of_query(&what, error);
        let plan = match condition {
            None => self.session.plan_scan(table).await.map_err(failed)?,
            Some(condition) => {
                let query = format!("SELECT * FROM \"{table}\" WHERE ({condition}\n)");
                let params = params(pipeline);
                let planned = self
                    .session
                    .plan_sql(&query, &params, |_| ErrorPolicy::Fail);
                planned
                    .await
                    .map_err(|error| condition_problem(condition, &error))?
            }
        };
        let plan = LogicalPlanBuilder::from(plan).limit(0, Some(rows));
        let plan = plan.and_then(LogicalPlanBuilder::build).map_err(failed)?;
        match collect(&self.session, plan).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.located(pipeline, failed(error)).await),
        }
    }

    /// Any `rows` of the rows that a transform reads, in the order in which it gets them.
    ///
    /// # Errors
    /// As of [`preview`](Self::preview).
    pub async fn input_of(&self, step: &TransformStep, rows: usize) -> Result<RecordBatch> {
        let input = &step.input.value;
        let what = format!("`{input}`");
        let failed = |error| Error::of_query(&what, error);
        let keys = step
            .partition_by
            .iter()
            .map(|column| col(Column::from_name(&column.value)).sort(true, true));
        let order = step.order_by.iter().map(|order| {
            let OrderBy {
                column,
                desc,
                nulls_first,
            } = order;
            col(Column::from_name(&column.value)).sort(!desc, *nulls_first)
        });
        let order: Vec<_> = keys.chain(order).collect();
        let plan = self.session.plan_scan(input).await.map_err(failed)?;
        let plan = LogicalPlanBuilder::from(plan).limit(0, Some(rows));
        let plan = match order.is_empty() {
            true => plan,
            false => plan.and_then(|plan| plan.sort(order)),
        };
        let plan = plan.and_then(LogicalPlanBuilder::build).map_err(failed)?;
        match collect(&self.session, plan).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(failed(error)),
        }
    }

    /// The tables that a step reads, with the columns of each that its result depends on; at least one of each.
    pub(crate) fn columns_read(&self, step: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut read: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let Some(planned) = self.step(step) else {
            return Ok(read);
        };
        let failed = |error| Error::of_query(&format!("planning step `{step}`"), error);
        let state = self.session.context().state();
        // Optimized, a plan scans no column that it does not need.
        let plan = state.optimize(&planned.plan).map_err(failed)?;
        let visited = plan.apply_with_subqueries(|node| {
            // A recursive query scans its own rows too, which are no table.
            if let LogicalPlan::TableScan(scan) = node
                && planned
                    .reads
                    .iter()
                    .any(|table| table == scan.table_name.table())
            {
                let columns = read.entry(scan.table_name.table().to_owned()).or_default();
                let fields = scan.projected_schema.fields().iter();
                columns.extend(fields.map(|field| field.name().clone()));
                let all = scan.source.schema();
                let filters = scan.filters.iter().flat_map(|filter| filter.column_refs());
                columns.extend(filters.map(|column| column.name.clone()));
                // Of a table whose rows are only counted no column is scanned, and rows without columns cannot be written.
                if let (true, Some(first)) = (columns.is_empty(), all.fields().first()) {
                    columns.insert(first.name().clone());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        });
        visited.map_err(failed)?;
        Ok(read)
    }

    /// All rows of a source or step, computed as a run would.
    pub(crate) async fn compute(mut self, pipeline: &Pipeline, table: &str) -> Result<Computed> {
        let spools: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.readers > 1)
            .map(|step| step.name.clone())
            .collect();
        for step in spools {
            let spooled = self.session.spool(&step, Arc::new(AtomicU64::new(0))).await;
            spooled
                .map_err(|error| Error::of_query(&format!("step `{step}`"), error))?
                .done();
        }
        let what = format!("step `{table}`");
        let failed = |error| Error::of_query(&what, error);
        let plan = self.session.plan_scan(table).await.map_err(failed)?;
        let rows = collect(&self.session, plan).await.map_err(failed)?;
        let spool = self.step(table).and_then(|step| step.dead_letters.as_ref());
        let Some(spool) = spool else {
            return Ok(Computed {
                rows,
                rejected: None,
            });
        };
        let input = match pipeline.step(table).map(|step| &step.kind) {
            Some(transom_file::StepKind::Transform(transform)) => &transform.input.value,
            _ => table,
        };
        let input = self.session.plan_scan(input).await.map_err(failed)?;
        let stream = spool.read(input.schema().as_arrow()).map_err(failed)?;
        let schema = stream.schema();
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(failed)?;
        let rejected = concat_batches(&schema, &batches);
        let rejected = rejected.map_err(|error| failed(error.into()))?;
        Ok(Computed {
            rows,
            rejected: Some(rejected),
        })
    }
}

/// All rows of a plan.
pub(crate) async fn collect(
    session: &Session,
    plan: LogicalPlan,
) -> Result<RecordBatch, DataFusionError> {
    let mut execution = session.execute(plan).await?;
    let schema = execution.schema();
    let mut batches = Vec::new();
    for stream in std::mem::take(&mut execution.streams) {
        batches.extend(stream.try_collect::<Vec<_>>().await?);
    }
    execution.done();
    Ok(concat_batches(&schema, &batches)?)
}

fn condition_problem(condition: &str, error: &DataFusionError) -> Error {
    let message = format!(
        "the condition `{condition}` is not one: {}",
        crate::plan::plan_message(error)
    );
    Problems::from(Problem::new(message)).into()
}
