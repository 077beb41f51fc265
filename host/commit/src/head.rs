//! What decisions need of the log: its entries without what they carry.
//!
//! A [`Head`] is made in one way only, from the log before it ([`View::extend`]). Entries of the log, the runner and the
//! model all get theirs from there, and an entry that was read is compared with what it should have been.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, LogId, Position, SinkName};
use crate::ledger::Wrong;

/// What an entry decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// The log begins; its id is chosen.
    Open,
    /// A portion of the inputs is loaded.
    Slice,
    /// The pipeline goes back to the state after entry `to`.
    Rewind {
        /// The last entry that stays in force; 0 takes everything back.
        to: u64,
    },
    /// A slice that no warehouse has taken is given up.
    Discard {
        /// The slice's number.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
    },
    /// The shares of a backfill are frozen.
    Backfill {
        /// How many there are.
        shares: u32,
    },
    /// The open backfill is closed, whether or not all of it is loaded.
    BackfillEnd,
    /// Attempts that can no longer win; what they staged is deleted.
    Gc {
        /// The attempts.
        dead: Vec<Attempt>,
        /// The first entry that can still be gone back to: what only earlier ones need is deleted.
        keeps: u64,
    },
}

/// What becomes of the inputs of a discarded slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// They are loaded again.
    Redo,
    /// They count as loaded.
    Skip,
}

/// How a sink makes an entry visible. Sinks are applied in the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkKind {
    /// A table with a ledger, changed by one transaction. The first warehouse of a pipeline is its gate: what it has
    /// taken cannot be discarded.
    Warehouse,
    /// Files that are copied to names of their own, each created once.
    Files,
    /// A version that readers find by a pointer (a partition of a catalog, a link), which has no compare-and-swap.
    Pointer,
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warehouse => "a table in a warehouse",
            Self::Files => "a table to which files are added (`append`)",
            Self::Pointer => "a table that is replaced (`overwrite`, `overwrite_partitions`)",
        })
    }
}

/// A sink, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkAt {
    /// The sink.
    pub name: SinkName,
    /// How it is applied.
    pub kind: SinkKind,
    /// The last entry that it has.
    pub position: Position,
}

/// An entry without what it carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// The attempt that won it.
    pub attempt: Attempt,
    /// What it decides.
    pub act: Act,
    /// The sinks that it changes, in the order in which it is applied, each with the entry that it must have before.
    pub steps: Vec<SinkAt>,
    /// All sinks that the log knows, with the entry that each has once this one is applied.
    pub after: Vec<SinkAt>,
}

impl Head {
    /// Its place in the log.
    pub fn position(&self) -> Position {
        Position::new(self.seq, self.attempt)
    }

    /// Whether the state after entry `seq`, which is earlier, is undone by this one.
    fn takes_back(&self, seq: u64) -> bool {
        match self.act {
            Act::Rewind { to } => to < seq,
            Act::Discard { of, .. } => of == seq,
            _ => false,
        }
    }

    /// Its number, and the first entry that it keeps, if it has deleted what going back to entry `seq` needs.
    fn collects(&self, seq: u64) -> Option<(u64, u64)> {
        match self.act {
            Act::Gc { keeps, .. } if keeps > seq => Some((self.seq, keeps)),
            _ => None,
        }
    }

    /// The first warehouse among its steps.
    pub fn gate(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|step| step.kind == SinkKind::Warehouse)
    }
}

