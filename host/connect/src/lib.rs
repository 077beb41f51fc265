//! Sources and sinks: where a pipeline's tables come from and where its results go.
//!
//! A [`Source`] turns what it lists into a DataFusion `TableProvider`; a [`Sink`] turns `SendableRecordBatchStream`s into a result that
//! appears all at once or not at all. Between the two stand only Arrow and DataFusion types: this crate knows neither plugins nor
//! pipeline files.
//!
//! ```text
//! Source -> list() -> Inputs -> table() -> TableProvider
//!    ... plan ... streams -> Staging -> write() -> finish() -> Staged -> apply() -> Applied
//! ```
//!
//! Files lie on this machine or on S3 ([`Aws`]). What differs between the two is kept apart (`source::listing`, `source::open`,
//! `sink::versions`, `sink::out_file`); formats, partitions and places of errors are the same.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod aws;
mod format;
mod kind;
mod lease;
mod log_store;
mod names;
mod pointer;
mod redshift;
mod sink;
mod source;

pub use aws::{Aws, S3Error, S3ErrorKind};
pub use format::{Unwritable, WriteProgress, encode};
pub use kind::ErrorKind;
pub use log_store::S3Store;
pub use redshift::{ApiError, Load, RedshiftError, RedshiftSink, Refused, RefusedRows};
pub use sink::{
    AppendSink, Appended, Applied, Aside, Attempt, Expectation, Expected, FileSink, Finding, Fit,
    IsThere, Known, LastLoad, Noted, Pointed, PointedSink, Publish, Replaces, Rewound, Shapes,
    Sink, SinkError, SinkLimits, Staged, Staging, TableAt, Unfit, Verified, Written, WrittenFile,
    check_rules, check_state, probe_state, publish_all, table_exists,
};
pub use source::{
    FileSource, Input, Inputs, Location, Misfit, NoPartition, ORIGIN_FILE, ORIGIN_ROW,
    ReadProgress, Sample, Source, SourceError, compare_partitions, content_of, origin_line,
    partition_value, with_origin,
};
