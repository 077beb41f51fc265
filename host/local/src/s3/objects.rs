//! Operations on objects.

use std::ops::Range;
use std::sync::Arc;

use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput,
    DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    ETagCondition, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    GetObjectInput, GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    HeadObjectInput, HeadObjectOutput, ObjectAttributes, ObjectPart, PostObjectInput,
    PostObjectOutput, PutObjectInput, PutObjectOutput, PutObjectTaggingInput,
    PutObjectTaggingOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::about::{DEFAULT_CONTENT_TYPE, about, tags_of_set};
use super::checksums::{Algorithm, Checksum, Expected, given_checksums, set_checksum};
use super::conditions::{
    ReadConditions, WriteConditions, check_delete, refuse_directory_conditions,
};
use super::errors::{
    Details, internal, invalid_argument, invalid_request, not_here, refuse, refuse_custom,
};
use super::receive::receive;
use super::send::Reader;
use super::service::LocalS3;
use super::store::{NewBlob, ObjectRecord, Records, Time};

/// How often a read begins anew because the object was replaced under it.
pub(super) const READ_TRIES: usize = 100;

/// A part of an object that a request names.
#[derive(Debug, Clone, Default)]
struct Wanted {
    range: Option<dto::Range>,
    part: Option<i32>,
}

/// What is given of an object.
struct Given {
    object: ObjectRecord,
    range: Range<u64>,
    partial: bool,
}

impl Given {
    fn content_range(&self) -> Option<String> {
        let (Range { start, end }, size) = (&self.range, self.object.size());
        self.partial
            .then(|| format!("bytes {start}-{}/{size}", end.saturating_sub(1)))
    }

    fn length(&self) -> Option<i64> {
        i64::try_from(self.range.end - self.range.start).ok()
    }

    /// The checksum of the whole: of a piece it would be wrong.
    fn checksum(&self, mode: Option<&dto::ChecksumMode>) -> Option<&Checksum> {
        let asked = mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED);
        Some(&self.object.checksum).filter(|_| asked && !self.partial)
    }
}

/// Fields that GET and HEAD answer alike.
macro_rules! describe {
    ($output:ty, $given:expr, $mode:expr) => {{
        let given = &$given;
        let about = &given.object.about;
        let mut output = <$output>::default();
        output.accept_ranges = Some("bytes".to_owned());
        output.cache_control = about.cache_control.clone();
        output.content_disposition = about.content_disposition.clone();
        output.content_encoding = about.content_encoding.clone();
        output.content_language = about.content_language.clone();
        output.content_length = given.length();
        output.content_range = given.content_range();
        output.content_type = about
            .content_type
            .clone()
            .or_else(|| Some(DEFAULT_CONTENT_TYPE.to_owned()));
        output.e_tag = Some(ETag::Strong(given.object.etag.clone()));
        output.expires = about.expires.map(Into::into);
        output.last_modified = Some(given.object.modified.into());
        output.metadata = Some(about.metadata.clone().into_iter().collect());
        output.server_side_encryption = Some(about.encryption());
        output.ssekms_key_id = about.kms_key.clone();
        output.storage_class = about
            .storage_class
            .clone()
            .filter(|class| class != "STANDARD")
            .map(Into::into);
        output.website_redirect_location = about.website_redirect.clone();
        if let Some(checksum) = given.checksum($mode) {
            set_checksum!(output, checksum.algorithm, checksum.value.clone());
            output.checksum_type = Some(checksum.kind.dto());
        }
        output
    }};
}

