//! The log: the entries that were read, and the next one.
//!
//! What is read is checked: numbers without gaps, each entry's digest in the next one, and sinks at the positions that
//! follow from the entries before. A log that someone has changed is an error, never a different state.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::entry::{
    After, By, Decision, Draft, Entry, EntryError, FORMAT, MAX_DEAD, Misfit, OpenBackfill, Part,
    Slice,
};
use crate::head::{Act, Disposition, Head, HeadError, SinkKind, View};
use crate::id::{Attempt, Digest, LogId, Share, SinkName};
use crate::keys;
use crate::process::What;
use crate::store::{Store, StoreError, StoreErrorKind};

/// Entries that are read at once.
const AT_ONCE: usize = 32;

/// Why the log cannot be read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store's matter.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document's matter.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// What is to be appended does not follow from the log.
    #[error(transparent)]
    Unfit(#[from] HeadError),
    /// An entry is not there, and a later one is.
    #[error(
        "`{object}` is missing, and later entries are there: entries of a log must never be deleted"
    )]
    Missing {
        /// The object.
        object: String,
    },
}

/// The entries that were read: all from the first of them to the last of the log.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<(Entry, Digest)>,
    heads: Vec<Arc<Head>>,
}

impl Log {
    /// What decisions need of it.
    pub fn view(&self) -> View<'_> {
        View::new(self.id().unwrap_or(LogId::of(0)), &self.heads)
    }

    /// The log's id; none before entry 1.
    pub fn id(&self) -> Option<LogId> {
        self.entries.last().map(|(entry, _)| entry.log)
    }

    /// The number of the last entry; 0 if there is none.
    pub fn tail(&self) -> u64 {
        self.entries.last().map_or(0, |(entry, _)| entry.seq)
    }

    /// The last entry.
    pub fn last(&self) -> Option<&Entry> {
        self.entries.last().map(|(entry, _)| entry)
    }

    /// An entry, if it was read.
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        let first = self.first()?;
        self.entries
            .get(usize::try_from(seq.checked_sub(first)?).ok()?)
            .map(|(entry, _)| entry)
    }

    fn first(&self) -> Option<u64> {
        self.entries.first().map(|(entry, _)| entry.seq)
    }

    /// The state of the pipeline.
    pub fn state(&self) -> After {
        self.last()
            .map(|entry| entry.after.clone())
            .unwrap_or_default()
    }

    /// Takes the entry that comes next.
    fn push(&mut self, seq: u64, bytes: &[u8]) -> Result<(), EntryError> {
        let object = keys::entry(seq);
        let entry = Entry::parse(&object, bytes)?;
        if entry.seq != seq {
            return Err(EntryError::Chain {
                object,
                problem: Misfit::Number(entry.seq),
            });
        }
        self.check(&entry)?;
        self.heads.push(Arc::new(entry.head()));
        self.entries.push((entry, Digest::of(bytes)));
        Ok(())
    }

    /// Whether an entry follows the last one. The first one that is read can follow anything, if it is not entry 1.
    fn check(&self, entry: &Entry) -> Result<(), EntryError> {
        let object = keys::entry(entry.seq);
        let chain = |problem| EntryError::Chain {
            object: object.clone(),
            problem,
        };
        if (entry.seq == 1) != entry.previous.is_none() {
            return Err(chain(Misfit::Previous));
        }
        if let Some((last, digest)) = self.entries.last() {
            if entry.log != last.log {
                return Err(chain(Misfit::Log(entry.log)));
            }
            if entry.previous != Some(*digest) {
                return Err(chain(Misfit::Previous));
            }
            if entry.after.clock < last.after.clock {
                return Err(chain(Misfit::Clock));
            }
        } else if entry.seq > 1 {
            return Ok(());
        }
        let unfit = |source| EntryError::Head {
            object: object.clone(),
            source,
        };
        let sinks: Vec<(SinkName, SinkKind)> = entry
            .decision
            .steps()
            .into_iter()
            .map(|step| (step.name, step.kind))
            .collect();
        let head = self
            .view()
            .extend(entry.attempt, entry.decision.act(), &sinks)
            .map_err(unfit)?;
        if head != entry.head() {
            return Err(chain(Misfit::Sinks));
        }
        let backfill = self
            .backfill_after(entry.seq, entry.attempt, &head.act)
            .map_err(unfit)?;
        if backfill != entry.after.backfill {
            return Err(chain(Misfit::Backfill));
        }
        Ok(())
    }

    /// Takes the entries before the first one that was read, in order.
    fn prepend(&mut self, read: &[(u64, Bytes)]) -> Result<(), EntryError> {
        let mut log = Self::default();
        for (seq, bytes) in read {
            log.push(*seq, bytes)?;
        }
        if let Some((first, _)) = self.entries.first().filter(|_| !read.is_empty()) {
            log.check(first)?;
        }
        log.entries.append(&mut self.entries);
        log.heads.append(&mut self.heads);
        *self = log;
        Ok(())
    }

    /// The backfill that is open after an entry.
    fn backfill_after(
        &self,
        seq: u64,
        attempt: Attempt,
        act: &Act,
    ) -> Result<Option<OpenBackfill>, HeadError> {
        let open = self.last().and_then(|entry| entry.after.backfill);
        Ok(match act {
            Act::Open | Act::Rewind { .. } => None,
            Act::Gc { .. } => open,
            Act::Backfill { shares } => match open {
                Some(OpenBackfill { seq, next, .. }) => {
                    return Err(HeadError::Share {
                        backfill: seq,
                        next,
                    });
                }
                None if *shares == 0 => return Err(HeadError::NoShares),
                None => Some(OpenBackfill {
                    seq,
                    shares: *shares,
                    next: 0,
                }),
            },
            Act::BackfillEnd if open.is_none() => return Err(HeadError::NoBackfill),
            Act::BackfillEnd => None,
            Act::Slice => match (open, attempt.share()) {
                (None, None) => None,
                (None, Some(_)) => return Err(HeadError::NoBackfill),
                (Some(open), share) => {
                    if share
                        != Some(Share {
                            backfill: open.seq,
                            index: open.next,
                        })
                        || open.next == open.shares
                    {
                        return Err(HeadError::Share {
                            backfill: open.seq,
                            next: open.next,
                        });
                    }
                    Some(OpenBackfill {
                        next: open.next + 1,
                        ..open
                    })
                }
            },
            // The share is computed again, or counts as loaded.
            Act::Discard { of, disposition } => {
                let share = self.get(*of).and_then(|slice| slice.attempt.share());
                match (disposition, share, open) {
                    (Disposition::Redo, Some(share), Some(open)) => Some(OpenBackfill {
                        next: share.index,
                        ..open
                    }),
                    _ => open,
                }
            }
        })
    }

    /// The earliest entry that must have been read before an entry with this content can be written.
    pub fn needs(what: &Wanted) -> Option<u64> {
        match what {
            Wanted::Draft(Draft::Rewind { to }) => Some((*to).max(1)),
            Wanted::Discard { of, .. } => Some(of.saturating_sub(1).max(1)),
            _ => None,
        }
    }

    /// The entry that comes next.
    ///
    /// # Errors
    ///
    /// If it cannot follow, or an entry that it needs ([`Log::needs`]) was not read.
    pub fn next(
        &self,
        attempt: Attempt,
        wanted: &Wanted,
        at: DateTime<Utc>,
        by: &By,
    ) -> Result<Entry, LogError> {
        let seq = self.tail() + 1;
        let act = match wanted {
            Wanted::Open => Act::Open,
            Wanted::Discard { of, disposition } => Act::Discard {
                of: *of,
                disposition: *disposition,
            },
            Wanted::Draft(Draft::Slice { .. }) => Act::Slice,
            Wanted::Draft(Draft::Rewind { to }) => Act::Rewind { to: *to },
            Wanted::Draft(Draft::Backfill { shares, .. }) => Act::Backfill { shares: *shares },
            Wanted::Draft(Draft::BackfillEnd {}) => Act::BackfillEnd,
            Wanted::Draft(Draft::Gc { dead, .. }) if dead.len() > MAX_DEAD => {
                return Err(EntryError::TooManyDead(dead.len()).into());
            }
            Wanted::Draft(Draft::Gc { dead, keeps }) => Act::Gc {
                dead: dead.clone(),
                keeps: *keeps,
            },
        };
        let sinks: Vec<(SinkName, SinkKind)> = match wanted {
            Wanted::Draft(Draft::Slice { slice, .. }) => slice
                .sinks
                .iter()
                .map(|part| (part.name.clone(), part.kind))
                .collect(),
            _ => Vec::new(),
        };
        let head = self.view().extend(attempt, act, &sinks)?;
        let mut after = self.state();
        let clock = after.clock;
        match wanted {
            Wanted::Draft(Draft::Slice {
                slice,
                sources,
                buckets,
            }) => {
                after.sources.clone_from(sources);
                after.buckets.clone_from(buckets);
                after.clock = Some(slice.clock);
                if after.clock < clock {
                    return Err(EntryError::Chain {
                        object: keys::entry(seq),
                        problem: Misfit::Clock,
                    }
                    .into());
                }
            }
            Wanted::Draft(Draft::Rewind { to }) => after = self.state_after(*to)?,
            Wanted::Discard {
                of,
                disposition: Disposition::Redo,
            } => after = self.state_after(of - 1)?,
            _ => {}
        }
        after.clock = after.clock.max(clock);
        after.backfill = self.backfill_after(seq, attempt, &head.act)?;
        after.sinks.clone_from(&head.after);
        let decision = match wanted {
            Wanted::Open => Decision::Open {},
            Wanted::Discard { of, disposition } => Decision::Discard {
                of: *of,
                disposition: *disposition,
                sinks: head.steps,
            },
            Wanted::Draft(Draft::Slice { slice, .. }) => {
                let positions = head.steps.iter().map(|step| step.position);
                let parts = slice.sinks.iter().zip(positions);
                let sinks = parts
                    .map(|(part, prev)| Part {
                        prev,
                        ..part.clone()
                    })
                    .collect();
                Decision::Slice(Box::new(Slice {
                    sinks,
                    ..(**slice).clone()
                }))
            }
            Wanted::Draft(Draft::Rewind { to }) => Decision::Rewind {
                to: *to,
                sinks: head.steps,
            },
            Wanted::Draft(Draft::Backfill { shares, plan }) => Decision::Backfill {
                shares: *shares,
                plan: *plan,
            },
            Wanted::Draft(Draft::BackfillEnd {}) => Decision::BackfillEnd {},
            Wanted::Draft(Draft::Gc { dead, keeps }) => Decision::Gc {
                dead: dead.clone(),
                keeps: *keeps,
            },
        };
        let previous = self.entries.last().map(|(_, digest)| *digest);
        let log = self.id().unwrap_or_else(LogId::random);
        Ok(Entry {
            format: FORMAT,
            log,
            seq,
            attempt,
            previous,
            at,
            by: by.clone(),
            decision,
            after,
        })
    }

    fn state_after(&self, seq: u64) -> Result<After, LogError> {
        match seq {
            0 => Ok(After::default()),
            _ => match self.get(seq) {
                Some(entry) => Ok(entry.after.clone()),
                None => Err(LogError::Missing {
                    object: keys::entry(seq),
                }),
            },
        }
    }
}

