//! The commit protocol.

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
    MAX_ENTRY_BYTES, Misfit, OpenBackfill, Part, Pipeline, Slice, SourceState,
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
    Applying, Files, Pointer, Published, Sink, SinkError, SinkErrorKind, Warehouse,
};
#[cfg(feature = "testing")]
pub use self::store::conformance;
pub use self::store::{FolderStore, MemoryStore, Store, StoreError, StoreErrorKind};
