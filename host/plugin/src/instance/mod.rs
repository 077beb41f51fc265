//! One running guest: opens functions and transforms and calls them with Arrow arrays.
//!
//! Calls are synchronous and may take long: they belong on threads that may block. An instance that crashed or went over a limit
//! is dead; every further call says so, and the caller makes a new one.

mod assemble;
mod carried;
mod fault;
mod opened;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use arrow_schema::{FieldRef, SchemaRef};
use wasmtime::Store;

pub use self::assemble::Input;
use self::assemble::{assemble, rejects};
use self::fault::{Phase, asked_too_often, guest_error, invalid, trap_error, unlike_the_contract};
pub use self::opened::{
    End, FunctionOutcome, OpenedFunction, OpenedTransform, OutputColumn, Rejected, TransformOutcome,
};
use self::start::{begin, bytecode, interfaces, start};
use crate::batch::format::{
    border_field, border_schema, fields_to_wire, one_field_from_wire, with_params,
};
use crate::batch::lift::lift;
use crate::batch::lower::Lowered;
use crate::bindings::{runner, scalar, table, types};
use crate::description::Description;
use crate::error::{Error, Result, load_error};
use crate::interrupt::Cancel;
use crate::limits::{Exceeded, MemoryBudget, with_stack};
use crate::plugin::Plugin;
use crate::state::{State, Timing};
use crate::text::counted;
use crate::wasi::LogicalTime;

/// What an instance shares with the query that uses it.
#[derive(Debug, Clone, Default)]
pub struct InstanceOptions {
    /// Where its memory is charged.
    pub memory: Option<Arc<dyn MemoryBudget>>,
    /// Less time for one call than the plugin's limits allow.
    pub call_time: Option<Duration>,
    /// Has an error of a call that takes too long name the line of the plugin's source, if its language tells. Calls take
    /// many times longer.
    pub traces: bool,
    /// Stops it.
    pub cancel: Cancel,
    /// What its clocks and its randomness show, if its language has any.
    pub time: LogicalTime,
}

/// How much a language runner's memory may grow until the instance is replaced, which costs some milliseconds.
const WORN_BYTES: usize = 64 << 20;

/// A running guest.
pub struct Instance {
    plugin: Arc<Plugin>,
    store: Store<State>,
    scalar: Option<scalar::Guest>,
    table: Option<table::Guest>,
    runner: Option<runner::Guest>,
    timing: Timing,
    /// Linear memory in bytes when [`Self::settle`] was called last.
    settled: usize,
    /// How often the guest was asked for more of the current input.
    pulls: usize,
    /// Time of the last of those calls, as many of them as gave no rows.
    idle: Duration,
    dead: bool,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("plugin", &self.plugin)
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// A new instance with a memory of its own.
    pub fn instantiate(self: &Arc<Self>, options: InstanceOptions) -> Result<Instance> {
        Instance::new(Arc::clone(self), options)
    }

    /// Asks a new instance what the plugin offers, which should be the same each time.
    ///
    /// # Errors
    /// As loading: a crash, or a description that the contract does not allow.
    pub fn describe(&self) -> Result<Description> {
        Ok(Instance::describe(self)?.0)
    }
}

impl Instance {
    pub(crate) fn new(plugin: Arc<Plugin>, options: InstanceOptions) -> Result<Self> {
        let (mut store, instance) = with_stack(|| start(&plugin, options))?;
        let (scalar, table) = interfaces(&plugin, &mut store, &instance)?;
        let runner = plugin
            .runner
            .as_ref()
            .map(|runner| runner.indices.load(&mut store, &instance))
            .transpose()
            .map_err(|error| unlike_the_contract(&plugin, &error))?;
        Ok(Self {
            plugin,
            scalar,
            table,
            runner,
            settled: store.data().memory.used(),
            timing: Timing::default(),
            pulls: 0,
            idle: Duration::ZERO,
            dead: false,
            store,
        })
    }

    /// Asks a plugin that is just being loaded what it offers, and what makes its other instances start faster.
    pub(crate) fn describe(plugin: &Plugin) -> Result<(Description, Option<Vec<u8>>)> {
        with_stack(|| Self::start_and_describe(plugin))
    }

