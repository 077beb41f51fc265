//! Where a guest failed that does not say it: the batch is given to it again.

use std::time::Duration;

use arrow::array::ArrayRef;
use transom_plugin::Input;

use super::running::{Current, Running, open_in};

/// A batch that takes so long alone is one at which a guest may run out of time.
const LONG_FOR_A_BATCH: Duration = Duration::from_secs(1);

impl Running {
    /// The row of the batch that the guest failed on, of an error that names none: a guest that crashed cannot say it, and few say it
    /// of exceptions. Fresh instances get ever shorter beginnings of the batch. None where the batch alone does not fail.
    pub(super) fn failing_row(&self, error: &transom_plugin::Error) -> Option<u32> {
        use transom_plugin::Error::{Crash, Guest};
        use transom_plugin::GuestErrorKind::{BadData, Internal};
        let is_of_a_row = match error {
            Crash { .. } => true,
            Guest { error, .. } => error.row.is_none() && matches!(error.kind, BadData | Internal),
            _ => false,
        };
        if !is_of_a_row {
            return None;
        }
        let current = self.current.as_ref()?;
        let fails = |rows: usize| match self.try_first(current, rows, None, false) {
            Ok(()) => Some(false),
            Err(Crash { .. } | Guest { .. }) => Some(true),
            Err(_) => None,
        };
        let (mut passes, mut failing) = (0, current.batch.num_rows());
        if !fails(failing)? {
            return None;
        }
        while failing - passes > 1 {
            let middle = passes + (failing - passes) / 2;
            match fails(middle)? {
                true => failing = middle,
                false => passes = middle,
            }
        }
        u32::try_from(passes).ok()
    }

    /// The line of the plugin's source at which the guest takes too long, if its language tells and the batch alone takes long.
    pub(super) fn slow_line(&self, error: &transom_plugin::Error) -> Option<String> {
        let current = self.current.as_ref().filter(|_| error.is_out_of_time())?;
        let again = |traces| {
            let rows = current.batch.num_rows();
            let tried = self.try_first(current, rows, Some(LONG_FOR_A_BATCH), traces);
            tried.err().filter(transom_plugin::Error::is_out_of_time)
        };
        // With its lines logged any batch may take so long.
        again(false)?;
        again(true)?.line().map(str::to_owned)
    }

    /// Gives the first rows of a batch to a fresh instance, which has less time than the plugin's limits allow.
    fn try_first(
        &self,
        current: &Current,
        rows: usize,
        call_time: Option<Duration>,
        traces: bool,
    ) -> transom_plugin::Result<()> {
        let exec = &self.exec;
        let pool = &exec.spec.pool;
        let guest = pool.instantiate_again(self.seat(), self.generation, call_time, traces)?;
        let (mut guest, opened) = open_in(exec, guest)?;
        let first = |columns: &[Option<ArrayRef>]| -> Vec<Option<ArrayRef>> {
            let columns = columns.iter();
            columns
                .map(|column| column.as_ref().map(|column| column.slice(0, rows)))
                .collect()
        };
        let (columns, reads) = (first(&current.columns), first(&current.reads));
        let input = Input::new(&columns, rows, &exec.keep, &exec.schema).with_reads(&reads);
        let mut outcome = guest.process(&opened, &input)?;
        while outcome.more {
            outcome = guest.pull(&opened, Some(&input))?;
        }
        Ok(())
    }
}
