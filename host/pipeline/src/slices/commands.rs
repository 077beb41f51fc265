//! What people ask of the log: to go back, to give a slice up, to go on without one sink.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use transom_commit::{
    self as commit, Answer, Attempt, Disposition, Draft, Log, LogId, Next, Process, RandomIds,
    Reading, RunError, Runner, SinkError, SinkName, Store, StoredLog, Task, Work,
};
use transom_connect::Sink;

use super::backfill::{Backfill, none_open};
use super::history::{Decided, decided};
use super::sink::{applying, sink_failed};
use super::staged::find;
use super::work::compare::{check_parts, check_staged, compare_tables};
use super::work::{delete_staged, sinks};
use super::{by, open_store};
use crate::error::Result;
use crate::job::Job;

/// What to do about a slice that was staged for tables as they are not any more.
const STAGE_ANEW: &str = "stage a slice again: `transom run --stage-only`";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Back to the state after entry `to`; 0 takes everything back.
    Rewind {
        /// The last entry that stays in force.
        to: u64,
    },
    /// A slice that the first warehouse has not taken is given up.
    Discard {
        /// The slice.
        of: u64,
        /// Whether its inputs are loaded again; they count as loaded if not.
        redo: bool,
    },
    /// A slice is applied, and one sink moved past it without its rows.
    Skip {
        /// The slice.
        of: u64,
        /// The sink.
        sink: String,
    },
    /// A slice that was staged is loaded.
    Load {
        /// Its attempt.
        attempt: String,
    },
    /// The open backfill is closed; what is loaded of it stays.
    EndBackfill,
}

