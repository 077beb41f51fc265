//! Why a process ends before its work is done, and what a person does about it.

use crate::id::SinkName;
use crate::ledger::Wrong;

/// Why a person has to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Stop {
    /// The data does not fit the target.
    #[error("the warehouse of sink `{sink}` refuses entry {seq}")]
    Refused {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
        /// Whether the sink is the gate: the slice can still be given up.
        gate: bool,
    },
    /// The log is older than what it has decided.
    #[error(
        "the ledger of sink `{sink}` is at entry {at}, but the log ends with {tail}: was the state restored?"
    )]
    LedgerAhead {
        /// The sink.
        sink: SinkName,
        /// Where the ledger is.
        at: u64,
        /// The last entry.
        tail: u64,
    },
    /// The warehouse is older than the log, or not the log's.
    #[error("{}", wrong_ledger(sink, wrong))]
    Ledger {
        /// The sink.
        sink: SinkName,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// Files of an entry are neither published nor staged.
    #[error("staged files of entry {seq} for sink `{sink}` are gone, and it is not published yet")]
    StagedGone {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// Something took a name of this entry which the log knows nothing of.
    #[error("a file of entry {seq} for sink `{sink}` was replaced by another one")]
    Replaced {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// The entry is done, or others come after it.
    #[error("entry {seq} is settled: it is done, discarded, or not the last entry any more")]
    Settled {
        /// The entry.
        seq: u64,
    },
    /// The log ends before.
    #[error("there is no entry {seq}: the log ends with entry {tail}")]
    NoEntry {
        /// The entry that is not there.
        seq: u64,
        /// The last entry.
        tail: u64,
    },
    /// Only slices are given up or skipped.
    #[error("entry {seq} is not a slice")]
    NotASlice {
        /// The entry.
        seq: u64,
    },
    /// The gate has it.
    #[error("sink `{sink}` has entry {seq} already")]
    Taken {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// Files are not refused.
    #[error(
        "entry {seq} goes to no warehouse: nothing can refuse it, so there is nothing to discard"
    )]
    NoGate {
        /// The entry.
        seq: u64,
    },
    /// The gate decides for all.
    #[error("sink `{sink}` is the first warehouse of entry {seq}: it cannot be skipped alone")]
    IsGate {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// The entry does not name the sink.
    #[error("entry {seq} has nothing for sink `{sink}`")]
    NoSuchSink {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// What the attempt was planned from is not the end of the log any more.
    #[error("the attempt was planned after entry {planned}, but entry {by} came since")]
    Stale {
        /// The last entry when it was planned.
        planned: u64,
        /// The entry that came since.
        by: u64,
    },
}

fn wrong_ledger(sink: &SinkName, wrong: &Wrong) -> String {
    match wrong {
        Wrong::Restored { at, expected } => {
            format!("the ledger of sink `{sink}` is at entry {at}, but the log expects {expected}")
        }
        Wrong::Missing => format!("sink `{sink}` has entries of this log, but its ledger is gone"),
        Wrong::Rows(rows) => format!("the ledger of sink `{sink}` has {rows} rows instead of one"),
        Wrong::Foreign(log) => {
            format!("the ledger of sink `{sink}` belongs to another pipeline, with the log {log}")
        }
        Wrong::OtherSink { at, sink: owner } => {
            let owner = match owner {
                Some(owner) => format!("sink `{owner}`"),
                None => "another sink".to_owned(),
            };
            format!(
                "the table of sink `{sink}` belongs to {owner} of this log, and has its entry {at}: was the sink renamed?"
            )
        }
        Wrong::Block(seq) => {
            format!(
                "the ledger of sink `{sink}` is blocked for entry {seq}, which the log does not explain"
            )
        }
    }
}

impl Stop {
    /// What to do, if there is one thing that is right.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Refused {
                seq, gate: true, ..
            } => format!(
                "fix the table and run again, or give the slice up: `transom slice discard {seq} --redo` or `--skip`"
            ),
            Self::Refused { seq, sink, .. } => format!(
                "fix the table and run again, or leave this sink out: `transom slice skip {seq} --sink {sink}`"
            ),
            Self::Ledger {
                sink,
                wrong: Wrong::Restored { .. } | Wrong::Missing,
            } => format!(
                "`transom sink replay {sink}` loads what the table lacks; `transom sink adopt {sink}` says that it is right"
            ),
            Self::Ledger {
                wrong: Wrong::Foreign(_),
                ..
            } => "write to another table".to_owned(),
            Self::Ledger {
                wrong: Wrong::OtherSink { .. },
                ..
            } => "give the sink its old name, or write to another table".to_owned(),
            Self::StagedGone { seq, sink } => {
                format!("`transom slice skip {seq} --sink {sink}` goes on without them")
            }
            Self::NoEntry { tail, .. } => format!(
                "only the last entry, {tail}, can be discarded or skipped, and only until all sinks have it"
            ),
            Self::Taken { .. } => "`transom rewind` takes back what was loaded".to_owned(),
            Self::IsGate { seq, .. } => format!("`transom slice discard {seq} --skip`"),
            Self::Stale { .. } => "run again: the slice is planned anew".to_owned(),
            _ => return None,
        })
    }
}
