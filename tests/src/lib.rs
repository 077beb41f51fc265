//! What the end-to-end tests share.

pub mod fault;
pub mod flights;
pub mod mutants;
pub mod proxy;
pub mod runner;
