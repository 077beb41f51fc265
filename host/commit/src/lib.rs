//! The commit protocol.

mod head;
mod id;
mod ledger;
#[cfg(feature = "mutants")]
mod mutant;
mod process;

pub use self::head::{Act, Disposition, Head, HeadError, SinkAt, SinkKind, View};
pub use self::id::{Attempt, Digest, LogId, NameError, Object, Position, Share, SinkName, Submission};
pub use self::ledger::{Claim, Ledger, Reading, Settled, Wrong};
#[cfg(feature = "mutants")]
pub use self::mutant::Mutant;
pub use self::process::{Answer, Ids, Next, Process, RandomIds, Stop, Task, What};
