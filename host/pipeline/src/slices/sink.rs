//! A table of a warehouse that is behind the log, since it was restored or dropped: what it lacks is loaded again, or it is declared right.

use std::sync::Arc;

use serde::Serialize;
use transom_commit::{
    self as commit, Applying, Claim, Decision, Done, Entry, Log, Position, Reading, RunError,
    Settled, SinkError, SinkErrorKind, SinkName, Stop, Store, Submission, Warehouse, Wrong, keys,
};
use transom_connect::Sink;

use super::gc::{entries, kept_so_far, read_all};
use super::history::discarded;
use super::open_store;
use super::work::sinks;
use crate::error::{Error, Result};
use crate::job::Job;

/// How often a load whose outcome is not clear is tried.
const TRIES: u32 = 5;

/// Where the ledger of a table is, and what would bring it to where the log is.
#[derive(Debug, Clone, Serialize)]
pub struct Behind {
    /// The sink.
    pub sink: String,
    /// The entry that the ledger is at; none if there is no ledger.
    pub at: Option<u64>,
    /// The last entry that the table should have.
    pub expected: u64,
    /// What a replay applies.
    pub entries: Vec<Replayed>,
}

/// An entry that a table lacks.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// Its number.
    pub entry: u64,
    /// What it decides.
    pub kind: &'static str,
    /// Of a slice: rows that are loaded.
    pub rows: u64,
}

impl Job {
    /// What a table of a warehouse lacks of what the log says. With `yes`, it is loaded.
    ///
    /// # Errors
    /// If the ledger is not one that this log has made, or what it lacks was deleted by a gc, or cannot be loaded.
    pub async fn replay(&self, sink: &str, yes: bool) -> Result<Behind> {
        let (sink, store) = (self.warehouse(sink)?, open_store(self).await?);
        let table = Table::read(&sink, store.as_ref()).await?;
        table.check_owner(self)?;
        let behind = table.behind()?;
        if let (Reading::Missing, Some(first)) = (&table.reading, table.chain().first())
            && table.is_there().await?
        {
            return Err(refused(
                format!(
                    "the ledger of sink `{}` is gone, and its table is there: entry {} would be loaded a second time",
                    behind.sink, first.seq
                ),
                format!(
                    "drop the table, or declare it right: `transom sink adopt {}`",
                    behind.sink
                ),
            ));
        }
        if table.at().is_some_and(|at| at != Position::START) && !table.is_there().await? {
            return Err(refused(
                format!(
                    "the table of sink `{}` is gone, and its ledger is there: the ledger says nothing about what is missing",
                    behind.sink
                ),
                "restore both from one snapshot; or drop the ledger as well, and a replay loads all again".to_owned(),
            ));
        }
        let kept = kept_so_far(table.log());
        if let Some(lost) = behind
            .entries
            .iter()
            .find(|replayed| replayed.kind == "slice" && replayed.rows > 0 && replayed.entry < kept)
        {
            return Err(refused(
                format!(
                    "sink `{}` lacks entry {}, and a gc has deleted its staged rows: the first entry that was kept is {kept}",
                    behind.sink, lost.entry
                ),
                "restore the table from a later backup, or load everything again: `transom reset --yes`, then `transom run`"
                    .to_owned(),
            ));
        }
        if yes {
            table.replay(&behind, store.as_ref()).await?;
        }
        Ok(behind)
    }

    /// Where the ledger of a table is. With `yes`, it says that the table is as the log says.
    ///
    /// # Errors
    /// If the ledger is ahead of the log, or cannot be changed.
    pub async fn adopt(&self, sink: &str, yes: bool) -> Result<Behind> {
        let (sink, store) = (self.warehouse(sink)?, open_store(self).await?);
        let table = Table::read(&sink, store.as_ref()).await?;
        table.check_owner(self)?;
        let expected = table.expected();
        let behind = Behind {
            sink: sink.name().to_owned(),
            at: table.at().map(|at| at.seq),
            expected: expected.seq,
            entries: Vec::new(),
        };
        if table.at().is_some_and(|at| at.seq > table.log().tail()) && table.is_ours() {
            return Err(refused(
                format!(
                    "the ledger of sink `{}` is at entry {}, and the log ends with {}: its end is missing",
                    behind.sink,
                    behind.at.unwrap_or_default(),
                    table.log().tail()
                ),
                "find the right state".to_owned(),
            ));
        }
        if yes {
            let adopted = sink.adopt(table.log().view().id(), expected, &table.reading);
            adopted.await.map_err(|error| table.failed(error))?;
        }
        Ok(behind)
    }

