//! Versions of a table in a bucket. The pointer says which one is visible ([`crate::pointer`]).

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use super::{
    Attempt, OutFile, SinkError, Version, Versions, Written, WrittenFile, is_dead, name_after,
};
use crate::aws::{Bucket, S3Error, S3ErrorKind, Upload};
use crate::pointer::Pointer;
use transom_commit::fault;
use transom_file::spec::{Place, S3Url};

/// How often the pointer is written before an unclear answer is reported.
const SWITCHES: usize = 5;
/// Pause before the pointer is written again; doubles.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct BucketVersions {
    sink: String,
    table: S3Url,
    /// What the keys of all versions begin with.
    versions: String,
    bucket: Bucket,
}

impl BucketVersions {
    pub(super) fn new(sink: &str, table: &S3Url, bucket: Bucket) -> Result<Self, SinkError> {
        let versions = Pointer::versions(table).ok_or_else(|| SinkError::Path {
            name: sink.to_owned(),
            path: Place::S3(table.clone()),
        })?;
        Ok(Self {
            sink: sink.to_owned(),
            table: table.clone(),
            versions,
            bucket,
        })
    }

    fn failing<T>(&self, asked: Result<T, S3Error>) -> Result<T, SinkError> {
        asked.map_err(|error| SinkError::s3(&self.sink, error))
    }

    async fn pointer(&self) -> Result<Option<(Pointer, String)>, SinkError> {
        self.failing(Pointer::read(&self.bucket, &self.table).await)
    }

    fn key(&self, version: &str, path: &Path) -> String {
        let path = path.to_string_lossy();
        format!("{}{version}/{path}", self.versions)
    }

    /// Whether nothing but a pointer stands in the table's place.
    async fn check_free(&self) -> Result<(), SinkError> {
        match self.failing(Pointer::foreign(&self.bucket, &self.table).await)? {
            None => Ok(()),
            Some(found) => Err(SinkError::NotOurs {
                name: self.sink.clone(),
                path: Place::S3(self.table.clone()),
                found,
            }),
        }
    }

    /// Whether what was staged is still there: nothing else may become visible.
    async fn check_whole(&self, version: &str, written: &Written) -> Result<(), SinkError> {
        let folder = self.key(version, Path::new(""));
        let listed = self.failing(self.bucket.list(&folder).await)?;
        let bytes = listed.iter().map(|object| object.bytes).sum::<u64>();
        match (listed.len(), bytes) == (written.files.len(), written.bytes) {
            true => Ok(()),
            false => Err(SinkError::Gone {
                name: self.sink.clone(),
                path: Place::S3(self.bucket.url(&folder)),
            }),
        }
    }

    async fn try_remove(&self, version: &str) -> Result<(), S3Error> {
        let listed = self.bucket.list(&self.key(version, Path::new(""))).await?;
        let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
        self.bucket.delete(&keys).await
    }
}

#[async_trait]
impl Versions for BucketVersions {
    fn table(&self) -> Place {
        Place::S3(self.table.clone())
    }

    async fn exists(&self) -> Result<bool, SinkError> {
        Ok(self.pointer().await?.is_some())
    }

    async fn create(&self, attempt: &Attempt) -> Result<Version, SinkError> {
        self.check_free().await?;
        let previous = self.pointer().await?.map(|(pointer, _)| pointer.version);
        Ok(Version {
            name: name_after(previous.as_deref(), attempt),
            previous,
            lease: None,
        })
    }

    fn file(&self, version: &str, path: &Path) -> io::Result<OutFile> {
        let upload = Upload::new(self.bucket.clone(), self.key(version, path));
        Ok(OutFile::upload(upload))
    }

    /// An object that was acknowledged outlives everything.
    async fn seal(&self, _: &str, _: &[WrittenFile]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn switch(
        &self,
        version: &str,
        previous: Option<&str>,
        written: &Written,
    ) -> Result<(), SinkError> {
        let mut unclear = None;
        for round in 0..SWITCHES {
            if round > 0 {
                tokio::time::sleep(PAUSE * (1 << (round - 1))).await;
            }
            let (current, etag) = match self.pointer().await {
                Ok(Some((pointer, etag))) => (Some(pointer.version), Some(etag)),
                Ok(None) => (None, None),
                // An answer before this one was lost, and this one too.
                Err(error) if unclear.is_some() => {
                    tracing::debug!(%error, "the pointer cannot be read");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if current.as_deref() == Some(version) {
                return Ok(());
            }
            if current.as_deref() != previous {
                return Err(SinkError::Overtaken {
                    name: self.sink.clone(),
                    path: self.table(),
                    visible: current,
                });
            }
            if unclear.is_none() {
                self.check_whole(version, written).await?;
            }
            fault::at("switch.read");
            let pointer = Pointer::new(version, previous, written).to_bytes();
            let key = Pointer::key(&self.table);
            match self.bucket.put_if(&key, pointer, etag.as_deref()).await {
                // Only a look tells whether a lost answer was a success: the next round looks.
                Ok(()) => {
                    fault::at("switch.done");
                    return Ok(());
                }
                Err(error) if error.kind == S3ErrorKind::Changed => unclear = Some(error),
                Err(error)
                    if matches!(error.kind, S3ErrorKind::Unclear | S3ErrorKind::Temporary) =>
                {
                    unclear = Some(error);
                }
                Err(error) => return self.failing(Err(error)),
            }
        }
        let source = unclear.unwrap_or_else(|| {
            let message = "it changes again and again".to_owned();
            S3Error::other("write", self.table.clone(), message)
        });
        Err(SinkError::Unclear {
            name: self.sink.clone(),
            source: Box::new(source),
        })
    }

    async fn tidy(&self, current: &str, previous: Option<&str>) {
        let tidied = async {
            // A version is as old as its youngest file.
            let mut versions: BTreeMap<String, (SystemTime, Vec<String>)> = BTreeMap::new();
            for object in self.bucket.list(&self.versions).await? {
                let name = object.key[self.versions.len()..].split('/').next();
                let name = name.unwrap_or_default().to_owned();
                let (youngest, keys) = versions
                    .entry(name)
                    .or_insert((SystemTime::UNIX_EPOCH, Vec::new()));
                *youngest = object.modified.max(*youngest);
                keys.push(object.key);
            }
            for (version, (modified, keys)) in versions {
                let age = modified.elapsed().unwrap_or_default();
                if is_dead(&version, current, previous, age) {
                    self.bucket.delete(&keys).await?;
                }
            }
            Ok::<_, S3Error>(())
        };
        if let Err(error) = tidied.await {
            tracing::warn!(sink = self.sink, %error, "old versions not deleted");
        }
    }

    async fn remove(&self, version: &str) {
        if let Err(error) = self.try_remove(version).await {
            tracing::warn!(sink = self.sink, version, %error, "a version is left");
        }
    }

    fn remove_now(&self, version: &str) {
        tracing::debug!(
            sink = self.sink,
            version,
            "a version is left until it is old"
        );
    }
}
