//! The local S3 as COPY and UNLOAD see it: requests within the process, which nobody has to sign.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::Body;
use transom_redshift::{Object, ObjectError, Objects};

use crate::s3::S3;

/// Letters of a key that stay as they are in an address.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Bytes of an object that is read at once.
const MOST_BYTES: usize = 16 << 30;

#[derive(Debug)]
pub(crate) struct Buckets(pub(crate) S3);

impl Buckets {
    async fn call(
        &self,
        method: Method,
        bucket: &str,
        key: &str,
        body: Bytes,
    ) -> Result<Bytes, ObjectError> {
        let failed = |error: &dyn std::fmt::Display| ObjectError::Failed(error.to_string());
        let key = utf8_percent_encode(key, KEY);
        let request = Request::builder()
            .method(method)
            .uri(format!("http://localhost/{bucket}/{key}"))
            .header("host", "localhost")
            .header("content-length", body.len())
            .body(Body::from(body))
            .map_err(|error| failed(&error))?;
        let response: Response<Body> = self.0.call(request, "redshift").await;
        let status = response.status();
        let mut body = response.into_body();
        let bytes = body.store_all_limited(MOST_BYTES).await;
        let bytes = bytes.map_err(|error| failed(&error))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map_or("", |(code, _)| code);
        Err(match (status, code) {
            (StatusCode::NOT_FOUND, "NoSuchBucket") => ObjectError::NoSuchBucket,
            (StatusCode::NOT_FOUND, _) => ObjectError::NoSuchKey,
            (status, code) => ObjectError::Failed(format!("{status} {code}")),
        })
    }
}

#[async_trait::async_trait]
impl Objects for Buckets {
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>, ObjectError> {
        match self.0.keys(bucket, prefix).await {
            Ok(Some(keys)) => Ok(keys
                .into_iter()
                .map(|(key, size)| Object { key, size })
                .collect()),
            Ok(None) => Err(ObjectError::NoSuchBucket),
            Err(error) => Err(ObjectError::Failed(error)),
        }
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        self.call(Method::GET, bucket, key, Bytes::new()).await
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.call(Method::PUT, bucket, key, bytes).await.map(|_| ())
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        self.call(Method::DELETE, bucket, key, Bytes::new())
            .await
            .map(|_| ())
    }
}
