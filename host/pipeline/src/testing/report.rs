//! What became of a test: passed, or what was not as expected.

use std::path::PathBuf;

use serde::Serialize;

use super::compare::RowDiff;
use super::update::Edit;
use crate::error::Error;
use crate::plan::error_chain;
use transom_file::{Problem, Problems};

/// What became of one test.
#[derive(Debug, Serialize)]
pub struct TestReport {
    /// The file that it stands in, as it was named.
    pub file: PathBuf,
    /// Its name.
    pub name: String,
    /// Whether all was as expected.
    pub passed: bool,
    /// How long it took.
    pub seconds: f64,
    /// What was not as expected.
    pub failures: Vec<TestFailure>,
    /// Given sources with columns whose types were inferred from the rows, since neither the lock file nor the pipeline says them.
    pub untyped: Vec<String>,
    /// How to write the test so that it expects what was found.
    #[serde(skip)]
    pub edits: Vec<Edit>,
    /// The files that it depends on, its own first.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
}

/// What was not as expected of one table.
#[derive(Debug, Serialize)]
pub struct TestFailure {
    /// The step or sink; `None` if the test itself is wrong.
    pub table: Option<String>,
    /// What was not as expected.
    #[serde(flatten)]
    pub what: Mismatch,
}

/// Something that is not as expected.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mismatch {
    /// The test is written wrongly, or what it asks for cannot be planned.
    Problems {
        /// What is wrong, with its places.
        problems: Problems,
    },
    /// Computing the table failed.
    Failed {
        /// The error with its causes.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// The error that was expected, if one was.
        expected: Option<String>,
    },
    /// An error was expected, and there is none.
    NoError {
        /// The error that was expected.
        expected: String,
        /// Rows that were computed instead.
        rows: usize,
    },
    /// All is as expected if the pipeline's transforms stay in one instance, and not if they move to new ones.
    Moved,
    /// The table has other columns.
    Columns {
        /// Columns that were expected and are not there.
        missing: Vec<String>,
        /// Columns that are there and were not expected.
        extra: Vec<String>,
    },
    /// Columns have other types.
    Types {
        /// Each column with what was expected and what was found.
        columns: Vec<TypeDiff>,
    },
    /// The table has other rows.
    Rows {
        /// Which.
        diff: RowDiff,
    },
    /// The step rejected other rows.
    RejectedRows {
        /// Which.
        diff: RowDiff,
    },
    /// Another number of rows.
    Count {
        /// How many were expected.
        expected: u64,
        /// How many were found.
        found: u64,
        /// Whether those are meant that were rejected.
        rejected: bool,
    },
}

/// A column with another type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeDiff {
    /// Its name.
    pub column: String,
    /// The type that was expected.
    pub expected: String,
    /// The type that it has.
    pub found: String,
}

impl Mismatch {
    /// What an unexpected error says.
    pub(super) fn of_error(error: Error, place: impl Fn(Problem) -> Problem) -> Self {
        match error {
            Error::Problems(Problems(problems)) => Self::Problems {
                problems: Problems(problems.into_iter().map(place).collect()),
            },
            other => Self::Failed {
                message: error_chain(&other),
                hint: other.hint(),
                expected: None,
            },
        }
    }
}

/// An error in one line, as a test may name a part of it.
pub(super) fn error_text(error: &Error) -> String {
    match error {
        Error::Problems(Problems(problems)) => {
            let messages: Vec<&str> = problems
                .iter()
                .map(|problem| problem.message.as_str())
                .collect();
            messages.join("; ")
        }
        other => error_chain(other),
    }
}
