//! Plugins in Go: a main package -> a core module for `wasip1` -> with the deny adapter, a module that needs no WASI.
//!
//! The Go toolchain is all that is needed: what wit-bindgen and an adapter do for others, [`wrap`] does here. How the compiler
//! is run is [`compiler`]'s matter, what is read of `go.mod` [`manifest`]'s.

mod compiler;
mod manifest;
mod wrap;

pub(crate) use compiler::{compile, tool, toolchain};
pub(crate) use manifest::Manifest;
pub(crate) use wrap::wrap;

/// The oldest Go that can export functions from a module (`//go:wasmexport`).
const OLDEST: (u32, u32) = (1, 24);
