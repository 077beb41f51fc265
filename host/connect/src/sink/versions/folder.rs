//! Versions of a table on the local disk.
//!
//! ```text
//! out/daily -> .daily.versions/000002-run      what readers open: a symbolic link
//! out/.daily.versions/lock                     flock'd while the link is switched
//! out/.daily.versions/000001-run/              the version before: for readers that have it open
//! out/.daily.versions/000002-run/.lease        locked shared by who reads or writes it (see `lease`)
//! out/.daily.versions/000003-run/              an attempt that is under way, waits to be applied, or was killed
//! ```
//!
//! `rename` of a link over a link is atomic on POSIX, so that a reader finds the old version or the new one. The kernel drops the lock
//! when a process ends, however it ends.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Attempt, OutFile, SinkError, Version, Versions, Written, WrittenFile, is_dead, name_after,
    number_of,
};
use crate::lease::{self, Held};
use crate::sink::tree::{create_folders, sync};
use transom_commit::fault;
use transom_file::spec::Place;

const LOCK_FILE: &str = "lock";
/// The new link, before it replaces the visible one.
const NEXT_LINK: &str = "next";

/// The versions of one table.
#[derive(Debug, Clone)]
pub(super) struct FolderVersions(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    sink: String,
    /// The table's path, made absolute: the process may change its folder while it runs.
    visible: PathBuf,
    folder: PathBuf,
    folder_name: String,
}

impl FolderVersions {
    pub(super) fn new(sink: &str, path: &Path) -> Result<Self, SinkError> {
        let path_error = || SinkError::Path {
            name: sink.to_owned(),
            path: path.into(),
        };
        let visible = std::path::absolute(path).map_err(failed(sink, "find", path))?;
        let table = visible.file_name().and_then(|name| name.to_str());
        let folder_name = lease::versions_folder_name(table.ok_or_else(path_error)?);
        let folder = visible.parent().ok_or_else(path_error)?.join(&folder_name);
        Ok(Self(Arc::new(Folder {
            sink: sink.to_owned(),
            visible,
            folder,
            folder_name,
        })))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let folder = Arc::clone(&self.0);
        let sink = self.0.sink.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|error| {
            Err(SinkError::Interrupted {
                name: sink,
                source: error,
            })
        })
    }
}

#[async_trait]
impl Versions for FolderVersions {
    fn table(&self) -> Place {
        Place::Local(self.0.visible.clone())
    }

    async fn exists(&self) -> Result<bool, SinkError> {
        Ok(self.0.visible.exists())
    }

    async fn create(&self, attempt: &Attempt) -> Result<Version, SinkError> {
        let attempt = attempt.clone();
        self.blocking(move |folder| folder.create(&attempt)).await
    }

    fn file(&self, version: &str, path: &Path) -> io::Result<OutFile> {
        let path = self.0.folder.join(version).join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        OutFile::create(&path)
    }

    async fn seal(&self, version: &str, files: &[WrittenFile]) -> Result<(), SinkError> {
        let version = self.0.folder.join(version);
        let mut folders = BTreeSet::from([version.clone()]);
        for file in files {
            let above = file.path.ancestors().skip(1);
            folders.extend(above.map(|folder| version.join(folder)));
        }
        self.blocking(move |folder| {
            let sync = |path: &PathBuf| sync(path).map_err(failed(&folder.sink, "sync", path));
            folders.iter().try_for_each(sync)?;
            // The folders themselves have names in it.
            sync(&folder.folder)
        })
        .await
    }

    async fn switch(
        &self,
        version: &str,
        previous: Option<&str>,
        _: &Written,
    ) -> Result<(), SinkError> {
        let (version, previous) = (version.to_owned(), previous.map(str::to_owned));
        self.blocking(move |folder| folder.switch(&version, previous.as_deref()))
            .await
    }

    async fn tidy(&self, current: &str, previous: Option<&str>) {
        let (current, previous) = (current.to_owned(), previous.map(str::to_owned));
        let tidied = self
            .blocking(move |folder| folder.tidy(&current, previous.as_deref()))
            .await;
        if let Err(error) = tidied {
            tracing::warn!(sink = self.0.sink, %error, "old versions not deleted");
        }
    }

    async fn remove(&self, version: &str) {
        let version = version.to_owned();
        let removed = self
            .blocking(move |folder| {
                folder.remove(&version);
                Ok(())
            })
            .await;
        if let Err(error) = removed {
            tracing::warn!(sink = self.0.sink, %error, "a version is left");
        }
    }

