//! Instances of one plugin for SQL functions.
//!
//! DataFusion calls a scalar function from any of its partitions without saying which, so instances are checked out for a
//! call and put back after it. None is ever shared: partitions do not wait for each other. An instance that crashed is not put back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::execution::memory_pool::MemoryPool;
use parking_lot::Mutex;
use transom_plugin::{
    Cancel, Instance, InstanceOptions, LogicalTime, OpenedFunction, Plugin, Result, Timing,
};

use crate::memory::GuestMemory;

/// A plugin within one run.
#[derive(Debug)]
pub(crate) struct InstancePool {
    plugin: Arc<Plugin>,
    memory: Arc<dyn MemoryPool>,
    cancel: Cancel,
    time: LogicalTime,
    idle: Mutex<Vec<Checkout>>,
    timing: Mutex<Timing>,
    counters: Mutex<BTreeMap<String, u64>>,
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
            cancel,
            time,
            idle: Mutex::default(),
            timing: Mutex::default(),
            counters: Mutex::default(),
        }
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// A fresh instance that the pool does not see again; transforms keep theirs for a whole partition.
    pub(crate) fn instantiate(&self) -> Result<Instance> {
        let memory = GuestMemory::new(&self.memory, self.plugin.name());
        self.plugin.instantiate(InstanceOptions {
            memory: Some(Arc::new(memory)),
            cancel: self.cancel.clone(),
            time: self.time,
        })
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
                instance: self.instantiate()?,
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

    /// Where the time of function calls went so far, over all instances.
    pub(crate) fn timing(&self) -> Timing {
        *self.timing.lock()
    }
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
