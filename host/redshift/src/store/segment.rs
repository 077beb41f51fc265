//! Where the rows of tables are: in files, named by chance and deleted once nothing uses them, or in the database if they are few.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

/// Rows of a table that were written together and never change.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Its place among those of the table.
    pub(crate) number: u64,
    /// Its rows, deleted ones among them.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Numbers of deleted rows, in order.
    pub(crate) deleted: Vec<u32>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Parquet.
    File(Arc<Handle>),
    /// A stream of Arrow, which the database holds as well.
    Database(Bytes),
}

impl Segment {
    pub(crate) fn file(&self) -> Option<&Arc<Handle>> {
        match &self.place {
            Place::File(handle) => Some(handle),
            Place::Database(_) => None,
        }
    }

    /// Whether the rows are the same, deleted ones among them.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::File(own), Place::File(other)) => Arc::ptr_eq(own, other),
            (Place::Database(own), Place::Database(other)) => own.as_ptr() == other.as_ptr(),
            _ => false,
        }
    }
}

/// A file as long as a version of the catalog or a scan uses it. Unless it is kept, the last use deletes it.
#[derive(Debug)]
pub(crate) struct Handle {
    name: String,
    path: PathBuf,
    kept: AtomicBool,
}

impl Handle {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The committed catalog names the file, or does so no longer.
    pub(crate) fn keep(&self, kept: bool) {
        self.kept.store(kept, Ordering::Release);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !*self.kept.get_mut() {
            // What stays is removed by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The folder of files, which also numbers segments.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    next: AtomicU64,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
            next: AtomicU64::new(0),
        })
    }

    /// A number that no segment has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes a segment that is there.
    pub(super) fn has_number(&self, number: u64) {
        self.next.fetch_max(number + 1, Ordering::Relaxed);
    }

    /// Removes what no record names.
    pub(super) fn sweep(&self, named: &HashSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let is_named = entry
                .file_name()
                .to_str()
                .is_some_and(|name| named.contains(name));
            if !is_named {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn existing(&self, name: String) -> Arc<Handle> {
        Arc::new(Handle {
            path: self.path.join(&name),
            name,
            kept: AtomicBool::new(true),
        })
    }

    pub(super) fn create(&self) -> io::Result<(Arc<Handle>, File)> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = self.path.join(&name);
        let file = File::create_new(&path)?;
        let handle = Handle {
            name,
            path,
            kept: AtomicBool::new(false),
        };
        Ok((Arc::new(handle), file))
    }

    /// Makes the names of new files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
