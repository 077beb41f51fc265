//! The calls of S3 that sources and sinks are made of.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, ExpirationStatus, LifecycleRule, MetadataDirective,
    ObjectIdentifier, RequestPayer, ServerSideEncryption, TaggingDirective,
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use transom_file::spec::{AwsOptions, S3Url};

use super::{S3Error, S3ErrorKind};

/// Objects that one request deletes.
const DELETED_AT_ONCE: usize = 1000;
/// How often the bytes of an answer may break off: the SDK tries requests again, not the reading of their answers.
const READS: usize = 4;

/// Bytes that one request reads: S3 answers several requests faster than one, and what breaks off is repeated alone.
const PIECE: usize = 8 << 20;
/// Pieces of one range that are on their way at once.
const PIECES_AT_ONCE: usize = 4;

/// An object that was listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
}

/// A rule by which a bucket deletes objects that have no tags.
#[derive(Debug, Clone)]
pub(crate) struct Expiration {
    pub(crate) id: String,
    /// Of the objects that it concerns; rules may concern only some of those.
    pub(crate) prefix: String,
    /// After how many days; none for a date.
    pub(crate) days: Option<i32>,
}

/// A bucket, with the identity that uses it.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Inner>);

struct Inner {
    client: Client,
    name: String,
    /// Requests that plans make run here: a plan's own threads compute, and end with it, and connections with them.
    runtime: Handle,
    payer: Option<RequestPayer>,
    kms_key: Option<String>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.name).finish()
    }
}

impl Bucket {
    /// Must be called within a runtime that outlives what reads the bucket.
    pub(super) fn new(client: Client, name: &str, options: &AwsOptions) -> Self {
        Self(Arc::new(Inner {
            client,
            name: name.to_owned(),
            runtime: Handle::current(),
            payer: options.requester_pays.then_some(RequestPayer::Requester),
            kms_key: options.kms_key.clone(),
        }))
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn payer(&self) -> Option<RequestPayer> {
        self.0.payer.clone()
    }

    /// How what is written is encrypted, if not as the bucket says.
    pub(super) fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        let key = self.0.kms_key.clone();
        (key.is_some().then_some(ServerSideEncryption::AwsKms), key)
    }

    pub(crate) fn url(&self, key: &str) -> S3Url {
        S3Url {
            bucket: self.0.name.clone(),
            key: key.to_owned(),
        }
    }

    /// The region that requests go to: the bucket's own, where there are regions.
    pub(crate) fn used_in(&self) -> Option<&str> {
        self.client().config().region().map(Region::as_ref)
    }

    /// The region that it is in; a refusal names it too.
    pub(super) async fn region(&self) -> Result<Option<String>, S3Error> {
        const HEADER: &str = "x-amz-bucket-region";
        let asked = self.client().head_bucket().bucket(self.name()).send().await;
        match asked {
            Ok(found) => Ok(found.bucket_region().map(str::to_owned)),
            Err(error) => {
                let header = error
                    .raw_response()
                    .and_then(|raw| raw.headers().get(HEADER));
                if let Some(region) = header {
                    return Ok(Some(region.to_owned()));
                }
                let error = S3Error::of("reach", self.url(""), error);
                Err(match error.kind {
                    // An answer to HEAD has no words.
                    S3ErrorKind::NotFound => S3Error {
                        kind: S3ErrorKind::NoBucket,
                        ..error
                    },
                    _ => error,
                })
            }
        }
    }

    /// The rules by which the bucket deletes objects. Those that ask for tags are left out: nothing that is written here has any.
    pub(crate) async fn expirations(&self) -> Result<Vec<Expiration>, S3Error> {
        let asked = self.client().get_bucket_lifecycle_configuration();
        let rules = match asked.bucket(self.name()).send().await {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Vec::new(),
            Err(error) => return Err(S3Error::of("read the rules of", self.url(""), error)),
        };
        let is_on = |rule: &LifecycleRule| rule.status() == &ExpirationStatus::Enabled;
        let expiring = rules.into_iter().filter(is_on).filter_map(|rule| {
            let expiration = rule.expiration.as_ref()?;
            // Without either, it only removes what versions leave.
            if expiration.days.is_none() && expiration.date.is_none() {
                return None;
            }
            let filter = rule.filter.as_ref();
            let both = filter.and_then(|filter| filter.and.as_ref());
            let tags = both.and_then(|both| both.tags.as_ref());
            if filter.is_some_and(|filter| filter.tag.is_some())
                || tags.is_some_and(|tags| !tags.is_empty())
            {
                return None;
            }
            #[expect(deprecated, reason = "old rules have their prefix there")]
            let prefix = filter
                .and_then(|filter| filter.prefix.clone())
                .or_else(|| both.and_then(|both| both.prefix.clone()))
                .or(rule.prefix.clone());
            Some(Expiration {
                days: expiration.days,
                prefix: prefix.unwrap_or_default(),
                id: rule.id.unwrap_or_default(),
            })
        });
        Ok(expiring.collect())
    }

