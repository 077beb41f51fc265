//! Sources and sinks: where a pipeline's tables come from and where its results go.
//!
//! A [`FileSource`] turns files into a DataFusion `TableProvider`; a [`FileSink`] turns `SendableRecordBatchStream`s into
//! files that appear all at once or not at all. Between the two stand only Arrow and DataFusion types: this crate knows
//! neither plugins nor pipeline files.
//!
//! ```text
//! Source -> list() -> Inputs -> table() -> TableProvider ... plan ... stream -> StagedSink -> prepare() -> PreparedSink -> publish()
//! ```
//!
//! Local files only, for now. What is bound to the local disk is kept apart (`source::listing`, `sink::versions`), since an
//! object store lists and publishes in other ways, while formats, partitions and diagnosis stay the same.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod hive;
mod lease;
mod sink;
mod source;

pub use sink::{
    Committed, FileSink, PreparedSink, SinkError, SinkLimits, StagedSink, Unwritable,
    WriteProgress, Written, WrittenFile, encode, publish_all,
};
pub use source::{
    FileSource, Input, Inputs, ORIGIN_FILE, ORIGIN_ROW, ReadProgress, Sample, Source, SourceError,
    origin_line, with_origin,
};