impl LocalS3 {
    pub(super) async fn put(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let S3Request {
            mut input,
            headers,
            extensions,
            trailing_headers,
            ..
        } = request;
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let given = given_checksums!(input)?;
        let expected = Expected::of_request(&headers, given, trailing_headers, &extensions)?;
        let algorithm = expected.algorithm().unwrap_or(Algorithm::Crc64nvme);
        let about = about!(input);
        self.bucket(input.bucket.clone()).await?;
        let received = receive(
            self.store.blobs(),
            input.body,
            input.content_length,
            &expected,
            algorithm,
        )
        .await?;
        let size = received.blob.length();
        let object = ObjectRecord {
            blobs: Vec::new(),
            etag: received.digests.etag(),
            modified: Time::now(),
            checksum: received.digests.checksum(algorithm),
            about,
        };
        let mut output = PutObjectOutput {
            checksum_type: Some(object.checksum.kind.dto()),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            server_side_encryption: Some(object.about.encryption()),
            ssekms_key_id: object.about.kms_key.clone(),
            size: i64::try_from(size).ok(),
            ..PutObjectOutput::default()
        };
        set_checksum!(output, algorithm, object.checksum.value.clone());
        self.write(
            input.bucket,
            input.key,
            conditions,
            object,
            vec![received.blob],
        )
        .await?;
        Ok(output)
    }

    /// Makes an object of data files, if the conditions hold.
    pub(super) async fn write(
        &self,
        bucket: String,
        key: String,
        conditions: WriteConditions,
        mut object: ObjectRecord,
        blobs: Vec<NewBlob>,
    ) -> S3Result<()> {
        self.store
            .commit(move |tables| {
                tables.bucket(&bucket)?;
                conditions.check(&key, tables.find_object(&bucket, &key)?.as_ref())?;
                object.blobs = blobs.into_iter().map(|blob| tables.add(blob)).collect();
                tables.put_object(&bucket, &key, &object)
            })
            .await
    }

    pub(super) async fn get(&self, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let wanted = Wanted {
            range: input.range,
            part: input.part_number,
        };
        for _ in 0..READ_TRIES {
            let (bucket, key) = (input.bucket.clone(), input.key.clone());
            let (conditions, wanted) = (conditions.clone(), wanted.clone());
            let blobs = Arc::clone(self.store.blobs());
            let read = self.store.read(move |snapshot| {
                let object = snapshot.object(&bucket, &key)?;
                conditions.check(&object)?;
                let given = give(object, &wanted)?;
                let reader = Reader::new(&blobs, &given.object, given.range.clone());
                let body = reader.map(Reader::into_body).transpose()?;
                Ok(body.map(|body| (given, body)))
            });
            let Some((given, body)) = read.await? else {
                continue;
            };
            let mut output = describe!(GetObjectOutput, given, input.checksum_mode.as_ref());
            output.parts_count = parts_count(&given, input.part_number.is_some());
            output.tag_count = i32::try_from(given.object.about.tags.len())
                .ok()
                .filter(|count| *count > 0);
            output.body = Some(body);
            return Ok(S3Response::new(output));
        }
        Err(internal(
            "the object was replaced too often while it was read",
        ))
    }

