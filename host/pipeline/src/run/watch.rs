//! Following work, and giving it up.

use std::time::Duration;

use transom_plugin::Cancel;

use super::Observer;
use crate::error::{Error, Result};

/// How often a running stage says how far it is.
const PULSE: Duration = Duration::from_millis(100);

/// Lets the observer know at every pulse how far `work` is, and gives it up when the run is cancelled.
pub(super) async fn watched<T>(
    work: impl Future<Output = T>,
    rows: impl Fn() -> u64,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<T> {
    let mut pulse = tokio::time::interval(PULSE);
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            _ = pulse.tick() => {
                // Guests stop by themselves; operators stop when their streams are dropped.
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                observer.rows(rows());
            }
        }
    }
}
