//! Why a call failed: what the guest said, what it did wrong, what stopped it.

use std::time::Duration;

use wasmtime::Store;

use crate::bindings::types;
use crate::error::load_error;
use crate::error::{Error, GuestError, GuestErrorKind};
use crate::interrupt::Interrupt;
use crate::limits::Exceeded;
use crate::plugin::Plugin;
use crate::state::State;
use crate::text::cut;

pub(super) fn unlike_the_contract(plugin: &Plugin, error: &wasmtime::Error) -> Error {
    let reason = format!("its functions are not those of the contract: {error:#}");
    load_error(&plugin.name, cut(&reason, 4096), None)
}

pub(super) fn invalid(plugin: &Plugin, reason: String) -> Error {
    Error::Invalid {
        plugin: plugin.name.clone(),
        reason: cut(&reason, 4096),
    }
}

pub(super) fn guest_error(plugin: &Plugin, error: types::Error) -> Error {
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

/// Whether a transform that always has more is not asked again. Calls that give no rows count as one: the guest may take its time,
/// but not for ever.
pub(super) fn asked_too_often(plugin: &Plugin, pulls: usize, idle: Duration) -> Option<Error> {
    let limits = &plugin.limits;
    let exceeded = if pulls > limits.pulls {
        Exceeded::Pulls(limits.pulls)
    } else if idle >= limits.call_time {
        Exceeded::CallTime {
            allowed: limits.call_time,
            line: None,
        }
    } else {
        return None;
    };
    Some(over(plugin, exceeded))
}

fn over(plugin: &Plugin, exceeded: Exceeded) -> Error {
    Error::Limit {
        plugin: plugin.name.clone(),
        exceeded,
    }
}

/// Why a call ended early: our own doing (a limit, cancelled), the guest's (a trap) or the host's.
pub(super) fn trap_error(
    plugin: &Plugin,
    store: &mut Store<State>,
    phase: Phase,
    trap: wasmtime::Error,
) -> Error {
    let name = plugin.name.clone();
    let trap = match trap.downcast::<Interrupt>() {
        Ok(Interrupt::Cancelled) => return Error::Cancelled { plugin: name },
        Ok(Interrupt::Limit(exceeded)) => return over(plugin, exceeded),
        Ok(denied @ Interrupt::Denied { .. }) => {
            return Error::Crash {
                plugin: name,
                message: denied.to_string(),
            };
        }
        Err(trap) => trap,
    };
    // A guest whose memory was refused usually crashes of it: the refusal is what the user can act on.
    if let Some(refused) = store.data_mut().memory.refused.take() {
        return over(plugin, refused);
    }
    // The root cause alone: what surrounds it quotes names of functions, which are the guest's own words.
    let cause = trap.root_cause().to_string();
    if cause.starts_with(OUTPUT_EXHAUSTED) {
        return over(plugin, Exceeded::Output(plugin.limits.output));
    }
    match trap.downcast_ref::<wasmtime::Trap>() {
        Some(wasm_trap) => {
            let message = match store.data_mut().last_error.take() {
                Some(message) => message,
                None if *wasm_trap == wasmtime::Trap::StackOverflow => {
                    format!("{wasm_trap}: the stack overflowed; a function calls itself too deeply")
                }
                None => wasm_trap.to_string(),
            };
            Error::Crash {
                plugin: name,
                message,
            }
        }
        // Once a guest runs, all that is left is what it handed over: a text that is no UTF-8, a list outside its memory.
        None if phase == Phase::Call => invalid(plugin, cause),
        // More instances, memories or tables than a plugin may have.
        None if cause.starts_with("resource limit exceeded") => load_error(&name, cause, None),
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
pub(super) enum Phase {
    /// While it was instantiated: what fails then, other than the guest's own code, is the host's.
    Start,
    /// During a call.
    Call,
}
