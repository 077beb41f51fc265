//! The error of everything an author writes: a kind, a message, and where in the input it happened.
//!
//! The kind decides what the host does (retry or not, whose fault it is), so it is chosen with care: whatever comes in
//! through `?` is a mistake in the plugin unless the author says otherwise.

use std::fmt;

/// Who is at fault, and whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The data is wrong; trying again gives the same error.
    BadData,
    /// The pipeline asks for something the plugin cannot do: an option, a column, a type.
    Config,
    /// Trying again may help.
    Retryable,
    /// A mistake in the plugin.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadData => "bad data",
            Self::Config => "config",
            Self::Retryable => "retryable",
            Self::Internal => "internal",
        })
    }
}

/// Why a call failed.
///
/// Every [`std::error::Error`] turns into one of kind [`ErrorKind::Internal`] through `?`, its causes joined into the
/// message, since only text crosses the border. For that, like `anyhow::Error`, it does not implement that trait itself.
///
/// ```
/// use transom_sdk::Error;
///
/// let error = Error::bad_data("`25:99` is not a time").row(3).column("dep_time");
/// assert_eq!(error.to_string(), "`25:99` is not a time (row 3, column `dep_time`)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) row: Option<u32>,
    pub(crate) column: Option<String>,
    /// Whether it came in through `?`: its kind was not said.
    pub(crate) foreign: bool,
}

impl Error {
    /// The data is wrong. In a function that works by row it rejects the row. In a transform it ends the run: to leave out a
    /// row and go on, use [`crate::Output::reject`] instead.
    pub fn bad_data(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::BadData, message)
    }

    /// The pipeline asks for something the plugin cannot do.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Trying again may help.
    pub fn retryable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Retryable, message)
    }

    /// A mistake in the plugin.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            row: None,
            column: None,
            foreign: false,
        }
    }

    /// Names the row of the current input batch, counted from 0.
    #[must_use]
    pub fn row(mut self, row: usize) -> Self {
        self.row = u32::try_from(row).ok();
        self
    }

    /// Names the input column.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.column = Some(name.into());
        self
    }

    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message alone, without row and column.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.row, &self.column) {
            (Some(row), Some(column)) => write!(f, " (row {row}, column `{column}`)"),
            (Some(row), None) => write!(f, " (row {row})"),
            (None, Some(column)) => write!(f, " (column `{column}`)"),
            (None, None) => Ok(()),
        }
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors repeat their cause's text in their own.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self {
            foreign: true,
            ..Self::internal(message)
        }
    }
}

/// A number of things: `1 row`, `3 rows`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<serde_json::Value, Error> {
        Ok(serde_json::from_str(text)?)
    }

    #[test]
    fn a_foreign_error_is_internal() {
        let error = parse("{").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.message().starts_with("EOF while parsing"), "{error}");
    }

    #[test]
    fn row_and_column_are_shown() {
        let error = Error::bad_data("no").row(1);
        assert_eq!(error.to_string(), "no (row 1)");
        assert_eq!(
            Error::config("no").column("a").to_string(),
            "no (column `a`)"
        );
    }
}
