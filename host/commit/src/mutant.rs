//! Rules left out, one at a time, to see that tests notice.
//!
//! A suite that passes with one of these is worth nothing against the mistake that it stands for. Programs have them
//! only with the feature `testing`, which tests switch on and releases do not.

/// A rule that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// The ledger's guard looks for the attempt, which all who submit an entry share.
    NonceGuard,
    /// The ledger's note of what is loading stays after the transaction.
    ClaimStays,
    /// `done` is written before the files are published.
    DoneBeforeFiles,
    /// Sinks are applied in the opposite order.
    FilesBeforeWarehouse,
    /// The next slice is appended before the last is applied.
    NextBeforeApplied,
    /// A process whose append did not succeed deletes what it staged.
    LoserCleansUp,
    /// Staged files are deleted without an entry that names their attempt.
    GcWithoutEntry,
    /// A discard reads the gate's ledger instead of blocking it.
    DiscardWithoutBlock,
    /// A discard blocks the last warehouse instead of the gate.
    BlockElsewhere,
    /// A rewind deletes files instead of taking their names.
    RewindDeletes,
    /// A rewind leaves staged files where they are.
    RewindLeavesStaged,
    /// Entries of the log are deleted.
    LogEntryDeleted,
    /// A pointer is written without a look at it, and never again.
    PointerUnchecked,
    /// The ledger's row is inserted by each loading transaction, instead of updated.
    LedgerInserted,
}

impl Mutant {
    /// All of them, with the names that tests choose them by.
    pub const ALL: [(&'static str, Self); 14] = [
        ("nonce_guard", Self::NonceGuard),
        ("claim_stays", Self::ClaimStays),
        ("done_before_files", Self::DoneBeforeFiles),
        ("files_before_warehouse", Self::FilesBeforeWarehouse),
        ("next_before_applied", Self::NextBeforeApplied),
        ("loser_cleans_up", Self::LoserCleansUp),
        ("gc_without_entry", Self::GcWithoutEntry),
        ("discard_without_block", Self::DiscardWithoutBlock),
        ("block_elsewhere", Self::BlockElsewhere),
        ("rewind_deletes", Self::RewindDeletes),
        ("rewind_leaves_staged", Self::RewindLeavesStaged),
        ("log_entry_deleted", Self::LogEntryDeleted),
        ("pointer_unchecked", Self::PointerUnchecked),
        ("ledger_inserted", Self::LedgerInserted),
    ];

    /// The mutant that the variable `TRANSOM_MUTANT` names, for suites that start programs.
    ///
    /// # Panics
    ///
    /// If there is no mutant of this name: a suite that misspells one would find nothing.
    pub fn from_env() -> Option<Self> {
        let name = std::env::var("TRANSOM_MUTANT").ok()?;
        let mutant = Self::ALL
            .iter()
            .find(|(each, _)| *each == name)
            .map(|(_, mutant)| *mutant);
        let names = Self::ALL.map(|(name, _)| name).join(", ");
        Some(
            mutant
                .unwrap_or_else(|| panic!("TRANSOM_MUTANT is `{name}`; it can be one of {names}")),
        )
    }
}
