//! The commit protocol: its documents, its stores, and its runner. The model is a crate of its own, `model`.

#![expect(
    clippy::print_stdout,
    reason = "traces are for people, who ask for them with --nocapture"
)]

mod chaos;
mod documents;
mod faults;
mod minidb;
mod runner;
mod services;
mod stores;
