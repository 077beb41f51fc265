//! The log as a person wants to read it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use transom_commit::{Decision, Done, Entry, Log, SinkAt, SinkName, Store, StoredLog, keys};
use transom_file::spec::Place;

use super::backfill::Backfill;
use super::buckets::StepState;
use super::gc::entries;
use super::open_store;
use super::seen::Seen;
use crate::error::Result;
use crate::job::Job;
use crate::report::counted;

/// Notes that are read at once.
pub(super) const AT_ONCE: usize = 32;

/// What the log says.
#[derive(Debug, Clone, Serialize)]
pub struct History {
    /// Name of the pipeline.
    pub pipeline: String,
    /// The target.
    pub target: String,
    /// Where the log lies.
    pub state: Place,
    /// The log's id; none if nothing was ever loaded.
    pub log: Option<String>,
    /// The number of the last entry.
    pub tail: u64,
    /// Whether all sinks have it.
    pub done: bool,
    /// The backfill that is open: nothing else is loaded meanwhile.
    pub backfill: Option<Backfill>,
    /// What counts as loaded of the incremental sources.
    pub sources: Vec<SourceState>,
    /// The states that steps keep from slice to slice.
    pub steps: Vec<KeptState>,
    /// How far the sinks are.
    pub sinks: Vec<SinkState>,
    /// The entries, the last one first.
    pub entries: Vec<Decided>,
}

/// What counts as loaded of a source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// Files.
    pub files: usize,
}

/// The state that a step keeps from slice to slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptState {
    /// Name of the step.
    pub name: String,
    /// The plugin that has saved it, as it calls itself.
    pub plugin: String,
    /// The transform in the plugin.
    pub transform: String,
    /// The versions of the plugin that have saved it: buckets keep what was saved when they last had rows.
    pub versions: BTreeSet<String>,
    /// Buckets that have had rows.
    pub buckets: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

impl From<StepState> for KeptState {
    fn from(state: StepState) -> Self {
        let saved = state.saved.values();
        Self {
            versions: saved.clone().map(|saved| saved.version.clone()).collect(),
            buckets: state.saved.len(),
            bytes: saved.map(|saved| saved.bytes).sum(),
            name: state.step,
            plugin: state.plugin,
            transform: state.transform,
        }
    }
}

/// How far a sink is.
#[derive(Debug, Clone, Serialize)]
pub struct SinkState {
    /// Its name.
    pub name: String,
    /// The last entry that has changed it and is known to be there.
    pub entry: u64,
    /// The log's last entry, if it changes the sink and is not in all sinks yet: this one may have it or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<u64>,
    /// Whether it was moved past `entry` without its rows.
    pub skipped: bool,
}

impl SinkState {
    /// How far each sink is, by the log alone: what is decided may not be there yet.
    fn of(log: &Log, done: bool) -> Vec<Self> {
        let undone = log.last().filter(|_| !done);
        let steps = undone.map_or_else(Vec::new, |entry| entry.decision.steps());
        let state = |at: &SinkAt| {
            let before = steps.iter().find(|step| step.name == at.name);
            Self {
                name: at.name.to_string(),
                entry: before.unwrap_or(at).position.seq,
                decided: before.map(|_| at.position.seq),
                skipped: false,
            }
        };
        log.view().sinks().iter().map(state).collect()
    }
}

/// An entry.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    /// Its number.
    pub entry: u64,
    /// What it decides: `slice`, `rewind`, ..
    pub kind: &'static str,
    /// The attempt that it is.
    pub attempt: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Who wrote it: machine and process.
    pub by: String,
    /// Of a slice: files read.
    pub files: u64,
    /// Of a slice: rows written, by sink.
    pub rows: Vec<(String, u64)>,
    /// Of a rewind or a discard: what it takes back.
    pub of: Option<String>,
    /// Whether a later rewind or discard has taken it back.
    pub taken_back: bool,
    /// The sinks that were moved past it without its rows.
    pub skipped: Vec<String>,
}

