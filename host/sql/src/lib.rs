//! Values: how SQL computes here, which casts lose nothing, and what types are called.
//!
//! Pipelines follow PostgreSQL in their values: what does not fit is an error, never another value. The rooms around this one ask it
//! for:
//!
//! - [`install`], [`prepare`], [`planned`]: a session that computes like this, and what a statement and its plan go through,
//! - [`type_name`]: what a type is called, the same in the pipeline file, in messages and in previews; [`parse_field`] reads it,
//! - [`lossless`]: whether a type can become another without loss, and the cast that says which row cannot,
//! - [`text`]: the value that a text stands for, exactly, or why it is none.
//!
//! Nothing here touches a file.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod arithmetic;
mod casts;
mod dialects;
mod error;
mod guard;
mod install;
pub mod lossless;
mod parse_type;
mod patterns;
mod planner;
mod rules;
mod statement;
pub mod text;
mod time;
mod totals;
mod type_names;
mod types;
mod unify;

pub use dialects::{instead_of, translated};
pub use error::ValueError;
pub use install::{configure, install, planned};
pub use parse_type::{TypeError, parse_field, type_names};
pub use statement::{only_query, prepare};
pub use types::{field_type_name, is_json, json_field, type_name};
