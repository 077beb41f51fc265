//! Multipart uploads: parts under an upload's name until it is completed, which makes an object of them in one
//! change.
//!
//! Nothing of an upload shows among the objects before that. Completing moves no bytes: the object's record names the
//! files of its parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Initiator,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, Part, Range, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Result};

use super::ACCOUNT;
use super::about::about;
use super::buckets::{Encode, delimiter, max_keys, max_shown, owner};
use super::checksums::{
    Algorithm, Checksum, Expected, Hashes, Kind, etag_of_parts, given_checksums, of_parts,
    set_checksum,
};
use super::conditions::{ReadConditions, WriteConditions};
use super::copy::Source;
use super::errors::{Details, internal, invalid_argument, invalid_request, refuse, refuse_with};
use super::list::{Entry, InMemory, Query, page};
use super::receive::{MAX_PUT_BYTES, Received, receive};
use super::send::Reader;
use super::service::LocalS3;
use super::store::{
    ObjectRecord, PartRecord, Records, Time, UploadChecksum, UploadRecord, blocking, decode,
    storage,
};

/// Bytes that each part but the last must have.
const MIN_PART_BYTES: u64 = 5 << 20;
const MAX_PARTS: u32 = 10_000;

impl LocalS3 {
    pub(super) async fn create_upload(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let asked = input.checksum_algorithm.take();
        let asked = asked
            .map(|name| Algorithm::parse(name.as_str()))
            .transpose()?;
        let kind = input.checksum_type.take();
        let kind = kind.as_ref().map(|kind| kind.as_str());
        if asked.is_none() && kind.is_some() {
            return Err(invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ));
        }
        let algorithm = asked.unwrap_or(Algorithm::Crc64nvme);
        let checksum = UploadChecksum {
            algorithm,
            kind: Kind::of_upload(kind, algorithm)?,
            chosen: asked.is_some(),
        };
        let upload = UploadRecord {
            key: input.key.clone(),
            initiated: Time::now(),
            checksum,
            about: about!(input),
        };
        let mut output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key),
            server_side_encryption: Some(upload.about.encryption()),
            ssekms_key_id: upload.about.kms_key.clone(),
            ..CreateMultipartUploadOutput::default()
        };
        (output.checksum_algorithm, output.checksum_type) = shown(checksum);
        let bucket = input.bucket;
        let id = self
            .store
            .commit(move |tables| {
                tables.bucket(&bucket)?;
                // Sorts by the time of its begin, as uploads of one key are listed.
                let seconds = u64::try_from(upload.initiated.0).unwrap_or_default();
                let id = format!("{seconds:012x}{}", uuid::Uuid::new_v4().simple());
                tables.put_upload(&bucket, &id, &upload)?;
                Ok(id)
            })
            .await?;
        output.upload_id = Some(id);
        Ok(output)
    }

    pub(super) async fn put_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let S3Request {
            input,
            headers,
            extensions,
            trailing_headers,
            ..
        } = request;
        let number = part_number(input.part_number)?;
        let given = given_checksums!(input)?;
        let expected = Expected::of_request(&headers, given, trailing_headers, &extensions)?;
        let upload = self
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await?;
        let UploadChecksum {
            algorithm, chosen, ..
        } = upload.checksum;
        if let Some(used) = expected
            .algorithm()
            .filter(|used| chosen && *used != algorithm)
        {
            return Err(invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.name().to_lowercase(),
                used.name().to_lowercase()
            )));
        }
        let received = receive(
            self.store.blobs(),
            input.body,
            input.content_length,
            &expected,
            algorithm,
        )
        .await?;
        let answered = match chosen {
            true => Some(algorithm),
            false => expected.algorithm(),
        };
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(received.digests.etag())),
            server_side_encryption: Some(upload.about.encryption()),
            ..UploadPartOutput::default()
        };
        if let Some(algorithm) = answered {
            let checksum = received.digests.base64(algorithm).unwrap_or_default();
            set_checksum!(output, algorithm, checksum);
        }
        let place = (input.bucket, input.key, input.upload_id);
        self.write_part(place, number, received, algorithm).await?;
        Ok(output)
    }

    pub(super) async fn copy_part(
        &self,
        mut input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let number = part_number(input.part_number)?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let source = Source::new(&input.copy_source, conditions)?;
        let range = input.copy_source_range.as_deref().map(copy_range);
        let range = range.transpose()?;
        let upload = self
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await?;
        let algorithm = upload.checksum.algorithm;
        let received = self.copy_bytes(&source, range, algorithm).await?;
        let now = Time::now();
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(received.digests.etag())),
            last_modified: Some(now.into()),
            ..CopyPartResult::default()
        };
        if upload.checksum.chosen {
            let checksum = received.digests.base64(algorithm).unwrap_or_default();
            set_checksum!(result, algorithm, checksum);
        }
        let place = (input.bucket, input.key, input.upload_id);
        self.write_part(place, number, received, algorithm).await?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            server_side_encryption: Some(upload.about.encryption()),
            ..UploadPartCopyOutput::default()
        })
    }

    async fn copy_bytes(
        &self,
        source: &Source,
        range: Option<(u64, u64)>,
        algorithm: Algorithm,
    ) -> S3Result<Received> {
        loop {
            let object = self.source(source).await?;
            let size = object.size();
            let range = match range {
                None => 0..size,
                Some((first, last)) if last < size => first..last + 1,
                Some((first, last)) => {
                    return Err(invalid_argument(format!(
                        "Range specified is not valid for source object of size: {size}"
                    ))
                    .detail("ArgumentName", "x-amz-copy-source-range")
                    .detail("ArgumentValue", format_args!("bytes={first}-{last}")));
                }
            };
            if range.end - range.start > MAX_PUT_BYTES {
                return Err(refuse(S3ErrorCode::EntityTooLarge));
            }
            let blobs = Arc::clone(self.store.blobs());
            let copied = blocking(move || {
                let Some(mut reader) = Reader::new(&blobs, &object, range) else {
                    return Ok(None);
                };
                let mut hashes = Hashes::new(&[algorithm]);
                let mut blob = blobs.create().map_err(internal)?;
                while let Some(bytes) = reader.read().map_err(internal)? {
                    hashes.update(&bytes);
                    blob.write(&bytes).map_err(internal)?;
                }
                blob.finish().map_err(internal)?;
                let digests = hashes.finish();
                Ok(Some(Received { blob, digests }))
            });
            // Otherwise the source was replaced in between.
            if let Some(copied) = copied.await? {
                return Ok(copied);
            }
        }
    }

    async fn write_part(
        &self,
        (bucket, key, id): (String, String, String),
        number: u32,
        received: Received,
        algorithm: Algorithm,
    ) -> S3Result<()> {
        self.store
            .commit(move |tables| {
                // It may have been completed or aborted since.
                tables.upload(&bucket, &key, &id)?;
                let part = PartRecord {
                    blob: tables.add(received.blob),
                    etag: received.digests.etag(),
                    modified: Time::now(),
                    checksum: received.digests.base64(algorithm).unwrap_or_default(),
                };
                tables.put_part(&id, number, &part)
            })
            .await
    }

    pub(super) async fn complete_upload(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let given = given_checksums!(input)?;
        let parts = input
            .multipart_upload
            .take()
            .and_then(|upload| upload.parts);
        let parts = parts.filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| refuse(S3ErrorCode::MalformedXML))?;
        let size = input.mpu_object_size;
        let kind = input.checksum_type.map(|kind| kind.as_str().to_owned());
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id);
        let object = self
            .store
            .commit(move |tables| {
                let upload = tables.upload(&bucket, &key, &id)?;
                let uploaded = tables.parts_after(&id, 0)?.into_iter().collect();
                let object = assemble(upload, &uploaded, &parts)?;
                compare(&object, size, kind.as_deref(), given.as_ref())?;
                conditions.check(&key, tables.find_object(&bucket, &key)?.as_ref())?;
                tables.remove_upload(&bucket, &id, &object.blobs)?;
                tables.put_object(&bucket, &key, &object)?;
                Ok(object)
            })
            .await?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            checksum_type: Some(object.checksum.kind.dto()),
            server_side_encryption: Some(object.about.encryption()),
            ssekms_key_id: object.about.kms_key,
            e_tag: Some(ETag::Strong(object.etag)),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksum!(output, object.checksum.algorithm, object.checksum.value);
        Ok(output)
    }

    pub(super) async fn abort_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
        self.store
            .commit(move |tables| {
                tables.upload(&bucket, &key, &id)?;
                tables.remove_upload(&bucket, &id, &[])
            })
            .await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    async fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<UploadRecord> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        let read = self
            .store
            .read(move |snapshot| snapshot.upload(&bucket, &key, &id));
        read.await
    }

    pub(super) async fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let max = max_keys(input.max_parts)?;
        let after = u32::try_from(input.part_number_marker.unwrap_or(0)).unwrap_or(0);
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let id = input.upload_id.clone();
        let (upload, mut parts) = self
            .store
            .read(move |snapshot| {
                let upload = snapshot.upload(&bucket, &key, &id)?;
                Ok((upload, snapshot.parts_after(&id, after)?))
            })
            .await?;
        let truncated = parts.len() > max;
        parts.truncate(max);
        let UploadChecksum {
            algorithm, chosen, ..
        } = upload.checksum;
        let next = parts
            .last()
            .and_then(|(number, _)| i32::try_from(*number).ok());
        let parts = parts.into_iter().map(|(number, part)| {
            let mut shown = Part {
                e_tag: Some(ETag::Strong(part.etag)),
                last_modified: Some(part.modified.into()),
                part_number: i32::try_from(number).ok(),
                size: i64::try_from(part.blob.length).ok(),
                ..Part::default()
            };
            if chosen {
                set_checksum!(shown, algorithm, part.checksum);
            }
            shown
        });
        let mut output = ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            initiator: Some(initiator()),
            owner: Some(owner()),
            is_truncated: Some(truncated),
            max_parts: Some(max_shown(input.max_parts)),
            part_number_marker: Some(input.part_number_marker.unwrap_or(0)),
            next_part_number_marker: next.filter(|_| truncated),
            parts: Some(parts.collect()),
            storage_class: Some(storage_class(&upload).into()),
            ..ListPartsOutput::default()
        };
        (output.checksum_algorithm, output.checksum_type) = shown(upload.checksum);
        Ok(output)
    }

    pub(super) async fn uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let max = max_keys(input.max_uploads)?;
        let encode = Encode::new(input.encoding_type.as_ref())?;
        let bucket = input.bucket.clone();
        let all = self.store.read(move |snapshot| {
            snapshot.bucket(&bucket)?;
            let mut uploads = Vec::new();
            let from = (bucket.as_str(), "");
            for upload in snapshot.uploads.range(from..).map_err(storage)? {
                let (key, record) = upload.map_err(storage)?;
                let (found, id) = key.value();
                if found != bucket {
                    break;
                }
                let upload: UploadRecord = decode(record.value())?;
                uploads.push((upload.key.clone(), (id.to_owned(), upload)));
            }
            Ok(uploads)
        });
        let mut uploads = all.await?;
        let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
        let id_marker = input
            .upload_id_marker
            .clone()
            .filter(|marker| !marker.is_empty());
        // Uploads of the marker's key come again, behind that of the other marker.
        let mut query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: delimiter(input.delimiter.as_ref()),
            after: key_marker.clone(),
            max,
        };
        if let (Some(key), Some(id)) = (&key_marker, &id_marker) {
            uploads.retain(|(found, (found_id, _))| found > key || (found == key && found_id > id));
            query.after = None;
        }
        let found = page(&query, &mut InMemory::new(uploads))?;
        let truncated = found.truncated;
        let next_key = found.next().map(|name| encode.name(name));
        let next_id = match found.entries.last() {
            Some(Entry::Name(_, (id, _))) if truncated => Some(id.clone()),
            _ => None,
        };
        let (mut shown_uploads, mut groups) = (Vec::new(), Vec::new());
        for entry in found.entries {
            match entry {
                Entry::Group(name) => groups.push(CommonPrefix {
                    prefix: Some(encode.name(&name)),
                }),
                Entry::Name(name, (id, upload)) => {
                    let mut one = MultipartUpload {
                        initiated: Some(upload.initiated.into()),
                        initiator: Some(initiator()),
                        key: Some(encode.name(&name)),
                        owner: Some(owner()),
                        storage_class: Some(storage_class(&upload).into()),
                        upload_id: Some(id),
                        ..MultipartUpload::default()
                    };
                    (one.checksum_algorithm, one.checksum_type) = shown(upload.checksum);
                    shown_uploads.push(one);
                }
            }
        }
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: Some(groups),
            delimiter: input.delimiter.map(|delimiter| encode.name(&delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(truncated),
            key_marker: Some(input.key_marker.unwrap_or_default()),
            max_uploads: Some(max_shown(input.max_uploads)),
            next_key_marker: next_key,
            next_upload_id_marker: next_id,
            prefix: input.prefix.map(|prefix| encode.name(&prefix)),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            uploads: Some(shown_uploads),
            ..ListMultipartUploadsOutput::default()
        })
    }
}