impl Job {
    /// Reads the log, and its last `entries` entries.
    ///
    /// # Errors
    /// If the log cannot be read, or is not right.
    pub async fn history(&self, entries: u64) -> Result<History> {
        let store = open_store(self).await?;
        let mut stored = StoredLog::open(store.as_ref(), None).await?;
        let tail = stored.log().tail();
        let first = tail.saturating_sub(entries.saturating_sub(1)).max(1);
        if tail > 0 {
            stored.reach(first).await?;
        }
        let done = stored.is_done(tail).await?;
        let log = stored.log();
        let state = log.state();
        let mut sources = Vec::new();
        for (name, source) in &state.sources {
            let seen = Seen::load(store.as_ref(), source.seen).await?;
            sources.push(SourceState {
                name: name.clone(),
                files: seen.paths().count(),
            });
        }
        let mut steps = Vec::new();
        for object in &state.buckets {
            steps.push(StepState::load(store.as_ref(), *object).await?.into());
        }
        let backfill = match state.backfill {
            Some(open) => Some(Backfill::read(store.as_ref(), open).await?),
            None => None,
        };
        let numbers: Vec<u64> = match entries {
            0 => vec![],
            _ => (first..=tail).rev().collect(),
        };
        let mut sinks = SinkState::of(log, done);
        let of_sinks = sinks.iter().map(|sink| sink.entry);
        let skipped = skipped(store.as_ref(), numbers.iter().copied().chain(of_sinks)).await?;
        let skipped_at = |seq: u64| skipped.get(&seq).map_or(&[][..], Vec::as_slice);
        for sink in &mut sinks {
            let mut skipped = skipped_at(sink.entry).iter();
            sink.skipped = skipped.any(|name| name.as_str() == sink.name);
        }
        let taken_back = taken_back(log);
        Ok(History {
            pipeline: self.pipeline.name.clone(),
            target: self.pipeline.target.clone(),
            state: self.pipeline.state.clone(),
            log: log.id().map(|id| id.to_string()),
            tail,
            done,
            backfill,
            sources,
            steps,
            sinks,
            entries: numbers
                .into_iter()
                .filter_map(|seq| log.get(seq))
                .map(|entry| Decided {
                    taken_back: taken_back.contains(&entry.seq),
                    skipped: skipped_at(entry.seq)
                        .iter()
                        .map(SinkName::to_string)
                        .collect(),
                    ..decided(entry)
                })
                .collect(),
        })
    }
}

pub(super) fn decided(entry: &Entry) -> Decided {
    let (kind, files, rows, of) = match &entry.decision {
        Decision::Open {} => ("open", 0, vec![], None),
        Decision::Slice(slice) => {
            let rows = slice.sinks.iter();
            let rows = rows
                .map(|part| (part.name.to_string(), part.rows))
                .collect();
            let files = slice.inputs.values().map(|inputs| inputs.files).sum();
            ("slice", files, rows, None)
        }
        Decision::Rewind { to, .. } => ("rewind", 0, vec![], Some(format!("to {to}"))),
        Decision::Discard {
            of, disposition, ..
        } => {
            let word = format!("{disposition:?}").to_lowercase();
            ("discard", 0, vec![], Some(format!("of {of}, {word}")))
        }
        Decision::Backfill { shares, .. } => (
            "backfill",
            0,
            vec![],
            Some(format!("of {}", counted(u64::from(*shares), "share"))),
        ),
        Decision::BackfillEnd {} => ("backfill_end", 0, vec![], None),
        Decision::Gc { dead, .. } => (
            "gc",
            0,
            vec![],
            Some(format!("of {}", counted(dead.len() as u64, "attempt"))),
        ),
    };
    Decided {
        entry: entry.seq,
        kind,
        attempt: entry.attempt.to_string(),
        at: entry.at,
        by: format!("{} ({})", entry.by.host, entry.by.pid),
        files,
        rows,
        of,
        taken_back: false,
        skipped: vec![],
    }
}

/// The sinks that were moved past these entries without their rows, by the notes that the entries are done.
async fn skipped(
    store: &dyn Store,
    entries: impl Iterator<Item = u64>,
) -> Result<BTreeMap<u64, Vec<SinkName>>> {
    let entries: BTreeSet<u64> = entries.filter(|seq| *seq > 0).collect();
    let read = async |seq: u64| -> Result<_> {
        let key = keys::done(seq);
        let note = store.get(&key).await?;
        // One that is not right is for `verify` to say.
        let note = note.and_then(|bytes| Done::parse(&key, &bytes).ok());
        Ok((seq, note.map(|note| note.skipped).unwrap_or_default()))
    };
    let notes = stream::iter(entries).map(read).buffered(AT_ONCE);
    notes.try_collect().await
}

/// The slices that were discarded: no sink has them.
pub(super) fn discarded(log: &Log) -> BTreeSet<u64> {
    let of = |entry: &Entry| match entry.decision {
        Decision::Discard { of, .. } => Some(of),
        _ => None,
    };
    entries(log).filter_map(of).collect()
}

/// The entries that later ones have taken back, of those that were read.
pub(super) fn taken_back(log: &Log) -> BTreeSet<u64> {
    let mut taken_back = discarded(log);
    // The last entry that the rewinds behind it have left.
    let mut left = u64::MAX;
    for entry in entries(log).rev() {
        if entry.seq > left {
            taken_back.insert(entry.seq);
        }
        if let Decision::Rewind { to, .. } = entry.decision {
            left = left.min(to);
        }
    }
    taken_back
}
