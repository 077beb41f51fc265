//! A run: steps with several readers into spools, sinks into new versions, and everything published at the end.
//!
//! Nothing that a reader can see changes before all sinks are complete on the disk. A run that fails, is cancelled or killed
//! leaves the results of earlier runs as they were; rows that were rejected too often or fail a check are kept beside them.

mod checks;
mod failing;
mod stage;
mod summary;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::Instrument as _;
use transom_connect::{self as connect, Attempt, Sink, TableAt, publish_all};
use transom_query::{Figures, TransformMetrics};

use self::stage::Staged;
use self::watch::watched;
use crate::error::{Error, ErrorKind, RejectedReasons, Result};
use crate::job::Job;
use crate::plan::{Planned, PlannedStep};
use crate::report::{CheckReport, RunReport, SinkReport, SourceReport};
use transom_file::Pipeline;

pub use self::checks::FailedChecks;
pub(crate) use self::failing::FailingRows;

/// Follows a run. Called from the run's own task, so it must not block.
pub trait Observer: Send + Sync {
    /// A stage begins; `stage` counts from 1 to `stages`.
    fn begin(&self, stage: usize, stages: usize, what: &str);
    /// The current stage has come to so many rows.
    fn rows(&self, rows: u64);
    /// The current stage is done.
    fn end(&self, rows: u64, took: Duration);
}

/// What a run is asked for beside its plan.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Rows of each sink to keep for showing.
    pub head: usize,
}

/// Why a run failed, and what it had done by then.
#[derive(Debug)]
pub struct RunFailure {
    /// What stopped it.
    pub error: Error,
    /// What was read, computed and checked until then.
    pub report: RunReport,
}

