//! The names that the protocol compares: of attempts, logs, documents, sinks and positions.
//!
//! All of them are written as text in documents and in ledgers, and each has one spelling.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

impl NameError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

/// Serde by the one spelling: `Display` writes it, `FromStr` reads it.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Attempt, LogId, Digest, Object, SinkName);

/// 32 digits in lower case, and nothing else: every value has one spelling.
fn parse_hex(text: &str) -> Option<u128> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 32 && text.bytes().all(digits)).then(|| u128::from_str_radix(text, 16).ok())?
}

/// One try at an entry. Any number of attempts may exist; at most one is in the log.
///
/// Written as 32 hex digits; for a share of a backfill as `b<seq>-<index>-<32 hex digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    share: Option<Share>,
    random: u128,
}

/// A part of a backfill: the number of the entry that froze the backfill, and the share's own, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The number of the `backfill` entry.
    pub backfill: u64,
    /// Which of its shares.
    pub index: u32,
}

impl Attempt {
    /// A new attempt, which no other process has.
    pub fn random() -> Self {
        Self::of(Uuid::new_v4().as_u128())
    }

    /// A new attempt at a share of a backfill.
    pub fn random_of_share(share: Share) -> Self {
        Self {
            share: Some(share),
            random: Uuid::new_v4().as_u128(),
        }
    }

    /// The attempt with this number.
    pub fn of(random: u128) -> Self {
        Self {
            share: None,
            random,
        }
    }

    /// The share of a backfill that this is a try at.
    pub fn share(&self) -> Option<Share> {
        self.share
    }

    /// Its number.
    pub fn number(&self) -> u128 {
        self.random
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Share { backfill, index }) = self.share {
            write!(f, "b{backfill}-{index}-")?;
        }
        write!(f, "{:032x}", self.random)
    }
}

impl FromStr for Attempt {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || {
            NameError::new(
                text,
                "an attempt: 32 hex digits, or `b<seq>-<index>-` before them",
            )
        };
        let (share, digits) = match text.strip_prefix('b') {
            Some(rest) if text.len() > 32 => {
                let mut parts = rest.splitn(3, '-');
                let backfill = parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .ok_or_else(error)?;
                let index = parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .ok_or_else(error)?;
                (
                    Some(Share { backfill, index }),
                    parts.next().ok_or_else(error)?,
                )
            }
            _ => (None, text),
        };
        let attempt = Self {
            share,
            random: parse_hex(digits).ok_or_else(error)?,
        };
        // `b007-0-` and `b+7-0-` are other spellings of a number.
        (attempt.to_string() == text)
            .then_some(attempt)
            .ok_or_else(error)
    }
}

/// One sending of a loading transaction. Never used twice, not even when the same entry is submitted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Submission(pub u128);

impl Submission {
    /// A submission that no other has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().as_u128())
    }
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Which log: chosen by entry 1, repeated in every entry and in every ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(Uuid);

impl LogId {
    /// A log that nothing knows yet.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The log with this number.
    pub fn of(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for LogId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let id = Uuid::parse_str(text).ok().map(Self);
        id.filter(|id| id.to_string() == text)
            .ok_or_else(|| NameError::new(text, "a UUID in lower case"))
    }
}

/// The SHA-256 of a document's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError::new(text, "a SHA-256: 64 hex digits");
        let (high, low) = text.split_at_checked(32).ok_or_else(error)?;
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&parse_hex(high).ok_or_else(error)?.to_be_bytes());
        bytes[16..].copy_from_slice(&parse_hex(low).ok_or_else(error)?.to_be_bytes());
        Ok(Self(bytes))
    }
}

/// A document beside the log that is named by its content, and by the attempt that has written it:
/// `objects/<attempt>/<sha256>`. One of no attempt, `objects/<sha256>`, is never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The attempt that has written it. Attempts do not come back, so that a delete which is carried out late finds no
    /// document that was written since.
    pub attempt: Option<Attempt>,
    /// The digest of its content.
    pub digest: Digest,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::keys::OBJECTS)?;
        if let Some(attempt) = self.attempt {
            write!(f, "{attempt}/")?;
        }
        write!(f, "{}", self.digest)
    }
}

impl FromStr for Object {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let object = || {
            let name = text.strip_prefix(crate::keys::OBJECTS)?;
            let (attempt, digest) = match name.split_once('/') {
                Some((attempt, digest)) => (Some(attempt.parse().ok()?), digest),
                None => (None, name),
            };
            let digest = digest.parse().ok()?;
            Some(Self { attempt, digest })
        };
        object().ok_or_else(|| {
            NameError::new(
                text,
                "`objects/`, perhaps an attempt and `/`, and a SHA-256",
            )
        })
    }
}

/// What the pipeline file calls a sink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkName(Arc<str>);

impl SinkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SinkName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl FromStr for SinkName {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(name.into())
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in the log: the number of an entry and its attempt, which together say which history is meant.
///
/// Numbers alone match by accident when a log was lost and begun anew, or a warehouse was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "PositionText", into = "PositionText")]
pub struct Position {
    /// The entry's number; 0 before the first.
    pub seq: u64,
    /// The entry's attempt; none before the first.
    pub attempt: Option<Attempt>,
}

impl Position {
    /// Before the first entry: where a new sink is.
    pub const START: Self = Self {
        seq: 0,
        attempt: None,
    };

    /// At this entry.
    pub fn new(seq: u64, attempt: Attempt) -> Self {
        Self {
            seq,
            attempt: Some(attempt),
        }
    }

    /// The attempt as ledgers and documents have it; `-` before the first entry.
    pub fn attempt_text(&self) -> String {
        self.attempt
            .map_or_else(|| "-".to_owned(), |attempt| attempt.to_string())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (attempt {})", self.seq, self.attempt_text())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionText {
    seq: u64,
    attempt: String,
}

impl From<Position> for PositionText {
    fn from(position: Position) -> Self {
        Self {
            seq: position.seq,
            attempt: position.attempt_text(),
        }
    }
}

impl TryFrom<PositionText> for Position {
    type Error = NameError;

    fn try_from(text: PositionText) -> Result<Self, NameError> {
        match (text.seq, text.attempt.as_str()) {
            (0, "-") => Ok(Self::START),
            (0, other) => Err(NameError::new(
                other,
                "the attempt of position 0, which is `-`",
            )),
            (seq, attempt) => Ok(Self::new(seq, attempt.parse()?)),
        }
    }
}
