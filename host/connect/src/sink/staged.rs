//! What an attempt leaves: documents that another process can read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transom_commit::Position;
use transom_file::spec::{Place, TableName};

use crate::redshift::Load;

/// One try to compute a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Names it; part of the names of what it writes. Two attempts never have the same.
    pub id: String,
    /// The log that it is for; none of a run without one.
    pub log: Option<String>,
    /// The attempt whose result the table has, if an entry of a log says so: the result begun here comes after it.
    pub after: Option<String>,
    /// Whether it is a share of a backfill: after which result it comes is known when it is loaded ([`Sink::follow`](super::Sink::follow)).
    pub is_share: bool,
    /// Whether the table has rows of entries that are in force: it must be there then.
    pub has_rows: bool,
    /// The partitions that are computed anew; the others stay.
    pub replaces: Option<Replaces>,
}

impl Attempt {
    /// The attempt of a run.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            log: None,
            after: None,
            is_share: false,
            has_rows: false,
            replaces: None,
        }
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
    /// The CRC-32 of its bytes; none of files that earlier versions have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
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
    /// Files are copied into the table, each to a name that is free.
    Append(Appended),
    /// The table's pointer is moved to a version.
    Point(Pointed),
}

impl Publish {
    /// How many files the result has.
    #[must_use]
    pub fn files(&self) -> u64 {
        match self {
            Self::Append(appended) => appended.files,
            Self::Point(pointed) => pointed.files,
            Self::Switch { .. } | Self::Load(_) => 0,
        }
    }

    /// Size of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Append(appended) => appended.bytes,
            Self::Point(pointed) => pointed.bytes,
            Self::Switch { .. } | Self::Load(_) => 0,
        }
    }

    /// Where readers find the table.
    #[must_use]
    pub fn table(&self) -> TableAt {
        match self {
            Self::Switch { table, .. } => TableAt::Path(table.clone()),
            Self::Append(appended) => TableAt::Path(appended.table.clone()),
            Self::Point(pointed) => TableAt::Path(pointed.table.clone()),
            Self::Load(load) => TableAt::Table(load.table.table.clone()),
        }
    }
}

/// Where readers find a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableAt {
    /// In files: absolute.
    Path(Place),
    /// In the warehouse.
    Table(TableName),
}

/// Files that an entry of a log adds to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appended {
    /// Where readers find the table: absolute. On this machine the pipeline's path counts: a project may be moved, with its state.
    pub table: Place,
    /// The attempt that has written them: part of their names.
    pub attempt: String,
    /// How many there are. Their list lies in the table's own folder, so that entries stay small.
    pub files: u64,
    /// Size of all of them.
    pub bytes: u64,
    /// What they say of the shape of the table's files; what they are like stands in their list.
    #[serde(default, skip_serializing_if = "Shapes::are_same")]
    pub shapes: Shapes,
}

/// How the shape of files that are added goes with that of the table's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shapes {
    /// They have nothing that is not known.
    #[default]
    Same,
    /// They have columns that were not there.
    Widen,
    /// No others are known: there are none, or the first ones are not in the table yet, and are of the same pipeline.
    Begin,
}

impl Shapes {
    /// What so many files say: none says nothing.
    pub(crate) fn of_files(self, files: u64) -> Self {
        match files {
            0 => Self::Same,
            _ => self,
        }
    }

    fn are_same(&self) -> bool {
        *self == Self::Same
    }
}

/// A version of a table that an entry of a log makes the visible one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointed {
    /// Where readers find the table: absolute, as in [`Appended`].
    pub table: Place,
    /// The attempt that has written it: the version's name.
    pub attempt: String,
    /// How many files it has, those of earlier versions included that it goes on with.
    pub files: u64,
    /// Size of all of them.
    pub bytes: u64,
}

/// The last entry of a log that a table has: a note beside it, which decides nothing. A state that was restored from a backup is behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// The log.
    pub log: String,
    /// The sink, by its name in the log.
    pub sink: String,
    /// The entry's number.
    pub seq: u64,
    /// The attempt that it is.
    pub attempt: String,
}

impl Noted {
    pub(crate) fn new(log: String, sink: &str, at: &Position) -> Self {
        Self {
            log,
            sink: sink.to_owned(),
            seq: at.seq,
            attempt: at.attempt_text(),
        }
    }
}

/// Partitions that a result replaces: those in which a column has one of these values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaces {
    /// The column, one of `partition_by`.
    pub column: String,
    /// Its values as the names of folders have them, `None` for NULL.
    pub values: BTreeSet<Option<String>>,
}

/// What a sink has loaded last.
#[derive(Debug, Clone, Copy)]
pub struct LastLoad<'a> {
    /// What the entry has for it.
    pub part: &'a transom_commit::Part,
    /// Whether nothing that it has loaded is in force: a rewind has taken back all of it, but leaves rows in warehouses that were merged or
    /// have replaced others.
    pub is_taken_back: bool,
}

/// What a rewind would do to a table.
#[derive(Debug)]
pub struct Rewound<'a> {
    /// What the entries have added that it takes back.
    pub taken_back: Vec<&'a transom_commit::Part>,
    /// The attempt whose result the table is to have again; none if it is to be empty.
    pub stays: Option<&'a str>,
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
