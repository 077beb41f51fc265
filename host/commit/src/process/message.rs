//! What a process asks for, and what it gets as an answer.

use crate::head::Disposition;
use crate::id::{Attempt, SinkName, Submission};
use crate::ledger::{Claim, Reading};
use crate::process::Stop;

/// What a process does next. Steps of an entry are counted as [`Head::steps`](crate::Head::steps) are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read the log after what is known, then whether its last entry is done. [`Answer::Log`]
    Look,
    /// Plan the next entry from the log, compute and stage it. [`Answer::Planned`] or [`Answer::Nothing`]
    Plan,
    /// Create `log/<seq>.json`, only if there is none. [`Answer::Carried`], which comes with a log that has it, or
    /// [`Answer::Unclear`]
    Append {
        /// The number.
        seq: u64,
        /// The attempt that the entry names.
        attempt: Attempt,
        /// What it decides.
        what: What,
    },
    /// Read the ledger of a warehouse. [`Answer::Ledger`]
    Settle {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Create the ledger of a warehouse, only if there is none. [`Answer::Carried`] or [`Answer::Unclear`]
    CreateLedger {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Load in one transaction that claims the ledger first. [`Answer::Carried`], [`Answer::Unclear`] or
    /// [`Answer::Refused`]
    Submit {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
        /// What the transaction asks of the ledger.
        claim: Claim,
        /// The id of this sending, for its guard and for the warehouse's own protection against repeats.
        submission: Submission,
        /// Whether the rows are left out.
        skip: bool,
    },
    /// Block the gate for this entry. Any answer
    Block {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
        /// What is to become of its inputs.
        disposition: Disposition,
    },
    /// Copy staged files to their names, each only if the name is free. [`Answer::Carried`], [`Answer::Unclear`],
    /// [`Answer::Gone`] or [`Answer::TakenBack`]
    Publish {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Of a rewind: delete what the entries that it takes back have staged, so that no copy can begin.
    /// [`Answer::Carried`] or [`Answer::Unclear`]
    DeleteStaged {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Of a rewind: put a file of no rows over every name of the entries that it takes back, published or not, so that
    /// a copy that has begun cannot end. [`Answer::Carried`] or [`Answer::Unclear`]
    Occupy {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Read which entry a pointer was written for. [`Answer::Pointer`]
    ReadPointer {
        /// The sink.
        sink: SinkName,
        /// Where the log says that it belongs, if nothing is applied and it is only compared: a sink that the pipeline has no more
        /// counts as being there.
        compared: Option<u64>,
    },
    /// Point to the version that is in force at an entry. [`Answer::Carried`] or [`Answer::Unclear`]
    WritePointer {
        /// The sink.
        sink: SinkName,
        /// The entry.
        to: u64,
    },
    /// Of a gc: delete what the attempts that it names have staged. [`Answer::Carried`] or [`Answer::Unclear`]
    DeleteDead {
        /// The entry.
        seq: u64,
    },
    /// Note that all sinks have this entry: put `done/<seq>.json`. [`Answer::Carried`] or [`Answer::Unclear`]
    Finish {
        /// The entry.
        seq: u64,
        /// The sinks that were moved past it without its rows, by their steps.
        skipped: Vec<usize>,
    },
    /// Delete what the attempt has staged.
    #[cfg(feature = "testing")]
    CleanUp {
        /// The attempt.
        attempt: Attempt,
    },
    /// Nothing is left to do.
    End,
    /// A person has to look.
    Stop(Stop),
}

/// What an entry that is appended decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// That the log begins.
    Open,
    /// What was planned.
    Planned,
    /// That a slice is given up.
    Discard {
        /// The slice.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The log was read: it is the view that comes with the answer. `done` says that its last entry is.
    Log {
        /// Whether all sinks have the last entry.
        done: bool,
    },
    /// An attempt is staged.
    Planned(Attempt),
    /// There is nothing new.
    Nothing,
    /// It was carried out, and the answer says so.
    Carried,
    /// No answer, one that says nothing, or that it was not carried out now.
    Unclear,
    /// The warehouse refuses the data, for good.
    Refused,
    /// What the ledger says.
    Ledger(Reading),
    /// What was staged is not there.
    Gone,
    /// A name is taken by what a rewind put there.
    TakenBack,
    /// Which entry the pointer was written for; 0 if there is no pointer.
    Pointer(u64),
}
