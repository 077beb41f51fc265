//! Builds of real crates by a real compiler.
//!
//! The crates stand alone: no dependency from a registry, so that what is tested is this crate and not the network. Their
//! interface types are what wit-bindgen would have put there. A machine without a guest compiler has nothing to test here;
//! the tests then say so and pass, unless `CI` is set, where a missing compiler is a failure.

mod crates;
mod go;
mod python;
mod rust;
