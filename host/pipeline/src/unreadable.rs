//! Errors of a source's data, wherever in a plan they come up, with file, line, column and value.
//!
//! Readers place their errors themselves, but those travel through DataFusion and arrive in its wrappers. For what has no place,
//! the sources are read once more by one thread, which finds it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use transom_connect::SourceError;

use crate::error::{Error, source_of};
use crate::plan::Planned;

/// A source's error inside of DataFusion's wrappers, which may share it, so that it cannot be taken out.
#[derive(Debug)]
pub struct Unreadable(DataFusionError);

impl Unreadable {
    /// The error, if there is a source's error in it.
    pub(crate) fn new(error: DataFusionError) -> Result<Self, DataFusionError> {
        match source_of::<SourceError>(&error).is_some() {
            true => Ok(Self(error)),
            false => Err(error),
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        self.of_source().and_then(SourceError::hint)
    }

    fn of_source(&self) -> Option<&SourceError> {
        source_of(&self.0)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of_source() {
            Some(error) => error.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl StdError for Unreadable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.of_source().and_then(StdError::source)
    }
}

impl Planned {
    /// The error with its place in a source's files, if it is of them.
    pub(crate) async fn placed(&self, error: Error) -> Error {
        let Error::Query { what, source } = error else {
            return error;
        };
        if may_be_of_source(&source) {
            for planned in &self.sources {
                let found = planned.source.diagnose(Arc::clone(&planned.schema)).await;
                if let Some(error) = found {
                    return error.into();
                }
            }
        }
        Error::Query { what, source }
    }
}

/// Whether reading the sources again may find the cause. It may not where memory ran out or values did not fit.
fn may_be_of_source(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => false,
        DataFusionError::ArrowError(error, _) => !matches!(
            **error,
            ArrowError::DivideByZero | ArrowError::ArithmeticOverflow(_)
        ),
        _ => true,
    }
}
