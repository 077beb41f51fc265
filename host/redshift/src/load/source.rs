//! What COPY reads: files by a prefix, or those that a manifest names.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Deserialize;

use super::ObjectStores;
use crate::error::{self, Error, Result};
use crate::syntax::Options;

/// A file to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    /// The whole address, for messages.
    pub(super) url: String,
}

/// A bucket and a key of an address.
pub(super) fn address(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("s3://");
    let rest = rest.ok_or_else(|| Error::new(&error::COPY_SOURCE, &[&url]))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}

/// Whoever reads or writes S3 says as whom. Here it is looked at whether it is said, not by whom.
pub(super) fn check_credentials(options: &Options) -> Result<()> {
    let is_given = ["iam_role", "credentials", "access_key_id"]
        .iter()
        .any(|option| options.has(option));
    match is_given {
        true => Ok(()),
        false => Err(Error::new(&error::COPY_CREDENTIALS, &[])),
    }
}

pub(super) fn bucket(stores: &dyn ObjectStores, name: &str) -> Result<Arc<dyn ObjectStore>> {
    let bucket = stores.bucket(name);
    bucket.ok_or_else(|| Error::new(&error::COPY_BUCKET, &[&name]))
}

pub(super) fn failed(error: object_store::Error) -> Error {
    Error::new(&error::COPY_STORE, &[&error])
}

/// Objects whose keys begin with a prefix, which may end within a name.
pub(super) async fn listed(
    store: &Arc<dyn ObjectStore>,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<Source>> {
    let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
    // A key with an empty part is another key, which is not there.
    let folder = match folder.map(Path::parse).transpose() {
        Ok(folder) => folder,
        Err(_) => return Ok(Vec::new()),
    };
    let listed = store.list(folder.as_ref()).try_collect::<Vec<_>>();
    let mut sources: Vec<Source> = listed
        .await
        .map_err(failed)?
        .into_iter()
        .filter(|object| object.location.as_ref().starts_with(prefix))
        .map(|object| Source {
            store: Arc::clone(store),
            url: format!("s3://{bucket}/{}", object.location),
            path: object.location,
        })
        .collect();
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(sources)
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

/// The files of a COPY. Files of columns need their sizes in a manifest.
pub(super) async fn sources(
    stores: &dyn ObjectStores,
    from: &str,
    is_manifest: bool,
    is_columnar: bool,
) -> Result<Vec<Source>> {
    let (name, key) = address(from)?;
    let store = bucket(stores, name)?;
    if !is_manifest {
        return listed(&store, name, key).await;
    }
    let invalid = |why: &dyn std::fmt::Display| Error::new(&error::COPY_MANIFEST, &[&from, why]);
    let path = Path::parse(key).map_err(|error| invalid(&error))?;
    let text = match store.get(&path).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(object_store::Error::NotFound { .. }) => return Err(invalid(&"it does not exist")),
        Err(error) => return Err(failed(error)),
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| invalid(&error))?;
    let mut sources = Vec::new();
    for entry in manifest.entries {
        let (name, key) = address(&entry.url)?;
        let stated = entry.meta.and_then(|meta| meta.content_length);
        if is_columnar && stated.is_none() {
            let why = format!("content_length of {} is missing", entry.url);
            return Err(invalid(&why));
        }
        let store = bucket(stores, name)?;
        let path = Path::parse(key).map_err(|error| invalid(&error))?;
        let size = match store.head(&path).await {
            Ok(object) => object.size,
            Err(object_store::Error::NotFound { .. }) if entry.mandatory => {
                return Err(Error::new(&error::COPY_FILE_NOT_FOUND, &[&entry.url]));
            }
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(failed(error)),
        };
        if stated.is_some_and(|stated| stated != size) {
            let why = format!("content_length of {} is not its size, {size}", entry.url);
            return Err(invalid(&why));
        }
        sources.push(Source {
            store,
            path,
            url: entry.url,
        });
    }
    Ok(sources)
}

impl Source {
    /// All bytes of the file.
    pub(super) async fn bytes(&self) -> Result<Bytes> {
        let found = self.store.get(&self.path).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }

    pub(super) fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        Error::new(&error::COPY_FILE, &[&self.url, &why])
    }

    /// All bytes, unpacked.
    pub(super) async fn text(&self, options: &Options) -> Result<Bytes> {
        let bytes = self.bytes().await?;
        let unpacked = match (options.has("gzip"), options.has("zstd")) {
            (true, _) => {
                let mut unpacked = Vec::new();
                flate2::read::MultiGzDecoder::new(bytes.as_ref())
                    .read_to_end(&mut unpacked)
                    .map(|_| unpacked)
            }
            (_, true) => zstd::decode_all(bytes.as_ref()),
            _ => return Ok(bytes),
        };
        unpacked
            .map(Bytes::from)
            .map_err(|error| self.unreadable(error))
    }
}
