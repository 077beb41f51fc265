//! Whether a table is what the log says: what is looked at, and what is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use transom_commit::{LogId, Part, Position};

use super::tree::{Found, Tree, TreeError};

/// Files that are read at once.
const AT_ONCE: usize = 8;

/// What a log says of a table.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The log.
    pub log: LogId,
    /// The last entry that the table has.
    pub position: Position,
    /// The position before it, if the last entry of the log may not be in the table yet.
    pub before: Option<Position>,
    /// What each slice has for it, in the log's order.
    pub loads: Vec<Expectation<'a>>,
    /// Whether all bytes are read.
    pub deep: bool,
}

/// What a slice has for a table.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The slice.
    pub position: Position,
    /// What it has staged.
    pub part: &'a Part,
    /// Whether the table has it.
    pub is_there: IsThere,
}

/// Whether a table has the rows of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsThere {
    /// It must.
    Yes,
    /// It had them, and a rewind has taken them back.
    TakenBack,
    /// It never got them: the slice was discarded, or the sink was moved past it.
    Never,
    /// It may: the slice is the log's last entry, and not in all sinks yet; or an unfinished rewind takes it back.
    Perhaps,
}

/// Something that is not as the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The sink; none if it is the log's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// What is wrong, with the file or the entry.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// What was found out about a table.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// Files that were looked at.
    pub files: u64,
    /// Rows that were counted, in a warehouse.
    pub rows: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Verified {
    pub(crate) fn find(&mut self, sink: &str, problem: String, hint: impl Into<String>) {
        self.findings.push(Finding {
            sink: Some(sink.to_owned()),
            problem,
            hint: hint.into(),
        });
    }
}

/// A file that should be there: its size, and the CRC-32 of its bytes if it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileOf {
    pub(super) entry: u64,
    pub(super) bytes: u64,
    pub(super) crc32: Option<u32>,
    /// Whether it may be missing.
    pub(super) is_optional: bool,
}

/// What to do about a file that is gone or was changed.
pub(crate) fn redo(entry: u64) -> String {
    let before = entry.saturating_sub(1);
    format!(
        "restore it from a backup, or load again: `transom rewind --to {before} --yes`, then `transom run`"
    )
}

/// Compares files with those that should be there; gives back those that nothing is known of.
pub(super) async fn compare(
    tree: &Arc<dyn Tree>,
    sink: &str,
    found: Vec<Found>,
    expected: &BTreeMap<String, FileOf>,
    deep: bool,
    verified: &mut Verified,
) -> Result<Vec<Found>, TreeError> {
    let place = tree.place();
    let mut there: BTreeMap<String, u64> = BTreeMap::new();
    let mut unknown = Vec::new();
    for file in found {
        match expected.contains_key(&file.path) {
            true => drop(there.insert(file.path, file.bytes)),
            false => unknown.push(file),
        }
    }
    let mut read = Vec::new();
    for (path, file) in expected {
        let shown = place.join(path);
        let entry = file.entry;
        match there.get(path) {
            None if file.is_optional => {}
            None => {
                let problem = format!("`{shown}` of entry {entry} is gone");
                verified.find(sink, problem, redo(entry));
            }
            Some(bytes) if *bytes != file.bytes => {
                let expected = file.bytes;
                let problem = format!(
                    "`{shown}` of entry {entry} has {bytes} bytes, and {expected} were written"
                );
                verified.find(sink, problem, redo(entry));
            }
            Some(_) => {
                verified.files += 1;
                if let (true, Some(crc32)) = (deep, file.crc32) {
                    read.push((path, entry, crc32));
                }
            }
        }
    }
    let sums = read.into_iter().map(|(path, entry, crc32)| {
        let (tree, path) = (Arc::clone(tree), path.clone());
        async move {
            let is_same = tree.crc32(&path).await?.is_none_or(|found| found == crc32);
            Ok::<_, TreeError>((!is_same).then_some((path, entry)))
        }
    });
    let sums: Vec<_> = sums.collect();
    let changed = stream::iter(sums).buffered(AT_ONCE);
    let changed: Vec<_> = changed.try_collect().await?;
    for (path, entry) in changed.into_iter().flatten() {
        let problem = format!(
            "`{}` of entry {entry} has other bytes than were written",
            place.join(&path)
        );
        verified.find(sink, problem, redo(entry));
    }
    Ok(unknown)
}
