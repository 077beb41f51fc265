//! The pipeline of Transom: what `transom.yaml` says, planned and run.
//!
//! [`file::load`] reads `transom.yaml` and the queries beside it into a [`file::Pipeline`] for one target, or every mistake
//! in them at once. [`plugins::load`] builds and loads its plugins, [`plan::plan`] plans its steps over DataFusion, and
//! [`run::run`] executes the plans and publishes the results. [`lock::Lock`] remembers what checking needs to know of the world.

mod dead_letters;
mod error;
pub mod file;
pub mod lock;
pub mod plan;
pub mod plugins;
pub mod report;
pub mod run;

pub use error::{Error, ErrorKind, Result};
pub use transom_query::SessionOptions;
