//! Values: how SQL computes here, and which casts lose nothing.
//!
//! Pipelines follow PostgreSQL in their values: what does not fit is an error, never another value. The rooms around this one ask it
//! for:
//!
//! - [`points`]: the names that the parser would take for ever to read,
//! - [`install`], [`prepare`], [`planned`]: a session that computes like this, and what a statement and its plan go through,
//! - [`type_name`] and the other names of types, which are those of `transom-types`,
//! - [`with_one_nan`]: columns from outside as computations need them,
//! - [`lossless`]: whether a type can become another without loss, and the cast that says which row cannot,
//! - [`text`]: the value that a text stands for, exactly, or why it is none,
//! - [`show`]: values for tables and messages,
//! - [`zones`]: the offsets of zones in every year.
//!
//! Nothing here touches a file.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod aliases;
mod arithmetic;
mod captures;
mod casts;
mod correlation;
mod dialects;
mod distinct;
mod error;
mod extremes;
mod guard;
mod in_lists;
mod install;
mod items;
mod keys;
mod lazy;
mod lists;
pub mod lossless;
mod made;
mod named;
mod nested;
mod numbers;
mod optimizer;
mod ordered;
mod patterns;
mod planner;
pub mod points;
mod precedence;
mod quantiles;
mod refused;
mod rounding;
mod rows;
mod rules;
mod same;
pub mod show;
mod statement;
mod subqueries;
pub mod text;
mod time;
mod totals;
mod type_names;
mod unify;
mod using;
pub mod walk;
mod window_names;
mod windows;
pub mod zones;

pub use casts::can_cast;
pub use dialects::{instead_of, instead_of_table, translated};
pub use error::{ValueError, ValueErrorKind};
pub use install::{configure, install, planned};
pub use keys::{column_with_one_nan, has_floats, with_one_nan};
pub use lazy::check_subqueries;
pub use statement::{only_query, prepare};
// What computes speaks of types, so that who uses this room has their names at hand.
pub use transom_types::{
    TypeError, field_type_name, is_json, json_field, parse_field, readable, type_name,
};
