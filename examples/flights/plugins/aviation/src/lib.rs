//! The plugin `aviation` of the example pipeline `flights`.
//!
//! [`great_circle`] is a function for SQL, [`Turnarounds`] a transform with a state. What they know of the world is in
//! [`globe`] and [`fleet`], in plain Rust; the rest is how it meets Arrow.

mod fleet;
mod globe;
mod span;
mod turnarounds;

use transom_sdk::prelude::*;

pub use globe::great_circle;
pub use turnarounds::{Turnarounds, TurnaroundsOptions};

plugin! {
    functions: [great_circle],
    transforms: [Turnarounds],
}
