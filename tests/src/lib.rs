//! What the end-to-end tests share.

pub mod flights;
pub mod runner;
