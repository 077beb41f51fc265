//! Errors as S3 words them.
//!
//! Code, status and text are S3's own. `NotImplemented` (501) always means that S3 can do it and this server cannot,
//! and says so; what S3 itself refuses has another code. Internal errors name their cause: it is the user's own disk.
//!
//! s3s writes code and message alone. What else belongs into the body ([`Details::detail`]) travels in a private
//! header of the response, and [`complete`] writes it.

use std::fmt::Display;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use s3s::{Body, S3Error, S3ErrorCode};

/// `Element=text`, once for each element.
const DETAIL: &str = "x-transom-error-detail";

/// S3's refusal, with its own text where it always says the same.
pub(crate) fn refuse(code: S3ErrorCode) -> S3Error {
    S3Error::new(code)
}

/// S3's refusal, in words that fit the case.
pub(crate) fn refuse_with(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

/// A refusal whose code s3s does not know.
pub(crate) fn refuse_custom(
    status: StatusCode,
    code: &'static str,
    message: impl Into<String>,
) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.into());
    error.set_status_code(status);
    error
}

/// What S3 can do and this server cannot.
pub(crate) fn not_here(what: &str) -> S3Error {
    refuse_with(S3ErrorCode::NotImplemented, what)
}

pub(crate) fn internal(cause: impl Display) -> S3Error {
    refuse_with(
        S3ErrorCode::InternalError,
        format!("transom local failed: {cause}"),
    )
}

pub(crate) fn no_such_bucket(name: &str) -> S3Error {
    refuse(S3ErrorCode::NoSuchBucket).detail("BucketName", name)
}

pub(crate) fn no_such_key(key: &str) -> S3Error {
    refuse(S3ErrorCode::NoSuchKey).detail("Key", key)
}

pub(crate) fn no_such_upload(id: &str) -> S3Error {
    refuse(S3ErrorCode::NoSuchUpload).detail("UploadId", id)
}

/// `PreconditionFailed`, with the header that did not hold.
pub(crate) fn precondition_failed(condition: &str) -> S3Error {
    refuse(S3ErrorCode::PreconditionFailed).detail("Condition", condition)
}

pub(crate) fn invalid_argument(message: impl Into<String>) -> S3Error {
    refuse_with(S3ErrorCode::InvalidArgument, message)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> S3Error {
    refuse_with(S3ErrorCode::InvalidRequest, message)
}

/// More elements in the body of an error.
pub(crate) trait Details {
    fn detail(self, element: &str, text: impl Display) -> Self;
    fn header(self, name: &'static str, value: impl Display) -> Self;
}

impl Details for S3Error {
    fn detail(self, element: &str, text: impl Display) -> Self {
        self.header(DETAIL, format_args!("{element}={text}"))
    }

    fn header(mut self, name: &'static str, value: impl Display) -> Self {
        // A key with control characters cannot be a header; the error then names no key.
        if let Ok(value) = HeaderValue::from_bytes(value.to_string().as_bytes()) {
            let mut headers = self.headers().cloned().unwrap_or_default();
            headers.append(name, value);
            self.set_headers(headers);
        }
        self
    }
}

/// Adds what s3s leaves out of an error: S3's text, details, the resource and the request's id.
pub(crate) fn complete(response: Response<Body>, resource: &str, request: &str) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let details = take_details(&mut parts.headers);
    let is_error = parts.status.is_client_error() || parts.status.is_server_error();
    let written = body.bytes().filter(|_| is_error);
    let text = written.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let Some(mut text) = text.filter(|text| text.contains("</Error>")) else {
        return Response::from_parts(parts, body);
    };
    // Headers of an error replace those that s3s has set.
    let kind = HeaderValue::from_static("application/xml");
    parts.headers.insert(CONTENT_TYPE, kind);
    let mut added = String::new();
    let code = element(&text, "Code").unwrap_or_default().to_owned();
    match element(&text, "Message") {
        None => push(&mut added, "Message", text_of(&code)),
        Some(_) if code == "NotImplemented" => {
            let here = "<Message>transom local cannot do this, Amazon S3 can: ";
            text = text.replacen("<Message>", here, 1);
        }
        Some(_) => {}
    }
    for (name, text) in &details {
        push(&mut added, name, text);
    }
    push(&mut added, "Resource", resource);
    push(&mut added, "RequestId", request);
    let text = text.replacen("</Error>", &format!("{added}</Error>"), 1);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Bytes::from(text)))
}

fn take_details(headers: &mut HeaderMap) -> Vec<(String, String)> {
    let details = headers.get_all(DETAIL).iter().filter_map(|detail| {
        let (element, text) = std::str::from_utf8(detail.as_bytes())
            .ok()?
            .split_once('=')?;
        Some((element.to_owned(), text.to_owned()))
    });
    let details = details.collect();
    headers.remove(DETAIL);
    details
}

/// The text of an element as it is written.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

fn push(xml: &mut String, element: &str, text: &str) {
    let text = escape(text);
    xml.push_str(&format!("<{element}>{text}</{element}>"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What S3 says with a code, where it always says the same.
fn text_of(code: &str) -> &'static str {
    match code {
        "AccessControlListNotSupported" => "The bucket does not allow ACLs",
        "AccessDenied" => "Access Denied",
        "BadDigest" => "The Content-MD5 you specified did not match what we received.",
        "BucketAlreadyOwnedByYou" => {
            "Your previous request to create the named bucket succeeded and you already own it."
        }
        "BucketNotEmpty" => "The bucket you tried to delete is not empty",
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed size",
        "EntityTooSmall" => "Your proposed upload is smaller than the minimum allowed size",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header"
        }
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidAccessKeyId" => "The AWS Access Key Id you provided does not exist in our records.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidDigest" => "The Content-MD5 you specified was invalid.",
        "InvalidPart" => {
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag."
        }
        "InvalidPartOrder" => {
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        }
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MetadataTooLarge" => "Your metadata headers exceed the maximum allowed metadata size",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchLifecycleConfiguration" => "The lifecycle configuration does not exist",
        "NotImplemented" => "A header you provided implies functionality that is not implemented",
        "NoSuchUpload" => {
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
             completed."
        }
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        "RequestTimeTooSkewed" => {
            "The difference between the request time and the current time is too large."
        }
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing \
             method."
        }
        "XAmzContentSHA256Mismatch" => {
            "The provided 'x-amz-content-sha256' header does not match what was computed."
        }
        _ => "The request was refused.",
    }
}

/// What an error says, for answers that hold several.
pub(crate) fn message(error: &S3Error) -> String {
    let message = error.message().map(str::to_owned);
    message.unwrap_or_else(|| text_of(error.code().as_str()).to_owned())
}
