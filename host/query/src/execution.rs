//! A plan while it runs: its streams, what its operators counted, and its end when its streams are dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use transom_plugin::Cancel;

use crate::transform::{TransformExec, TransformMetrics};

/// A running plan. Dropping it before it is [`Execution::done`] cancels the session.
pub struct Execution {
    plan: Arc<dyn ExecutionPlan>,
    /// One stream a partition; take them out to read them.
    pub streams: Vec<SendableRecordBatchStream>,
    _stop: StopOnDrop,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Execution {
    /// `plan`, whose partitions `streams` give; `cancel` ends all that it waits for.
    pub(crate) fn new(
        plan: Arc<dyn ExecutionPlan>,
        streams: Vec<SendableRecordBatchStream>,
        cancel: Cancel,
    ) -> Self {
        Self {
            plan,
            streams,
            _stop: StopOnDrop(cancel),
        }
    }

    /// Schema of every stream.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The operators, for EXPLAIN ANALYZE and progress.
    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// Says that the streams were read to their end, so that nothing is left to cancel; gives the plan's figures.
    pub fn done(mut self) -> Figures {
        self._stop.0 = Cancel::new();
        self.figures()
    }

    /// The figures so far.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        collect(&self.plan, &mut figures);
        figures
    }
}

/// What the operators of a plan counted.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The transforms.
    pub transforms: Vec<TransformMetrics>,
    /// Time in operators, summed over partitions; functions are part of the operator that calls them, transforms are not.
    pub operators: Duration,
}

fn collect(plan: &Arc<dyn ExecutionPlan>, figures: &mut Figures) {
    plan.children()
        .into_iter()
        .for_each(|child| collect(child, figures));
    if let Some(transform) = plan.downcast_ref::<TransformExec>() {
        figures.transforms.push(transform.figures());
        return;
    }
    let Some(metrics) = plan.metrics() else {
        return;
    };
    figures.operators += Duration::from_nanos(metrics.elapsed_compute().unwrap_or(0) as u64);
}

/// A plan whose streams are dropped must not leave a guest computing.
#[derive(Debug)]
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
