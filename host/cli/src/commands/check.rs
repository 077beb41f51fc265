//! `transom check`: everything that can be known without looking at data.

use std::sync::Arc;

use serde_json::json;
use transom_pipeline::lock::Lock;
use transom_pipeline::plugins;
use transom_pipeline::report::counted;
use transom_pipeline::{Job, SessionOptions};

use crate::compilers::Compilers;
use crate::context::Context;
use crate::failure::Failure;
use crate::package::pipeline::out_of_reach;

/// Check the pipeline without touching data: keys, names, SQL, types, plugins' options.
///
/// Reads the project's own files only: the pipeline, its queries, built plugins, and `transom.lock`, which tells the sources'
/// columns. All problems are reported at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom check
  transom check --target prod
  transom check --json | jq -r '.error.problems[] | \"\\(.file):\\(.line) \\(.message)\"'")]
pub(crate) struct CheckCommand {
    /// Writes the result as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl CheckCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        for problem in out_of_reach(&pipeline) {
            context.printer.warn(format_args!(
                "{}: `transom package` refuses the target `{}`",
                problem.message, pipeline.target
            ));
        }
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let looked = plugins::look(
            &pipeline,
            &context.plugin_runtime()?,
            &Compilers,
            lock.as_ref(),
        )?;
        // Nothing runs, so nothing is gained by threads.
        let session = SessionOptions {
            partitions: 1,
            ..SessionOptions::default()
        };
        let mut job = Job::new(pipeline.clone(), Vec::new());
        job.lock = lock.clone().map(Arc::new);
        job.session = session;
        let planned = context.block_on(async { Ok(job.check(&looked).await?) })?;
        context.warn_of_unread(&planned);
        if let Some(lock) = &lock {
            for plugin in lock.changed_plugins(&looked.plugins) {
                context.printer.warn(format_args!(
                    "plugin `{plugin}` is not the one in the lock file"
                ));
            }
        }
        let (sources, steps, sinks) = (
            pipeline.sources.len(),
            pipeline.steps.len(),
            pipeline.sinks.len(),
        );
        let checks = pipeline.checks().count();
        if self.json {
            let target = &pipeline.target;
            return context.printer.json(&json!({
                "pipeline": pipeline.name, "target": target, "sources": sources, "steps": steps, "sinks": sinks,
                "checks": checks
            }));
        }
        let mut counts = vec![
            counted(sources as u64, "source"),
            counted(steps as u64, "step"),
            counted(sinks as u64, "sink"),
        ];
        if checks > 0 {
            counts.push(counted(checks as u64, "check"));
        }
        let counts = counts.join(", ");
        context.printer.say(format_args!("ok: {counts}"));
        Ok(())
    }
}
