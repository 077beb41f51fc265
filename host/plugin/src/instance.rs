//! One running guest: opens functions and transforms and calls them with Arrow arrays.
//!
//! Calls are synchronous and may take long: they belong on threads that may block. An instance that crashed or went over a limit
//! is dead; every further call says so, and the caller makes a new one.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use wasmtime::{CallHook, Store};

use crate::batch::format::{
    border_field, border_schema, fields_to_wire, one_field_from_wire, with_params,
};
use crate::batch::lift::lift;
use crate::batch::lower::Lowered;
use crate::bindings::{scalar, table, types};
use crate::description::{Description, cut};
use crate::error::{Error, GuestError, GuestErrorKind, Result};
use crate::interrupt::{Cancel, Interrupt};
use crate::limits::{MemoryBudget, MemoryMeter};
use crate::plugin::Plugin;
use crate::state::{State, Timing};

/// What an instance shares with the query that uses it.
#[derive(Debug, Clone, Default)]
pub struct InstanceOptions {
    /// Where its memory is charged.
    pub memory: Option<Arc<dyn MemoryBudget>>,
    /// Stops it.
    pub cancel: Cancel,
}

/// A running guest.
pub struct Instance {
    plugin: Arc<Plugin>,
    store: Store<State>,
    scalar: Option<scalar::Guest>,
    table: Option<table::Guest>,
    timing: Timing,
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

/// A function opened for arguments of certain types.
#[derive(Debug, Clone)]
pub struct OpenedFunction {
    handle: u32,
    name: String,
    /// The result, named after the function.
    pub output: FieldRef,
}

/// A transform opened for input of a certain schema.
#[derive(Debug, Clone)]
pub struct OpenedTransform {
    handle: u32,
    /// Input columns that the guest reads, as indices of the input's schema.
    pub reads: Vec<usize>,
    /// Where the columns of the output come from.
    pub output: Vec<OutputColumn>,
    /// Schema of the output.
    pub schema: SchemaRef,
    computed: Vec<FieldRef>,
    reads_schema: SchemaRef,
}

/// Where a column of a transform's output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputColumn {
    /// The guest makes it; the number counts computed columns.
    Computed(usize),
    /// An input column carried over, as an index of the input's schema.
    Input(usize),
}

/// A row that the guest did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Row of the current input batch.
    pub row: u32,
    /// Why.
    pub reason: String,
}

/// Result of a function over one batch.
#[derive(Debug)]
pub struct FunctionOutcome {
    /// As many rows as the arguments had.
    pub column: ArrayRef,
    /// Rows whose value in `column` must not be used.
    pub rejected: Vec<Rejected>,
}

/// Result of one call of a transform.
#[derive(Debug)]
pub struct TransformOutcome {
    /// Batches of the output's schema, or of the columns that were asked for.
    pub batches: Vec<RecordBatch>,
    /// Rows of the current input that the guest did not take.
    pub rejected: Vec<Rejected>,
    /// The guest has more for the current input: [`Instance::pull`].
    pub more: bool,
}

/// Which end a transform has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Of a slice: state is saved after it.
    Slice,
    /// Of all input.
    Input,
}

impl Instance {
    pub(crate) fn new(plugin: Arc<Plugin>, options: InstanceOptions) -> Result<Self> {
        let (mut store, instance) = start(&plugin, options)?;
        let (scalar, table) = interfaces(&plugin, &mut store, &instance)?;
        Ok(Self {
            plugin,
            store,
            scalar,
            table,
            timing: Timing::default(),
            dead: false,
        })
    }

