//! Documents as files of a local folder.
//!
//! A document is written to a file of its own, synced, and then given its name: by `link`, which fails if the name is
//! taken, or by `rename`, which replaces. A name therefore never shows half a document, whatever is killed, and of many
//! processes one creates it. The folder is synced before that is acknowledged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{Store, StoreError, StoreErrorKind, Stored, deletable, spent};
use crate::id::Object;
use crate::keys;

/// Files that have no name yet. What a process that was killed leaves there is of no use, and in no listing.
const UNNAMED: &str = "unnamed";

/// Documents as files of a local folder, on a file system with hard links.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// Documents in this folder, which is created with the first of them.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The file of a key.
    fn path(&self, operation: &'static str, key: &str) -> Result<PathBuf, StoreError> {
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0'])
        };
        if key.split('/').all(plain) && key.split('/').next() != Some(UNNAMED) {
            return Ok(self.root.join(key));
        }
        let error = StoreError::new(StoreErrorKind::Refused, operation, key);
        Err(error.because("a key is parts of plain characters with `/` between them"))
    }

    /// Runs what blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce(&Path, &Path) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path(operation, key)?;
        let root = self.root.clone();
        let outcome = tokio::task::spawn_blocking(move || work(&root, &path)).await;
        let failed = |kind| StoreError::new(kind, operation, key);
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure {
                kind: StoreErrorKind::Exists,
                ..
            })) => Err(failed(StoreErrorKind::Exists)),
            Ok(Err(Failure { kind, source })) => Err(failed(kind).because(source)),
            // The runtime is shutting down: the thread may have done its work.
            Err(source) => Err(failed(StoreErrorKind::Unclear).because(source)),
        }
    }
}

struct Failure {
    kind: StoreErrorKind,
    source: io::Error,
}

impl Failure {
    fn refused(source: io::Error) -> Self {
        Self {
            kind: StoreErrorKind::Refused,
            source,
        }
    }

    fn unclear(source: io::Error) -> Self {
        Self {
            kind: StoreErrorKind::Unclear,
            source,
        }
    }
}

/// A synced file without a name, which is removed when this is dropped.
struct Unnamed(PathBuf);

impl Unnamed {
    fn write(root: &Path, content: &[u8]) -> io::Result<Self> {
        let folder = root.join(UNNAMED);
        create_folders(&folder)?;
        let unnamed = Self(folder.join(Uuid::new_v4().simple().to_string()));
        let mut file = File::create_new(&unnamed.0)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(unnamed)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // It may have its name by now, or stay without one: neither is seen by anyone.
        drop(fs::remove_file(&self.0));
    }
}

/// Creates a folder and those above it, and makes that durable.
fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        create_folders(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder_of(folder)
}

/// Makes durable which files the folder of `path` has.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[async_trait]
impl Store for FolderStore {
    async fn create(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let work = move |root: &Path, path: &Path| {
            let unnamed = Unnamed::write(root, &content).map_err(Failure::refused)?;
            path.parent()
                .map_or(Ok(()), create_folders)
                .map_err(Failure::refused)?;
            match fs::hard_link(&unnamed.0, path) {
                Ok(()) => {}
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                    // Another process may have created it and not synced yet: what exists is durable.
                    sync_folder_of(path).map_err(Failure::unclear)?;
                    return Err(Failure {
                        kind: StoreErrorKind::Exists,
                        source,
                    });
                }
                Err(source) => return Err(Failure::refused(source)),
            }
            sync_folder_of(path).map_err(Failure::unclear)
        };
        self.blocking("create", key, work).await
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let work = move |root: &Path, path: &Path| {
            let unnamed = Unnamed::write(root, &content).map_err(Failure::refused)?;
            path.parent()
                .map_or(Ok(()), create_folders)
                .map_err(Failure::refused)?;
            fs::rename(&unnamed.0, path).map_err(Failure::refused)?;
            sync_folder_of(path).map_err(Failure::unclear)
        };
        self.blocking("put", key, work).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let work = |_: &Path, path: &Path| match fs::read(path) {
            Ok(content) => {
                // What was read must not vanish with the machine: its writer may not have synced the folder yet.
                sync_folder_of(path).map_err(Failure::unclear)?;
                Ok(Some(content.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::refused(error)),
        };
        self.blocking("get", key, work).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        // Only the folder that the prefix names in full is read.
        let folder = prefix
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let key = prefix.clone();
        let root = self.root.clone();
        let list = move || -> io::Result<Vec<String>> {
            let mut keys = Vec::new();
            collect(&root, &folder, &mut keys)?;
            keys.retain(|key| {
                key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after)
            });
            keys.sort_unstable();
            Ok(keys)
        };
        let failed = |kind| StoreError::new(kind, "list", &key);
        match tokio::task::spawn_blocking(list).await {
            Ok(keys) => keys.map_err(|error| failed(StoreErrorKind::Refused).because(error)),
            Err(error) => Err(failed(StoreErrorKind::Unclear).because(error)),
        }
    }

    async fn objects(&self) -> Result<Vec<Stored>, StoreError> {
        let list = |root: &Path| {
            let mut names = Vec::new();
            collect(root, keys::OBJECTS.trim_end_matches('/'), &mut names)?;
            let mut objects = Vec::new();
            for key in names {
                if let Some(metadata) = found(fs::metadata(root.join(&key)))? {
                    objects.extend(Stored::of(&key, metadata.len(), metadata.modified()?));
                }
            }
            Ok(objects)
        };
        self.blocking_all("list", list).await
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), StoreError> {
        let names: Vec<String> = deletable(objects).collect();
        let remove = move |root: &Path| {
            for path in names.iter().map(|key| root.join(key)) {
                found(fs::remove_file(&path))?;
                // The attempt's folder goes with its last document.
                if let Some(folder) = path.parent() {
                    drop(fs::remove_dir(folder));
                }
            }
            Ok(())
        };
        self.blocking_all("delete", remove).await
    }

    async fn delete_spent(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in spent(keys) {
            let remove =
                |_: &Path, path: &Path| found(fs::remove_file(path)).map_err(Failure::refused);
            self.blocking("delete", key, remove).await?;
        }
        Ok(())
    }
}

impl FolderStore {
    /// Runs what blocks on the whole folder.
    async fn blocking_all<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = self.root.clone();
        let failed = |kind| StoreError::new(kind, operation, keys::OBJECTS);
        match tokio::task::spawn_blocking(move || work(&root)).await {
            Ok(outcome) => outcome.map_err(|error| failed(StoreErrorKind::Refused).because(error)),
            Err(error) => Err(failed(StoreErrorKind::Unclear).because(error)),
        }
    }
}

/// What may be gone by now.
fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The keys of a folder and those below it.
fn collect(root: &Path, folder: &str, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        // Keys are text: what is not, someone else put there.
        let Some(name) = name.to_str() else { continue };
        let key = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        if !entry.file_type()?.is_dir() {
            keys.push(key);
        } else if key != UNNAMED {
            collect(root, &key, keys)?;
        }
    }
    Ok(())
}
