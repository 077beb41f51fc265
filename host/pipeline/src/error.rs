//! What can go wrong with a pipeline, sorted by what the user can do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use tokio::task::JoinError;
use transom_commit::{LogError, RunError, StoreError, StoreErrorKind};
use transom_connect::{S3Error, SinkError, SourceError};
use transom_query::{CallError, FailedRow, NoScratch, RowsFailed, StateRefused, TooManyRejected};
use transom_sql::{ValueError, ValueErrorKind};

use crate::builder::BuildFailure;
use crate::rejects::reasons::short;
use crate::report::{CheckReport, Count, counted};
use crate::run::FailedChecks;
use transom_file::{MaxRejects, Percent, Problems};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pipeline could not be checked, planned or run. The results of earlier runs are as they were, unless the message says that
/// something is published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipeline's own files are wrong, or its sources cannot be read as they say; nothing was run.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// A plugin's folder could not be made into a component.
    #[error("plugin `{plugin}` could not be built")]
    Build {
        /// Name of the plugin.
        plugin: String,
        /// Why.
        #[source]
        source: BuildFailure,
    },
    /// A plugin failed.
    #[error("{what}")]
    Plugin {
        /// What was being done.
        what: String,
        /// What the plugin or its host said.
        #[source]
        source: Arc<transom_plugin::Error>,
        /// The row that the plugin was at, where it says so.
        row: Option<FailedRow>,
    },
    /// A plugin does not go on from the state that another version of it has saved.
    #[error(transparent)]
    StateRefused(Box<StateRefused>),
    /// A source cannot be read.
    #[error(transparent)]
    Source(Arc<SourceError>),
    /// A share of a backfill cannot be computed any more.
    #[error(
        "share {share} of backfill {backfill} cannot be computed: its files are not those of the plan any more"
    )]
    Share {
        /// The entry that opened the backfill.
        backfill: u64,
        /// Which of its shares, from 0.
        share: u32,
        /// Which file.
        #[source]
        source: Arc<SourceError>,
    },
    /// A sink cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// S3 refuses.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// A query failed on its data.
    #[error("{what} failed")]
    Query {
        /// The step or sink.
        what: String,
        /// What DataFusion said.
        #[source]
        source: DataFusionError,
    },
    /// A plugin did not take rows, and the pipeline says that it must.
    #[error("{what} failed")]
    Rows {
        /// The step or sink.
        what: String,
        /// Who did not take which rows, and why.
        #[source]
        source: Box<RowsFailed>,
    },
    /// A step rejected more rows than it may.
    #[error("step `{step}` rejected {}, and its `max_rejects` is {limit}", share(*.rejected, *.given, *.limit))]
    TooManyRejected {
        /// Name of the step.
        step: String,
        /// What it may reject.
        limit: MaxRejects,
        /// Rows that it rejected; with a number as the limit, until that was passed.
        rejected: u64,
        /// Rows that it was given until then.
        given: u64,
        /// Why they were rejected, where that is known.
        #[source]
        source: Option<RejectedReasons>,
    },
    /// Rows do not meet the checks of their tables.
    #[error("{} of {} failed", .0.errors().count(), counted(.0.0.len() as u64, "check"))]
    Checks(#[source] FailedChecks),
    /// The dead letters of a step are not what this version writes.
    #[error(
        "the dead letters of step `{step}` lack the column `{column}`: another version of Transom wrote them"
    )]
    DeadLetters {
        /// Name of the step.
        step: String,
        /// The column that is missing or of another type.
        column: String,
    },
    /// The lock file is not usable.
    #[error("{message}")]
    Lock {
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The next slice cannot be read without losing or doubling rows.
    #[error("{message}")]
    Slice {
        /// Which source, and why.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// What is kept of earlier slices is not usable.
    #[error("{message}")]
    State {
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The folder of what was loaded cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A slice could not be brought into the log or into all sinks.
    #[error(transparent)]
    Commit(#[from] Box<RunError>),
    /// What lies beside the table of a sink cannot be listed or deleted.
    #[error("what sink `{sink}` keeps beside its table cannot be listed or deleted")]
    Aside {
        /// Name of the sink.
        sink: String,
        /// Why.
        #[source]
        source: transom_commit::SinkError,
    },
    /// Another run works on the pipeline.
    #[error("another run works on this pipeline: run {run} on {host}, process {pid}, since {}", since.format("%Y-%m-%d %H:%M:%S UTC"))]
    Busy {
        /// The run.
        run: String,
        /// The machine.
        host: String,
        /// The process on it.
        pid: u32,
        /// When it began.
        since: chrono::DateTime<chrono::Utc>,
    },
    /// The user stopped the run.
    #[error("the run was cancelled; the results of earlier runs are as they were")]
    Cancelled,
    /// A file of the program itself could not be read or written.
    #[error("{what}")]
    Io {
        /// What was being done with which file.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What callers act on: the exit code and whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The pipeline's files or the command line are wrong.
    Pipeline,
    /// The data, or the disk it lies on.
    Data,
    /// A plugin's mistake.
    Plugin,
    /// A service does not let this identity do it.
    Refused,
    /// Trying again may help.
    Retryable,
    /// The user stopped the run.
    Cancelled,
}

impl ErrorKind {
    /// Its name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Data => "data",
            Self::Plugin => "plugin",
            Self::Refused => "refused",
            Self::Retryable => "retryable",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a run has too little of where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Memory for queries and plugins.
    Memory,
    /// Space for temporary files in this folder, or the folder.
    Temporary(PathBuf),
}

impl Error {
    /// What the run has too little of, if that has ended it.
    pub fn lack(&self) -> Option<Lack> {
        match self {
            Self::Plugin { source, .. } if source.is_out_of_shared_memory() => Some(Lack::Memory),
            Self::Query { source, .. } => {
                if let Some(folder) = scratch_folder(source) {
                    return Some(Lack::Temporary(folder));
                }
                let is_exhausted =
                    matches!(source.find_root(), DataFusionError::ResourcesExhausted(_));
                let is_too_much = ValueError::find(source)
                    .is_some_and(|value| value.kind == ValueErrorKind::Memory);
                (is_exhausted || is_too_much).then_some(Lack::Memory)
            }
            _ => None,
        }
    }

    /// Whether a task has panicked, which is an error of Transom itself, whatever the task was at.
    pub fn is_panic(&self) -> bool {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            let joined = error.downcast_ref::<JoinError>();
            if joined.is_some_and(JoinError::is_panic) {
                return true;
            }
            source = error.source();
        }
        false
    }

    /// What callers act on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Problems(problems) if problems.0.iter().all(|problem| problem.in_data) => {
                ErrorKind::Data
            }
            Self::Problems(_) | Self::Lock { .. } => ErrorKind::Pipeline,
            Self::Build { .. } => ErrorKind::Plugin,
            Self::Plugin { source, .. } => kind_of_plugin(source),
            Self::StateRefused(refused) => kind_of_plugin(&refused.source),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Busy { .. } => ErrorKind::Retryable,
            Self::Source(source) => kind_of_place(source.kind()),
            Self::Sink(sink) => kind_of_place(sink.kind()),
            Self::S3(error) => kind_of_place(error.kind().into()),
            Self::Store(error) => kind_of_store(error),
            Self::Commit(error) => kind_of_commit(error),
            Self::Slice { .. } | Self::State { .. } => ErrorKind::Data,
            Self::Share { .. }
            | Self::Query { .. }
            | Self::Rows { .. }
            | Self::TooManyRejected { .. }
            | Self::Checks(_)
            | Self::DeadLetters { .. }
            | Self::Aside { .. }
            | Self::Io { .. } => ErrorKind::Data,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint_with("nothing was published")
    }

    /// The same if it has ended a slice: those before it are published.
    pub fn hint_of_slice(&self) -> Option<String> {
        self.hint_with("nothing of this slice was published")
    }

    fn hint_with(&self, unpublished: &str) -> Option<String> {
        if let Some(Lack::Temporary(folder)) = self.lack() {
            return Some(format!(
                "temporary files go to `{}`; free some space there, or name another folder with the variable TMPDIR",
                folder.display()
            ));
        }
        match self {
            Self::Build { source, .. } => source.hint.clone(),
            Self::Plugin { source, .. } => source.hint(),
            Self::Source(source) => source.hint(),
            Self::Share { .. } => Some(
                "trying again cannot help: close the backfill with `transom backfill end`, and plan it again".to_owned(),
            ),
            Self::Sink(source) => source.hint(),
            Self::S3(error) => error.hint(),
            Self::Lock { hint, .. } | Self::Slice { hint, .. } => Some(hint.clone()),
            Self::State { hint, .. } => hint.clone(),
            Self::StateRefused(refused) => Some(format!(
                "run with version {} of the plugin again; or let its `restore` accept what that version saved; or begin anew: `transom reset --yes`, and the next run loads everything again",
                refused.saved.version
            )),
            Self::Busy { .. } => Some(
                "wait for it; `--force` goes on beside it, which is safe, and computes the same twice"
                    .to_owned(),
            ),
            Self::Commit(error) => hint_of_commit(error),
            Self::Checks(_) => Some(format!(
                "{unpublished}; fix the data or the step, or give the check `severity: warn`"
            )),
            Self::DeadLetters { .. } => {
                Some("run the pipeline again: it writes all of them".to_owned())
            }
            Self::TooManyRejected { source, .. } => {
                let hint = format!(
                    "{unpublished}; fix the data or the transform, or raise `max_rejects` of the step"
                );
                Some(match source {
                    Some(RejectedReasons::Counted { .. }) => {
                        format!("{hint}; `transom reject list --failed` shows the rows")
                    }
                    _ => hint,
                })
            }
            Self::Query { source, .. }
                if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)) =>
            {
                Some("give the run more memory with `--memory`".to_owned())
            }
            Self::Query { source, .. } => ValueError::find(source).and_then(|value| value.hint.clone()),
            _ => None,
        }
    }

    /// What the checks found, if it is them that failed.
    pub fn checks(&self) -> Option<&[CheckReport]> {
        match self {
            Self::Checks(failed) => Some(&failed.0),
            _ => None,
        }
    }

    /// The row that a plugin failed on, as it was given to the plugin. It is shown on request only.
    pub fn row(&self) -> Option<&RecordBatch> {
        let row = match self {
            Self::Plugin { row, .. } => row,
            Self::Rows { source, .. } => &source.row,
            _ => return None,
        };
        row.as_ref().map(FailedRow::values)
    }

    /// The error of a plan that was running for `what`: a plugin's if one is at the bottom of it.
    pub(crate) fn of_query(what: &str, error: DataFusionError) -> Self {
        if let Some(call) = source_of::<CallError>(&error) {
            return Self::Plugin {
                what: call.to_string(),
                source: Arc::clone(&call.source),
                row: call.row.clone(),
            };
        }
        if let Some(refused) = source_of::<StateRefused>(&error) {
            return Self::StateRefused(Box::new(refused.clone()));
        }
        if let Some(passed) = source_of::<TooManyRejected>(&error) {
            return passed.clone().into();
        }
        if let Some(placed) = source_of::<Arc<SourceError>>(&error) {
            return Self::Source(Arc::clone(placed));
        }
        let what = what.to_owned();
        if let Some(value) = ValueError::find(&error) {
            return Self::Query {
                what,
                source: value.clone().into(),
            };
        }
        if let Some(rows) = source_of::<RowsFailed>(&error) {
            return Self::Rows {
                what,
                source: Box::new(rows.clone()),
            };
        }
        let source = match ValueError::of_internal(&error) {
            Some(internal) => internal.into(),
            None => readable(error),
        };
        Self::Query { what, source }
    }
}

