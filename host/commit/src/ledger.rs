//! What a warehouse's ledger says, and what follows from it.
//!
//! The ledger is a table of one row beside a target table: the log, the position up to which the target is loaded, and
//! a block. A loading transaction moves it in its first statement and only then touches the target. *Applied* is
//! therefore final; *not applied* is not, since a transaction may still be on its way. Loading again is safe then, and
//! concluding that it will not happen needs a block.

use crate::head::Disposition;
use crate::id::{LogId, Position, SinkName};

/// What was read of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reading {
    /// There is no such table.
    Missing,
    /// Not one row, but this many.
    Rows(u64),
    /// Its row.
    Ledger(Ledger),
}

/// The row of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ledger {
    /// The log that the table belongs to.
    pub log: LogId,
    /// The last entry that the table has.
    pub position: Position,
    /// The entry that must not be loaded; 0 for none.
    pub blocked: u64,
    /// Of a blocked entry: what becomes of its inputs.
    pub disposition: Option<Disposition>,
    /// Whether the last entry was moved past without its rows.
    pub skipped: bool,
    /// The sink that the table belongs to, if it is another one than the one that has read this.
    pub owner: Option<SinkName>,
    /// Whether it names the sink at all: ledgers of earlier versions do not.
    pub is_named: bool,
}

impl Ledger {
    /// A new table's ledger.
    pub fn new(log: LogId) -> Self {
        Self {
            log,
            position: Position::START,
            blocked: 0,
            disposition: None,
            skipped: false,
            owner: None,
            is_named: true,
        }
    }

    /// What is wrong with the ledger of another sink of the log.
    fn of_other(&self) -> Option<Wrong> {
        self.owner.as_ref().map(|owner| Wrong::OtherSink {
            at: self.position,
            sink: Some(owner.clone()),
        })
    }
}

/// What a loading transaction asks of the ledger: from where to where, and whether an entry must be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The log.
    pub log: LogId,
    /// Where the ledger must be.
    pub from: Position,
    /// Where it will be.
    pub to: Position,
    /// The entry that must be blocked; 0 for none.
    pub blocked: u64,
}

/// What a reading says of an entry that is to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The table has it.
    Applied {
        /// It was moved past without its rows.
        skipped: bool,
    },
    /// Not yet, or not known: it may be submitted.
    Open,
    /// It is being discarded.
    Blocked(Disposition),
    /// The table is ahead: others went on.
    Ahead(u64),
    /// There is no ledger, and none is expected: it is to be created.
    New,
    /// Nothing that the protocol does leads here.
    Wrong(Wrong),
}

/// A ledger that does not belong to the log, or not any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// It is behind where this log has brought it, or at another attempt.
    Restored {
        /// Where it is.
        at: Position,
        /// Where it must be.
        expected: Position,
    },
    /// The table is gone.
    Missing,
    /// Not one row.
    Rows(u64),
    /// Another log's.
    Foreign(LogId),
    /// A block that the log does not explain.
    Block(u64),
    /// The table of another sink of this log, whose entry it has.
    OtherSink {
        /// The entry.
        at: Position,
        /// The sink, if the log says which one.
        sink: Option<SinkName>,
    },
}

impl Reading {
    /// Whether a ledger is there that does not name its sink.
    pub(crate) fn is_unnamed(&self) -> bool {
        matches!(self, Self::Ledger(ledger) if !ledger.is_named)
    }

    /// What this says before an entry is decided: the ledger must be where the log, which ends with entry `tail`, has brought it.
    pub fn expect(&self, log: LogId, at: Position, tail: u64) -> Settled {
        let ledger = match self {
            Self::Ledger(ledger) if ledger.log == log => ledger,
            _ => {
                return self.settle(&Claim {
                    log,
                    from: at,
                    to: at,
                    blocked: 0,
                });
            }
        };
        if let Some(wrong) = ledger.of_other() {
            return Settled::Wrong(wrong);
        }
        let is = ledger.position;
        match ledger.blocked {
            _ if is.seq > tail => Settled::Ahead(is.seq),
            _ if is != at && at == Position::START => {
                Settled::Wrong(Wrong::OtherSink { at: is, sink: None })
            }
            _ if is != at => Settled::Wrong(Wrong::Restored {
                at: is,
                expected: at,
            }),
            0 => Settled::Open,
            // By a discard of an entry that came since.
            blocked if blocked > tail => Settled::Ahead(blocked),
            blocked => Settled::Wrong(Wrong::Block(blocked)),
        }
    }

    /// What this says of the entry that the claim is for.
    pub fn settle(&self, claim: &Claim) -> Settled {
        let ledger = match self {
            Self::Missing if claim.from == Position::START => return Settled::New,
            Self::Missing => return Settled::Wrong(Wrong::Missing),
            Self::Rows(rows) => return Settled::Wrong(Wrong::Rows(*rows)),
            Self::Ledger(ledger) => ledger,
        };
        if ledger.log != claim.log {
            return Settled::Wrong(Wrong::Foreign(ledger.log));
        }
        if let Some(wrong) = ledger.of_other() {
            return Settled::Wrong(wrong);
        }
        let at = ledger.position;
        if at == claim.to {
            return Settled::Applied {
                skipped: ledger.skipped,
            };
        }
        if at.seq > claim.to.seq {
            return Settled::Ahead(at.seq);
        }
        if at != claim.from {
            return Settled::Wrong(Wrong::Restored {
                at,
                expected: claim.from,
            });
        }
        match ledger.disposition {
            _ if ledger.blocked == claim.blocked => Settled::Open,
            Some(disposition) if ledger.blocked == claim.to.seq => Settled::Blocked(disposition),
            _ => Settled::Wrong(Wrong::Block(ledger.blocked)),
        }
    }
}
