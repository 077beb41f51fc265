//! What a plugin may use. Every limit has a name, a default and is enforced; going over it is [`crate::Error::Limit`].

use std::sync::Arc;
use std::time::Duration;

/// Limits of one instance. `memory`, `call_time`, `output` and `state` can be set under `limits:` in the pipeline file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory and tables of one instance in bytes. Default 1 GiB.
    pub memory: usize,
    /// Wall time of one call, and of calls in a row that ask a transform for more and get no rows. Default 60 s. A batch takes
    /// milliseconds; this stops endless loops.
    pub call_time: Duration,
    /// Bytes that one call may hand to the host, those of columns that the host carries over for it included. Default 512 MiB.
    pub output: usize,
    /// Bytes of the state that a transform saves for the next slice. Default 64 MiB: each slice that changes it writes all of it again.
    pub state: usize,
    /// Rows that one call of a transform returns. Default 4,000,000: few bytes can stand for many rows, and the host makes
    /// the columns that are carried over. A transform that has more says so and is asked again.
    pub rows: usize,
    /// How often a transform is asked for more output of one batch of input. Default 1,000,000: it stops output without end.
    pub pulls: usize,
    /// Bytes that one call may log, each message taken for 64 bytes more than it has. Default 1 MiB.
    pub log: usize,
    /// Size of a component in bytes. Default 64 MiB: compiling cannot be interrupted, so it is refused beforehand.
    pub component: usize,
    /// Time in which a component is compiled, which happens once. Default 5 minutes. What is still being compiled then goes on in
    /// the background until it is done, since a compiler cannot be interrupted; the run does not wait for it.
    pub compile_time: Duration,
    /// Names of the counters a plugin may keep. Default 64.
    pub counters: usize,
    /// Fields of a schema that a plugin returns, children included. Default 10,000.
    pub fields: usize,
    /// Bytes of a name, a reason or a message that a plugin returns. Default 64 KiB; longer messages are cut, longer names refused.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            call_time: Duration::from_secs(60),
            output: 512 << 20,
            state: 64 << 20,
            rows: 4_000_000,
            pulls: 1_000_000,
            log: 1 << 20,
            component: 64 << 20,
            compile_time: Duration::from_secs(300),
            counters: 64,
            fields: 10_000,
            text: 64 << 10,
        }
    }
}

/// Where the memory of instances is charged, so that a query knows what its plugins take.
pub trait MemoryBudget: Send + Sync + std::fmt::Debug {
    /// Takes `bytes` more, or says how much of it all is taken.
    fn try_grow(&self, bytes: usize) -> Result<(), String>;
    /// Gives `bytes` back.
    fn shrink(&self, bytes: usize);
}

/// A limit that a guest went over, as the rest of a sentence about its plugin. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// [`Limits::memory`].
    #[error("needed more than its `memory` of {}", bytes(*.0))]
    Memory(usize),
    /// What a [`MemoryBudget`] has left.
    #[error("needed another {} of the run's memory: {left}", bytes(*.more))]
    Budget {
        /// What was refused.
        more: usize,
        /// Why.
        left: String,
    },
    /// [`Limits::call_time`].
    #[error("ran longer than its `call_time` of {allowed:?}{}", line.as_ref().map(|line| format!("\n{line}")).unwrap_or_default())]
    CallTime {
        /// The limit.
        allowed: Duration,
        /// The line of the plugin's source that it was at, as a traceback shows it, where its language tells.
        line: Option<String>,
    },
    /// [`Limits::compile_time`].
    #[error("took longer than {0:?} to compile")]
    CompileTime(Duration),
    /// [`Limits::output`].
    #[error("returned more than its `output` of {} in one call", bytes(*.0))]
    Output(usize),
    /// [`Limits::state`].
    #[error("saved a state of {}; its limit for `state` is {}", bytes(*.saved), bytes(*.allowed))]
    State {
        /// The limit.
        allowed: usize,
        /// Bytes that it saved.
        saved: usize,
    },
    /// [`Limits::rows`].
    #[error("returned {returned} rows in one call; {allowed} are allowed")]
    Rows {
        /// The limit.
        allowed: usize,
        /// The rows of all parts.
        returned: usize,
    },
    /// [`Limits::pulls`].
    #[error(
        "had more output for one batch after {0} calls of `pull`, which are all that are allowed"
    )]
    Pulls(usize),
    /// [`Limits::log`].
    #[error("logged more than {} in one call", bytes(*.0))]
    Log(usize),
    /// [`Limits::component`].
    #[error("is {} in size; {} are allowed", bytes(*.size), bytes(*.allowed))]
    Component {
        /// The limit.
        allowed: usize,
        /// The file's size, or that of what is in it.
        size: usize,
    },
    /// [`Limits::counters`].
    #[error("keeps more than {0} counters")]
    Counters(usize),
    /// A counter's name; the limit is fixed.
    #[error("has a counter with a name of {length} bytes; {allowed} are allowed")]
    CounterName {
        /// The limit.
        allowed: usize,
        /// Bytes of the name.
        length: usize,
    },
}

