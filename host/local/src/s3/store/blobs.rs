//! Data files: written once, synced, never changed, named by chance.
//!
//! A copy is a hard link, so that a file lives until the last record that names one of its links is gone; the kernel
//! counts.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::records::{Blob, BlobId};

/// The folder of data files.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    /// For syncing the entries of the folder.
    handle: File,
    readers: Mutex<HashMap<BlobId, Reading>>,
}

/// A file that is being read.
#[derive(Debug, Default)]
struct Reading {
    count: usize,
    /// No record names it any more.
    doomed: bool,
}

impl Blobs {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            handle: File::open(folder)?,
            readers: Mutex::default(),
        })
    }

    pub(crate) fn create(&self) -> io::Result<NewBlob> {
        let (id, path) = self.new_name();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(NewBlob {
            file: Some(file),
            guard: Unkept { path, kept: false },
            blob: Blob { id, length: 0 },
        })
    }

    /// The same bytes under a name of their own.
    pub(crate) fn link(&self, of: &Blob) -> io::Result<NewBlob> {
        let (id, path) = self.new_name();
        let source = self.path(&of.id);
        match fs::hard_link(&source, &path) {
            // A file can have 65,000 links on ext4; the next one is a file of its own.
            Err(error) if error.kind() == ErrorKind::TooManyLinks => {
                fs::copy(&source, &path)?;
                File::open(&path)?.sync_all()?;
            }
            linked => linked?,
        }
        Ok(NewBlob {
            file: None,
            guard: Unkept { path, kept: false },
            blob: Blob {
                id,
                length: of.length,
            },
        })
    }

    /// Keeps files from being deleted until the answer is dropped. `None`: one of them is gone already.
    pub(crate) fn pin(self: &Arc<Self>, blobs: Vec<Blob>) -> Option<Pinned> {
        let mut readers = self.readers();
        for blob in &blobs {
            readers.entry(blob.id.clone()).or_default().count += 1;
        }
        drop(readers);
        let pinned = Pinned {
            blobs: Arc::clone(self),
            ids: blobs.into_iter().map(|blob| blob.id).collect(),
        };
        let all = pinned.ids.iter().all(|id| self.path(id).exists());
        all.then_some(pinned)
    }

    /// Makes new names durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// Deletes a file, or leaves that to its last reader.
    pub(super) fn remove(&self, id: &BlobId) {
        let mut readers = self.readers();
        match readers.get_mut(id) {
            Some(reading) => reading.doomed = true,
            // Under the lock: who pins the file next finds it gone.
            None => self.delete(id),
        }
    }

    /// A file that is left behind is removed by the next start.
    fn delete(&self, id: &BlobId) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            tracing::warn!(blob = id.0, %error, "a data file cannot be removed");
        }
    }

    fn readers(&self) -> MutexGuard<'_, HashMap<BlobId, Reading>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what no record names: data of requests that a crash cut off.
    pub(super) fn sweep(&self, named: &HashSet<BlobId>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let id = BlobId(entry?.file_name().to_string_lossy().into_owned());
            if !named.contains(&id) {
                self.remove(&id);
            }
        }
        Ok(())
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.0)
    }

    fn new_name(&self) -> (BlobId, PathBuf) {
        let id = BlobId(uuid::Uuid::new_v4().simple().to_string());
        let path = self.path(&id);
        (id, path)
    }
}

/// Files that stay until this is dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    blobs: Arc<Blobs>,
    ids: Vec<BlobId>,
}

impl Pinned {
    pub(crate) fn open(&self, id: &BlobId) -> io::Result<File> {
        File::open(self.blobs.path(id))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut readers = self.blobs.readers();
        for id in &self.ids {
            let Some(reading) = readers.get_mut(id) else {
                continue;
            };
            reading.count -= 1;
            if reading.count == 0 {
                if reading.doomed {
                    self.blobs.delete(id);
                }
                readers.remove(id);
            }
        }
    }
}

/// A data file that no record names yet; dropped, it is deleted.
#[derive(Debug)]
pub(crate) struct NewBlob {
    file: Option<File>,
    guard: Unkept,
    blob: Blob,
}

impl NewBlob {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("the data file is complete"));
        };
        file.write_all(bytes)?;
        self.blob.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes its bytes durable; nothing can be written after it.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(file) => file.sync_all(),
            None => Ok(()),
        }
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.blob.length
    }

    pub(super) fn blob(&self) -> &Blob {
        &self.blob
    }

    pub(super) fn keep(mut self) {
        self.guard.kept = true;
    }
}

#[derive(Debug)]
struct Unkept {
    path: PathBuf,
    kept: bool,
}

impl Drop for Unkept {
    fn drop(&mut self) {
        if !self.kept {
            // What is left behind is removed by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}
