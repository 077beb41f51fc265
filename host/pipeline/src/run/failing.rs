//! The rows that fail checks in the slices of one run: each slice writes the tables anew, and keeps what those before it have found.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use tokio::sync::{Mutex, MutexGuard};
use transom_file::spec::Place;

/// Failing rows that are kept of each check.
pub(super) const KEPT: usize = 1000;

/// What the slices of a run have found so far.
#[derive(Debug, Default)]
pub(crate) struct FailingRows(Mutex<Noted>);

impl FailingRows {
    /// For whoever writes the tables: two slices that are computed at the same time would overtake each other.
    pub(super) async fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().await
    }

    /// Of an attempt that comes to nothing, the rows are found again.
    pub(crate) async fn forget(&self, attempt: &str) {
        for noted in self.0.lock().await.0.values_mut() {
            noted.retain(|(of, _)| of != attempt);
        }
    }
}

/// By table: the rows of each attempt.
#[derive(Debug, Default)]
pub(super) struct Noted(BTreeMap<String, Vec<(String, RecordBatch)>>);

impl Noted {
    /// Adds what an attempt has found, and gives all that the table is to have.
    pub(super) fn add(
        &mut self,
        table: &Place,
        attempt: &str,
        rows: &RecordBatch,
    ) -> Result<RecordBatch, ArrowError> {
        let noted = self.0.entry(table.to_string()).or_default();
        let there: usize = noted.iter().map(|(_, rows)| rows.num_rows()).sum();
        let room = rows.num_rows().min(KEPT.saturating_sub(there));
        if room > 0 {
            noted.push((attempt.to_owned(), rows.slice(0, room)));
        }
        concat_batches(&rows.schema(), noted.iter().map(|(_, rows)| rows))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn rows(count: usize) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count as i64));
        RecordBatch::try_from_iter([("id", ids)]).unwrap()
    }

    #[tokio::test]
    async fn rows_of_slices_are_kept_up_to_a_number_and_forgotten_with_their_attempt() {
        let failing = FailingRows::default();
        let table = Place::Local("dead_letters/raw.checks/one".into());
        let add = async |attempt: &str, count: usize| {
            let mut noted = failing.lock().await;
            noted.add(&table, attempt, &rows(count)).unwrap().num_rows()
        };
        assert_eq!(add("a", 0).await, 0);
        assert_eq!(add("b", 300).await, 300);
        assert_eq!(add("c", 0).await, 300);
        assert_eq!(add("d", 900).await, KEPT);
        failing.forget("b").await;
        assert_eq!(add("e", 1).await, 701);
    }
}
