//! The pointer of a table on S3: an object that says which version of the table readers see.
//!
//! ```text
//! s3://lake/out/daily/_transom/current                 the pointer
//! s3://lake/out/.daily.versions/000002-run/..          the version that it names
//! s3://lake/out/.daily.versions/000001-run/..          the version before, for readers that have begun
//! ```
//!
//! A bucket has no links and cannot rename. What it has is a write on the condition that an object is still the one that was read: so
//! the pointer is switched, and two runs that publish at once cannot both succeed. The versions lie beside the table and not below it:
//! a reader that lists the table's prefix and knows nothing of pointers finds no rows, instead of those of two versions.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use transom_file::spec::S3Url;

use crate::aws::{Bucket, S3Error};
use crate::lease;
use crate::sink::{VersionFiles, Written};

/// Where the pointer lies below its table.
pub(crate) const POINTER: &str = "_transom/current";
/// The folder in which it lies there.
const FOLDER: &str = "_transom/";
/// Of a pointer to a version that is all that lies in its folder.
const FORMAT: u32 = 1;
/// Of a pointer to a version with a list of its files.
const WITH_LIST: u32 = 2;

/// Which version of a table readers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    format: u32,
    /// The version's name.
    pub(crate) version: String,
    /// The one that was visible before, and is kept.
    pub(crate) previous: Option<String>,
    /// How many files the version has: a table that has lost some of them must not be read as if it were whole.
    pub(crate) files: u64,
    /// The size of all of them.
    pub(crate) bytes: u64,
    /// The number of the entry of a log that made it visible. The version then has a list of its files, which may lie in the folders of
    /// other versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entry: Option<u64>,
}

impl Pointer {
    pub(crate) fn new(version: &str, previous: Option<&str>, written: &Written) -> Self {
        Self {
            format: FORMAT,
            version: version.to_owned(),
            previous: previous.map(str::to_owned),
            files: written.files.len() as u64,
            bytes: written.bytes,
            entry: None,
        }
    }

    /// The pointer that an entry of a log moves.
    pub(crate) fn of_entry(entry: u64, version: &str, files: &VersionFiles) -> Self {
        Self {
            format: WITH_LIST,
            version: version.to_owned(),
            previous: None,
            files: files.files.len() as u64,
            bytes: files.bytes(),
            entry: Some(entry),
        }
    }

    /// The key of a table's pointer.
    pub(crate) fn key(table: &S3Url) -> String {
        table.join(POINTER).key
    }

    /// What the keys of all versions of a table begin with; none if the table has no name.
    pub(crate) fn versions(table: &S3Url) -> Option<String> {
        let (above, name) = table.split()?;
        let folder = above.join(&lease::versions_folder_name(name));
        Some(format!("{}/", folder.key))
    }

    /// What the keys of a version's files begin with.
    pub(crate) fn folder(table: &S3Url, version: &str) -> Option<String> {
        Some(format!("{}{version}/", Self::versions(table)?))
    }

    /// What stands below a table's prefix and is no pointer: a reader would take it for the table.
    pub(crate) async fn foreign(bucket: &Bucket, table: &S3Url) -> Result<Option<String>, S3Error> {
        let prefix = format!("{}/", table.key.trim_end_matches('/'));
        let names = bucket.names(&prefix).await?;
        let foreign = names.iter().find(|name| *name != FOLDER);
        Ok(foreign.map(|name| format!("a prefix with `{name}`, not made by transom")))
    }

    /// The pointer of a table, with the ETag by which it is switched; none if nothing was published.
    pub(crate) async fn read(
        bucket: &Bucket,
        table: &S3Url,
    ) -> Result<Option<(Self, String)>, S3Error> {
        let key = Self::key(table);
        let Some((bytes, etag)) = bucket.get(&key).await? else {
            return Ok(None);
        };
        let wrong = |why: String| S3Error::other("understand", bucket.url(&key), why);
        let pointer: Self =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let is_name = !pointer.version.is_empty() && !pointer.version.contains('/');
        match (pointer.format, pointer.entry, is_name) {
            (FORMAT, None, true) | (WITH_LIST, Some(_), true) => Ok(Some((pointer, etag))),
            (FORMAT | WITH_LIST, _, false) => Err(wrong("the version is no name".to_owned())),
            (other, ..) => Err(wrong(format!(
                "it has format {other}, which this transom does not know"
            ))),
        }
    }

    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Bytes {
        // A struct of texts and numbers always has JSON.
        serde_json::to_vec_pretty(self).unwrap_or_default().into()
    }
}
