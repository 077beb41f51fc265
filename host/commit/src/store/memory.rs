//! Documents in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Store, StoreError, StoreErrorKind, Stored, deletable, spent};
use crate::id::Object;

/// Documents in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    documents: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn documents(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let mut documents = self.documents();
        if documents.contains_key(key) {
            return Err(StoreError::new(StoreErrorKind::Exists, "create", key));
        }
        documents.insert(key.to_owned(), content);
        Ok(())
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        self.documents().insert(key.to_owned(), content);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.documents().get(key).cloned())
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let documents = self.documents();
        let keys = documents.keys().filter(|key| key.starts_with(prefix));
        Ok(keys
            .filter(|key| after.is_none_or(|after| key.as_str() > after))
            .cloned()
            .collect())
    }

    async fn objects(&self) -> Result<Vec<Stored>, StoreError> {
        let documents = self.documents();
        let stored = documents.iter().filter_map(|(key, content)| {
            Stored::of(key, content.len() as u64, SystemTime::UNIX_EPOCH)
        });
        Ok(stored.collect())
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), StoreError> {
        let mut documents = self.documents();
        for key in deletable(objects) {
            documents.remove(&key);
        }
        Ok(())
    }

    async fn delete_spent(&self, keys: &[String]) -> Result<(), StoreError> {
        let mut documents = self.documents();
        for key in spent(keys) {
            documents.remove(key);
        }
        Ok(())
    }
}
