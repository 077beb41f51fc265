//! Stopping a guest from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that many instances watch; once set, guests stop at the next tick of the epoch (10 ms).
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every guest that watches the flag. Cannot be undone.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why the host ended a guest's call; travels through wasmtime as the trap's cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupt {
    #[error("cancelled")]
    Cancelled,
    #[error("over the limit `{limit}`")]
    Limit {
        limit: &'static str,
        allowed: String,
        asked: String,
    },
}
