//! A plugin's error with the place in the plan where it happened.

use datafusion::error::DataFusionError;

/// A call into a plugin failed while a query ran or was planned.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct CallError {
    /// The function or the step: ``function `geo.great_circle` ``.
    pub what: String,
    /// What the plugin or its host said.
    #[source]
    pub source: transom_plugin::Error,
}

impl CallError {
    pub(crate) fn external(
        what: impl Into<String>,
        source: transom_plugin::Error,
    ) -> DataFusionError {
        DataFusionError::External(Box::new(Self {
            what: what.into(),
            source,
        }))
    }
}

/// A transform rejected more rows than its step allows.
#[derive(Debug, thiserror::Error)]
#[error("step `{step}` rejected more than {allowed} rows")]
pub struct TooManyRejected {
    /// Name of the step.
    pub step: String,
    /// Rows that may be rejected.
    pub allowed: u64,
    /// Rows that were rejected until now.
    pub rejected: u64,
    /// Rows that the transform was given until now.
    pub given: u64,
    /// Why one of them was.
    pub reason: String,
}

/// Rows that a plugin did not take, in a step that does not go on without them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RowsFailed(pub(crate) String);

impl RowsFailed {
    pub(crate) fn external(message: String) -> DataFusionError {
        DataFusionError::External(Box::new(Self(message)))
    }
}
