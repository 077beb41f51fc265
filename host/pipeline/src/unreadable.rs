//! Errors of a source's data, wherever in a plan they come up, with file, line, column and value.
//!
//! Readers place their errors themselves, but those travel through DataFusion and arrive in its wrappers. For what has no place,
//! the sources are read once more by one thread, which finds it.

use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::error::Error;
use crate::plan::Planned;

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
