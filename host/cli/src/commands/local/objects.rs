//! Another S3 than the local one, for COPY and UNLOAD of the local Redshift.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use transom_file::spec::{AwsOptions, Endpoint, S3Url};
use transom_local::{Object, ObjectError, Objects};
use transom_pipeline::{Aws, S3Error, S3ErrorKind};

/// An S3, with the credentials that AWS's tools find on this machine.
#[derive(Debug)]
pub(super) struct OtherS3(Aws);

impl OtherS3 {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self(Aws::new(AwsOptions {
            endpoint,
            ..AwsOptions::default()
        }))
    }
}

/// What `--s3-endpoint` names.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let mut schemes = ["http://", "https://"].iter();
    let host = schemes.find_map(|scheme| text.strip_prefix(scheme));
    match (text, host) {
        ("aws", _) => Ok(Endpoint::Aws),
        // What stands before an `@` is a secret.
        (url, Some(host)) if !host.is_empty() && !host.contains('@') => {
            Ok(Endpoint::Url(url.to_owned()))
        }
        _ => Err("expected `aws`, or an address such as `http://127.0.0.1:9000`".to_owned()),
    }
}

fn url(bucket: &str, key: &str) -> S3Url {
    S3Url {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

fn refused(error: &S3Error) -> ObjectError {
    match error.kind() {
        S3ErrorKind::NoBucket => ObjectError::NoSuchBucket,
        S3ErrorKind::NotFound => ObjectError::NoSuchKey,
        _ => ObjectError::Failed(error.to_string()),
    }
}

fn failed(error: &io::Error) -> ObjectError {
    let said = error.get_ref();
    match said.and_then(|said| said.downcast_ref::<S3Error>()) {
        Some(said) => refused(said),
        None => ObjectError::Failed(error.to_string()),
    }
}

#[async_trait]
impl Objects for OtherS3 {
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>, ObjectError> {
        let keys = self.0.keys(&url(bucket, prefix)).await;
        let keys = keys.map_err(|error| refused(&error))?.into_iter();
        Ok(keys.map(|(key, size)| Object { key, size }).collect())
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        let found = self.0.get(&url(bucket, key)).await;
        let found = found.map_err(|error| refused(&error))?;
        found.ok_or(ObjectError::NoSuchKey)
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let put = self.0.put(&url(bucket, key), bytes).await;
        put.map_err(|error| failed(&error))
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        let deleted = self.0.delete(&url(bucket, key)).await;
        deleted.map_err(|error| refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_or_amazons() {
        assert_eq!(endpoint("aws"), Ok(Endpoint::Aws));
        let url = "http://127.0.0.1:9000";
        assert_eq!(endpoint(url), Ok(Endpoint::Url(url.to_owned())));
        for wrong in ["", "local", "127.0.0.1:9000", "http://", "https://a:b@host"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
