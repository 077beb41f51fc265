//! Deletes what no entry needs any more: what attempts have left that never came into the log, and what only those entries need
//! that no rewind goes back to.
//!
//! An entry of the log comes first. It names the attempts, which cannot win from then on, and says which entry is the first that can still be
//! gone back to. So a process that was frozen for however long finds its files there, or finds that it has lost.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Serialize;
use transom_commit::{
    self as commit, Attempt, Decision, Draft, Entry, Log, LogId, MAX_DEAD, Object, Runner,
    SinkError, SinkKind, SinkName, Store, StoredLog, Task, Work, keys,
};
use transom_connect::{Aside, Known, Sink};

use super::buckets::StepState;
use super::history;
use super::runs::outdated;
use super::work::compare::compare_tables;
use super::work::{delete_staged, keep_failure, sinks};
use super::{by, open_store};
use crate::error::{Error, Result};
use crate::job::Job;

/// Files without rows that a rewind has put into a table stay at least so long: no copy that was under way then is carried out later.
const EMPTIED: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept of what the log names.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// What is newer than this is kept, and all that is needed to go back to any entry since then.
    pub older_than: Duration,
    /// So many slices can be taken back one by one, however old they are.
    pub keep_slices: u64,
}

/// What a gc has found, or deleted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Gc {
    /// The first entry that a rewind can go back to, apart from 0.
    pub keeps: u64,
    /// What is not needed.
    pub garbage: Vec<Garbage>,
    /// The entries that it has written, if it was to delete.
    pub entries: Vec<u64>,
    /// Reports of runs that are old or too many.
    pub runs: u64,
    /// Shares of closed backfills, and slices that waited to be loaded and never can be: the documents that say what they are.
    pub spent: u64,
}

/// Files that are not needed.
#[derive(Debug, Clone, Serialize)]
pub struct Garbage {
    /// Why not.
    pub why: Why,
    /// The attempt that has made them.
    pub attempt: String,
    /// Its entry, if it came into the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The sink beside whose table they lie; none of those beside the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// How many.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// When the newest of them was written, by the clock of their place.
    #[serde(skip)]
    modified: SystemTime,
}

/// Why files are not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The attempt never came into the log: it lost, failed or was killed.
    Dead,
    /// The table has the rows, and its entry is no more gone back to.
    Loaded,
    /// It is a version of a table that no entry shows which can be gone back to.
    Superseded,
    /// It is a document beside the log that no entry needs which can be gone back to.
    Unreachable,
    /// It has no rows: a rewind has put it into the table in the place of one whose rows it took back.
    Emptied,
}

impl GcOptions {
    /// What is older is not kept for its age.
    fn since(&self) -> Option<SystemTime> {
        SystemTime::now().checked_sub(self.older_than)
    }

    /// Whether files may go. Those of a rewind stay, too, until pipelines that read the table have found that what they have read is changed.
    fn may_go(&self, aside: &Aside, now: SystemTime) -> bool {
        let age = now.duration_since(aside.modified).unwrap_or_default();
        !aside.is_emptied || age >= self.older_than.max(EMPTIED)
    }
}

impl Job {
    /// What a gc would delete.
    ///
    /// # Errors
    /// If the log or what lies beside the tables cannot be read.
    pub async fn garbage(&self, options: &GcOptions) -> Result<Gc> {
        let store = open_store(self).await?;
        let sinks = sinks(self);
        let survey = Survey::new(store.as_ref(), &sinks, options).await?;
        Ok(Gc {
            runs: outdated(store.as_ref(), options.since()).await?.len() as u64,
            ..survey.map_or_else(Gc::default, Survey::into_report)
        })
    }

