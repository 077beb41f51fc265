//! A folder of this machine. A copy is a second name of the same file (`link`), which fails if the name is taken.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use transom_file::spec::Place;

use super::{Copied, Found, OutFile, Tree, TreeError, WrittenFile, text};
use crate::names;

/// What names of files begin with that have no name of their own yet. What a process that was killed leaves so is of no use, hidden from
/// readers, and in no listing.
const UNNAMED: &str = ".unnamed-";
/// Bytes that are read at once for a sum.
const SUMMED_AT_ONCE: usize = 1 << 20;

#[derive(Debug, Clone)]
pub(in crate::sink) struct FolderTree {
    root: PathBuf,
}

impl FolderTree {
    /// The process may change its folder while it runs, so that the path is made absolute.
    pub(in crate::sink) fn new(path: &Path) -> Result<Self, TreeError> {
        let root = std::path::absolute(path).map_err(failed("find", path))?;
        Ok(Self { root })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        path: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, TreeError> {
        let path = self.root.join(path);
        let shown = path.clone();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.map_err(TreeError::Interrupted)?
            .map_err(failed(action, &shown))
    }
}

#[async_trait]
impl Tree for FolderTree {
    fn place(&self) -> Place {
        Place::Local(self.root.clone())
    }

    fn file(&self, path: &str) -> io::Result<OutFile> {
        let path = self.root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        OutFile::create(&path)
    }

    async fn seal(&self, folder: &str, files: &[WrittenFile]) -> Result<(), TreeError> {
        let root = self.root.clone();
        let mut folders = BTreeSet::new();
        for file in files {
            let path = self.root.join(folder).join(&file.path);
            let above = path.ancestors().skip(1);
            let within = above.take_while(|folder| folder.starts_with(&root));
            folders.extend(within.map(Path::to_owned));
        }
        // The folder itself has a name in the one above it.
        folders.extend(self.root.parent().map(Path::to_owned));
        let sync_all = move |_: &Path| folders.iter().try_for_each(|folder| sync(folder));
        self.blocking("sync", folder, sync_all).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        let read = |path: &Path| found(fs::read(path)).map(|bytes| bytes.map(Bytes::from));
        self.blocking("read", path, read).await
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), TreeError> {
        let write = move |path: &Path| {
            let folder = path.parent().unwrap_or(path);
            create_folders(folder)?;
            let unnamed = tempfile::Builder::new().prefix(UNNAMED).tempfile_in(folder);
            let mut file = unnamed?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            sync(folder)
        };
        self.blocking("write", path, write).await
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, TreeError> {
        let look = |path: &Path| found(fs::metadata(path)).map(|found| found.map(|at| at.len()));
        self.blocking("look at", path, look).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<Copied, TreeError> {
        let from = self.root.join(from);
        let link = move |to: &Path| {
            let folder = to.parent().unwrap_or(to);
            create_folders(folder)?;
            match fs::hard_link(&from, to) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Whoever took it may not have come to this.
                    sync(folder)?;
                    return Ok(Copied::Taken);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Copied::Gone),
                Err(error) => return Err(error),
            }
            sync(folder)?;
            Ok(Copied::Yes)
        };
        self.blocking("create", to, link).await
    }

    async fn delete(&self, folder: &str) -> Result<(), TreeError> {
        let remove = |folder: &Path| {
            found(fs::remove_dir_all(folder))?;
            folder.parent().map_or(Ok(()), |above| {
                found(File::open(above))?.map_or(Ok(()), |above| above.sync_all())
            })
        };
        self.blocking("delete", folder, remove).await
    }

    async fn remove(&self, files: &[String]) -> Result<(), TreeError> {
        let files: Vec<PathBuf> = files.iter().map(|file| self.root.join(file)).collect();
        let remove = move |_: &Path| {
            let mut folders = BTreeSet::new();
            for file in &files {
                found(fs::remove_file(file))?;
                folders.extend(file.parent().map(Path::to_owned));
            }
            folders
                .iter()
                .try_for_each(|folder| found(sync(folder)).map(drop))
        };
        self.blocking("delete files of", "", remove).await
    }

    async fn crc32(&self, path: &str) -> Result<Option<u32>, TreeError> {
        let sum = |path: &Path| {
            let Some(mut file) = found(File::open(path))? else {
                return Ok(None);
            };
            let mut hasher = crc32fast::Hasher::new();
            let mut buffer = vec![0; SUMMED_AT_ONCE];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(Some(hasher.finalize())),
                    read => hasher.update(&buffer[..read]),
                }
            }
        };
        self.blocking("read", path, sum).await
    }

    async fn files(&self, folder: &str) -> Result<Vec<Found>, TreeError> {
        let root = self.root.clone();
        let list = move |folder: &Path| {
            let mut files = Vec::new();
            collect(&root, folder, &mut files)?;
            Ok(files)
        };
        self.blocking("list", folder, list).await
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        let list = |folder: &Path| {
            let mut names = Vec::new();
            for entry in found(fs::read_dir(folder))?.into_iter().flatten() {
                let entry = entry?;
                let mut name = names::readable(&entry.file_name()).into_owned();
                if entry.file_type()?.is_dir() {
                    name.push('/');
                }
                names.push(name);
            }
            names.sort();
            Ok(names)
        };
        self.blocking("list", folder, list).await
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TreeError + use<> {
    let path = Place::Local(path.to_owned());
    move |source| TreeError::Io {
        action,
        path,
        source,
    }
}

fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of a folder and those below it. What vanishes meanwhile is not there.
fn collect(root: &Path, folder: &Path, files: &mut Vec<Found>) -> io::Result<()> {
    for entry in found(fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with(UNNAMED) {
            continue;
        }
        let Some(metadata) = found(fs::symlink_metadata(&path))? else {
            continue;
        };
        files.push(Found {
            path: text(path.strip_prefix(root).unwrap_or(&path)),
            bytes: metadata.len(),
            modified: metadata.modified()?,
        });
    }
    Ok(())
}

/// Makes a folder and those above it, and writes each one's name to the disk.
pub(in crate::sink) fn create_folders(folder: &Path) -> io::Result<()> {
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
pub(in crate::sink) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
