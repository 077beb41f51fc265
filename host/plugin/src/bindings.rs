//! Rust types of the contract in `wit/`, made by wasmtime's `bindgen!`.
//!
//! Only the types and the per-interface indices are used: a plugin may lack `scalar` or `table`, and a world cannot say
//! "optional", so every interface is looked up on its own (see [`crate::plugin`]).

#![allow(missing_docs, reason = "generated code")]
#![allow(missing_debug_implementations, reason = "generated code")]
#![allow(unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "runner-plugin",
    // Lists are lowered straight from Arrow's buffers, without a `Vec` in between.
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
});

pub(crate) use exports::transom::plugin::{meta, runner, scalar, table};
pub(crate) use transom::plugin::{host, types};
