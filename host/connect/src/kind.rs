//! What callers act on when a source or a sink fails.

use crate::aws::S3ErrorKind;

/// Who has to act when a source or a sink fails, and whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The data, what the pipeline says of it, or the disk.
    Data,
    /// The identity may not do it, or there is none.
    Refused,
    /// Another run was faster: the same run may succeed now.
    Overtaken,
    /// What is read or written is busy, or changes, or cannot be reached: the same run may succeed later.
    Temporary,
}

impl From<S3ErrorKind> for ErrorKind {
    fn from(kind: S3ErrorKind) -> Self {
        match kind {
            S3ErrorKind::Temporary | S3ErrorKind::Unclear | S3ErrorKind::Changed => Self::Temporary,
            S3ErrorKind::Refused => Self::Refused,
            S3ErrorKind::NoBucket | S3ErrorKind::NotFound | S3ErrorKind::Other => Self::Data,
        }
    }
}
