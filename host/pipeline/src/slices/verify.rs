//! Whether the log, the tables and what lies beside them agree.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use transom_commit::{
    Decision, Done, Entry, EntryError, Log, LogError, Part, Position, RunError, SinkName, Store,
    keys,
};
use transom_connect::{Expectation, Expected, Finding, IsThere};

use super::buckets::StepState;
use super::gc::{entries, read_all};
use super::history::{AT_ONCE, discarded};
use super::open_store;
use super::seen::GONE;
use super::work::sinks;
use crate::error::{Error, Result};
use crate::job::Job;

/// How often the log may move on while the tables are looked at.
const TRIES: u32 = 5;

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// Entries of the log.
    pub entries: u64,
    /// The last entry, if not all sinks have it yet: the next run brings it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<u64>,
    /// Sinks.
    pub sinks: u64,
    /// Files of tables.
    pub files: u64,
    /// Rows that were counted in warehouses.
    pub rows: u64,
    /// Whether the bytes of files were read.
    pub deep: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Job {
    /// Compares the log with itself, with the notes beside it and with the tables. Changes nothing.
    ///
    /// # Errors
    /// If something cannot be read, or runs write entries faster than the tables can be looked at.
    pub async fn verify(&self, deep: bool) -> Result<Verification> {
        let store = open_store(self).await?;
        for _ in 0..TRIES {
            if let Some(verification) = self.verified(store.as_ref(), deep).await? {
                return Ok(verification);
            }
        }
        Err(Error::from(RunError::GaveUp {
            what: "verify the tables while the log stays as it is".to_owned(),
            tries: TRIES,
            source: "a run is at work".into(),
        }))
    }

    /// None if the log moved on meanwhile.
    async fn verified(&self, store: &dyn Store, deep: bool) -> Result<Option<Verification>> {
        let mut found = Verification {
            deep,
            ..Verification::default()
        };
        let mut stored = match read_all(store).await {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                left_over(store, 0, &mut found).await?;
                return Ok(Some(found));
            }
            Err(error) => match damage(&error) {
                Some(finding) => {
                    found.findings.push(finding);
                    return Ok(Some(found));
                }
                None => return Err(error),
            },
        };
        let tail = stored.log().tail();
        let done = stored.is_done(tail).await?;
        found.entries = tail;
        found.unfinished = (!done).then_some(tail);
        let skipped = notes(store, stored.log(), done, &mut found).await?;
        left_over(store, tail, &mut found).await?;
        objects(store, stored.log(), &mut found).await?;
        let sinks = sinks(self);
        for sink in sinks.values() {
            let name = SinkName::from(sink.name());
            let expected = expected(stored.log(), &name, done, &skipped, deep);
            let verified = sink.verify(&expected).await;
            let verified = verified.map_err(|source| {
                let (sink, seq) = (name, tail);
                RunError::Sink { sink, seq, source }
            })?;
            found.sinks += 1;
            found.files += verified.files;
            found.rows += verified.rows;
            found.findings.extend(verified.findings);
        }
        stored.refresh().await?;
        let is_same = stored.log().tail() == tail && stored.is_done(tail).await? == done;
        Ok(is_same.then_some(found))
    }
}

fn finding(problem: String, hint: &str) -> Finding {
    Finding {
        sink: None,
        problem,
        hint: hint.to_owned(),
    }
}

/// An entry that is gone or was changed.
fn damage(error: &Error) -> Option<Finding> {
    let Error::Commit(error) = error else {
        return None;
    };
    let RunError::Log(LogError::Missing { .. } | LogError::Entry(_)) = &**error else {
        return None;
    };
    if let RunError::Log(LogError::Entry(EntryError::Format { .. })) = &**error {
        return None;
    }
    let mut problem = error.to_string();
    for cause in crate::error::causes(&**error) {
        problem.push_str(": ");
        problem.push_str(&cause);
    }
    let hint = "restore the entry from a backup or an earlier version of the bucket; no run works until then";
    Some(finding(problem, hint))
}