/// The messages below an error's own, each only if it says something new.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = match cause.downcast_ref::<DataFusionError>() {
            // Without "Execution error: " and the like, which say nothing to the author of a pipeline.
            Some(error) => ValueError::without_report(&error.message()),
            None => cause.to_string(),
        };
        // Libraries differ in whether a message repeats its cause.
        if !said.contains(&text) {
            said.clone_from(&text);
            causes.push(text);
        }
        source = cause.source();
    }
    causes
}

/// What DataFusion says, in our names of types and without the rule of its optimizer that said it.
fn readable(error: DataFusionError) -> DataFusionError {
    let name = transom_sql::readable;
    match error {
        DataFusionError::Context(_, inner) => readable(*inner),
        DataFusionError::Diagnostic(_, inner) => readable(*inner),
        DataFusionError::Plan(message) => DataFusionError::Plan(name(&message)),
        DataFusionError::Execution(message) => DataFusionError::Execution(name(&message)),
        DataFusionError::NotImplemented(message) => DataFusionError::NotImplemented(name(&message)),
        DataFusionError::ArrowError(error, backtrace) => match *error {
            ArrowError::CastError(message) => match ValueError::of_cast(&message) {
                Some(unfit) => unfit.into(),
                None => DataFusionError::Execution(name(&message)),
            },
            ArrowError::ComputeError(message) => DataFusionError::Execution(name(&message)),
            other => DataFusionError::ArrowError(Box::new(other), backtrace),
        },
        other => other,
    }
}

