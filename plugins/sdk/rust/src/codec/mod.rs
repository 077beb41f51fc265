//! Arrow data as it crosses the border: schemas as fields with format strings, batches as nodes and buffers.
//!
//! [`schema`] turns data types into format strings and back, [`decode`] builds arrays from what the host sent without
//! copying or checking (the guest trusts its host), [`encode`] gives buffers away, without copying where it owns them.

pub mod decode;
pub mod encode;
pub mod format;
pub mod schema;

#[cfg(test)]
mod tests;