/// The object that listed parts make, or what S3 says against them.
fn assemble(
    upload: UploadRecord,
    uploaded: &BTreeMap<u32, PartRecord>,
    listed: &[CompletedPart],
) -> S3Result<ObjectRecord> {
    let number = |part: &CompletedPart| {
        let number = part
            .part_number
            .and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| refuse(S3ErrorCode::MalformedXML))
    };
    let numbers = listed.iter().map(number).collect::<S3Result<Vec<_>>>()?;
    if !numbers.is_sorted_by(|one, next| one < next) {
        return Err(refuse(S3ErrorCode::InvalidPartOrder));
    }
    let mut parts = Vec::with_capacity(listed.len());
    for (number, listed) in numbers.iter().zip(listed) {
        let part = uploaded.get(number);
        let missing = || refuse(S3ErrorCode::InvalidPart).detail("PartNumber", number);
        let part = part.ok_or_else(missing)?;
        let tag = listed.e_tag.as_ref().map(ETag::value);
        let checksum = given_checksums!(listed)?;
        let same = checksum.is_none_or(|(algorithm, value)| {
            algorithm != upload.checksum.algorithm || value == part.checksum
        });
        if tag != Some(part.etag.as_str()) || !same {
            return Err(missing());
        }
        parts.push(part);
    }
    if let Some(at) =
        (parts.iter().rev().skip(1).rev()).position(|part| part.blob.length < MIN_PART_BYTES)
    {
        return Err(refuse(S3ErrorCode::EntityTooSmall)
            .detail("ProposedSize", parts[at].blob.length)
            .detail("MinSizeAllowed", MIN_PART_BYTES)
            .detail("PartNumber", numbers[at])
            .detail("ETag", &parts[at].etag));
    }
    let checksums: Vec<_> = parts
        .iter()
        .map(|part| (part.checksum.as_str(), part.blob.length))
        .collect();
    let UploadChecksum {
        algorithm, kind, ..
    } = upload.checksum;
    Ok(ObjectRecord {
        blobs: parts.iter().map(|part| part.blob.clone()).collect(),
        etag: etag_of_parts(parts.iter().map(|part| part.etag.as_str())),
        modified: Time::now(),
        checksum: of_parts(algorithm, kind, &checksums),
        about: upload.about,
    })
}

