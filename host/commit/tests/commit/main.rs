//! The commit protocol: its documents, its stores, its runner, and a model of it that is searched exhaustively.

mod chaos;
mod documents;
mod faults;
mod minidb;
mod model;
mod runner;
mod services;
mod stores;
