//! What can go wrong with a pipeline, sorted by what the user can do about it.

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use transom_build::BuildError;
use transom_connect::{SinkError, SourceError};
use transom_query::{CallError, FailedRow, RowsFailed, TooManyRejected};

use crate::file::{MaxRejects, Problems};
use crate::report::{Count, counted};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pipeline could not be checked, planned or run. The results of earlier runs are as they were.
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
        source: BuildError,
    },
    /// A plugin failed.
    #[error("{what}")]
    Plugin {
        /// What was being done.
        what: String,
        /// What the plugin or its host said.
        #[source]
        source: transom_plugin::Error,
        /// The row that the plugin was at, where it says so.
        row: Option<FailedRow>,
    },
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A sink cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
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
        source: RowsFailed,
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
        /// Why one of them was rejected, where that is known.
        #[source]
        source: Option<RejectedReason>,
    },
    /// The lock file is not usable.
    #[error("{message}")]
    Lock {
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: String,
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
    /// Trying again may help.
    Retryable,
    /// The user stopped the run.
    Cancelled,
}

impl Error {
    /// What callers act on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Problems(problems) if problems.0.iter().all(|problem| problem.in_data) => {
                ErrorKind::Data
            }
            Self::Problems(_) | Self::Lock { .. } => ErrorKind::Pipeline,
            Self::Build { .. } => ErrorKind::Plugin,
            Self::Plugin { source, .. } if source.is_retryable() => ErrorKind::Retryable,
            Self::Plugin {
                source: transom_plugin::Error::Cancelled { .. },
                ..
            }
            | Self::Cancelled => ErrorKind::Cancelled,
            Self::Plugin {
                source: transom_plugin::Error::Guest { error, .. },
                ..
            } => match error.kind {
                transom_plugin::GuestErrorKind::BadData => ErrorKind::Data,
                transom_plugin::GuestErrorKind::Config => ErrorKind::Pipeline,
                _ => ErrorKind::Plugin,
            },
            Self::Plugin { source, .. } if source.is_out_of_shared_memory() => ErrorKind::Data,
            Self::Plugin { .. } => ErrorKind::Plugin,
            Self::Source(_)
            | Self::Sink(_)
            | Self::Query { .. }
            | Self::Rows { .. }
            | Self::TooManyRejected { .. }
            | Self::Io { .. } => ErrorKind::Data,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Build { source, .. } => source.hint(),
            Self::Plugin { source, .. } => source.hint(),
            Self::Source(source) => source.hint(),
            Self::Sink(source) => source.hint(),
            Self::Lock { hint, .. } => Some(hint.clone()),
            Self::TooManyRejected { .. } => Some(
                "nothing was published; mend the data or the transform, or raise `max_rejects` of the step"
                    .to_owned(),
            ),
            Self::Query { source, .. }
                if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)) =>
            {
                Some("give the run more memory with `--memory`".to_owned())
            }
            _ => None,
        }
    }

    /// The row that a plugin failed on, as it was given to the plugin. Whoever shows it was asked to.
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
        let error = match take::<CallError>(error) {
            Ok(call) => {
                let what = call.to_string();
                return Self::Plugin {
                    what,
                    source: call.source,
                    row: call.row,
                };
            }
            Err(error) => error,
        };
        let error = match take::<TooManyRejected>(error) {
            Ok(passed) => return passed.into(),
            Err(error) => error,
        };
        let what = what.to_owned();
        match take::<RowsFailed>(error) {
            Ok(source) => Self::Rows { what, source },
            Err(source) => Self::Query { what, source },
        }
    }
}

/// Why a row was rejected, in the plugin's words.
#[derive(Debug, thiserror::Error)]
#[error("for example: {0}")]
pub struct RejectedReason(pub(crate) String);

impl From<TooManyRejected> for Error {
    fn from(passed: TooManyRejected) -> Self {
        Self::TooManyRejected {
            step: passed.step,
            limit: MaxRejects::Rows(passed.allowed),
            rejected: passed.rejected,
            given: passed.given,
            source: Some(RejectedReason(passed.reason)),
        }
    }
}

/// `3 rows`, or `3 of 6 rows (50%)` where the limit is a percentage.
fn share(rejected: u64, given: u64, limit: MaxRejects) -> String {
    match limit {
        MaxRejects::Rows(_) => counted(rejected, "row"),
        MaxRejects::Percent(_) => {
            let hundredths = (rejected as f64 * 10_000.0 / given as f64).round();
            let percent = MaxRejects::Percent(hundredths / 100.0);
            format!(
                "{} of {} ({percent})",
                Count(rejected),
                counted(given, "row")
            )
        }
    }
}

/// The error of our own inside of DataFusion's wrappers.
fn take<E: std::error::Error + 'static>(error: DataFusionError) -> Result<E, DataFusionError> {
    match error {
        DataFusionError::External(source) => match source.downcast::<E>() {
            Ok(found) => Ok(*found),
            Err(source) => match source.downcast::<DataFusionError>() {
                Ok(inner) => take(*inner),
                Err(source) => Err(DataFusionError::External(source)),
            },
        },
        DataFusionError::Context(text, inner) => {
            take(*inner).map_err(|inner| DataFusionError::Context(text, Box::new(inner)))
        }
        DataFusionError::Diagnostic(diagnostic, inner) => {
            take(*inner).map_err(|inner| DataFusionError::Diagnostic(diagnostic, Box::new(inner)))
        }
        DataFusionError::ArrowError(inner, backtrace) => match *inner {
            arrow::error::ArrowError::ExternalError(source) => {
                match source.downcast::<DataFusionError>() {
                    Ok(inner) => take(*inner),
                    Err(source) => Err(DataFusionError::External(source)),
                }
            }
            inner => Err(DataFusionError::ArrowError(Box::new(inner), backtrace)),
        },
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(inner) => take(inner),
            Err(shared) => Err(DataFusionError::Shared(shared)),
        },
        other => Err(other),
    }
}