    fn start_and_describe(plugin: &Plugin) -> Result<(Description, Option<Vec<u8>>)> {
        let (mut store, instance) = start(plugin, InstanceOptions::default())?;
        let guest = plugin
            .meta
            .load(&mut store, &instance)
            .map_err(|error| unlike_the_contract(plugin, &error))?;
        // Asked here too, so that a wrong signature is found when the plugin is loaded and not when it is used.
        interfaces(plugin, &mut store, &instance)?;
        let wire = match guest.call_describe(&mut store) {
            Ok(answer) => answer.map_err(|error| guest_error(plugin, error))?,
            Err(trap) => return Err(trap_error(plugin, &mut store, Phase::Call, trap)),
        };
        let description = Description::from_wire(wire, &plugin.limits)
            .map_err(|reason| invalid(plugin, reason))?;
        Ok((description, bytecode(plugin, &mut store, &instance)))
    }

    /// The plugin this is an instance of.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Where the time of all calls went so far.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Largest linear memory so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        self.store.data().memory.peak()
    }

    /// Says that all the instance has to hold is in its memory now: a transform has resumed, or cannot be moved.
    pub fn settle(&mut self) {
        self.settled = self.store.data().memory.used();
    }

    /// Whether the instance ought to be replaced by a new one, which resumes from its snapshot. Language runners leak some of what they
    /// hand to the host (componentize-py loses every list of bytes), and linear memory never shrinks.
    pub fn is_worn(&self) -> bool {
        let grown = self.store.data().memory.used() - self.settled;
        self.plugin.runner.is_some() && grown > WORN_BYTES.min(self.plugin.limits.memory / 4)
    }

    /// Whether the instance has ended; a caller that keeps instances drops it then.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// The counters kept by the guest since the last time they were taken.
    pub fn take_counters(&mut self) -> std::collections::BTreeMap<String, u64> {
        std::mem::take(&mut self.store.data_mut().counters)
    }

    /// Opens a function for arguments of these types; their names reach the guest too.
    pub fn open_function(&mut self, name: &str, arguments: &[FieldRef]) -> Result<OpenedFunction> {
        let fields = arguments
            .iter()
            .map(|field| border_field(field))
            .collect::<Result<Vec<_>>>()?;
        let wire = fields_to_wire(&fields)?;
        let guest = self.scalar()?;
        let plugin = Arc::clone(&self.plugin);
        with_params(&wire, |fields| {
            self.call_and(
                |store| guest.call_open(store, name, fields, "{}"),
                |opened| {
                    let output = one_field_from_wire(&opened.output, &plugin.limits);
                    let output = output.map_err(|problem| {
                        invalid(&plugin, format!("the result of `{name}`: {problem}"))
                    })?;
                    Ok(OpenedFunction {
                        handle: opened.handle,
                        name: name.to_owned(),
                        output: Arc::new(output.with_name(name)),
                    })
                },
            )
        })
    }

    /// Calls a function over columns of `rows` rows each.
    pub fn call_function(
        &mut self,
        function: &OpenedFunction,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<FunctionOutcome> {
        let columns: Vec<&ArrayRef> = arguments.iter().collect();
        let lowered = self.lower(&columns, rows, |index| {
            format!("argument {} of {}", index + 1, function.name)
        })?;
        let guest = self.scalar()?;
        let buffers: Vec<&[u8]> = lowered
            .buffers
            .iter()
            .map(|buffer| buffer.as_slice())
            .collect();
        let batch = types::BatchParam {
            rows: lowered.rows,
            nodes: &lowered.nodes,
            buffers: &buffers,
        };
        let plugin = Arc::clone(&self.plugin);
        let fields = [Arc::clone(&function.output)];
        self.call_and(
            |store| guest.call_call(store, function.handle, batch),
            |outcome| {
                let scalar::Outcome { column, rejected } = outcome;
                let bad = |problem: String| {
                    invalid(&plugin, format!("from `{}`: {problem}", function.name))
                };
                if column.rows as usize != rows {
                    return Err(bad(format!(
                        "{} for {} of arguments",
                        counted(column.rows as usize, "row"),
                        counted(rows, "row")
                    )));
                }
                // Rows that failed have no value, so their nulls are no fault even where the result has none.
                let nullable =
                    [Arc::new(fields[0].as_ref().clone().with_nullable(
                        fields[0].is_nullable() || !rejected.is_empty(),
                    ))];
                let mut columns = lift(column, &nullable, plugin.limits.rows).map_err(bad)?;
                let rejected = rejects(rejected, rows, &plugin)?;
                let column = columns
                    .pop()
                    .ok_or_else(|| invalid(&plugin, "no column".to_owned()))?;
                Ok(FunctionOutcome { column, rejected })
            },
        )
    }

    /// Closes a function; its handle is of no use afterwards.
    pub fn close_function(&mut self, function: OpenedFunction) -> Result<()> {
        let guest = self.scalar()?;
        self.run(|store| guest.call_close(store, function.handle))
    }

    /// Opens a transform for input of `input`'s schema with options as a JSON object.
    pub fn open_transform(
        &mut self,
        name: &str,
        input: &SchemaRef,
        options: &str,
    ) -> Result<OpenedTransform> {
        self.open_transform_as(name, input, input, options)
    }

    /// The same for a guest that is offered the columns of `input` in other types: the caller casts those that it reads
    /// ([`Input::with_reads`]), and those that are carried over stay as they are.
    pub fn open_transform_as(
        &mut self,
        name: &str,
        input: &SchemaRef,
        offered: &SchemaRef,
        options: &str,
    ) -> Result<OpenedTransform> {
        let border = border_schema(offered)?;
        let wire = fields_to_wire(border.fields().iter().map(AsRef::as_ref))?;
        let guest = self.table()?;
        let plugin = Arc::clone(&self.plugin);
        with_params(&wire, |fields| {
            self.call_and(
                |store| guest.call_open(store, name, fields, options),
                |opened| {
                    OpenedTransform::from_wire(opened, input, &border, &plugin.limits)
                        .map_err(|problem| invalid(&plugin, format!("opening `{name}`: {problem}")))
                },
            )
        })
    }

    /// Hands the next batch of input to the guest. Columns that the guest does not read stay here.
    ///
    /// `input` gives the column for an index of the schema the transform was opened with: a caller that pruned columns has only
    /// some of them. `keep` are the output columns wanted, in order.
    pub fn process(
        &mut self,
        transform: &OpenedTransform,
        input: &Input<'_>,
    ) -> Result<TransformOutcome> {
        let columns: Vec<&ArrayRef> = transform
            .reads
            .iter()
            .map(|&index| input.read(index))
            .collect::<Option<_>>()
            .ok_or_else(|| self.caller_error("a column that the transform reads was not given"))?;
        let lowered = self.lower(&columns, input.rows, |index| {
            transform.reads_schema.field(index).name().clone()
        })?;
        let buffers: Vec<&[u8]> = lowered
            .buffers
            .iter()
            .map(|buffer| buffer.as_slice())
            .collect();
        let batch = types::BatchParam {
            rows: lowered.rows,
            nodes: &lowered.nodes,
            buffers: &buffers,
        };
        let guest = self.table()?;
        let plugin = Arc::clone(&self.plugin);
        self.call_and(
            |store| guest.call_process(store, transform.handle, batch),
            |outcome| assemble(outcome, transform, Some(input), &plugin),
        )
    }

    /// Asks for more output of the current input, after an outcome that said so.
    ///
    /// # Errors
    /// [`Error::Limit`] also when the guest says so again and again: after [`crate::Limits::pulls`] calls, or when calls without
    /// a row between them have together taken [`crate::Limits::call_time`].
    pub fn pull(
        &mut self,
        transform: &OpenedTransform,
        input: Option<&Input<'_>>,
    ) -> Result<TransformOutcome> {
        let guest = self.table()?;
        let plugin = Arc::clone(&self.plugin);
        let (pulls, idle) = (self.pulls + 1, self.idle);
        if let Some(error) = asked_too_often(&plugin, pulls, idle) {
            self.dead = true;
            return Err(error);
        }
        self.store.data_mut().idle = idle;
        let begun = Instant::now();
        let outcome = self.call_and(
            |store| guest.call_pull(store, transform.handle),
            |outcome| assemble(outcome, transform, input, &plugin),
        )?;
        self.pulls = pulls;
        if outcome.batches.iter().all(|batch| batch.num_rows() == 0) {
            self.idle = idle + begun.elapsed();
        }
        Ok(outcome)
    }

    /// Tells the guest that input has ended and takes what it still has.
    pub fn finish(&mut self, transform: &OpenedTransform, end: End) -> Result<TransformOutcome> {
        let guest = self.table()?;
        let plugin = Arc::clone(&self.plugin);
        let end = match end {
            End::Slice => table::End::Slice,
            End::Input => table::End::Input,
        };
        self.call_and(
            |store| guest.call_finish(store, transform.handle, end),
            |outcome| assemble(outcome, transform, None, &plugin),
        )
    }

    /// The transform's state, in a form that only the plugin understands.
    ///
    /// # Errors
    /// What the guest says; [`Exceeded::State`] if it is larger than [`Limits::state`](crate::Limits::state), in bytes.
    pub fn save(&mut self, transform: &OpenedTransform) -> Result<Vec<u8>> {
        let guest = self.table()?;
        let state = self.call(|store| guest.call_save(store, transform.handle))?;
        let (allowed, saved) = (self.plugin.limits.state, state.len());
        match saved <= allowed {
            true => Ok(state),
            false => Err(Error::Limit {
                plugin: self.plugin.name().to_owned(),
                exceeded: Exceeded::State { allowed, saved },
            }),
        }
    }

    /// Puts a saved state back.
    pub fn restore(&mut self, transform: &OpenedTransform, state: &[u8]) -> Result<()> {
        let guest = self.table()?;
        self.call(|store| guest.call_restore(store, transform.handle, state))
    }

    /// All that a transform of a language runner holds between two batches, for [`Self::resume`] in a new instance of the plugin.
    pub fn snapshot(&mut self, transform: &OpenedTransform) -> Result<Vec<u8>> {
        let guest = self.interface(self.runner.clone(), "language runner")?;
        self.call(|store| guest.call_snapshot(store, transform.handle))
    }

    /// Goes on from a snapshot with a transform that was opened just now.
    pub fn resume(&mut self, transform: &OpenedTransform, snapshot: &[u8]) -> Result<()> {
        let guest = self.interface(self.runner.clone(), "language runner")?;
        self.call(|store| guest.call_resume(store, transform.handle, snapshot))
    }

    /// Closes a transform; its handle is of no use afterwards.
    pub fn close_transform(&mut self, transform: OpenedTransform) -> Result<()> {
        let guest = self.table()?;
        self.run(|store| guest.call_close(store, transform.handle))
    }

    fn lower(
        &self,
        columns: &[&ArrayRef],
        rows: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<Lowered> {
        let lowered = Lowered::new(columns, rows, name)?;
        match lowered.fits() {
            true => Ok(lowered),
            false => {
                Err(self.caller_error("a column of a batch has more values than 32 bits count"))
            }
        }
    }

    fn scalar(&self) -> Result<scalar::Guest> {
        self.interface(self.scalar.clone(), "functions")
    }

    fn table(&self) -> Result<table::Guest> {
        self.interface(self.table.clone(), "transforms")
    }

    fn interface<T>(&self, guest: Option<T>, what: &str) -> Result<T> {
        if self.dead {
            return Err(self.caller_error("the instance has ended after an earlier error"));
        }
        guest.ok_or_else(|| load_error(&self.plugin.name, format!("it offers no {what}"), None))
    }

    fn caller_error(&self, text: &str) -> Error {
        Error::Host {
            plugin: self.plugin.name.clone(),
            source: text.to_owned().into(),
        }
    }

    /// Runs one call whose result the guest may refuse.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        self.call_and(call, Ok)
    }

    /// Runs one call and `lift`s its result, all of it timed.
    fn call_and<W, T>(
        &mut self,
        call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<Result<W, types::Error>>,
        lift: impl FnOnce(W) -> Result<T>,
    ) -> Result<T> {
        let answer = self.run(call)?;
        let result = match answer {
            Ok(wire) => lift(wire),
            Err(error) => Err(guest_error(&self.plugin, error)),
        };
        // A guest that breaks the contract once is not asked again.
        self.dead |= matches!(result, Err(Error::Invalid { .. } | Error::Limit { .. }));
        (self.pulls, self.idle) = (0, Duration::ZERO);
        self.store.data_mut().idle = Duration::ZERO;
        self.timing += self.store.data().clock.split();
        result
    }

    fn run<W>(&mut self, call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<W>) -> Result<W> {
        begin(&self.plugin, &mut self.store)?;
        with_stack(|| call(&mut self.store)).map_err(|trap| {
            self.dead = true;
            trap_error(&self.plugin, &mut self.store, Phase::Call, trap)
        })
    }
}
