//! The local Redshift as a library: statements and what comes of them (`*.slt`), and sessions beside each other.

mod buckets;
mod coverage;
mod sessions;
mod statements;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;
use transom_redshift::{Engine, Isolation, ObjectStores, Options};

/// One bucket, called `bucket`.
#[derive(Debug, Default)]
pub(crate) struct OneBucket(pub(crate) Arc<InMemory>);

impl ObjectStores for OneBucket {
    fn bucket(&self, name: &str) -> Option<Arc<dyn ObjectStore>> {
        (name == "bucket").then(|| Arc::clone(&self.0) as Arc<dyn ObjectStore>)
    }
}

/// An engine over a new folder.
pub(crate) struct Fresh {
    pub(crate) engine: Engine,
    pub(crate) bucket: Arc<InMemory>,
    _folder: TempDir,
}

pub(crate) fn fresh(isolation: Isolation) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let bucket = OneBucket::default();
    let memory = Arc::clone(&bucket.0);
    let options = Options {
        data: folder.path().to_owned(),
        isolation,
        objects: Arc::new(bucket),
        database: "dev".to_owned(),
    };
    Fresh {
        engine: Engine::open(options).unwrap(),
        bucket: memory,
        _folder: folder,
    }
}
