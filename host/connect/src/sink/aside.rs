//! What attempts have beside a table, where no reader looks: what a gc finds, and may delete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use transom_commit as commit;

use super::tree::Found;

/// What a log says of the attempts at a table.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The log.
    pub log: String,
    /// The attempts that are entries, with their numbers.
    pub named: BTreeMap<String, u64>,
    /// Those of them whose results are kept: staged files of a table with added files, versions of one with a pointer.
    pub needed: BTreeSet<String>,
    /// Those of them whose rows rewinds have taken back that all sinks have.
    pub taken_back: BTreeSet<String>,
}

/// Files of an attempt that are not the table's, and that no entry needs which can still be gone back to.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The attempt.
    pub attempt: String,
    /// Its entry; none if it is not in the log: such files may be deleted only once an entry says that the attempt is dead.
    pub entry: Option<u64>,
    /// How many files there are.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// When the newest of them was written, by the clock of their place.
    pub modified: SystemTime,
    /// Whether they are the files without rows that a rewind has put into the table. They may be deleted once no copy that was under way
    /// then is carried out any more.
    pub is_emptied: bool,
    /// The files' paths.
    pub(super) paths: Vec<String>,
    /// A folder of which nothing is kept.
    pub(super) folder: Option<String>,
}

impl Aside {
    pub(super) fn new(known: &Known, attempt: &str) -> Self {
        Self {
            attempt: attempt.to_owned(),
            entry: known.named.get(attempt).copied(),
            files: 0,
            bytes: 0,
            modified: SystemTime::UNIX_EPOCH,
            is_emptied: false,
            paths: Vec::new(),
            folder: None,
        }
    }

    pub(crate) fn paths(&self) -> &[String] {
        &self.paths
    }

    pub(super) fn add(&mut self, found: Found) {
        self.files += 1;
        self.bytes += found.bytes;
        self.modified = self.modified.max(found.modified);
        self.paths.push(found.path);
    }
}

/// What was found, by attempts. Names that no attempt has are not transom's.
#[derive(Debug)]
pub(crate) struct Asides<'a> {
    known: &'a Known,
    by_attempt: BTreeMap<String, Aside>,
}

impl<'a> Asides<'a> {
    pub(crate) fn new(known: &'a Known) -> Self {
        Self {
            known,
            by_attempt: BTreeMap::new(),
        }
    }

    /// A file of this attempt.
    pub(crate) fn add(&mut self, attempt: &str, found: Found) {
        if attempt.parse::<commit::Attempt>().is_err() {
            return;
        }
        let aside = self.by_attempt.entry(attempt.to_owned());
        aside
            .or_insert_with(|| Aside::new(self.known, attempt))
            .add(found);
    }

    /// All of them.
    pub(crate) fn into_all(self) -> impl Iterator<Item = Aside> {
        self.by_attempt.into_values()
    }

    /// Those that are not needed.
    pub(crate) fn into_unneeded(self) -> impl Iterator<Item = Aside> {
        let known = self.known;
        let asides = self.by_attempt.into_values();
        asides.filter(|aside| !known.needed.contains(&aside.attempt))
    }
}