/// The folder for temporary files, if it failed because of that: missing, or full.
fn scratch_folder(error: &DataFusionError) -> Option<PathBuf> {
    let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    if let Some(error) = source_of::<NoScratch>(error) {
        return Some(error.folder.clone());
    }
    // Arrow keeps the system's error as text.
    let is_full = source_of::<io::Error>(error).is_some_and(full)
        || error.to_string().contains("No space left on device");
    is_full.then(std::env::temp_dir)
}

fn kind_of_place(kind: transom_connect::ErrorKind) -> ErrorKind {
    match kind {
        transom_connect::ErrorKind::Refused => ErrorKind::Refused,
        transom_connect::ErrorKind::Overtaken | transom_connect::ErrorKind::Temporary => {
            ErrorKind::Retryable
        }
        _ => ErrorKind::Data,
    }
}

fn kind_of_store(error: &StoreError) -> ErrorKind {
    match error.kind() {
        StoreErrorKind::Refused => ErrorKind::Refused,
        _ => ErrorKind::Retryable,
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        Self::Commit(Box::new(error))
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        RunError::from(error).into()
    }
}

fn kind_of_commit(error: &RunError) -> ErrorKind {
    match error {
        RunError::GaveUp { .. } => ErrorKind::Retryable,
        RunError::Log(LogError::Store(error)) => kind_of_store(error),
        // What was asked for does not follow from the log.
        RunError::Log(LogError::Unfit(_)) | RunError::NoSink { .. } => ErrorKind::Pipeline,
        _ => ErrorKind::Data,
    }
}

