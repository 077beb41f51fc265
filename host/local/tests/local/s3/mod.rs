//! What S3 does, as the AWS SDK for Rust sees it.

mod buckets;
mod checksums;
mod conditions;
mod copies;
mod keys;
mod lifecycle;
mod listing;
mod multipart;
mod objects;
