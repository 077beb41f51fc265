//! Functions of two integers, a float and a text: Python row by row and by column, beside native CPython and beside Rust.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{Field, FieldRef, Float64Type, Int64Type};
use serde_json::Value;
use transom_plugin::{Instance, InstanceOptions, OpenedFunction, Plugin, Timing};

use super::native::Native;
use super::{ROUNDS, ROWS};
use crate::common::Result;
use crate::common::data::{self, Random};
use crate::common::measure::{Comparison, Target, processor_time, taking_turns};

/// What is computed, and the functions that do.
struct Work {
    name: &'static str,
    columns: Vec<ArrayRef>,
    /// Of the guests in Rust and Go.
    compiled: &'static str,
    /// Of the guest in Python: module and function.
    by_row: (&'static str, &'static str),
    by_column: (&'static str, &'static str),
}

/// All comparisons of functions; the plugins are those in Rust, Go and Python.
pub(super) fn compare(plugins: &[Arc<Plugin>; 3]) -> Result<Vec<Comparison>> {
    let mut random = Random::new(7);
    let mut integers = || data::integers(&mut random, ROWS);
    let pair = vec![integers(), integers()];
    let mut comparisons = Vec::new();
    for work in [
        Work {
            name: "a + b of int64",
            columns: pair,
            compiled: "add",
            by_row: ("measured", "plus"),
            by_column: ("measured", "plus_columns"),
        },
        Work {
            name: "x / 2 of float64",
            columns: vec![data::floats(&mut random, ROWS)],
            compiled: "half",
            by_row: ("functions", "half"),
            by_column: ("measured", "half_columns"),
        },
        Work {
            name: "upper case of utf8",
            columns: vec![data::words(&mut random, ROWS)],
            compiled: "shout",
            by_row: ("functions", "shout"),
            by_column: ("measured", "shout_columns"),
        },
    ] {
        comparisons.extend(compare_one(plugins, &work)?);
    }
    Ok(comparisons)
}

fn compare_one([rust, go, python]: &[Arc<Plugin>; 3], work: &Work) -> Result<Vec<Comparison>> {
    let open = |plugin, function| Calls::open(plugin, function, &work.columns, Codec::Native);
    let mut calls = [
        open(rust, work.compiled)?,
        open(go, work.compiled)?,
        open(python, work.by_row.1)?,
        open(python, work.by_column.1)?,
    ];
    let mut natives = [
        Native::start(work.by_row, false, &work.columns)?,
        Native::start(work.by_column, true, &work.columns)?,
    ];
    let expected = calls[0].call()?;
    for calls in &mut calls[1..] {
        assert_eq!(&calls.call()?, &expected, "all languages give the same");
    }
    for native in &natives {
        assert_eq!(
            native.result(),
            &values(&expected),
            "so does native CPython"
        );
    }

    let [rust, go, by_row, by_column, native_by_row, native_by_column] =
        taking_turns(ROUNDS, |contender| match contender {
            4.. => natives[contender - 4].time(),
            _ => processor_time(|| calls[contender].call()),
        })?;
    let comparison = |how: &str, baseline, ours, target, guest: usize| Comparison {
        name: format!("{}, {ROWS} rows: {how}", work.name),
        baseline,
        ours,
        target,
        split: Some(calls[guest].timing()),
    };
    let (cpython, of_rust) = ("native CPython, the same code", ("Rust", rust));
    Ok(vec![
        comparison(
            "Python by row",
            (cpython, native_by_row),
            by_row,
            Target::Slower(3.3),
            2,
        ),
        comparison(
            "Python by column",
            (cpython, native_by_column),
            by_column,
            Target::Slower(4.0),
            3,
        ),
        comparison("Python by row", of_rust, by_row, Target::None, 2),
        comparison("Python by column", of_rust, by_column, Target::None, 3),
        comparison("Go", of_rust, go, Target::None, 1),
    ])
}

/// A column's values as JSON, as native CPython writes its results.
fn values(column: &ArrayRef) -> Vec<Value> {
    use arrow::datatypes::DataType::{Float64, Int64};
    match column.data_type() {
        Int64 => {
            let values = column.as_primitive::<Int64Type>().values();
            values.iter().map(|&value| value.into()).collect()
        }
        Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            values.iter().map(|&value| value.into()).collect()
        }
        _ => {
            let values = column.as_string::<i32>().iter();
            values.map(|value| value.into()).collect()
        }
    }
}

/// What native CPython is given.
pub(super) fn lists(columns: &[ArrayRef]) -> Vec<Vec<Value>> {
    columns.iter().map(values).collect()
}

/// Which codec of the SDK for Python converts columns. Other languages have one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Codec {
    Native,
    Python,
}

/// A function that is called with the same columns again and again.
pub(super) struct Calls {
    plugin: Arc<Plugin>,
    function: String,
    instance: Instance,
    opened: OpenedFunction,
    columns: Vec<ArrayRef>,
    codec: Codec,
}

impl Calls {
    pub(super) fn open(
        plugin: &Arc<Plugin>,
        function: &str,
        columns: &[ArrayRef],
        codec: Codec,
    ) -> Result<Self> {
        let mut instance = plugin.instantiate(InstanceOptions::default())?;
        if codec == Codec::Python {
            let yes: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
            let field = Arc::new(Field::new("yes", yes.data_type().clone(), true));
            let opened = instance.open_function("convert_in_python", &[field])?;
            instance.call_function(&opened, &[yes], 1)?;
        }
        let description = plugin.description().function(function);
        let arguments = &description
            .ok_or("the guest has no such function")?
            .arguments;
        let fields: Vec<FieldRef> = arguments
            .iter()
            .zip(columns)
            .map(|(argument, column)| {
                Arc::new(Field::new(&argument.name, column.data_type().clone(), true))
            })
            .collect();
        Ok(Self {
            plugin: Arc::clone(plugin),
            function: function.to_owned(),
            opened: instance.open_function(function, &fields)?,
            instance,
            columns: columns.to_vec(),
            codec,
        })
    }

    pub(super) fn call(&mut self) -> Result<ArrayRef> {
        let rows = self.columns[0].len();
        let called = self
            .instance
            .call_function(&self.opened, &self.columns, rows);
        let column = called?.column;
        // As a run does, and within the time as in a run.
        if self.instance.is_worn() {
            *self = Self::open(&self.plugin, &self.function, &self.columns, self.codec)?;
        }
        Ok(column)
    }

    pub(super) fn timing(&self) -> Timing {
        self.instance.timing()
    }
}
