//! `hints/comparisons.json`: what came of comparing files that look changed with what was loaded. Until a slice writes down how such files
//! look now, each run would read them again: of a bucket that was restored from a backup, all that is in it.
//!
//! It may be lost or damaged, which costs reading. It cannot be wrong, nor become so: what stands there are digests, each of a file as it
//! looks, of the content that it was compared with, *and* of what came of it. Of another version of the file, or if a digit has changed, none
//! is found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use transom_commit::{Digest, Store};
use transom_connect::Input;

use super::hints;
use super::seen::{Stamp, path_of};

const KEY: &str = "hints/comparisons.json";
const FORMAT: u32 = 1;
/// How often outcomes are written while files are read: a run that is stopped meanwhile leaves less to do to the next one.
const EVERY: Duration = Duration::from_secs(20);

/// What came of comparisons, in this run and in those before it.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    /// Those that stand in the store, once that was looked at.
    stored: Option<BTreeSet<Digest>>,
    /// Those that this run has made or needed. Others are of files that look otherwise by now, or as they are written down.
    used: BTreeSet<Digest>,
    /// Since when some are not in the store.
    unwritten: Option<Instant>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    outcomes: BTreeSet<Digest>,
}

/// Whether a file, as it looks now, has the content that was noted.
fn outcome(piece: &Input, noted: &str, is_same: bool) -> Digest {
    // That no way was found to make the ETag that was noted of an object's content holds for this version alone.
    let by = (!is_same).then_some(env!("CARGO_PKG_VERSION"));
    let outcome = (path_of(piece), Stamp::of(piece), noted, is_same, by);
    Digest::of(&serde_json::to_vec(&outcome).expect("it has text for keys"))
}

impl Comparisons {
    /// Reads what earlier runs have found, once.
    pub(super) async fn look(&mut self, store: &dyn Store) {
        if self.stored.is_none() {
            self.stored = Some(read(store).await.unwrap_or_default());
        }
    }

    /// Whether a file has the content that was noted, if that was found out before.
    pub(super) fn get(&mut self, piece: &Input, noted: &str) -> Option<bool> {
        [true, false].into_iter().find(|is_same| {
            let outcome = outcome(piece, noted, *is_same);
            let is_stored = |stored: &BTreeSet<Digest>| stored.contains(&outcome);
            if self.stored.as_ref().is_some_and(is_stored) {
                self.used.insert(outcome);
            }
            self.used.contains(&outcome)
        })
    }

    /// Notes what was found out.
    pub(super) fn add(&mut self, piece: &Input, noted: &str, is_same: bool) {
        self.used.insert(outcome(piece, noted, is_same));
        self.unwritten.get_or_insert_with(Instant::now);
    }

    /// Writes what was found out if that was not done for a while. It is not known yet what of earlier runs is needed.
    pub(super) async fn keep_now_and_then(&mut self, store: &dyn Store) {
        if self.unwritten.is_some_and(|since| since.elapsed() > EVERY) {
            let stored = self.stored.iter().flatten();
            let all = stored.chain(&self.used).copied().collect();
            self.write(store, all).await;
        }
    }

    /// Writes what was found out, and forgets what is not needed any more.
    pub(super) async fn keep(&mut self, store: &dyn Store) {
        if self.unwritten.is_some() {
            self.write(store, self.used.clone()).await;
        }
    }

    async fn write(&mut self, store: &dyn Store, outcomes: BTreeSet<Digest>) {
        let format = FORMAT;
        hints::write(store, KEY, &Document { format, outcomes }).await;
        self.unwritten = None;
    }
}

async fn read(store: &dyn Store) -> Option<BTreeSet<Digest>> {
    let found: Document = hints::read(store, KEY).await?;
    (found.format == FORMAT).then_some(found.outcomes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::UNIX_EPOCH;

    use transom_commit::MemoryStore;
    use transom_connect::Location;

    use super::*;

    fn file(path: &str, bytes: u64, seconds: u64) -> Input {
        Input {
            path: PathBuf::from(path),
            location: Location::File(PathBuf::from(path)),
            bytes,
            modified: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// What the next run knows.
    async fn next(store: &MemoryStore) -> Comparisons {
        let mut comparisons = Comparisons::default();
        comparisons.look(store).await;
        comparisons
    }

    #[tokio::test]
    async fn an_outcome_is_that_of_one_version_of_a_file_and_one_content() {
        let store = MemoryStore::default();
        let mut first = next(&store).await;
        let (same, other) = (file("a.csv", 1, 1), file("b.csv", 1, 1));
        assert_eq!(first.get(&same, "x"), None);
        first.add(&same, "x", true);
        first.add(&other, "x", false);
        assert_eq!(first.get(&same, "x"), Some(true));
        first.keep(&store).await;

        let mut second = next(&store).await;
        assert_eq!(second.get(&same, "x"), Some(true));
        assert_eq!(second.get(&other, "x"), Some(false));
        assert_eq!(second.get(&same, "y"), None);
        for unknown in [
            file("a.csv", 2, 1),
            file("a.csv", 1, 2),
            file("c.csv", 1, 1),
        ] {
            assert_eq!(second.get(&unknown, "x"), None, "{unknown:?}");
        }
    }

    #[tokio::test]
    async fn what_no_run_needs_any_more_is_forgotten_once_there_is_something_to_write() {
        let store = MemoryStore::default();
        let pieces = [1, 2, 3].map(|seconds| file("a.csv", 1, seconds));
        let mut first = next(&store).await;
        first.add(&pieces[0], "x", true);
        first.add(&pieces[1], "x", true);
        first.keep(&store).await;
        let mut second = next(&store).await;
        assert_eq!(second.get(&pieces[1], "x"), Some(true));
        second.keep(&store).await;
        assert_eq!(next(&store).await.get(&pieces[0], "x"), Some(true));
        second.add(&pieces[2], "x", true);
        second.keep(&store).await;
        let mut third = next(&store).await;
        let known = pieces.map(|piece| third.get(&piece, "x"));
        assert_eq!(known, [None, Some(true), Some(true)]);
    }

    #[tokio::test]
    async fn a_document_that_is_damaged_says_nothing() {
        let store = MemoryStore::default();
        let piece = file("a.csv", 1, 1);
        let mut first = next(&store).await;
        first.add(&piece, "x", true);
        first.keep(&store).await;
        let whole = store.get(KEY).await.unwrap().unwrap();
        let text = String::from_utf8(whole.to_vec()).unwrap();
        let digit = text.rfind('"').unwrap() - 1;
        let mut changed = text.clone();
        let other = match &text[digit..=digit] {
            "0" => "1",
            _ => "0",
        };
        changed.replace_range(digit..=digit, other);
        for damaged in ["", &text[..text.len() / 2], "[]", "{}", &changed] {
            let content = damaged.as_bytes().to_vec();
            store.put(KEY, content.into()).await.unwrap();
            assert_eq!(next(&store).await.get(&piece, "x"), None, "{damaged}");
        }
        store.put(KEY, whole).await.unwrap();
        assert_eq!(next(&store).await.get(&piece, "x"), Some(true));
    }
}
