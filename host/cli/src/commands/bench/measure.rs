//! Calls with batches of different sizes, in turns between sizes and plugins, until the time is up.
//!
//! The figures are medians: on a machine that also does other things, some calls take much longer than they would alone. Plugins that
//! are compared take turns within each round, so that both see the same machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, RecordBatch};
use transom_plugin::{
    Input, Instance, InstanceOptions, OpenedFunction, OpenedTransform, Plugin, Result, Timing,
};

use super::fit::Line;
use super::subject::Work;
use crate::outcome::Outcome;

/// How often an instance is started to tell what a start costs.
const STARTS: usize = 5;
/// Rounds that are made however short the time is.
const ROUNDS: usize = 3;

/// What a function or transform of one plugin costs.
pub(super) struct Measured {
    /// Starting an instance and opening.
    pub(super) once: Duration,
    pub(super) line: Line,
    /// Rows of the largest batch, and the time of a call with it.
    pub(super) largest: (usize, Duration),
    /// Of the calls with the largest batch.
    pub(super) split: Timing,
    /// Bytes of the guest's memory at most.
    pub(super) peak_memory: usize,
    /// What the first call with the largest batch gave.
    pub(super) outcome: Outcome,
}

/// Measures the same work with batches of at most `rows` rows in each of the plugins, each for the time `each`.
pub(super) fn measure(
    plugins: &[Arc<Plugin>],
    work: &Work,
    rows: usize,
    each: Duration,
) -> Result<Vec<Measured>> {
    let mut contenders = plugins
        .iter()
        .map(|plugin| Contender::start(Arc::clone(plugin), work))
        .collect::<Result<Vec<_>>>()?;
    let sizes = sizes(work.rows().map_or(rows, |there| rows.min(there)));
    let until = Instant::now() + each * u32::try_from(plugins.len()).unwrap_or(1);
    for round in 0.. {
        // The first round warms up.
        if round > ROUNDS && Instant::now() >= until {
            break;
        }
        for (index, rows) in sizes.iter().enumerate() {
            for contender in &mut contenders {
                contender.call(*rows, index, index + 1 == sizes.len(), round)?;
            }
        }
    }
    Ok(contenders
        .into_iter()
        .map(|contender| contender.measured(&sizes))
        .collect())
}

/// Sizes of batches from one row to `most`, each some eight times the one before.
fn sizes(most: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = std::iter::successors(Some(most), |rows| Some(rows / 8))
        .take_while(|rows| *rows >= 8)
        .collect();
    if sizes.is_empty() {
        sizes.push(most);
    }
    // A line needs two sizes; calls without a row are calls as well.
    sizes.push(usize::from(most > 1));
    sizes.reverse();
    sizes
}

impl Work {
    /// Rows that there are; `None` for a function without arguments, which takes any number.
    fn rows(&self) -> Option<usize> {
        match self {
            Self::Function { columns, .. } => columns.first().map(|column| column.len()),
            Self::Transform { input, .. } => Some(input.num_rows()),
        }
    }
}

/// A plugin with its instance and what was measured so far.
struct Contender<'a> {
    plugin: Arc<Plugin>,
    work: &'a Work,
    running: Running,
    starts: Vec<Duration>,
    /// By size.
    times: Vec<Vec<Duration>>,
    split: Timing,
    peak_memory: usize,
    outcome: Outcome,
}

/// An instance with the function or transform opened.
struct Running {
    instance: Instance,
    opened: Opened,
}

enum Opened {
    Function(OpenedFunction),
    Transform {
        opened: OpenedTransform,
        /// Rows of the input that it was given.
        given: usize,
    },
}

impl<'a> Contender<'a> {
    fn start(plugin: Arc<Plugin>, work: &'a Work) -> Result<Self> {
        let mut starts = Vec::new();
        let mut start = || {
            let begun = Instant::now();
            let running = Running::start(&plugin, work)?;
            starts.push(begun.elapsed());
            Ok(running)
        };
        let mut running = start()?;
        for _ in 1..STARTS {
            running = start()?;
        }
        Ok(Self {
            plugin,
            work,
            running,
            starts,
            times: Vec::new(),
            split: Timing::default(),
            peak_memory: 0,
            outcome: Outcome::default(),
        })
    }

