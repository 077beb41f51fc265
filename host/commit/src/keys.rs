//! Where documents lie under a pipeline's state.

use crate::id::{Attempt, Share};

/// The folder of entries.
pub const LOG: &str = "log/";

/// The folder of the notes that entries are done.
pub const DONE: &str = "done/";

/// The folder of documents that are named by their content.
pub const OBJECTS: &str = "objects/";

/// The folder of reports of runs, which decide nothing.
pub const RUNS: &str = "runs/";

/// The folder of attempts that wait to be loaded.
pub const STAGED: &str = "staged/";

/// The folder of the attempts that stand for the shares of backfills.
pub const SHARES: &str = "backfill/";

/// Entry `seq`. Twenty digits, so that names are in the order of numbers.
pub fn entry(seq: u64) -> String {
    format!("{LOG}{seq:020}.json")
}

/// The note that all sinks have entry `seq`.
pub fn done(seq: u64) -> String {
    format!("{DONE}{seq:020}.json")
}

/// The folder of the attempts that stand for the shares of a backfill.
pub fn shares(backfill: u64) -> String {
    format!("{SHARES}{backfill:020}/")
}

/// The attempt that stands for a share of a backfill.
pub fn share(share: Share) -> String {
    format!("{}{}.json", shares(share.backfill), share.index)
}

/// The share of the attempt with this name.
pub fn share_of(key: &str) -> Option<Share> {
    let (backfill, index) = key.strip_prefix(SHARES)?.split_once('/')?;
    let found = Share {
        backfill: backfill.parse().ok()?,
        index: index.strip_suffix(".json")?.parse().ok()?,
    };
    (share(found) == key).then_some(found)
}

/// An attempt that waits to be loaded.
pub fn staged(attempt: Attempt) -> String {
    format!("{STAGED}{attempt}.json")
}

/// The attempt that waits under this name.
pub fn staged_of(key: &str) -> Option<Attempt> {
    let name = key.strip_prefix(STAGED)?.strip_suffix(".json")?;
    name.parse().ok()
}

/// The number of the entry with this name.
pub fn entry_number(key: &str) -> Option<u64> {
    let digits = key.strip_prefix(LOG)?.strip_suffix(".json")?;
    let seq = digits.parse().ok()?;
    (entry(seq) == key).then_some(seq)
}
