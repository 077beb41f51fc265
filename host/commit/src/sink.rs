//! What the runner asks of sinks. Each kind of sink has a trait of its own, since what makes it safe differs.
//!
//! Everything is done from entries alone, by any process, any number of times, at any time later: a call that was
//! started may be carried out long after its caller is gone. Each method says what makes that harmless.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::entry::{Entry, Part, parts};
use crate::head::{Disposition, SinkKind};
use crate::id::{LogId, Position, SinkName, Submission};
use crate::ledger::{Claim, Reading};

/// An entry that is applied to a sink.
#[derive(Debug, Clone)]
pub struct Applying<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The sink.
    pub sink: SinkName,
    /// The entry that the sink must have before.
    pub prev: Position,
    /// Of a rewind: the entries that are taken back, in the log's order.
    pub taken_back: Vec<&'a Entry>,
}

impl<'a> Applying<'a> {
    /// The log.
    pub fn log(&self) -> LogId {
        self.entry.log
    }

    /// The entry's position.
    pub fn position(&self) -> Position {
        Position::new(self.entry.seq, self.entry.attempt)
    }

    /// Of a slice: what was staged for the sink.
    pub fn part(&self) -> Option<&'a Part> {
        self.entry.part(&self.sink)
    }

    /// Of a rewind: what was staged for the sink by the slices that are taken back, with their numbers and attempts. Not what an earlier
    /// rewind has taken back, which was applied before this one was appended: a gc may have deleted what it has left since.
    pub fn parts_taken_back(&self) -> impl Iterator<Item = (Position, &'a Part)> + '_ {
        let last_first = self.taken_back.iter().rev().copied();
        let parts = parts(last_first, &self.sink).filter(|(.., has_rows)| *has_rows);
        let parts = parts.map(|(entry, part, _)| (Position::new(entry.seq, entry.attempt), part));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().rev()
    }
}

/// What a failure of a sink means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// It may have been carried out, or not, or be carried out later.
    Unclear,
    /// The sink refuses the data and always will; nothing was changed.
    Refused,
    /// It cannot work as things are (no permission, no such database): a person has to look.
    Broken,
}

/// A sink that failed.
#[derive(Debug)]
pub struct SinkError {
    kind: SinkErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SinkError {
    /// A failure. The message says what failed on which object; its cause is added by [`SinkError::because`].
    pub fn new(kind: SinkErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The same, with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it means.
    pub fn kind(&self) -> SinkErrorKind {
        self.kind
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// A table with a ledger of one row.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Reads the ledger.
    ///
    /// # Errors
    ///
    /// If it cannot be read. A ledger that is not there is [`Reading::Missing`].
    async fn read(&self, applying: &Applying<'_>) -> Result<Reading, SinkError>;

    /// Creates the ledger at position 0, with its row, in one statement, which fails if it is there. Harmless later,
    /// since then it is there.
    ///
    /// # Errors
    ///
    /// If it was not created; that it is there is no matter.
    async fn create(&self, applying: &Applying<'_>) -> Result<(), SinkError>;

    /// Changes the table in one transaction:
    ///
    /// 1. move the ledger as the claim says, and note the submission as the one that is loading;
    /// 2. end the transaction unless the ledger has one row, at `claim.to`, and this submission is loading;
    /// 3. do what the entry says: load the staged rows, take back what a rewind names, or nothing (`skip`, discards);
    /// 4. note that nothing is loading.
    ///
    /// The first statement takes the ledger's lock, so that the loser of a race finds the ledger moved before it has
    /// copied anything. The last one makes the note visible to this transaction alone: the same text, carried out
    /// twice, ends at 2. Harmless later, since the ledger has moved on.
    ///
    /// # Errors
    ///
    /// [`SinkErrorKind::Refused`] only if the transaction ended because of the data. Everything else, the claim's
    /// failure included, is unclear: the ledger is read to know.
    async fn submit(
        &self,
        applying: &Applying<'_>,
        claim: &Claim,
        submission: Submission,
        skip: bool,
    ) -> Result<(), SinkError>;

    /// Has a ledger that does not name its sink name this one. Asked once, when the ledger is where the log says and a slice is about to be
    /// decided. Harmless at any time: a ledger that names a sink stays as it is.
    ///
    /// # Errors
    ///
    /// If it could not be changed, which keeps nothing from being loaded.
    async fn name_sink(&self, _applying: &Applying<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    /// Notes in the ledger that the entry must not be loaded, only if the ledger is at the entry before and not
    /// blocked for another one. Harmless later, since a block is only undone by moving on.
    ///
    /// # Errors
    ///
    /// If it was not noted; the ledger is read to know.
    async fn block(
        &self,
        applying: &Applying<'_>,
        disposition: Disposition,
    ) -> Result<(), SinkError>;
}

/// What became of files that were to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// All are there, by this call or an earlier one.
    All,
    /// Some are neither there nor staged.
    Gone,
    /// Some names hold what a rewind put there.
    TakenBack,
}

/// Files that readers find by listing.
#[async_trait]
pub trait Files: Send + Sync {
    /// Copies each staged file to its name, only if the name is free; a file of the entry's own size and checksum that
    /// is there counts as copied. Harmless later, since a rewind takes the names.
    ///
    /// # Errors
    ///
    /// If that was not done, or is not clear.
    async fn publish(&self, applying: &Applying<'_>) -> Result<Published, SinkError>;

    /// Deletes what the slices that are taken back have staged. Harmless later, since no number comes back.
    ///
    /// # Errors
    ///
    /// If something staged may still be there.
    async fn delete_staged(&self, applying: &Applying<'_>) -> Result<(), SinkError>;

    /// Puts a valid file of no rows over every name of the slices that are taken back, published or not: a copy that
    /// has read its source already then finds its name taken. Harmless later, since no name comes back.
    ///
    /// # Errors
    ///
    /// If that was not done for every name.
    async fn occupy(&self, applying: &Applying<'_>) -> Result<(), SinkError>;
}

/// A version of a table that readers find by a pointer which is simply overwritten.
///
/// A write that is carried out late puts an older version back. The runner looks at the log after each write, and runs
/// compare pointers with the log when they end; between, readers may see the older version.
#[async_trait]
pub trait Pointer: Send + Sync {
    /// The number of the entry that the pointer was last written for; 0 if there is none. With several pointers
    /// (partitions), the lowest of those that are behind, or the highest if none is.
    ///
    /// # Errors
    ///
    /// If that cannot be read.
    async fn read(&self) -> Result<u64, SinkError>;

    /// Points to a version, and notes the entry's number with the pointer.
    ///
    /// # Errors
    ///
    /// If that was not done, or is not clear.
    async fn write(&self, version: &Version<'_>) -> Result<(), SinkError>;
}

/// A version of a table, for its pointer.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The slice, or the rewind, for which the pointer is written.
    pub position: Position,
    /// What is in force there: that slice's own part, or after a rewind an earlier slice's; none if that took back all.
    pub part: Option<(Position, &'a Part)>,
}

/// A sink of one of the kinds.
#[derive(Clone, Copy)]
pub enum Sink<'a> {
    /// A table with a ledger.
    Warehouse(&'a dyn Warehouse),
    /// Files.
    Files(&'a dyn Files),
    /// A version behind a pointer.
    Pointer(&'a dyn Pointer),
}

impl Sink<'_> {
    /// Its kind.
    pub fn kind(self) -> SinkKind {
        match self {
            Self::Warehouse(_) => SinkKind::Warehouse,
            Self::Files(_) => SinkKind::Files,
            Self::Pointer(_) => SinkKind::Pointer,
        }
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.kind(), f)
    }
}
