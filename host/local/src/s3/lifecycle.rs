//! Lifecycle rules: which objects and uploads they delete at a moment.
//!
//! S3 acts once a day, at midnight UTC. Here the rules run every hour and whenever they are asked to, for any moment,
//! so that their effect can be tested without waiting. Rules that change a storage class or that concern older
//! versions are kept and given back; nothing here would look different after them.

use s3s::dto::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, Tag,
};
use s3s::{S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};

use super::errors::{invalid_argument, refuse, refuse_with};
use super::store::{
    Key, ObjectRecord, Records, Snapshot, Store, Time, UploadKey, UploadRecord, decode, storage,
};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// Deletions in one change.
const AT_ONCE: usize = 200;

/// What the rules deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Objects that were deleted.
    pub objects: u64,
    /// Uploads that were aborted.
    pub uploads: u64,
}

/// Refuses what S3 refuses of a configuration.
pub(crate) fn check(configuration: &BucketLifecycleConfiguration) -> S3Result<()> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > 1000 {
        return Err(refuse(S3ErrorCode::MalformedXML));
    }
    for rule in rules {
        let has_action = rule.expiration.is_some()
            || rule.transitions.is_some()
            || rule.noncurrent_version_expiration.is_some()
            || rule.noncurrent_version_transitions.is_some()
            || rule.abort_incomplete_multipart_upload.is_some();
        if !has_action {
            return Err(refuse_with(
                S3ErrorCode::InvalidRequest,
                "At least one action needs to be specified in a rule.",
            ));
        }
        if rule.filter.is_some() == rule.prefix.is_some() {
            return Err(refuse(S3ErrorCode::MalformedXML));
        }
        let expiration = rule.expiration.as_ref();
        let abort = rule.abort_incomplete_multipart_upload.as_ref();
        let days = [
            expiration.and_then(|expiration| expiration.days),
            abort.and_then(|abort| abort.days_after_initiation),
        ];
        if days.into_iter().flatten().any(|days| days < 1) {
            return Err(invalid_argument(
                "'Days' for Expiration action must be a positive integer",
            ));
        }
        let date = expiration.and_then(|expiration| expiration.date.clone());
        if date.is_some_and(|date| Time::from(date).0 % DAY_SECONDS != 0) {
            return Err(invalid_argument("'Date' must be at midnight GMT"));
        }
        let tagged = tags(rule.filter.as_ref());
        if abort.is_some() && tagged.is_some_and(|tags| !tags.is_empty()) {
            return Err(refuse_with(
                S3ErrorCode::InvalidRequest,
                "AbortIncompleteMultipartUpload cannot be specified with Tags.",
            ));
        }
    }
    Ok(())
}

/// Deletes what the rules of all buckets say is over at a moment.
pub(crate) async fn run(store: &Store, now: Time) -> S3Result<Expired> {
    let (objects, uploads) = store.read(move |snapshot| due(snapshot, now)).await?;
    let mut expired = Expired::default();
    for some in objects.chunks(AT_ONCE) {
        let some = some.to_vec();
        expired.objects += store
            .commit(move |tables| {
                let mut deleted = 0;
                for (bucket, key, etag, modified) in some {
                    // What was written since is another object.
                    let same = tables
                        .find_object(&bucket, &key)?
                        .is_some_and(|now| now.etag == etag && now.modified == modified);
                    if same {
                        tables.remove_object(&bucket, &key)?;
                        deleted += 1;
                    }
                }
                Ok(deleted)
            })
            .await?;
    }
    for (bucket, key, id) in uploads {
        let aborted = store.commit(move |tables| {
            tables.upload(&bucket, &key, &id)?;
            tables.remove_upload(&bucket, &id, &[])
        });
        // It was completed meanwhile.
        if aborted.await.is_ok() {
            expired.uploads += 1;
        }
    }
    Ok(expired)
}

type DueObject = (String, String, String, Time);
type DueUpload = (String, String, String);

