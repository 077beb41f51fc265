//! Stopping a guest from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::Exceeded;

/// A flag that many instances watch; once set, guests stop at the next tick of the epoch (10 ms).
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    parent: Option<Arc<Self>>,
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag of its own that is set with this one as well: a part of the work can be stopped without the whole.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            flag: Arc::default(),
            parent: Some(Arc::new(self.clone())),
        }
    }

    /// Stops every guest that watches the flag. Cannot be undone.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
            || self
                .parent
                .as_ref()
                .is_some_and(|parent| parent.is_cancelled())
    }
}

/// Why the host ended a guest's call; travels through wasmtime as the trap's cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupt {
    #[error("cancelled")]
    Cancelled,
    #[error("it asks for `{what}`, which no plugin is granted")]
    Denied { what: String },
    #[error(transparent)]
    Limit(Exceeded),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_stopped_with_the_whole_and_not_the_other_way_round() {
        let whole = Cancel::new();
        let (one, other) = (whole.child(), whole.child());
        one.cancel();
        assert_eq!(
            [&one, &other, &whole].map(Cancel::is_cancelled),
            [true, false, false]
        );
        whole.cancel();
        assert!(other.is_cancelled());
    }
}
