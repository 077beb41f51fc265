//! The pipeline of Transom: what `transom.yaml` says, planned and run.
//!
//! A [`Pipeline`](transom_file::Pipeline) is read by `transom-file`. [`plugins::load`] builds and loads its plugins. A [`Job`] has both: it
//! plans the steps over DataFusion, executes the plans and publishes the results. [`testing`] runs the tests
//! beside a pipeline, [`preview`] computes single tables of it and [`rejects`] reads what its transforms did not take. [`lock::Lock`] remembers what checking needs to know of the world.

mod builder;
mod encode;
mod error;
mod file_rows;
mod job;
mod locate;
pub mod lock;
pub mod plan;
pub mod plugins;
pub mod preview;
pub mod rejects;
pub mod report;
pub mod run;
pub mod slices;
pub mod testing;
mod transform_columns;

pub use builder::{BuildFailure, Builder, Found};
pub use encode::{Encoding, encode, lines};
pub use error::{Error, ErrorKind, Lack, Result, causes};
pub use file_rows::read_rows;
pub use job::Job;
pub use plan::keys::required_keys;
pub use transform_columns::transform_columns;
pub use transom_connect::{Aws, S3Error, S3ErrorKind, Unwritable};
pub use transom_query::{PlanThreads, SessionOptions, TransformColumns, remove_scratch};
pub use transom_sql::{field_type_name, show, type_name};
