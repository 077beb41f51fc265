//! Operations on buckets, and listings of what they hold.

use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redb::ReadableTable;
use s3s::dto::{
    Bucket, BucketLocationConstraint, CommonPrefix, CreateBucketInput, CreateBucketOutput,
    DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketOutput,
    ETag, EncodingType, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass, Owner, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput,
};
use s3s::{S3ErrorCode, S3Result};

use super::errors::{invalid_argument, refuse};
use super::list::{Entry, MAX_KEYS, Names, Page, Query, page};
use super::service::LocalS3;
use super::store::{BucketRecord, Key, ObjectRecord, Records, Snapshot, Time, decode, storage};
use super::{ACCOUNT, lifecycle};

/// Where S3 creates a bucket that exists once more without an error, and what it calls by no name.
const FIRST_REGION: &str = "us-east-1";

impl LocalS3 {
    pub(super) async fn buckets(&self, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let max = match input.max_buckets {
            None => usize::MAX,
            Some(max) => usize::try_from(max)
                .ok()
                .filter(|max| (1..=10_000).contains(max))
                .ok_or_else(|| invalid_argument("max-buckets must be between 1 and 10000"))?,
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.unwrap_or_default();
        let wanted = input.bucket_region;
        let mut buckets = self
            .store
            .read(move |snapshot| {
                let mut buckets = Vec::new();
                for bucket in snapshot.buckets.range::<&str>(..).map_err(storage)? {
                    let (name, record) = bucket.map_err(storage)?;
                    let name = name.value();
                    let record: BucketRecord = decode(record.value())?;
                    let region = wanted
                        .as_ref()
                        .is_none_or(|region| *region == record.region);
                    if name.starts_with(&prefix) && name > after.as_str() && region {
                        buckets.push((name.to_owned(), record));
                    }
                }
                Ok(buckets)
            })
            .await?;
        let more = buckets.len() > max;
        buckets.truncate(max);
        let next = buckets
            .last()
            .map(|(name, _)| name.clone())
            .filter(|_| more);
        let buckets = buckets.into_iter().map(|(name, record)| Bucket {
            name: Some(name),
            creation_date: Some(record.created.into()),
            bucket_region: Some(record.region),
        });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            continuation_token: next,
            owner: Some(owner()),
            prefix: input.prefix,
        })
    }

    pub(super) async fn create(&self, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(super::errors::not_here("buckets with object lock"));
        }
        let asked = input
            .create_bucket_configuration
            .and_then(|configuration| configuration.location_constraint);
        let region = match asked.map(|region| region.as_str().to_owned()) {
            // The old name.
            Some(region) if region == "EU" => "eu-west-1".to_owned(),
            Some(region) => region,
            None => self.region.clone(),
        };
        let name = input.bucket.clone();
        self.store
            .commit(move |tables| {
                if tables
                    .buckets
                    .get(name.as_str())
                    .map_err(storage)?
                    .is_some()
                {
                    return match region == FIRST_REGION {
                        true => Ok(()),
                        false => Err(refuse(S3ErrorCode::BucketAlreadyOwnedByYou)),
                    };
                }
                let record = BucketRecord {
                    created: Time::now(),
                    region,
                    lifecycle: None,
                };
                tables.put_bucket(&name, &record)
            })
            .await?;
        Ok(CreateBucketOutput {
            location: Some(format!("/{}", input.bucket)),
        })
    }

    pub(super) async fn head_of_bucket(
        &self,
        input: HeadBucketInput,
    ) -> S3Result<HeadBucketOutput> {
        let bucket = self.bucket(input.bucket).await?;
        Ok(HeadBucketOutput {
            bucket_region: Some(bucket.region),
            ..HeadBucketOutput::default()
        })
    }

    pub(super) async fn location(
        &self,
        input: GetBucketLocationInput,
    ) -> S3Result<GetBucketLocationOutput> {
        let bucket = self.bucket(input.bucket).await?;
        let named = Some(bucket.region).filter(|region| region != FIRST_REGION);
        Ok(GetBucketLocationOutput {
            location_constraint: named.map(BucketLocationConstraint::from),
        })
    }

    pub(super) async fn versioning(
        &self,
        input: GetBucketVersioningInput,
    ) -> S3Result<GetBucketVersioningOutput> {
        self.bucket(input.bucket).await?;
        Ok(GetBucketVersioningOutput::default())
    }

    /// Uploads under way do not keep a bucket; they end with it.
    pub(super) async fn delete_empty_bucket(
        &self,
        input: DeleteBucketInput,
    ) -> S3Result<DeleteBucketOutput> {
        let name = input.bucket;
        self.store
            .commit(move |tables| {
                tables.bucket(&name)?;
                let from: Key<'_> = (&name, &[]);
                for object in tables.objects.range(from..).map_err(storage)?.take(1) {
                    let (key, _) = object.map_err(storage)?;
                    if key.value().0 == name {
                        return Err(refuse(S3ErrorCode::BucketNotEmpty));
                    }
                }
                let mut uploads = Vec::new();
                let from = (name.as_str(), "");
                for upload in tables.uploads.range(from..).map_err(storage)? {
                    let (key, _) = upload.map_err(storage)?;
                    match key.value() {
                        (bucket, id) if bucket == name => uploads.push(id.to_owned()),
                        _ => break,
                    }
                }
                for id in uploads {
                    tables.remove_upload(&name, &id, &[])?;
                }
                tables.buckets.remove(name.as_str()).map_err(storage)?;
                Ok(())
            })
            .await?;
        Ok(DeleteBucketOutput {})
    }

    pub(super) async fn put_lifecycle(
        &self,
        input: PutBucketLifecycleConfigurationInput,
    ) -> S3Result<PutBucketLifecycleConfigurationOutput> {
        let configuration = input.lifecycle_configuration;
        let mut configuration = configuration.ok_or_else(|| refuse(S3ErrorCode::MalformedXML))?;
        lifecycle::check(&configuration)?;
        for rule in &mut configuration.rules {
            let id = || Some(uuid::Uuid::new_v4().simple().to_string());
            rule.id = rule.id.take().or_else(id);
        }
        self.set_lifecycle(input.bucket, Some(configuration))
            .await?;
        Ok(PutBucketLifecycleConfigurationOutput::default())
    }

    pub(super) async fn lifecycle(
        &self,
        input: GetBucketLifecycleConfigurationInput,
    ) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let bucket = self.bucket(input.bucket).await?;
        let none = || refuse(S3ErrorCode::NoSuchLifecycleConfiguration);
        Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(bucket.lifecycle.ok_or_else(none)?.rules),
            ..GetBucketLifecycleConfigurationOutput::default()
        })
    }

    pub(super) async fn delete_lifecycle(
        &self,
        input: DeleteBucketLifecycleInput,
    ) -> S3Result<DeleteBucketLifecycleOutput> {
        self.set_lifecycle(input.bucket, None).await?;
        Ok(DeleteBucketLifecycleOutput {})
    }

    async fn set_lifecycle(
        &self,
        name: String,
        lifecycle: Option<s3s::dto::BucketLifecycleConfiguration>,
    ) -> S3Result<()> {
        self.store
            .commit(move |tables| {
                let bucket = tables.bucket(&name)?;
                let bucket = BucketRecord {
                    lifecycle,
                    ..bucket
                };
                tables.put_bucket(&name, &bucket)
            })
            .await
    }

    /// The bucket, or `NoSuchBucket`.
    pub(super) async fn bucket(&self, name: String) -> S3Result<BucketRecord> {
        self.store
            .read(move |snapshot| snapshot.bucket(&name))
            .await
    }

    pub(super) async fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let max = max_keys(input.max_keys)?;
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: delimiter(input.delimiter.as_ref()),
            after: input.marker.clone().filter(|marker| !marker.is_empty()),
            max,
        };
        let encode = Encode::new(input.encoding_type.as_ref())?;
        let found = self.list(input.bucket.clone(), query).await?;
        // Without a delimiter the last key is the marker, and S3 does not repeat it.
        let next = found.next().filter(|_| input.delimiter.is_some());
        let next_marker = next.map(|next| encode.name(next));
        let truncated = found.truncated;
        let (contents, common_prefixes) = entries(found, &encode, true);
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode.name(&input.prefix.unwrap_or_default())),
            marker: Some(encode.name(&input.marker.unwrap_or_default())),
            max_keys: Some(max_shown(input.max_keys)),
            is_truncated: Some(truncated),
            contents,
            common_prefixes,
            delimiter: input.delimiter.map(|delimiter| encode.name(&delimiter)),
            next_marker,
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        })
    }

    pub(super) async fn list_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let max = max_keys(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => Some(name_of_token(token)?),
            None => input.start_after.clone().filter(|after| !after.is_empty()),
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: delimiter(input.delimiter.as_ref()),
            after,
            max,
        };
        let encode = Encode::new(input.encoding_type.as_ref())?;
        let found = self.list(input.bucket.clone(), query).await?;
        let next_continuation_token = found.next().map(token_of_name);
        let (count, truncated) = (found.entries.len(), found.truncated);
        let (contents, common_prefixes) =
            entries(found, &encode, input.fetch_owner.unwrap_or_default());
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode.name(&input.prefix.unwrap_or_default())),
            max_keys: Some(max_shown(input.max_keys)),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(truncated),
            next_continuation_token,
            contents,
            common_prefixes,
            delimiter: input.delimiter.map(|delimiter| encode.name(&delimiter)),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|after| encode.name(&after)),
            ..ListObjectsV2Output::default()
        })
    }

    async fn list(&self, bucket: String, query: Query) -> S3Result<Page<ObjectRecord>> {
        self.store
            .read(move |snapshot| {
                snapshot.bucket(&bucket)?;
                page(&query, &mut Keys::new(snapshot, &bucket))
            })
            .await
    }
}

