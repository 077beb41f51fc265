//! Instances of one plugin for SQL functions.
//!
//! DataFusion calls a scalar function from any of its partitions without saying which, so instances are checked out for a
//! call and put back after it. None is ever shared: partitions do not wait for each other. An instance that crashed is not put back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use datafusion::execution::memory_pool::MemoryPool;
use parking_lot::Mutex;
use transom_plugin::{
    Cancel, Instance, InstanceOptions, LogicalTime, OpenedFunction, Plugin, Result, Timing,
};

use crate::memory::GuestMemory;

/// An odd number, so that different factors give different products.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A plugin within one run.
#[derive(Debug)]
pub(crate) struct InstancePool {
    plugin: Arc<Plugin>,
    memory: Arc<dyn MemoryPool>,
    /// What stops instances, and what they take for the time and draw randomness from.
    run: Mutex<(Cancel, LogicalTime)>,
    instances: AtomicU64,
    idle: Mutex<Vec<Checkout>>,
    timing: Mutex<Timing>,
    counters: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<BTreeMap<String, Failures>>,
}

/// How often a function failed for a row where that makes the value NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// How often.
    pub count: u64,
    /// Why once, in the plugin's words.
    pub reason: String,
}

/// An instance and what it has opened so far.
#[derive(Debug)]
struct Checkout {
    instance: Instance,
    opened: HashMap<(String, Vec<FieldRef>), OpenedFunction>,
}

impl InstancePool {
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        memory: Arc<dyn MemoryPool>,
        cancel: Cancel,
        time: LogicalTime,
    ) -> Self {
        Self {
            plugin,
            memory,
            run: Mutex::new((cancel, time)),
            instances: AtomicU64::new(0),
            idle: Mutex::default(),
            timing: Mutex::default(),
            counters: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Begins another run: no instance of the last one is used again, and nothing of it counts.
    pub(crate) fn renew(&self, time: LogicalTime, cancel: Cancel) {
        *self.run.lock() = (cancel, time);
        self.instances.store(0, Ordering::Relaxed);
        self.idle.lock().clear();
        *self.timing.lock() = Timing::default();
        self.counters.lock().clear();
        self.failures.lock().clear();
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// A fresh instance that the pool does not see again, for a transform, which keeps it as long as it can. The same partition
    /// has the same randomness in every run.
    pub(crate) fn instantiate_for(&self, partition: usize, generation: usize) -> Result<Instance> {
        self.instantiate(number_of(partition, generation))
    }

    /// The same for calls that only find out why one failed, with less time than the plugin's limits allow; see
    /// [`InstanceOptions::traces`].
    pub(crate) fn instantiate_again(
        &self,
        partition: usize,
        generation: usize,
        call_time: Option<Duration>,
        traces: bool,
    ) -> Result<Instance> {
        self.instantiate_within(number_of(partition, generation), call_time, traces)
    }

    /// A fresh instance. Instances of different numbers draw different numbers from the run's seed: what is to be unique, such as
    /// a UUID, must not come twice from two of them.
    fn instantiate(&self, number: u64) -> Result<Instance> {
        self.instantiate_within(number, None, false)
    }

    fn instantiate_within(
        &self,
        number: u64,
        call_time: Option<Duration>,
        traces: bool,
    ) -> Result<Instance> {
        let (cancel, time) = self.run.lock().clone();
        let time = LogicalTime {
            seed: time.seed ^ number.wrapping_mul(SPREAD),
            ..time
        };
        let memory = GuestMemory::new(&self.memory, self.plugin.name());
        self.plugin.instantiate(InstanceOptions {
            memory: Some(Arc::new(memory)),
            call_time,
            traces,
            cancel,
            time,
        })
    }

    /// Calls a function once in a fresh instance, in less time than the plugin's limits allow; see [`InstanceOptions::traces`].
    /// What it counts does not count.
    pub(crate) fn try_function(
        &self,
        function: &str,
        arguments: &[FieldRef],
        columns: &[ArrayRef],
        rows: usize,
        call_time: Option<Duration>,
        traces: bool,
    ) -> Result<()> {
        let mut instance = self.instantiate_within(0, call_time, traces)?;
        let opened = instance.open_function(function, arguments)?;
        instance.call_function(&opened, columns, rows)?;
        Ok(())
    }

    /// Runs `call` with an instance that has opened `function` for `arguments`.
    pub(crate) fn with_function<T>(
        &self,
        function: &str,
        arguments: &[FieldRef],
        call: impl FnOnce(&mut Instance, &OpenedFunction) -> Result<T>,
    ) -> Result<T> {
        let idle = self.idle.lock().pop();
        let mut checkout = match idle {
            Some(checkout) => checkout,
            None => Checkout {
                // Beyond the numbers of partitions. Which batch a function's instance gets is chance anyway.
                instance: self
                    .instantiate(u64::MAX - self.instances.fetch_add(1, Ordering::Relaxed))?,
                opened: HashMap::new(),
            },
        };
        let before = checkout.instance.timing();
        let result = checkout.run(function, arguments, call);
        self.add_timing(checkout.instance.timing(), before);
        self.collect_counters(&mut checkout.instance);
        if !checkout.instance.is_dead() && !checkout.instance.is_worn() {
            self.idle.lock().push(checkout);
        }
        result
    }

    fn add_timing(&self, after: Timing, before: Timing) {
        *self.timing.lock() += Timing {
            calls: after.calls - before.calls,
            lowering: after.lowering - before.lowering,
            guest: after.guest - before.guest,
            lifting: after.lifting - before.lifting,
        };
    }

    /// Adds what an instance has counted since the last time.
    pub(crate) fn collect_counters(&self, instance: &mut Instance) {
        let counted = instance.take_counters();
        if !counted.is_empty() {
            let mut counters = self.counters.lock();
            for (metric, value) in counted {
                let counter = counters.entry(metric).or_default();
                *counter = counter.saturating_add(value);
            }
        }
    }

    /// What the plugin's instances have counted so far.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.lock().clone()
    }

    /// Counts rows that `function` failed for and that go on with NULL.
    pub(crate) fn count_failures(&self, function: &str, rows: usize, reason: &str) {
        let mut failures = self.failures.lock();
        match failures.get_mut(function) {
            Some(failures) => failures.count += rows as u64,
            None => {
                let first = Failures {
                    count: rows as u64,
                    reason: reason.to_owned(),
                };
                failures.insert(function.to_owned(), first);
            }
        }
    }

    /// What was counted so, by function.
    pub(crate) fn failures(&self) -> BTreeMap<String, Failures> {
        self.failures.lock().clone()
    }

    /// Where the time of function calls went so far, over all instances.
    pub(crate) fn timing(&self) -> Timing {
        *self.timing.lock()
    }
}

/// The number of a transform's instance.
fn number_of(partition: usize, generation: usize) -> u64 {
    1 + ((partition as u64) << 32) + generation as u64
}

impl Checkout {
    fn run<T>(
        &mut self,
        function: &str,
        arguments: &[FieldRef],
        call: impl FnOnce(&mut Instance, &OpenedFunction) -> Result<T>,
    ) -> Result<T> {
        let key = (function.to_owned(), arguments.to_vec());
        let opened = match self.opened.get(&key) {
            Some(opened) => opened.clone(),
            None => {
                let opened = self.instance.open_function(function, arguments)?;
                self.opened.insert(key, opened.clone());
                opened
            }
        };
        call(&mut self.instance, &opened)
    }
}
