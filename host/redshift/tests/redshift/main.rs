//! The local Redshift as a library: statements and what comes of them (`*.slt`), and sessions beside each other.

mod buckets;
mod coverage;
mod documentation;
mod history;
mod sessions;
mod statements;
mod unloads;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;
use transom_redshift::{Engine, Isolation, Object, ObjectError, Objects, Options, Session};

/// One bucket, called `bucket`.
#[derive(Debug, Default)]
pub(crate) struct OneBucket(Mutex<BTreeMap<String, Bytes>>);

impl OneBucket {
    fn objects(
        &self,
        bucket: &str,
    ) -> Result<std::sync::MutexGuard<'_, BTreeMap<String, Bytes>>, ObjectError> {
        match bucket {
            "bucket" => Ok(self.0.lock().unwrap()),
            "broken" => Err(ObjectError::Failed("503 SlowDown".to_owned())),
            _ => Err(ObjectError::NoSuchBucket),
        }
    }
}

#[async_trait::async_trait]
impl Objects for OneBucket {
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>, ObjectError> {
        let objects = self.objects(bucket)?;
        let objects = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let objects = objects.map(|(key, bytes)| Object {
            key: key.clone(),
            size: bytes.len() as u64,
        });
        Ok(objects.collect())
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        let objects = self.objects(bucket)?;
        objects.get(key).cloned().ok_or(ObjectError::NoSuchKey)
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.objects(bucket)?.insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        self.objects(bucket)?.remove(key);
        Ok(())
    }
}

/// An engine over a new folder.
pub(crate) struct Fresh {
    pub(crate) engine: Engine,
    pub(crate) bucket: Arc<OneBucket>,
    _folder: TempDir,
}

pub(crate) fn fresh(isolation: Isolation) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Arc::new(OneBucket::default());
    let options = Options {
        data: folder.path().to_owned(),
        isolation,
        objects: Arc::clone(&bucket) as Arc<dyn Objects>,
        database: "dev".to_owned(),
    };
    Fresh {
        engine: Engine::open(options).unwrap(),
        bucket,
        _folder: folder,
    }
}

/// Runs statements that succeed.
pub(crate) async fn run(session: &Session, statements: &[&str]) {
    for statement in statements {
        session
            .run(statement, &[])
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}
