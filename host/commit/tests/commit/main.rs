//! The commit protocol: its documents, its stores, its runner, and a model of it that is searched exhaustively.

#![expect(
    clippy::print_stdout,
    reason = "traces are for people, who ask for them with --nocapture"
)]

mod chaos;
mod documents;
mod faults;
mod minidb;
mod model;
mod runner;
mod services;
mod stores;
