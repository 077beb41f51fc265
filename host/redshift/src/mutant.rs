//! Rules left out, one at a time, to see that tests notice.
//!
//! A checker of histories that finds nothing with one of these finds nothing at all. Programs have them only with the
//! feature `testing`, which tests switch on and releases do not.

/// A rule that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A statement that changes rows does not look whether others have changed the table since its snapshot.
    VersionUnchecked,
    /// What a transaction reads is not noted.
    ReadsForgotten,
    /// A transaction that adds rows puts the table as it saw it in the place of what others have committed since.
    AppendsReplace,
}
