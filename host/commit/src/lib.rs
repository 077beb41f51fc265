//! The commit protocol: how a pipeline loads each input exactly once, whatever is killed, frozen, doubled or delayed.
//!
//! # The idea
//!
//! A pipeline and its target have one *log*: documents with numbers, each created once and never changed or deleted.
//! Processes compute as much as they like, side by side, and leave complete files behind. Nothing of that counts until
//! one of them creates the next document of the log, an [`Entry`], which names those files. A store creates a name for
//! one writer only, so there is one winner, and all processes can read who it is.
//!
//! From then on the entry's content is *decided*. It becomes visible by *applying* it: sink after sink, from the entry
//! alone, by any process, any number of times. When all sinks have it, a note says so (`done/<number>.json`), and the
//! next entry may be created.
//!
//! ```text
//! plan -> compute -> stage files -> create log/42 -> apply: warehouses, then files, then pointers -> put done/42
//!         (any number of processes)  (one of them)          (any process, again and again)
//! ```
//!
//! Rewinds, discards, backfills and collections of garbage are entries as well. They compete with loads for the same
//! number, so that there is one order of everything, and a process that was frozen in the middle of one of them is
//! simply overtaken: the next process finds the entry and applies it.
//!
//! # Three types
//!
//! - [`Process`] decides. It has no input or output: [`Process::next`] says what to do, [`Process::answer`] takes what
//!   came of it. Every rule of the protocol is in its folder.
//! - [`Runner`] does what the process says, on a [`Store`] and on the sinks of a pipeline ([`Work`]).
//! - [`Log`] is what was read, and builds the next entry. Decisions see it as a [`View`] of [`Head`]s: entries without
//!   their content.
//!
//! A model (`model`) drives the same `Process` through every order of events with two runs, a command
//! and each fault, and finds each rule that is left out (`Mutant`, with the feature `testing`).
//!
//! # What an answer means
//!
//! | a create answers | it means | then |
//! | --- | --- | --- |
//! | 200 | the entry is in the log | apply it |
//! | 412 | the number is taken, perhaps by this very request, which an SDK has repeated | read whose it is |
//! | 409, 5xx, a timeout | nothing | read; if nothing is there, create it again |
//!
//! | a ledger says | it means | then |
//! | --- | --- | --- |
//! | the entry's position and attempt | applied, for good | the next sink |
//! | the position before it | not yet, or not known: a transaction may be on its way | submit again |
//! | the position before it, blocked | it is being discarded | append the discard |
//! | a later position | others went on | read the log |
//! | anything else | restored, dropped, another pipeline's | stop |
//!
//! Submitting again is always safe, since a transaction begins by moving the ledger from one position to the next.
//! *Concluding* that a transaction did not happen is not, however long ago it was sent: only a ledger that has moved or
//! is blocked can say so.
//!
//! # Rules that are easy to break
//!
//! - No error deletes anything. A process that believes it has lost may have won.
//! - Nothing is decided by a clock, or by the age of a file.
//! - A rewind first deletes staged files, so that no copy can begin, and then takes the names of published ones with
//!   empty files, so that a copy that has begun cannot end. Deleting them would free the names: that is for a collection, a
//!   day later, when no copy that had begun is under way any more. No later rewind brings them back
//!   ([`Applying::parts_taken_back`]).
//! - A rewind does not go back to an entry that an earlier rewind or a discard has taken back: the state after that
//!   entry counts inputs as loaded which no sink has any more.
//! - An attempt that is to be collected as garbage is named by an entry first, so that it cannot win any more.
//! - A pointer (a partition of a catalog, a link) has no compare-and-swap. It is compared with the log after each
//!   write and at the end of each run; in between, a write that comes late can put an older version back.
//!
//! # Errors
//!
//! [`RunError::Stopped`] is for people: its [`Stop`] names the entry and the sink, and has a hint. Everything else is
//! safe to try again. A run that gives up leaves nothing that the next one cannot finish.

mod attempt;
mod entry;
pub mod fault;
mod head;
mod id;
pub mod keys;
mod ledger;
mod log;
#[cfg(feature = "testing")]
mod mutant;
mod process;
mod runner;
mod sink;
mod store;

pub use self::attempt::StagedAttempt;
pub use self::entry::{
    After, By, Counts, Decision, Done, Draft, Entry, EntryError, FORMAT, Inputs, MAX_DEAD,
    MAX_ENTRY_BYTES, Misfit, OpenBackfill, Part, Pipeline, Slice, SourceState, parts,
};
pub use self::head::{Act, Disposition, Head, HeadError, SinkAt, SinkKind, View};
pub use self::id::{
    Attempt, Digest, LogId, NameError, Object, Position, Share, SinkName, Submission,
};
pub use self::ledger::{Claim, Ledger, Reading, Settled, Wrong};
pub use self::log::{Log, LogError, StoredLog, Wanted};
#[cfg(feature = "testing")]
pub use self::mutant::Mutant;
pub use self::process::{Answer, Ids, Next, Process, RandomIds, Stop, Task, What};
pub use self::runner::{Patience, Report, RunError, Runner, Work};
pub use self::sink::{
    Applying, Files, Pointer, Published, Sink, SinkError, SinkErrorKind, Version, Warehouse,
};
#[cfg(feature = "testing")]
pub use self::store::conformance;
pub use self::store::{
    FolderStore, MemoryStore, Store, StoreError, StoreErrorKind, Stored, deletable, spent,
};
