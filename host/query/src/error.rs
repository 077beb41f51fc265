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
#[error("{what} failed{}", shown(place.as_ref(), *found))]
pub struct CallError {
    /// The function or the step: ``function `geo.great_circle` ``.
    pub what: String,
    /// The rows that it was given; unknown of a function, which DataFusion calls with any rows.
    pub place: Option<Place>,
    /// What the plugin or its host said.
    #[source]
    pub source: Arc<transom_plugin::Error>,
    /// The row that the plugin was at, where that is known.
    pub row: Option<FailedRow>,
    /// Its index in the batch, where the plugin does not say it and it was found all the same.
    pub found: Option<u32>,
}

fn shown(place: Option<&Place>, found: Option<u32>) -> String {
    match (place, found) {
        (Some(place), _) => format!(" {place}"),
        (None, Some(row)) => format!(" at row {} of the batch", u64::from(row) + 1),
        (None, None) => String::new(),
    }
}

/// Where in the input of a transform its guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The partition of the plan, from 0.
    partition: usize,
    /// Rows of the partition before the batch.
    rows_before: u64,
    /// None where the guest is called after all batches.
    batch: Option<Batch>,
    /// The index in the batch of the row that is meant.
    row: Option<u32>,
}

/// One batch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    /// From 1.
    number: u64,
    rows: u64,
}

impl Place {
    pub(crate) fn in_batch(partition: usize, number: u64, rows_before: u64, rows: u64) -> Self {
        Self {
            partition,
            rows_before,
            batch: Some(Batch { number, rows }),
            row: None,
        }
    }

    pub(crate) fn at_end(partition: usize, rows_before: u64) -> Self {
        Self {
            partition,
            rows_before,
            batch: None,
            row: None,
        }
    }

    /// The same, at a row of the batch. A guest's row number is not to be trusted: one that is not there changes nothing.
    pub(crate) fn at_row(self, row: u32) -> Self {
        let is_there = self.batch.is_some_and(|batch| u64::from(row) < batch.rows);
        Self {
            row: is_there.then_some(row),
            ..self
        }
    }
}

/// Rows and batches count from 1, as in dead letters.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            rows_before,
            ..
        } = self;
        let first = rows_before + 1;
        match (self.batch, self.row) {
            (Some(Batch { number, .. }), Some(row)) => {
                let row = first + u64::from(row);
                write!(
                    f,
                    "at row {row} of partition {partition}, in batch {number}"
                )
            }
            (Some(Batch { number, rows: 1 }), None) => {
                write!(f, "in batch {number} of partition {partition}, row {first}")
            }
            (Some(Batch { number, rows }), None) => {
                let last = rows_before + rows;
                write!(
                    f,
                    "in batch {number} of partition {partition}, rows {first} to {last}"
                )
            }
            (None, _) => {
                let plural = if *rows_before == 1 { "" } else { "s" };
                write!(
                    f,
                    "at the end of partition {partition}, after {rows_before} row{plural}"
                )
            }
        }
    }
}

impl CallError {
    /// An error whose place and row are not known.
    pub fn new(what: impl Into<String>, source: transom_plugin::Error) -> Self {
        Self {
            what: what.into(),
            place: None,
            source: Arc::new(source),
            row: None,
            found: None,
        }
    }

    /// The same for a row that was found by trying.
    pub(crate) fn at_row(self, found: Option<u32>) -> Self {
        Self { found, ..self }
    }

    /// Keeps the row of a batch that the error names; the batch is asked for only if it names one.
    pub(crate) fn with_row(
        mut self,
        of: RowOf,
        batch: impl FnOnce() -> Option<RecordBatch>,
    ) -> Self {
        self.row = self
            .named_row()
            .and_then(|row| FailedRow::of(&batch()?, row, of));
        self
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        let row = self.named_row();
        self.place = Some(row.map_or(place, |row| place.at_row(row)));
        self
    }

    /// The row's index in the batch, as the plugin tells it or as it was found.
    fn named_row(&self) -> Option<u32> {
        match &*self.source {
            transom_plugin::Error::Guest { error, .. } => error.row.or(self.found),
            _ => self.found,
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
/// Its values may be confidential: they stand in no message and no log, not even by `Debug`, unless they are asked for.
#[derive(Clone)]
pub struct FailedRow {
    values: Box<RecordBatch>,
    /// What its columns are.
    pub of: Box<RowOf>,
}

/// What the columns of a [`FailedRow`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOf {
    /// Arguments of a function.
    Call {
        /// The step whose query calls it, if it is a step's.
        step: Option<String>,
        /// `plugin.function`.
        function: String,
    },
    /// The input of a transform.
    Input {
        /// The transform's step.
        step: String,
    },
}

impl FailedRow {
    /// A guest's row number is not to be trusted.
    pub(crate) fn of(batch: &RecordBatch, row: u32, of: RowOf) -> Option<Self> {
        let row = row as usize;
        (row < batch.num_rows()).then(|| Self {
            values: Box::new(batch.slice(row, 1)),
            of: Box::new(of),
        })
    }

    /// The row, alone in a batch.
    #[must_use]
    pub fn values(&self) -> &RecordBatch {
        &self.values
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
#[error("step `{step}` rejected more than {allowed} {}", if *.allowed == 1 { "row" } else { "rows" })]
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
#[error("{what}, {place}: {reason}")]
pub struct RowsFailed {
    /// Who did not take how many rows.
    pub what: String,
    /// Where the first of them is.
    pub place: String,
    /// Why it was not taken.
    pub reason: String,
    /// The first of them.
    pub row: Option<FailedRow>,
}

impl From<RowsFailed> for DataFusionError {
    fn from(error: RowsFailed) -> Self {
        Self::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use transom_plugin::{GuestError, GuestErrorKind};

    use super::*;

    fn failed(row: Option<u32>, place: Place) -> String {
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
        CallError::new("step `late`", source).at(place).to_string()
    }

    #[test]
    fn a_failure_says_where_in_the_input() {
        let batch = Place::in_batch(1, 2, 8192, 100);
        assert_eq!(
            failed(Some(4), batch),
            "step `late` failed at row 8197 of partition 1, in batch 2"
        );
        let rows = "step `late` failed in batch 2 of partition 1, rows 8193 to 8292";
        assert_eq!(failed(None, batch), rows);
        // There is no such row.
        assert_eq!(failed(Some(100), batch), rows);
        assert_eq!(
            failed(None, Place::in_batch(0, 1, 0, 1)),
            "step `late` failed in batch 1 of partition 0, row 1"
        );
        assert_eq!(
            failed(Some(0), Place::at_end(1, 8192)),
            "step `late` failed at the end of partition 1, after 8192 rows"
        );
    }
}
