//! A plugin's error with the place in the plan where it happened.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::error::DataFusionError;

/// A call into a plugin failed while a query ran or was planned.
///
/// Like all errors here it can be cloned: DataFusion hands one error to every partition that waits for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} failed")]
pub struct CallError {
    /// The function or the step: ``function `geo.great_circle` ``.
    pub what: String,
    /// What the plugin or its host said.
    #[source]
    pub source: Arc<transom_plugin::Error>,
    /// The row that the plugin was at, where it says so.
    pub row: Option<FailedRow>,
}

impl CallError {
    pub(crate) fn external(
        what: impl Into<String>,
        source: transom_plugin::Error,
    ) -> DataFusionError {
        Self::in_batch(what, source, || None)
    }

    /// An error that may name a row of a batch, which is asked for only then.
    pub(crate) fn in_batch(
        what: impl Into<String>,
        source: transom_plugin::Error,
        batch: impl FnOnce() -> Option<RecordBatch>,
    ) -> DataFusionError {
        let row = match &source {
            transom_plugin::Error::Guest { error, .. } => error.row,
            _ => None,
        };
        let row = row.and_then(|row| FailedRow::of(&batch()?, row));
        DataFusionError::External(Box::new(Self {
            what: what.into(),
            source: Arc::new(source),
            row,
        }))
    }
}

/// A row that a plugin failed on, as the plugin was given it.
///
/// Its values may be nobody's business: they stand in no message and no log, not even by `Debug`, unless somebody asks for them.
#[derive(Clone)]
pub struct FailedRow(Box<RecordBatch>);

impl FailedRow {
    /// A guest's row number is not to be trusted.
    pub(crate) fn of(batch: &RecordBatch, row: u32) -> Option<Self> {
        let row = row as usize;
        (row < batch.num_rows()).then(|| Self(Box::new(batch.slice(row, 1))))
    }

    /// The row, alone in a batch.
    #[must_use]
    pub fn values(&self) -> &RecordBatch {
        &self.0
    }
}

impl fmt::Debug for FailedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailedRow(..)")
    }
}

/// The arguments of a function as a batch, under the names that the plugin gives them.
pub(crate) fn arguments(fields: &[FieldRef], columns: &[ArrayRef]) -> Option<RecordBatch> {
    let fields = fields
        .iter()
        .zip(columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns.to_vec()).ok()
}

/// A transform rejected more rows than its step allows.
#[derive(Debug, Clone, thiserror::Error)]
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
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RowsFailed {
    message: String,
    /// The first of them.
    pub row: Option<FailedRow>,
}

impl RowsFailed {
    pub(crate) fn external(message: String, row: Option<FailedRow>) -> DataFusionError {
        DataFusionError::External(Box::new(Self { message, row }))
    }
}
