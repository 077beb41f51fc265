//! A prefix of a bucket. An object that was acknowledged outlives everything, so that nothing has to be sealed.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use transom_file::spec::{Place, S3Url};

use super::{Copied, Found, OutFile, Tree, TreeError, WrittenFile};
use crate::aws::{Bucket, S3ErrorKind, Upload};

/// Bytes that are read at once for a sum.
const SUMMED_AT_ONCE: u64 = 8 << 20;

#[derive(Debug)]
pub(in crate::sink) struct BucketTree {
    root: S3Url,
    bucket: Bucket,
}

impl BucketTree {
    pub(in crate::sink) fn new(root: &S3Url, bucket: Bucket) -> Self {
        Self {
            root: root.clone(),
            bucket,
        }
    }

    fn key(&self, path: &str) -> String {
        self.root.join(path).key
    }

    fn folder(&self, path: &str) -> String {
        match path {
            "" => format!("{}/", self.root.key.trim_end_matches('/')),
            path => format!("{}/", self.key(path).trim_end_matches('/')),
        }
    }
}

#[async_trait]
impl Tree for BucketTree {
    fn place(&self) -> Place {
        Place::S3(self.root.clone())
    }

    fn file(&self, path: &str) -> io::Result<OutFile> {
        let upload = Upload::new(self.bucket.clone(), self.key(path));
        Ok(OutFile::upload(upload))
    }

    async fn seal(&self, _: &str, _: &[WrittenFile]) -> Result<(), TreeError> {
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        let got = self.bucket.get(&self.key(path)).await?;
        Ok(got.map(|(bytes, _)| bytes))
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), TreeError> {
        Ok(self.bucket.put(&self.key(path), bytes).await?)
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, TreeError> {
        let found = self.bucket.head(&self.key(path)).await?;
        Ok(found.map(|object| object.bytes))
    }

    async fn summed(&self, path: &str) -> Result<Option<(u64, Option<u32>)>, TreeError> {
        let found = self.bucket.summed(&self.key(path)).await?;
        Ok(found.map(|(object, sum)| (object.bytes, sum)))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<Copied, TreeError> {
        match self.bucket.copy_new(&self.key(from), &self.key(to)).await {
            Ok(()) => Ok(Copied::Yes),
            Err(error) if error.kind() == S3ErrorKind::Changed => Ok(Copied::Taken),
            Err(error) if error.kind() == S3ErrorKind::NotFound => Ok(Copied::Gone),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, folder: &str) -> Result<(), TreeError> {
        let listed = self.bucket.list(&self.folder(folder)).await?;
        let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
        Ok(self.bucket.delete(&keys).await?)
    }

    async fn remove(&self, files: &[String]) -> Result<(), TreeError> {
        let keys: Vec<String> = files.iter().map(|file| self.key(file)).collect();
        Ok(self.bucket.delete(&keys).await?)
    }

    async fn crc32(&self, path: &str) -> Result<Option<u32>, TreeError> {
        let key = self.key(path);
        let Some(object) = self.bucket.head(&key).await? else {
            return Ok(None);
        };
        let mut hasher = crc32fast::Hasher::new();
        let mut start = 0;
        while start < object.bytes {
            let end = object.bytes.min(start + SUMMED_AT_ONCE);
            hasher.update(&self.bucket.read(&key, &object.etag, start..end).await?);
            start = end;
        }
        Ok(Some(hasher.finalize()))
    }

    async fn files(&self, folder: &str) -> Result<Vec<Found>, TreeError> {
        let root = self.folder("");
        let root = root.trim_start_matches('/');
        let listed = self.bucket.list(&self.folder(folder)).await?;
        let found = listed.into_iter().filter_map(|object| {
            Some(Found {
                path: object.key.strip_prefix(root)?.to_owned(),
                ..Found::from(object)
            })
        });
        Ok(found.collect())
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        Ok(self.bucket.names(&self.folder(folder)).await?)
    }
}
