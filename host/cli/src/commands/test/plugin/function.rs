//! The checks of a function, called with made-up values.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::nullif;
use arrow::datatypes::FieldRef;
use fastrand::Rng;
use transom_plugin::{
    Accepts, FunctionDescription, Instance, InstanceOptions, LogicalTime, OpenedFunction, Plugin,
    Volatility,
};

use super::check::{Check, Checked, Checks, Given, Verdict, given};
use crate::made_up::made_up;
use crate::outcome::Outcome;

/// Rows of a call.
const ROWS: usize = 1000;
/// Where the rows are cut for smaller batches: none begins where a byte of a bitmap does.
const CUTS: &[usize] = &[0, 1, 8, 77, ROWS];

const STATE: &str = "keep nothing between calls: a function that has to remember is a transform";
const CLOCK: &str = "it reads the clock or random numbers: declare it `volatile`, or `stable` if it is the same within a run";

const REST: &[Check] = &[Check::Empty, Check::Nulls, Check::Batches, Check::Again];

/// An instance with the function opened.
struct Opened {
    instance: Instance,
    function: OpenedFunction,
}

struct Subject<'a> {
    plugin: &'a Arc<Plugin>,
    function: &'a FunctionDescription,
    fields: Vec<FieldRef>,
    columns: Vec<ArrayRef>,
}

pub(super) fn check(plugin: &Arc<Plugin>, function: &FunctionDescription) -> Vec<Checked> {
    let mut checks = Checks::of(format!("{}.{}", plugin.name(), function.name));
    let mut random = Rng::with_seed(7);
    let mut arguments = function.arguments.clone();
    // A call may give the last argument again.
    arguments.extend(
        function
            .arguments
            .last()
            .filter(|_| function.variadic)
            .cloned(),
    );
    let made = arguments.iter().map(|argument| {
        made_up(&argument.name, &argument.accepts, ROWS, &mut random)
            .ok_or_else(|| format!("values of `{}` cannot be made up", argument.accepts))
    });
    let (fields, columns) = match made.collect::<Result<Vec<_>, String>>() {
        Ok(made) => made.into_iter().unzip(),
        Err(reason) => {
            checks.skip(&[Check::Open], &reason);
            checks.skip(REST, &reason);
            return checks.done;
        }
    };
    let subject = Subject {
        plugin,
        function,
        fields,
        columns,
    };
    let opened = match subject.opened(&mut checks) {
        Some(opened) => opened,
        None => return checks.done,
    };
    let verdict = subject.empty(opened).unwrap_or_else(|broken| broken);
    checks.add(Check::Empty, verdict);
    let verdict = subject.nulls().unwrap_or_else(|broken| broken);
    checks.add(Check::Nulls, verdict);
    let verdict = subject.batches().unwrap_or_else(|broken| broken);
    checks.add(Check::Batches, verdict);
    let verdict = subject.again().unwrap_or_else(|broken| broken);
    checks.add(Check::Again, verdict);
    checks.done
}

