//! The local S3: the protocol is s3s's, what it means is here.
//!
//! A request passes [`S3::call`] (what concerns every request), s3s (decoding), [`service`] (one method for each
//! operation), and then [`buckets`], [`objects`] or [`multipart`], which work on the [`store`].

mod about;
mod buckets;
mod checksums;
mod conditions;
mod copy;
mod errors;
mod lifecycle;
mod list;
mod multipart;
mod objects;
mod receive;
mod send;
mod service;
mod signature;
mod store;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::Range;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3ErrorCode, S3Result};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use self::checksums::{Algorithm, Expected};
use self::errors::{invalid_argument, invalid_request, not_here, refuse, refuse_custom};
pub use self::lifecycle::Expired;
use self::service::LocalS3;
pub(crate) use self::store::OpenError;
use self::store::{Store, Time};
use crate::access::AccessLog;
use crate::server::Credentials;

/// The account that owns everything here.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Bodies of requests that are no object's data.
const MAX_XML_BYTES: usize = 4 << 20;

/// S3 as the router calls it.
#[derive(Debug)]
pub(crate) struct S3 {
    service: S3Service,
    store: Arc<Store>,
    checks_signatures: bool,
}

impl S3 {
    /// Opens the store in a folder; with credentials, every request has to be signed with them.
    pub(crate) fn open(
        folder: &Path,
        region: &str,
        credentials: Option<Credentials>,
        access: AccessLog,
    ) -> Result<Self, OpenError> {
        let store = Arc::new(Store::open(folder)?);
        let mut builder = S3ServiceBuilder::new(LocalS3 {
            store: Arc::clone(&store),
            access,
            region: region.to_owned(),
        });
        builder.set_host(Localhost);
        let checks_signatures = credentials.is_some();
        if let Some(credentials) = credentials {
            builder.set_auth(OneKey(credentials));
        }
        Ok(Self {
            service: builder.build(),
            store,
            checks_signatures,
        })
    }

    /// The same buckets for who is within the process and signs nothing.
    pub(crate) fn trusted(&self, region: &str) -> Self {
        let mut builder = S3ServiceBuilder::new(LocalS3 {
            store: Arc::clone(&self.store),
            access: AccessLog::default(),
            region: region.to_owned(),
        });
        builder.set_host(Localhost);
        Self {
            service: builder.build(),
            store: Arc::clone(&self.store),
            checks_signatures: false,
        }
    }

    /// The keys of a bucket that begin with a prefix, and the bytes of their objects; `None` if there is no such bucket.
    pub(crate) async fn keys(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Option<Vec<(String, u64)>>, String> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let keys = self.store.keys(bucket, prefix).await;
        keys.map_err(|error| errors::message(&error))
    }

    /// Answers a request; what is wrong with it is in the answer.
    pub(crate) async fn call(&self, request: Request<Body>, id: &str) -> Response<Body> {
        let path = percent_decode_str(request.uri().path());
        let resource = path.decode_utf8_lossy().into_owned();
        let response = match self.prepare(request).await {
            // s3s logs whole requests, with session tokens, and every refusal as an error.
            Ok(request) => {
                let answer = self.service.call(request);
                match answer.with_subscriber(NoSubscriber::default()).await {
                    Ok(response) => Ok(response),
                    Err(_) => Err(refuse(S3ErrorCode::InternalError)),
                }
            }
            Err(error) => Err(error),
        };
        let response = response.or_else(s3s::S3Error::to_http_response);
        let response = response.unwrap_or_else(|_| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
        errors::complete(response, &resource, id)
    }

    /// What concerns every request and what s3s does otherwise than S3.
    async fn prepare(&self, mut request: Request<Body>) -> S3Result<Request<Body>> {
        refuse_headers(request.headers())?;
        refuse_version(request.uri())?;
        // S3 answers a range that makes no sense with everything; s3s refuses it.
        let range = request.headers().get(RANGE);
        if range.is_some_and(|range| !range.to_str().is_ok_and(|text| Range::parse(text).is_ok())) {
            request.headers_mut().remove(RANGE);
        }
        if !self.checks_signatures {
            request = signature::accept(request);
        }
        match has_xml_body(request.method(), request.uri()) {
            true => check_xml_body(request).await,
            false => Ok(request),
        }
    }

    /// Deletes what the lifecycle rules say is over at a moment, in seconds since 1970; now, if none is given.
    pub(crate) async fn run_lifecycle(&self, at: Option<i64>) -> Result<Expired, String> {
        let now = at.map_or_else(Time::now, Time);
        let expired = lifecycle::run(&self.store, now).await;
        expired.map_err(|error| errors::message(&error))
    }

    /// Deletes all buckets with all they hold.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        let reset = self.store.reset().await;
        reset.map_err(|error| errors::message(&error))
    }

