//! One guest, loaded and called in every way until it fails, and what has to be true afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use transom_plugin::{
    End, Error, Input, Instance, InstanceOptions, Limits, MemoryBudget, OpenedTransform, Plugin,
    Result, Runtime,
};

use crate::guest::Guest;
use crate::{Case, limits, rust, secret, snapshot};

/// How long after its limit a guest is stopped at the latest.
const GRACE: Duration = Duration::from_secs(1);

/// What the process may keep after a case: an allocator does not give every page back.
const KEPT_BYTES: usize = 96 << 20;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("the_guest_that_does_right_has_no_error", || {
        let plugin = load(&Guest::new().component(), limits()).unwrap();
        assert_well(&plugin);
    }),
    (
        "a_recursion_on_a_thread_with_little_stack_is_a_crash",
        || {
            let text = include_str!("../../../../plugins/hostile/wat/recursion.wat");
            let plugin = load(&Guest::with_text(text).component(), limits()).unwrap();
            // A quarter of what a guest may use, which is about what is left to it deep in a plan.
            let thread = std::thread::Builder::new().stack_size(256 << 10);
            let error = thread.spawn(move || {
                let mut instance = plugin.instantiate(InstanceOptions::default()).unwrap();
                use_all(&mut instance, &mut Clock(Instant::now())).unwrap_err()
            });
            let error = error.unwrap().join().unwrap();
            assert!(message(&error).contains("call stack exhausted"), "{error}");
        },
    ),
    ("all_cases_of_the_snapshot_exist", || {
        let mut cases: Vec<String> = crate::cases().into_iter().map(|case| case.name).collect();
        cases.sort();
        assert_eq!(cases, snapshot::names());
    }),
];

/// Counts what instances take.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

impl MemoryBudget for Budget {
    fn try_grow(&self, bytes: usize) -> Result<(), String> {
        self.0.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// The one engine of this process.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(crate::python::options()).unwrap())
}

pub(crate) fn load(bytes: &[u8], limits: Limits) -> Result<Arc<Plugin>> {
    runtime().load_bytes("hostile", bytes, limits)
}

/// Runs a case and looks at everything that must hold.
pub(crate) fn run(case: Case) {
    let Case {
        name,
        bytes,
        only,
        limits,
    } = case;
    let good = good();
    assert_well(good);
    let bytes = bytes();
    let before = resident();
    let budget = Arc::new(Budget::default());
    let error = fail(&bytes, only.as_deref(), limits, &budget);
    drop(bytes);
    assert_eq!(
        budget.0.load(Ordering::SeqCst),
        0,
        "all memory is given back"
    );
    assert_given_back(before);
    assert_well(good);
    let text = message(&error);
    secret::assert_untold(&format!("{text} {error:?}"));
    let odd = text
        .chars()
        .find(|&c| c.is_control() && c != '\n' && c != '\t');
    assert_eq!(odd, None, "{text:?}");
    assert!(text.len() < 100_000, "an error of {} bytes", text.len());
    snapshot::assert_is(&name, &rust::without_lines_of_the_library(&text));
}

/// Everything that the user sees.
fn message(error: &Error) -> String {
    let kind = match error {
        Error::Load { .. } => "load",
        Error::Guest { .. } => "guest",
        Error::Crash { .. } => "crash",
        Error::Invalid { .. } => "invalid",
        Error::Limit { .. } => "limit",
        other => panic!("not an error that a guest makes: {other:?}"),
    };
    format!("{kind}: {error}")
}

/// The first error of a guest, which must come in time.
fn fail(bytes: &[u8], only: Option<&str>, limits: Limits, budget: &Arc<Budget>) -> Error {
    let time = limits.call_time;
    let plugin = match load(bytes, limits) {
        Ok(plugin) => plugin,
        // Compiling comes before the first call, and is as long as the case makes it.
        Err(error) => return error,
    };
    let mut clock = Clock(Instant::now());
    let options = InstanceOptions {
        memory: Some(Arc::clone(budget) as _),
        ..InstanceOptions::default()
    };
    let error = match plugin.instantiate(options) {
        Err(error) => error,
        Ok(mut instance) => {
            let error = call(&mut instance, only, &mut clock).expect_err("a guest that does wrong");
            assert_eq!(
                instance.is_dead(),
                !matches!(error, Error::Guest { .. }),
                "an error leaves the instance alive, all else ends it: {error}"
            );
            if instance.is_dead() {
                let again = call(&mut instance, only, &mut clock).unwrap_err();
                assert!(matches!(again, Error::Host { .. }), "{again:?}");
            }
            error
        }
    };
    let took = clock.0.elapsed();
    assert!(took < time + GRACE, "{took:?} for a limit of {time:?}");
    error
}

/// When the last call began.
pub(crate) struct Clock(Instant);

impl Clock {
    fn tick(&mut self) {
        self.0 = Instant::now();
    }
}

fn rows() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["one", "two", "three"]));
    RecordBatch::try_from_iter_with_nullable([("a", numbers, true), ("b", texts, true)]).unwrap()
}