    /// A sink in a warehouse.
    fn warehouse(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let sinks = sinks(self);
        let is_warehouse =
            |sink: &Arc<dyn Sink>| matches!(sink.committed(), Some(commit::Sink::Warehouse(_)));
        match sinks.get(name) {
            Some(sink) if is_warehouse(sink) => Ok(Arc::clone(sink)),
            found => {
                let problem = match found {
                    Some(_) => "is not in a warehouse: it has no ledger",
                    None => "is not in the pipeline",
                };
                let names = sinks.values().filter(|sink| is_warehouse(sink));
                let names: Vec<String> = names.map(|sink| format!("`{}`", sink.name())).collect();
                Err(Error::State {
                    message: format!("the sink `{name}` {problem}"),
                    hint: Some(match names.is_empty() {
                        true => "no sink of the pipeline is in a warehouse".to_owned(),
                        false => format!("sinks in warehouses: {}", names.join(", ")),
                    }),
                })
            }
        }
    }
}

/// A table, its ledger and its log.
struct Table<'a> {
    sink: &'a dyn Sink,
    name: SinkName,
    warehouse: &'a dyn Warehouse,
    stored: commit::StoredLog<'a>,
    /// Whether all sinks have the log's last entry.
    done: bool,
    reading: Reading,
}

impl<'a> Table<'a> {
    async fn read(sink: &'a Arc<dyn Sink>, store: &'a dyn Store) -> Result<Self> {
        let Some(commit::Sink::Warehouse(warehouse)) = sink.committed() else {
            unreachable!("the caller chose it");
        };
        let stored = read_all(store).await?.ok_or_else(|| Error::State {
            message: "nothing was loaded yet".to_owned(),
            hint: None,
        })?;
        let name = SinkName::from(sink.name());
        let done = stored.is_done(stored.log().tail()).await?;
        let last = stored.log().last().expect("it has entries");
        let applying = applying(stored.log(), last, &name, Position::START);
        let reading = warehouse.read(&applying).await;
        let reading = reading.map_err(|source| sink_failed(&name, last.seq, source))?;
        Ok(Self {
            sink: sink.as_ref(),
            name,
            warehouse,
            stored,
            done,
            reading,
        })
    }

    fn log(&self) -> &Log {
        self.stored.log()
    }

    /// The entries that the table should have, in order: those that change the sink, but for slices that were discarded and an entry
    /// that is not done.
    fn chain(&self) -> Vec<&Entry> {
        let discarded = discarded(self.log());
        let changes = |entry: &&Entry| {
            let steps = entry.decision.steps();
            steps.iter().any(|step| step.name == self.name)
                && !discarded.contains(&entry.seq)
                && (entry.seq < self.log().tail() || self.done)
        };
        entries(self.log()).filter(changes).collect()
    }

    fn expected(&self) -> Position {
        let chain = self.chain();
        chain
            .last()
            .map_or(Position::START, |entry| position(entry))
    }

    fn at(&self) -> Option<Position> {
        match &self.reading {
            Reading::Ledger(ledger) => Some(ledger.position),
            _ => None,
        }
    }

    /// Whether there is a table, whatever its ledger says.
    async fn is_there(&self) -> Result<bool> {
        let is_there = self.sink.is_there().await;
        is_there.map_err(|error| self.failed(error))
    }

    fn is_ours(&self) -> bool {
        matches!(&self.reading, Reading::Ledger(ledger) if ledger.log == self.log().view().id())
    }

    /// Refuses a table whose ledger names another sink of this log, or is at an entry of this log that has none for the sink.
    fn check_owner(&self, job: &Job) -> Result<()> {
        let (log, Some(at)) = (self.log(), self.at().filter(|_| self.is_ours())) else {
            return Ok(());
        };
        let owner = match &self.reading {
            Reading::Ledger(ledger) => ledger.owner.clone(),
            _ => None,
        };
        let is_new = log.view().sinks().iter().all(|at| at.name != self.name);
        if owner.is_none() && (!is_new || at == Position::START) {
            return Ok(());
        }
        let sinks = sinks(job);
        let wrong = Wrong::OtherSink { at, sink: owner };
        let view = log.view();
        let stop = Stop::Ledger {
            sink: self.name.clone(),
            wrong: view.explain(wrong, |sink| sinks.contains_key(sink.as_str())),
        };
        Err(RunError::Stopped(Box::new(stop), None).into())
    }

    fn failed(&self, source: SinkError) -> Error {
        sink_failed(&self.name, self.log().tail(), source)
    }

    /// What the table lacks.
    fn behind(&self) -> Result<Behind> {
        let name = &self.name;
        let adopt = || format!("`transom sink adopt {name}` says that the table is right");
        let at = match &self.reading {
            Reading::Missing => Position::START,
            Reading::Ledger(_) if self.is_ours() => self.at().unwrap_or(Position::START),
            Reading::Ledger(ledger) => {
                let message = format!(
                    "the ledger of sink `{name}` belongs to another log, {}",
                    ledger.log
                );
                return Err(refused(message, "write to another table".to_owned()));
            }
            Reading::Rows(rows) => {
                let message = format!("the ledger of sink `{name}` has {rows} rows instead of one");
                return Err(refused(message, adopt()));
            }
        };
        let chain = self.chain();
        let passed = match at.seq {
            0 => 0,
            _ => match chain.iter().position(|entry| position(entry) == at) {
                Some(index) => index + 1,
                // The last entry is in this table, and not in all others yet.
                None if self.log().last().is_some_and(|last| position(last) == at) => chain.len(),
                None => {
                    let message = format!(
                        "the ledger of sink `{name}` is at entry {at}, which this log does not have for it"
                    );
                    return Err(refused(message, adopt()));
                }
            },
        };
        let replayed = |entry: &&Entry| Replayed {
            entry: entry.seq,
            kind: match entry.decision {
                Decision::Rewind { .. } => "rewind",
                Decision::Discard { .. } => "discard",
                _ => "slice",
            },
            rows: entry.part(name).map_or(0, |part| part.rows),
        };
        Ok(Behind {
            sink: name.to_string(),
            at: self.at().map(|at| at.seq),
            expected: self.expected().seq,
            entries: chain[passed..].iter().map(replayed).collect(),
        })
    }

