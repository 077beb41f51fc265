//! Points at which tests stop, kill or slow down a process.
//!
//! A point is where a crash is interesting: before and after something that others see. Without a hook it costs one
//! load of an atomic.

use std::fmt;
use std::sync::OnceLock;

/// The points of this crate. Sinks and the pipeline have more, which they name themselves.
pub const POINTS: [&str; 21] = [
    "log.listed",
    "attempt.staged",
    "entry.put_before",
    "entry.put_after",
    "settle.read",
    "ledger.created",
    "gate.applied",
    "lake.copied_all",
    "catalog.pointer_read",
    "catalog.pointer_written",
    "catalog.pointer_verified",
    "done.put_before",
    "done.put_after",
    "rewind.entry_after",
    "rewind.ledger_after",
    "discard.blocked",
    "discard.entry_after",
    "gc.entry_after",
    "backfill.entry_after",
    "backfill.result_put",
    "load.entry_after",
];

type Hook = Box<dyn Fn(&str) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// A hook is there already.
#[derive(Debug, Clone, Copy)]
pub struct HookTaken;

impl fmt::Display for HookTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this process has a hook for fault points already")
    }
}

impl std::error::Error for HookTaken {}

/// Has a function called at each point, for the rest of the process.
///
/// # Errors
///
/// If there is one already.
pub fn set_hook(hook: impl Fn(&str) + Send + Sync + 'static) -> Result<(), HookTaken> {
    HOOK.set(Box::new(hook)).map_err(|_| HookTaken)
}

/// The process is at this point.
pub fn at(point: &str) {
    if let Some(hook) = HOOK.get() {
        hook(point);
    }
}
