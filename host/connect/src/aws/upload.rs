//! An object that is written piece by piece.

use std::io::{self, Write};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::{Bucket, S3Error, S3ErrorKind};

/// Bytes of the first parts.
const PART: usize = 8 << 20;
/// Bytes of the parts after [`SMALL_PARTS`]: 10,000 are allowed, so that an object may have some 560 GB.
const LARGE_PART: usize = 64 << 20;
const SMALL_PARTS: usize = 1000;
/// Parts that are on their way at once.
const PARTS_AT_ONCE: usize = 3;

/// An object that no reader sees before it is complete. What fits into one part is written by one request.
///
/// It is written outside of the tasks of a runtime, since writing waits for parts that are on their way: memory is bounded by
/// [`PARTS_AT_ONCE`] parts and the one that is being filled. Dropped, it is given up.
pub(crate) struct Upload {
    bucket: Bucket,
    key: String,
    runtime: Handle,
    filled: BytesMut,
    parts: Option<Parts>,
}

/// The parts of an object that is larger than one.
struct Parts {
    id: String,
    begun: usize,
    sent: JoinSet<Result<CompletedPart, S3Error>>,
    done: Vec<CompletedPart>,
}

impl Upload {
    /// Must be called within a runtime.
    pub(crate) fn new(bucket: Bucket, key: String) -> Self {
        Self {
            bucket,
            key,
            runtime: Handle::current(),
            filled: BytesMut::new(),
            parts: None,
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn buffered_bytes(&self) -> usize {
        let on_their_way = self.parts.as_ref().map_or(0, |parts| parts.sent.len());
        self.filled.len() + on_their_way * self.part_bytes()
    }

    fn part_bytes(&self) -> usize {
        match &self.parts {
            Some(parts) if parts.begun >= SMALL_PARTS => LARGE_PART,
            _ => PART,
        }
    }

    /// Makes the object visible, whole.
    pub(crate) async fn complete(mut self) -> Result<(), S3Error> {
        let rest = std::mem::take(&mut self.filled).freeze();
        if self.parts.is_none() {
            return self.bucket.put(&self.key, rest).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        if let Some(parts) = &mut self.parts {
            while let Some(sent) = parts.sent.join_next().await {
                parts.done.push(joined(&self.bucket, &self.key, sent)?);
            }
        }
        let Some(Parts { id, mut done, .. }) = self.parts.take() else {
            return Ok(());
        };
        done.sort_by_key(|part| part.part_number);
        let completed = complete(&self.bucket, &self.key, &id, done).await;
        if completed.is_err() {
            abort(&self.bucket, &self.key, &id).await;
        }
        completed
    }

    /// Begins to send a part; waits while as many as may be are on their way.
    async fn send(&mut self, part: Bytes) -> Result<(), S3Error> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(Parts {
                id: create(&self.bucket, &self.key).await?,
                begun: 0,
                sent: JoinSet::new(),
                done: Vec::new(),
            }),
        };
        while parts.sent.len() >= PARTS_AT_ONCE {
            if let Some(sent) = parts.sent.join_next().await {
                parts.done.push(joined(&self.bucket, &self.key, sent)?);
            }
        }
        parts.begun += 1;
        let number = i32::try_from(parts.begun).unwrap_or(i32::MAX);
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), parts.id.clone());
        parts.sent.spawn(async move {
            let asked = bucket
                .client()
                .upload_part()
                .bucket(bucket.name())
                .key(&key)
                .upload_id(id)
                .part_number(number)
                .body(ByteStream::from(part))
                .set_request_payer(bucket.payer())
                .send();
            let sent = asked
                .await
                .map_err(|error| S3Error::of("write", bucket.url(&key), error))?;
            // With the checksum of the request, which completing an object compares.
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .set_checksum_crc32_c(sent.checksum_crc32_c)
                .set_checksum_crc64_nvme(sent.checksum_crc64_nvme);
            Ok(part.build())
        });
        Ok(())
    }
}

fn joined(
    bucket: &Bucket,
    key: &str,
    sent: Result<Result<CompletedPart, S3Error>, tokio::task::JoinError>,
) -> Result<CompletedPart, S3Error> {
    sent.unwrap_or_else(|error| {
        let message = error.to_string();
        Err(S3Error::other("write", bucket.url(key), message))
    })
}

async fn create(bucket: &Bucket, key: &str) -> Result<String, S3Error> {
    let (encryption, kms_key) = bucket.encryption();
    let asked = bucket
        .client()
        .create_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .set_request_payer(bucket.payer())
        .set_server_side_encryption(encryption)
        .set_ssekms_key_id(kms_key)
        .send();
    let created = asked
        .await
        .map_err(|error| S3Error::of("write", bucket.url(key), error))?;
    created.upload_id.ok_or_else(|| {
        let message = "the answer names no upload".to_owned();
        S3Error::other("write", bucket.url(key), message)
    })
}

async fn complete(
    bucket: &Bucket,
    key: &str,
    id: &str,
    parts: Vec<CompletedPart>,
) -> Result<(), S3Error> {
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let asked = bucket
        .client()
        .complete_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .upload_id(id)
        .multipart_upload(parts)
        .set_request_payer(bucket.payer())
        .send();
    let error = match asked.await {
        Ok(_) => return Ok(()),
        Err(error) => S3Error::of("write", bucket.url(key), error),
    };
    // A repeated request finds no upload if the first one was carried out. The key is this upload's alone.
    match error.kind {
        S3ErrorKind::NotFound | S3ErrorKind::Unclear | S3ErrorKind::Temporary
            if bucket.head(key).await?.is_some() =>
        {
            Ok(())
        }
        _ => Err(error),
    }
}

async fn abort(bucket: &Bucket, key: &str, id: &str) {
    let asked = bucket
        .client()
        .abort_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .upload_id(id)
        .set_request_payer(bucket.payer())
        .send();
    if let Err(error) = asked.await {
        let error = S3Error::of("give up", bucket.url(key), error);
        tracing::warn!(%error, "an upload that was begun is left; a lifecycle rule may delete it");
    }
}

impl Write for Upload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let size = self.part_bytes();
        // The first part may stay small, and grows; one that follows becomes full, or is the last.
        if self.parts.is_some() && self.filled.is_empty() {
            self.filled.reserve(size);
        }
        let taken = buffer.len().min(size - self.filled.len());
        self.filled.extend_from_slice(&buffer[..taken]);
        if self.filled.len() == size {
            let part = std::mem::take(&mut self.filled).freeze();
            let runtime = self.runtime.clone();
            let sent = runtime.block_on(self.send(part));
            sent.map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let (bucket, key) = (self.bucket.clone(), std::mem::take(&mut self.key));
            self.runtime.spawn(async move {
                let Parts { id, mut sent, .. } = parts;
                sent.shutdown().await;
                abort(&bucket, &key, &id).await;
            });
        }
    }
}
