//! On this machine: the table is a link to a link to a version's folder, in which all of its files have names.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use transom_file::spec::Place;

use super::{
    Foreign, Table, VersionFile, VersionFiles, Written, entry_of, link_of, list_of, own_files, text,
};
use crate::lease;
use crate::sink::tree::{Copied, FolderTree, Tree, TreeError, create_folders, split_path, sync};

#[derive(Debug, Clone)]
pub(super) struct FolderTable {
    tree: Arc<dyn Tree>,
    /// The table's link.
    visible: PathBuf,
    /// The folder in which it lies.
    above: PathBuf,
    /// The name of the folder of versions.
    folder: String,
}

impl FolderTable {
    pub(super) fn new(path: &Path) -> Result<Self, TreeError> {
        let (above, name) = split_path(path)?;
        Ok(Self {
            tree: Arc::new(FolderTree::new(&above)?),
            visible: above.join(&name),
            folder: lease::versions_folder_name(&name),
            above,
        })
    }

    /// The name of the link within the folder of versions that the table's link leads to.
    fn current(&self) -> io::Result<Current> {
        let metadata = match fs::symlink_metadata(&self.visible) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Current::None),
            Err(error) => return Err(error),
        };
        if !metadata.is_symlink() {
            let kind = if metadata.is_dir() { "folder" } else { "file" };
            return Ok(Current::Foreign(format!("a {kind} not made by transom")));
        }
        let target = fs::read_link(&self.visible)?;
        let name = target
            .strip_prefix(&self.folder)
            .ok()
            .and_then(Path::to_str);
        Ok(match name.and_then(entry_of) {
            Some(entry) => Current::Entry(entry),
            None => Current::Foreign(format!(
                "a link to `{}`, made by a run without a log or by somebody else",
                target.display()
            )),
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, TreeError> {
        let this = self.clone();
        let path = Place::Local(self.visible.clone());
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        let done = done.map_err(TreeError::Interrupted)?;
        done.map_err(|source| TreeError::Io {
            action,
            path,
            source,
        })
    }
}

enum Current {
    None,
    Entry(u64),
    Foreign(String),
}

/// Puts a link in the place of what is there: a reader finds the one or the other.
fn replace_link(target: &Path, link: &Path, folder: &Path) -> io::Result<()> {
    let next = tempfile::Builder::new()
        .prefix(".next-")
        .make_in(folder, |path| symlink(target, path))?;
    // It has another name after this, so that nothing is left to delete.
    let next = next.into_temp_path().keep().map_err(|error| error.error)?;
    fs::rename(&next, link)?;
    sync(folder)?;
    sync(link.parent().unwrap_or(folder))
}

#[async_trait]
impl Table for FolderTable {
    fn tree(&self) -> &Arc<dyn Tree> {
        &self.tree
    }

    async fn check_ours(&self) -> Result<(), Foreign> {
        match self.blocking("look at", Self::current).await? {
            Current::Foreign(found) => Err(Foreign::Found(found)),
            Current::None | Current::Entry(_) => Ok(()),
        }
    }

    async fn seal(&self, version: &str, written: &Written) -> Result<VersionFiles, TreeError> {
        Ok(own_files(version, written))
    }

    /// A second name for each file, so that the version's folder is a whole table.
    async fn carry(
        &self,
        version: &str,
        files: Vec<VersionFile>,
    ) -> Result<Vec<VersionFile>, TreeError> {
        let mut carried = Vec::with_capacity(files.len());
        for file in files {
            let path = text(&file.path);
            let from = format!("{}/{}/{path}", self.folder, file.version);
            let to = format!("{}/{version}/{path}", self.folder);
            if self.tree.copy(&from, &to).await? == Copied::Gone {
                return Err(TreeError::Io {
                    action: "go on with",
                    path: self.tree.place().join(&from),
                    source: io::Error::from(io::ErrorKind::NotFound),
                });
            }
            carried.push(VersionFile {
                version: version.to_owned(),
                ..file
            });
        }
        Ok(carried)
    }

    async fn leave_out(&self, version: &str, files: Vec<VersionFile>) -> Result<(), TreeError> {
        let version = version.to_owned();
        let remove = move |table: &Self| {
            let root = table.above.join(&table.folder).join(&version);
            for file in files {
                let path = root.join(&file.path);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                // Folders that are left empty look like partitions; others stay.
                let folders = path
                    .ancestors()
                    .skip(1)
                    .take_while(|folder| *folder != root);
                for folder in folders {
                    if fs::remove_dir(folder).is_err() {
                        break;
                    }
                }
            }
            Ok(())
        };
        self.blocking("delete empty files of", remove).await
    }

    async fn again(&self, version: &str, earlier: &str) -> Result<(), TreeError> {
        let (version, earlier) = (version.to_owned(), earlier.to_owned());
        let link = move |table: &Self| {
            let folder = table.above.join(&table.folder);
            let lists = (list_of(&earlier), list_of(&version));
            for (earlier, version) in [(earlier, version), lists] {
                match symlink(&earlier, folder.join(&version)) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            sync(&folder)
        };
        self.blocking("link", link).await
    }

    async fn entry(&self) -> Result<u64, TreeError> {
        Ok(match self.blocking("look at", Self::current).await? {
            Current::Entry(entry) => entry,
            Current::None | Current::Foreign(_) => 0,
        })
    }

    async fn point(&self, entry: u64, version: &str, _: &VersionFiles) -> Result<(), TreeError> {
        let version = version.to_owned();
        let point = move |table: &Self| {
            let folder = table.above.join(&table.folder);
            create_folders(&folder)?;
            replace_link(Path::new(&version), &folder.join(link_of(entry)), &folder)?;
            let target = Path::new(&table.folder).join(link_of(entry));
            replace_link(&target, &table.visible, &folder)
        };
        self.blocking("replace", point).await
    }
}
