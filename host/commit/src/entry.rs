//! Entries of the log as documents.
//!
//! An entry is written once and read for years, so that reading is strict: another format, an unknown key or a missing
//! one is an error that names the object, and never a guess. What can grow without bound is not in an entry but in an
//! [`Object`] that it names.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::head::{Act, Disposition, Head, HeadError, SinkAt, SinkKind};
use crate::id::{Attempt, Digest, LogId, Object, Position, SinkName};

/// The format of entries that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The size in bytes that an entry stays below.
pub const MAX_ENTRY_BYTES: usize = 100_000;

/// How many attempts one gc can name, so that its entry stays small.
pub const MAX_DEAD: usize = 1000;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The format of this document, [`FORMAT`].
    pub format: u32,
    /// The log's id, chosen by entry 1.
    pub log: LogId,
    /// The entry's number, from 1.
    pub seq: u64,
    /// The attempt that this entry is.
    pub attempt: Attempt,
    /// The digest of the entry before, as it lies there; none in entry 1.
    pub previous: Option<Digest>,
    /// When it was written. Nothing is decided by it.
    pub at: DateTime<Utc>,
    /// Who wrote it.
    pub by: By,
    /// What it decides.
    pub decision: Decision,
    /// The state after it.
    pub after: After,
}

/// Who wrote a document. Nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The run's own name.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// The program's version.
    pub transom: String,
}

/// What an entry decides, with what is needed to apply it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// The log begins.
    Open {},
    /// A portion of the inputs is loaded.
    Slice(Box<Slice>),
    /// The pipeline goes back to the state after entry `to`: what the entries since have loaded is taken back.
    Rewind {
        /// The last entry that stays in force; 0 takes everything back.
        to: u64,
        /// The sinks that are changed.
        sinks: Vec<SinkAt>,
    },
    /// A slice that the gate has not taken is given up.
    Discard {
        /// The slice.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
        /// The warehouses, which are moved past it.
        sinks: Vec<SinkAt>,
    },
    /// The shares of a backfill are frozen; they are loaded one by one, in order.
    Backfill {
        /// How many there are.
        shares: u32,
        /// What each of them is.
        plan: Object,
    },
    /// The open backfill is closed.
    BackfillEnd {},
    /// Attempts that can no longer win; what they staged is deleted.
    Gc {
        /// The attempts, at most [`MAX_DEAD`].
        dead: Vec<Attempt>,
        /// The first entry that can still be gone back to: what only earlier ones need is deleted.
        keeps: u64,
    },
}

/// A portion of the inputs, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// What computed it.
    pub pipeline: Pipeline,
    /// The time that the computation saw as now; never before that of an earlier slice.
    pub clock: DateTime<Utc>,
    /// What its random numbers began with.
    pub seed: u64,
    /// Of each source: what was read.
    pub inputs: BTreeMap<String, Inputs>,
    /// Of each sink, in the order in which they are applied: what was staged. Tables of dead letters are sinks as well.
    pub sinks: Vec<Part>,
    /// How many rows there were.
    pub counts: Counts,
}

/// What computed a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The digest of the checked pipeline.
    pub digest: String,
    /// The digest of each plugin, by its name in the pipeline.
    pub plugins: BTreeMap<String, String>,
}

/// What was read of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// How many files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The files with their sizes and entity tags.
    pub list: Object,
}

/// What a slice has for a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The sink.
    pub name: SinkName,
    /// How it is applied.
    pub kind: SinkKind,
    /// The entry that the sink must have before.
    pub prev: Position,
    /// How many rows were staged.
    pub rows: u64,
    /// What was staged and how to apply it, in the sink's own words.
    pub staged: serde_json::Value,
}

/// How many rows there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows that were read.
    pub rows_in: u64,
    /// Rows that were staged.
    pub rows_out: u64,
    /// Rows that transforms rejected.
    pub rejected: u64,
}

/// The state of the pipeline after an entry. The state of the whole log is that after its last entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Of each source: what counts as loaded.
    pub sources: BTreeMap<String, SourceState>,
    /// The state of transforms, by buckets.
    pub buckets: Vec<Object>,
    /// The clock of the last slice, in force or not.
    pub clock: Option<DateTime<Utc>>,
    /// The backfill that is open.
    pub backfill: Option<OpenBackfill>,
    /// All sinks that the log knows, and how far each is once the entry is applied.
    pub sinks: Vec<SinkAt>,
}

