//! What sources and sinks are asked for: formats and their options, each written once, without the lines of the file that say so.

mod format;

pub(crate) use format::is_default;
pub use format::{
    Compression, CsvOptions, Encoding, Format, FormatName, SinkFormat, Unknown, is_gzip,
};
