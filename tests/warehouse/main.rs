//! Tables of the local Redshift, loaded by entries of a log: what each mode does with rows, what the protocol relies
//! on, which values and which tables are refused.

mod faults;
mod modes;
mod mutants;
mod protocol;
mod query;
mod schema;
mod values;
mod world;
