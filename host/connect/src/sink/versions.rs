//! Versions of a table on the local disk, and the switch from one to the next.
//!
//! ```text
//! out/daily -> .daily.versions/000002-run      what readers open: a symbolic link
//! out/.daily.versions/lock                     flock'd by the run that writes
//! out/.daily.versions/000001-run/              the version before: for readers that have it open
//! out/.daily.versions/000002-run/.lease        locked shared by readers that know of it (see `lease`)
//! out/.daily.versions/000003-run/              a run that has not published, or was killed
//! ```
//!
//! `rename` of a link over a link is atomic on POSIX, so that a reader finds the old version or the new one. Numbers only
//! grow: what is above the current one was never shown to a reader. The kernel drops the lock when a process ends,
//! however it ends, so that no run can be locked out by one that is dead.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::SinkError;
use crate::lease::{self, Held};

const LOCK_FILE: &str = "lock";
/// The new link, before it replaces the visible one.
const NEXT_LINK: &str = "next";
/// Width of the number that a version's name begins with, so that names sort; a larger number is merely longer.
const NUMBER_WIDTH: usize = 6;
/// Characters of a run's id that go into a version's name.
const MAX_RUN_ID: usize = 64;

/// The versions of one table, locked for writing as long as this lives.
#[derive(Debug)]
pub(super) struct Versions {
    sink: String,
    /// The table's path, made absolute: the process may change its folder while it runs.
    visible: PathBuf,
    folder: PathBuf,
    folder_name: String,
    /// What the visible link points to.
    current: Option<String>,
    _lock: Held,
}

impl Versions {
    /// Locks the table and deletes what killed runs have left behind.
    pub(super) fn open(sink: &str, path: &Path, run_id: &str) -> Result<Self, SinkError> {
        let path_error = || SinkError::Path {
            name: sink.to_owned(),
            path: path.to_owned(),
        };
        let failed = |action, path: &Path| failed(sink, action, path);
        let visible = std::path::absolute(path).map_err(failed("find", path))?;
        let table = visible.file_name().ok_or_else(path_error)?;
        let table = table.to_str().ok_or_else(path_error)?;
        let parent = visible.parent().ok_or_else(path_error)?;
        let folder_name = lease::versions_folder_name(table);
        // Before anything is made: a refusal leaves no trace.
        current(sink, &visible, &folder_name)?;
        let folder = parent.join(&folder_name);
        create_folders(&folder).map_err(failed("create", &folder))?;
        let lock = lock(sink, &visible, &folder, run_id)?;
        let versions = Self {
            // Only now, under the lock, no other run can switch it.
            current: current(sink, &visible, &folder_name)?,
            sink: sink.to_owned(),
            visible,
            folder,
            folder_name,
            _lock: lock,
        };
        versions.remove_leftovers()?;
        Ok(versions)
    }

    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    pub(super) fn visible(&self) -> &Path {
        &self.visible
    }

    pub(super) fn folder_of(&self, version: &str) -> PathBuf {
        self.folder.join(version)
    }

    /// Makes the folder of a new version and gives its name.
    pub(super) fn create(&self, run_id: &str) -> Result<String, SinkError> {
        let highest = self.numbered()?.iter().map(|(number, _)| *number).max();
        let current = self.current().and_then(number_of);
        let number = highest.max(current).unwrap_or(0) + 1;
        let run_id: String = run_id
            .chars()
            .take(MAX_RUN_ID)
            .map(|character| if is_plain(character) { character } else { '-' })
            .collect();
        let version = format!("{number:0NUMBER_WIDTH$}-{run_id}");
        let folder = self.folder_of(&version);
        fs::create_dir(&folder).map_err(failed(&self.sink, "create", &folder))?;
        lease::create(&folder).map_err(failed(&self.sink, "create a lease in", &folder))?;
        Ok(version)
    }

