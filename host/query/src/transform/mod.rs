//! Transforms of plugins as operators of a plan.
//!
//! `step` says what a transform step is, `offer` opens it for an input, `columns` says which columns it reads and gives, `node`
//! is its place in the logical plan (which columns it needs), `exec` the operator, `running` a partition on its way through a guest
//! (`reject`: rows that it does not take, `failing`: where it fails), `state` what it keeps from slice to slice and `bucket` which rows
//! belong to which part of that, `metrics` what it counts, `planner` the way from one to the other.

mod bucket;
mod columns;
mod exec;
mod failing;
mod metrics;
mod node;
pub(crate) mod offer;
mod planner;
mod reject;
mod running;
mod state;
mod step;

pub use bucket::{BUCKETS, key_type};
pub use columns::TransformColumns;
pub(crate) use exec::TransformExec;
pub use metrics::TransformMetrics;
pub(crate) use node::{TransformNode, transform_of};
pub use offer::{WrongColumn, WrongColumns};
pub(crate) use planner::TransformQueryPlanner;
pub use state::{SavedState, StateRefused, StateStore, StateWriter};
pub(crate) use step::TransformSpec;
pub use step::{DeadLetters, OnReject, OrderBy, RejectedRows, TransformStep};
