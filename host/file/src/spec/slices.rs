//! What runs in slices are asked for: which part of a source each slice reads, and what becomes of a sink's earlier rows.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

/// Which part of a source a slice reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Incremental {
    /// Files that no slice has read yet.
    NewFiles {
        /// What happens to a file that was read and is another one now.
        on_change: OnChange,
    },
    /// All files of the partitions that have changed: of this column, whose values are in the names of folders.
    By {
        /// The column.
        column: String,
        /// What happens to a partition that lacks files which were read.
        on_missing: OnMissing,
    },
}

/// What happens to a file that was loaded and is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// The run ends with an error.
    #[default]
    Fail,
    /// It is loaded as if it were new: rows that it had before are in the sinks twice.
    Load,
    /// It counts as loaded.
    Ignore,
}

/// What happens to a partition that has changed and lacks files from which it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The run ends with an error.
    #[default]
    Fail,
    /// The partition stays as it is.
    Keep,
    /// The partition is loaded again from the files that are there.
    Load,
}

/// Bounds on what one slice reads of its incremental sources. A slice has at least one file or partition, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SliceLimits {
    /// Files.
    pub files: u64,
    /// Bytes, as they lie there.
    pub bytes: u64,
    /// Rows of all sources, about: they are known when they have been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The time that a slice is to take, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}

impl Default for SliceLimits {
    fn default() -> Self {
        Self {
            files: 1000,
            bytes: 1 << 30,
            rows: None,
            time: None,
        }
    }
}