    pub(super) async fn head(
        &self,
        input: HeadObjectInput,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let wanted = Wanted {
            range: input.range,
            part: input.part_number,
        };
        let (bucket, key) = (input.bucket, input.key);
        let read = self.store.read(move |snapshot| {
            let object = snapshot.object(&bucket, &key)?;
            conditions.check(&object)?;
            give(object, &wanted)
        });
        let given = read.await?;
        let mut output = describe!(HeadObjectOutput, given, input.checksum_mode.as_ref());
        output.parts_count = parts_count(&given, input.part_number.is_some());
        let mut response = S3Response::new(output);
        if given.partial {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        Ok(response)
    }

    /// By itself s3s makes a put of it, without S3's rules for forms.
    pub(super) async fn post(&self, _: PostObjectInput) -> S3Result<S3Response<PostObjectOutput>> {
        Err(not_here("uploads from forms of browsers"))
    }

    pub(super) async fn attributes(
        &self,
        input: GetObjectAttributesInput,
    ) -> S3Result<GetObjectAttributesOutput> {
        let (bucket, key) = (input.bucket, input.key);
        let read = self
            .store
            .read(move |snapshot| snapshot.object(&bucket, &key));
        let object = read.await?;
        let mut output = GetObjectAttributesOutput {
            last_modified: Some(object.modified.into()),
            ..GetObjectAttributesOutput::default()
        };
        // Clients send them one a header, or all in one.
        let asked = input.object_attributes.iter();
        for attribute in asked.flat_map(|attribute| attribute.as_str().split(',')) {
            match attribute.trim() {
                ObjectAttributes::ETAG => output.e_tag = Some(ETag::Strong(object.etag.clone())),
                ObjectAttributes::OBJECT_SIZE => {
                    output.object_size = i64::try_from(object.size()).ok();
                }
                ObjectAttributes::STORAGE_CLASS => {
                    let class = object.about.storage_class.clone();
                    let class = class.unwrap_or_else(|| "STANDARD".to_owned());
                    output.storage_class = Some(class.into());
                }
                ObjectAttributes::CHECKSUM => {
                    let Checksum {
                        algorithm,
                        kind,
                        value,
                    } = &object.checksum;
                    let mut checksum = dto::Checksum {
                        checksum_type: Some(kind.dto()),
                        ..dto::Checksum::default()
                    };
                    set_checksum!(checksum, algorithm, value.clone());
                    output.checksum = Some(checksum);
                }
                ObjectAttributes::OBJECT_PARTS => {
                    output.object_parts =
                        object_parts(&object, input.part_number_marker, input.max_parts);
                }
                other => {
                    return Err(invalid_argument(format!(
                        "Invalid attribute name specified: {other}"
                    )));
                }
            }
        }
        Ok(output)
    }

    pub(super) async fn delete_one(
        &self,
        input: DeleteObjectInput,
    ) -> S3Result<DeleteObjectOutput> {
        let others = input.if_match_size.is_some() || input.if_match_last_modified_time.is_some();
        refuse_directory_conditions(others)?;
        let DeleteObjectInput {
            bucket,
            key,
            if_match,
            ..
        } = input;
        self.store
            .commit(move |tables| {
                tables.bucket(&bucket)?;
                let current = tables.find_object(&bucket, &key)?;
                check_delete(if_match.as_ref(), current.as_ref())?;
                tables.remove_object(&bucket, &key)
            })
            .await?;
        Ok(DeleteObjectOutput::default())
    }

    pub(super) async fn delete_several(
        &self,
        input: DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        let (bucket, delete) = (input.bucket, input.delete);
        if delete.objects.is_empty() || delete.objects.len() > 1000 {
            return Err(refuse(S3ErrorCode::MalformedXML));
        }
        for object in &delete.objects {
            self.access.of_deleted(&bucket, &object.key);
        }
        let quiet = delete.quiet.unwrap_or_default();
        let (deleted, errors) = self
            .store
            .commit(move |tables| {
                tables.bucket(&bucket)?;
                let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                for object in delete.objects {
                    let versioned = object.version_id.as_ref().is_some_and(|id| id != "null");
                    let others = object.size.is_some() || object.last_modified_time.is_some();
                    let condition = object.e_tag.map(ETagCondition::ETag);
                    let current = tables.find_object(&bucket, &object.key)?;
                    let allowed = match versioned {
                        true => Err(invalid_argument("Invalid version id specified")),
                        false => refuse_directory_conditions(others)
                            .and_then(|()| check_delete(condition.as_ref(), current.as_ref())),
                    };
                    match allowed {
                        Ok(()) => {
                            tables.remove_object(&bucket, &object.key)?;
                            deleted.push(DeletedObject {
                                key: Some(object.key),
                                ..DeletedObject::default()
                            });
                        }
                        Err(error) => errors.push(dto::Error {
                            code: Some(error.code().as_str().to_owned()),
                            message: Some(super::errors::message(&error)),
                            key: Some(object.key),
                            version_id: object.version_id,
                        }),
                    }
                }
                Ok((deleted, errors))
            })
            .await?;
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| !quiet),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    pub(super) async fn put_tags(
        &self,
        input: PutObjectTaggingInput,
    ) -> S3Result<PutObjectTaggingOutput> {
        let tags = tags_of_set(input.tagging.tag_set)?;
        self.set_tags(input.bucket, input.key, tags).await?;
        Ok(PutObjectTaggingOutput::default())
    }

    pub(super) async fn tags(
        &self,
        input: GetObjectTaggingInput,
    ) -> S3Result<GetObjectTaggingOutput> {
        let (bucket, key) = (input.bucket, input.key);
        let read = self
            .store
            .read(move |snapshot| snapshot.object(&bucket, &key));
        Ok(GetObjectTaggingOutput {
            tag_set: read.await?.about.tag_set(),
            version_id: None,
        })
    }

    pub(super) async fn delete_tags(
        &self,
        input: DeleteObjectTaggingInput,
    ) -> S3Result<DeleteObjectTaggingOutput> {
        self.set_tags(input.bucket, input.key, Default::default())
            .await?;
        Ok(DeleteObjectTaggingOutput::default())
    }

    /// Tags are no part of the object's version: its time and entity tag stay.
    async fn set_tags(
        &self,
        bucket: String,
        key: String,
        tags: std::collections::BTreeMap<String, String>,
    ) -> S3Result<()> {
        self.store
            .commit(move |tables| {
                let mut object = tables.object(&bucket, &key)?;
                object.about.tags = tags;
                tables.put_object(&bucket, &key, &object)
            })
            .await
    }
}

/// What a request gets of an object, or `InvalidRange`.
fn give(object: ObjectRecord, wanted: &Wanted) -> S3Result<Given> {
    let size = object.size();
    let range = match (&wanted.range, wanted.part) {
        (Some(_), Some(_)) => {
            return Err(invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        (Some(range), None) => range.check(size).map_err(|_| {
            refuse(S3ErrorCode::InvalidRange)
                .detail("RangeRequested", range.to_header_string())
                .detail("ActualObjectSize", size)
                .header("content-range", format_args!("bytes */{size}"))
        })?,
        (None, Some(part)) => part_range(&object, part)?,
        (None, None) => 0..size,
    };
    let partial = wanted.range.is_some() || wanted.part.is_some();
    Ok(Given {
        object,
        range,
        partial,
    })
}

fn part_range(object: &ObjectRecord, part: i32) -> S3Result<Range<u64>> {
    let none = || {
        refuse_custom(
            http::StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
        )
        .detail("PartNumberRequested", part)
        .detail("ActualPartCount", object.part_count().unwrap_or(1))
    };
    let at = usize::try_from(part)
        .ok()
        .and_then(|part| part.checked_sub(1));
    let at = at.ok_or_else(none)?;
    if object.part_count().is_none() {
        return match at {
            0 => Ok(0..object.size()),
            _ => Err(none()),
        };
    }
    let part = object.blobs.get(at).ok_or_else(none)?;
    let begin: u64 = object.blobs[..at].iter().map(|blob| blob.length).sum();
    Ok(begin..begin + part.length)
}

/// S3 counts the parts for those who ask for one.
fn parts_count(given: &Given, asked: bool) -> Option<i32> {
    let count = given.object.part_count().filter(|_| asked)?;
    i32::try_from(count).ok()
}

fn object_parts(
    object: &ObjectRecord,
    after: Option<i32>,
    max: Option<i32>,
) -> Option<GetObjectAttributesParts> {
    let count = object.part_count()?;
    let after = usize::try_from(after.unwrap_or(0)).unwrap_or(0);
    let max = usize::try_from(max.unwrap_or(1000)).unwrap_or(0).min(1000);
    let parts: Vec<ObjectPart> = (object.blobs.iter().enumerate().skip(after).take(max))
        .map(|(at, blob)| ObjectPart {
            part_number: i32::try_from(at + 1).ok(),
            size: i64::try_from(blob.length).ok(),
            ..ObjectPart::default()
        })
        .collect();
    let end = after + parts.len();
    Some(GetObjectAttributesParts {
        is_truncated: Some(end < count),
        max_parts: i32::try_from(max).ok(),
        next_part_number_marker: i32::try_from(end).ok(),
        part_number_marker: i32::try_from(after).ok(),
        parts: Some(parts),
        total_parts_count: i32::try_from(count).ok(),
    })
}
