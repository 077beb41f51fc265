//! Plugins in Rust: a `cdylib` crate -> a core module for `wasm32-unknown-unknown`.
//!
//! That target has no WASI: what std cannot do without an operating system returns an error in the guest, and nothing of it
//! becomes an import. Which compiler does it is [`compiler`]'s matter, how it is run
//! [`cargo`]'s, what cargo may keep between builds [`units`]'s.

mod cargo;
mod compiler;
mod manifest;
mod settings;
mod units;
mod workspace;

pub(crate) use cargo::compile;
pub(crate) use compiler::toolchain;
pub(crate) use manifest::Manifest;
pub(crate) use settings::settings;

/// The target that plugins are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