    /// Calls with `rows` rows, the size of that index. Whatever a run does between two calls is not a part of either.
    fn call(&mut self, rows: usize, size: usize, is_largest: bool, round: usize) -> Result<()> {
        let input = self.running.input(self.work, rows)?;
        let before = self.running.instance.timing();
        let begun = Instant::now();
        let outcome = self.running.call(&input)?;
        let took = begun.elapsed();
        if round == 0 {
            self.times.push(Vec::new());
            if is_largest {
                self.outcome = outcome;
            }
        } else {
            self.times[size].push(took);
            if is_largest {
                let after = self.running.instance.timing();
                self.split += Timing {
                    calls: after.calls - before.calls,
                    lowering: after.lowering - before.lowering,
                    guest: after.guest - before.guest,
                    lifting: after.lifting - before.lifting,
                };
            }
        }
        self.peak_memory = self.peak_memory.max(self.running.instance.peak_memory());
        if self.running.instance.is_worn() {
            self.running = Running::start(&self.plugin, self.work)?;
        }
        Ok(())
    }

    fn measured(mut self, sizes: &[usize]) -> Measured {
        let medians: Vec<(usize, Duration)> = sizes
            .iter()
            .zip(&mut self.times)
            .map(|(rows, times)| (*rows, median(times)))
            .collect();
        Measured {
            once: median(&mut self.starts),
            line: Line::through(&medians),
            largest: medians.last().copied().unwrap_or_default(),
            split: self.split,
            peak_memory: self.peak_memory,
            outcome: self.outcome,
        }
    }
}

/// The middle one of some times; nothing of none.
fn median(times: &mut [Duration]) -> Duration {
    let middle = times.len() / 2;
    match times.is_empty() {
        true => Duration::ZERO,
        false => *times.select_nth_unstable(middle).1,
    }
}

impl Running {
    fn start(plugin: &Arc<Plugin>, work: &Work) -> Result<Self> {
        let mut instance = plugin.instantiate(InstanceOptions::default())?;
        let opened = match work {
            Work::Function { name, fields, .. } => {
                Opened::Function(instance.open_function(name, fields)?)
            }
            Work::Transform {
                name,
                options,
                input,
            } => Opened::Transform {
                opened: instance.open_transform(name, &input.schema(), options)?,
                given: 0,
            },
        };
        instance.settle();
        Ok(Self { instance, opened })
    }

    /// The next `rows` rows of input. A transform that was given all of them is opened again and given them from the first one on.
    fn input(&mut self, work: &Work, rows: usize) -> Result<Slice> {
        let (columns, from): (&[ArrayRef], usize) = match (work, &mut self.opened) {
            (Work::Function { columns, .. }, _) => (columns, 0),
            (
                Work::Transform {
                    name,
                    options,
                    input,
                },
                Opened::Transform { opened, given },
            ) => {
                if *given + rows > input.num_rows() {
                    let fresh = self
                        .instance
                        .open_transform(name, &input.schema(), options)?;
                    let used = std::mem::replace(opened, fresh);
                    self.instance.close_transform(used)?;
                    *given = 0;
                }
                let from = *given;
                *given += rows;
                (input.columns(), from)
            }
            (Work::Transform { input, .. }, Opened::Function(_)) => (input.columns(), 0),
        };
        let slices = columns.iter().map(|column| column.slice(from, rows));
        Ok(Slice {
            rows,
            columns: slices.collect(),
        })
    }

    fn call(&mut self, input: &Slice) -> Result<Outcome> {
        let mut all = Outcome::default();
        match &self.opened {
            Opened::Function(function) => {
                let instance = &mut self.instance;
                let outcome = instance.call_function(function, &input.columns, input.rows)?;
                all.reject(&outcome.rejected);
                let batch = RecordBatch::try_from_iter([(function.output.name(), outcome.column)]);
                all.batches.extend(batch);
            }
            Opened::Transform { opened, .. } => {
                let columns: Vec<Option<ArrayRef>> =
                    input.columns.iter().cloned().map(Some).collect();
                let keep: Vec<usize> = (0..opened.output.len()).collect();
                let given = Input::new(&columns, input.rows, &keep, &opened.schema);
                let mut outcome = self.instance.process(opened, &given)?;
                loop {
                    all.reject(&outcome.rejected);
                    all.batches.append(&mut outcome.batches);
                    if !outcome.more {
                        break;
                    }
                    outcome = self.instance.pull(opened, Some(&given))?;
                }
            }
        }
        Ok(all)
    }
}

/// Rows of the input, of which a call is made.
struct Slice {
    rows: usize,
    columns: Vec<ArrayRef>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_from_one_row_to_the_largest_batch() {
        assert_eq!(sizes(8192), [1, 16, 128, 1024, 8192]);
        assert_eq!(sizes(9), [1, 9]);
        assert_eq!(sizes(5), [1, 5]);
        assert_eq!(sizes(1), [0, 1]);
    }
}