    /// Asks a plugin that is just being loaded what it offers.
    pub(crate) fn describe(plugin: &Plugin) -> Result<Description> {
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
        Description::from_wire(wire, &plugin.limits).map_err(|reason| invalid(plugin, reason))
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
        let opened = with_params(&wire, |fields| {
            self.call(|store| guest.call_open(store, name, fields, "{}"))
        })?;
        let output =
            one_field_from_wire(&opened.output, &self.plugin.limits).map_err(|problem| {
                invalid(&self.plugin, format!("the result of `{name}`: {problem}"))
            })?;
        Ok(OpenedFunction {
            handle: opened.handle,
            name: name.to_owned(),
            output: Arc::new(output.with_name(name)),
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
                        "{} rows for {rows} rows of arguments",
                        column.rows
                    )));
                }
                // Rows that failed have no value, so their nulls are no fault even where the result has none.
                let nullable =
                    [Arc::new(fields[0].as_ref().clone().with_nullable(
                        fields[0].is_nullable() || !rejected.is_empty(),
                    ))];
                let mut columns = lift(column, &nullable).map_err(bad)?;
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
        let border = border_schema(input)?;
        let wire = fields_to_wire(border.fields().iter().map(AsRef::as_ref))?;
        let guest = self.table()?;
        let opened = with_params(&wire, |fields| {
            self.call(|store| guest.call_open(store, name, fields, options))
        })?;
        self.opened_transform(opened, input, &border)
            .map_err(|problem| invalid(&self.plugin, format!("opening `{name}`: {problem}")))
    }

    fn opened_transform(
        &self,
        opened: table::Opened,
        input: &SchemaRef,
        border: &Schema,
    ) -> Result<OpenedTransform, String> {
        let table::Opened {
            handle,
            reads,
            output,
        } = opened;
        let columns = input.fields().len();
        let known = |index: u32| match (index as usize) < columns {
            true => Ok(index as usize),
            false => Err(format!("input column {index} of {columns}")),
        };
        let reads = reads
            .into_iter()
            .map(known)
            .collect::<Result<Vec<_>, _>>()?;
        if output.len() > self.plugin.limits.fields {
            return Err(format!(
                "{} output columns; allowed are {}",
                output.len(),
                self.plugin.limits.fields
            ));
        }
        let (mut origin, mut fields, mut computed) =
            (Vec::new(), Vec::<FieldRef>::new(), Vec::new());
        for column in output {
            match column {
                table::Output::Computed(field) => {
                    let field = Arc::new(one_field_from_wire(&field, &self.plugin.limits)?);
                    origin.push(OutputColumn::Computed(computed.len()));
                    computed.push(Arc::clone(&field));
                    fields.push(field);
                }
                table::Output::Input(index) => {
                    let index = known(index)?;
                    origin.push(OutputColumn::Input(index));
                    fields.push(Arc::clone(&input.fields()[index]));
                }
            }
        }
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = fields
            .iter()
            .find(|field| !names.insert(field.name().as_str()))
        {
            return Err(format!(
                "output column `{}` stands there twice",
                cut(twice.name(), 256)
            ));
        }
        if let Some(nameless) = fields.iter().position(|field| field.name().is_empty()) {
            return Err(format!("output column {nameless} has no name"));
        }
        let reads_schema = Schema::new(
            reads
                .iter()
                .map(|&index| border.field(index).clone())
                .collect::<Vec<Field>>(),
        );
        Ok(OpenedTransform {
            handle,
            reads,
            output: origin,
            schema: Arc::new(Schema::new(fields)),
            computed,
            reads_schema: Arc::new(reads_schema),
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
            .map(|&index| input.column(index))
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
    pub fn pull(
        &mut self,
        transform: &OpenedTransform,
        input: Option<&Input<'_>>,
    ) -> Result<TransformOutcome> {
        let guest = self.table()?;
        let plugin = Arc::clone(&self.plugin);
        self.call_and(
            |store| guest.call_pull(store, transform.handle),
            |outcome| assemble(outcome, transform, input, &plugin),
        )
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
    pub fn save(&mut self, transform: &OpenedTransform) -> Result<Vec<u8>> {
        let guest = self.table()?;
        self.call(|store| guest.call_save(store, transform.handle))
    }

    /// Puts a saved state back.
    pub fn restore(&mut self, transform: &OpenedTransform, state: &[u8]) -> Result<()> {
        let guest = self.table()?;
        self.call(|store| guest.call_restore(store, transform.handle, state))
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
        guest.ok_or_else(|| {
            crate::engine::load_error(&self.plugin.name, format!("it offers no {what}"), None)
        })
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
        self.timing += self.store.data().clock.split();
        result
    }

    fn run<W>(&mut self, call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<W>) -> Result<W> {
        begin(&self.plugin, &mut self.store)?;
        call(&mut self.store).map_err(|trap| {
            self.dead = true;
            trap_error(&self.plugin, &mut self.store, Phase::Call, trap)
        })
    }
}

/// A batch of input for a transform: the columns of the schema it was opened with, some of them perhaps pruned.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    columns: &'a [Option<ArrayRef>],
    rows: usize,
    keep: &'a [usize],
    schema: &'a SchemaRef,
}

impl<'a> Input<'a> {
    /// `columns` by index of the input's schema (`None` = pruned), `keep` the output columns wanted and `schema` theirs.
    pub fn new(
        columns: &'a [Option<ArrayRef>],
        rows: usize,
        keep: &'a [usize],
        schema: &'a SchemaRef,
    ) -> Self {
        Self {
            columns,
            rows,
            keep,
            schema,
        }
    }

    fn column(&self, index: usize) -> Option<&'a ArrayRef> {
        self.columns.get(index).and_then(Option::as_ref)
    }
}

fn start(
    plugin: &Plugin,
    options: InstanceOptions,
) -> Result<(Store<State>, wasmtime::component::Instance)> {
    let memory = MemoryMeter::new(plugin.limits.memory, options.memory);
    let state = State::new(
        plugin.name.clone(),
        plugin.limits.clone(),
        memory,
        options.cancel,
    );
    let mut store = Store::new(plugin.pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_callback(State::on_tick);
    store.call_hook(
        State::on_crossing
            as fn(wasmtime::StoreContextMut<'_, State>, CallHook) -> wasmtime::Result<()>,
    );
    begin(plugin, &mut store)?;
    // Instantiating runs start functions, so it can crash or loop like any other call.
    match plugin.pre.instantiate(&mut store) {
        Ok(instance) => Ok((store, instance)),
        Err(trap) => Err(trap_error(plugin, &mut store, Phase::Start, trap)),
    }
}

/// The optional interfaces, with the signatures that the contract says.
fn interfaces(
    plugin: &Plugin,
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
) -> Result<(Option<scalar::Guest>, Option<table::Guest>)> {
    let scalar = plugin
        .scalar
        .as_ref()
        .map(|indices| indices.load(&mut *store, instance))
        .transpose();
    let table = plugin
        .table
        .as_ref()
        .map(|indices| indices.load(&mut *store, instance))
        .transpose();
    match (scalar, table) {
        (Ok(scalar), Ok(table)) => Ok((scalar, table)),
        (Err(error), _) | (_, Err(error)) => Err(unlike_the_contract(plugin, &error)),
    }
}

fn unlike_the_contract(plugin: &Plugin, error: &wasmtime::Error) -> Error {
    let reason = format!("its functions are not those of the contract: {error:#}");
    crate::engine::load_error(&plugin.name, cut(&reason, 4096), None)
}

fn begin(plugin: &Plugin, store: &mut Store<State>) -> Result<()> {
    if store.data().cancel.is_cancelled() {
        return Err(Error::Cancelled {
            plugin: plugin.name.clone(),
        });
    }
    store.data_mut().begin_call();
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(plugin.limits.output);
    Ok(())
}

fn invalid(plugin: &Plugin, reason: String) -> Error {
    Error::Invalid {
        plugin: plugin.name.clone(),
        reason: cut(&reason, 4096),
    }
}

fn guest_error(plugin: &Plugin, error: types::Error) -> Error {
    let types::Error {
        kind,
        message,
        row,
        column,
    } = error;
    let kind = match kind {
        types::ErrorKind::BadData => GuestErrorKind::BadData,
        types::ErrorKind::Config => GuestErrorKind::Config,
        types::ErrorKind::Retryable => GuestErrorKind::Retryable,
        types::ErrorKind::Internal => GuestErrorKind::Internal,
    };
    Error::Guest {
        plugin: plugin.name.clone(),
        error: GuestError {
            kind,
            message: cut(&message, plugin.limits.text),
            row,
            column,
        },
    }
}

/// Why a call ended early: our own doing (a limit, cancelled), the guest's (a trap) or the host's.
fn trap_error(
    plugin: &Plugin,
    store: &mut Store<State>,
    phase: Phase,
    trap: wasmtime::Error,
) -> Error {
    let name = plugin.name.clone();
    let over = |interrupt: Interrupt| match interrupt {
        Interrupt::Cancelled => Error::Cancelled {
            plugin: plugin.name.clone(),
        },
        Interrupt::Limit {
            limit,
            allowed,
            asked,
        } => Error::Limit {
            plugin: plugin.name.clone(),
            limit,
            allowed,
            asked,
        },
    };
    let trap = match trap.downcast::<Interrupt>() {
        Ok(interrupt) => return over(interrupt),
        Err(trap) => trap,
    };
    // A guest whose memory was refused usually crashes of it: the refusal is what the user can act on.
    if let Some(refused) = store.data_mut().memory.refused.take() {
        return over(refused);
    }
    // The root cause alone: what surrounds it quotes names of functions, which are the guest's own words.
    let cause = trap.root_cause().to_string();
    if cause.starts_with(OUTPUT_EXHAUSTED) {
        return Error::Limit {
            plugin: name,
            limit: "output",
            allowed: crate::limits::bytes(plugin.limits.output),
            asked: "more".to_owned(),
        };
    }
    match trap.downcast_ref::<wasmtime::Trap>() {
        Some(wasm_trap) => {
            let message = match store.data_mut().last_error.take() {
                Some(message) => message,
                None => wasm_trap.to_string(),
            };
            Error::Crash {
                plugin: name,
                message,
            }
        }
        // Once a guest runs, all that is left is what it handed over: a text that is no UTF-8, a list outside its memory.
        None if phase == Phase::Call => invalid(plugin, cause),
        None => Error::Host {
            plugin: name,
            source: trap.into(),
        },
    }
}

/// wasmtime has no public type for this error; `more_output_than_allowed_is_a_limit` in the tests holds the text.
const OUTPUT_EXHAUSTED: &str = "too much data is being copied between the host and the guest";

/// When a guest was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// While it was instantiated: what fails then, other than the guest's own code, is the host's.
    Start,
    /// During a call.
    Call,
}

fn rejects(wire: Vec<scalar::Rejected>, rows: usize, plugin: &Plugin) -> Result<Vec<Rejected>> {
    let mut seen = vec![false; if wire.is_empty() { 0 } else { rows }];
    wire.into_iter()
        .map(|rejected| {
            let row = rejected.row;
            let twice = seen
                .get_mut(row as usize)
                .map(|seen| std::mem::replace(seen, true));
            match twice {
                Some(false) => Ok(Rejected {
                    row,
                    reason: cut(&rejected.reason, plugin.limits.text),
                }),
                Some(true) => Err(invalid(plugin, format!("it rejects row {row} twice"))),
                None => Err(invalid(
                    plugin,
                    format!("it rejects row {row} of a batch of {rows}"),
                )),
            }
        })
        .collect()
}

/// Puts the computed columns and those carried over together.
fn assemble(
    outcome: table::Outcome,
    transform: &OpenedTransform,
    input: Option<&Input<'_>>,
    plugin: &Plugin,
) -> Result<TransformOutcome> {
    let table::Outcome {
        parts,
        rejected,
        more,
    } = outcome;
    // Rows cost the guest nothing where all its columns are carried over, so the bytes it returns do not bound them.
    let rows: usize = parts.iter().map(|part| part.batch.rows as usize).sum();
    if rows > plugin.limits.rows {
        return Err(Error::Limit {
            plugin: plugin.name.clone(),
            limit: "rows",
            allowed: plugin.limits.rows.to_string(),
            asked: rows.to_string(),
        });
    }
    let rejected = rejects(rejected, input.map_or(0, |input| input.rows), plugin)?;
    let batches = parts
        .into_iter()
        .map(|part| {
            assemble_part(part, transform, input).map_err(|problem| invalid(plugin, problem))
        })
        .collect::<Result<_>>()?;
    Ok(TransformOutcome {
        batches,
        rejected,
        more,
    })
}

fn assemble_part(
    part: table::Part,
    transform: &OpenedTransform,
    input: Option<&Input<'_>>,
) -> Result<RecordBatch, String> {
    let table::Part { batch, source_rows } = part;
    let rows = batch.rows as usize;
    let computed = lift(batch, &transform.computed)?;
    let all: Vec<usize>;
    let (keep, schema) = match input {
        Some(input) => (input.keep, input.schema),
        None => {
            all = (0..transform.output.len()).collect();
            (all.as_slice(), &transform.schema)
        }
    };
    // Asked of all columns, not only of those kept: whether a guest does right must not depend on who reads it.
    let carries_over = transform
        .output
        .iter()
        .any(|column| matches!(column, OutputColumn::Input(_)));
    let source = match (source_rows, input) {
        (_, None) if carries_over && rows > 0 => {
            return Err("rows with columns carried over, but there is no current input".to_owned());
        }
        (None, Some(input)) if carries_over && rows != input.rows => {
            return Err(format!(
                "{rows} rows one to one with {} rows of input",
                input.rows
            ));
        }
        (Some(bytes), Some(input)) => Some(source_rows_of(&bytes, rows, input.rows)?),
        (_, _) => None,
    };
    let columns = keep
        .iter()
        .map(|&column| match (transform.output[column], input) {
            (OutputColumn::Computed(index), _) => Ok(Arc::clone(&computed[index])),
            (OutputColumn::Input(index), Some(input)) => {
                let column = input
                    .column(index)
                    .ok_or_else(|| format!("input column {index} was not given"))?;
                match &source {
                    Some(source) => take(column, source, None).map_err(|error| error.to_string()),
                    None => Ok(Arc::clone(column)),
                }
            }
            // No rows, as checked above.
            (OutputColumn::Input(_), None) => Ok(arrow::array::new_empty_array(
                transform.schema.field(column).data_type(),
            )),
        })
        .collect::<Result<Vec<ArrayRef>, String>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| error.to_string())
}

fn source_rows_of(bytes: &[u8], rows: usize, input_rows: usize) -> Result<UInt32Array, String> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if numbers.len() != rows || !rest.is_empty() {
        return Err(format!(
            "source rows of {} bytes for {rows} rows",
            bytes.len()
        ));
    }
    let numbers: Vec<u32> = numbers
        .iter()
        .map(|&number| u32::from_le_bytes(number))
        .collect();
    match numbers
        .iter()
        .find(|&&number| number as usize >= input_rows)
    {
        Some(number) => Err(format!("source row {number} of a batch of {input_rows}")),
        None => Ok(numbers.into()),
    }
}
