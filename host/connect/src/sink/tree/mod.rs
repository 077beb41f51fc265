//! A folder of this machine or a prefix of a bucket, with what sinks of a log need of it: files that appear whole, copies that replace
//! nothing, small documents.
//!
//! All paths are relative, with `/` between their parts. What is acknowledged outlives a power failure.

mod bucket;
mod folder;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use transom_commit::{SinkError, SinkErrorKind};
use transom_file::spec::Place;

pub(super) use self::{
    bucket::BucketTree,
    folder::{FolderTree, create_folders, sync},
};
use super::{OutFile, WrittenFile};
use crate::aws::{Aws, Listed, S3Error, S3ErrorKind};
use crate::names;

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// The name was free, and is the copy's now.
    Yes,
    /// The name is taken.
    Taken,
    /// There is nothing to copy.
    Gone,
}

/// A file that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its path in the tree.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}

impl From<Listed> for Found {
    fn from(object: Listed) -> Self {
        Self {
            path: object.key,
            bytes: object.bytes,
            modified: object.modified,
        }
    }
}

/// A folder or a prefix.
#[async_trait]
pub(super) trait Tree: fmt::Debug + Send + Sync {
    /// Where it is.
    fn place(&self) -> Place;

    /// A new file. Not to be called from a task.
    fn file(&self, path: &str) -> io::Result<OutFile>;

    /// Waits until the names of files below `folder`, which are complete, outlive a power failure.
    async fn seal(&self, folder: &str, files: &[WrittenFile]) -> Result<(), TreeError>;

    /// A small document; none if there is none.
    async fn get(&self, path: &str) -> Result<Option<Bytes>, TreeError>;

    /// Writes a small document, whatever is there: who reads it finds the old one or the new one.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), TreeError>;

    /// The size of a file; none if there is none.
    async fn size(&self, path: &str) -> Result<Option<u64>, TreeError>;

    /// The same with the CRC-32 of its bytes, if that is known without reading them.
    async fn summed(&self, path: &str) -> Result<Option<(u64, Option<u32>)>, TreeError> {
        Ok(self.size(path).await?.map(|bytes| (bytes, None)))
    }

    /// Gives a complete file another name, if that is free.
    async fn copy(&self, from: &str, to: &str) -> Result<Copied, TreeError>;

    /// Deletes all below a folder; there may be nothing.
    async fn delete(&self, folder: &str) -> Result<(), TreeError>;

    /// Deletes files; some may be gone.
    async fn remove(&self, files: &[String]) -> Result<(), TreeError>;

    /// The CRC-32 of a file's bytes; none if there is none.
    async fn crc32(&self, path: &str) -> Result<Option<u32>, TreeError>;

    /// All files below a folder, by their paths in the tree; none if there is no such folder. Links are not followed.
    async fn files(&self, folder: &str) -> Result<Vec<Found>, TreeError>;

    /// Names directly below, folders with `/` at their end; none if there is no such folder.
    async fn names(&self, folder: &str) -> Result<Vec<String>, TreeError>;
}

/// The tree at a place.
pub(super) async fn tree_at(place: &Place, aws: &Aws) -> Result<Arc<dyn Tree>, TreeError> {
    Ok(match place {
        Place::Local(path) => Arc::new(FolderTree::new(path)?),
        Place::S3(url) => {
            let bucket = aws.bucket(&url.bucket).await.map_err(TreeError::S3)?;
            Arc::new(BucketTree::new(url, bucket))
        }
    })
}

/// The place in which a table lies, and its name there.
pub(super) fn split(table: &Place) -> Result<(Place, String), TreeError> {
    match table {
        Place::Local(path) => {
            let (above, name) = split_path(path)?;
            Ok((Place::Local(above), name))
        }
        Place::S3(url) => {
            let (above, name) = url.split().ok_or_else(|| nameless(table))?;
            Ok((Place::S3(above), name.to_owned()))
        }
    }
}

/// The folder in which a table's folder lies, made absolute, since the process may change its own; and its name there.
pub(super) fn split_path(path: &Path) -> Result<(PathBuf, String), TreeError> {
    let place = Place::Local(path.to_owned());
    let absolute = std::path::absolute(path).map_err(|source| TreeError::Io {
        action: "find",
        path: place.clone(),
        source,
    })?;
    let name = absolute.file_name().and_then(|name| name.to_str());
    match (absolute.parent(), name) {
        (Some(above), Some(name)) => Ok((above.to_owned(), name.to_owned())),
        _ => Err(nameless(&place)),
    }
}

fn nameless(table: &Place) -> TreeError {
    TreeError::Io {
        action: "find",
        path: table.clone(),
        source: io::Error::from(io::ErrorKind::InvalidFilename),
    }
}

/// A path as trees have them.
pub(super) fn text(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(names::readable).collect();
    parts.join("/")
}

/// What a folder or a bucket refuses.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeError {
    #[error("cannot {action} `{path}`")]
    Io {
        action: &'static str,
        path: Place,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The process is shutting down: it may have been done.
    #[error("interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl TreeError {
    /// In the terms of what applies entries.
    pub(super) fn applying(self, sink: &str) -> SinkError {
        let kind = match &self {
            Self::S3(error) => match error.kind() {
                S3ErrorKind::Temporary | S3ErrorKind::Unclear | S3ErrorKind::Changed => {
                    SinkErrorKind::Unclear
                }
                _ => SinkErrorKind::Broken,
            },
            Self::Io { .. } => SinkErrorKind::Broken,
            Self::Interrupted(_) => SinkErrorKind::Unclear,
        };
        SinkError::new(kind, format!("sink `{sink}`: its files cannot be changed")).because(self)
    }

    /// In the terms of what writes results.
    pub(super) fn staging(self, sink: &str) -> super::SinkError {
        let name = sink.to_owned();
        match self {
            Self::Io {
                action,
                path,
                source,
            } => super::SinkError::Io {
                name,
                action,
                path,
                source,
            },
            Self::S3(source) => super::SinkError::s3(sink, source),
            Self::Interrupted(source) => super::SinkError::Interrupted { name, source },
        }
    }
}
