//! What types are called: a type has one name in the pipeline file, in messages and in previews.
//!
//! [`type_name`] and [`field_type_name`] write it, [`parse_field`] reads it. A crate of its own since both the file model, which
//! knows no DataFusion, and the rooms that compute need it.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod name;
mod parse;

pub use name::{field_type_name, is_json, json_field, readable, type_name};
pub use parse::{TypeError, parse_field, type_names};
