//! The border between host and guest, crossed for real: a guest built from Rust, run by wasmtime.
//!
//! `round_trip` sends every type there and back, `transforms` and `functions` call what the guest offers, `errors` makes it fail
//! in each way there is, `limits` makes it take too much, and `loading` offers files that are no plugins.

mod arrays;
mod compiled;
mod errors;
mod functions;
mod limits;
mod loading;
mod round_trip;
mod support;
mod transforms;
