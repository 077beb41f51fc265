//! Why a command failed: its words, its JSON and its exit code.
//!
//! A failure is shown as `error:` with the message, the causes below it, and advice as `hint:` apart from both. Scripts act on the
//! exit code, which follows from who has to do something ([`ErrorKind`]), not from where the failure came up.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use arrow::array::RecordBatch;
use serde_json::{Value, json};
use transom_build::{BuildError, BuildErrorKind};
use transom_file::{Problems, did_you_mean};
use transom_local::FunctionError;
use transom_pipeline::report::{CheckReport, counted};
use transom_pipeline::run::RunFailure;
use transom_pipeline::slices::SlicesFailure;
use transom_pipeline::{Error as PipelineError, ErrorKind, Unwritable, causes, lines};
use transom_plugin::GuestErrorKind;

use crate::package::states;
use crate::signals;
use crate::table;

/// The exit codes, as `transom --help` tells them. They are an interface: a code keeps its meaning.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  everything went well
    1  the data, or the disk it lies on, stopped the command; or a test failed
    2  the command line or the pipeline's files are wrong
    3  a plugin failed or could not be built
   75  a temporary failure: trying again may help
   77  a service refuses: credentials or permissions
  130  stopped by Ctrl-C
  143  stopped by SIGTERM

Results of earlier runs stay as they were whenever a run fails, unless the message says that results are
published, or may be.";

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// What is shown of the row that a plugin failed on. Its values may be personal data, so they are shown on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedRow {
    /// Nothing: the command cannot show it.
    Untold,
    /// That it can be asked for.
    Offered,
    /// Its values.
    Shown,
}

