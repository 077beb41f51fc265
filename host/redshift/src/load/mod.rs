//! `COPY` and `UNLOAD`, over buckets that somebody else opens.

mod copy;
mod csv;
mod fields;
mod json;
mod parquet;
mod parquet_file;
mod parquet_schema;
mod paths;
mod records;
mod source;
mod unload;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use copy::copy;
pub(crate) use unload::unload;

/// The buckets that COPY reads and UNLOAD writes: S3, whoever serves it. Keys are texts, not paths.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync {
    /// The objects whose keys begin with a prefix, in the order of their keys.
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>, ObjectError>;

    /// The bytes of an object.
    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError>;

    /// Writes an object, in the place of one that is there.
    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), ObjectError>;

    /// Deletes an object.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError>;
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

/// Why an object cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// There is no such object.
    #[error("the object does not exist")]
    NoSuchKey,
    /// What the store says.
    #[error("{0}")]
    Failed(String),
}

/// A row that was not loaded, as `sys_load_error_detail` shows it.
#[derive(Debug, Clone)]
pub(crate) struct LoadError {
    pub(crate) table: u64,
    pub(crate) pid: u32,
    /// The number of the COPY.
    pub(crate) query: u64,
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
