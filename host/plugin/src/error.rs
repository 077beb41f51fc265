//! What can go wrong at the Wasm edge, sorted by who is at fault.

use std::path::PathBuf;

use crate::limits::Exceeded;
use crate::text::cut;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A guest's own account of what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestError {
    /// What the caller should do about it.
    pub kind: GuestErrorKind,
    /// The guest's text, cut to the limit of texts.
    pub message: String,
    /// Row of the batch that was being processed, from 0.
    pub row: Option<u32>,
    /// Column of the input as given at `open`, from 0.
    pub column: Option<u32>,
}

/// The contract's error kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestErrorKind {
    /// The data is wrong; trying again gives the same error.
    BadData,
    /// The pipeline asks for something the plugin cannot do.
    Config,
    /// Trying again may help.
    Retryable,
    /// A mistake in the plugin.
    Internal,
}

impl std::fmt::Display for GuestErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadData => "bad data",
            Self::Config => "configuration error",
            Self::Retryable => "temporary error",
            Self::Internal => "internal error",
        })
    }
}

impl std::fmt::Display for GuestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The lines after the first are a traceback: the place belongs to what was raised.
        let (first, rest) = match self.message.find('\n') {
            Some(end) => self.message.split_at(end),
            None => (self.message.as_str(), ""),
        };
        write!(f, "{}: {first}", self.kind)?;
        match (self.row, self.column) {
            (Some(row), Some(column)) => write!(
                f,
                " (row index {row} of the batch, input column index {column})"
            )?,
            (Some(row), None) => write!(f, " (row index {row} of the batch)")?,
            (None, Some(column)) => write!(f, " (input column index {column})")?,
            (None, None) => (),
        }
        f.write_str(rest)
    }
}

/// An error of a plugin or of the host that runs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read plugin `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a component that Transom can run.
    #[error("plugin `{plugin}` cannot be loaded: {reason}")]
    Load {
        /// Name or path of the plugin.
        plugin: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The guest said no.
    #[error("plugin `{plugin}` reports {error}")]
    Guest {
        /// Name of the plugin.
        plugin: String,
        /// Its words.
        error: GuestError,
    },
    /// The guest crashed: a panic, a stack overflow, an access outside its memory.
    #[error("plugin `{plugin}` crashed: {message}")]
    Crash {
        /// Name of the plugin.
        plugin: String,
        /// The panic's message with file and line where the guest logged one, otherwise the trap.
        message: String,
    },
    /// The guest returned something that the contract does not allow.
    #[error("plugin `{plugin}` returned invalid data: {reason}")]
    Invalid {
        /// Name of the plugin.
        plugin: String,
        /// Which part of what it returned, and what was expected.
        reason: String,
    },
    /// The guest went over one of its [`crate::Limits`].
    #[error("plugin `{plugin}` {exceeded}")]
    Limit {
        /// Name of the plugin.
        plugin: String,
        /// Which one.
        exceeded: Exceeded,
    },
    /// A column's type has no form at the border.
    #[error("column `{column}` of type {data_type} cannot be passed to a plugin")]
    Unsupported {
        /// Name of the column, with the path to the child for nested types.
        column: String,
        /// Its Arrow type.
        data_type: String,
    },
    /// The caller set the [`crate::Cancel`] flag.
    #[error("plugin `{plugin}` was stopped: the run was cancelled")]
    Cancelled {
        /// Name of the plugin.
        plugin: String,
    },
    /// The host failed, not the guest.
    #[error("running plugin `{plugin}` failed in the host")]
    Host {
        /// Name of the plugin.
        plugin: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether another try of the same work may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Guest { error, .. } if error.kind == GuestErrorKind::Retryable)
    }

    /// Whether the plugin did nothing wrong, but the memory that the run shares is used up.
    pub fn is_out_of_shared_memory(&self) -> bool {
        matches!(
            self,
            Self::Limit {
                exceeded: Exceeded::Budget { .. },
                ..
            }
        )
    }

    /// Whether the guest computed for too long.
    pub fn is_out_of_time(&self) -> bool {
        matches!(
            self,
            Self::Limit {
                exceeded: Exceeded::CallTime { .. },
                ..
            }
        )
    }

    /// The line of the plugin's source that ran for too long, as [`Self::at_line`] has it.
    pub fn line(&self) -> Option<&str> {
        match self {
            Self::Limit {
                exceeded: Exceeded::CallTime { line, .. },
                ..
            } => line.as_deref(),
            _ => None,
        }
    }

    /// The same with the line of the plugin's source that ran for too long.
    #[must_use]
    pub fn at_line(mut self, found: Option<String>) -> Self {
        if let Self::Limit {
            exceeded: Exceeded::CallTime { line, .. },
            ..
        } = &mut self
        {
            *line = found;
        }
        self
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load { hint, .. } => hint.clone(),
            // A guest in Python meets its limit as an exception of its own.
            Self::Guest { error, .. } if error.message.starts_with("MemoryError") => {
                Some("the plugin came to the end of its memory: raise `memory` under its `limits` in the pipeline file, if it needs so much".to_owned())
            }
            // The others have no key in the pipeline file: no real plugin comes near them.
            Self::Limit { exceeded, .. } if exceeded.is_configurable() => {
                Some("raise it under the plugin's `limits` in the pipeline file, if the plugin needs so much".to_owned())
            }
            Self::Limit { .. } if self.is_out_of_shared_memory() => {
                Some("give the run more memory with `--memory`".to_owned())
            }
            Self::Unsupported { .. } => {
                Some("cast the column in SQL before the plugin, for example with `arrow_cast(column, 'Utf8')`".to_owned())
            }
            Self::Crash { .. } | Self::Invalid { .. } => {
                Some("this is a mistake in the plugin, not in the pipeline".to_owned())
            }
            _ => None,
        }
    }
}

pub(crate) fn load_error(name: &str, reason: String, hint: Option<String>) -> Error {
    Error::Load {
        plugin: name.to_owned(),
        // Names of imports and exports in it are the plugin's own.
        reason: cut(&reason, 4096),
        hint,
    }
}
