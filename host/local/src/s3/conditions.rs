//! Conditions: `If-Match` and its kin, for writes, reads, copies' sources and deletes.

use http::HeaderMap;
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::errors::{Details, invalid_request, no_such_key, not_here, precondition_failed, refuse};
use super::store::{ObjectRecord, Time};

/// What must hold of the object that a write replaces. The committer looks, so that nothing comes in between: S3's
/// `ConditionalRequestConflict` (409) does not occur here.
#[derive(Debug, Default)]
pub(crate) struct WriteConditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    pub(crate) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        if if_none_match.as_ref().is_some_and(|tag| !tag.is_any()) {
            return Err(refuse(S3ErrorCode::NotImplemented)
                .detail("Header", "If-None-Match")
                .detail(
                    "additionalMessage",
                    "We don't accept the provided value of If-None-Match header for this API",
                ));
        }
        if if_match.is_some() && if_none_match.is_some() {
            return Err(invalid_request(
                "A request takes If-Match or If-None-Match, not both.",
            ));
        }
        Ok(Self {
            if_match,
            if_none_match,
        })
    }

    /// From a request's headers: s3s 0.14 does not know that CopyObject takes conditions on what it replaces.
    pub(crate) fn of_headers(headers: &HeaderMap) -> S3Result<Self> {
        let condition = |name: &'static str| {
            let value = headers.get(name);
            let parsed = value.map(|value| ETagCondition::parse_http_header(value.as_bytes()));
            parsed
                .transpose()
                .map_err(|_| super::errors::invalid_argument(format!("invalid header: {name}")))
        };
        Self::new(condition("if-match")?, condition("if-none-match")?)
    }

    pub(crate) fn check(&self, key: &str, current: Option<&ObjectRecord>) -> S3Result<()> {
        if self.if_none_match.is_some() && current.is_some() {
            return Err(precondition_failed("If-None-Match"));
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(no_such_key(key)),
            (Some(tag), Some(object)) if matches(tag, &object.etag) => Ok(()),
            (Some(_), Some(_)) => Err(precondition_failed("If-Match")),
        }
    }
}

/// What must hold of an object that is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// The header that does not hold, and whether it is of the kind that a read answers with 304.
struct Failed {
    header: &'static str,
    not_modified: bool,
}

impl ReadConditions {
    /// An entity tag that matches outweighs a date.
    fn failed(&self, object: &ObjectRecord) -> Option<Failed> {
        let fail = |header, not_modified| {
            Some(Failed {
                header,
                not_modified,
            })
        };
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(tag), _) if !matches(tag, &object.etag) => return fail("If-Match", false),
            (None, Some(since)) if object.modified > Time::from(since.clone()) => {
                return fail("If-Unmodified-Since", false);
            }
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(tag), _) if matches(tag, &object.etag) => fail("If-None-Match", true),
            (None, Some(since)) if object.modified <= Time::from(since.clone()) => {
                fail("If-Modified-Since", true)
            }
            _ => None,
        }
    }

    /// For GET and HEAD: 412, or 304 with what a cache wants to know.
    pub(crate) fn check(&self, object: &ObjectRecord) -> S3Result<()> {
        match self.failed(object) {
            None => Ok(()),
            Some(failed) if failed.not_modified => Err(not_modified(object)),
            Some(failed) => Err(precondition_failed(failed.header)),
        }
    }

    /// For the source of a copy: always 412.
    pub(crate) fn check_source(&self, object: &ObjectRecord) -> S3Result<()> {
        match self.failed(object) {
            None => Ok(()),
            Some(failed) => {
                let header = failed.header.to_lowercase();
                Err(precondition_failed(&format!("x-amz-copy-source-{header}")))
            }
        }
    }
}

fn not_modified(object: &ObjectRecord) -> S3Error {
    let mut modified = Vec::new();
    let format = s3s::dto::TimestampFormat::HttpDate;
    let formatted = Timestamp::from(object.modified).format(format, &mut modified);
    let error =
        refuse(S3ErrorCode::NotModified).header("etag", format_args!("\"{}\"", object.etag));
    match formatted {
        Ok(()) => error.header("last-modified", String::from_utf8_lossy(&modified)),
        Err(_) => error,
    }
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == etag,
    }
}

/// What must hold of an object that is deleted.
pub(crate) fn check_delete(
    if_match: Option<&ETagCondition>,
    current: Option<&ObjectRecord>,
) -> S3Result<()> {
    match (if_match, current) {
        (None, _) => Ok(()),
        (Some(tag), Some(object)) if matches(tag, &object.etag) => Ok(()),
        // Also without an object: there is nothing that `*` or a tag could match.
        (Some(_), _) => Err(precondition_failed("If-Match")),
    }
}

/// Conditions of directory buckets, which general purpose buckets do not know.
pub(crate) fn refuse_directory_conditions(given: bool) -> S3Result<()> {
    match given {
        true => Err(not_here("conditions on size and time of a delete")),
        false => Ok(()),
    }
}
