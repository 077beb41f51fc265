//! JSON lines: one object on each line.
//!
//! A value becomes what its column's type says exactly, or it is an error with its file, line and key: no number loses digits, no key is
//! dropped, and no value of another kind is taken for what it is not. Files are read in ranges by several threads; who meets an
//! error counts the lines before it.

mod batches;
mod column;
mod decode;
mod infer;
mod leaf;
mod lines;
mod problem;

pub(super) use self::{batches::JsonBatches, infer::infer_schema, lines::line_of_row};

#[cfg(test)]
mod tests;
