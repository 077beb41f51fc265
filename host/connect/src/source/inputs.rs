//! What a source consists of at one moment.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use datafusion::{common::DataFusionError, datasource::listing::PartitionedFile};
use serde::{Deserialize, Serialize};

use transom_file::spec::S3Url;

use crate::lease::Lease;

/// One piece of a source: a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// As the user sees it: relative to the source's root, symbolic links not followed; of S3 the address, without the version of a table.
    pub path: PathBuf,
    /// Where it lies.
    pub location: Location,
    /// Size, compressed if the file is.
    pub bytes: u64,
    /// When it was last changed. With the size, what tells that it is no longer the file that was listed.
    pub modified: SystemTime,
}

/// Where the bytes of a piece are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In a file: absolute, all links followed.
    File(PathBuf),
    /// In an object, which is no longer the one that was listed if its ETag is another.
    Object {
        /// Its address.
        url: S3Url,
        /// Its ETag.
        etag: String,
    },
}

impl Input {
    /// What was found when the files were listed.
    pub(super) fn of(file: &PartitionedFile) -> Result<&Self, DataFusionError> {
        let found = file.extension::<Self>();
        found.ok_or_else(|| DataFusionError::Internal("a file without its path".to_owned()))
    }
}

/// The pieces of a source, as one listing found them: what was listed is what is planned, read and reported.
///
/// They can be written down and read in another process. Pieces of a table that a sink has published stay as long as the
/// inputs that were listed here, or a plan over them, live.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inputs {
    /// By path.
    pub pieces: Vec<Input>,
    /// Files of the folders that are not hidden, and whose names do not end as the format's do.
    pub passed_over: usize,
    /// Whether they are what a slice reads of the source: what none of them has, others may have.
    #[serde(default)]
    pub is_slice: bool,
    #[serde(skip)]
    pub(crate) leases: Vec<Arc<Lease>>,
}

impl Inputs {
    /// Some of the pieces, for a slice, with the hold on all of them.
    #[must_use]
    pub fn with_pieces(&self, pieces: Vec<Input>) -> Self {
        Self {
            pieces,
            passed_over: 0,
            is_slice: true,
            leases: self.leases.clone(),
        }
    }

    /// Size of all pieces.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }

    /// Whether no piece has a byte.
    pub(super) fn are_empty(&self) -> bool {
        self.pieces.iter().all(|piece| piece.bytes == 0)
    }
}