    /// Deletes what is not needed, after an entry of the log has said so. If it is killed, the next one goes on.
    ///
    /// # Errors
    /// If the log or a sink cannot be changed.
    pub async fn gc(&self, options: &GcOptions) -> Result<Gc> {
        let store = open_store(self).await?;
        let sinks = sinks(self);
        let mut gc = Gc::default();
        let runs = outdated(store.as_ref(), options.since()).await?;
        store.delete_spent(&runs).await?;
        gc.runs = runs.len() as u64;
        loop {
            let mut work = Collecting {
                store: store.as_ref(),
                sinks: &sinks,
                options,
                found: None,
                failure: None,
            };
            let runner = Runner::new(store.as_ref(), &mut work, by(None), Task::Once, None).await;
            let ran = runner?.run().await;
            if let Some(error) = work.failure {
                return Err(error);
            }
            let appended = ran?.appended;
            let Some(found) = work.found else { break };
            let is_last = found.dead.len() <= MAX_DEAD;
            let keeps = found.keeps;
            gc.entries.extend(appended);
            let report = found.into_report();
            let dead = report
                .garbage
                .into_iter()
                .filter(|garbage| garbage.why == Why::Dead);
            gc.garbage.extend(dead);
            gc.keeps = keeps;
            if is_last {
                break;
            }
        }
        // What the log itself says now: another process may have gone back since.
        let Some(log) = read_all(store.as_ref()).await? else {
            return Ok(gc);
        };
        gc.keeps = kept_so_far(log.log());
        #[cfg(feature = "testing")]
        if commit::Mutant::from_env() == Some(commit::Mutant::LogEntryDeleted) {
            let before: Vec<String> = (1..gc.keeps).map(keys::entry).collect();
            store.delete_spent(&before).await?;
        }
        let done = log.is_done(log.log().tail()).await?;
        for named in named(log.log(), done, gc.keeps, &sinks) {
            let asides = named.sink.aside(&named.known).await;
            for aside in asides.map_err(|source| sink_failed(named.sink, source))? {
                if aside.entry.is_some() && options.may_go(&aside, SystemTime::now()) {
                    commit::fault::at("gc.deleted_half");
                    let deleted = named.sink.delete_aside(&aside).await;
                    deleted.map_err(|source| sink_failed(named.sink, source))?;
                    gc.garbage.push(garbage(named.sink, named.kind, &aside));
                }
            }
        }
        let objects = unneeded(store.as_ref(), log.log(), gc.keeps).await?;
        let named = all_entries(log.log());
        for (attempt, (garbage, objects)) in objects {
            if named.contains_key(&attempt) {
                store.delete(&objects).await?;
                gc.garbage.push(garbage);
            }
        }
        let spent = spent(store.as_ref(), log.log(), gc.keeps, &BTreeSet::new()).await?;
        store.delete_spent(&spent).await?;
        gc.spent = spent.len() as u64;
        Ok(gc)
    }
}

fn sink_failed(sink: &dyn Sink, source: SinkError) -> Error {
    let sink = sink.name().to_owned();
    Error::Aside { sink, source }
}

/// The whole log; none if nothing was ever loaded.
pub(super) async fn read_all(store: &dyn Store) -> Result<Option<StoredLog<'_>>> {
    let mut log = StoredLog::open(store, None).await?;
    if log.log().tail() == 0 {
        return Ok(None);
    }
    log.reach(1).await?;
    Ok(Some(log))
}

/// The entries of a log that was read from its beginning.
pub(super) fn entries(log: &Log) -> impl DoubleEndedIterator<Item = &Entry> {
    (1..=log.tail()).filter_map(|seq| log.get(seq))
}

/// The first entry that all gcs until now have kept.
pub(super) fn kept_so_far(log: &Log) -> u64 {
    let kept = entries(log).filter_map(|entry| match entry.decision {
        Decision::Gc { keeps, .. } => Some(keeps),
        _ => None,
    });
    kept.max().unwrap_or(0).max(1)
}

/// The first entry that is kept.
fn keeps(log: &Log, options: &GcOptions, now: SystemTime) -> u64 {
    let is_slice = |entry: &&Entry| matches!(entry.decision, Decision::Slice(_));
    let slices = entries(log).rev().filter(is_slice);
    let before_slices = match usize::try_from(options.keep_slices) {
        // Back to the entry before the last slices.
        Ok(keep @ 1..) => slices.map(|entry| entry.seq - 1).nth(keep - 1),
        Ok(0) => Some(log.tail()),
        Err(_) => None,
    };
    let since = now.checked_sub(options.older_than);
    let is_young = |entry: &Entry| since.is_none_or(|since| SystemTime::from(entry.at) > since);
    let young = entries(log).find(|entry| is_young(entry));
    let before_age = young.map_or(log.tail(), |entry| entry.seq - 1);
    let open = log.state().backfill.map_or(log.tail(), |open| open.seq);
    before_age
        .min(before_slices.unwrap_or(1))
        .min(open)
        .max(kept_so_far(log))
        .min(log.tail())
}

