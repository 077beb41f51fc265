//! Charges the memory of guests to the query's pool.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use transom_plugin::MemoryBudget;

/// One reservation for one instance; given back when the instance is dropped.
#[derive(Debug)]
pub(crate) struct GuestMemory(MemoryReservation);

impl GuestMemory {
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, plugin: &str) -> Self {
        Self(MemoryConsumer::new(format!("plugin {plugin}")).register(pool))
    }
}

impl MemoryBudget for GuestMemory {
    fn try_grow(&self, bytes: usize) -> Result<(), String> {
        self.0
            .try_grow(bytes)
            .map_err(|error| error.message().into_owned())
    }

    fn shrink(&self, bytes: usize) {
        self.0.shrink(bytes);
    }
}
