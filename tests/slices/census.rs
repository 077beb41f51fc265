//! What lies in the places of the log and of the table after a gc, against what the documents of the log say, which are read here anew:
//! nothing is there that none of them needs, and all that they need is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use transom_commit::{Decision, Entry, SinkKind, keys};

use crate::verify::sound;
use crate::world::World;

/// After a gc of all that can go.
pub(crate) async fn agrees(world: &World, when: &str) {
    let stored = world.stored().await;
    let census = Census::of(&stored);
    let is_left = |path: &&String| !census.allows(path) && !path.contains("/.unnamed-");
    let left: Vec<&String> = stored.keys().filter(is_left).collect();
    assert!(left.is_empty(), "{when}: nothing needs {left:#?}");
    let there = |path: &&String| !stored.contains_key(*path);
    let gone: Vec<&String> = census.needed.iter().filter(there).collect();
    assert!(gone.is_empty(), "{when}: {gone:#?} are needed");
    sound(world, when).await;
}

#[derive(Default)]
struct Census {
    /// What must be there.
    needed: BTreeSet<String>,
    /// What may be there, and all below what ends with `/`.
    allowed: BTreeSet<String>,
}

impl Census {
    fn of(stored: &BTreeMap<String, Vec<u8>>) -> Self {
        let entries = stored.iter();
        let entries = entries.filter(|(path, _)| path.starts_with("state/log/"));
        let log: Vec<Entry> = entries
            .map(|(path, bytes)| Entry::parse(path, bytes).unwrap())
            .collect();
        let mut census = Self::default();
        // Files that a killed process was about to name, on this machine.
        let folders = [
            "state/log/",
            "state/done/",
            "state/hints/",
            "state/unnamed/",
        ];
        let documents = [
            ".out.transom/last",
            ".out.transom/log",
            ".out.versions/last",
            ".out.versions/log",
        ];
        let pointers = ["out", "out/_transom/current"];
        for path in folders.iter().chain(&documents).chain(&pointers) {
            census.allowed.insert((*path).to_owned());
        }
        let keeps = log.iter().filter_map(|entry| match entry.decision {
            Decision::Gc { keeps, .. } => Some(keeps),
            _ => None,
        });
        let keeps = keeps.max().unwrap_or(1);
        if let Some(open) = log.last().and_then(|last| last.after.backfill) {
            census
                .allowed
                .insert(format!("state/backfill/{:020}/", open.seq));
        }
        for entry in &log {
            census
                .allowed
                .insert(format!(".out.transom/shape.{:020}", entry.seq));
            let is_kept = entry.seq >= keeps;
            if is_kept {
                // Whoever loads a slice that waited once more is told that it is there.
                let waited = format!("state/{}", keys::staged(entry.attempt));
                census.allowed.insert(waited);
                let text = serde_json::to_string(entry).unwrap();
                census.need_objects(&text, stored);
                census.need_versions(&log, entry, stored);
            }
            if let Decision::Slice(slice) = &entry.decision {
                for part in &slice.sinks {
                    let attempt = entry.attempt.to_string();
                    match part.kind {
                        SinkKind::Files => census.need_files(&log, entry, is_kept, stored),
                        SinkKind::Warehouse if is_kept => {
                            let staged = format!("staging/{}/{attempt}/", entry.log);
                            let manifest = part.staged["manifest"].as_str();
                            let manifest = manifest.and_then(|url| url.strip_prefix("s3://lake/"));
                            census.needed.extend(manifest.map(str::to_owned));
                            census.allowed.insert(staged);
                        }
                        SinkKind::Warehouse | SinkKind::Pointer => {}
                    }
                }
            }
        }
        census
    }

    fn allows(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(end, _)| &path[..=end]);
        let mut names = folders.chain([path]);
        self.needed.contains(path) || names.any(|name| self.allowed.contains(name))
    }

    /// The documents beside the log that a text names, and those that they name.
    fn need_objects(&mut self, text: &str, stored: &BTreeMap<String, Vec<u8>>) {
        for named in text.split('"').filter(|word| word.starts_with("objects/")) {
            let path = format!("state/{named}");
            if self.needed.insert(path.clone())
                && let Some(text) = stored.get(&path)
                && let Ok(text) = std::str::from_utf8(text)
            {
                self.need_objects(text, stored);
            }
        }
    }

    /// Of a slice that adds files: its files, their list and, of one that is kept and in force, what is staged. One that was discarded has
    /// put no file into the table.
    fn need_files(
        &mut self,
        log: &[Entry],
        entry: &Entry,
        is_kept: bool,
        stored: &BTreeMap<String, Vec<u8>>,
    ) {
        let attempt = entry.attempt;
        let list = format!(".out.transom/files/{attempt}.json");
        self.allowed
            .insert(format!(".out.transom/files/{attempt}.empty"));
        let is_discarded = |later: &Entry| matches!(later.decision, Decision::Discard { of, .. } if of == entry.seq);
        if log.iter().any(is_discarded) {
            self.allowed.insert(list);
            return;
        }
        let is_taken_back = log.iter().any(
            |later| matches!(later.decision, Decision::Rewind { to, .. } if later.seq > entry.seq && to < entry.seq),
        );
        for file in files_of(&list, stored) {
            let path = file["path"].as_str().unwrap();
            let (folder, name) = path.rsplit_once('/').unwrap();
            self.needed.insert(format!("out/{folder}/{attempt}-{name}"));
            if is_kept && !is_taken_back {
                self.needed
                    .insert(format!(".out.transom/staged/{attempt}/{path}"));
            }
        }
        self.needed.insert(list);
    }

    /// The versions that an entry shows, with the files in their lists.
    fn need_versions(&mut self, log: &[Entry], entry: &Entry, stored: &BTreeMap<String, Vec<u8>>) {
        let pointers = entry.after.sinks.iter();
        for at in pointers.filter(|at| at.kind == SinkKind::Pointer) {
            let seq = usize::try_from(at.position.seq).unwrap();
            let Some(shown) = seq.checked_sub(1).map(|index| &log[index]) else {
                continue;
            };
            let version = at.position.attempt_text();
            let list = format!(".out.versions/{version}.json");
            for file in files_of(&list, stored) {
                let (of, path) = (file["version"].as_str(), file["path"].as_str());
                self.needed
                    .insert(format!(".out.versions/{}/{}", of.unwrap(), path.unwrap()));
            }
            self.allowed.extend([
                list.clone(),
                format!(".out.versions/{version}.share.json"),
                format!(".out.versions/{version}/"),
                format!(".out.versions/{version}"),
                format!(".out.versions/{seq:020}"),
            ]);
            self.needed.insert(list);
            // A rewind shows what an earlier entry has shown.
            if let Decision::Rewind { to, .. } = shown.decision
                && let Some(index) = usize::try_from(to).unwrap().checked_sub(1)
            {
                self.need_versions(log, &log[index], stored);
            }
        }
    }
}

/// The files of a list; none if it is gone, or a link to another one.
fn files_of(list: &str, stored: &BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    let bytes = stored.get(list).filter(|bytes| !bytes.is_empty());
    let list: Option<Value> = bytes.map(|bytes| serde_json::from_slice(bytes).unwrap());
    list.map_or_else(Vec::new, |list| list["files"].as_array().unwrap().clone())
}
