//! Sinks: tables that change all at once, on this machine and on S3.
//!
//! An *attempt* computes a new result aside, where no reader sees it ([`Staging`]), and leaves a document that says what was written
//! and how it becomes visible ([`Staged`]). *Applying* the document makes it visible ([`Sink::apply`]): in one step, by any process, as
//! often as somebody likes. So a run that fails or is killed leaves the table as it was, and no reader sees half a table.
//!
//! No lock is held while rows are computed. If another run has published since an attempt began, the attempt cannot be applied any more
//! ([`SinkError::Overtaken`]): its rows were computed beside the other's.

mod append;
mod aside;
mod error;
mod files;
mod lifecycle;
mod out_file;
mod owner;
mod partition;
mod pointed;
mod probe;
mod publish;
mod shape;
mod staged;
mod staging;
mod tree;
mod verify;
mod versions;
mod writer;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use transom_commit::{LogId, Position, Reading};
use transom_file::spec::Place;

use crate::format::WriteProgress;

pub(crate) use self::aside::Asides;
pub(crate) use self::out_file::OutFile;
pub(crate) use self::pointed::{VersionFiles, list_of};
pub(crate) use self::probe::probe_staging;
pub(crate) use self::tree::Found;
pub(crate) use self::verify::redo;
pub use self::{
    append::AppendSink,
    aside::{Aside, Known},
    error::SinkError,
    files::{FileSink, SinkLimits, table_exists},
    pointed::PointedSink,
    probe::{Fit, Unfit, check_rules, check_state, probe_state},
    publish::publish_all,
    staged::{
        Appended, Applied, Attempt, LastLoad, Noted, Pointed, Publish, Replaces, Rewound, Shapes,
        Staged, TableAt, Written, WrittenFile,
    },
    verify::{Expectation, Expected, Finding, IsThere, Verified},
};