fn hint_of_commit(error: &RunError) -> Option<String> {
    match error {
        RunError::Stopped(stop, _) => stop.hint(),
        RunError::GaveUp { .. } => Some(
            "what was decided stays decided: run again, and the next run goes on from here"
                .to_owned(),
        ),
        RunError::Sink { source, .. } => source.hint().map(str::to_owned),
        RunError::NoSink { sink, seq } => Some(format!(
            "give `{sink}` back to the pipeline as it was, and run once: then it can be removed or changed; a table of files that is gone \
             for good is left out by `transom slice skip {seq} --sink {sink}`"
        )),
        _ => None,
    }
}

fn kind_of_plugin(error: &transom_plugin::Error) -> ErrorKind {
    match error {
        error if error.is_retryable() => ErrorKind::Retryable,
        transom_plugin::Error::Cancelled { .. } => ErrorKind::Cancelled,
        transom_plugin::Error::Guest { error, .. } => match error.kind {
            transom_plugin::GuestErrorKind::BadData => ErrorKind::Data,
            transom_plugin::GuestErrorKind::Config => ErrorKind::Pipeline,
            _ => ErrorKind::Plugin,
        },
        error if error.is_out_of_shared_memory() => ErrorKind::Data,
        _ => ErrorKind::Plugin,
    }
}