impl RunFailure {
    /// A failure before anything was read.
    pub(crate) fn new(job: &Job, error: Error) -> Box<Self> {
        let report = RunReport::nothing(&job.pipeline);
        Box::new(Self { error, report })
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Runs a planned pipeline to the end.
///
/// # Errors
/// Whatever stops it; a mistake in a source has its file and line.
pub(crate) async fn run(
    pipeline: &Pipeline,
    planned: &mut Planned,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Result<RunReport, Box<RunFailure>> {
    let begun = Instant::now();
    let id = &uuid::Uuid::new_v4().simple().to_string()[..12];
    let failing = FailingRows::default();
    let mut run = Run::new(planned, observer, &failing, id, BTreeMap::new());
    let sources = run.source_reports();
    let span = tracing::info_span!(target: "transom", "run", run = id, pipeline = pipeline.name);
    match run.all(pipeline, options).instrument(span).await {
        Ok(tables) => Ok(run.report(pipeline, begun, sources, Some(tables))),
        Err(error) => Err(run.failed(pipeline, begun, sources, error).await),
    }
}

/// What a slice has staged.
pub(crate) struct StagedSlice {
    /// Sinks in the order of the file, then dead letters.
    pub(crate) results: Vec<(Arc<dyn Sink>, connect::Staged)>,
    /// What was read, computed and checked.
    pub(crate) report: RunReport,
}

/// Computes a planned slice and stages its results, for an entry of a log to make them visible. `attempts` says what the attempt is for
/// each sink; all have one id. `failing` is what checks have found in the slices before it.
///
/// # Errors
/// Whatever stops it. What was staged until then stays, until the log says that it cannot become visible.
pub(crate) async fn stage_slice(
    pipeline: &Pipeline,
    planned: &mut Planned,
    options: &RunOptions,
    observer: &dyn Observer,
    failing: &FailingRows,
    id: &str,
    attempts: BTreeMap<String, Attempt>,
) -> Result<StagedSlice, Box<RunFailure>> {
    let begun = Instant::now();
    let mut run = Run::new(planned, observer, failing, id, attempts);
    let sources = run.source_reports();
    match run.stage(pipeline, options).await {
        Ok((staged, (sinks, tables))) => {
            let results = staged.iter();
            let results = results.map(|part| (Arc::clone(&part.sink), part.result.clone()));
            let results = results.collect();
            let reports = staged.into_iter().map(|part| SinkReport {
                name: part.name,
                at: part.result.publish.table(),
                rows: part.result.written.rows,
                files: part.result.written.files.len(),
                bytes: part.result.written.bytes,
                rows_rejected: part.rejected,
                head: part.head,
            });
            let mut reports: Vec<SinkReport> = reports.take(tables).collect();
            let dead_letters = reports.split_off(sinks);
            let report = run.report(pipeline, begun, sources, Some((reports, dead_letters)));
            Ok(StagedSlice { results, report })
        }
        Err(error) => Err(run.failed(pipeline, begun, sources, error).await),
    }
}

struct Run<'a> {
    attempt: Attempt,
    /// What the attempt is for sinks of a log, by their names.
    attempts: BTreeMap<String, Attempt>,
    planned: &'a mut Planned,
    observer: &'a dyn Observer,
    failing: &'a FailingRows,
    stage: usize,
    stages: usize,
    operators: Duration,
    transforms: Vec<TransformMetrics>,
    check_reports: Vec<CheckReport>,
}

impl<'a> Run<'a> {
    fn new(
        planned: &'a mut Planned,
        observer: &'a dyn Observer,
        failing: &'a FailingRows,
        id: &str,
        attempts: BTreeMap<String, Attempt>,
    ) -> Self {
        Self {
            attempt: Attempt::new(id),
            attempts,
            planned,
            observer,
            failing,
            stage: 0,
            stages: 0,
            operators: Duration::ZERO,
            transforms: Vec::new(),
            check_reports: Vec::new(),
        }
    }

    async fn all(
        &mut self,
        pipeline: &Pipeline,
        options: &RunOptions,
    ) -> Result<(Vec<SinkReport>, Vec<SinkReport>)> {
        let (staged, (sinks, tables)) = self.stage(pipeline, options).await?;
        self.publish(staged, sinks, tables).await
    }

    /// The failure of a run, with what it did until then.
    async fn failed(
        self,
        pipeline: &Pipeline,
        begun: Instant,
        sources: Vec<SourceReport>,
        error: Error,
    ) -> Box<RunFailure> {
        let error = self.explain(pipeline, error).await;
        if let Error::TooManyRejected { step, .. } = &error {
            self.keep_failed(pipeline, step).await;
        }
        let report = self.report(pipeline, begun, sources, None);
        Box::new(RunFailure { error, report })
    }

    /// What the attempt is for a sink.
    fn attempt_of(&self, sink: &str) -> &Attempt {
        self.attempts.get(sink).unwrap_or(&self.attempt)
    }

    /// Computes and stages everything: sinks, dead letters and, where a run makes them visible, the rows that fail checks. Gives how many
    /// sinks there are, and how many tables with the dead letters.
    async fn stage(
        &mut self,
        pipeline: &Pipeline,
        options: &RunOptions,
    ) -> Result<(Vec<Staged>, (usize, usize))> {
        // A step with one reader is part of that reader's plan, unless it keeps state; a step without a reader does not run, of which
        // callers warn.
        let spools: Vec<String> = self
            .planned
            .steps
            .iter()
            .filter(|step| step.is_spooled())
            .map(|step| step.name.clone())
            .collect();
        let checking = usize::from(!self.planned.checks.is_empty());
        self.stages = spools.len() + checking + self.planned.sinks.len();
        for step in &spools {
            let span = tracing::info_span!(target: "transom", "step", step);
            let spooled = self.spool(step).instrument(span).await;
            spooled.map_err(|error| self.with_steps(error, self.planned.reads(step)))?;
        }
        let (reports, failing_rows) = self.checks(pipeline).await?;
        self.check_reports = reports;
        let mut staged = Vec::new();
        let counts = self.stage_all(pipeline, options, &mut staged).await;
        staged.extend(failing_rows);
        match counts {
            Ok(counts) => Ok((staged, counts)),
            Err(error) => {
                Staged::abandon(&staged).await;
                Err(error)
            }
        }
    }

    /// Stages all sinks, then all dead letters. Gives how many sinks and how many tables there are.
    async fn stage_all(
        &mut self,
        pipeline: &Pipeline,
        options: &RunOptions,
        staged: &mut Vec<Staged>,
    ) -> Result<(usize, usize)> {
        for sink in self.planned.sinks.clone() {
            let from = sink.from.clone();
            let span = tracing::info_span!(target: "transom", "sink", sink = sink.sink.name());
            let written = self.sink(sink, options).instrument(span).await;
            staged.push(written.map_err(|error| self.with_steps(error, &[from]))?);
        }
        let sinks = staged.len();
        self.dead_letters(pipeline, staged).await?;
        match self.planned.cancel.is_cancelled() {
            true => Err(Error::Cancelled),
            false => Ok((sinks, staged.len())),
        }
    }

    /// Makes everything visible. Of what was staged the first `tables` are reported here, sinks first.
    async fn publish(
        &self,
        staged: Vec<Staged>,
        sinks: usize,
        tables: usize,
    ) -> Result<(Vec<SinkReport>, Vec<SinkReport>)> {
        let parts = staged.into_iter();
        let parts = parts.map(|part| ((part.name, part.head), (part.sink, part.result)));
        let (shown, results): (Vec<_>, Vec<_>) = parts.unzip();
        let applied = publish_all(&results).await?;
        let mut reports = Vec::new();
        for (((name, head), (_, result)), applied) in shown.into_iter().zip(&results).zip(applied) {
            reports.push(SinkReport {
                name,
                at: TableAt::Path(applied.table),
                rows: result.written.rows,
                files: result.written.files.len(),
                bytes: result.written.bytes,
                // Of tables in Redshift alone, which a log publishes.
                rows_rejected: None,
                head,
            });
        }
        // Rows that fail a check are reported with the check.
        reports.truncate(tables);
        let dead_letters = reports.split_off(sinks);
        Ok((reports, dead_letters))
    }

    /// Runs a step that several others read, once.
    async fn spool(&mut self, step: &str) -> Result<()> {
        let rows = Arc::new(AtomicU64::new(0));
        let begun = self.begin(&format!("step {step}"));
        let cancel = self.planned.cancel.clone();
        let spooling = self.planned.session.spool(step, Arc::clone(&rows));
        let execution = watched(
            spooling,
            || rows.load(Ordering::Relaxed),
            self.observer,
            &cancel,
        )
        .await?;
        let execution =
            execution.map_err(|error| Error::of_query(&format!("step `{step}`"), error))?;
        self.add(execution.done())?;
        self.observer
            .end(rows.load(Ordering::Relaxed), begun.elapsed());
        Ok(())
    }

    /// Names the steps that a failed query was part of, since DataFusion does not say where in a plan it failed: those that
    /// `tables` are and read, unless they had been spooled.
    fn with_steps(&self, error: Error, tables: &[String]) -> Error {
        let Error::Query { what, source } = error else {
            return error;
        };
        let mut names = Vec::new();
        let mut open = tables.to_vec();
        while let Some(table) = open.pop() {
            if let Some(step) = self.planned.step(&table).filter(|step| !step.is_spooled()) {
                names.push(format!("`{table}`"));
                open.extend(step.reads.iter().cloned());
            }
        }
        let what = match names.as_slice() {
            [] => what,
            [one] => format!("{what} with step {one}"),
            many => format!("{what} with steps {}", many.join(", ")),
        };
        Error::Query { what, source }
    }

    fn begin(&mut self, what: &str) -> Instant {
        self.stage += 1;
        self.observer.begin(self.stage, self.stages, what);
        Instant::now()
    }

    /// Takes in what a plan counted that has come to its end.
    fn add(&mut self, figures: Figures) -> Result<()> {
        self.operators += figures.operators;
        for transform in figures.transforms {
            if let Some(step) = self.planned.step(&transform.step) {
                check_rejects(step, &transform)?;
            }
            self.transforms.push(transform);
        }
        Ok(())
    }

    /// The cause of a failed run, as near to the user's data as is known.
    async fn explain(&self, pipeline: &Pipeline, mut error: Error) -> Error {
        if let Error::TooManyRejected {
            step,
            rejected,
            source,
            ..
        } = &mut error
            && let Some((counted, reasons)) = self.reasons_of(step)
        {
            // Other partitions may have rejected more since the limit was passed: what is reported belongs together.
            *rejected = counted;
            *source = Some(reasons);
        }
        let cancelled = self.planned.cancel.is_cancelled();
        match error {
            error if cancelled && error.kind() == ErrorKind::Cancelled => Error::Cancelled,
            error @ (Error::Plugin { .. } | Error::Rows { .. }) => {
                let cancel = &self.planned.cancel;
                let locating = self.planned.located(pipeline, error);
                match watched(locating, || 0, self.observer, cancel).await {
                    Ok(error) | Err(error) => error,
                }
            }
            other => other,
        }
    }

    /// How many rows a step rejected so far and why, if it keeps them.
    fn reasons_of(&self, step: &str) -> Option<(u64, RejectedReasons)> {
        let letters = self.planned.step(step)?.dead_letters.as_ref()?;
        let (reasons, others) = letters.reasons()?;
        let rows = reasons.iter().map(|(rows, _)| rows).sum::<u64>() + others;
        Some((rows, RejectedReasons::Counted { reasons, others }))
    }
}

/// Whether a step rejected no more rows than it may. A share is judged when all rows are known; a number of rows is also by the
/// operator, which ends the run as soon as it is passed.
fn check_rejects(step: &PlannedStep, counted: &TransformMetrics) -> Result<()> {
    let (rejected, given) = (counted.rejected_rows as u64, counted.input_rows as u64);
    match step.max_rejects {
        Some(limit) if !limit.allows(rejected, given) => Err(Error::TooManyRejected {
            step: step.name.clone(),
            limit,
            rejected,
            given,
            source: None,
        }),
        _ => Ok(()),
    }
}