impl Subject<'_> {
    fn open(&self, time: LogicalTime) -> transom_plugin::Result<Opened> {
        let options = InstanceOptions {
            time,
            ..InstanceOptions::default()
        };
        let mut instance = self.plugin.instantiate(options)?;
        let function = instance.open_function(&self.function.name, &self.fields)?;
        Ok(Opened { instance, function })
    }

    /// The function opened; none if that fails, with which its checks end.
    fn opened(&self, checks: &mut Checks) -> Option<Opened> {
        let is_exact = |argument: &transom_plugin::Argument| {
            matches!(argument.accepts, Accepts::Exact(_) | Accepts::Any)
        };
        let reason = match given(self.open(LogicalTime::default())) {
            Ok(Ok(opened)) => {
                let output = opened.function.output.data_type().to_string();
                let declared = self.function.output.as_ref();
                checks.add(
                    Check::Open,
                    match declared.filter(|declared| **declared != output) {
                        None => Verdict::Passed,
                        Some(declared) => Verdict::Failed {
                            message: format!("it is declared to give {declared}, and gives {output} when it is opened"),
                            hint: None,
                        },
                    },
                );
                return Some(opened);
            }
            // A class of types need not hold the one that was tried.
            Ok(Err(refusal)) if !self.function.arguments.iter().all(is_exact) => {
                checks.skip(
                    &[Check::Open],
                    &format!("it refuses the types that were tried: {refusal}"),
                );
                "it was not opened"
            }
            Ok(Err(refusal)) => {
                checks.add(
                    Check::Open,
                    Verdict::Failed {
                        message: format!("it refuses the types that it declares: {refusal}"),
                        hint: None,
                    },
                );
                "it was not opened"
            }
            Err(broken) => {
                checks.add(Check::Open, broken);
                "it was not opened"
            }
        };
        checks.skip(REST, reason);
        None
    }

    fn empty(&self, mut opened: Opened) -> Result<Verdict, Verdict> {
        let columns = slices(&self.columns, 0, 0);
        // Rows of the result are counted where it is taken in.
        let _ = opened.call(&columns, 0)?;
        Ok(Verdict::Passed)
    }

    fn nulls(&self) -> Result<Verdict, Verdict> {
        let mut opened = self.fresh(LogicalTime::default())?;
        let null = |column: &ArrayRef| new_null_array(column.data_type(), ROWS);
        for index in 0..self.columns.len() {
            let mut columns = self.columns.clone();
            columns[index] = null(&columns[index]);
            let _ = opened.call(&columns, ROWS)?;
        }
        let all: Vec<ArrayRef> = self.columns.iter().map(null).collect();
        let _ = opened.call(&all, ROWS)?;
        let mut random = Rng::with_seed(11);
        let some = self.columns.iter().map(|column| {
            let nulls = (0..ROWS).map(|_| Some(random.u8(0..4) == 0));
            nullif(column, &nulls.collect::<BooleanArray>())
        });
        if let Ok(some) = some.collect::<Result<Vec<_>, _>>() {
            let _ = opened.call(&some, ROWS)?;
        }
        Ok(Verdict::Passed)
    }

    fn batches(&self) -> Result<Verdict, Verdict> {
        let mut opened = self.fresh(LogicalTime::default())?;
        let whole = opened.call(&self.columns, ROWS)?;
        let mut parts = Outcome::default();
        for cut in CUTS.windows(2) {
            let (from, to) = (cut[0], cut[1]);
            match opened.call(&slices(&self.columns, from, to - from), to - from)? {
                Ok(part) => {
                    let from = u32::try_from(from).unwrap_or(u32::MAX);
                    parts
                        .rejected
                        .extend(part.rejected.iter().map(|row| from + row));
                    parts.batches.extend(part.batches);
                }
                Err(refusal) => return Ok(refuses(&refusal)),
            }
        }
        Ok(match whole {
            Err(refusal) => refuses(&refusal),
            Ok(_) if self.is_volatile() => Verdict::skipped("it is declared `volatile`"),
            Ok(whole) => Verdict::of_difference(
                whole.difference(&parts),
                "it gives other values for the same rows in smaller batches",
                "compute each row from its own arguments alone",
            ),
        })
    }

    fn again(&self) -> Result<Verdict, Verdict> {
        if self.is_volatile() {
            return Ok(Verdict::skipped("it is declared `volatile`"));
        }
        let mut opened = self.fresh(LogicalTime::default())?;
        let first = match opened.call(&self.columns, ROWS)? {
            Ok(first) => first,
            Err(refusal) => return Ok(refuses(&refusal)),
        };
        let another_time = LogicalTime {
            now: LogicalTime::default().now + Duration::from_secs(1_000_000_007),
            seed: 7,
        };
        let differs = |again: Given<Outcome>| match again {
            Ok(again) => first.difference(&again),
            Err(refusal) => Some(format!("it now refuses the rows: {refusal}")),
        };
        if let Some(difference) = differs(opened.call(&self.columns, ROWS)?) {
            return Ok(Verdict::failed(
                format!("it gives another result when it is called again: {difference}"),
                STATE,
            ));
        }
        let mut other = self.fresh(LogicalTime::default())?;
        if let Some(difference) = differs(other.call(&self.columns, ROWS)?) {
            return Ok(Verdict::failed(
                format!("it gives another result in another instance: {difference}"),
                STATE,
            ));
        }
        if self.function.volatility == Volatility::Immutable {
            let mut other = self.fresh(another_time)?;
            if let Some(difference) = differs(other.call(&self.columns, ROWS)?) {
                return Ok(Verdict::failed(
                    format!(
                        "it is declared `immutable` and gives another result in another run: {difference}"
                    ),
                    CLOCK,
                ));
            }
        }
        Ok(Verdict::Passed)
    }

    fn is_volatile(&self) -> bool {
        self.function.volatility == Volatility::Volatile
    }

    fn fresh(&self, time: LogicalTime) -> Result<Opened, Verdict> {
        match given(self.open(time))? {
            Ok(opened) => Ok(opened),
            Err(refusal) => Err(Verdict::Failed {
                message: format!("it opens once and then refuses: {refusal}"),
                hint: None,
            }),
        }
    }
}

impl Opened {
    fn call(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Given<Outcome>, Verdict> {
        let called = self.instance.call_function(&self.function, columns, rows);
        Ok(given(called)?.map(|called| {
            let mut outcome = Outcome::default();
            outcome.reject(&called.rejected);
            // A rejected row's value means nothing.
            let mut failed = vec![false; rows];
            for &row in &outcome.rejected {
                failed[row as usize] = true;
            }
            let column =
                nullif(&called.column, &BooleanArray::from(failed)).unwrap_or(called.column);
            let batch = RecordBatch::try_from_iter([(self.function.output.name(), column)]);
            outcome.batches.extend(batch);
            outcome
        }))
    }
}

fn refuses(refusal: &str) -> Verdict {
    Verdict::skipped(format!("it refuses the made-up values: {refusal}"))
}

fn slices(columns: &[ArrayRef], from: usize, rows: usize) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|column| column.slice(from, rows))
        .collect()
}
