//! A guest that takes too much: time, memory, output, log. Each limit is a typed error that names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use transom_plugin::{Cancel, Error, Instance, InstanceOptions, Limits, MemoryBudget, Plugin};

use crate::support::{batch, plugin, plugin_with, process, process_and_pull};

fn rows(count: usize) -> RecordBatch {
    batch(vec![Arc::new(Int64Array::from(vec![1; count]))])
}

fn start(plugin: &Arc<Plugin>) -> Instance {
    plugin.instantiate(InstanceOptions::default()).unwrap()
}

fn run(instance: &mut Instance, transform: &str, options: &str) -> Error {
    let rows = rows(10_000);
    match instance.open_transform(transform, &rows.schema(), options) {
        Ok(opened) => process(instance, &opened, &rows).unwrap_err(),
        Err(error) => error,
    }
}

fn assert_limit(error: &Error, name: &str, expected: &str) {
    assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(name) && text.contains(expected), "{text}");
    // The hint is for limits that the pipeline file can raise.
    let raisable = ["`memory`", "`call_time`", "`output`", BUDGET].contains(&name);
    assert_eq!(error.hint().is_some(), raisable, "{:?}", error.hint());
}

const BUDGET: &str = "of the run's memory";
const LOOP: &str = r#"{"kind": "loop"}"#;

#[test]
fn a_loop_without_end_is_stopped_by_the_time_of_a_call() {
    let plugin = plugin_with(Limits {
        call_time: Duration::from_millis(50),
        ..Limits::default()
    });
    for options in [LOOP, r#"{"kind": "loop", "at_open": true}"#] {
        let mut instance = start(&plugin);
        let begun = Instant::now();
        let error = run(&mut instance, "fail", options);
        let took = begun.elapsed();
        assert_limit(&error, "`call_time`", "50ms");
        assert!(
            took >= Duration::from_millis(50) && took < Duration::from_secs(1),
            "{took:?}"
        );
        assert!(instance.is_dead());
    }
}