/// The keys of a bucket with their objects.
struct Keys<'s> {
    snapshot: &'s Snapshot,
    bucket: &'s str,
    range: Option<redb::Range<'static, Key<'static>, &'static [u8]>>,
}

impl<'s> Keys<'s> {
    fn new(snapshot: &'s Snapshot, bucket: &'s str) -> Self {
        Self {
            snapshot,
            bucket,
            range: None,
        }
    }
}

impl Names for Keys<'_> {
    type Value = ObjectRecord;

    fn seek(&mut self, from: Bound<&[u8]>) -> S3Result<()> {
        let from = match from {
            Bound::Included(key) => Bound::Included((self.bucket, key)),
            Bound::Excluded(key) => Bound::Excluded((self.bucket, key)),
            Bound::Unbounded => Bound::Included((self.bucket, &[][..])),
        };
        let range = self
            .snapshot
            .objects
            .range::<Key<'_>>((from, Bound::Unbounded));
        self.range = Some(range.map_err(storage)?);
        Ok(())
    }

    fn next(&mut self) -> S3Result<Option<(String, ObjectRecord)>> {
        let Some(object) = self.range.as_mut().and_then(Iterator::next) else {
            return Ok(None);
        };
        let (key, record) = object.map_err(storage)?;
        let (bucket, key) = key.value();
        if bucket != self.bucket {
            return Ok(None);
        }
        let key = String::from_utf8_lossy(key).into_owned();
        Ok(Some((key, decode(record.value())?)))
    }
}

