//! What the benchmarks share: guests, data, measuring and the table that is printed.

#![allow(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod data;
pub(crate) mod guests;
pub(crate) mod measure;
pub(crate) mod native;

/// Errors end a benchmark; nobody tells them apart.
pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