impl Exceeded {
    /// Whether a key under the plugin's `limits` in the pipeline file raises it.
    pub(crate) fn is_configurable(&self) -> bool {
        matches!(
            self,
            Self::Memory(_) | Self::CallTime { .. } | Self::Output(_) | Self::State { .. }
        )
    }
}

/// Counts an instance's memory and asks the budget; part of the store's data.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    budget: Option<Arc<dyn MemoryBudget>>,
    used: usize,
    peak: usize,
    /// Set when the last growth was refused: the guest may well crash of it, and that is the reason to report.
    pub(crate) refused: Option<Exceeded>,
}

/// Stack of a guest's code, in bytes; a deep recursion ends in a trap there.
pub(crate) const WASM_STACK: usize = 1 << 20;

/// What the host's own functions below and above a guest's code may need of the same stack.
const HOST_STACK: usize = 512 << 10;

/// Runs what calls a guest with all the stack that it may use. wasmtime counts from where the stack is at the call and does not ask
/// where it ends: a thread that is deep in a plan already would overflow before the guest is stopped, and the process with it.
pub(crate) fn with_stack<T>(call: impl FnOnce() -> T) -> T {
    let needed = WASM_STACK + HOST_STACK;
    stacker::maybe_grow(needed, 2 * needed, call)
}

/// Entries of a table; indirect calls of any real program fit many times.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// What an entry of a table takes of the host's memory, in bytes.
const TABLE_ELEMENT: usize = 16;

/// Core instances of one component, memories and tables in all of them. An interpreter with its libraries has some dozens of
/// instances around one memory; more would take the places that other plugins need.
pub(crate) const MAX_INSTANCES: u32 = 256;
pub(crate) const MAX_MEMORIES: u32 = 16;
pub(crate) const MAX_TABLES: u32 = 32;

impl MemoryMeter {
    pub(crate) fn new(limit: usize, budget: Option<Arc<dyn MemoryBudget>>) -> Self {
        Self {
            limit,
            budget,
            used: 0,
            peak: 0,
            refused: None,
        }
    }

    /// Takes what a memory or a table grows by, if limit and budget allow it.
    fn grow(&mut self, more: usize) -> bool {
        // A component may have several memories and tables; the limit is for all of them.
        let total = self.used.saturating_add(more);
        if total > self.limit {
            self.refused = Some(Exceeded::Memory(self.limit));
            return false;
        }
        if let Some(budget) = &self.budget
            && let Err(left) = budget.try_grow(more)
        {
            self.refused = Some(Exceeded::Budget { more, left });
            return false;
        }
        self.used = total;
        self.peak = self.peak.max(total);
        true
    }

    /// Memory now, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Largest memory seen, in bytes.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.shrink(self.used);
        }
    }
}

impl wasmtime::ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // More than the memory itself declares is never given, so it is not charged either.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > maximum.unwrap_or(usize::MAX).min(MAX_TABLE_ELEMENTS) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT)))
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}

/// Bytes for people, as messages about limits have them: `64.0 MiB`.
#[must_use]
pub fn bytes(count: usize) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wasmtime::ResourceLimiter;

    #[derive(Debug, Default)]
    struct Counted(AtomicUsize);

    impl MemoryBudget for Counted {
        fn try_grow(&self, bytes: usize) -> Result<(), String> {
            self.0.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        }

        fn shrink(&self, bytes: usize) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_memory_that_can_be_had_is_charged() {
        let budget = Arc::new(Counted::default());
        let mut meter = MemoryMeter::new(1000, Some(Arc::clone(&budget) as _));
        assert!(meter.memory_growing(0, 400, Some(500)).unwrap());
        // A guest may ask for more than its memory declares as often as it likes.
        assert!(!meter.memory_growing(400, 600, Some(500)).unwrap());
        assert!(meter.refused.is_none());
        // The limit holds for all memories together.
        assert!(meter.memory_growing(0, 600, None).unwrap());
        assert!(!meter.memory_growing(600, 601, None).unwrap());
        assert!(matches!(meter.refused, Some(Exceeded::Memory(1000))));
        assert_eq!(
            (budget.0.load(Ordering::Relaxed), meter.peak()),
            (1000, 1000)
        );
        drop(meter);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn tables_are_memory_too() {
        let mut meter = MemoryMeter::new(1000, None);
        assert!(meter.table_growing(0, 60, None).unwrap());
        assert_eq!(meter.used(), 960);
        assert!(!meter.table_growing(60, 63, None).unwrap());
        assert!(!meter.memory_growing(0, 41, None).unwrap());
        assert!(meter.refused.is_some());
    }

    #[test]
    fn bytes_are_shown_in_the_largest_fitting_unit() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
        assert_eq!(bytes(1536 << 10), "1.5 MiB");
    }
}