/// Calls all that a plugin offers.
fn use_all(instance: &mut Instance, clock: &mut Clock) -> Result<()> {
    call(instance, None, clock)
}

/// Calls the function `only`, or all that a plugin offers.
fn call(instance: &mut Instance, only: Option<&str>, clock: &mut Clock) -> Result<()> {
    let rows = rows();
    let description = instance.plugin().description().clone();
    let is_meant = |name: &str| only.is_none_or(|only| only == name);
    for function in description
        .functions
        .iter()
        .filter(|function| is_meant(&function.name))
    {
        clock.tick();
        let argument = Arc::new(rows.schema().field(0).clone());
        let opened = instance.open_function(&function.name, &[argument])?;
        clock.tick();
        let outcome = instance.call_function(&opened, &[Arc::clone(rows.column(0))], 3)?;
        assert_eq!(outcome.column.len(), 3);
        clock.tick();
        instance.close_function(opened)?;
    }
    for transform in description
        .transforms
        .iter()
        .filter(|transform| is_meant(&transform.name))
    {
        clock.tick();
        let opened = instance.open_transform(&transform.name, &rows.schema(), "{}")?;
        run_transform(instance, &opened, &rows, clock)?;
        clock.tick();
        instance.close_transform(opened)?;
    }
    Ok(())
}

fn run_transform(
    instance: &mut Instance,
    opened: &OpenedTransform,
    rows: &RecordBatch,
    clock: &mut Clock,
) -> Result<()> {
    let columns: Vec<Option<ArrayRef>> = rows.columns().iter().cloned().map(Some).collect();
    let keep: Vec<usize> = (0..opened.output.len()).collect();
    let input = Input::new(&columns, rows.num_rows(), &keep, &opened.schema);
    clock.tick();
    let mut outcome = instance.process(opened, &input)?;
    while outcome.more {
        outcome = instance.pull(opened, Some(&input))?;
        if outcome.batches.iter().any(|batch| batch.num_rows() > 0) {
            clock.tick();
        }
    }
    clock.tick();
    instance.finish(opened, End::Slice)?;
    clock.tick();
    let state = instance.save(opened)?;
    clock.tick();
    instance.restore(opened, &state)
}

/// A plugin that was there before any case.
pub(crate) fn good() -> &'static Arc<Plugin> {
    static GOOD: OnceLock<Arc<Plugin>> = OnceLock::new();
    GOOD.get_or_init(|| load(&Guest::new().component(), Limits::default()).unwrap())
}

/// A new instance of the plugin does all it is asked.
pub(crate) fn assert_well(plugin: &Arc<Plugin>) {
    let mut instance = plugin.instantiate(InstanceOptions::default()).unwrap();
    use_all(&mut instance, &mut Clock(Instant::now())).unwrap();
}

/// The process is about as large as it was. A compiler that nobody waited for may need some seconds to come to its end.
fn assert_given_back(before: usize) {
    let begun = Instant::now();
    loop {
        let kept = resident().saturating_sub(before);
        if kept < KEPT_BYTES {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{kept} bytes are kept"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Memory of this process that is in use, in bytes; 0 where that cannot be asked.
pub(crate) fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