/// What the next entry is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// The first one.
    Open,
    /// What was planned.
    Draft(Draft),
    /// A discard.
    Discard {
        /// The slice.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
    },
}

impl Wanted {
    /// What a process wants to append, with the draft that it planned; none if it planned none.
    pub fn of(what: &What, draft: Option<&Draft>) -> Option<Self> {
        Some(match what {
            What::Open => Self::Open,
            What::Discard { of, disposition } => Self::Discard {
                of: *of,
                disposition: *disposition,
            },
            What::Planned => Self::Draft(draft?.clone()),
        })
    }
}

/// A log in a store.
#[derive(Debug)]
pub struct StoredLog<'a> {
    store: &'a dyn Store,
    log: Log,
}

impl<'a> StoredLog<'a> {
    /// Reads the end of the log: the last entry, which has the state. `hint` is a number that was the last one once; a
    /// wrong one costs time and nothing else.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or the last entry is not valid.
    pub async fn open(store: &'a dyn Store, hint: Option<u64>) -> Result<Self, LogError> {
        let mut stored = Self {
            store,
            log: Log::default(),
        };
        let mut tail = 0;
        if let Some(hint) = hint.filter(|hint| *hint > 0)
            && store.get(&keys::entry(hint)).await?.is_some()
        {
            tail = hint;
        }
        let after = (tail > 0).then(|| keys::entry(tail));
        let names = store.list(keys::LOG, after.as_deref()).await?;
        tail = names
            .iter()
            .filter_map(|name| keys::entry_number(name))
            .max()
            .unwrap_or(tail);
        if tail > 0 {
            let bytes = stored.bytes(tail).await?.ok_or(LogError::Missing {
                object: keys::entry(tail),
            })?;
            stored.log.push(tail, &bytes)?;
        }
        Ok(stored)
    }

