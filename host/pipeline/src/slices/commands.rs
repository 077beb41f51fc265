//! What people ask of the log: to go back, to give a slice up, to go on without one sink.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use transom_commit::{
    self as commit, Attempt, Disposition, Draft, Log, LogId, Runner, SinkError, SinkName, Store,
    StoredLog, Task, Work,
};
use transom_connect::Sink;

use super::backfill::none_open;
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
        let mut draft = None;
        let task = match command {
            Command::Rewind { to } => {
                draft = drafted(Draft::Rewind { to: *to });
                Task::Once
            }
            Command::EndBackfill => {
                if self.open_backfill().await?.is_none() {
                    return Err(none_open());
                }
                draft = drafted(Draft::BackfillEnd {});
                Task::Once
            }
            Command::Load { attempt } => {
                let staged = find(store.as_ref(), attempt).await?;
                check_parts(self, &staged.draft, STAGE_ANEW)?;
                check_staged(&sinks(self), &staged.draft, STAGE_ANEW).await?;
                draft = Some((staged.attempt, staged.draft));
                Task::Load {
                    attempt: staged.attempt,
                    planned: staged.planned,
                }
            }
            Command::Discard { of, redo } => Task::Discard {
                of: *of,
                disposition: match redo {
                    true => Disposition::Redo,
                    false => Disposition::Skip,
                },
            },
            Command::Skip { of, sink } => Task::Skip {
                of: *of,
                sink: SinkName::from(sink.as_str()),
            },
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
