//! `COPY` and `UNLOAD`, over buckets that somebody else opens.

mod copy;
mod csv;
mod json;
mod parquet;
mod parquet_file;
mod records;
mod source;
mod unload;

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;

pub(crate) use copy::copy;
pub(crate) use unload::unload;

/// Opens buckets for COPY and UNLOAD.
pub trait ObjectStores: fmt::Debug + Send + Sync {
    /// The objects of a bucket, by their keys; `None` if there is no such bucket.
    fn bucket(&self, name: &str) -> Option<Arc<dyn ObjectStore>>;
}

/// A row that was not loaded, as `sys_load_error_detail` shows it.
#[derive(Debug, Clone)]
pub(crate) struct LoadError {
    pub(crate) table: u64,
    pub(crate) pid: u32,
    pub(crate) transaction: u64,
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: String,
    pub(crate) data_type: String,
    pub(crate) length: String,
    pub(crate) value: String,
    pub(crate) code: i64,
    pub(crate) message: String,
}
