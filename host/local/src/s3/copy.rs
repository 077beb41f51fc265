//! Copies: links of the source's data files under a record of their own.

use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, MetadataDirective,
    TaggingDirective,
};
use s3s::{S3Request, S3Result};

use super::about::about;
use super::checksums::{Algorithm, Hashes, Kind, set_checksum};
use super::conditions::{ReadConditions, WriteConditions};
use super::errors::{internal, invalid_argument, invalid_request, not_here};
use super::objects::READ_TRIES;
use super::receive::MAX_PUT_BYTES;
use super::send::Reader;
use super::service::LocalS3;
use super::store::{About, NewBlob, ObjectRecord, Records, Time, blocking};

impl LocalS3 {
    pub(super) async fn copy(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        let S3Request {
            mut input, headers, ..
        } = request;
        let conditions = WriteConditions::of_headers(&headers)?;
        let of_source = source_conditions(&mut input);
        let source = Source::new(&input.copy_source, of_source)?;
        let directive = |given: Option<&str>| match given {
            None | Some("COPY") => Ok(false),
            Some("REPLACE") => Ok(true),
            Some(_) => Err(invalid_argument("Unknown metadata directive.")),
        };
        let metadata = input
            .metadata_directive
            .as_ref()
            .map(MetadataDirective::as_str);
        let tagging = input
            .tagging_directive
            .as_ref()
            .map(TaggingDirective::as_str);
        let (new_metadata, new_tags) = (directive(metadata)?, directive(tagging)?);
        let asked = input.checksum_algorithm.take();
        let asked = asked
            .map(|name| Algorithm::parse(name.as_str()))
            .transpose()?;
        let given: About = about!(input);
        let onto_itself = source.bucket == input.bucket && source.key == input.key;
        let changes = new_metadata
            || given.storage_class.is_some()
            || given.encryption.is_some()
            || given.website_redirect.is_some();
        if onto_itself && !changes && asked.is_none() {
            return Err(invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        self.bucket(input.bucket.clone()).await?;
        let (copied, blobs) = self.link(&source, asked).await?;
        let tags = match new_tags {
            true => given.tags.clone(),
            false => copied.about.tags.clone(),
        };
        let about = match new_metadata {
            true => About { tags, ..given },
            false => About {
                tags,
                storage_class: given.storage_class,
                encryption: given.encryption,
                kms_key: given.kms_key,
                website_redirect: given.website_redirect,
                ..copied.about.clone()
            },
        };
        let object = ObjectRecord {
            blobs: Vec::new(),
            modified: Time::now(),
            about,
            ..copied
        };
        let mut result = CopyObjectResult {
            checksum_type: Some(object.checksum.kind.dto()),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        set_checksum!(
            result,
            object.checksum.algorithm,
            object.checksum.value.clone()
        );
        let output = CopyObjectOutput {
            copy_object_result: Some(result),
            server_side_encryption: Some(object.about.encryption()),
            ssekms_key_id: object.about.kms_key.clone(),
            ..CopyObjectOutput::default()
        };
        self.write(input.bucket, input.key, conditions, object, blobs)
            .await?;
        Ok(output)
    }

    /// Links of a source's data files, and the record that a copy of it has: S3 copies parts into one, so that the
    /// entity tag and a composite checksum become those of the whole.
    async fn link(
        &self,
        source: &Source,
        algorithm: Option<Algorithm>,
    ) -> S3Result<(ObjectRecord, Vec<NewBlob>)> {
        for _ in 0..READ_TRIES {
            let mut object = self.source(source).await?;
            if object.size() > MAX_PUT_BYTES {
                return Err(invalid_request(format!(
                    "The specified copy source is larger than the maximum allowable size for a copy source: \
                     {MAX_PUT_BYTES}"
                )));
            }
            let blobs = Arc::clone(self.store.blobs());
            let algorithm = algorithm.unwrap_or(object.checksum.algorithm);
            let linked = blocking(move || {
                let mut links = Vec::new();
                for blob in &object.blobs {
                    match blobs.link(blob) {
                        Ok(link) => links.push(link),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                            return Ok(None);
                        }
                        Err(error) => return Err(internal(error)),
                    }
                }
                let kept = object.part_count().is_none()
                    && object.checksum.kind == Kind::FullObject
                    && object.checksum.algorithm == algorithm;
                if !kept {
                    let whole = 0..object.size();
                    let Some(mut reader) = Reader::new(&blobs, &object, whole) else {
                        return Ok(None);
                    };
                    let mut hashes = Hashes::new(&[algorithm]);
                    while let Some(bytes) = reader.read().map_err(internal)? {
                        hashes.update(&bytes);
                    }
                    let digests = hashes.finish();
                    object.etag = digests.etag();
                    object.checksum = digests.checksum(algorithm);
                }
                Ok(Some((object, links)))
            });
            if let Some(linked) = linked.await? {
                return Ok(linked);
            }
        }
        Err(internal(
            "the source was replaced too often while it was copied",
        ))
    }

    /// The source of a copy, if its conditions hold.
    pub(super) async fn source(&self, source: &Source) -> S3Result<ObjectRecord> {
        let Source {
            bucket,
            key,
            conditions,
        } = source.clone();
        let read = self.store.read(move |snapshot| {
            let object = snapshot.object(&bucket, &key)?;
            conditions.check_source(&object)?;
            Ok(object)
        });
        read.await
    }
}

/// The object that a copy reads.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) conditions: ReadConditions,
}

impl Source {
    pub(super) fn new(source: &CopySource, conditions: ReadConditions) -> S3Result<Self> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(not_here("copies from access points"));
        };
        if version_id.as_ref().is_some_and(|id| &**id != "null") {
            return Err(invalid_argument("Invalid version id specified"));
        }
        Ok(Self {
            bucket: bucket.to_string(),
            key: key.to_string(),
            conditions,
        })
    }
}

fn source_conditions(input: &mut CopyObjectInput) -> ReadConditions {
    ReadConditions {
        if_match: input.copy_source_if_match.take(),
        if_none_match: input.copy_source_if_none_match.take(),
        if_modified_since: input.copy_source_if_modified_since.take(),
        if_unmodified_since: input.copy_source_if_unmodified_since.take(),
    }
}
