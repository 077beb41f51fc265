//! Plugins in Rust: a `cdylib` crate -> a core module for `wasm32-unknown-unknown`.
//!
//! That target has no WASI: what std cannot do without an operating system returns an error in the guest, and nothing of it
//! becomes an import. Which compiler does it is [`compiler`]'s matter, how it is run [`cargo`]'s.

mod cargo;
mod compiler;
mod manifest;

pub(crate) use cargo::compile;
pub(crate) use compiler::toolchain;
pub(crate) use manifest::Manifest;

/// The target that plugins are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