fn due(snapshot: &Snapshot, now: Time) -> S3Result<(Vec<DueObject>, Vec<DueUpload>)> {
    let (mut objects, mut uploads) = (Vec::new(), Vec::new());
    for bucket in snapshot.buckets.range::<&str>(..).map_err(storage)? {
        let (name, _) = bucket.map_err(storage)?;
        let name = name.value();
        let Some(configuration) = snapshot.bucket(name)?.lifecycle else {
            continue;
        };
        let enabled = |rule: &&LifecycleRule| rule.status.as_str() == ExpirationStatus::ENABLED;
        let rules: Vec<_> = configuration.rules.iter().filter(enabled).collect();
        let from: Key<'_> = (name, &[]);
        for object in snapshot.objects.range(from..).map_err(storage)? {
            let (key, record) = object.map_err(storage)?;
            let (bucket, key) = key.value();
            if bucket != name {
                break;
            }
            let key = String::from_utf8_lossy(key).into_owned();
            let object: ObjectRecord = decode(record.value())?;
            if rules.iter().any(|rule| expires(rule, &key, &object, now)) {
                objects.push((name.to_owned(), key, object.etag, object.modified));
            }
        }
        let from: UploadKey<'_> = (name, "");
        for upload in snapshot.uploads.range(from..).map_err(storage)? {
            let (key, record) = upload.map_err(storage)?;
            let (bucket, id) = key.value();
            if bucket != name {
                break;
            }
            let upload: UploadRecord = decode(record.value())?;
            if rules.iter().any(|rule| aborts(rule, &upload, now)) {
                uploads.push((name.to_owned(), upload.key, id.to_owned()));
            }
        }
    }
    Ok((objects, uploads))
}

/// Days count from the midnight that follows the begin.
fn is_past(begin: Time, days: i32, now: Time) -> bool {
    let end = begin.0 + i64::from(days) * DAY_SECONDS;
    let midnight = end.div_euclid(DAY_SECONDS) * DAY_SECONDS;
    let midnight = match midnight == end {
        true => midnight,
        false => midnight + DAY_SECONDS,
    };
    now.0 >= midnight
}

fn expires(rule: &LifecycleRule, key: &str, object: &ObjectRecord, now: Time) -> bool {
    let Some(expiration) = &rule.expiration else {
        return false;
    };
    let over = match (expiration.days, &expiration.date) {
        (Some(days), _) => is_past(object.modified, days, now),
        (None, Some(date)) => now >= Time::from(date.clone()),
        (None, None) => false,
    };
    over && concerns(rule, key, object)
}

fn aborts(rule: &LifecycleRule, upload: &UploadRecord, now: Time) -> bool {
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    let days = abort.and_then(|abort| abort.days_after_initiation);
    days.is_some_and(|days| is_past(upload.initiated, days, now))
        && upload.key.starts_with(prefix(rule))
}

fn concerns(rule: &LifecycleRule, key: &str, object: &ObjectRecord) -> bool {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    let greater = filter.and_then(|filter| filter.object_size_greater_than);
    let greater = greater.or(and.and_then(|and| and.object_size_greater_than));
    let less = filter.and_then(|filter| filter.object_size_less_than);
    let less = less.or(and.and_then(|and| and.object_size_less_than));
    let size = i64::try_from(object.size()).unwrap_or(i64::MAX);
    let has = |tag: &Tag| {
        let value = tag.key.as_ref().and_then(|key| object.about.tags.get(key));
        value.is_some() && value == tag.value.as_ref()
    };
    key.starts_with(prefix(rule))
        && greater.is_none_or(|bound| size > bound)
        && less.is_none_or(|bound| size < bound)
        && tags(filter).is_none_or(|tags| tags.iter().all(has))
}

fn prefix(rule: &LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    let prefix = filter.and_then(|filter| filter.prefix.as_ref());
    let prefix = prefix.or(and.and_then(|and| and.prefix.as_ref()));
    prefix.or(rule.prefix.as_ref()).map_or("", String::as_str)
}

fn tags(filter: Option<&LifecycleRuleFilter>) -> Option<Vec<Tag>> {
    let filter = filter?;
    let several = filter.and.as_ref().and_then(|and| and.tags.clone());
    several.or(filter.tag.clone().map(|tag| vec![tag]))
}

#[cfg(test)]
mod tests {
    use super::{DAY_SECONDS, is_past};
    use crate::s3::store::Time;

    #[test]
    fn days_end_at_the_next_midnight() {
        let noon = Time(100 * DAY_SECONDS + DAY_SECONDS / 2);
        assert!(!is_past(noon, 1, Time(101 * DAY_SECONDS + DAY_SECONDS / 2)));
        assert!(!is_past(noon, 1, Time(102 * DAY_SECONDS - 1)));
        assert!(is_past(noon, 1, Time(102 * DAY_SECONDS)));
        assert!(is_past(Time(100 * DAY_SECONDS), 1, Time(101 * DAY_SECONDS)));
    }
}