impl FailedRow {
    /// Of a command that has the option `--show-row`.
    pub(crate) fn on_request(show_row: bool) -> Self {
        match show_row {
            true => Self::Shown,
            false => Self::Offered,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// stdout was closed: the command is over.
    #[error("stdout was closed")]
    Closed,
    /// The pipeline could not be checked, planned or run.
    #[error(transparent)]
    Pipeline(Box<PipelineError>),
    /// A run failed.
    #[error(transparent)]
    Run(Box<RunFailure>),
    /// A run of slices failed.
    #[error("{}", .0.error)]
    Slices(#[source] Sliced),
    /// A run was asked to stop, and has stopped between two slices.
    #[error("stopped after {}, and there is more to load", counted(*loaded as u64, "slice"))]
    Stopped {
        /// Slices that it has loaded.
        loaded: usize,
    },
    /// A plugin's folder could not be built.
    #[error("the plugin in `{}` could not be built", folder.display())]
    Build {
        /// As it was given.
        folder: PathBuf,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// A plugin could not be loaded.
    #[error(transparent)]
    Plugin(Box<transom_plugin::Error>),
    /// What was asked for does not exist.
    #[error("{message}")]
    Usage {
        /// What does not exist.
        message: String,
        /// What does.
        hint: Option<String>,
    },
    /// `transom doctor` found what keeps runs from working.
    #[error("fix {broken} of these before running pipelines")]
    Unfit {
        /// How many.
        broken: usize,
        /// What was found, for programs.
        report: Value,
    },
    /// `transom verify` found something that is not as the log says.
    #[error("{} found: the log and the tables do not agree", counted(*found as u64, "mistake"))]
    Damaged {
        /// How much.
        found: usize,
        /// What, for programs.
        report: Value,
    },
    /// Tests ran, and not all of them passed.
    #[error("{failed} of {} failed", counted(*of as u64, "test"))]
    Tests {
        /// Tests that failed.
        failed: usize,
        /// Tests that ran.
        of: usize,
        /// The report in JSON.
        report: Value,
    },
    /// Rows cannot be written as they were asked for.
    #[error("the rows of `{name}` cannot be written")]
    Unwritable {
        /// The table.
        name: String,
        /// Which column, and why.
        #[source]
        source: Box<Unwritable>,
    },
    /// Readers find the new results; only what was to be said of them is lost.
    #[error("the results are published, but {what}")]
    Published {
        /// What went wrong then.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A function failed when it was invoked.
    #[error("{}: {}", .0.kind, said(.0).0)]
    Function(FunctionError),
    /// The local Redshift refused a statement.
    #[error("{message}")]
    Statement {
        /// With the SQLSTATE before it.
        message: String,
        /// The beginning of the statement.
        statement: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The system refused something.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A run of slices that failed. Its error is said in its place.
#[derive(Debug)]
pub(crate) struct Sliced(pub(crate) Box<SlicesFailure>);

impl std::ops::Deref for Sliced {
    type Target = SlicesFailure;

    fn deref(&self) -> &SlicesFailure {
        &self.0
    }
}

impl std::fmt::Display for Sliced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.error.fmt(f)
    }
}

impl Error for Sliced {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.error.source()
    }
}

impl From<Box<SlicesFailure>> for Failure {
    fn from(failure: Box<SlicesFailure>) -> Self {
        Self::Slices(Sliced(failure))
    }
}

impl From<Box<RunFailure>> for Failure {
    fn from(failure: Box<RunFailure>) -> Self {
        Self::Run(failure)
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline(Box::new(error))
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        PipelineError::from(problems).into()
    }
}

impl From<transom_plugin::Error> for Failure {
    fn from(error: transom_plugin::Error) -> Self {
        Self::Plugin(Box::new(error))
    }
}

impl Failure {
    /// There is nothing of that name; `hint` says what there is.
    pub(crate) fn unknown<'a>(
        message: String,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        hint: String,
    ) -> Self {
        let hint = match did_you_mean(name, known) {
            Some(meant) => format!("{meant} {hint}"),
            None => hint,
        };
        Self::Usage {
            message,
            hint: Some(hint),
        }
    }

    /// The same after the run has published its results.
    pub(crate) fn published(self) -> Self {
        match self {
            Self::Io { what, source } => Self::Published { what, source },
            other => other,
        }
    }

    /// The code that the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind() {
            Some(ErrorKind::Data) => 1,
            Some(ErrorKind::Pipeline) => 2,
            Some(ErrorKind::Plugin) => 3,
            Some(ErrorKind::Retryable) => 75,
            Some(ErrorKind::Refused) => 77,
            Some(ErrorKind::Cancelled) => signals::exit_code(),
            None => 0,
        }
    }

    /// Who has to act; `None` if stdout was closed.
    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Closed => None,
            Self::Pipeline(error) => Some(error.kind()),
            Self::Run(failure) => Some(failure.error.kind()),
            Self::Slices(failure) => Some(failure.error.kind()),
            Self::Stopped { .. } => Some(ErrorKind::Cancelled),
            Self::Build { source, .. } => Some(match source.kind() {
                // A folder that is no plugin's is a mistake on the command line.
                BuildErrorKind::Source
                    if matches!(
                        source,
                        BuildError::NoFolder { .. } | BuildError::UnknownLanguage { .. }
                    ) =>
                {
                    ErrorKind::Pipeline
                }
                _ => ErrorKind::Plugin,
            }),
            Self::Usage { .. } => Some(ErrorKind::Pipeline),
            Self::Tests { .. } => Some(ErrorKind::Data),
            // The command line named a file that cannot be read.
            Self::Plugin(error) if matches!(**error, transom_plugin::Error::Read { .. }) => {
                Some(ErrorKind::Pipeline)
            }
            Self::Plugin(error) => Some(match &**error {
                transom_plugin::Error::Guest { error, .. } => match error.kind {
                    GuestErrorKind::BadData => ErrorKind::Data,
                    GuestErrorKind::Config => ErrorKind::Pipeline,
                    GuestErrorKind::Retryable => ErrorKind::Retryable,
                    GuestErrorKind::Internal => ErrorKind::Plugin,
                },
                _ => ErrorKind::Plugin,
            }),
            Self::Function(error) => Some(match error.kind.as_str() {
                "Pipeline" => ErrorKind::Pipeline,
                "Plugin" => ErrorKind::Plugin,
                "Refused" => ErrorKind::Refused,
                kind if states::is_retried(kind) => ErrorKind::Retryable,
                _ => ErrorKind::Data,
            }),
            Self::Unwritable { .. }
            | Self::Published { .. }
            | Self::Statement { .. }
            | Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Unfit { .. } => Some(ErrorKind::Data),
        }
    }

    fn hint(&self, row: FailedRow) -> Option<String> {
        if let (Some(_), FailedRow::Offered) = (self.row(), row) {
            return Some("see the values of the row with `--show-row`".to_owned());
        }
        match self {
            Self::Pipeline(error) => error.hint(),
            Self::Run(failure) => failure.error.hint(),
            Self::Slices(failure) => failure.error.hint_of_slice(),
            Self::Stopped { .. } => Some("run again, and it goes on from here".to_owned()),
            Self::Build { source, .. } => source.hint(),
            Self::Plugin(error) => error.hint(),
            Self::Usage { hint, .. } => hint.clone(),
            Self::Function(error) => said(error).1.map(str::to_owned),
            Self::Statement {
                statement, hint, ..
            } => Some(match hint {
                Some(hint) => format!("{hint}; the statement is: {statement}"),
                None => format!("the statement is: {statement}"),
            }),
            Self::Unwritable { source, .. } => source.hint().map(str::to_owned),
            Self::Closed
            | Self::Published { .. }
            | Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Unfit { .. }
            | Self::Tests { .. } => None,
        }
    }

    /// What the pipeline says, of whatever it was asked for.
    fn of_pipeline(&self) -> Option<&PipelineError> {
        match self {
            Self::Pipeline(error) => Some(error),
            Self::Run(failure) => Some(&failure.error),
            Self::Slices(failure) => Some(&failure.error),
            _ => None,
        }
    }

    /// The row that a plugin failed on.
    fn row(&self) -> Option<&RecordBatch> {
        self.of_pipeline()?.row()
    }

    /// What the checks found that failed the run.
    fn checks(&self) -> Option<&[CheckReport]> {
        self.of_pipeline()?.checks()
    }

    /// What a compiler said of a plugin. People have seen it on stderr.
    fn compiler_output(&self) -> Option<&str> {
        match self {
            Self::Build { source, .. } => source.compiler_output(),
            _ => match self.of_pipeline()? {
                PipelineError::Build { source, .. } => source.compiler_output.as_deref(),
                _ => None,
            },
        }
    }

    fn problems(&self) -> Option<&Problems> {
        match self.of_pipeline()? {
            PipelineError::Problems(problems) => Some(problems),
            _ => None,
        }
    }

    /// For people, without a line break at the end.
    pub(crate) fn render(&self, color: bool, row: FailedRow) -> String {
        if let Some(problems) = self.problems() {
            let count = match problems.0.len() {
                0 | 1 => String::new(),
                many => format!("\n\n{ERROR}error{ERROR:#}: {many} problems"),
            };
            return problems.render(color) + &count;
        }
        let mut text = format!("{ERROR}error{ERROR:#}: {self}");
        let causes = causes(self);
        if !causes.is_empty() {
            text.push_str("\n  Caused by:");
        }
        for cause in causes {
            for (index, line) in cause.lines().enumerate() {
                // Writing to a string does not fail.
                let _ = write!(text, "\n    {}{line}", if index == 0 { "" } else { "  " });
            }
        }
        if let (Some(values), FailedRow::Shown) = (self.row(), row) {
            let _ = match table::row(values) {
                Ok(table) => write!(text, "\nthe row that the plugin failed on:\n{table}"),
                Err(error) => write!(text, "\nthe row cannot be shown: {error}"),
            };
        }
        if let Some(hint) = self.hint(row) {
            let _ = write!(text, "\n{HINT}hint{HINT:#}: {hint}");
        }
        text
    }

    /// For programs: what stands on stdout after a failed command with `--json`.
    pub(crate) fn to_json(&self, row: FailedRow) -> Value {
        let kind = self.kind().map_or("closed", ErrorKind::name);
        let mut error = json!({ "kind": kind, "exit_code": self.exit_code() });
        match self.problems() {
            Some(problems) => {
                let messages: Vec<&str> = problems
                    .0
                    .iter()
                    .map(|problem| problem.message.as_str())
                    .collect();
                error["message"] = messages.join("; ").into();
                error["problems"] = json!(problems);
            }
            None => {
                error["message"] = self.to_string().into();
                error["causes"] = causes(self).into();
                error["hint"] = self.hint(row).into();
                if let Some(checks) = self.checks() {
                    error["checks"] = json!(checks);
                }
                if let Some(output) = self.compiler_output() {
                    error["compiler_output"] = output.into();
                }
                if let (Some(values), FailedRow::Shown) = (self.row(), row) {
                    error["row"] = json_of(values);
                }
            }
        }
        let mut json = json!({ "error": error });
        if let Self::Run(failure) = self {
            json["run"] = json!(failure.report);
        }
        if let Self::Slices(failure) = self {
            json["run"] = json!(failure.report);
            json["slice"] = json!(failure.slice);
        }
        // What the command found belongs to what failed.
        if let (
            Self::Tests { report, .. } | Self::Damaged { report, .. } | Self::Unfit { report, .. },
            Some(json),
        ) = (self, json.as_object_mut())
        {
            let report = report.as_object().cloned().unwrap_or_default();
            json.extend(report);
        }
        json
    }
}

