//! The local Redshift: its SQL, its values, its transactions, COPY and UNLOAD, over a folder.
//!
//! [`Engine`] owns the folder; [`Session`] is one connection to it. A door (the Data API, the Postgres wire protocol)
//! hands a session the text of statements and gets [`Outcome`]s, or an [`Error`] with Redshift's codes and text.
//! Sockets are a matter of the doors, and S3 is whatever [`Objects`] is.
//!
//! ```text
//! text -> syntax -> Statement -> run -> bind -> DataFusion -> batches -> Rows
//!          |                      |                 |
//!          tokens, parsers        |                 functions, types
//!                                 catalog, transaction, store, load
//! ```
//!
//! It refuses what Redshift refuses. What Redshift can do and this crate cannot is an error of its own
//! ([`Source::Local`]), so that a gap here is never taken for a rule of Redshift. DataFusion plans and runs queries
//! only: every change of a table is a query for its rows, and what that query gives is written here.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod bind;
mod catalog;
mod deep;
mod engine;
mod error;
mod functions;
mod history;
mod load;
#[cfg(feature = "testing")]
mod mutant;
mod run;
mod session;
mod store;
mod syntax;
mod transaction;
mod types;

pub use deep::THREAD_STACK;
pub use engine::{Engine, Isolation, OpenError, Options};
pub use error::{Error, Rule, Source, rules};
pub use functions::function_names;
pub use history::QueryId;
pub use load::{Object, ObjectError, Objects};
#[cfg(feature = "testing")]
pub use mutant::Mutant;
pub use session::{Outcome, Parameter, Rows, Session, TransactionState};
pub use types::{Column, Type, timestamp};