/// A table that a pipeline writes.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// Name in the pipeline, for messages.
    fn name(&self) -> &str;

    /// Columns by which rows should come sorted; empty for none.
    fn partition_by(&self) -> &[String];

    /// Whether rows of these columns can be written, before anything runs. Touches nothing.
    ///
    /// # Errors
    /// If the table cannot have these columns.
    fn check(&self, columns: &SchemaRef) -> Result<(), SinkError>;

    /// Whether a result for this log could be begun, as far as that depends on what is in the table's place; `has_rows` as
    /// [`Attempt::has_rows`]. Touches nothing.
    ///
    /// # Errors
    /// What [`Self::begin`] would say of the place.
    async fn check_begin(&self, _log: &str, _has_rows: bool) -> Result<(), SinkError> {
        Ok(())
    }

    /// Begins to write a new result that no reader sees. Two attempts may run at the same time.
    ///
    /// # Errors
    /// If something stands in the table's place that no sink has made ([`SinkError::NotOurs`]), or the place refuses.
    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError>;

    /// Makes what was staged the result that readers see. The document is all that it needs: the process that staged may be gone. What
    /// is visible already is a success.
    ///
    /// # Errors
    /// [`SinkError::Overtaken`] if another result was published since the attempt began. [`SinkError::Unconfirmed`] and
    /// [`SinkError::Unclear`] if readers may see the result; applying again settles it. With any other error the table is as it was.
    async fn apply(&self, staged: &Staged) -> Result<Applied, SinkError>;

    /// Deletes what is not needed once a result is visible: older results, but for the one before it, and old remains of attempts that
    /// came to no end. The table is right without it, so that failures are only logged.
    async fn tidy(&self, applied: &Applied);

    /// Deletes what was staged and will not be applied: only while it cannot have been applied. Failures are only logged. Where a log decides,
    /// nothing is deleted: that is for a gc, whose entry names the attempt first.
    async fn abandon(&self, staged: &Staged);

    /// How its results become visible by an entry of a log; none if a run applies them itself ([`Self::apply`]).
    fn committed(&self) -> Option<transom_commit::Sink<'_>> {
        None
    }

    /// Whether the table can go on with this sink's rows from what it has loaded last. Touches nothing.
    ///
    /// # Errors
    /// If rows that are there would be lost or doubled.
    async fn check_after(&self, _last: LastLoad<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    /// The last entry that the table has, by a note beside it; none if it keeps no such note. It may be an earlier one, of a process that
    /// was late.
    ///
    /// # Errors
    /// If it cannot be read.
    async fn noted(&self) -> Result<Option<Noted>, transom_commit::SinkError> {
        Ok(None)
    }

    /// Brings the result of a share ([`Attempt::is_share`]) behind that of another attempt, or says that it is the first one. Harmless if
    /// it is done again for the same one.
    ///
    /// # Errors
    /// If the place refuses, or one of the results is gone.
    async fn follow(&self, publish: Publish, _after: Option<&str>) -> Result<Publish, SinkError> {
        Ok(publish)
    }

    /// Whether what was staged before goes with what the table has. Asked before it is decided: afterwards it is too late to say no.
    ///
    /// # Errors
    /// If it does not, or one of the two cannot be read.
    async fn check_staged(&self, _staged: &Publish) -> Result<(), SinkError> {
        Ok(())
    }

    /// Compares the table with what a log says of it. Changes nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    async fn verify(
        &self,
        _expected: &Expected<'_>,
    ) -> Result<Verified, transom_commit::SinkError> {
        Ok(Verified::default())
    }

    /// Of a table in a warehouse: whether there is one.
    ///
    /// # Errors
    /// If that cannot be seen.
    async fn is_there(&self) -> Result<bool, transom_commit::SinkError> {
        Ok(true)
    }

    /// Of a table in a warehouse: has its ledger say that the table is at this entry, if it still says what was read before.
    ///
    /// # Errors
    /// If it was changed meanwhile, or cannot be changed.
    async fn adopt(
        &self,
        _log: LogId,
        _position: Position,
        _seen: &Reading,
    ) -> Result<(), transom_commit::SinkError> {
        Ok(())
    }

    /// Whether the table knows what a rewind would take back and what would stay: after its entry stands in the log, it is too late to say no.
    ///
    /// # Errors
    /// If something is gone, or cannot be read.
    async fn check_rewind(&self, _rewind: &Rewound<'_>) -> Result<(), transom_commit::SinkError> {
        Ok(())
    }

    /// Deletes all that an attempt at an entry of this log has beside the table, which the log says to be dead. Harmless if it is done
    /// again.
    ///
    /// # Errors
    /// If something may still be there.
    async fn delete_attempt(
        &self,
        _log: &str,
        _attempt: &str,
    ) -> Result<(), transom_commit::SinkError> {
        Ok(())
    }

    /// What attempts at entries of a log have beside the table and is not needed.
    ///
    /// # Errors
    /// If it cannot be listed, or the table belongs to another log.
    async fn aside(&self, _known: &Known) -> Result<Vec<Aside>, transom_commit::SinkError> {
        Ok(Vec::new())
    }

    /// Tries whether its place does what it stands on, with files of its own, which it removes; none if that cannot be tried. Of a table in a
    /// warehouse that is where its rows are staged.
    async fn probe(&self) -> Option<(Place, Result<Fit, Unfit>)> {
        None
    }

    /// Deletes what [`Self::aside`] has found of an attempt that is in the log. Harmless at any time later, since no attempt comes back.
    ///
    /// # Errors
    /// If some of it may still be there.
    async fn delete_aside(&self, _aside: &Aside) -> Result<(), transom_commit::SinkError> {
        Ok(())
    }
}

/// A result that is being written. What was written and is dropped without [`Self::finish`] is given up; [`Self::abandon`] also deletes
/// it where that takes requests, as [`Sink::abandon`] does.
#[async_trait]
pub trait Staging: fmt::Debug + Send + Sync {
    /// Writes streams to their ends, concurrently. They are numbered by position, after those that were written before: the same streams
    /// give the same files.
    ///
    /// # Errors
    /// If a plan fails ([`SinkError::Input`]), the columns do not pass [`Sink::check`], or the place refuses. All writing has then ended,
    /// and the result cannot be finished.
    async fn write(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        progress: &Arc<WriteProgress>,
    ) -> Result<Written, SinkError>;

    /// Waits until all that was written outlives a power failure, and says how it becomes visible.
    ///
    /// # Errors
    /// If nothing was written, if a stream was not written to its end, or if the place refuses; the result is then given up.
    async fn finish(self: Box<Self>) -> Result<Staged, SinkError>;

    /// Gives the result up, and deletes it when all who write it have stopped.
    async fn abandon(self: Box<Self>);
}
