//! What is counted.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::FieldRef;
use transom_plugin::{Input, InstanceOptions, Plugin};

use crate::common::{Result, data, guests, native};

/// Something to count.
#[derive(Debug)]
pub(crate) struct Subject {
    /// `function` or `transform`, and its name.
    pub(crate) name: &'static str,
    /// Folder of the plugin.
    plugin: &'static str,
    calls: Calls,
}

#[derive(Debug, Clone, Copy)]
enum Calls {
    /// A function by name over the first columns of a batch, as many as it takes, and the same in Rust.
    Function(
        &'static str,
        fn(usize) -> Result<RecordBatch>,
        fn(&RecordBatch) -> ArrayRef,
    ),
    /// A transform by name, with options.
    Transform(&'static str, &'static str),
}

/// All subjects.
pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "function `add(a, b)`",
        plugin: "tests/guests/echo",
        calls: Calls::Function("add", pairs, add),
    },
    Subject {
        name: "function `gcd(a, b)`",
        plugin: "tests/guests/echo",
        calls: Calls::Function("gcd", pairs, gcd),
    },
    Subject {
        name: "function `great_circle(..)`",
        plugin: "examples/flights/plugins/aviation",
        calls: Calls::Function("great_circle", places, great_circle),
    },
    Subject {
        name: "transform `echo`, six columns",
        plugin: "tests/guests/echo",
        calls: Calls::Transform("echo", r#"{"reads": "all"}"#),
    },
    Subject {
        name: "transform `pass`, one column of six",
        plugin: "tests/guests/echo",
        calls: Calls::Transform("pass", r#"{"column": "number_0"}"#),
    },
];

/// Where the code of a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// In a guest.
    Plugin,
    /// In this program.
    Native,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "plugin",
            Self::Native => "native",
        })
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = [Self::Plugin, Self::Native];
        let side = sides.into_iter().find(|side| side.to_string() == text);
        side.ok_or_else(|| format!("`{text}` is no side"))
    }
}

impl Subject {
    /// Where the subject can be counted.
    pub(crate) fn sides(&self) -> Vec<Side> {
        match self.calls {
            Calls::Function(..) => vec![Side::Plugin, Side::Native],
            Calls::Transform(..) => vec![Side::Plugin],
        }
    }
}

/// Runs a subject; what is to be counted happens in [`transom_counted`].
pub(crate) fn run(subject: &str, side: Side, rows: usize, calls: usize) -> Result<()> {
    let subject = SUBJECTS
        .iter()
        .find(|known| known.name == subject)
        .ok_or("there is no such subject")?;
    let load = || guests::load(&guests::runtime()?, subject.plugin);
    let mut result = Ok(());
    match (subject.calls, side) {
        (Calls::Function(name, batch, _), Side::Plugin) => {
            let (plugin, batch) = (load()?, batch(rows)?);
            transom_counted(&mut || result = call_function(&plugin, name, &batch, calls));
        }
        (Calls::Function(_, batch, native), Side::Native) => {
            let batch = batch(rows)?;
            transom_counted(&mut || {
                for _ in 0..calls {
                    black_box(native(black_box(&batch)));
                }
            });
        }
        (Calls::Transform(name, options), _) => {
            let (plugin, batch) = (load()?, data::table(rows)?);
            transom_counted(&mut || result = call_transform(&plugin, name, options, &batch, calls));
        }
    }
    result
}

/// Callgrind counts what happens in here. The name tells it where, so it must stay one.
// SAFETY: no other symbol is named so.
#[unsafe(no_mangle)]
#[inline(never)]
fn transom_counted(work: &mut dyn FnMut()) {
    work();
}

fn call_function(
    plugin: &Arc<Plugin>,
    name: &str,
    batch: &RecordBatch,
    calls: usize,
) -> Result<()> {
    let mut instance = plugin.instantiate(InstanceOptions::default())?;
    let fields: Vec<FieldRef> = batch.schema().fields().iter().map(Arc::clone).collect();
    let opened = instance.open_function(name, &fields)?;
    for _ in 0..calls {
        let outcome = instance.call_function(&opened, batch.columns(), batch.num_rows())?;
        black_box(outcome);
    }
    Ok(())
}

fn call_transform(
    plugin: &Arc<Plugin>,
    name: &str,
    options: &str,
    batch: &RecordBatch,
    calls: usize,
) -> Result<()> {
    let mut instance = plugin.instantiate(InstanceOptions::default())?;
    let opened = instance.open_transform(name, &batch.schema(), options)?;
    let columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
    let keep: Vec<usize> = (0..opened.output.len()).collect();
    for _ in 0..calls {
        let input = Input::new(&columns, batch.num_rows(), &keep, &opened.schema);
        black_box(instance.process(&opened, &input)?);
    }
    Ok(())
}

fn add(batch: &RecordBatch) -> ArrayRef {
    let (a, b) = (
        batch.column(0).as_primitive(),
        batch.column(1).as_primitive(),
    );
    Arc::new(crate::common::native::echo::add(a, b))
}

fn gcd(batch: &RecordBatch) -> ArrayRef {
    let (a, b) = (
        batch.column(0).as_primitive(),
        batch.column(1).as_primitive(),
    );
    Arc::new(native::gcd(a, b))
}

fn great_circle(batch: &RecordBatch) -> ArrayRef {
    let columns = std::array::from_fn(|index| batch.column(index).as_primitive());
    Arc::new(native::great_circle(columns))
}

fn pairs(rows: usize) -> Result<RecordBatch> {
    Ok(data::pairs(2, rows)?)
}

/// Four columns of degrees.
fn places(rows: usize) -> Result<RecordBatch> {
    let mut random = data::Random::new(3);
    let columns = [
        ("lat1", 90.0),
        ("lon1", 180.0),
        ("lat2", 90.0),
        ("lon2", 180.0),
    ];
    let columns = columns.map(|(name, limit)| {
        let degrees = (0..rows).map(|_| (random.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0);
        let degrees = Float64Array::from_iter_values(degrees.map(|share| share * limit));
        (name, Arc::new(degrees) as ArrayRef)
    });
    Ok(RecordBatch::try_from_iter(columns)?)
}