/// Why an entry cannot follow a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Sinks are applied warehouses first.
    #[error(
        "sink `{0}` stands after sinks that are applied later: warehouses come first, then files, then pointers"
    )]
    Order(SinkName),
    /// One sink, one step.
    #[error("sink `{0}` is named twice")]
    Twice(SinkName),
    /// A sink's history is of one kind.
    #[error(
        "sink `{name}` was {was} in earlier entries and is {is} now: give the new sink another name"
    )]
    Kind {
        /// The sink.
        name: SinkName,
        /// In the log.
        was: SinkKind,
        /// In the entry.
        is: SinkKind,
    },
    /// Only the last entry can be discarded, and only a slice.
    #[error("entry {0} cannot be discarded: it is not a slice at the end of the log")]
    NotTheTail(u64),
    /// A rewind goes back.
    #[error("cannot rewind to entry {to}: the log ends with entry {tail}")]
    Future {
        /// Where to.
        to: u64,
        /// The log's last entry.
        tail: u64,
    },
    /// The state after an entry that was taken back since is no state of the sinks.
    #[error(
        "cannot rewind to entry {to}: entry {by} has taken it back; rewind to an earlier entry, or to {by}"
    )]
    TakenBack {
        /// Where to.
        to: u64,
        /// The rewind or the discard.
        by: u64,
    },
    /// A gc has deleted the state and the files after an entry.
    #[error(
        "cannot rewind to entry {to}: the gc of entry {by} has deleted what that needs; {keeps} is the first entry \
         that it has kept"
    )]
    Collected {
        /// Where to.
        to: u64,
        /// The gc.
        by: u64,
        /// The first entry that can still be gone back to.
        keeps: u64,
    },
    /// A gc keeps at least what holds now.
    #[error("a gc must keep the last entry, {tail}, and would keep those from {keeps}")]
    KeepsNothing {
        /// The first entry that it would keep.
        keeps: u64,
        /// The log's last entry.
        tail: u64,
    },
    /// Entry 1 opens the log.
    #[error("a log begins with an `open` entry, and has no other")]
    Open,
    /// Shares are loaded in order, and nothing else meanwhile.
    #[error("the backfill of entry {backfill} is open: its share {next} comes next")]
    Share {
        /// The `backfill` entry.
        backfill: u64,
        /// The share whose turn it is.
        next: u32,
    },
    /// There is no backfill that this could belong to.
    #[error("no backfill is open")]
    NoBackfill,
    /// A backfill has at least one share.
    #[error("a backfill needs at least one share")]
    NoShares,
}

/// The log as far as it was read, up to its last entry then.
///
/// It need not begin with entry 1: entries before those that a process needs stay unread.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    log: LogId,
    heads: &'a [Arc<Head>],
}

