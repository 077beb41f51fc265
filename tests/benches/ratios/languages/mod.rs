//! The languages beside each other: what the same transforms and functions cost in Rust, Go and Python.
//!
//! The plugins are the conformance guests, which offer the same in each language. Rust is the baseline of the others; Python has
//! another one besides, native CPython ([`functions`]). All times are processor time: every contender computes on one thread.

mod codecs;
mod functions;
mod native;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use transom_plugin::{Instance, InstanceOptions, Plugin};

use super::common::Result;
use super::common::data;
use super::common::guests::{self, LANGUAGES};
use super::common::measure::{Comparison, Target, processor_time, taking_turns};
use super::crossing::Crossing;

/// DataFusion's batches have as many.
const ROWS: usize = 8192;
const ROUNDS: usize = 300;

/// The table's integers have 31 bits: half of them are above.
const HALF: &str = r#"{"column": "number_0", "above": 1073741823}"#;
const HALF_OF_NUMBER_0: &str = r#"{"above": 1073741823}"#;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let runtime = guests::runtime()?;
    let load = |language| guests::load(&runtime, &guests::conformance(language));
    let [rust, go, python] = LANGUAGES.map(load);
    let plugins = [rust?, go?, python?];
    let batch = data::table(ROWS)?;
    let mut comparisons = Vec::new();
    comparisons.extend(transform(&plugins, &batch, "echo", "{}", "identity", 1.5)?);
    let filter = "50 % filter, columns carried over";
    comparisons.extend(transform(&plugins, &batch, "keep", HALF, filter, 1.5)?);
    comparisons.extend(go_rows(&plugins[1], &batch)?);
    comparisons.extend(functions::compare(&plugins)?);
    comparisons.extend(starts(&plugins)?);
    Ok(comparisons)
}

/// Both codecs of the SDK for Python.
pub(crate) fn compare_codecs() -> Result<Vec<Comparison>> {
    codecs::compare(&guests::load(
        &guests::runtime()?,
        &guests::conformance("python"),
    )?)
}

/// One transform in all languages; `go` is how many times as long as Rust Go may take.
fn transform(
    plugins: &[Arc<Plugin>; 3],
    batch: &RecordBatch,
    transform: &str,
    options: &str,
    name: &str,
    go: f64,
) -> Result<Vec<Comparison>> {
    let open = |plugin| Crossing::open(plugin, transform, options, batch);
    let mut guests = [open(&plugins[0])?, open(&plugins[1])?, open(&plugins[2])?];
    let given = guests[0].cross()?;
    for guest in &mut guests[1..] {
        assert_eq!(guest.cross()?, given, "all languages give the same");
    }

    // Python takes so long that the others would come back to cold caches: each takes turns with Rust alone.
    let beside_rust = |guests: &mut [Crossing; 3], other: usize| {
        taking_turns(ROUNDS, |turn| {
            processor_time(|| guests[[0, other][turn]].cross())
        })
    };
    let [in_rust, in_go] = beside_rust(&mut guests, 1)?;
    let [beside_python, in_python] = beside_rust(&mut guests, 2)?;
    let [rust, of_go, python] = guests;
    let comparison = |language, baseline, ours, target, split| Comparison {
        name: format!("{name}, {ROWS} rows x 6 columns: {language}"),
        baseline: ("Rust", baseline),
        ours,
        target,
        split: Some(split),
    };
    Ok(vec![
        comparison("Rust", in_rust, in_rust, Target::None, rust.timing()),
        comparison("Go", in_rust, in_go, Target::Slower(go), of_go.timing()),
        comparison(
            "Python",
            beside_python,
            in_python,
            Target::None,
            python.timing(),
        ),
    ])
}

/// The same filter in Go over rows, each a struct, and over columns, each a slice.
fn go_rows(go: &Arc<Plugin>, batch: &RecordBatch) -> Result<Vec<Comparison>> {
    let mut comparisons = Vec::new();
    for (name, slices, options, rows) in [
        ("columns carried over", "keep", HALF, "keep_rows"),
        (
            "six columns made anew",
            "pick_columns",
            HALF_OF_NUMBER_0,
            "pick_rows",
        ),
    ] {
        let mut guests = [
            Crossing::open(go, slices, options, batch)?,
            Crossing::open(go, rows, HALF_OF_NUMBER_0, batch)?,
        ];
        let given = guests[0].cross()?;
        assert_eq!(guests[1].cross()?, given, "both give the same");
        let [over_slices, over_rows] =
            taking_turns(ROUNDS, |guest| processor_time(|| guests[guest].cross()))?;
        comparisons.push(Comparison {
            name: format!("50 % filter in Go, {name}: over rows"),
            baseline: ("over slices", over_slices),
            ours: over_rows,
            target: Target::Slower(3.0),
            split: Some(guests[1].timing()),
        });
    }
    Ok(comparisons)
}

/// Starting an instance: for Python that is the interpreter's memory and reading the plugin's source.
fn starts(plugins: &[Arc<Plugin>; 3]) -> Result<Vec<Comparison>> {
    let start = |plugin: &Arc<Plugin>| plugin.instantiate(InstanceOptions::default());
    let schema = data::table(1)?.schema();
    let open = |plugin| -> Result<Instance> {
        let mut instance = start(plugin)?;
        instance.open_transform("echo", &schema, "{}")?;
        Ok(instance)
    };
    let started = taking_turns(ROUNDS, |guest| {
        processor_time(|| Ok(start(&plugins[guest])?))
    })?;
    let opened = taking_turns(ROUNDS, |guest| processor_time(|| open(&plugins[guest])))?;
    let milliseconds = |most| Target::Within(Duration::from_millis(most));
    let comparison = |what: &str, times: [Duration; 3], language: usize, target| Comparison {
        name: format!("{what}: {}", ["Rust", "Go", "Python"][language]),
        baseline: ("Rust", times[0]),
        ours: times[language],
        target,
        split: None,
    };
    let start = "starting an instance";
    let open = "starting an instance and opening a transform";
    Ok(vec![
        comparison(start, started, 1, milliseconds(1)),
        comparison(start, started, 2, milliseconds(5)),
        comparison(open, opened, 1, Target::None),
        comparison(open, opened, 2, Target::None),
    ])
}