impl After {
    /// How far a sink is; none if the log does not know it.
    pub fn sink(&self, name: &str) -> Option<&SinkAt> {
        self.sinks.iter().find(|at| at.name.as_str() == name)
    }
}

/// What counts as loaded of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceState {
    /// The files.
    pub seen: Option<Object>,
    /// Up to where, in the source's own words.
    pub cursor: Option<String>,
    /// Of each partition: what it was loaded from.
    pub partitions: Option<Object>,
}

/// A backfill that is open: nothing else is loaded meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenBackfill {
    /// The entry that froze it.
    pub seq: u64,
    /// How many shares it has.
    pub shares: u32,
    /// The share whose turn it is; as many as there are when all are loaded.
    pub next: u32,
}

/// What a process wants to append: a decision without what only the log knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Draft {
    /// A slice, with the state of sources and transforms after it. Whatever `prev` its parts have, the log's counts.
    Slice {
        /// The slice.
        slice: Box<Slice>,
        /// Of each source: what counts as loaded.
        sources: BTreeMap<String, SourceState>,
        /// The state of transforms.
        buckets: Vec<Object>,
    },
    /// A rewind.
    Rewind {
        /// The last entry that stays in force.
        to: u64,
    },
    /// The begin of a backfill.
    Backfill {
        /// How many shares it has.
        shares: u32,
        /// What each of them is.
        plan: Object,
    },
    /// The end of the open backfill.
    BackfillEnd {},
    /// A collection.
    Gc {
        /// The attempts.
        dead: Vec<Attempt>,
        /// The first entry that can still be gone back to.
        keeps: u64,
    },
}

/// Why a document is not an entry, or cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer program.
    #[error(
        "`{object}` has format {format}, and this version of transom reads format {FORMAT}: update transom"
    )]
    Format {
        /// The object.
        object: String,
        /// Its format.
        format: u64,
    },
    /// Not what such a document looks like.
    #[error("`{object}` is not a valid document of this format")]
    Syntax {
        /// The object.
        object: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It stands at the wrong place.
    #[error("`{object}` {problem}")]
    Chain {
        /// The object.
        object: String,
        /// What does not fit.
        problem: Misfit,
    },
    /// It does not follow from the log.
    #[error("`{object}` cannot follow the entries before it")]
    Head {
        /// The object.
        object: String,
        /// Why.
        #[source]
        source: HeadError,
    },
    /// It would be too large.
    #[error(
        "`{object}` would have {bytes} bytes; the limit is {MAX_ENTRY_BYTES}; its largest part is {largest}"
    )]
    TooLarge {
        /// The object.
        object: String,
        /// Its size.
        bytes: usize,
        /// Its largest part, with its size.
        largest: String,
    },
    /// A gc of too many attempts.
    #[error("a gc names {0} attempts; the limit is {MAX_DEAD}")]
    TooManyDead(usize),
}

/// How an entry does not fit the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// Its number is not that of its name.
    Number(u64),
    /// It is of another log.
    Log(LogId),
    /// The entry before it is not the one that it followed.
    Previous,
    /// Its sinks are not where the log says.
    Sinks,
    /// Its clock goes back.
    Clock,
    /// Its backfill is not what the log says.
    Backfill,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(seq) => write!(f, "says that it is entry {seq}"),
            Self::Log(log) => write!(f, "belongs to another log, {log}"),
            Self::Previous => {
                f.write_str("does not follow the entry before it: one of the two was changed")
            }
            Self::Sinks => {
                f.write_str("has sinks at other positions than the entries before it say")
            }
            Self::Clock => f.write_str("has a clock before that of the entries before it"),
            Self::Backfill => {
                f.write_str("has another open backfill than the entries before it say")
            }
        }
    }
}

impl Decision {
    /// What it decides, without what it carries.
    pub fn act(&self) -> Act {
        match self {
            Self::Open {} => Act::Open,
            Self::Slice(_) => Act::Slice,
            Self::Rewind { to, .. } => Act::Rewind { to: *to },
            Self::Discard {
                of, disposition, ..
            } => Act::Discard {
                of: *of,
                disposition: *disposition,
            },
            Self::Backfill { shares, .. } => Act::Backfill { shares: *shares },
            Self::BackfillEnd {} => Act::BackfillEnd,
            Self::Gc { dead, keeps } => Act::Gc {
                dead: dead.clone(),
                keeps: *keeps,
            },
        }
    }

