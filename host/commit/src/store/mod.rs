//! Where documents of the protocol lie: a bucket, a folder, or memory.
//!
//! The protocol stands on one operation, [`Store::create`], which succeeds for one of any number of writers. What decides
//! cannot be removed through this trait: only documents of attempts, reports of runs and what has waited for entries can.

#[cfg(feature = "testing")]
pub mod conformance;
mod folder;
mod memory;

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::id::Object;
#[cfg(feature = "testing")]
use crate::mutant::Mutant;

pub use self::folder::FolderStore;
pub use self::memory::MemoryStore;

/// A place for documents, by keys such as `log/00000000000000000042.json`.
///
/// What an operation acknowledges is durable, and everyone sees it at once. Dropping a call's future may leave the
/// operation on its way: it is then carried out, or not, at any time later.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Creates a document, only if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Exists`] if there is one. An implementation may say so of its own document, when it repeats a
    /// request whose answer was lost: the caller reads the document to know.
    async fn create(&self, key: &str, content: Bytes) -> Result<(), StoreError>;

    /// Writes a document, over one that is there.
    ///
    /// # Errors
    ///
    /// If it is not written, or that is not clear.
    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError>;

    /// A document's content; none if there is no such document.
    ///
    /// # Errors
    ///
    /// If that is not known.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// The keys that begin with `prefix` and come after `after`, in the order of bytes.
    ///
    /// # Errors
    ///
    /// If they are not known.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError>;

    /// The documents that attempts have written, each with its size in bytes and when that was.
    ///
    /// # Errors
    ///
    /// If they are not known.
    async fn objects(&self) -> Result<Vec<Stored>, StoreError>;

    /// Deletes documents that attempts have written; some may be gone. Those of no attempt stay.
    ///
    /// # Errors
    ///
    /// If some may still be there.
    async fn delete(&self, objects: &[Object]) -> Result<(), StoreError>;

    /// Deletes documents that decide nothing, or nothing any more: reports of runs, attempts that have waited to be loaded, shares of
    /// closed backfills. Some may be gone; all with other keys stay.
    ///
    /// # Errors
    ///
    /// If some may still be there.
    async fn delete_spent(&self, keys: &[String]) -> Result<(), StoreError>;
}

/// A document that an attempt has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub object: Object,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

impl Stored {
    /// The document with this key, if an attempt has written it.
    pub fn of(key: &str, bytes: u64, modified: SystemTime) -> Option<Self> {
        let object: Object = key.parse().ok()?;
        object.attempt.map(|_| Self {
            object,
            bytes,
            modified,
        })
    }
}

/// The keys of those that an attempt has written.
pub fn deletable(objects: &[Object]) -> impl Iterator<Item = String> + '_ {
    let of_attempts = objects.iter().filter(|object| object.attempt.is_some());
    of_attempts.map(Object::to_string)
}

/// Those of these keys that [`Store::delete_spent`] may delete.
pub fn spent(keys: &[String]) -> impl Iterator<Item = &String> {
    use crate::keys::{RUNS, SHARES, STAGED};
    let folders: &[&str] = &[RUNS, SHARES, STAGED];
    #[cfg(feature = "testing")]
    let folders: &[&str] = match Mutant::from_env() {
        Some(Mutant::LogEntryDeleted) => &[RUNS, SHARES, STAGED, crate::keys::LOG],
        _ => folders,
    };
    keys.iter()
        .filter(move |key| folders.iter().any(|folder| key.starts_with(folder)))
}

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The document is there (S3: 412).
    Exists,
    /// It may have been carried out, or still be (a timeout, a lost connection, 500), or another writer is at it (409).
    Unclear,
    /// It was not carried out, and trying again may help (503, no connection).
    Temporary,
    /// It was not carried out and never will be (403, no such bucket).
    Refused,
}

/// An operation that failed.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    key: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// A failure of an operation (`create`, `put`, `get`, `list`) on a key.
    pub fn new(kind: StoreErrorKind, operation: &'static str, key: &str) -> Self {
        Self {
            kind,
            operation,
            key: key.to_owned(),
            source: None,
        }
    }

    /// The same, with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it means.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            operation,
            key,
            ..
        } = self;
        match kind {
            StoreErrorKind::Exists => write!(f, "`{key}` exists already"),
            StoreErrorKind::Unclear => write!(
                f,
                "cannot {operation} `{key}`: it is not clear whether it was done"
            ),
            StoreErrorKind::Temporary => write!(f, "cannot {operation} `{key}` at the moment"),
            StoreErrorKind::Refused => write!(f, "cannot {operation} `{key}`"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
