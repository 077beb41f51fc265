//! The folder for what a session writes and does not keep: spools and spills.
//!
//! It is removed with the session. A process that is killed cannot do that, so each folder holds a file that its process has
//! locked (`flock`, which ends with the process, however that ends): a process that makes a folder removes those whose lock is free.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

/// How the folders' names begin.
const PREFIX: &str = "transom-run-";
/// The locked file in each.
const LOCK: &str = "lock";
/// How often removing is tried: tasks that were asked to stop may still be making files.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Folders of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// No folder for temporary files could be made.
#[derive(Debug, thiserror::Error)]
#[error("no temporary files can be written to `{}`", folder.display())]
pub struct NoScratch {
    /// Where it should have been.
    pub folder: PathBuf,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// A folder that is removed, with all that is in it, when the value is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes a folder in `parent`, by default in the system's folder for temporary files, which `TMPDIR` names.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Self, NoScratch> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |source| NoScratch {
            folder: parent.clone(),
            source,
        };
        remove_abandoned(&parent);
        // Until it is locked it has another name, so that no process takes it for abandoned.
        let hidden = format!(".{PREFIX}");
        let folder = tempfile::Builder::new().prefix(&hidden).tempdir_in(&parent);
        let folder = folder.map_err(failed)?;
        let lock = File::create_new(folder.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let name = folder.path().file_name().map(|name| name.to_string_lossy());
        let name = name
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches('.')
            .to_owned();
        let path = parent.join(name);
        fs::rename(folder.path(), &path).map_err(failed)?;
        // It is no longer where that would look for it.
        let _ = folder.keep();
        LIVE.lock().push(path.clone());
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
        LIVE.lock().retain(|live| *live != self.path);
    }
}

/// Removes the temporary folders of all sessions: for a process that ends without dropping them.
pub fn remove_scratch() {
    for folder in LIVE.lock().iter() {
        remove(folder);
    }
}

fn remove(folder: &Path) {
    for _ in 0..TRIES {
        match fs::remove_dir_all(folder) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
    tracing::warn!(folder = %folder.display(), "temporary files not removed");
}

/// Removes folders whose processes are gone. What cannot be read or removed belongs to others.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // A link is not followed.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let folder = entry.path();
        let free = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            remove(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lives_as_long_as_its_session() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(parent.path())).unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("spill"), "rows").unwrap();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn folders_of_processes_that_are_gone_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("transom-run-killed");
        fs::create_dir_all(abandoned.join(".tmp1")).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        fs::write(abandoned.join(".tmp1/spill"), "rows").unwrap();
        let unknown = parent.path().join("transom-run-of-another-kind");
        fs::create_dir(&unknown).unwrap();
        let living = Scratch::new(Some(parent.path())).unwrap();
        assert!(!abandoned.exists());
        assert!(unknown.exists());
        let other = Scratch::new(Some(parent.path())).unwrap();
        assert!(living.path().is_dir() && other.path().is_dir());
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = Scratch::new(Some(Path::new("/nonexistent"))).unwrap_err();
        let message = "no temporary files can be written to `/nonexistent`";
        assert_eq!(error.to_string(), message);
    }
}
