//! The Wasm edge of Transom: loads plugins and moves Arrow batches in and out of them.
//!
//! A [`Runtime`] (one per process) loads a component into a [`Plugin`], which says what it offers in its [`Description`].
//! A plugin makes any number of [`Instance`]s, each with a memory of its own and [`Limits`] that are enforced; an instance
//! opens functions and transforms and calls them with Arrow arrays.
//!
//! Nothing that comes out of a guest is trusted: descriptions, schemas, buffers, row numbers and texts are checked before an
//! Arrow array is built from them. A guest is granted nothing but logging and counting.
//!
//! A plugin is a component, or an archive of source files that a language runner runs: one component for all plugins of that
//! language, which gets the files before anything else is called.
//!
//! The feature `compiler`, on by default, brings the compiler along. Without it there is [`CompiledPlugins`] alone: plugins that
//! [`compile_ahead`] has compiled, for a program that must be small and start at once.
//!
//! This crate knows no DataFusion: memory is charged through [`MemoryBudget`], cancelling goes through [`Cancel`].

mod batch;
mod bindings;
mod cache;
mod compiled;
mod compiler;
mod description;
mod engine;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod instance;
mod interrupt;
mod limits;
mod packed;
mod plugin;
mod stamp;
mod state;
mod text;
mod wasi;

pub use batch::border_type;
#[cfg(feature = "compiler")]
pub use compiled::compile_ahead;
pub use compiled::{CompiledPlugins, Machine};
pub use description::{
    Accepts, Argument, Description, FunctionDescription, SortKey, TransformDescription, Volatility,
};
pub use engine::{Runtime, RuntimeOptions};
pub use error::{Error, GuestError, GuestErrorKind, Result};
pub use instance::{
    End, FunctionOutcome, Input, Instance, InstanceOptions, OpenedFunction, OpenedTransform,
    OutputColumn, Rejected, TransformOutcome,
};
pub use interrupt::Cancel;
pub use limits::{Exceeded, Limits, MemoryBudget, bytes};
pub use plugin::{Plugin, contract};
pub use state::Timing;
pub use wasi::LogicalTime;
