//! The data folder: which one it is, and that one process owns it.
//!
//! The lock is the kernel's and ends with the process, however that ends. What the lock file says is for others to
//! read: who holds it, and where it answers.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

const LOCK: &str = "lock";
const MARKER: &str = "transom-local.json";
/// What is in the folder is arranged as this version says.
const FORMAT: u32 = 2;
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The process that owns a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub process: u32,
    /// Where it answers, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The port of Redshift's wire protocol on 127.0.0.1, if it listens.
    #[serde(default)]
    pub redshift_port: Option<u16>,
    /// The region that it is in.
    pub region: String,
}

/// Why a data folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process owns it.
    #[error("`{}` is in use by {}", path.display(), describe(owner.as_ref()))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who owns it; not known while it starts.
        owner: Option<Owner>,
    },
    /// Something else is in it, which must not be touched.
    #[error("`{}` is not empty and is not a data folder of the local AWS", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Another version of the program wrote it.
    #[error("`{}` has format {format}, and this program reads format {FORMAT}: delete it, or take another folder", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The file system refuses.
    #[error("the data folder `{}` cannot be used", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn describe(owner: Option<&Owner>) -> String {
    match owner {
        Some(Owner {
            process, endpoint, ..
        }) => format!("process {process} ({endpoint})"),
        None => "a process that is starting".to_owned(),
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
}

/// A data folder that this process owns until it is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Creates the folder if need be and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(io)?;
        let marker = path.join(MARKER);
        if !marker.exists() {
            let mut entries = fs::read_dir(path).map_err(io)?;
            let foreign = |entry: io::Result<fs::DirEntry>| {
                // Another process may be making the folder at this moment.
                entry.is_ok_and(|entry| entry.file_name() != LOCK && entry.file_name() != MARKER)
            };
            if entries.any(foreign) && !marker.exists() {
                return Err(FolderError::Foreign {
                    path: path.to_owned(),
                });
            }
        }
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(io)?;
        let mut tries = 0;
        while let Err(error) = lock.try_lock() {
            match error {
                // Who only asks for the owner holds the lock for an instant.
                TryLockError::WouldBlock if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                TryLockError::WouldBlock => {
                    return Err(FolderError::InUse {
                        path: path.to_owned(),
                        owner: read_owner(&lock),
                    });
                }
                TryLockError::Error(source) => return Err(io(source)),
            }
            tries += 1;
        }
        lock.set_len(0).map_err(io)?;
        match fs::read(&marker) {
            Ok(text) => match serde_json::from_slice::<Marker>(&text) {
                Ok(Marker { format: FORMAT }) => {}
                Ok(Marker { format }) => {
                    return Err(FolderError::Format {
                        path: path.to_owned(),
                        format,
                    });
                }
                // It was being written when the machine stopped: nothing else is there yet.
                Err(_) => write_marker(&marker).map_err(io)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_marker(&marker).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Says where this process answers.
    pub(crate) fn announce(
        &mut self,
        endpoint: &str,
        redshift_port: Option<u16>,
        region: &str,
    ) -> io::Result<()> {
        let owner = Owner {
            process: std::process::id(),
            endpoint: endpoint.to_owned(),
            redshift_port,
            region: region.to_owned(),
        };
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock
            .write_all(serde_json::to_string(&owner)?.as_bytes())
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn write_marker(path: &Path) -> io::Result<()> {
    fs::write(path, serde_json::to_string(&Marker { format: FORMAT })?)
}

fn read_owner(mut lock: &File) -> Option<Owner> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// The process that owns a data folder now; none, if no process does.
///
/// # Errors
/// If the lock file cannot be read.
pub fn owner_of(path: &Path) -> io::Result<Option<Owner>> {
    let lock = match File::open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(read_owner(&lock)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Deletes all data in a folder that no process owns.
///
/// # Errors
/// If a process owns it, if it is no data folder, or if the file system refuses.
pub fn clear_folder(path: &Path) -> Result<(), FolderError> {
    if !path.exists() {
        return Ok(());
    }
    let folder = DataFolder::open(path)?;
    for service in ["s3", "redshift"] {
        match fs::remove_dir_all(folder.join(service)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(FolderError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(())
}
