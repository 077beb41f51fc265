//! What the store keeps of buckets, objects and uploads: small records, written as JSON so that they can be read by
//! eye.
//!
//! A record names the files that hold its data ([`Blob`]); each file belongs to one record. Whoever replaces or
//! removes a record hands its files to the committer, which deletes them once the change is durable.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{BucketLifecycleConfiguration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::s3::checksums::Checksum;

/// A moment in whole seconds since 1970, as S3 keeps it: HTTP dates have no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Time(pub(crate) i64);

impl Time {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        }))
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        let seconds = u64::try_from(time.0).unwrap_or(0);
        Self::from(UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(time::OffsetDateTime::from(timestamp).unix_timestamp())
    }
}

/// The name of a data file. It says nothing about the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BlobId(pub(crate) String);

/// A data file and its length in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) id: BlobId,
    pub(crate) length: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) created: Time,
    pub(crate) region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<BucketLifecycleConfiguration>,
}

/// What a client says about an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Time>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    /// What is reported; nothing is encrypted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) website_redirect: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    /// The data, in order. A multipart upload leaves one file for each part: completing it moves no bytes.
    pub(crate) blobs: Vec<Blob>,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) modified: Time,
    pub(crate) checksum: Checksum,
    pub(crate) about: About,
}

impl ObjectRecord {
    /// Bytes of the object.
    pub(crate) fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.length).sum()
    }

    /// How many parts it was uploaded in; none for an object that was put or copied whole.
    pub(crate) fn part_count(&self) -> Option<usize> {
        self.etag.contains('-').then_some(self.blobs.len())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) key: String,
    pub(crate) initiated: Time,
    pub(crate) checksum: UploadChecksum,
    pub(crate) about: About,
}

/// How the checksum of an upload is made from those of its parts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct UploadChecksum {
    pub(crate) algorithm: crate::s3::checksums::Algorithm,
    pub(crate) kind: crate::s3::checksums::Kind,
    /// Whether the client chose it; S3 says nothing of its own choice in listings.
    pub(crate) chosen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) blob: Blob,
    /// The MD5 of the part in hexadecimal digits.
    pub(crate) etag: String,
    pub(crate) modified: Time,
    /// In the upload's algorithm, of this part alone, in base64.
    pub(crate) checksum: String,
}
