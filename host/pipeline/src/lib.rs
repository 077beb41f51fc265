//! The pipeline of Transom: what `transom.yaml` says, made into values that the rest of the program can trust.
//!
//! [`file::load`] reads `transom.yaml` and the queries beside it and returns a [`file::Pipeline`] for one target, or every
//! mistake in them at once.

pub mod file;
