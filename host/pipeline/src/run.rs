//! A run: steps with several readers into spools, sinks into new versions, and everything published at the end.
//!
//! Nothing that a reader can see changes before all sinks are complete on the disk. A run that fails, is cancelled or killed
//! leaves the results of earlier runs as they were; rows that were rejected too often or fail a check are kept beside them.

mod checks;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use transom_connect::{FileSink, PreparedSink, SinkError, WriteProgress, Written, publish_all};
use transom_file::spec::Unknown;
use transom_plugin::Cancel;
use transom_query::{Figures, TransformMetrics};

use crate::dead_letters::{self, DeadLetterSpool};
use crate::error::{Error, ErrorKind, RejectedReasons, Result};
use crate::plan::{Planned, PlannedSink, PlannedSource, PlannedStep};
use crate::report::{
    CheckReport, FailureReport, PluginReport, RunReport, SinkReport, SourceReport, TimeReport,
    TransformReport,
};
use transom_file::{Pipeline, StepKind};

pub use self::checks::FailedChecks;

/// How often a running stage says how far it is.
const PULSE: Duration = Duration::from_millis(100);

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

/// Runs a planned pipeline to the end.
///
/// # Errors
/// Whatever stops it; a mistake in a source has its file and line.
pub async fn run(
    pipeline: &Pipeline,
    planned: Planned,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Result<RunReport> {
    let begun = Instant::now();
    let mut run = Run {
        id: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(),
        planned,
        observer,
        stage: 0,
        stages: 0,
        operators: Duration::ZERO,
        rows_read: 0,
        transforms: Vec::new(),
        check_reports: Vec::new(),
    };
    let sources = run.source_reports();
    match run.all(pipeline, options).await {
        Ok((sinks, dead_letters)) => Ok(run.report(pipeline, begun, sources, sinks, dead_letters)),
        Err(error) => {
            let error = run.explain(pipeline, error).await;
            if let Error::TooManyRejected { step, .. } = &error {
                run.keep_failed(pipeline, step).await;
            }
            Err(error)
        }
    }
}

struct Run<'a> {
    id: String,
    planned: Planned,
    observer: &'a dyn Observer,
    stage: usize,
    stages: usize,
    operators: Duration,
    rows_read: u64,
    transforms: Vec<TransformMetrics>,
    check_reports: Vec<CheckReport>,
}

/// A sink that is complete on the disk and not yet published.
struct Staged {
    name: String,
    prepared: PreparedSink,
    head: Vec<RecordBatch>,
}

