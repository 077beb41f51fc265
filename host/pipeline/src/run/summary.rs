//! What a run did, from what its parts counted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use transom_file::Pipeline;
use transom_file::spec::Unknown;
use transom_query::TransformMetrics;

use super::Run;
use crate::plan::PlannedSource;
use crate::report::{
    FailureReport, Outcome, PluginReport, RunReport, SinkReport, SourceReport, TimeReport,
    TransformReport,
};

impl Run<'_> {
    pub(super) fn source_reports(&self) -> Vec<SourceReport> {
        let sources = self.planned.sources.iter();
        let report = |planned: &PlannedSource| SourceReport {
            name: planned.source.name().to_owned(),
            files: planned.inputs.pieces.len(),
            bytes: planned.inputs.bytes(),
            files_passed_over: planned.inputs.passed_over,
            // Known when the run has ended.
            unknown: BTreeMap::new(),
            warn_of_unknown: planned.unknown == Unknown::Warn,
        };
        sources.map(report).collect()
    }

    pub(super) fn report(
        self,
        pipeline: &Pipeline,
        begun: Instant,
        mut sources: Vec<SourceReport>,
        published: Option<(Vec<SinkReport>, Vec<SinkReport>)>,
    ) -> RunReport {
        let outcome = match published {
            Some(_) => Outcome::Published,
            None => Outcome::Failed,
        };
        let (sinks, dead_letters) = published.unwrap_or_default();
        for (report, planned) in sources.iter_mut().zip(&self.planned.sources) {
            report.unknown = planned.source.read().unknown();
        }
        let functions = self.planned.session.function_timing();
        let functions_border = functions.lowering + functions.lifting;
        let transforms = |part: fn(&TransformMetrics) -> Duration| {
            self.transforms.iter().map(part).sum::<Duration>()
        };
        let plugins = functions.guest + transforms(|transform| transform.guest);
        let border =
            functions_border + transforms(|transform| transform.lowering + transform.lifting);
        // Functions run inside of the operators that call them.
        let sql = self
            .operators
            .saturating_sub(functions.guest + functions_border);
        let transforms: Vec<TransformReport> = self
            .transforms
            .iter()
            .map(|transform| TransformReport {
                step: transform.step.clone(),
                rows_in: transform.input_rows as u64,
                rows_out: transform.output_rows as u64,
                rows_rejected: transform.rejected_rows as u64,
            })
            .collect();
        let failures = self.planned.session.failures().into_iter();
        let failures = failures.map(|(function, failures)| FailureReport {
            function,
            count: failures.count,
            reason: failures.reason,
        });
        let sources_read = self.planned.sources.iter();
        let rows_read = sources_read.map(|planned| planned.source.read().rows());
        let by_transforms = transforms.iter().map(|transform| transform.rows_rejected);
        let rejected = self.planned.sinks.iter().map(|sink| sink.rejected.as_ref());
        let by_sinks = rejected.flatten().map(|rejected| rejected.rows());
        RunReport {
            outcome,
            rows_read: rows_read.sum(),
            counters: self.planned.session.counters(),
            function_failures: failures.collect(),
            pipeline: pipeline.name.clone(),
            target: pipeline.target.clone(),
            run: self.attempt.id,
            plugins: self
                .planned
                .session
                .plugins()
                .map(PluginReport::of)
                .collect(),
            sources,
            rows_rejected: by_transforms.sum::<u64>() + by_sinks.sum::<u64>(),
            transforms,
            sinks,
            dead_letters,
            checks: self.check_reports,
            time: TimeReport::new(begun.elapsed(), plugins, border, sql),
        }
    }
}