    /// The entries that were read.
    pub fn log(&self) -> &Log {
        &self.log
    }

    async fn bytes(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.store.get(&keys::entry(seq)).await
    }

    /// Reads the entries that were added since.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or an entry does not follow the one before it.
    pub async fn refresh(&mut self) -> Result<(), LogError> {
        loop {
            let seq = self.log.tail() + 1;
            let Some(bytes) = self.bytes(seq).await? else {
                return Ok(());
            };
            self.log.push(seq, &bytes)?;
        }
    }

    /// Reads earlier entries, down to this one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, one of them is missing, or they are not those that later entries followed.
    pub async fn reach(&mut self, seq: u64) -> Result<(), LogError> {
        let first = self.log.first().unwrap_or(1);
        let store = self.store;
        let bytes = |seq: u64| async move {
            let bytes = store.get(&keys::entry(seq)).await?;
            let missing = || LogError::Missing {
                object: keys::entry(seq),
            };
            Ok::<_, LogError>((seq, bytes.ok_or_else(missing)?))
        };
        let read = stream::iter(seq.max(1)..first).map(bytes);
        let read: Vec<(u64, Bytes)> = read.buffered(AT_ONCE).try_collect().await?;
        Ok(self.log.prepend(&read)?)
    }

    /// Whether all sinks have an entry, as far as is noted.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn is_done(&self, seq: u64) -> Result<bool, StoreError> {
        // Before the first entry there is nothing to apply.
        Ok(seq == 0 || self.store.get(&keys::done(seq)).await?.is_some())
    }

    /// Adds the entry that comes next, only if that number is free.
    ///
    /// # Errors
    ///
    /// If it is too large, the store refuses it, or it is not clear whether it was added: then, and also if the number
    /// is taken ([`StoreErrorKind::Exists`]), the log must be read to know.
    pub async fn append(&mut self, entry: &Entry) -> Result<(), LogError> {
        let bytes = Bytes::from(entry.to_bytes()?);
        crate::fault::at("entry.put_before");
        self.store
            .create(&keys::entry(entry.seq), bytes.clone())
            .await?;
        crate::fault::at("entry.put_after");
        Ok(self.log.push(entry.seq, &bytes)?)
    }
}

impl LogError {
    /// Whether trying again may help, or reading tells more.
    pub fn is_unclear(&self) -> bool {
        matches!(self, Self::Store(error) if error.kind() != StoreErrorKind::Refused)
    }
}