/// A sink with what the log says of it.
struct Named<'a> {
    sink: &'a dyn Sink,
    kind: SinkKind,
    known: Known,
}

/// Of each sink that the pipeline has: which attempts it must keep. `done` says whether all sinks have the last entry.
fn named<'a>(
    log: &Log,
    done: bool,
    keeps: u64,
    sinks: &'a BTreeMap<String, Arc<dyn Sink>>,
) -> Vec<Named<'a>> {
    let all: BTreeMap<String, u64> = all_entries(log)
        .into_iter()
        .map(|(attempt, seq)| (attempt.to_string(), seq))
        .collect();
    let young: BTreeSet<String> = entries(log)
        .filter(|entry| entry.seq >= keeps)
        .map(|entry| entry.attempt.to_string())
        .collect();
    let id = log.view().id().to_string();
    let named = sinks.values().filter_map(|sink| {
        let kind = sink.committed()?.kind();
        let name = SinkName::from(sink.name());
        let known = Known {
            log: id.clone(),
            named: all.clone(),
            needed: match kind {
                SinkKind::Warehouse | SinkKind::Files => young.clone(),
                SinkKind::Pointer => versions(log, keeps, &name),
            },
            taken_back: taken_back(log, done, &name),
        };
        Some(Named {
            sink: sink.as_ref(),
            kind,
            known,
        })
    });
    named.collect()
}

/// The slices whose rows rewinds have taken out of a sink.
fn taken_back(log: &Log, done: bool, sink: &SinkName) -> BTreeSet<String> {
    let applied = entries(log).rev();
    let applied = applied.filter(|entry| entry.seq < log.tail() || done);
    let taken_back = commit::parts(applied, sink).filter(|(.., has_rows)| !has_rows);
    let attempts = taken_back.map(|(entry, ..)| entry.attempt.to_string());
    attempts.collect()
}

/// The attempts that are in the log, with their entries.
fn all_entries(log: &Log) -> BTreeMap<Attempt, u64> {
    let entries = entries(log);
    entries.map(|entry| (entry.attempt, entry.seq)).collect()
}

/// The documents beside the log that no entry from `keeps` on needs, by the attempts that have written them.
async fn unneeded(
    store: &dyn Store,
    log: &Log,
    keeps: u64,
) -> Result<BTreeMap<Attempt, (Garbage, Vec<Object>)>> {
    // Each with whether all entries that name it were taken back, so that none is gone back to: of those, documents may have been lost.
    let mut sets = BTreeMap::new();
    let mut states = BTreeMap::new();
    let mut needed = BTreeSet::new();
    let taken_back = history::taken_back(log);
    for entry in entries(log).filter(|entry| entry.seq >= keeps) {
        let is_taken_back = taken_back.contains(&entry.seq);
        for state in entry.after.sources.values() {
            if let Some(set) = state.seen {
                *sets.entry(set).or_insert(true) &= is_taken_back;
            }
            needed.extend(state.partitions);
        }
        for state in &entry.after.buckets {
            *states.entry(*state).or_insert(true) &= is_taken_back;
        }
        match &entry.decision {
            Decision::Slice(slice) => needed.extend(slice.inputs.values().map(|read| read.list)),
            Decision::Backfill { plan, .. } => drop(needed.insert(*plan)),
            _ => {}
        }
    }
    for (set, is_taken_back) in sets {
        match super::seen::parts(store, set).await {
            Err(_) if is_taken_back => {}
            parts => needed.extend(parts?),
        }
    }
    for (state, is_taken_back) in states {
        match StepState::load(store, state).await {
            Err(_) if is_taken_back => {}
            kept => needed.extend(kept?.objects().chain([state])),
        }
    }
    let in_log = all_entries(log);
    let mut unneeded = BTreeMap::new();
    for stored in store.objects().await? {
        let Some(attempt) = stored.object.attempt else {
            continue;
        };
        if needed.contains(&stored.object) {
            continue;
        }
        let entry = in_log.get(&attempt).copied();
        let (garbage, objects) = unneeded.entry(attempt).or_insert_with(|| {
            let garbage = Garbage {
                why: match entry {
                    Some(_) => Why::Unreachable,
                    None => Why::Dead,
                },
                attempt: attempt.to_string(),
                entry,
                sink: None,
                files: 0,
                bytes: 0,
                modified: SystemTime::UNIX_EPOCH,
            };
            (garbage, Vec::new())
        });
        garbage.files += 1;
        garbage.bytes += stored.bytes;
        garbage.modified = garbage.modified.max(stored.modified);
        objects.push(stored.object);
    }
    Ok(unneeded)
}