    /// Applies what the table lacks, entry by entry, as a run does.
    async fn replay(&self, behind: &Behind, store: &dyn Store) -> Result<()> {
        for replayed in &behind.entries {
            let entry = self.log().get(replayed.entry).expect("it was read");
            let steps = entry.decision.steps();
            let step = steps.iter().find(|step| step.name == self.name);
            let prev = step.map_or(Position::START, |step| step.position);
            let skip = match &entry.decision {
                Decision::Slice(_) => self.is_skipped(entry, store).await?,
                _ => false,
            };
            self.apply(entry, prev, skip).await?;
        }
        Ok(())
    }

    /// Whether the sink was moved past a slice without its rows: only the note that the slice is done says so.
    async fn is_skipped(&self, entry: &Entry, store: &dyn Store) -> Result<bool> {
        let key = keys::done(entry.seq);
        let unknown = |what: &str| {
            refused(
                format!(
                    "`{key}` {what}, which says whether the sink `{}` was moved past entry {} without its rows",
                    self.name, entry.seq
                ),
                "restore it from a backup; or declare the table right, with what it lacks: `transom sink adopt`".to_owned(),
            )
        };
        let Some(bytes) = store.get(&key).await? else {
            return Err(unknown("is gone"));
        };
        let note = Done::parse(&key, &bytes).map_err(|_| unknown("was changed"))?;
        Ok(note.skipped.contains(&self.name))
    }

    async fn apply(&self, entry: &Entry, prev: Position, skip: bool) -> Result<()> {
        let applying = applying(self.log(), entry, &self.name, prev);
        let failed = |source| sink_failed(&self.name, entry.seq, source);
        let mut said = None;
        for _ in 0..TRIES {
            let reading = self.warehouse.read(&applying).await.map_err(failed)?;
            // The log has decided long ago: what a ledger was blocked for is in it.
            let blocked = match &reading {
                Reading::Ledger(ledger) => ledger.blocked,
                _ => 0,
            };
            let claim = Claim {
                log: applying.log(),
                from: prev,
                to: applying.position(),
                blocked,
            };
            let outcome = match reading.settle(&claim) {
                Settled::Applied { .. } | Settled::Ahead(_) => return Ok(()),
                Settled::New => self.warehouse.create(&applying).await,
                Settled::Open | Settled::Blocked(_) => {
                    let submission = Submission::random();
                    self.warehouse
                        .submit(&applying, &claim, submission, skip)
                        .await
                }
                Settled::Wrong(_) => {
                    let message = format!(
                        "the ledger of sink `{}` was moved while entry {} was loaded",
                        self.name, entry.seq
                    );
                    return Err(refused(
                        message,
                        "see who works on it, and try again".to_owned(),
                    ));
                }
            };
            match outcome {
                Err(error) if error.kind() == SinkErrorKind::Unclear => said = Some(error),
                Err(error) => return Err(failed(error)),
                Ok(()) => {}
            }
        }
        Err(Error::from(RunError::GaveUp {
            what: format!("load entry {} into sink `{}`", entry.seq, self.name),
            tries: TRIES,
            source: said.map_or_else(|| "the ledger does not show it".into(), Into::into),
        }))
    }
}

fn refused(message: String, hint: String) -> Error {
    Error::State {
        message,
        hint: Some(hint),
    }
}

fn position(entry: &Entry) -> Position {
    Position::new(entry.seq, entry.attempt)
}

/// An entry with what a sink needs to apply it.
pub(super) fn applying<'a>(
    log: &'a Log,
    entry: &'a Entry,
    sink: &SinkName,
    prev: Position,
) -> Applying<'a> {
    let taken_back = match entry.decision {
        Decision::Rewind { to, .. } => (to + 1..entry.seq).filter_map(|seq| log.get(seq)).collect(),
        _ => Vec::new(),
    };
    Applying {
        entry,
        sink: sink.clone(),
        prev,
        taken_back,
    }
}

pub(super) fn sink_failed(sink: &SinkName, seq: u64, source: SinkError) -> Error {
    let sink = sink.clone();
    RunError::Sink { sink, seq, source }.into()
}
