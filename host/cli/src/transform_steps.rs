//! What a pipeline does with the transforms of its plugins: the columns that steps give them, without computing a row.

use std::sync::Arc;

use transom_file::{Pipeline, StepKind, TransformStep};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::{Job, TransformColumns};
use transom_plugin::Plugin;

use crate::context::Context;
use crate::failure::Failure;

/// A step that uses a transform.
pub(crate) struct TransformOfStep<'p> {
    /// Name of the step.
    pub(crate) name: &'p str,
    pub(crate) step: &'p TransformStep,
    /// What the transform says to the step's input, or why the step is not planned.
    pub(crate) columns: Result<TransformColumns, String>,
}

/// The first step of each transform for which `wanted` holds. The columns of sources come from the lock file; without one their
/// files are looked at.
pub(crate) fn first_steps<'p>(
    context: &Context,
    pipeline: &'p Pipeline,
    plugins: &[Arc<Plugin>],
    wanted: impl Fn(&TransformStep) -> bool,
) -> Result<Vec<TransformOfStep<'p>>, Failure> {
    let lock = Lock::read(&Lock::path_of(pipeline))?;
    let mut found: Vec<TransformOfStep<'p>> = Vec::new();
    for step in &pipeline.steps {
        let (name, StepKind::Transform(step)) = (step.name.value.as_str(), &step.kind) else {
            continue;
        };
        let is_known = found.iter().any(|known| {
            known.step.plugin == step.plugin && known.step.transform.value == step.transform.value
        });
        if is_known || !wanted(step) {
            continue;
        }
        found.push(TransformOfStep {
            name,
            step,
            columns: Err(String::new()),
        });
    }
    context.block_on(async {
        let job = context
            .job(pipeline.clone(), plugins.to_vec(), lock)
            .await?;
        for step in &mut found {
            step.columns = columns(&job, step.name).await;
        }
        Ok(found)
    })
}

async fn columns(job: &Job, step: &str) -> Result<TransformColumns, String> {
    let sources = match job.lock {
        Some(_) => Sources::FromLock,
        None => Sources::Open,
    };
    let part = Part::of(step);
    let planned = job.plan(sources, &part);
    let planned = planned
        .await
        .map_err(|error| format!("step `{step}` cannot be planned: {error}"))?;
    planned
        .transform_columns(step)
        .ok_or_else(|| format!("step `{step}` cannot be planned"))
}
