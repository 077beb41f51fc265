//! A reader's hold on one version of a published table.
//!
//! A sink keeps the version before the newest one, but a scan may last longer than two runs. So every version holds a file
//! `.lease`: a source locks it shared for as long as it reads, and a sink deletes a version only if it gets the lock
//! alone. Who writes a version holds it in the same way. Readers that know nothing of this have the promise of the previous version only.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

/// Name within a version's folder. The dot keeps readers of the table from taking it for data.
const LEASE_FILE: &str = ".lease";
/// A table at `out/daily` keeps its versions in `out/.daily.versions`.
const VERSIONS_SUFFIX: &str = ".versions";

/// Name of the folder that holds the versions of the table called `table`.
pub(crate) fn versions_folder_name(table: &str) -> String {
    format!(".{table}{VERSIONS_SUFFIX}")
}

/// Makes the lease file of a new version, and holds it.
pub(crate) fn create(version: &Path) -> io::Result<Lease> {
    let file = File::create_new(version.join(LEASE_FILE))?;
    file.lock_shared()?;
    Ok(Lease { _lock: Held(file) })
}

/// A version that will not be deleted while this lives, by those that ask.
#[derive(Debug)]
pub(crate) struct Lease {
    _lock: Held,
}

/// A file lock that ends with this value. Closing the file alone would not do: a child process that is just being started
/// has a copy of every open file, and the lock would live until the copy is closed too. If the process dies, the kernel
/// lets go.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) File);

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "file lock not released");
        }
    }
}

/// What came of asking for a lease.
pub(crate) enum Asked {
    Held(Lease),
    /// The folder is no version of a published table, or one that this process may not lock: there is nothing to hold.
    NotLeased,
    /// The version is being deleted: another has taken its place, look again.
    Leaving,
}

/// Holds the version at `folder` (a resolved path) for reading.
pub(crate) fn hold(folder: &Path) -> Asked {
    let in_versions = folder
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with('.') && name.ends_with(VERSIONS_SUFFIX));
    if !in_versions {
        return Asked::NotLeased;
    }
    let path = folder.join(LEASE_FILE);
    let Ok(file) = File::open(&path) else {
        return if folder.exists() {
            Asked::NotLeased
        } else {
            Asked::Leaving
        };
    };
    match file.try_lock_shared() {
        // A deleter may have come and gone between opening and locking.
        Ok(()) if path.exists() => Asked::Held(Lease { _lock: Held(file) }),
        Ok(()) | Err(TryLockError::WouldBlock) => Asked::Leaving,
        Err(TryLockError::Error(_)) => Asked::NotLeased,
    }
}

/// Deletes a version unless a reader holds it; says whether it is gone.
pub(crate) fn remove_unless_held(folder: &Path) -> io::Result<bool> {
    let lease = match OpenOptions::new().read(true).open(folder.join(LEASE_FILE)) {
        Ok(file) => Some(file),
        // A run was killed before it made the file, or while the version was being deleted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let _alone = match lease {
        Some(lease) => match lease.try_lock() {
            Ok(()) => Some(Held(lease)),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        },
        None => None,
    };
    match std::fs::remove_dir_all(folder) {
        // It was gone before, or another has deleted it at the same time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        removed => removed.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_gone_unless_somebody_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let version = root.path().join("000001-a");
        std::fs::create_dir(&version).unwrap();
        let lease = create(&version).unwrap();
        assert!(!remove_unless_held(&version).unwrap());
        drop(lease);
        // The second time there is nothing left to delete.
        for _ in 0..2 {
            assert!(remove_unless_held(&version).unwrap());
            assert!(!version.exists());
        }
    }
}