fn entries(
    page: Page<ObjectRecord>,
    encode: &Encode,
    with_owner: bool,
) -> (Option<Vec<Object>>, Option<Vec<CommonPrefix>>) {
    let (mut contents, mut groups) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Group(name) => groups.push(CommonPrefix {
                prefix: Some(encode.name(&name)),
            }),
            Entry::Name(name, object) => contents.push(Object {
                size: i64::try_from(object.size()).ok(),
                checksum_algorithm: Some(vec![s3s::dto::ChecksumAlgorithm::from_static(
                    object.checksum.algorithm.name(),
                )]),
                checksum_type: Some(object.checksum.kind.dto()),
                e_tag: Some(ETag::Strong(object.etag)),
                key: Some(encode.name(&name)),
                last_modified: Some(object.modified.into()),
                owner: with_owner.then(owner),
                storage_class: Some(ObjectStorageClass::from(
                    object
                        .about
                        .storage_class
                        .unwrap_or_else(|| "STANDARD".to_owned()),
                )),
                ..Object::default()
            }),
        }
    }
    (Some(contents), Some(groups))
}

/// Names in listings: as they are, or percent-encoded, for those that XML cannot hold.
pub(super) struct Encode(bool);

/// What stays as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b'*');

impl Encode {
    pub(super) fn new(kind: Option<&EncodingType>) -> S3Result<Self> {
        match kind.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(invalid_argument(
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(super) fn name(&self, name: &str) -> String {
        match self.0 {
            true => utf8_percent_encode(name, &PLAIN).to_string(),
            false => name.to_owned(),
        }
    }
}

pub(super) fn delimiter(given: Option<&String>) -> Option<String> {
    given.cloned().filter(|delimiter| !delimiter.is_empty())
}

/// Entries of a page: at most 1,000, whatever is asked for.
pub(super) fn max_keys(asked: Option<i32>) -> S3Result<usize> {
    let max = asked.map_or(Ok(MAX_KEYS), usize::try_from);
    let max = max.map_err(|_| {
        invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647")
    })?;
    Ok(max.min(MAX_KEYS))
}

pub(super) fn max_shown(asked: Option<i32>) -> i32 {
    asked.unwrap_or(1000).min(1000)
}

fn token_of_name(name: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(name)
}

fn name_of_token(token: &str) -> S3Result<String> {
    let name = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok();
    let name = name.and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))
}

pub(super) fn owner() -> Owner {
    Owner {
        display_name: Some("transom".to_owned()),
        id: Some(ACCOUNT.to_owned()),
    }
}