/// What has waited for an entry and never gets one: shares of backfills that are closed, which none opens again, and slices that are in the
/// log before `keeps` or that a gc has named, or is about to name.
async fn spent(
    store: &dyn Store,
    log: &Log,
    keeps: u64,
    dying: &BTreeSet<Attempt>,
) -> Result<Vec<String>> {
    let open = log.state().backfill.map(|open| open.seq);
    // A backfill that was opened since is not in this log.
    let is_closed = |seq: u64| seq <= log.tail() && Some(seq) != open;
    let named = entries(log).filter_map(|entry| match &entry.decision {
        Decision::Gc { dead, .. } => Some(dead),
        _ => None,
    });
    let dead: BTreeSet<&Attempt> = named.flatten().chain(dying).collect();
    let loaded = all_entries(log);
    let is_over = |attempt: Attempt| {
        dead.contains(&attempt) || loaded.get(&attempt).is_some_and(|seq| *seq < keeps)
    };
    let mut spent = store.list(keys::SHARES, None).await?;
    spent.retain(|key| keys::share_of(key).is_some_and(|share| is_closed(share.backfill)));
    let waiting = store.list(keys::STAGED, None).await?.into_iter();
    spent.extend(waiting.filter(|key| keys::staged_of(key).is_some_and(is_over)));
    Ok(spent)
}

/// The versions of a sink that some entry from `keeps` on shows.
fn versions(log: &Log, keeps: u64, sink: &SinkName) -> BTreeSet<String> {
    let at = |seq: u64| {
        let position = log.get(seq)?.after.sink(sink.as_str())?.position;
        (position.seq > 0).then_some(position.seq)
    };
    let mut shown: BTreeSet<u64> = (keeps..=log.tail()).filter_map(at).collect();
    let mut needed = BTreeSet::new();
    while let Some(seq) = shown.pop_last() {
        let Some(entry) = log.get(seq) else { continue };
        needed.insert(entry.attempt.to_string());
        // A rewind shows the version of an earlier entry.
        if let Decision::Rewind { to, .. } = entry.decision {
            shown.extend(at(to));
        }
    }
    needed
}

fn garbage(sink: &dyn Sink, kind: SinkKind, aside: &Aside) -> Garbage {
    Garbage {
        why: match (aside.entry, kind) {
            (None, _) => Why::Dead,
            (Some(_), _) if aside.is_emptied => Why::Emptied,
            (Some(_), SinkKind::Pointer) => Why::Superseded,
            (Some(_), _) => Why::Loaded,
        },
        attempt: aside.attempt.clone(),
        entry: aside.entry,
        sink: Some(sink.name().to_owned()),
        files: aside.files,
        bytes: aside.bytes,
        modified: aside.modified,
    }
}

/// What lies beside the tables, and what of it is not needed.
struct Survey {
    /// The log's last entry when it was made.
    tail: u64,
    keeps: u64,
    moves: bool,
    /// Attempts that are not in the log.
    dead: BTreeSet<Attempt>,
    garbage: Vec<Garbage>,
    spent: u64,
}

