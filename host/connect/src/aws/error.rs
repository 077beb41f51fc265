//! What S3 refuses.

use std::fmt;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use transom_file::spec::S3Url;

/// Why a request to S3 failed, after it was tried as often as makes sense.
#[derive(Debug, Clone)]
pub struct S3Error {
    /// What was to be done: `read`, `write`, `list`.
    pub(crate) action: &'static str,
    /// With what.
    pub(crate) url: S3Url,
    /// What callers act on.
    pub(crate) kind: S3ErrorKind,
    /// In the service's words.
    pub(crate) message: String,
}

/// What callers act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum S3ErrorKind {
    /// There is no such bucket.
    NoBucket,
    /// There is no such object.
    NotFound,
    /// The object is not, or no longer, the one that was meant.
    Changed,
    /// The identity may not do it, or there is none.
    Refused,
    /// The service is busy or cannot be reached: the same request may succeed later.
    Temporary,
    /// Whether it was carried out is not known.
    Unclear,
    /// Anything else.
    Other,
}

impl S3Error {
    /// What callers act on.
    #[must_use]
    pub fn kind(&self) -> S3ErrorKind {
        self.kind
    }

    /// What S3 said, if an error comes from there.
    pub(crate) fn find<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // `io::Error` gives the cause of what it wraps, and not what it wraps.
            let wrapped = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            let wrapped = wrapped.and_then(|inner| inner.downcast_ref::<Self>());
            if let Some(found) = error.downcast_ref::<Self>().or(wrapped) {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self.kind {
            S3ErrorKind::NoBucket => Some(
                "name a bucket that exists; on the target `local`, buckets are those of the local AWS, which are made when something is written to them"
                    .to_owned(),
            ),
            S3ErrorKind::Refused => Some(
                "check credentials and permissions: `aws sts get-caller-identity` shows who you are; `profile` and `region` stand below `aws` of the target"
                    .to_owned(),
            ),
            S3ErrorKind::Temporary | S3ErrorKind::Unclear => Some("try again later".to_owned()),
            _ => None,
        }
    }

    /// The local AWS is meant and does not run.
    pub(crate) fn no_local(bucket: &str) -> Self {
        Self {
            action: "reach",
            url: S3Url {
                bucket: bucket.to_owned(),
                key: String::new(),
            },
            kind: S3ErrorKind::Other,
            message: "the local AWS is not started here".to_owned(),
        }
    }

    /// An object is not what it should be.
    pub(crate) fn changed(action: &'static str, url: S3Url, message: &str) -> Self {
        Self {
            action,
            url,
            kind: S3ErrorKind::Changed,
            message: message.to_owned(),
        }
    }

    pub(crate) fn other(action: &'static str, url: S3Url, message: String) -> Self {
        Self {
            action,
            url,
            kind: S3ErrorKind::Other,
            message,
        }
    }

    /// The bytes of an answer did not come to their end.
    pub(crate) fn cut_off(action: &'static str, url: S3Url, error: &dyn std::error::Error) -> Self {
        Self {
            action,
            url,
            kind: S3ErrorKind::Temporary,
            message: chain(error),
        }
    }

    pub(crate) fn of<E>(action: &'static str, url: S3Url, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let (kind, message) = sorted(&error, kind_of);
        Self {
            action,
            url,
            kind,
            message,
        }
    }
}

/// What the failure of a request means, and what was said. `kind_of` sorts a service's own answers, by status and code.
pub(crate) fn sorted<E>(
    error: &SdkError<E, HttpResponse>,
    kind_of: impl FnOnce(u16, &str) -> S3ErrorKind,
) -> (S3ErrorKind, String)
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(failed) => {
            let status = failed.raw().status().as_u16();
            let code = failed.err().code().unwrap_or_default();
            let said = failed.err().message().unwrap_or_default();
            let message = match (code, said) {
                ("", "") => format!("the answer was HTTP status {status}"),
                (code, "") => code.to_owned(),
                (code, said) => format!("{code}: {said}"),
            };
            (kind_of(status, code), message)
        }
        SdkError::ConstructionFailure(_) => (S3ErrorKind::Other, chain(error)),
        SdkError::TimeoutError(_) => (S3ErrorKind::Unclear, "no answer in time".to_owned()),
        SdkError::ResponseError(_) => (S3ErrorKind::Unclear, chain(error)),
        SdkError::DispatchFailure(failed) => {
            let message = chain(error);
            // The credentials are looked for within the request.
            let kind = match message.contains("credential") {
                true => S3ErrorKind::Refused,
                false if failed.is_user() => S3ErrorKind::Other,
                // Also a connection that was closed after all of the request was sent.
                false => S3ErrorKind::Unclear,
            };
            (kind, message)
        }
        _ => (S3ErrorKind::Other, DisplayErrorContext(error).to_string()),
    }
}

fn kind_of(status: u16, code: &str) -> S3ErrorKind {
    match (status, code) {
        (_, "NoSuchBucket") => S3ErrorKind::NoBucket,
        (_, "SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable") => {
            S3ErrorKind::Temporary
        }
        // Both are 403, and no permission helps.
        (_, "InvalidObjectState" | "RequestTimeTooSkewed") => S3ErrorKind::Other,
        (404, _) => S3ErrorKind::NotFound,
        (412, _) => S3ErrorKind::Changed,
        (409 | 429 | 500..=599, _) => S3ErrorKind::Temporary,
        (401 | 403, _) | (_, "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
            S3ErrorKind::Refused
        }
        _ => S3ErrorKind::Other,
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            url,
            message,
            ..
        } = self;
        match self.kind {
            S3ErrorKind::NoBucket => write!(f, "there is no bucket `{}`", url.bucket),
            _ => write!(f, "cannot {action} `{url}`: {message}"),
        }
    }
}

impl std::error::Error for S3Error {}