    /// Makes `version` the visible one. On success readers that open the table from now on get it, even after a power
    /// failure. On failure before the switch nothing has changed; `switched` says whether it was after.
    pub(super) fn switch(&mut self, version: &str, switched: &mut bool) -> Result<(), SinkError> {
        // The link was checked when the run began; if someone has replaced it since, keep their file.
        current(&self.sink, &self.visible, &self.folder_name)?;
        let next = self.folder.join(NEXT_LINK);
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&self.sink, "remove", &next)(error));
            }
            _ => {}
        }
        let target = Path::new(&self.folder_name).join(version);
        symlink(&target, &next).map_err(failed(&self.sink, "create", &next))?;
        sync(&self.folder).map_err(failed(&self.sink, "sync", &self.folder))?;
        fs::rename(&next, &self.visible).map_err(failed(&self.sink, "replace", &self.visible))?;
        *switched = true;
        self.current = Some(version.to_owned());
        for folder in [self.visible.parent(), Some(self.folder.as_path())] {
            let folder = folder.unwrap_or(&self.folder);
            sync(folder).map_err(failed(&self.sink, "sync", folder))?;
        }
        Ok(())
    }

    /// Deletes all versions but the current one and `previous`, and those that a reader holds. The table is right without
    /// it, so that a failure is only logged.
    pub(super) fn remove_old(&self, previous: Option<&str>) {
        let versions = self.numbered().unwrap_or_default();
        for (_, version) in versions {
            if Some(version.as_str()) != self.current() && Some(version.as_str()) != previous {
                self.remove(&version);
            }
        }
    }

    /// Versions that no run has published: their runs are dead, since the lock is ours.
    fn remove_leftovers(&self) -> Result<(), SinkError> {
        let current = self.current().and_then(number_of).unwrap_or(0);
        for (number, version) in self.numbered()? {
            if number > current {
                self.remove(&version);
            }
        }
        Ok(())
    }

    pub(super) fn remove(&self, version: &str) {
        let folder = self.folder_of(version);
        if let Err(error) = lease::remove_unless_held(&folder) {
            tracing::warn!(sink = self.sink, folder = %folder.display(), %error, "old version not deleted");
        }
    }

    /// All versions on the disk. What is not named as a version is not ours and is left alone.
    fn numbered(&self) -> Result<Vec<(u64, String)>, SinkError> {
        let failed = || failed(&self.sink, "list", &self.folder);
        let mut versions = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if let Some(name) = entry.file_name().to_str()
                && let Some(number) = number_of(name)
                && entry.file_type().map_err(failed())?.is_dir()
            {
                versions.push((number, name.to_owned()));
            }
        }
        Ok(versions)
    }
}

fn failed(
    sink: &str,
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SinkError + use<> {
    let (name, path) = (sink.to_owned(), path.to_owned());
    move |source| SinkError::Io {
        name,
        action,
        path,
        source,
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

fn number_of(version: &str) -> Option<u64> {
    let (number, _) = version.split_once('-')?;
    let digits = number.len() >= NUMBER_WIDTH && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten()
}

/// The version that the visible path leads to; none if nothing is there. Anything else than a link of ours is refused.
fn current(sink: &str, visible: &Path, folder_name: &str) -> Result<Option<String>, SinkError> {
    let refuse = |found: String| SinkError::NotOurs {
        name: sink.to_owned(),
        path: visible.to_owned(),
        found,
    };
    let metadata = match fs::symlink_metadata(visible) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(sink, "look at", visible)(error)),
    };
    if metadata.is_dir() {
        return Err(refuse("a folder not made by transom".to_owned()));
    }
    if !metadata.is_symlink() {
        return Err(refuse("a file not made by transom".to_owned()));
    }
    let target = fs::read_link(visible).map_err(failed(sink, "read", visible))?;
    let version = target
        .strip_prefix(folder_name)
        .ok()
        .and_then(Path::to_str)
        .filter(|version| number_of(version).is_some() && !version.contains('/'));
    match version {
        Some(version) => Ok(Some(version.to_owned())),
        None => Err(refuse(format!(
            "a link to `{}`, not made by transom",
            target.display()
        ))),
    }
}

fn lock(sink: &str, visible: &Path, folder: &Path, run_id: &str) -> Result<Held, SinkError> {
    let path = folder.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed(sink, "open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // For the message only; the owner may not have written it yet.
            let known = file.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
            return Err(SinkError::Busy {
                name: sink.to_owned(),
                path: visible.to_owned(),
                owner: if known {
                    owner.trim().to_owned()
                } else {
                    "another run".to_owned()
                },
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(sink, "lock", &path)(error)),
    }
    let mut held = Held(file);
    let owner = format!("run `{run_id}` (process {})\n", std::process::id());
    let file = &mut held.0;
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(owner.as_bytes()))
        .map_err(failed(sink, "write", &path))?;
    Ok(held)
}

/// Makes a folder and those above it, and writes each one's name to the disk.
fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(parent)?;
    }
    match fs::create_dir(folder) {
        // Another run was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    folder.parent().map_or(Ok(()), sync)
}

/// Makes sure that a file, or the names in a folder, are on the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