impl Survey {
    async fn new(
        store: &dyn Store,
        sinks: &BTreeMap<String, Arc<dyn Sink>>,
        options: &GcOptions,
    ) -> Result<Option<Self>> {
        let now = SystemTime::now();
        let Some(log) = read_all(store).await? else {
            return Ok(None);
        };
        let done = log.is_done(log.log().tail()).await?;
        let log = log.log();
        // Beside a log that is not the tables', what the right one needs would not be needed.
        compare_tables(sinks, store, log).await?;
        let keeps = keeps(log, options, now);
        let mut survey = Self {
            tail: log.tail(),
            keeps,
            moves: keeps > kept_so_far(log),
            dead: BTreeSet::new(),
            garbage: Vec::new(),
            spent: 0,
        };
        let open = log.state().backfill;
        let mut found = Vec::new();
        for named in named(log, done, keeps, sinks) {
            let asides = named.sink.aside(&named.known).await;
            let asides = asides.map_err(|source| sink_failed(named.sink, source))?;
            let asides = asides.iter().filter(|aside| options.may_go(aside, now));
            found.extend(asides.map(|aside| garbage(named.sink, named.kind, aside)));
        }
        let objects = unneeded(store, log, keeps).await?;
        found.extend(objects.into_values().map(|(garbage, _)| garbage));
        let mut unnamed: BTreeMap<Attempt, (SystemTime, Vec<Garbage>)> = BTreeMap::new();
        for garbage in found {
            match garbage.attempt.parse::<Attempt>() {
                Ok(attempt) if garbage.entry.is_none() => {
                    let new = || (SystemTime::UNIX_EPOCH, Vec::new());
                    let (modified, all) = unnamed.entry(attempt).or_insert_with(new);
                    *modified = (*modified).max(garbage.modified);
                    all.push(garbage);
                }
                _ => survey.garbage.push(garbage),
            }
        }
        for (attempt, (modified, garbage)) in unnamed {
            let age = now.duration_since(modified).unwrap_or_default();
            let is_share = attempt
                .share()
                .is_some_and(|share| open.is_some_and(|open| open.seq == share.backfill));
            if age >= options.older_than && !is_share {
                survey.dead.insert(attempt);
                survey.garbage.extend(garbage);
            }
        }
        survey
            .garbage
            .sort_by(|a, b| (a.why, a.entry, &a.attempt).cmp(&(b.why, b.entry, &b.attempt)));
        survey.spent = spent(store, log, keeps, &survey.dead).await?.len() as u64;
        Ok(Some(survey))
    }

    fn into_report(self) -> Gc {
        Gc {
            keeps: self.keeps,
            garbage: self.garbage,
            entries: Vec::new(),
            runs: 0,
            spent: self.spent,
        }
    }
}

/// One gc entry.
struct Collecting<'a> {
    store: &'a dyn Store,
    sinks: &'a BTreeMap<String, Arc<dyn Sink>>,
    options: &'a GcOptions,
    /// What the entry was made from; none if there was nothing to say.
    found: Option<Survey>,
    failure: Option<Error>,
}

#[async_trait]
impl Work for Collecting<'_> {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(Attempt, Draft)>, Box<dyn StdError + Send + Sync>> {
        let survey = Survey::new(self.store, self.sinks, self.options).await;
        let survey = keep_failure(survey, &mut self.failure)?;
        // Another process may have added an entry meanwhile: its number is taken then, and this is planned again.
        debug_assert!(
            survey
                .as_ref()
                .is_none_or(|survey| survey.tail >= log.tail())
        );
        self.found = survey.filter(|survey| survey.moves || !survey.dead.is_empty());
        #[cfg(feature = "testing")]
        if commit::Mutant::from_env() == Some(commit::Mutant::GcWithoutEntry)
            && let Some(found) = self.found.take()
        {
            let (id, dead) = (log.view().id(), Vec::from_iter(found.dead));
            self.delete_staged(id, &dead).await?;
            return Ok(None);
        }
        Ok(self.found.as_ref().map(|survey| {
            let dead = survey.dead.iter().take(MAX_DEAD).copied().collect();
            let keeps = survey.keeps;
            (Attempt::random(), Draft::Gc { dead, keeps })
        }))
    }

    async fn compare(&mut self, log: &Log) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let compared = compare_tables(self.sinks, self.store, log).await;
        keep_failure(compared, &mut self.failure)
    }

    fn sink(&self, name: &SinkName) -> Option<commit::Sink<'_>> {
        self.sinks.get(name.as_str())?.committed()
    }

    async fn delete_staged(&self, log: LogId, attempts: &[Attempt]) -> Result<(), SinkError> {
        delete_staged(self.sinks, log, attempts).await
    }
}
