//! Starting an instance: a store with its limits, the component in it, and a language runner's files.

use std::time::Duration;

use wasmtime::{CallHook, Store};

use super::InstanceOptions;
use super::fault::{Phase, guest_error, trap_error, unlike_the_contract};
use crate::bindings::{scalar, table, types};
use crate::error::{Error, Result};
use crate::limits::MemoryMeter;
use crate::plugin::{Plugin, Runner};
use crate::state::State;
use crate::wasi::Wasi;

pub(super) fn start(
    plugin: &Plugin,
    options: InstanceOptions,
) -> Result<(Store<State>, wasmtime::component::Instance)> {
    let memory = MemoryMeter::new(plugin.limits.memory, options.memory);
    let mut limits = plugin.limits.clone();
    limits.call_time = limits
        .call_time
        .min(options.call_time.unwrap_or(Duration::MAX));
    let state = State::new(
        plugin.name.clone(),
        limits,
        memory,
        options.cancel,
        plugin.runner.as_ref().map(|_| Wasi::new(options.time)),
    );
    let traces = options.traces;
    let mut store = Store::new(plugin.pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_callback(State::on_tick);
    store.call_hook(
        State::on_crossing
            as fn(wasmtime::StoreContextMut<'_, State>, CallHook) -> wasmtime::Result<()>,
    );
    begin(plugin, &mut store)?;
    // Instantiating runs start functions, so it can crash or loop like any other call.
    let instance = match plugin.pre.instantiate(&mut store) {
        Ok(instance) => instance,
        Err(trap) => return Err(trap_error(plugin, &mut store, Phase::Start, trap)),
    };
    if let Some(runner) = &plugin.runner {
        hand_over(plugin, runner, traces, &mut store, &instance)?;
    }
    Ok((store, instance))
}

/// Gives a language runner the plugin's files.
fn hand_over(
    plugin: &Plugin,
    runner: &Runner,
    traces: bool,
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
) -> Result<()> {
    let guest = runner
        .indices
        .load(&mut *store, instance)
        .map_err(|error| unlike_the_contract(plugin, &error))?;
    let files: Vec<(&str, &[u8])> = runner
        .source
        .files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    let bytecode = runner.source.bytecode.as_deref().unwrap_or_default();
    begin(plugin, store)?;
    let loaded = guest.call_load(&mut *store, &files, bytecode);
    answer(plugin, store, loaded)?;
    if traces {
        begin(plugin, store)?;
        let traced = guest.call_trace(&mut *store);
        answer(plugin, store, traced)?;
        store.data_mut().traces = true;
    }
    Ok(())
}

/// What a runner answers, or why it does not.
fn answer<T>(
    plugin: &Plugin,
    store: &mut Store<State>,
    answer: wasmtime::Result<Result<T, types::Error>>,
) -> Result<T> {
    match answer {
        Ok(answer) => answer.map_err(|error| guest_error(plugin, error)),
        Err(trap) => Err(trap_error(plugin, store, Phase::Call, trap)),
    }
}

/// What a language runner has compiled the plugin's files to, if that is not known yet; nothing of others. It only saves time, so
/// no plugin fails for what goes wrong with it.
pub(super) fn bytecode(
    plugin: &Plugin,
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
) -> Option<Vec<u8>> {
    let runner = plugin.runner.as_ref()?;
    if runner.source.bytecode.is_some() {
        return None;
    }
    compiled(plugin, runner, store, instance)
        .inspect_err(|error| {
            tracing::debug!(plugin = plugin.name, %error, "bytecode was not handed back");
        })
        .ok()
}

fn compiled(
    plugin: &Plugin,
    runner: &Runner,
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
) -> Result<Vec<u8>> {
    let guest = runner
        .indices
        .load(&mut *store, instance)
        .map_err(|error| unlike_the_contract(plugin, &error))?;
    begin(plugin, store)?;
    // The limit on output is for results.
    store.set_hostcall_fuel(runner.source.max_bytecode(&plugin.limits));
    let compiled = guest.call_compiled(&mut *store);
    answer(plugin, store, compiled)
}

/// The optional interfaces, with the signatures that the contract says.
pub(super) fn interfaces(
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

pub(super) fn begin(plugin: &Plugin, store: &mut Store<State>) -> Result<()> {
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