/// The message of a function's error, and the hint at its end.
fn said(error: &FunctionError) -> (&str, Option<&str>) {
    match error.message.rsplit_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (&error.message, None),
    }
}

/// One row as an object; null if JSON does not hold its types.
fn json_of(row: &RecordBatch) -> Value {
    let line = lines(row).unwrap_or_default();
    serde_json::from_slice(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io_failure() -> Failure {
        Failure::Io {
            what: "writing to stdout failed".to_owned(),
            source: io::Error::other("no space left"),
        }
    }

    #[test]
    fn causes_stand_below_the_message_once() {
        let text =
            anstream::adapter::strip_str(&io_failure().render(true, FailedRow::Untold)).to_string();
        assert_eq!(
            text,
            "error: writing to stdout failed\n  Caused by:\n    no space left"
        );
    }

    #[test]
    fn a_failure_as_json_says_what_to_act_on() {
        let json = io_failure().to_json(FailedRow::Untold);
        assert_eq!(json["error"]["kind"], "data");
        assert_eq!(json["error"]["exit_code"], 1);
        assert_eq!(json["error"]["causes"][0], "no space left");
    }

    #[test]
    fn a_plugin_that_does_not_compile_has_the_compilers_words() {
        let source = BuildError::Compile {
            command: "go build",
            folder: "plugins/one".into(),
            status: "exit status: 1".to_owned(),
            output: "plugins/one/main.go:7:2: undefined: x".to_owned(),
        };
        let failure = Failure::Build {
            folder: "plugins/one".into(),
            source,
        };
        let json = failure.to_json(FailedRow::Untold);
        let output = &json["error"]["compiler_output"];
        assert_eq!(output, "plugins/one/main.go:7:2: undefined: x");
    }

    #[test]
    fn every_kind_has_the_exit_code_that_the_help_tells() {
        let documented: Vec<&str> = EXIT_CODES
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let usage = Failure::Usage {
            message: String::new(),
            hint: None,
        };
        let cancelled = Failure::from(PipelineError::Cancelled);
        let published = io_failure().published();
        assert_eq!(
            published.to_string(),
            "the results are published, but writing to stdout failed"
        );
        for failure in [io_failure(), published, usage, cancelled, Failure::Closed] {
            assert!(
                documented.contains(&failure.exit_code().to_string().as_str()),
                "{failure:?}"
            );
        }
    }
}
