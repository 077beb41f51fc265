//! Transforms of plugins as operators of a plan.
//!
//! `step` says what a transform step is, `offer` opens it for an input, `columns` says which columns it reads and gives, `node`
//! is its place in the logical plan (which columns it needs), `exec` the operator, `running` a partition on its way through a guest
//! (`reject`: rows that it does not take, `failing`: where it fails), `metrics` what that counts, `planner` the way from one to the
//! other.

mod columns;
mod exec;
mod failing;
mod metrics;
mod node;
pub(crate) mod offer;
mod planner;
mod reject;
mod running;
mod step;

pub use columns::TransformColumns;
pub(crate) use exec::TransformExec;
pub use metrics::TransformMetrics;
pub(crate) use node::TransformNode;
pub use offer::{WrongColumn, WrongColumns};
pub(crate) use planner::TransformQueryPlanner;
pub(crate) use step::TransformSpec;
pub use step::{DeadLetters, OnReject, OrderBy, RejectedRows, TransformStep};