    /// Makes the bucket; one that is there is as good.
    pub(super) async fn create(&self) -> Result<(), S3Error> {
        let made = self
            .client()
            .create_bucket()
            .bucket(self.name())
            .send()
            .await;
        match made {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(failed))
                if failed.err().is_bucket_already_owned_by_you()
                    || failed.err().is_bucket_already_exists() =>
            {
                Ok(())
            }
            Err(error) => Err(S3Error::of("make", self.url(""), error)),
        }
    }

    /// All objects whose keys begin with `prefix`, by key.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, S3Error> {
        self.list_after(prefix, None).await
    }

    /// Those of them whose keys come after another one.
    pub(crate) async fn list_after(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<Vec<Listed>, S3Error> {
        let failed = |error| S3Error::of("list", self.url(prefix), error);
        let mut listed = Vec::new();
        let mut pages = self
            .client()
            .list_objects_v2()
            .bucket(self.name())
            .prefix(prefix)
            .set_start_after(after)
            .set_request_payer(self.payer())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(&failed)?;
            for object in page.contents.unwrap_or_default() {
                let modified = object.last_modified.and_then(|at| at.try_into().ok());
                let (Some(key), Some(etag)) = (object.key, object.e_tag) else {
                    continue;
                };
                listed.push(Listed {
                    key,
                    bytes: object
                        .size
                        .unwrap_or_default()
                        .try_into()
                        .unwrap_or_default(),
                    etag,
                    modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
        }
        Ok(listed)
    }

    /// Names directly below a prefix that ends with `/`, folders with `/` at their end; at most one page of them.
    pub(crate) async fn names(&self, prefix: &str) -> Result<Vec<String>, S3Error> {
        let asked = self
            .client()
            .list_objects_v2()
            .bucket(self.name())
            .prefix(prefix)
            .delimiter("/")
            .set_request_payer(self.payer())
            .send();
        let page = asked
            .await
            .map_err(|error| S3Error::of("list", self.url(prefix), error))?;
        let folders = page.common_prefixes.unwrap_or_default().into_iter();
        let objects = page.contents.unwrap_or_default().into_iter();
        let keys = folders
            .filter_map(|folder| folder.prefix)
            .chain(objects.filter_map(|object| object.key));
        let names = keys.filter_map(|key| Some(key.strip_prefix(prefix)?.to_owned()));
        Ok(names.filter(|name| !name.is_empty()).collect())
    }

    /// The object of this very key; none if there is none.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Listed>, S3Error> {
        Ok(self.head_and_sum(key, None).await?.map(|(found, _)| found))
    }

    /// The object of this very key, with the CRC-32 of its bytes if S3 has that of the whole; none if there is none.
    pub(crate) async fn summed(&self, key: &str) -> Result<Option<(Listed, Option<u32>)>, S3Error> {
        self.head_and_sum(key, Some(ChecksumMode::Enabled)).await
    }

    async fn head_and_sum(
        &self,
        key: &str,
        mode: Option<ChecksumMode>,
    ) -> Result<Option<(Listed, Option<u32>)>, S3Error> {
        let asked = self
            .client()
            .head_object()
            .bucket(self.name())
            .key(key)
            .set_checksum_mode(mode)
            .set_request_payer(self.payer())
            .send();
        let found = match asked.await {
            Ok(found) => found,
            Err(error) => {
                return match S3Error::of("look at", self.url(key), error) {
                    error if error.kind == S3ErrorKind::NotFound => Ok(None),
                    error => Err(error),
                };
            }
        };
        let sum = found.checksum_crc32().and_then(crc32_of);
        let modified = found.last_modified.and_then(|at| at.try_into().ok());
        let listed = Listed {
            key: key.to_owned(),
            bytes: found
                .content_length
                .unwrap_or_default()
                .try_into()
                .unwrap_or_default(),
            etag: found.e_tag.unwrap_or_default(),
            modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
        };
        Ok(Some((listed, sum)))
    }

    fn get_object(&self, key: &str) -> GetObjectFluentBuilder {
        self.client()
            .get_object()
            .bucket(self.name())
            .key(key)
            .set_request_payer(self.payer())
    }

    /// Bytes of the object that had this ETag when it was listed. Nothing of another object is ever returned.
    pub(crate) async fn read(
        &self,
        key: &str,
        etag: &str,
        range: Range<u64>,
    ) -> Result<Bytes, S3Error> {
        // All in one allocation, so that the pieces are whole again without being copied.
        let mut unread = BytesMut::with_capacity(range.end.saturating_sub(range.start) as usize);
        let mut pieces = Vec::new();
        for from in range.clone().step_by(PIECE) {
            let range = from..range.end.min(from + PIECE as u64);
            let rest = unread.split_off((range.end - range.start) as usize);
            let piece = std::mem::replace(&mut unread, rest);
            let (bucket, key, etag) = (self.clone(), key.to_owned(), etag.to_owned());
            pieces.push(async move {
                let runtime = bucket.0.runtime.clone();
                let url = bucket.url(&key);
                let reading = async move { bucket.read_piece(&key, &etag, range, piece).await };
                let read = runtime.spawn(reading).await;
                read.unwrap_or_else(|error| Err(S3Error::other("read", url, error.to_string())))
            });
        }
        let mut read = stream::iter(pieces).buffered(PIECES_AT_ONCE);
        let mut bytes = BytesMut::new();
        while let Some(piece) = read.next().await {
            bytes.unsplit(piece?);
        }
        Ok(bytes.freeze())
    }

    /// Fills `piece`, which has room for them, with some bytes of an object.
    async fn read_piece(
        &self,
        key: &str,
        etag: &str,
        range: Range<u64>,
        mut piece: BytesMut,
    ) -> Result<BytesMut, S3Error> {
        let bytes = (range.end - range.start) as usize;
        let mut tries = 0;
        loop {
            tries += 1;
            let get = self.get_object(key);
            let asked = get
                .if_match(etag)
                .range(format!("bytes={}-{}", range.start, range.end - 1))
                .send();
            let answer = match asked.await {
                Ok(answer) => answer,
                Err(error) => {
                    let error = S3Error::of("read", self.url(key), error);
                    return Err(match error.kind {
                        // It was there when it was listed.
                        S3ErrorKind::NotFound | S3ErrorKind::Changed => {
                            let message = "it was changed or deleted since it was listed";
                            S3Error::changed("read", self.url(key), message)
                        }
                        _ => error,
                    });
                }
            };
            piece.clear();
            match fill(answer.body, &mut piece, bytes).await {
                Ok(came) if came == bytes => return Ok(piece),
                Ok(came) => {
                    let message = format!("{came} bytes came, {bytes} were asked for");
                    return Err(S3Error::other("read", self.url(key), message));
                }
                Err(error) if tries == READS => {
                    return Err(S3Error::cut_off("read", self.url(key), &error));
                }
                Err(error) => tracing::debug!(key, %error, "the answer broke off"),
            }
        }
    }

    /// A small object as it is now, with its ETag; none if there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<(Bytes, String)>, S3Error> {
        let answer = match self.get_object(key).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match S3Error::of("read", self.url(key), error) {
                    error if error.kind == S3ErrorKind::NotFound => Ok(None),
                    error => Err(error),
                };
            }
        };
        let etag = answer.e_tag.unwrap_or_default();
        let body = answer.body.collect().await;
        let body = body.map_err(|error| S3Error::cut_off("read", self.url(key), &error))?;
        Ok(Some((body.into_bytes(), etag)))
    }

    fn put_object(&self, key: &str, bytes: Bytes) -> PutObjectFluentBuilder {
        let (encryption, kms_key) = self.encryption();
        self.client()
            .put_object()
            .bucket(self.name())
            .key(key)
            .body(ByteStream::from(bytes))
            .set_request_payer(self.payer())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
    }

    /// Writes an object whole, whatever is there.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), S3Error> {
        let put = self.put_object(key, bytes).send().await;
        put.map(drop)
            .map_err(|error| S3Error::of("write", self.url(key), error))
    }

    /// Writes an object if the one that is there has this ETag; with none, if there is none. [`S3ErrorKind::Changed`] if it is another;
    /// then, and where the answer is unclear, only a look tells whether it was this call that wrote it, since requests are repeated.
    pub(crate) async fn put_if(
        &self,
        key: &str,
        bytes: Bytes,
        etag: Option<&str>,
    ) -> Result<(), S3Error> {
        let put = self.put_object(key, bytes);
        let put = match etag {
            Some(etag) => put.if_match(etag),
            None => put.if_none_match("*"),
        };
        let failed: SdkError<_, _> = match put.send().await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let error = S3Error::of("write", self.url(key), failed);
        Err(match error.kind {
            // The object that was to be replaced is gone.
            S3ErrorKind::NotFound => S3Error {
                kind: S3ErrorKind::Changed,
                ..error
            },
            _ => error,
        })
    }

    /// Copies the bytes of an object to a key that is free, without tags and metadata that somebody has given it: to read its tags would take
    /// a permission of its own. S3 notes the CRC-32 of the copy. [`S3ErrorKind::Changed`] if the key is taken, perhaps by this very call,
    /// since requests are repeated; [`S3ErrorKind::NotFound`] if there is nothing to copy. Objects of more than 5 GiB cannot be copied.
    pub(crate) async fn copy_new(&self, from: &str, to: &str) -> Result<(), S3Error> {
        let (encryption, kms_key) = self.encryption();
        let copied = self
            .client()
            .copy_object()
            .bucket(self.name())
            .key(to)
            .copy_source(format!("{}/{}", self.name(), escaped(from)))
            .if_none_match("*")
            .metadata_directive(MetadataDirective::Replace)
            .tagging_directive(TaggingDirective::Replace)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_request_payer(self.payer())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .send()
            .await;
        copied
            .map(drop)
            .map_err(|error| S3Error::of("copy", self.url(from), error))
    }

    /// Deletes objects; those that are gone already are no mistake.
    pub(crate) async fn delete(&self, keys: &[String]) -> Result<(), S3Error> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let url = || self.url(&keys[0]);
            let wrong =
                |error: &dyn std::error::Error| S3Error::other("delete", url(), error.to_string());
            let objects = keys
                .iter()
                .map(|key| ObjectIdentifier::builder().key(key).build())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| wrong(&error))?;
            let objects = Delete::builder()
                .set_objects(Some(objects))
                .quiet(true)
                .build()
                .map_err(|error| wrong(&error))?;
            let asked = self
                .client()
                .delete_objects()
                .bucket(self.name())
                .delete(objects)
                .set_request_payer(self.payer())
                .send();
            let answer = asked
                .await
                .map_err(|error| S3Error::of("delete", url(), error))?;
            if let Some(error) = answer.errors.unwrap_or_default().first() {
                let key = error.key().unwrap_or_default();
                let message = error.message().or(error.code()).unwrap_or_default();
                return Err(S3Error::other("delete", self.url(key), message.to_owned()));
            }
        }
        Ok(())
    }
}

/// Reads an answer into what has room for `most` bytes; how many it has.
async fn fill(
    mut body: ByteStream,
    into: &mut BytesMut,
    most: usize,
) -> Result<usize, ByteStreamError> {
    let mut came = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        came += bytes.len();
        if came <= most {
            into.extend_from_slice(&bytes);
        }
    }
    Ok(came)
}

/// The CRC-32 in an answer: four bytes in base64. That of an object in parts is one of the parts' sums, and has their number behind it.
fn crc32_of(text: &str) -> Option<u32> {
    let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A key as the header of a copy has it: percent-encoded, but for the slashes.
fn escaped(key: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("a String takes all writes"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_whole_object_is_told_from_that_of_its_parts() {
        // That of `123456789`, which is the check value of CRC-32.
        assert_eq!(crc32_of("y/Q5Jg=="), Some(0xcbf4_3926));
        assert_eq!(crc32_of("y/Q5Jg==-2"), None);
        assert_eq!(crc32_of("rosUhgp5mIg="), None);
    }
}
