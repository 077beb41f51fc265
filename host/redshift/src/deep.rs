//! Room for statements that are nested deeply: what parses, plans and computes them calls itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes of a stack, of which only what is used takes memory: 100 levels of a build without optimisation, and terms of
/// one level (`syntax`) to the number that is allowed.
const STACK: usize = 64 << 20;

/// Bytes of stack with which threads run statements on what they have. Others get a stack for every statement, which takes a fifth of a
/// short one's time.
pub const THREAD_STACK: usize = STACK + (4 << 20);

/// A future that is polled on a large stack: its thread's, or one of its own.
pub(crate) fn deep<F: Future>(future: F) -> impl Future<Output = F::Output> {
    Deep(Box::pin(future))
}

struct Deep<F>(Pin<Box<F>>);

impl<F: Future> Future for Deep<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        stacker::maybe_grow(STACK, STACK, || self.0.as_mut().poll(context))
    }
}
