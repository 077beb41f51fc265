//! Documents of the commit protocol in a bucket. All that the protocol stands on is a put on the condition that there is no object.

use async_trait::async_trait;
use bytes::Bytes;
use transom_commit::{Object, Store, StoreError, StoreErrorKind, Stored, deletable, keys, spent};
use transom_file::spec::S3Url;

use crate::aws::{Aws, Bucket, S3Error, S3ErrorKind};

/// Documents below a prefix.
#[derive(Debug)]
pub struct S3Store {
    bucket: Bucket,
    prefix: S3Url,
}

impl S3Store {
    /// The store of a prefix.
    ///
    /// # Errors
    /// If the bucket cannot be reached.
    pub async fn open(aws: &Aws, prefix: &S3Url) -> Result<Self, S3Error> {
        Ok(Self {
            bucket: aws.bucket(&prefix.bucket).await?,
            prefix: prefix.clone(),
        })
    }

    fn key(&self, key: &str) -> String {
        self.prefix.join(key).key
    }
}

fn failed(operation: &'static str, key: &str) -> impl FnOnce(S3Error) -> StoreError {
    move |error| {
        let kind = match error.kind() {
            S3ErrorKind::Changed => StoreErrorKind::Exists,
            // The SDK has repeated the request: one of them may have been carried out.
            S3ErrorKind::Temporary | S3ErrorKind::Unclear => StoreErrorKind::Unclear,
            _ => StoreErrorKind::Refused,
        };
        StoreError::new(kind, operation, key).because(error)
    }
}

#[async_trait]
impl Store for S3Store {
    async fn create(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let created = self.bucket.put_if(&self.key(key), content, None).await;
        created.map_err(failed("create", key))
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let put = self.bucket.put(&self.key(key), content).await;
        put.map_err(failed("put", key))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let got = self.bucket.get(&self.key(key)).await;
        Ok(got.map_err(failed("get", key))?.map(|(content, _)| content))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let after = after.map(|after| self.key(after));
        let listed = self.bucket.list_after(&self.key(prefix), after).await;
        let root = self.key("");
        let keys = listed.map_err(failed("list", prefix))?.into_iter();
        let keys = keys.filter_map(|object| Some(object.key.strip_prefix(&root)?.to_owned()));
        // S3 lists by bytes; servers that keep keys in folders list by folder.
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        Ok(keys)
    }

    async fn objects(&self) -> Result<Vec<Stored>, StoreError> {
        let listed = self.bucket.list(&self.key(keys::OBJECTS)).await;
        let listed = listed.map_err(failed("list", keys::OBJECTS))?;
        let root = self.key("");
        let stored = listed.into_iter().filter_map(|object| {
            let key = object.key.strip_prefix(&root)?;
            Stored::of(key, object.bytes, object.modified)
        });
        Ok(stored.collect())
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), StoreError> {
        let names: Vec<String> = deletable(objects).map(|key| self.key(&key)).collect();
        let deleted = self.bucket.delete(&names).await;
        deleted.map_err(failed("delete", keys::OBJECTS))
    }

    async fn delete_spent(&self, keys: &[String]) -> Result<(), StoreError> {
        let names: Vec<String> = spent(keys).map(|key| self.key(key)).collect();
        let deleted = self.bucket.delete(&names).await;
        deleted.map_err(failed("delete", "what is spent"))
    }
}
