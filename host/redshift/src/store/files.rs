//! Files of rows: named by chance, never changed, deleted once nothing uses them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// Rows of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DataFile {
    pub(crate) name: String,
    /// Rows in the file, deleted ones among them.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Numbers of deleted rows, in order.
    pub(crate) deleted: Vec<u32>,
    #[serde(skip)]
    pub(crate) handle: Option<Arc<Handle>>,
}

impl DataFile {
    pub(crate) fn path(&self) -> io::Result<&Path> {
        let handle = self.handle.as_ref();
        handle
            .map(|handle| handle.path.as_path())
            .ok_or_else(|| io::Error::other(format!("file {} was not opened", self.name)))
    }
}

/// A file as long as a version of the catalog or a scan uses it. Unless it is kept, the last use deletes it.
#[derive(Debug)]
pub(crate) struct Handle {
    path: PathBuf,
    kept: AtomicBool,
}

impl Handle {
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

/// The folder of files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
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

    pub(super) fn existing(&self, name: &str) -> Arc<Handle> {
        Arc::new(Handle {
            path: self.path.join(name),
            kept: AtomicBool::new(true),
        })
    }

    /// A new file, and its name.
    pub(super) fn create(&self) -> io::Result<(String, Arc<Handle>, File)> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = self.path.join(&name);
        let file = File::create_new(&path)?;
        let handle = Handle {
            path,
            kept: AtomicBool::new(false),
        };
        Ok((name, Arc::new(handle), file))
    }

    /// Makes the names of new files durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