/// Why rows were rejected, in the plugin's words.
#[derive(Debug)]
pub enum RejectedReasons {
    /// One of the reasons.
    One(String),
    /// All of them.
    Counted {
        /// How many rows for which reason, with `#` in place of numbers that vary; the most frequent first.
        reasons: Vec<(u64, String)>,
        /// Rows with other reasons.
        others: u64,
    },
}

/// Reasons that an error names.
const NAMED: usize = 5;

impl fmt::Display for RejectedReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reasons, others) = match self {
            Self::One(reason) => return write!(f, "for example: {}", short(reason)),
            Self::Counted { reasons, others } => (reasons, others),
        };
        f.write_str("rows and reasons:")?;
        let (named, unnamed) = reasons.split_at(reasons.len().min(NAMED));
        let others = others + unnamed.iter().map(|(rows, _)| rows).sum::<u64>();
        let count = |rows: u64| Count(rows).to_string();
        let widest = named.iter().map(|(rows, _)| *rows).chain([others]).max();
        let width = widest.map_or(0, |rows| count(rows).len());
        for (rows, reason) in named {
            write!(f, "\n{:>width$}  {reason}", count(*rows))?;
        }
        match others {
            0 => Ok(()),
            rows => write!(f, "\n{:>width$}  for other reasons", count(rows)),
        }
    }
}

impl std::error::Error for RejectedReasons {}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Self::Source(Arc::new(error))
    }
}

impl From<TooManyRejected> for Error {
    fn from(passed: TooManyRejected) -> Self {
        Self::TooManyRejected {
            step: passed.step,
            limit: MaxRejects::Rows(passed.allowed),
            rejected: passed.rejected,
            given: passed.given,
            source: Some(RejectedReasons::One(passed.reason)),
        }
    }
}

/// `3 rows`, or `3 of 6 rows (50%)` where the limit is a percentage.
fn share(rejected: u64, given: u64, limit: MaxRejects) -> String {
    match limit {
        MaxRejects::Rows(_) => counted(rejected, "row"),
        MaxRejects::Percent(limit) => format!(
            "{} of {} ({})",
            Count(rejected),
            counted(given, "row"),
            Percent::share(rejected, given, limit)
        ),
    }
}

/// The error of our own inside of DataFusion's wrappers. Those may be shared: a repartition gives one error to all its outputs.
pub(crate) fn source_of<E: std::error::Error + 'static>(error: &DataFusionError) -> Option<&E> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        source = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use arrow::error::ArrowError;

    use super::*;

    #[test]
    fn an_error_that_other_partitions_hold_too_is_known() {
        let crash = transom_plugin::Error::Crash {
            plugin: "late".to_owned(),
            message: "out of cheese".to_owned(),
        };
        let call = CallError::new("step `late`", crash);
        let shared = Arc::new(DataFusionError::External(Box::new(call)));
        let wrapped = ArrowError::from(DataFusionError::Shared(Arc::clone(&shared)));
        let error = DataFusionError::from(wrapped).context("sorting");
        let error = Error::of_query("sink `daily`", error);
        assert_eq!(error.to_string(), "step `late` failed");
        assert_eq!(error.kind(), ErrorKind::Plugin);
        assert!(error.hint().is_some());

        let passed = TooManyRejected {
            step: "late".to_owned(),
            allowed: 1,
            rejected: 2,
            given: 3,
            reason: "too late".to_owned(),
        };
        let shared = Arc::new(DataFusionError::External(Box::new(passed)));
        let error = Error::of_query("sink `daily`", (&shared).into());
        assert!(matches!(error, Error::TooManyRejected { rejected: 2, .. }));
    }
}
