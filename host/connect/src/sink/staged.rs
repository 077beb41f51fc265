//! What an attempt leaves: documents that another process can read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transom_file::spec::Place;

use crate::redshift::Load;

/// One try to compute a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Names it; part of the names of what it writes. Two attempts never have the same.
    pub id: String,
}

impl Attempt {
    /// The attempt of a run.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }
}

/// A file that a sink has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Relative to the table.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Partition columns with their values as text, `None` for NULL; empty if the table has no partitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: Vec<(String, Option<String>)>,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Rows taken.
    pub rows: u64,
    /// Size of all files.
    pub bytes: u64,
    /// The files, by path.
    pub files: Vec<WrittenFile>,
}

impl Written {
    /// The sum of these files.
    pub(crate) fn of(mut files: Vec<WrittenFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            files,
        }
    }
}

/// A complete result that no reader sees yet, and how it becomes visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Name of the sink.
    pub sink: String,
    /// What was written.
    pub written: Written,
    /// How it becomes visible.
    pub publish: Publish,
}

/// How a result becomes visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
#[non_exhaustive]
pub enum Publish {
    /// The whole table is switched to a new version.
    Switch {
        /// Where readers find the table: absolute.
        table: Place,
        /// The new version's name.
        version: String,
        /// The version that was visible when the attempt began: only from this one it is switched.
        previous: Option<String>,
    },
    /// Rows are loaded into a table of Redshift, by an entry of the log: [`Part::staged`](transom_commit::Part) is this document.
    Load(Box<Load>),
}

/// A table that shows a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Name of the sink.
    pub sink: String,
    /// Where readers find the table: absolute.
    pub table: Place,
    /// Name of the version that is visible.
    pub version: String,
    /// The version that was visible before, and is kept.
    pub previous: Option<String>,
}
