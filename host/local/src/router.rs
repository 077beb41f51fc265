//! One port for all services: a request names its own in its signature, and JSON services in `X-Amz-Target`.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use s3s::Body;

use crate::admin;
use crate::redshift::{self, Redshift};
use crate::s3::S3;

/// What no bucket can be called.
const ADMIN: &str = "/_transom/";

/// Marks an answer that is not sent: the connection is closed instead.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer is lost, as was asked for")]
pub(crate) struct Lost;

/// Answers requests.
#[derive(Debug)]
pub(crate) struct Router {
    s3: S3,
    redshift: Redshift,
}

impl Router {
    pub(crate) fn new(s3: S3, redshift: Redshift) -> Self {
        Self { s3, redshift }
    }

    /// Runs the lifecycle rules for now.
    pub(crate) async fn run_lifecycle(&self) {
        if let Err(error) = self.s3.run_lifecycle(None).await {
            tracing::warn!(error, "lifecycle rules cannot be run");
        }
    }

    async fn route(&self, request: Request<Body>) -> Response<Body> {
        let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
        let id = &id[..16];
        let method = request.method().clone();
        // Without the query, which can hold signatures and session tokens.
        let path = request.uri().path().to_owned();
        let mut response = match (path.strip_prefix(ADMIN), named_service(&request)) {
            (Some(action), _) => admin::answer(&self.s3, &self.redshift, action, request).await,
            (None, None) => self.s3.call(request, id).await,
            (None, Some(service)) if service == "s3" => self.s3.call(request, id).await,
            (None, Some(service)) if service == "redshiftdata" || service == "redshift-data" => {
                redshift::answer(&self.redshift, request).await
            }
            (None, Some(service)) => unknown(&service, &request, id),
        };
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, id, "answered");
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("x-amz-request-id", id);
        }
        headers.insert("server", HeaderValue::from_static("transom-local"));
        response
    }
}

/// The router as a connection calls it.
#[derive(Debug, Clone)]
pub(crate) struct Connection(pub(crate) Arc<Router>);

impl Service<Request<Incoming>> for Connection {
    type Response = Response<Body>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Lost>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let router = Arc::clone(&self.0);
        Box::pin(async move {
            let response = router.route(request.map(Body::from)).await;
            match response.extensions().get::<Lost>() {
                Some(lost) => Err(*lost),
                None => Ok(response),
            }
        })
    }
}

/// The region and the service that a request is signed for; none, if it is not.
fn scope<B>(request: &Request<B>) -> Option<(String, String)> {
    // `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let in_header = authorization.and_then(|text| text.split_once("Credential="));
    let in_header = in_header.map(|(_, scope)| scope.replace("%2F", "/"));
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = query.split('&');
    let in_query = parameters.find_map(|parameter| parameter.strip_prefix("X-Amz-Credential="));
    let scope = in_header.or(in_query.map(|scope| scope.replace("%2F", "/")))?;
    // A key may hold slashes; what follows it does not.
    let mut parts = scope.split(',').next()?.rsplit('/').skip(1);
    let service = parts.next()?.to_owned();
    Some((parts.next()?.to_owned(), service))
}

/// The region that a request is signed for.
pub(crate) fn signed_region<B>(request: &Request<B>) -> Option<String> {
    scope(request).map(|(region, _)| region)
}

/// The service that a request is for; none, if it does not say.
fn named_service<B>(request: &Request<B>) -> Option<String> {
    let headers = request.headers();
    if let Some(target) = headers.get("x-amz-target") {
        // `DynamoDB_20120810.PutItem`
        let target = target.to_str().unwrap_or_default();
        let service = target.split(['.', '_']).next().unwrap_or_default();
        return Some(service.to_lowercase());
    }
    scope(request).map(|(_, service)| service)
}

/// An error in the form that the service's clients read.
fn unknown<B>(service: &str, request: &Request<B>, id: &str) -> Response<Body> {
    let service: String = service
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .collect();
    let message =
        format!("transom local has no service `{service}`; it has `s3` and `redshift-data`");
    let headers = request.headers();
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = headers.contains_key("x-amz-target")
        || kind.is_some_and(|kind| kind.starts_with(b"application/x-amz-json"));
    let (kind, text) = match is_json {
        true => (
            "application/x-amz-json-1.1",
            format!(r#"{{"__type":"NotImplementedException","message":"{message}"}}"#),
        ),
        false => (
            "text/xml",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>\
                 <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            ),
        ),
    };
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
