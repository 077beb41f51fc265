//! What COPY reads: files by a prefix, or those that a manifest names.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::{ObjectError, Objects};
use crate::error::{self, Error, Result};
use crate::syntax::Options;

/// A file to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    objects: Arc<dyn Objects>,
    bucket: String,
    key: String,
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

pub(super) fn failed(bucket: &str, error: &ObjectError) -> Error {
    match error {
        ObjectError::NoSuchBucket => Error::new(&error::COPY_BUCKET, &[&bucket]),
        other => Error::new(&error::COPY_STORE, &[other]),
    }
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
    objects: &Arc<dyn Objects>,
    from: &str,
    is_manifest: bool,
    is_columnar: bool,
) -> Result<Vec<Source>> {
    let (bucket, key) = address(from)?;
    let source = |bucket: &str, key: &str| Source {
        objects: Arc::clone(objects),
        url: format!("s3://{bucket}/{key}"),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    };
    if !is_manifest {
        // A prefix may end within a name. What nothing begins with loads nothing.
        let listed = objects.list(bucket, key).await;
        let listed = listed.map_err(|error| failed(bucket, &error))?;
        return Ok(listed
            .iter()
            .map(|object| source(bucket, &object.key))
            .collect());
    }
    let invalid = |why: &dyn std::fmt::Display| Error::new(&error::COPY_MANIFEST, &[&from, why]);
    let text = match objects.get(bucket, key).await {
        Ok(text) => text,
        Err(ObjectError::NoSuchKey) => return Err(invalid(&"it does not exist")),
        Err(error) => return Err(failed(bucket, &error)),
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| invalid(&error))?;
    let mut sources = Vec::new();
    for entry in manifest.entries {
        let (bucket, key) = address(&entry.url)?;
        let stated = entry.meta.and_then(|meta| meta.content_length);
        if is_columnar && stated.is_none() {
            let why = format!("content_length of {} is missing", entry.url);
            return Err(invalid(&why));
        }
        let listed = objects.list(bucket, key).await;
        let listed = listed.map_err(|error| failed(bucket, &error))?;
        let Some(object) = listed.iter().find(|object| object.key == key) else {
            match entry.mandatory {
                true => return Err(Error::new(&error::COPY_FILE_NOT_FOUND, &[&entry.url])),
                false => continue,
            }
        };
        if stated.is_some_and(|stated| stated != object.size) {
            let why = format!(
                "content_length of {} is not its size, {}",
                entry.url, object.size
            );
            return Err(invalid(&why));
        }
        sources.push(source(bucket, key));
    }
    Ok(sources)
}

impl Source {
    /// All bytes of the file.
    pub(super) async fn bytes(&self) -> Result<Bytes> {
        let bytes = self.objects.get(&self.bucket, &self.key).await;
        bytes.map_err(|error| failed(&self.bucket, &error))
    }

    pub(super) fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        Error::new(&error::COPY_FILE, &[&self.url, &why])
    }

    /// All bytes, unpacked.
    pub(super) async fn text(&self, options: &Options) -> Result<Bytes> {
        let bytes = self.bytes().await?;
        let mut unpacked = Vec::new();
        let read = if options.has("gzip") {
            flate2::read::MultiGzDecoder::new(bytes.as_ref()).read_to_end(&mut unpacked)
        } else if options.has("bzip2") {
            bzip2::read::MultiBzDecoder::new(bytes.as_ref()).read_to_end(&mut unpacked)
        } else if options.has("zstd") {
            zstd::stream::copy_decode(bytes.as_ref(), &mut unpacked).map(|()| unpacked.len())
        } else {
            return Ok(bytes);
        };
        match read {
            Ok(_) => Ok(unpacked.into()),
            Err(error) => Err(self.unreadable(error)),
        }
    }
}
