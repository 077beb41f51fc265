//! Plugins in SQL and in plans, with the echo guest of `tests/guests`.
//!
//! `functions` calls plugin functions from SQL, `transforms` puts transforms into plans, `runs` looks at what a run is as a whole:
//! steps, variables, cancelling, memory.

mod functions;
mod runs;
mod support;
mod transforms;
