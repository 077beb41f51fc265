//! Why an invocation failed, as a function error.

use std::any::Any;
use std::fmt;

use transom_file::Problems;
use transom_pipeline::slices::Backfill;
use transom_pipeline::{Error, ErrorKind, Lack, causes};

/// Bytes of a message at most; a state machine has 256 KiB for all that it holds.
const MESSAGE: usize = 8 << 10;
/// What a function can have more of, and what it can need less for.
const LARGER: &str = "among the parameters of the template; or make slices smaller with `slices` in the pipeline's file";
/// What is said before a panic's text.
const OWN: &str = "an error of Transom itself";

/// Why an invocation failed. A state machine tells failures apart by their kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: &'static str,
    message: String,
}

impl Failure {
    /// `Data`, `Pipeline`, `Plugin`, `Refused`, `Retryable`; `State` if a backfill is open; `Panic` for an error of Transom itself. Only
    /// `Retryable` may go away by itself.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    fn new(kind: &'static str, mut message: String) -> Self {
        if message.len() > MESSAGE {
            message.truncate(message.floor_char_boundary(MESSAGE));
            message.push_str(" ..");
        }
        Self { kind, message }
    }

    fn hinted(kind: &'static str, mut message: String, hint: Option<&str>) -> Self {
        if let Some(hint) = hint {
            message.truncate(message.floor_char_boundary(MESSAGE / 2));
            message.push_str("\nhint: ");
            message.push_str(hint);
        }
        Self::new(kind, message)
    }

    /// The event or the pipeline's files are wrong.
    pub(crate) fn pipeline(message: String, hint: &str) -> Self {
        Self::hinted("Pipeline", message, Some(hint))
    }

    /// A backfill is open, and its next share is not for the function to compute: invoked again, it would load nothing.
    pub(crate) fn open_backfill(open: Backfill) -> Self {
        Self::hinted("State", open.to_string(), Some(Backfill::HINT))
    }

    /// Plugins cannot be run.
    pub(crate) fn plugins(error: &transom_plugin::Error) -> Self {
        let message = causes(error).into_iter();
        let message = message.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::hinted("Plugin", message, error.hint().as_deref())
    }

    /// The invocation's time has passed.
    pub(crate) fn out_of_time() -> Self {
        Self::hinted(
            "Retryable",
            "the time of the invocation was over before its first slice was loaded; nothing has changed".to_owned(),
            Some(
                "raise the function's timeout or its memory, or make slices smaller with `slices` in the pipeline's file",
            ),
        )
    }

    pub(crate) fn panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("no message");
        Self::new("Panic", format!("{OWN}: {text}"))
    }

    /// The system refuses something that every invocation needs.
    pub(crate) fn system(what: &str, error: &dyn fmt::Display) -> Self {
        Self::new("Retryable", format!("{what}: {error}"))
    }

    /// What has ended a run of slices.
    pub(crate) fn of_slices(error: &Error) -> Self {
        Self::of(error, error.hint_of_slice())
    }

    fn of(error: &Error, hint: Option<String>) -> Self {
        // The ways out are other ones than on a command line.
        let hint = match error.lack() {
            Some(Lack::Memory) => Some(format!("give the function more memory: `Memory` {LARGER}")),
            Some(Lack::Temporary(folder)) => Some(format!(
                "temporary files go to `{}`: give the function more of it, `Temporary` {LARGER}",
                folder.display()
            )),
            None => hint,
        };
        let kind = match error.kind() {
            ErrorKind::Pipeline => "Pipeline",
            ErrorKind::Data => "Data",
            ErrorKind::Plugin => "Plugin",
            ErrorKind::Refused => "Refused",
            ErrorKind::Retryable | ErrorKind::Cancelled => "Retryable",
        };
        let message = match error {
            Error::Problems(problems) => {
                let text = problems.render(false);
                text.strip_prefix("error: ").unwrap_or(&text).to_owned()
            }
            error => {
                let mut message = error.to_string();
                for cause in causes(error) {
                    message.push_str(": ");
                    message.push_str(&cause);
                }
                message
            }
        };
        if error.is_panic() {
            return Self::new("Panic", format!("{OWN}: {message}"));
        }
        Self::hinted(kind, message, hint.as_deref())
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self::of(error, error.hint())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::from(&Error::from(problems))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
