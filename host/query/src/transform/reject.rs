//! What becomes of rows that a guest rejects.

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use transom_plugin::Rejected;

use super::metrics::TransformMetrics;
use super::running::Running;
use super::step::{OnReject, RejectedRows};
use crate::error::{FailedRow, RowsFailed, TooManyRejected};

impl Running {
    /// Does with rejected rows what the step says.
    pub(super) fn reject(&mut self, rejected: &[Rejected]) -> Result<()> {
        let (Some(first), Some(current)) = (rejected.first(), &self.current) else {
            return Ok(());
        };
        let spec = &self.exec.spec;
        match &spec.step.on_reject {
            OnReject::Drop => {}
            OnReject::Fail => {
                return Err(DataFusionError::from(RowsFailed {
                    what: format!("{} rejected a row", spec.what()),
                    place: self.place().at_row(first.row).to_string(),
                    reason: first.reason.clone(),
                    row: FailedRow::of(&current.own(&self.exec)?, first.row, spec.row_of()),
                }));
            }
            OnReject::DeadLetter(letters) => {
                let rows: UInt32Array = rejected
                    .iter()
                    .map(|rejected| rejected.row)
                    .collect::<Vec<_>>()
                    .into();
                let rows = take_record_batch(&current.batch, &rows)?;
                // No column of a dead letter was pruned, so what is not the input's is the origin's.
                let (own, origin): (Vec<usize>, Vec<usize>) =
                    (0..rows.num_columns()).partition(|at| self.exec.columns.contains(&Some(*at)));
                let description = spec.pool.plugin().description();
                letters.put(RejectedRows {
                    step: spec.step.name.clone(),
                    plugin: description.name.clone(),
                    version: description.version.clone(),
                    rows: rows.project(&own)?,
                    origin: match origin.is_empty() {
                        false => Some(rows.project(&origin)?),
                        true => None,
                    },
                    partition: self.partition,
                    numbers: rejected
                        .iter()
                        .map(|rejected| self.rows_before + u64::from(rejected.row))
                        .collect(),
                    reasons: rejected
                        .iter()
                        .map(|rejected| rejected.reason.clone())
                        .collect(),
                })?;
            }
        }
        // After they were kept, so that no more rows are counted than the dead letters hold.
        self.metrics.rejected_rows.add(rejected.len());
        if let Some(allowed) = spec.step.max_rejects {
            // Of all partitions.
            let TransformMetrics {
                rejected_rows,
                input_rows,
                ..
            } = self.exec.figures();
            if rejected_rows as u64 > allowed {
                return Err(DataFusionError::External(Box::new(TooManyRejected {
                    step: spec.step.name.clone(),
                    allowed,
                    rejected: rejected_rows as u64,
                    given: input_rows as u64,
                    reason: first.reason.clone(),
                })));
            }
        }
        Ok(())
    }
}
