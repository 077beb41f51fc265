//! Runs of pipelines that load only what is new: one slice after another, each in the log exactly once.
//!
//! `choose` says which files the next slice reads: what is listed, less what counts as loaded (`seen`); `comparisons` remembers which files
//! only look otherwise. `work` computes a slice and stages its results, and `buckets` has the state that transforms keep meanwhile;
//! [`transom_commit`] brings it into the log and into all sinks. `pace` says how large slices are, and `unfinished` how large one was that
//! did not come to its end. `commands` changes the log as people ask for it (a rewind, a discard), `history` reads it. `gc` deletes what is
//! not needed, `verify` compares the log with the tables, `sink` brings a table that was restored to where the log is. `others` is how runs
//! see each other, `hints` where they leave word for the next ones, and `runs` keeps what they did.

mod backfill;
mod buckets;
mod choose;
mod commands;
mod comparisons;
mod gc;
mod hints;
mod history;
mod notes;
mod others;
mod pace;
mod probe;
mod rewind;
mod runs;
mod seen;
mod sink;
mod staged;
mod unfinished;
mod verify;
mod work;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tracing::Instrument as _;
use transom_commit::{By, FolderStore, RunError, Runner, Store, Task};
use transom_connect::S3Store;
use transom_file::spec::Place;
use transom_plugin::Cancel;

pub use self::backfill::{Backfill, BackfillOptions, StagedShare};
pub use self::commands::{Command, Commanded};
pub use self::gc::{Garbage, Gc, GcOptions, Why};
pub use self::history::{Decided, History, KeptState, SinkState, SourceState};
pub use self::others::Others;
pub use self::probe::Probed;
pub use self::runs::{Amounts, KeptError, KeptRun, KeptSlice, RunOutcome};
pub use self::sink::{Behind, Replayed};
pub use self::verify::Verification;
pub use self::work::locked_schemas;
use self::work::{Slicer, Staged};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::report::RunReport;
use crate::run::{Observer, RunFailure, RunOptions};
pub use transom_connect::{Finding, Fit, Unfit};

/// How far a run goes.
#[derive(Debug, Clone, Default)]
pub struct SliceOptions {
    /// Names the run in the log; `None` for a random name.
    pub run: Option<String>,
    /// Rows of each sink to keep for showing, of the last slice.
    pub head: usize,
    /// Slices after which it ends; `None` for all that there are.
    pub max_slices: Option<u64>,
    /// When it has to be over: no slice is begun that would probably not be, and each aims at 4 % of the time until then.
    pub deadline: Option<Instant>,
    /// Ends it after the slice that it is at.
    pub after_slice: Cancel,
    /// Computes the shares of an open backfill that no process has computed; else it waits for who does.
    pub compute_shares: bool,
    /// Computes and stages one slice, and leaves it to [`Command::Load`].
    pub stage_only: bool,
    /// What it does about other runs.
    pub others: Others,
}

/// What a run of slices did.
#[derive(Debug, Clone, Serialize)]
pub struct SlicesReport {
    /// Name of the pipeline.
    pub pipeline: String,
    /// The target.
    pub target: String,
    /// Where the log lies.
    pub state: Place,
    /// The slices that this run has loaded, in order.
    pub slices: Vec<SliceReport>,
    /// Entries that others had left unfinished, and this run saw through.
    pub finished: Vec<u64>,
    /// Whether nothing is left to load, as far as it has seen.
    pub done: bool,
    /// The open backfill, if its next share is for another process to compute: nothing else is loaded until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// What [`SliceOptions::stage_only`] has staged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged: Option<StagedReport>,
}

impl SlicesReport {
    fn nothing(job: &Job) -> Self {
        Self {
            pipeline: job.pipeline.name.clone(),
            target: job.pipeline.target.clone(),
            state: job.pipeline.state.clone(),
            slices: Vec::new(),
            finished: Vec::new(),
            done: false,
            backfill: None,
            staged: None,
        }
    }
}

/// A slice that is staged and not in the log.
#[derive(Debug, Clone, Serialize)]
pub struct StagedReport {
    /// What [`Command::Load`] takes.
    pub attempt: String,
    /// What was read, computed and written.
    #[serde(flatten)]
    pub report: RunReport,
}

/// A slice that was loaded.
#[derive(Debug, Clone, Serialize)]
pub struct SliceReport {
    /// Its number in the log.
    pub entry: u64,
    /// Files of incremental sources that it has loaded.
    pub files: u64,
    /// From its plan until all sinks had it, in seconds. Those of slices that were computed at the same time overlap.
    pub seconds: f64,
    /// What was read, computed and written.
    #[serde(flatten)]
    pub report: RunReport,
}

/// Why a run of slices failed, and what it had done by then.
#[derive(Debug)]
pub struct SlicesFailure {
    /// What stopped it.
    pub error: Error,
    /// The slices that were loaded.
    pub report: SlicesReport,
    /// The slice that failed, if it was one.
    pub slice: Option<Box<RunReport>>,
}

