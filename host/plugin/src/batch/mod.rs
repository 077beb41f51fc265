//! Arrow batches by value: what crosses the border, in which form, and how it is checked.
//!
//! `format` speaks of types, `lower` of batches on their way in, `lift` of batches on their way out.

pub(crate) mod format;
pub(crate) mod lift;
pub(crate) mod lower;
mod pieces;

pub use format::border_type;