    fn remove_now(&self, version: &str) {
        self.0.remove(version);
    }
}

impl Folder {
    /// Makes the folder of a new version.
    fn create(&self, attempt: &Attempt) -> Result<Version, SinkError> {
        // Before anything is made: a refusal leaves no trace.
        let previous = self.current()?;
        create_folders(&self.folder).map_err(failed(&self.sink, "create", &self.folder))?;
        let name = name_after(previous.as_deref(), attempt);
        let folder = self.folder.join(&name);
        fs::create_dir(&folder).map_err(failed(&self.sink, "create", &folder))?;
        let lease = lease::create(&folder);
        let lease = lease.map_err(failed(&self.sink, "create a lease in", &folder))?;
        Ok(Version {
            name,
            previous,
            lease: Some(lease),
        })
    }

    fn switch(&self, version: &str, previous: Option<&str>) -> Result<(), SinkError> {
        let failed = |action, path: &Path| failed(&self.sink, action, path);
        let _alone = self.lock()?;
        fault::at("switch.locked");
        let current = self.current()?;
        if current.as_deref() != Some(version) {
            if current.as_deref() != previous {
                return Err(SinkError::Overtaken {
                    name: self.sink.clone(),
                    path: Place::Local(self.visible.clone()),
                    visible: current,
                });
            }
            let folder = self.folder.join(version);
            if !folder.is_dir() {
                return Err(SinkError::Gone {
                    name: self.sink.clone(),
                    path: Place::Local(folder),
                });
            }
            let next = self.folder.join(NEXT_LINK);
            match fs::remove_file(&next) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &next)(error));
                }
                _ => {}
            }
            let target = Path::new(&self.folder_name).join(version);
            symlink(&target, &next).map_err(failed("create", &next))?;
            sync(&self.folder).map_err(failed("sync", &self.folder))?;
            fault::at("switch.linked");
            fs::rename(&next, &self.visible).map_err(failed("replace", &self.visible))?;
        }
        for folder in [self.visible.parent(), Some(self.folder.as_path())] {
            let folder = folder.unwrap_or(&self.folder);
            sync(folder).map_err(|error| SinkError::Unconfirmed {
                name: self.sink.clone(),
                source: Box::new(failed("sync", folder)(error)),
            })?;
        }
        fault::at("switch.done");
        Ok(())
    }

    /// A version that somebody reads or writes stays.
    fn tidy(&self, current: &str, previous: Option<&str>) -> Result<(), SinkError> {
        let failed = || failed(&self.sink, "list", &self.folder);
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
            // What is not named as a version is not ours.
            if let Some(version) = entry.file_name().to_str()
                && metadata.is_dir()
                && is_dead(version, current, previous, age.unwrap_or(Duration::ZERO))
            {
                self.remove(version);
            }
        }
        Ok(())
    }

    fn remove(&self, version: &str) {
        let folder = self.folder.join(version);
        if let Err(error) = lease::remove_unless_held(&folder) {
            tracing::warn!(sink = self.sink, folder = %folder.display(), %error, "a version is left");
        }
    }

    /// Waits for another process that switches the table: that takes milliseconds.
    fn lock(&self) -> Result<Held, SinkError> {
        let path = self.folder.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(&path)
            .map_err(failed(&self.sink, "open", &path))?;
        file.lock().map_err(failed(&self.sink, "lock", &path))?;
        Ok(Held(file))
    }

    /// The version that the visible path leads to; none if nothing is there. Anything else than a link of ours is refused.
    fn current(&self) -> Result<Option<String>, SinkError> {
        let refuse = |found: String| SinkError::NotOurs {
            name: self.sink.clone(),
            path: Place::Local(self.visible.clone()),
            found,
        };
        let metadata = match fs::symlink_metadata(&self.visible) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&self.sink, "look at", &self.visible)(error)),
        };
        if metadata.is_dir() {
            return Err(refuse("a folder not made by transom".to_owned()));
        }
        if !metadata.is_symlink() {
            return Err(refuse("a file not made by transom".to_owned()));
        }
        let target =
            fs::read_link(&self.visible).map_err(failed(&self.sink, "read", &self.visible))?;
        let version = target
            .strip_prefix(&self.folder_name)
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
        path: Place::Local(path),
        source,
    }
}
