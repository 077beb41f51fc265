//! Messages and counters: to the host on Wasm, messages to standard error natively, so that unit tests show them.

use std::fmt::Display;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What happened.
    Info,
    /// Not as it should be, and gone on.
    Warn,
    /// Not as it should be, and not gone on.
    Error,
}

/// Logs a message.
pub fn log(level: Level, message: impl Display) {
    emit(level, &message.to_string());
}

/// Logs every step.
pub fn trace(message: impl Display) {
    log(Level::Trace, message);
}

/// Logs for whoever looks for a mistake.
pub fn debug(message: impl Display) {
    log(Level::Debug, message);
}

/// Logs what happened.
pub fn info(message: impl Display) {
    log(Level::Info, message);
}

/// Logs what is not as it should be.
pub fn warn(message: impl Display) {
    log(Level::Warn, message);
}

/// Logs what is not as it should be and stops the work.
pub fn error(message: impl Display) {
    log(Level::Error, message);
}

/// Adds to a counter of the run.
pub fn count(metric: &str, value: u64) {
    add(metric, value);
}

#[cfg(target_arch = "wasm32")]
fn emit(level: Level, message: &str) {
    use crate::bindings::transom::plugin::host;
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, message.as_bytes());
}

#[cfg(target_arch = "wasm32")]
fn add(metric: &str, value: u64) {
    crate::bindings::transom::plugin::host::count(metric, value);
}

#[cfg(not(target_arch = "wasm32"))]
fn emit(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

#[cfg(not(target_arch = "wasm32"))]
fn add(metric: &str, value: u64) {
    eprintln!("Count: {metric} +{value}");
}
