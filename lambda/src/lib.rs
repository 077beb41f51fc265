//! A pipeline as a function of AWS Lambda: each invocation loads as many slices as fit into its time.
//!
//! [`Function::invoke`] is one invocation, from the event to the [`Answer`] or the [`Failure`]. It is a plain function that knows
//! nothing of Lambda's protocol: the program `bootstrap` speaks that, by the crate lambda_runtime.
//!
//! Nothing is kept between invocations but compiled plugins. What was loaded stands in the pipeline's log, so events that are
//! retried, doubled or cut short by a kill load nothing twice.

mod answer;
mod event;
mod failure;
mod function;
mod logs;
mod metrics;
mod time;

pub use answer::Answer;
pub use failure::Failure;
pub use function::{Function, Settings};
pub use logs::Logs;