/// The notes that entries are done; gives back the sinks that were moved past entries.
async fn notes(
    store: &dyn Store,
    log: &Log,
    done: bool,
    found: &mut Verification,
) -> Result<BTreeSet<(u64, SinkName)>> {
    let mut skipped = BTreeSet::new();
    let discarded = discarded(log);
    let all: Vec<&Entry> = entries(log).collect();
    let keys = all.iter().map(|entry| keys::done(entry.seq));
    let read = async |key: String| -> Result<_> { Ok((store.get(&key).await?, key)) };
    let read = stream::iter(keys).map(read).buffered(AT_ONCE);
    let read: Vec<_> = read.try_collect().await?;
    for (entry, (bytes, key)) in all.into_iter().zip(read) {
        let Some(bytes) = bytes else {
            // The discard is what all sinks have.
            if !discarded.contains(&entry.seq) && (entry.seq < log.tail() || done) {
                let problem = format!("`{key}` is gone: the note that all sinks have this entry");
                let hint = "no run depends on it, but find out what deletes documents of the state";
                found.findings.push(finding(problem, hint));
            }
            continue;
        };
        match Done::parse(&key, &bytes) {
            Ok(note) if note.seq == entry.seq && note.attempt == entry.attempt => {
                skipped.extend(note.skipped.into_iter().map(|sink| (entry.seq, sink)));
            }
            _ => {
                let problem = format!("`{key}` is not the note of this log's entry");
                let hint = "restore it from a backup, or delete it if the log is right";
                found.findings.push(finding(problem, hint));
            }
        }
    }
    Ok(skipped)
}

/// Notes after the end of the log: an entry was there.
async fn left_over(store: &dyn Store, tail: u64, found: &mut Verification) -> Result<()> {
    for key in store.list(keys::DONE, Some(&keys::done(tail))).await? {
        let problem = format!("`{key}` is there, but the log ends with entry {tail}");
        let hint = "the end of the log is missing: restore it from a backup before the next run";
        found.findings.push(finding(problem, hint));
    }
    Ok(())
}

/// The documents that the state names.
async fn objects(store: &dyn Store, log: &Log, found: &mut Verification) -> Result<()> {
    let state = log.state();
    for (source, state) in &state.sources {
        if let Err(error) = super::seen::Seen::load(store, state.seen).await {
            let problem =
                format!("what counts as loaded of source `{source}` cannot be read: {error}");
            found.findings.push(finding(problem, GONE));
        }
    }
    for object in &state.buckets {
        let read = StepState::load(store, *object).await;
        let Ok(kept) = read else {
            let problem = format!("the state that a step keeps cannot be read: `{object}`");
            found.findings.push(finding(problem, GONE));
            continue;
        };
        for object in kept.objects() {
            let why = match object.get(store).await {
                Ok(Some(_)) => continue,
                Ok(None) => format!("`{object}` is gone"),
                Err(error) => error.to_string(),
            };
            let problem = format!("the state of step `{}` cannot be read: {why}", kept.step);
            found.findings.push(finding(problem, GONE));
        }
    }
    Ok(())
}

/// What a sink should have.
fn expected<'a>(
    log: &'a Log,
    sink: &SinkName,
    done: bool,
    skipped: &BTreeSet<(u64, SinkName)>,
    deep: bool,
) -> Expected<'a> {
    let at = |entry: &Entry| {
        let at = entry.after.sink(sink.as_str());
        at.map_or(Position::START, |at| at.position)
    };
    let tail = log.tail();
    let last = log.last();
    let steps = last.map(|last| last.decision.steps()).unwrap_or_default();
    let step = steps.iter().find(|step| step.name == *sink);
    let before = step.filter(|_| !done).map(|step| step.position);
    let discarded = discarded(log);
    let load = |entry: &'a Entry| -> Option<Expectation<'a>> {
        let part: &'a Part = entry.part(sink)?;
        let later = || (entry.seq + 1..=tail).filter_map(|seq| log.get(seq));
        let rewound = later()
            .find(|later| matches!(later.decision, Decision::Rewind { to, .. } if to < entry.seq));
        let is_discarded = discarded.contains(&entry.seq);
        let is_unfinished = |seq: u64| seq == tail && !done;
        let is_there = match rewound {
            _ if is_unfinished(entry.seq) => IsThere::Perhaps,
            Some(rewind) if is_unfinished(rewind.seq) => IsThere::Perhaps,
            Some(_) => IsThere::TakenBack,
            None if is_discarded || skipped.contains(&(entry.seq, sink.clone())) => IsThere::Never,
            None => IsThere::Yes,
        };
        Some(Expectation {
            position: Position::new(entry.seq, entry.attempt),
            part,
            is_there,
        })
    };
    Expected {
        log: log.view().id(),
        position: last.map_or(Position::START, at),
        before,
        loads: entries(log).filter_map(load).collect(),
        deep,
    }
}