impl<'a> View<'a> {
    /// The log with this id, and those of its entries that were read, without gaps.
    pub fn new(log: LogId, heads: &'a [Arc<Head>]) -> Self {
        debug_assert!(
            heads.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq),
            "entries without gaps"
        );
        Self { log, heads }
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        self.log
    }

    /// The number of the last entry; 0 if there is none.
    pub fn tail(&self) -> u64 {
        self.heads.last().map_or(0, |head| head.seq)
    }

    /// The last entry.
    pub fn last(&self) -> Option<&'a Head> {
        self.heads.last().map(|head| &**head)
    }

    /// The entry with this number, if it was read.
    pub fn get(&self, seq: u64) -> Option<&'a Head> {
        let first = self.heads.first()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.heads.get(index).map(|head| &**head)
    }

    /// The entries that were read and come after this one.
    pub fn since(&self, seq: u64) -> impl Iterator<Item = &'a Head> + use<'a> {
        self.heads
            .iter()
            .map(|head| &**head)
            .filter(move |head| head.seq > seq)
    }

    /// The sinks that the log knows, and how far each is once the last entry is applied.
    pub fn sinks(&self) -> &'a [SinkAt] {
        self.heads.last().map_or(&[], |head| &head.after)
    }

    /// What is wrong with a ledger, with the sink that it belongs to if it does not name it itself: the warehouse that has its entry as the
    /// last one; of several, one that the pipeline does not have any more.
    pub fn explain(&self, wrong: Wrong, is_in_pipeline: impl Fn(&SinkName) -> bool) -> Wrong {
        let Wrong::OtherSink { at, sink: None } = wrong else {
            return wrong;
        };
        let sinks = self.sinks().iter();
        let there = sinks.filter(|sink| sink.kind == SinkKind::Warehouse && sink.position == at);
        let names = there.map(|sink| &sink.name);
        let sink = names.min_by_key(|name| is_in_pipeline(name)).cloned();
        Wrong::OtherSink { at, sink }
    }

    /// The head of the entry that would come next. `sinks` are those that a slice names; other kinds find theirs in
    /// the log.
    ///
    /// # Errors
    ///
    /// If no such entry can follow this log.
    pub fn extend(
        &self,
        attempt: Attempt,
        act: Act,
        sinks: &[(SinkName, SinkKind)],
    ) -> Result<Head, HeadError> {
        let seq = self.tail() + 1;
        if (seq == 1) != (act == Act::Open) {
            return Err(HeadError::Open);
        }
        let here = Position::new(seq, attempt);
        let mut after = self.sinks().to_vec();
        let steps = match &act {
            Act::Gc { keeps, .. } if *keeps > self.tail() => {
                return Err(HeadError::KeepsNothing {
                    keeps: *keeps,
                    tail: self.tail(),
                });
            }
            Act::Open | Act::Backfill { .. } | Act::BackfillEnd | Act::Gc { .. } => Vec::new(),
            Act::Slice => slice(&mut after, sinks, here)?,
            Act::Rewind { to } => {
                if *to >= seq {
                    return Err(HeadError::Future {
                        to: *to,
                        tail: seq - 1,
                    });
                }
                if let Some(by) = self.since(*to).find(|head| head.takes_back(*to)) {
                    return Err(HeadError::TakenBack {
                        to: *to,
                        by: by.seq,
                    });
                }
                // Entry 0 needs nothing: all that is loaded is taken back by its names.
                if *to > 0
                    && let Some((by, keeps)) = self.since(*to).find_map(|head| head.collects(*to))
                {
                    return Err(HeadError::Collected { to: *to, by, keeps });
                }
                let touched: Vec<SinkAt> = after
                    .iter()
                    .filter(|sink| sink.position.seq > *to)
                    .cloned()
                    .collect();
                after
                    .iter_mut()
                    .filter(|sink| sink.position.seq > *to)
                    .for_each(|sink| sink.position = here);
                touched
            }
            Act::Discard { of, .. } => {
                let slice = self
                    .last()
                    .filter(|last| last.seq == *of && last.act == Act::Slice);
                let slice = slice.ok_or(HeadError::NotTheTail(*of))?;
                // Nothing but warehouses may have looked at the slice: they are moved past it, and the others are
                // where they were.
                for step in &slice.steps {
                    if let Some(sink) = after.iter_mut().find(|sink| sink.name == step.name) {
                        sink.position = if step.kind == SinkKind::Warehouse {
                            here
                        } else {
                            step.position
                        };
                    }
                }
                slice
                    .steps
                    .iter()
                    .filter(|step| step.kind == SinkKind::Warehouse)
                    .cloned()
                    .collect()
            }
        };
        Ok(Head {
            seq,
            attempt,
            act,
            steps,
            after,
        })
    }
}

fn slice(
    after: &mut Vec<SinkAt>,
    sinks: &[(SinkName, SinkKind)],
    here: Position,
) -> Result<Vec<SinkAt>, HeadError> {
    let mut steps: Vec<SinkAt> = Vec::with_capacity(sinks.len());
    for (name, kind) in sinks {
        if steps.iter().any(|step| step.name == *name) {
            return Err(HeadError::Twice(name.clone()));
        }
        if steps.last().is_some_and(|last| last.kind > *kind) {
            return Err(HeadError::Order(name.clone()));
        }
        let position = match after.iter_mut().find(|sink| sink.name == *name) {
            Some(sink) if sink.kind != *kind => {
                return Err(HeadError::Kind {
                    name: name.clone(),
                    was: sink.kind,
                    is: *kind,
                });
            }
            Some(sink) => std::mem::replace(&mut sink.position, here),
            None => Position::START,
        };
        steps.push(SinkAt {
            name: name.clone(),
            kind: *kind,
            position,
        });
    }
    // Sinks of this slice in its order, before those that the pipeline no longer has; kinds stay in order.
    let mut sorted: Vec<SinkAt> = steps
        .iter()
        .map(|step| SinkAt {
            position: here,
            ..step.clone()
        })
        .collect();
    sorted.extend(
        after
            .drain(..)
            .filter(|sink| !steps.iter().any(|step| step.name == sink.name)),
    );
    sorted.sort_by_key(|sink| sink.kind);
    *after = sorted;
    Ok(steps)
}