/// What the client expects of the object.
fn compare(
    object: &ObjectRecord,
    size: Option<i64>,
    kind: Option<&str>,
    given: Option<&(Algorithm, String)>,
) -> S3Result<()> {
    if let Some(size) = size
        && u64::try_from(size) != Ok(object.size())
    {
        return Err(invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {}",
            object.size()
        )));
    }
    let Checksum {
        algorithm,
        kind: found,
        value,
    } = &object.checksum;
    if kind.is_some_and(|kind| kind != found.dto().as_str()) {
        return Err(invalid_request(
            "The checksum type of the request is not that of the upload.",
        ));
    }
    let Some((of, given)) = given else {
        return Ok(());
    };
    // A composite checksum may come without the number of parts.
    let bare = value.split('-').next();
    match of == algorithm && (given == value || Some(given.as_str()) == bare) {
        true => Ok(()),
        false => Err(refuse_with(
            S3ErrorCode::BadDigest,
            format!(
                "The {} you specified did not match the calculated checksum.",
                of.name()
            ),
        )),
    }
}

fn part_number(number: i32) -> S3Result<u32> {
    let number = u32::try_from(number).ok();
    let number = number.filter(|number| (1..=MAX_PARTS).contains(number));
    number.ok_or_else(|| {
        invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
            .detail("ArgumentName", "partNumber")
    })
}

/// `bytes=first-last`, both inclusive.
fn copy_range(header: &str) -> S3Result<(u64, u64)> {
    match Range::parse(header) {
        Ok(Range::Int {
            first,
            last: Some(last),
        }) => Ok((first, last)),
        _ => Err(invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )),
    }
}

/// S3 shows the checksum that a client chose, not its own.
fn shown(checksum: UploadChecksum) -> (Option<ChecksumAlgorithm>, Option<s3s::dto::ChecksumType>) {
    let UploadChecksum {
        algorithm,
        kind,
        chosen,
    } = checksum;
    let name = ChecksumAlgorithm::from_static(algorithm.name());
    match chosen {
        true => (Some(name), Some(kind.dto())),
        false => (None, None),
    }
}

fn storage_class(upload: &UploadRecord) -> String {
    let class = upload.about.storage_class.clone();
    class.unwrap_or_else(|| "STANDARD".to_owned())
}

fn initiator() -> Initiator {
    Initiator {
        display_name: Some("transom".to_owned()),
        id: Some(ACCOUNT.to_owned()),
    }
}
