//! What a line of the log is about: a run, a slice, a sink, a step, a call of a plugin, each a span in the one before.
//!
//! Spans have the target `transom`; those of calls have the level of traces. A span that the log does not ask for costs a comparison.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tracing::span::EnteredSpan;
use tracing::{Instrument as _, Span, info_span, trace_span};

/// A part of a plan that runs as a task of its own is about the same as what starts it.
struct Inherited;

impl JoinSetTracer for Inherited {
    fn trace_future(
        &self,
        future: BoxFuture<'static, Box<dyn Any + Send>>,
    ) -> BoxFuture<'static, Box<dyn Any + Send>> {
        let span = Span::current();
        match span.is_none() {
            true => future,
            false => future.instrument(span).boxed(),
        }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        let span = Span::current();
        match span.is_none() {
            true => work,
            false => Box::new(move || span.in_scope(work)),
        }
    }
}

/// From now on, tasks of plans inherit spans.
pub(crate) fn inherit() {
    // Fails only if it was done before.
    let _ = set_join_set_tracer(&Inherited);
}

/// A step, in one partition of its input.
pub(crate) fn step(name: &str) -> Span {
    info_span!(target: "transom", "step", step = name)
}

/// A call of a plugin's function or transform, until it is dropped.
pub(crate) fn call(plugin: &str, function: &str, rows: usize) -> EnteredSpan {
    trace_span!(target: "transom", "call", plugin, function, rows).entered()
}
