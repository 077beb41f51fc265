//! The SQL edge of Transom: DataFusion with plugins in it.
//!
//! A [`Session`] is one run: it holds the plugins, plans the steps of a pipeline one after another (each [`Session::plan_sql`] or
//! [`Session::plan_transform`] may read the ones before it), and executes a plan as streams of record batches. Functions of a
//! plugin are called in SQL as `plugin.function(..)`; a transform is an operator of the plan, which streams, keeps back-pressure
//! and asks for the partitioning and order it needs.
//!
//! Plans run on threads of their own ([`PlanRuntime`]): a plugin may compute for as long as its limits allow, and whoever reads
//! sources or reports progress must not wait for it.

mod arguments;
mod arrange;
mod error;
mod execution;
mod function;
mod locate;
mod memory;
mod params;
mod pool;
mod random;
mod runtime;
mod scratch;
mod session;
mod shape;
mod spans;
mod spool;
mod statement;
mod transform;

pub use arguments::{WrongArgument, WrongArguments};
pub use error::{CallError, FailedRow, Place, RowOf, RowsFailed, TooManyRejected};
pub use execution::{Execution, Figures};
pub use locate::{Found, StandIn, WithPlaces};
pub use params::{Params, UnknownParam};
pub use pool::Failures;
pub use runtime::{PlanRuntime, PlanThreads};
pub use scratch::{NoScratch, remove_scratch};
pub use session::{Session, SessionOptions};
pub use shape::{KeepsState, NeedsAllRows, Shape, Tables, keeps_state, shape};
pub use transform::{
    BUCKETS, DeadLetters, OnReject, OrderBy, RejectedRows, SavedState, StateRefused, StateStore,
    StateWriter, TransformColumns, TransformMetrics, TransformStep, WrongColumn, WrongColumns,
    key_type,
};
