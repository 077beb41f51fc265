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
#[error("{what} failed{}", at(place.as_ref()))]
pub struct CallError {
    /// The function or the step: ``function `geo.great_circle` ``.
    pub what: String,
    /// The rows that it was given; unknown of a function, which DataFusion calls with any rows.
    pub place: Option<Place>,
    /// What the plugin or its host said.
    #[source]
    pub source: Arc<transom_plugin::Error>,
    /// The row that the plugin was at, where it says so.
    pub row: Option<FailedRow>,
}

fn at(place: Option<&Place>) -> String {
    place.map(|place| format!(" {place}")).unwrap_or_default()
}

/// Where in the input of a transform its guest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The partition of the plan, from 0.
    pub partition: usize,
    /// The batch of the partition, from 1; none where the guest was called after all of them.
    pub batch: Option<u64>,
    /// The row of the partition that the plugin named, from 1.
    pub row: Option<u64>,
    /// Rows of the partition before the batch.
    pub rows_before: u64,
    /// Rows of the batch.
    pub rows: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            rows_before,
            rows,
            ..
        } = self;
        match (self.batch, self.row) {
            (Some(batch), Some(row)) => {
                write!(f, "at row {row} of partition {partition}, in batch {batch}")
            }
            (Some(batch), None) => {
                let (first, last) = (rows_before + 1, rows_before + rows);
                write!(
                    f,
                    "in batch {batch} of partition {partition}, rows {first} to {last}"
                )
            }
            (None, _) => write!(
                f,
                "at the end of partition {partition}, after {rows_before} rows"
            ),
        }
    }
}

impl CallError {
    pub(crate) fn new(what: impl Into<String>, source: transom_plugin::Error) -> Self {
        Self {
            what: what.into(),
            place: None,
            source: Arc::new(source),
            row: None,
        }
    }

    /// Keeps the row of a batch that the error names; the batch is asked for only if it names one.
    pub(crate) fn with_row(mut self, batch: impl FnOnce() -> Option<RecordBatch>) -> Self {
        self.row = self
            .named_row()
            .and_then(|row| FailedRow::of(&batch()?, row));
        self
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        let row = self.named_row().map(u64::from);
        // A guest's row number is not to be trusted.
        let row = row.filter(|row| *row < place.rows);
        self.place = Some(Place {
            row: row.map(|row| place.rows_before + row + 1),
            ..place
        });
        self
    }

    /// The row's index in the batch, as the plugin tells it.
    fn named_row(&self) -> Option<u32> {
        match &*self.source {
            transom_plugin::Error::Guest { error, .. } => error.row,
            _ => None,
        }
    }
}

impl From<CallError> for DataFusionError {
    fn from(error: CallError) -> Self {
        Self::External(Box::new(error))
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

#[cfg(test)]
mod tests {
    use transom_plugin::{GuestError, GuestErrorKind};

    use super::*;

    fn failed(row: Option<u32>, batch: Option<u64>) -> String {
        let error = GuestError {
            kind: GuestErrorKind::BadData,
            message: "too late".to_owned(),
            row,
            column: None,
        };
        let source = transom_plugin::Error::Guest {
            plugin: "late".to_owned(),
            error,
        };
        let place = Place {
            partition: 1,
            batch,
            row: None,
            rows_before: 8192,
            rows: if batch.is_some() { 100 } else { 0 },
        };
        CallError::new("step `late`", source).at(place).to_string()
    }

    #[test]
    fn a_failure_says_where_in_the_input() {
        assert_eq!(
            failed(Some(4), Some(2)),
            "step `late` failed at row 8197 of partition 1, in batch 2"
        );
        let rows = "step `late` failed in batch 2 of partition 1, rows 8193 to 8292";
        assert_eq!(failed(None, Some(2)), rows);
        // There is no such row.
        assert_eq!(failed(Some(100), Some(2)), rows);
        assert_eq!(
            failed(Some(0), None),
            "step `late` failed at the end of partition 1, after 8192 rows"
        );
    }
}
