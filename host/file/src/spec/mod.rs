//! What sources and sinks are asked for: formats and their options, each written once, without the lines of the file that say so.

mod aws;
mod format;
mod place;
mod redshift;
mod slices;

pub use aws::{AwsOptions, Endpoint};

pub(crate) use format::is_default;
pub use format::{
    Compression, CsvOptions, Encoding, Format, FormatName, MOST_BUFFERED, SinkFormat, Unknown,
    compression_not_read, is_gzip,
};
pub use place::{Place, S3Url};
pub use redshift::{
    DbUser, LoadMode, RedshiftOptions, RedshiftTable, SchemaChange, Server, TableName,
};
pub use slices::{Incremental, OnChange, OnMissing, SliceLimits};