    /// How many buckets, objects, uploads and bytes there are.
    pub(crate) async fn contents(&self) -> Result<Contents, String> {
        let contents = self.store.contents().await;
        contents.map_err(|error| errors::message(&error))
    }
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contents {
    /// Buckets.
    pub buckets: u64,
    /// Objects of all buckets.
    pub objects: u64,
    /// Uploads that were not completed.
    pub uploads: u64,
    /// Bytes of the objects, as if no two shared their data.
    pub bytes: u64,
}

/// Operations whose body says what to do, and whose digest s3s does not compare.
fn has_xml_body(method: &Method, uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&');
    let mut names = names.map(|parameter| parameter.split('=').next().unwrap_or_default());
    match *method {
        Method::POST => names.any(|name| name == "delete"),
        Method::PUT => names.any(|name| name == "tagging" || name == "lifecycle"),
        _ => false,
    }
}

/// Compares `Content-MD5`, checksums and the hash of the signature with the body.
async fn check_xml_body(request: Request<Body>) -> S3Result<Request<Body>> {
    let (mut parts, mut body) = request.into_parts();
    let bytes = body.store_all_limited(MAX_XML_BYTES).await;
    let bytes: Bytes = bytes.map_err(|_| refuse(S3ErrorCode::IncompleteBody))?;
    let text = |algorithm: Algorithm| {
        let value = parts.headers.get(algorithm.header())?.to_str().ok()?;
        Some((algorithm, value.to_owned()))
    };
    let given = Algorithm::ALL.into_iter().find_map(text);
    let expected = Expected::of_request(&parts.headers, given, None, &parts.extensions)?;
    if parts.method == Method::POST
        && expected.algorithm().is_none()
        && !parts.headers.contains_key("content-md5")
    {
        return Err(invalid_request(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    let mut hashes = expected.hashes(Algorithm::Crc64nvme);
    hashes.update(&bytes);
    expected.check(&hashes.finish())?;
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Headers that S3 refuses on buckets as they are created today, and those that have no effect here.
fn refuse_headers(headers: &HeaderMap) -> S3Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let any = |prefix: &str| headers.keys().any(|name| name.as_str().starts_with(prefix));
    let acl = text("x-amz-acl");
    let allowed = ["private", "bucket-owner-full-control"];
    if acl.is_some_and(|acl| !allowed.contains(&acl)) || any("x-amz-grant-") {
        return Err(refuse_custom(
            StatusCode::BAD_REQUEST,
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
        ));
    }
    if any("x-amz-object-lock-") {
        return Err(invalid_request(
            "Bucket is missing Object Lock Configuration",
        ));
    }
    if any("x-amz-server-side-encryption-customer-")
        || any("x-amz-copy-source-server-side-encryption-customer-")
    {
        return Err(not_here("encryption with a key of the customer's"));
    }
    if headers.contains_key("x-amz-write-offset-bytes") {
        return Err(not_here("appending to objects"));
    }
    let owners = [
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
    ];
    if owners
        .iter()
        .filter_map(|name| text(name))
        .any(|owner| owner != ACCOUNT)
    {
        return Err(refuse(S3ErrorCode::AccessDenied));
    }
    Ok(())
}

/// Buckets have no versions here, and in one without them S3 knows the version `null` alone.
fn refuse_version(uri: &Uri) -> S3Result<()> {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let version = parameters.find_map(|parameter| parameter.strip_prefix("versionId="));
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(invalid_argument("Invalid version id specified")),
    }
}

/// Buckets in the name of the host: `bucket.localhost`. All other hosts are the server itself.
pub(crate) struct Localhost;

impl S3Host for Localhost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let bucket = name.strip_suffix(".localhost");
        let bucket = bucket.map(|bucket| bucket.strip_suffix(".s3").unwrap_or(bucket));
        Ok(match bucket {
            Some(bucket) if bucket != "s3" => VirtualHost::new("localhost").with_bucket(bucket),
            _ => VirtualHost::new(name),
        })
    }
}

/// The one pair of keys that signatures are checked with.
struct OneKey(Credentials);

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key == self.0.access_key {
            true => Ok(SecretKey::from(self.0.secret_key.as_str())),
            false => Err(refuse(S3ErrorCode::InvalidAccessKeyId)),
        }
    }
}