impl Run<'_> {
    async fn all(
        &mut self,
        pipeline: &Pipeline,
        options: &RunOptions,
    ) -> Result<(Vec<SinkReport>, Vec<SinkReport>)> {
        // A step with one reader is part of that reader's plan; a step without a reader does not run, of which callers warn.
        let spools: Vec<String> = self
            .planned
            .steps
            .iter()
            .filter(|step| step.readers > 1)
            .map(|step| step.name.clone())
            .collect();
        let checking = usize::from(!self.planned.checks.is_empty());
        self.stages = spools.len() + checking + self.planned.sinks.len();
        for step in &spools {
            let spooled = self.spool(step).await;
            spooled.map_err(|error| self.with_steps(error, self.planned.reads(step)))?;
        }
        let (reports, failing_rows) = self.checks(pipeline).await?;
        self.check_reports = reports;
        let mut staged = Vec::new();
        for sink in std::mem::take(&mut self.planned.sinks) {
            let from = sink.from.clone();
            let written = self.sink(sink, options).await;
            staged.push(written.map_err(|error| self.with_steps(error, &[from]))?);
        }
        let sinks = staged.len();
        staged.extend(self.dead_letters(pipeline).await?);
        let tables = staged.len();
        staged.extend(failing_rows);
        let mut reports = Vec::new();
        let mut prepared = Vec::new();
        for Staged {
            name,
            prepared: sink,
            head,
        } in staged
        {
            let Written { rows, bytes, files } = sink.written().clone();
            reports.push(SinkReport {
                name,
                path: Default::default(),
                rows,
                files: files.len(),
                bytes,
                head,
            });
            prepared.push(sink);
        }
        if self.planned.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        for (report, committed) in reports.iter_mut().zip(publish_all(prepared).await?) {
            report.path = committed.path;
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

    async fn sink(&mut self, sink: PlannedSink, options: &RunOptions) -> Result<Staged> {
        let PlannedSink { sink, from } = sink;
        let what = format!("sink `{}`", sink.name);
        let begun = self.begin(&format!("sink {}", sink.name));
        let failed = |error| Error::of_query(&what, error);
        // The sink is taken first: a table that another run is writing, or that is not ours, costs no computing.
        let staged = sink.begin(&self.id)?;
        let plan = self
            .planned
            .session
            .plan_scan(&from)
            .await
            .map_err(failed)?;
        let session = &self.planned.session;
        let execution = session.execute_by_keys(plan, &sink.partition_by).await;
        let mut execution = execution.map_err(failed)?;
        let head = Arc::new(Mutex::new(Vec::new()));
        let streams = std::mem::take(&mut execution.streams);
        let streams = streams
            .into_iter()
            .map(|stream| keep_head(stream, options.head, &head))
            .collect();
        let progress = Arc::new(WriteProgress::default());
        let cancel = &self.planned.cancel;
        let written = watched(
            staged.write_all(streams, &progress),
            || progress.rows(),
            self.observer,
            cancel,
        )
        .await?;
        let written = written.map_err(|error| sink_error(&what, error))?;
        self.add(execution.done())?;
        let prepared = staged.prepare().await?;
        self.observer.end(written.rows, begun.elapsed());
        let head = std::mem::take(&mut *head.lock());
        Ok(Staged {
            name: sink.name,
            prepared,
            head,
        })
    }

    /// A table for each step that keeps rejected rows, also if there are none: the last run's must not stay.
    async fn dead_letters(&self, pipeline: &Pipeline) -> Result<Vec<Staged>> {
        let mut staged = Vec::new();
        for spool in self
            .planned
            .steps
            .iter()
            // A step that did not run rejected nothing: what its last run rejected stays.
            .filter(|step| step.readers > 0)
            .filter_map(|step| step.dead_letters.as_ref())
        {
            let path = pipeline.dead_letters.join(spool.step());
            staged.push(self.stage(pipeline, spool, path).await?);
        }
        Ok(staged)
    }

    /// Publishes the dead letters of a step that rejected too many, beside those of the last run that went well: who fixes the
    /// data needs to see them. The run has failed already, so that nothing becomes of a mistake here but a warning.
    async fn keep_failed(&self, pipeline: &Pipeline, step: &str) {
        let spool = self.planned.step(step);
        let Some(spool) = spool.and_then(|step| step.dead_letters.as_ref()) else {
            return;
        };
        let path = pipeline.dead_letters.join(dead_letters::failed(step));
        let kept = async {
            let staged = self.stage(pipeline, spool, path).await?;
            Ok::<_, Error>(staged.prepared.publish().await?)
        };
        if let Err(error) = kept.await {
            tracing::warn!(target: "transom", "the rows that step `{step}` rejected are not kept: {error}");
        }
    }

    /// The table of a step's rejected rows, complete on the disk.
    async fn stage(
        &self,
        pipeline: &Pipeline,
        spool: &DeadLetterSpool,
        path: PathBuf,
    ) -> Result<Staged> {
        let what = format!("dead letters of step `{}`", spool.step());
        let input = self.input_of(pipeline, spool.step());
        let stream = spool
            .read(&input)
            .map_err(|error| Error::of_query(&what, error))?;
        let name = format!("dead letters of {}", spool.step());
        let staged = self.stage_table(&name, path, stream).await?;
        tracing::debug!(step = spool.step(), rows = spool.rows(), "dead letters");
        Ok(Staged {
            name: spool.step().to_owned(),
            ..staged
        })
    }

    /// A Parquet table of these rows, complete on the disk.
    async fn stage_table(
        &self,
        name: &str,
        path: PathBuf,
        stream: SendableRecordBatchStream,
    ) -> Result<Staged> {
        let sink = FileSink {
            name: name.to_owned(),
            path,
            format: transom_file::spec::SinkFormat::Parquet {
                compression: transom_file::spec::Compression::Zstd,
            },
            partition_by: vec![],
            limits: transom_connect::SinkLimits::default(),
        };
        let writing = sink.begin(&self.id)?;
        let progress = Arc::new(WriteProgress::default());
        let written = watched(
            writing.write(0, stream, &progress),
            || progress.rows(),
            self.observer,
            &self.planned.cancel,
        )
        .await?;
        written.map_err(|error| sink_error(name, error))?;
        Ok(Staged {
            name: name.to_owned(),
            prepared: writing.prepare().await?,
            head: vec![],
        })
    }

    fn input_of(&self, pipeline: &Pipeline, step: &str) -> Schema {
        let input = match pipeline.step(step).map(|step| &step.kind) {
            Some(StepKind::Transform(transform)) => transform.input.value.as_str(),
            _ => return Schema::empty(),
        };
        let source = self
            .planned
            .sources
            .iter()
            .find(|planned| planned.source.name() == input);
        match (source, self.planned.step(input)) {
            (Some(source), _) => source.schema.as_ref().clone(),
            (_, Some(step)) => Schema::new(step.plan.schema().fields().to_vec()),
            _ => Schema::empty(),
        }
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
            if let Some(step) = self.planned.step(&table).filter(|step| step.readers == 1) {
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
        self.rows_read += figures.rows_read;
        for transform in figures.transforms {
            if let Some(step) = self.planned.step(&transform.step) {
                check_rejects(step, &transform)?;
            }
            self.transforms.push(transform);
        }
        Ok(())
    }

    fn source_reports(&self) -> Vec<SourceReport> {
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

    fn report(
        self,
        pipeline: &Pipeline,
        begun: Instant,
        mut sources: Vec<SourceReport>,
        sinks: Vec<SinkReport>,
        dead_letters: Vec<SinkReport>,
    ) -> RunReport {
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
        let text_rows: u64 = self
            .planned
            .sources
            .iter()
            .map(|planned| planned.source.read().rows())
            .sum();
        RunReport {
            rows_read: self.rows_read + text_rows,
            counters: self.planned.session.counters(),
            function_failures: failures.collect(),
            pipeline: pipeline.name.clone(),
            target: pipeline.target.clone(),
            run: self.id,
            plugins: self
                .planned
                .session
                .plugins()
                .map(PluginReport::of)
                .collect(),
            sources,
            rows_rejected: transforms
                .iter()
                .map(|transform| transform.rows_rejected)
                .sum(),
            transforms,
            sinks,
            dead_letters,
            checks: self.check_reports,
            time: TimeReport::new(begun.elapsed(), plugins, border, sql),
        }
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

/// Lets the observer know at every pulse how far `work` is, and gives it up when the run is cancelled.
async fn watched<T>(
    work: impl Future<Output = T>,
    rows: impl Fn() -> u64,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<T> {
    let mut pulse = tokio::time::interval(PULSE);
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            _ = pulse.tick() => {
                // Guests stop by themselves; operators stop when their streams are dropped.
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                observer.rows(rows());
            }
        }
    }
}

/// Copies the first `rows` rows of all streams together into `head` as they pass.
fn keep_head(
    stream: SendableRecordBatchStream,
    rows: usize,
    head: &Arc<Mutex<Vec<RecordBatch>>>,
) -> SendableRecordBatchStream {
    if rows == 0 {
        return stream;
    }
    let head = Arc::clone(head);
    let schema = stream.schema();
    let stream = stream.inspect(move |batch| {
        let Ok(batch) = batch else { return };
        let mut head = head.lock();
        let kept: usize = head.iter().map(RecordBatch::num_rows).sum();
        if kept < rows && batch.num_rows() > 0 {
            head.push(batch.slice(0, batch.num_rows().min(rows - kept)));
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// A sink that failed because its input did: the input's error is the one to tell.
fn sink_error(what: &str, error: SinkError) -> Error {
    match error {
        SinkError::Input { source, .. } => Error::of_query(what, source),
        other => other.into(),
    }
}