    /// The sinks that it changes, each with the entry that it must have before.
    pub fn steps(&self) -> Vec<SinkAt> {
        match self {
            Self::Slice(slice) => slice.sinks.iter().map(Part::at).collect(),
            Self::Rewind { sinks, .. } | Self::Discard { sinks, .. } => sinks.clone(),
            Self::Open {} | Self::Backfill { .. } | Self::BackfillEnd {} | Self::Gc { .. } => {
                Vec::new()
            }
        }
    }
}

impl Part {
    fn at(&self) -> SinkAt {
        SinkAt {
            name: self.name.clone(),
            kind: self.kind,
            position: self.prev,
        }
    }
}

impl Entry {
    /// The entry without what it carries.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            attempt: self.attempt,
            act: self.decision.act(),
            steps: self.decision.steps(),
            after: self.after.sinks.clone(),
        }
    }

    /// What a slice has for a sink.
    pub fn part(&self, sink: &SinkName) -> Option<&Part> {
        match &self.decision {
            Decision::Slice(slice) => slice.sinks.iter().find(|part| part.name == *sink),
            _ => None,
        }
    }

    /// The last of the entries before it whose rows it leaves in a sink.
    fn leaves(&self, sink: &SinkName) -> u64 {
        match &self.decision {
            Decision::Rewind { to, sinks } if sinks.iter().any(|at| at.name == *sink) => *to,
            _ => u64::MAX,
        }
    }

    /// The entry as it is written.
    ///
    /// # Errors
    ///
    /// If it is too large.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        let object = crate::keys::entry(self.seq);
        let size = |source| EntryError::Syntax {
            object: object.clone(),
            source,
        };
        let bytes = serde_json::to_vec(self).map_err(size)?;
        if bytes.len() < MAX_ENTRY_BYTES {
            return Ok(bytes);
        }
        let length = |value: &serde_json::Value| value.to_string().len();
        let mut parts = vec![(
            "the state after it".to_owned(),
            serde_json::to_vec(&self.after).map_err(size)?.len(),
        )];
        if let Decision::Slice(slice) = &self.decision {
            let staged = |part: &Part| {
                (
                    format!("what sink `{}` has staged", part.name),
                    length(&part.staged),
                )
            };
            parts.extend(slice.sinks.iter().map(staged));
        }
        let (name, largest) = parts
            .into_iter()
            .max_by_key(|(_, size)| *size)
            .unwrap_or_default();
        Err(EntryError::TooLarge {
            object,
            bytes: bytes.len(),
            largest: format!("{name}, with {largest} bytes"),
        })
    }

    /// Reads an entry. `object` is its name, for errors.
    ///
    /// # Errors
    ///
    /// If it is of another format, or not exactly an entry.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, EntryError> {
        parse(object, bytes)
    }
}

/// What slices have for a sink, of these entries of a log, which come with the last one first; each with its entry, and with whether the
/// sink still has its rows after those of them that come later.
pub fn parts<'a>(
    last_first: impl Iterator<Item = &'a Entry>,
    sink: &SinkName,
) -> impl Iterator<Item = (&'a Entry, &'a Part, bool)> {
    // The last entry that those after it leave in force.
    let mut left = u64::MAX;
    last_first.filter_map(move |entry| {
        left = left.min(entry.leaves(sink));
        Some((entry, entry.part(sink)?, entry.seq <= left))
    })
}

/// Reads a document of this format.
pub(crate) fn parse<T: DeserializeOwned>(object: &str, bytes: &[u8]) -> Result<T, EntryError> {
    let syntax = |source| EntryError::Syntax {
        object: object.to_owned(),
        source,
    };
    // The format comes first: what a newer program wrote may have keys that this one does not know.
    let any: AnyFormat = serde_json::from_slice(bytes).map_err(syntax)?;
    if any.format != u64::from(FORMAT) {
        return Err(EntryError::Format {
            object: object.to_owned(),
            format: any.format,
        });
    }
    serde_json::from_slice(bytes).map_err(syntax)
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

/// The note that all sinks have an entry. Never false; the last one may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The format of this document, [`FORMAT`].
    pub format: u32,
    /// The entry.
    pub seq: u64,
    /// Its attempt.
    pub attempt: Attempt,
    /// The sinks that were moved past it without its rows.
    pub skipped: Vec<SinkName>,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Who wrote it.
    pub by: By,
}

impl Done {
    /// Reads the note. `object` is its name, for errors.
    ///
    /// # Errors
    ///
    /// If it is of another format, or not exactly such a note.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, EntryError> {
        parse(object, bytes)
    }
}