#[test]
fn cancelling_stops_a_loop_within_a_tenth_of_a_second() {
    let plugin = plugin();
    let cancelling = || {
        let cancel = Cancel::new();
        let options = InstanceOptions {
            cancel: cancel.clone(),
            ..InstanceOptions::default()
        };
        let mut instance = plugin.instantiate(options).unwrap();
        let guest = std::thread::spawn(move || {
            let error = run(&mut instance, "fail", LOOP);
            (Instant::now(), error)
        });
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        cancel.cancel();
        let (stopped, error) = guest.join().unwrap();
        assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
        stopped.saturating_duration_since(asked)
    };
    // On a busy machine a thread may wait for its turn: the best of some tries is what the guest needs.
    let best = (0..5).map(|_| cancelling()).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn an_instance_that_was_cancelled_before_a_call_is_not_called() {
    let cancel = Cancel::new();
    let mut instance = plugin()
        .instantiate(InstanceOptions {
            cancel: cancel.clone(),
            ..InstanceOptions::default()
        })
        .unwrap();
    cancel.cancel();
    let error = run(&mut instance, "fail", LOOP);
    assert_eq!(
        error.to_string(),
        "plugin `echo` was stopped: the run was cancelled"
    );
}

#[test]
fn memory_without_end_is_stopped_by_the_limit_of_the_instance() {
    let plugin = plugin_with(Limits {
        memory: 16 << 20,
        ..Limits::default()
    });
    let mut instance = start(&plugin);
    let error = run(&mut instance, "fail", r#"{"kind": "allocate"}"#);
    assert_limit(&error, "`memory`", "16.0 MiB");
    assert!(instance.is_dead());
    assert!(instance.peak_memory() <= 16 << 20);
    assert!(instance.peak_memory() > 8 << 20);
}

#[test]
fn a_memory_smaller_than_the_guest_begins_with_is_told_as_that() {
    let error = crate::support::runtime()
        .load(
            "echo",
            crate::support::component(),
            Limits {
                memory: 65536,
                ..Limits::default()
            },
        )
        .unwrap_err();
    assert_limit(&error, "`memory`", "64.0 KiB");
}

// Pins the text by which this error is recognised, since wasmtime has no type for it.
#[test]
fn more_output_than_allowed_is_a_limit() {
    let plugin = plugin_with(Limits {
        output: 256 << 10,
        ..Limits::default()
    });
    let rows = rows(10_000);
    let mut instance = start(&plugin);
    let fits = r#"{"times": 10, "part_rows": 10000}"#;
    let opened = instance
        .open_transform("explode", &rows.schema(), fits)
        .unwrap();
    assert_eq!(process_and_pull(&mut instance, &opened, &rows).len(), 10);
    let error = run(
        &mut instance,
        "explode",
        r#"{"times": 10, "part_rows": 100000}"#,
    );
    assert_limit(&error, "`output`", "256.0 KiB");
    assert!(instance.is_dead());
}

// With all its columns carried over a row costs the guest four bytes, so bytes alone would not bound it.
#[test]
fn more_rows_than_allowed_are_a_limit() {
    let plugin = plugin_with(Limits {
        rows: 100_000,
        ..Limits::default()
    });
    let times = |times: usize| format!(r#"{{"times": {times}, "part_rows": 1000000}}"#);
    let rows = rows(10_000);
    let mut instance = start(&plugin);
    let opened = instance
        .open_transform("explode", &rows.schema(), &times(10))
        .unwrap();
    let fits = process_and_pull(&mut instance, &opened, &rows);
    assert_eq!(fits[0].num_rows(), 100_000);
    let error = run(&mut instance, "explode", &times(11));
    assert_limit(&error, "rows", "100000");
    assert!(instance.is_dead());
}

#[test]
fn a_guest_that_logs_or_counts_too_much_is_stopped() {
    let silent = plugin_with(Limits {
        log: 5,
        ..Limits::default()
    });
    let error = run(&mut start(&silent), "pass", r#"{"column": "c0"}"#);
    assert_limit(&error, "logged", "5 B");
    let uncounted = plugin_with(Limits {
        counters: 0,
        ..Limits::default()
    });
    let error = run(&mut start(&uncounted), "pass", r#"{"column": "c0"}"#);
    assert_limit(&error, "counters", "more than 0");
}

#[derive(Debug)]
struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }
}

impl MemoryBudget for Budget {
    fn try_grow(&self, bytes: usize) -> Result<(), String> {
        if self.used() + bytes > self.limit {
            return Err(format!("the budget has {} bytes", self.limit));
        }
        self.used.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
    }
}

fn charged(budget: &Arc<Budget>) -> transom_plugin::Result<Instance> {
    plugin().instantiate(InstanceOptions {
        memory: Some(Arc::clone(budget) as _),
        ..InstanceOptions::default()
    })
}

#[test]
fn the_budget_is_charged_for_every_instance_and_gets_everything_back() {
    let budget = Budget::of(usize::MAX);
    let mut one = charged(&budget).unwrap();
    let idle = budget.used();
    assert!(idle > 0);
    assert_eq!(idle, one.peak_memory());
    let other = charged(&budget).unwrap();
    assert_eq!(budget.used(), 2 * idle);

    let rows = rows(1_000_000);
    let opened = one
        .open_transform("echo", &rows.schema(), r#"{"reads": "all"}"#)
        .unwrap();
    process(&mut one, &opened, &rows).unwrap();
    assert!(budget.used() >= 2 * idle + 8_000_000);
    assert_eq!(budget.used(), one.peak_memory() + other.peak_memory());
    drop(one);
    assert_eq!(budget.used(), idle);
    drop(other);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_budget_that_says_no_gives_the_reason() {
    let budget = Budget::of(16 << 20);
    let mut instance = charged(&budget).unwrap();
    let error = run(&mut instance, "fail", r#"{"kind": "allocate"}"#);
    assert_limit(&error, BUDGET, "the budget has 16777216 bytes");
    drop(instance);
    assert_eq!(budget.used(), 0);

    let none = Budget::of(0);
    let error = charged(&none).unwrap_err();
    assert_limit(&error, BUDGET, "the budget has 0 bytes");
    assert_eq!(none.used(), 0);
}
