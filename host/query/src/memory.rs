//! Charges the memory of guests to the query's pool.

use std::sync::Arc;

use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use transom_plugin::MemoryBudget;

/// One reservation for one instance; given back when the instance is dropped.
#[derive(Debug)]
pub(crate) struct GuestMemory {
    reservation: MemoryReservation,
    pool: Arc<dyn MemoryPool>,
}

impl GuestMemory {
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, plugin: &str) -> Self {
        Self {
            reservation: MemoryConsumer::new(format!("plugin {plugin}")).register(pool),
            pool: Arc::clone(pool),
        }
    }
}

impl MemoryBudget for GuestMemory {
    fn try_grow(&self, bytes: usize) -> Result<(), String> {
        self.reservation
            .try_grow(bytes)
            .map_err(|_| match self.pool.memory_limit() {
                // DataFusion's own words go on for several lines about reservations and consumers.
                MemoryLimit::Finite(limit) => format!(
                    "{} of {} are taken",
                    transom_plugin::bytes(self.pool.reserved()),
                    transom_plugin::bytes(limit)
                ),
                _ => "it has none".to_owned(),
            })
    }

    fn shrink(&self, bytes: usize) {
        self.reservation.shrink(bytes);
    }
}