impl SlicesFailure {
    fn new(job: &Job, error: Error) -> Box<Self> {
        Box::new(Self {
            error,
            report: SlicesReport::nothing(job),
            slice: None,
        })
    }
}

/// The store of a pipeline's log.
pub(crate) async fn open_store(job: &Job) -> Result<Arc<dyn Store>> {
    transom_connect::check_state(&job.pipeline.state).map_err(|unfit| unfit_state(job, unfit))?;
    Ok(match &job.pipeline.state {
        Place::Local(path) => Arc::new(FolderStore::new(path)),
        Place::S3(url) => Arc::new(S3Store::open(&job.aws, url).await?),
    })
}

fn unfit_state(job: &Job, unfit: Unfit) -> Error {
    Error::State {
        message: format!(
            "the state cannot be kept in `{}`: {}",
            job.pipeline.state, unfit.problem
        ),
        hint: unfit.hint,
    }
}

/// Who this process is, for the log.
pub(crate) fn by(run: Option<&str>) -> By {
    let random = || uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    By {
        run: run.map_or_else(random, str::to_owned),
        host: host.trim().to_owned(),
        pid: std::process::id(),
        transom: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

impl Job {
    /// Loads what is new, slice after slice: first what an earlier run has left unfinished, then all inputs that no slice has read yet.
    ///
    /// It can be stopped, killed or run twice at any moment: what is in the log is loaded exactly once, and the next run goes on.
    ///
    /// # Errors
    /// Whatever stops it, with what was loaded until then.
    pub async fn run_slices(
        &self,
        options: &SliceOptions,
        observer: &dyn Observer,
    ) -> Result<SlicesReport, Box<SlicesFailure>> {
        let mut report = SlicesReport::nothing(self);
        let failed = |error: Error, report: SlicesReport, slice: Option<Box<RunReport>>| {
            Box::new(SlicesFailure {
                error,
                report,
                slice,
            })
        };
        let store = match open_store(self).await {
            Ok(store) => store,
            Err(error) => return Err(failed(error, report, None)),
        };
        if let Err(unfit) = transom_connect::check_rules(&self.aws, &self.pipeline.state).await {
            return Err(failed(unfit_state(self, unfit), report, None));
        }
        let mut work = match Slicer::new(self, options, observer, &store) {
            Ok(work) => work,
            Err(error) => return Err(failed(error, report, None)),
        };
        let by = by(options.run.as_deref());
        let here = others::Runner::new(by.clone());
        let others = options.others;
        if let Err(error) = here.enter(store.as_ref(), others).await {
            return Err(failed(error, report, None));
        }
        let mut kept = KeptRun::begin(&by);
        kept.keep(store.as_ref()).await;
        let span = tracing::info_span!(
            target: "transom",
            "run",
            run = by.run,
            pipeline = self.pipeline.name
        );
        let ran = async {
            let runner = Runner::new(store.as_ref(), &mut work, by, Task::Run, None).await?;
            runner.run().await
        };
        let outcome = tokio::select! {
            outcome = Box::pin(ran.instrument(span)) => outcome.map_err(Some),
            () = self.stopped() => Err(None),
            () = here.beat(store.as_ref(), others) => unreachable!("it never ends"),
        };
        work.stop_ahead().await;
        work.end_sizes().await;
        here.leave(store.as_ref(), others).await;
        work.measure();
        report.done = work.is_done;
        report.backfill = work.backfill;
        report.staged = work.kept;
        let (staged, failure) = (work.staged, work.failure);
        let of = |slice: Staged| {
            Some(SliceReport {
                entry: slice.entry?,
                files: slice.files,
                seconds: slice.seconds,
                report: slice.report,
            })
        };
        let outcome = match outcome {
            Ok(ran) => {
                let own = ran.appended.iter();
                report.slices = staged.into_iter().filter_map(of).collect();
                // The last one was appended after the last look at the log.
                report.finished = ran
                    .applied
                    .iter()
                    .copied()
                    .filter(|seq| !own.clone().any(|own| own == seq))
                    .collect();
                Ok(report)
            }
            Err(error) => {
                let loaded = staged.into_iter();
                report.slices = loaded.filter_map(of).collect();
                let (error, slice) = match (error, failure) {
                    (None, _) => (Error::Cancelled, None),
                    (Some(RunError::Plan(_)), Some(failure)) => {
                        let RunFailure { error, report } = *failure;
                        (error, Some(Box::new(report)))
                    }
                    (Some(error), _) => (error.into(), None),
                };
                Err(failed(error, report, slice))
            }
        };
        kept.end(&outcome);
        kept.keep(store.as_ref()).await;
        outcome
    }
}

impl From<&SliceOptions> for RunOptions {
    fn from(options: &SliceOptions) -> Self {
        Self { head: options.head }
    }
}