impl Command {
    /// The slice that it is about, and what a process does about it; none of commands that are about more than one.
    fn of_slice(&self) -> Option<(u64, Task)> {
        match self {
            Self::Discard { of, redo } => {
                let disposition = match redo {
                    true => Disposition::Redo,
                    false => Disposition::Skip,
                };
                Some((
                    *of,
                    Task::Discard {
                        of: *of,
                        disposition,
                    },
                ))
            }
            Self::Skip { of, sink } => {
                let sink = SinkName::from(sink.as_str());
                Some((*of, Task::Skip { of: *of, sink }))
            }
            Self::Rewind { .. } | Self::Load { .. } | Self::EndBackfill => None,
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commanded {
    /// The entry that it wrote; none if it needed none.
    pub entry: Option<u64>,
    /// The entries that it saw through to the end.
    pub applied: Vec<u64>,
    /// The entry that the sink of [`Command::Skip`] was moved past.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
}

impl Job {
    /// Does what was asked, and applies it. It is finished when its entry is in the log: if it is killed after that, the next run applies it.
    ///
    /// # Errors
    /// If the log does not allow it, the tables do not belong to it, or a sink cannot be changed.
    pub async fn command(&self, command: &Command) -> Result<Commanded> {
        let store = open_store(self).await?;
        let drafted = |draft| Some((Attempt::random(), draft));
        let (task, draft) = match command {
            Command::Rewind { to } => (Task::Once, drafted(Draft::Rewind { to: *to })),
            Command::EndBackfill => {
                self.check_backfill_end().await?;
                (Task::Once, drafted(Draft::BackfillEnd {}))
            }
            Command::Load { attempt } => {
                let staged = find(store.as_ref(), attempt).await?;
                check_parts(self, &staged.draft, STAGE_ANEW)?;
                check_staged(&sinks(self), &staged.draft, STAGE_ANEW).await?;
                let load = Task::Load {
                    attempt: staged.attempt,
                    planned: staged.planned,
                };
                (load, Some((staged.attempt, staged.draft)))
            }
            Command::Discard { .. } | Command::Skip { .. } => {
                let (_, task) = command.of_slice().expect("it is about a slice");
                (task, None)
            }
        };
        let sinks = sinks(self);
        let stored = StoredLog::open(store.as_ref(), None).await?;
        compare_tables(&sinks, store.as_ref(), stored.log()).await?;
        let commanded = carry_out(store.as_ref(), sinks, task, draft).await?;
        Ok(Commanded {
            skipped: match command {
                Command::Skip { of, .. } => Some(*of),
                _ => None,
            },
            ..commanded
        })
    }

    /// The slice that [`Command::Discard`] or [`Command::Skip`] would settle; none if that was done before. Changes nothing.
    ///
    /// # Errors
    /// What [`Self::command`] would refuse, by the log and the ledger as they are now.
    pub async fn check_slice(&self, command: &Command) -> Result<Option<Decided>> {
        let Some((of, task)) = command.of_slice() else {
            return Ok(None);
        };
        let (store, sinks) = (open_store(self).await?, sinks(self));
        let mut stored = StoredLog::open(store.as_ref(), None).await?;
        stored.reach(of).await?;
        compare_tables(&sinks, store.as_ref(), stored.log()).await?;
        let done = stored.is_done(stored.log().tail()).await?;
        let log = stored.log();
        let mut process = Process::new(task);
        let mut answered = |answer| {
            process.answer(log.view(), answer, &mut RandomIds);
            process.next(log.view())
        };
        let mut next = answered(Answer::Log { done });
        if let Next::Block { seq, step, .. } = next {
            // As if the block had not come through: the ledger, which is read then, says whether the table has the slice.
            answered(Answer::Carried);
            let reading = read_ledger(&sinks, log, seq, step).await?;
            next = answered(Answer::Ledger(reading));
        }
        match next {
            Next::Stop(stop) => Err(RunError::Stopped(Box::new(stop), None).into()),
            Next::End => Ok(None),
            _ => Ok(log.get(of).map(decided)),
        }
    }

    /// The backfill that [`Command::EndBackfill`] would close. Changes nothing.
    ///
    /// # Errors
    /// If none is open, or the log cannot be read.
    pub async fn check_backfill_end(&self) -> Result<Backfill> {
        self.open_backfill().await?.ok_or_else(none_open)
    }
}

/// What the ledger says of the warehouse that a step of an entry changes.
async fn read_ledger(
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    log: &Log,
    seq: u64,
    step: usize,
) -> Result<Reading> {
    let entry = log.get(seq).expect("the process has it from this log");
    let at = entry.decision.steps().swap_remove(step);
    let sink = sinks.get(at.name.as_str());
    let Some(commit::Sink::Warehouse(warehouse)) = sink.and_then(|sink| sink.committed()) else {
        return Err(RunError::NoSink { sink: at.name, seq }.into());
    };
    let reading = warehouse
        .read(&applying(log, entry, &at.name, at.position))
        .await;
    reading.map_err(|source| sink_failed(&at.name, seq, source))
}

/// Does what was asked. The tables were compared with the log.
pub(super) async fn carry_out(
    store: &dyn Store,
    sinks: BTreeMap<String, Arc<dyn Sink>>,
    task: Task,
    draft: Option<(Attempt, Draft)>,
) -> Result<Commanded> {
    let mut work = Asked { sinks, draft };
    let runner = Runner::new(store, &mut work, by(None), task, None).await;
    let done = runner?.run().await?;
    Ok(Commanded {
        entry: done.appended.last().copied(),
        applied: done.applied,
        skipped: None,
    })
}

/// One entry, and the sinks.
struct Asked {
    sinks: BTreeMap<String, Arc<dyn Sink>>,
    draft: Option<(Attempt, Draft)>,
}

#[async_trait]
impl Work for Asked {
    async fn plan(
        &mut self,
        _: &Log,
    ) -> Result<Option<(Attempt, Draft)>, Box<dyn StdError + Send + Sync>> {
        Ok(self.draft.clone())
    }

    fn sink(&self, name: &SinkName) -> Option<commit::Sink<'_>> {
        self.sinks.get(name.as_str())?.committed()
    }

    async fn delete_staged(&self, log: LogId, attempts: &[Attempt]) -> Result<(), SinkError> {
        delete_staged(&self.sinks, log, attempts).await
    }
}
