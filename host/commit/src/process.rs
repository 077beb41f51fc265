//! The decisions of a process, without any input or output of its own.
//!
//! A [`Process`] says what it does next ([`Process::next`]) and is handed what came of it ([`Process::answer`]). The
//! runner carries out what it says on real stores and sinks; the model does so in every order, with every fault. Both
//! drive this file, so what the model proves is what runs.
//!
//! ```text
//! Look -> (tail not applied?) -> apply it: each step in order -> Finish -> Look
//!      -> Plan -> Append at tail + 1 -> created: apply it
//!                                   -> anything else: look whose it is
//! ```
//!
//! Nothing here waits, counts tries or reads a clock: an answer that says nothing leads to the same question again, and
//! the runner decides when to give up. Giving up is always safe, at any point.

use crate::head::{Act, Disposition, Head, SinkKind, View};
use crate::id::{Attempt, SinkName, Submission};
use crate::ledger::{Claim, Reading, Settled, Wrong};
#[cfg(feature = "testing")]
use crate::mutant::Mutant;

/// What a process was started for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Append and apply slices until there is nothing new.
    Run,
    /// Append one entry (a rewind, a gc, a backfill's begin or end) and apply it.
    Once,
    /// Append an attempt that was planned after entry `planned` and staged earlier, and apply it.
    Load {
        /// The attempt.
        attempt: Attempt,
        /// The last entry when it was planned.
        planned: u64,
    },
    /// Give up slice `of`, which no warehouse has.
    Discard {
        /// The slice.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
    },
    /// Apply slice `of`, and move one sink past it without its rows.
    Skip {
        /// The slice.
        of: u64,
        /// The sink.
        sink: SinkName,
    },
}

/// What a process does next. Steps of an entry are counted as [`Head::steps`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read the log after what is known, then whether its last entry is done. [`Answer::Log`]
    Look,
    /// Plan the next entry from the log, compute and stage it. [`Answer::Planned`] or [`Answer::Nothing`]
    Plan,
    /// Create `log/<seq>.json`, only if there is none. [`Answer::Carried`], which comes with a log that has it, or
    /// [`Answer::Unclear`]
    Append {
        /// The number.
        seq: u64,
        /// The attempt that the entry names.
        attempt: Attempt,
        /// What it decides.
        what: What,
    },
    /// Read the ledger of a warehouse. [`Answer::Ledger`]
    Settle {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Create the ledger of a warehouse, only if there is none. [`Answer::Carried`] or [`Answer::Unclear`]
    CreateLedger {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Load in one transaction that claims the ledger first. [`Answer::Carried`], [`Answer::Unclear`] or
    /// [`Answer::Refused`]
    Submit {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
        /// What the transaction asks of the ledger.
        claim: Claim,
        /// The id of this sending, for its guard and for the warehouse's own protection against repeats.
        submission: Submission,
        /// Whether the rows are left out.
        skip: bool,
    },
    /// Block the gate for this entry. Any answer
    Block {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
        /// What is to become of its inputs.
        disposition: Disposition,
    },
    /// Copy staged files to their names, each only if the name is free. [`Answer::Carried`], [`Answer::Unclear`],
    /// [`Answer::Gone`] or [`Answer::TakenBack`]
    Publish {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Of a rewind: delete what the entries that it takes back have staged, so that no copy can begin.
    /// [`Answer::Carried`] or [`Answer::Unclear`]
    DeleteStaged {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Of a rewind: put a file of no rows over every name of the entries that it takes back, published or not, so that
    /// a copy that has begun cannot end. [`Answer::Carried`] or [`Answer::Unclear`]
    Occupy {
        /// The entry.
        seq: u64,
        /// Its step.
        step: usize,
    },
    /// Read which entry a pointer was written for. [`Answer::Pointer`]
    ReadPointer {
        /// The sink.
        sink: SinkName,
    },
    /// Point to the version that is in force at an entry. [`Answer::Carried`] or [`Answer::Unclear`]
    WritePointer {
        /// The sink.
        sink: SinkName,
        /// The entry.
        to: u64,
    },
    /// Of a gc: delete what the attempts that it names have staged. [`Answer::Carried`] or [`Answer::Unclear`]
    DeleteDead {
        /// The entry.
        seq: u64,
    },
    /// Note that all sinks have this entry: put `done/<seq>.json`. [`Answer::Carried`] or [`Answer::Unclear`]
    Finish {
        /// The entry.
        seq: u64,
        /// The sinks that were moved past it without its rows, by their steps.
        skipped: Vec<usize>,
    },
    /// Delete what the attempt has staged.
    #[cfg(feature = "testing")]
    CleanUp {
        /// The attempt.
        attempt: Attempt,
    },
    /// Nothing is left to do.
    End,
    /// A person has to look.
    Stop(Stop),
}

/// What an entry that is appended decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// That the log begins.
    Open,
    /// What was planned.
    Planned,
    /// That a slice is given up.
    Discard {
        /// The slice.
        of: u64,
        /// What becomes of its inputs.
        disposition: Disposition,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The log was read: it is the view that comes with the answer. `done` says that its last entry is.
    Log {
        /// Whether all sinks have the last entry.
        done: bool,
    },
    /// An attempt is staged.
    Planned(Attempt),
    /// There is nothing new.
    Nothing,
    /// It was carried out, and the answer says so.
    Carried,
    /// No answer, one that says nothing, or that it was not carried out now.
    Unclear,
    /// The warehouse refuses the data, for good.
    Refused,
    /// What the ledger says.
    Ledger(Reading),
    /// What was staged is not there.
    Gone,
    /// A name is taken by what a rewind put there.
    TakenBack,
    /// Which entry the pointer was written for; 0 if there is no pointer.
    Pointer(u64),
}

/// Why a person has to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Stop {
    /// The data does not fit the target.
    #[error("the warehouse of sink `{sink}` refuses entry {seq}")]
    Refused {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
        /// Whether the sink is the gate: the slice can still be given up.
        gate: bool,
    },
    /// The log is older than what it has decided.
    #[error(
        "the ledger of sink `{sink}` is at entry {at}, and the log ends with {tail}: was the state restored?"
    )]
    LedgerAhead {
        /// The sink.
        sink: SinkName,
        /// Where the ledger is.
        at: u64,
        /// The last entry.
        tail: u64,
    },
    /// The warehouse is older than the log, or not the log's.
    #[error("{}", wrong_ledger(sink, wrong))]
    Ledger {
        /// The sink.
        sink: SinkName,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// Files of an entry are neither published nor staged.
    #[error("staged files of entry {seq} for sink `{sink}` are gone, and it is not published yet")]
    StagedGone {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// Something took a name of this entry which the log knows nothing of.
    #[error("a file of entry {seq} for sink `{sink}` was replaced by another one")]
    Replaced {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// The entry is done, or others come after it.
    #[error("entry {seq} is settled")]
    Settled {
        /// The entry.
        seq: u64,
    },
    /// Only slices are given up or skipped.
    #[error("entry {seq} is not a slice")]
    NotASlice {
        /// The entry.
        seq: u64,
    },
    /// The gate has it.
    #[error("sink `{sink}` has entry {seq} already")]
    Taken {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// Files are not refused.
    #[error("entry {seq} goes to no warehouse: nothing can refuse it, so it is not discarded")]
    NoGate {
        /// The entry.
        seq: u64,
    },
    /// The gate decides for all.
    #[error("sink `{sink}` takes entry {seq} first: it cannot be skipped alone")]
    IsGate {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// The entry does not name the sink.
    #[error("entry {seq} has nothing for sink `{sink}`")]
    NoSuchSink {
        /// The entry.
        seq: u64,
        /// The sink.
        sink: SinkName,
    },
    /// What the attempt was planned from is not the end of the log any more.
    #[error("the attempt was planned after entry {planned}, and entry {by} came since")]
    Stale {
        /// The last entry when it was planned.
        planned: u64,
        /// The entry that came since.
        by: u64,
    },
}

fn wrong_ledger(sink: &SinkName, wrong: &Wrong) -> String {
    match wrong {
        Wrong::Restored { at, expected } => {
            format!(
                "the ledger of sink `{sink}` is at entry {at}, and the log brought it to {expected}"
            )
        }
        Wrong::Missing => format!("sink `{sink}` has entries of this log, and its ledger is gone"),
        Wrong::Rows(rows) => format!("the ledger of sink `{sink}` has {rows} rows instead of one"),
        Wrong::Foreign(log) => {
            format!("the ledger of sink `{sink}` belongs to another pipeline, with the log {log}")
        }
        Wrong::Block(seq) => {
            format!(
                "the ledger of sink `{sink}` is blocked for entry {seq}, which the log does not explain"
            )
        }
    }
}

impl Stop {
    /// What to do, if there is one thing that is right.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Refused {
                seq, gate: true, ..
            } => format!(
                "fix the table and run again, or give the slice up: `transom slice discard {seq} --redo` or `--skip`"
            ),
            Self::Refused { seq, sink, .. } => format!(
                "fix the table and run again, or leave this sink out: `transom slice skip {seq} --sink {sink}`"
            ),
            Self::Ledger {
                sink,
                wrong: Wrong::Restored { .. } | Wrong::Missing,
            } => format!(
                "`transom sink replay {sink}` loads what is missing; `transom sink adopt {sink}` says that the table \
                 is right"
            ),
            Self::Ledger {
                wrong: Wrong::Foreign(_),
                ..
            } => "write to another table".to_owned(),
            Self::StagedGone { seq, sink } => {
                format!("`transom slice skip {seq} --sink {sink}` goes on without them")
            }
            Self::Taken { .. } => "`transom rewind` takes back what was loaded".to_owned(),
            Self::IsGate { seq, .. } => format!("`transom slice discard {seq} --skip`"),
            Self::Stale { .. } => "run again: the slice is planned anew".to_owned(),
            _ => return None,
        })
    }
}

/// Where ids come from: random in the runner, counted in the model.
pub trait Ids {
    /// An attempt that no process has.
    fn attempt(&mut self) -> Attempt;
    /// A submission that no process has.
    fn submission(&mut self) -> Submission;
}

/// Ids by chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn attempt(&mut self) -> Attempt {
        Attempt::random()
    }

    fn submission(&mut self) -> Submission {
        Submission::random()
    }
}

/// Where a process is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    Look(Why),
    Plan,
    Append {
        attempt: Attempt,
        what: What,
    },
    Settle {
        seq: u64,
        step: usize,
        after: Sent,
    },
    CreateLedger {
        seq: u64,
        step: usize,
        after: Sent,
    },
    Submit {
        seq: u64,
        step: usize,
        submission: Submission,
    },
    Block {
        seq: u64,
        step: usize,
    },
    Publish {
        seq: u64,
        step: usize,
    },
    DeleteStaged {
        seq: u64,
        step: usize,
    },
    Occupy {
        seq: u64,
        step: usize,
    },
    ReadPointer(Pointing),
    WritePointer(Pointing),
    DeleteDead {
        seq: u64,
    },
    Finish {
        seq: u64,
    },
    #[cfg(feature = "testing")]
    CleanUp {
        attempt: Attempt,
    },
    #[cfg(feature = "testing")]
    FinishEarly {
        seq: u64,
        step: usize,
    },
    End,
    Stop(Stop),
}

/// Why the log is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Why {
    /// To see what is to be done.
    Begin,
    /// To see whose entry it is that was to be appended.
    Whose { attempt: Attempt, what: What },
    /// A ledger is ahead of what is known: the log must explain it.
    Ahead { sink: SinkName, at: u64 },
    /// Files of this entry cannot be published: others went on, or it is damage.
    Unpublished {
        seq: u64,
        step: usize,
        taken_back: bool,
    },
    /// A pointer was written: had the log moved on before?
    Pointed(Pointing),
}

/// What came before a ledger is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sent {
    /// Nothing, or a load with an unknown outcome.
    Load,
    /// A load that the warehouse refused.
    Refused,
    /// A block.
    Block,
}

/// A pointer that is being brought to where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pointing {
    /// As a step of this entry.
    Step { seq: u64, step: usize },
    /// To where the whole log says, after the log moved on while it was written.
    Repair(SinkName),
    /// To where the whole log says, with nothing else to do.
    Reconcile(SinkName),
}

/// One process: a run, or a command that changes the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    task: Task,
    phase: Phase,
    /// The last entry, when the log was last read.
    known: u64,
    /// The one entry that this process was started for, once it is in the log; none for a run.
    own: Option<u64>,
    /// An attempt that lost its number to a gc which does not name it: it is still as good as before.
    kept: Option<Attempt>,
    /// Steps of the entry being applied that were moved past.
    skipped: Vec<usize>,
    #[cfg(feature = "testing")]
    mutant: Option<Mutant>,
}

impl Process {
    /// A process that knows nothing yet.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            phase: Phase::Look(Why::Begin),
            known: 0,
            own: None,
            kept: None,
            skipped: Vec::new(),
            #[cfg(feature = "testing")]
            mutant: None,
        }
    }

    /// The same, with a rule left out.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.mutant = mutant;
        self
    }

    #[cfg(feature = "testing")]
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// What it was started for.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The last entry, when the log was last read.
    pub fn known(&self) -> u64 {
        self.known
    }

    /// The one entry that it was started for, once that is in the log; none for a run.
    pub fn own(&self) -> Option<u64> {
        self.own
    }

    /// Whether nothing is left to do, or a person has to look.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::End | Phase::Stop(_))
    }

    /// The attempts that it remembers: the model numbers them anew.
    #[cfg(feature = "testing")]
    pub fn attempts_mut(&mut self) -> Vec<&mut Attempt> {
        let mut attempts: Vec<&mut Attempt> = self.kept.iter_mut().collect();
        match &mut self.phase {
            Phase::Append { attempt, .. }
            | Phase::CleanUp { attempt }
            | Phase::Look(Why::Whose { attempt, .. }) => attempts.push(attempt),
            _ => {}
        }
        attempts
    }

    /// Whether it is as good as a new one: it reads the log before it does anything.
    #[cfg(feature = "testing")]
    pub fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::Look(Why::Begin)) && self.kept.is_none() && self.own.is_none()
    }

    /// What it does next. `log` is the log as it was last read.
    pub fn next(&self, log: View<'_>) -> Next {
        match &self.phase {
            Phase::Look(_) => Next::Look,
            Phase::Plan => Next::Plan,
            Phase::Append { attempt, what } => Next::Append {
                seq: self.known + 1,
                attempt: *attempt,
                what: what.clone(),
            },
            Phase::Settle { seq, step, .. } => Next::Settle {
                seq: *seq,
                step: *step,
            },
            Phase::CreateLedger { seq, step, .. } => Next::CreateLedger {
                seq: *seq,
                step: *step,
            },
            Phase::Submit {
                seq,
                step,
                submission,
            } => {
                let head = head(log, *seq);
                Next::Submit {
                    seq: *seq,
                    step: *step,
                    claim: self.claim(log, head, *step),
                    submission: *submission,
                    skip: self.skips(head, *step),
                }
            }
            Phase::Block { seq, step } => {
                let Task::Discard { disposition, .. } = self.task else {
                    unreachable!("only a discard blocks")
                };
                Next::Block {
                    seq: *seq,
                    step: *step,
                    disposition,
                }
            }
            Phase::Publish { seq, step } => Next::Publish {
                seq: *seq,
                step: *step,
            },
            Phase::DeleteStaged { seq, step } => Next::DeleteStaged {
                seq: *seq,
                step: *step,
            },
            Phase::Occupy { seq, step } => Next::Occupy {
                seq: *seq,
                step: *step,
            },
            Phase::ReadPointer(pointing) => Next::ReadPointer {
                sink: target(log, pointing).0.clone(),
            },
            Phase::WritePointer(pointing) => {
                let (sink, to) = target(log, pointing);
                Next::WritePointer {
                    sink: sink.clone(),
                    to,
                }
            }
            Phase::DeleteDead { seq } => Next::DeleteDead { seq: *seq },
            Phase::Finish { seq } => Next::Finish {
                seq: *seq,
                skipped: self.skipped.clone(),
            },
            #[cfg(feature = "testing")]
            Phase::CleanUp { attempt } => Next::CleanUp { attempt: *attempt },
            #[cfg(feature = "testing")]
            Phase::FinishEarly { seq, .. } => Next::Finish {
                seq: *seq,
                skipped: Vec::new(),
            },
            Phase::End => Next::End,
            Phase::Stop(stop) => Next::Stop(stop.clone()),
        }
    }

    /// Takes what came of [`Process::next`]. `log` is the log as it was last read: with [`Answer::Log`] as it was read
    /// just now.
    ///
    /// # Panics
    ///
    /// If that is no answer to what was asked.
    pub fn answer(&mut self, log: View<'_>, answer: Answer, ids: &mut dyn Ids) {
        let phase = std::mem::replace(&mut self.phase, Phase::End);
        self.phase = match (phase, answer) {
            (Phase::Look(why), Answer::Log { done }) => {
                let known = std::mem::replace(&mut self.known, log.tail());
                self.looked(log, done, why, known, ids)
            }
            (Phase::Plan, Answer::Planned(attempt)) => Phase::Append {
                attempt,
                what: What::Planned,
            },
            (Phase::Plan, Answer::Nothing) => match self.task {
                Task::Run => self.reconcile(log, None),
                _ => Phase::End,
            },
            (Phase::Append { what, .. }, Answer::Carried) => {
                self.known = log.tail();
                self.won_at(&what, self.known);
                self.apply(head(log, self.known))
            }
            (Phase::Append { attempt, what }, Answer::Unclear) => {
                self.unclear_append(attempt, what)
            }
            (Phase::Settle { seq, step, after }, Answer::Ledger(reading)) => {
                self.settled(log, seq, step, after, &reading, ids)
            }
            (Phase::CreateLedger { seq, step, after }, Answer::Carried | Answer::Unclear) => {
                Phase::Settle { seq, step, after }
            }
            (Phase::Submit { seq, step, .. }, Answer::Carried) => {
                let head = head(log, seq);
                if self.skips(head, step) {
                    self.skipped.push(step);
                }
                self.after(head, step)
            }
            (Phase::Submit { seq, step, .. }, Answer::Unclear) => Phase::Settle {
                seq,
                step,
                after: Sent::Load,
            },
            (Phase::Submit { seq, step, .. }, Answer::Refused) => Phase::Settle {
                seq,
                step,
                after: Sent::Refused,
            },
            (Phase::Block { seq, step }, _) => Phase::Settle {
                seq,
                step,
                after: Sent::Block,
            },
            (Phase::Publish { seq, step } | Phase::Occupy { seq, step }, Answer::Carried) => {
                self.after(head(log, seq), step)
            }
            (Phase::Publish { seq, step }, Answer::Gone) => Phase::Look(Why::Unpublished {
                seq,
                step,
                taken_back: false,
            }),
            (Phase::Publish { seq, step }, Answer::TakenBack) => Phase::Look(Why::Unpublished {
                seq,
                step,
                taken_back: true,
            }),
            (Phase::DeleteStaged { seq, step }, Answer::Carried) => Phase::Occupy { seq, step },
            (Phase::ReadPointer(pointing), Answer::Pointer(at)) => pointer_read(log, pointing, at),
            #[cfg(feature = "testing")]
            (Phase::WritePointer(Pointing::Step { seq, step }), Answer::Carried)
                if self.is(Mutant::PointerUnchecked) =>
            {
                self.after(head(log, seq), step)
            }
            (Phase::WritePointer(pointing), Answer::Carried) => Phase::Look(Why::Pointed(pointing)),
            (Phase::WritePointer(pointing), Answer::Unclear) => Phase::ReadPointer(pointing),
            (Phase::DeleteDead { seq }, Answer::Carried) => Phase::Finish { seq },
            (Phase::Finish { seq }, Answer::Carried) => self.finished(seq),
            #[cfg(feature = "testing")]
            (Phase::CleanUp { .. }, _) => Phase::Look(Why::Begin),
            #[cfg(feature = "testing")]
            (Phase::FinishEarly { seq, step }, _) => Phase::Publish { seq, step },
            // Each of these may be done again.
            (
                phase @ (Phase::Publish { .. }
                | Phase::DeleteStaged { .. }
                | Phase::Occupy { .. }
                | Phase::DeleteDead { .. }
                | Phase::Finish { .. }),
                Answer::Unclear,
            ) => phase,
            (phase, answer) => unreachable!("{answer:?} is no answer in {phase:?}"),
        };
    }

    /// The log was read.
    fn looked(
        &mut self,
        log: View<'_>,
        done: bool,
        why: Why,
        known: u64,
        ids: &mut dyn Ids,
    ) -> Phase {
        self.kept = self
            .kept
            .filter(|attempt| log.since(known).all(|head| spares(head, *attempt)));
        match why {
            Why::Begin => {}
            Why::Whose { attempt, what } => {
                let seq = known + 1;
                match log.get(seq) {
                    // Nothing is there: what is unclear was not carried out, or not yet. The same again.
                    None => return Phase::Append { attempt, what },
                    Some(head) if head.attempt == attempt => self.won_at(&what, seq),
                    Some(_)
                        if what == What::Planned
                            && log.since(known).all(|head| spares(head, attempt)) =>
                    {
                        self.kept = Some(attempt);
                    }
                    Some(_) => {}
                }
            }
            Why::Ahead { sink, at } if log.tail() < at => {
                return Phase::Stop(Stop::LedgerAhead {
                    sink,
                    at,
                    tail: log.tail(),
                });
            }
            Why::Ahead { .. } => {}
            Why::Unpublished {
                seq,
                step,
                taken_back,
            } => {
                if log.tail() == seq && !done {
                    let sink = head(log, seq).steps[step].name.clone();
                    return Phase::Stop(match taken_back {
                        true => Stop::Replaced { seq, sink },
                        false => Stop::StagedGone { seq, sink },
                    });
                }
            }
            Why::Pointed(pointing) => {
                if log.tail() == known {
                    match pointing {
                        Pointing::Step { seq, step } => return self.after(head(log, seq), step),
                        Pointing::Reconcile(sink) => return self.reconcile(log, Some(&sink)),
                        Pointing::Repair(_) => {}
                    }
                } else {
                    // What was written may have replaced what a later entry had written before.
                    return Phase::ReadPointer(Pointing::Repair(target(log, &pointing).0.clone()));
                }
            }
        }
        self.begin(log, done, ids)
    }

    /// What the log, read just now, asks for.
    fn begin(&mut self, log: View<'_>, done: bool, ids: &mut dyn Ids) -> Phase {
        let tail = log.tail();
        if self
            .own
            .is_some_and(|own| own < tail || (own == tail && done))
        {
            return Phase::End;
        }
        let unapplied = log.last().filter(|_| !done);
        #[cfg(feature = "testing")]
        let unapplied = unapplied.filter(|head| {
            !(self.is(Mutant::NextBeforeApplied)
                && head.act == Act::Slice
                && self.task == Task::Run)
        });
        match (&self.task, unapplied) {
            (Task::Discard { of, disposition }, _) if self.own.is_none() => {
                let discard = Act::Discard {
                    of: *of,
                    disposition: *disposition,
                };
                match unapplied {
                    // By others: they found the block.
                    _ if log.since(*of).any(|head| head.act == discard) => match unapplied {
                        Some(head) if head.act == discard => self.apply(head),
                        _ => Phase::End,
                    },
                    Some(head) if head.seq != *of => Phase::Stop(Stop::Settled { seq: *of }),
                    Some(head) if head.act != Act::Slice => {
                        Phase::Stop(Stop::NotASlice { seq: *of })
                    }
                    Some(head) => match self.gate(head) {
                        Some(step) => self.block(*of, step),
                        None => Phase::Stop(Stop::NoGate { seq: *of }),
                    },
                    None => Phase::Stop(Stop::Settled { seq: *of }),
                }
            }
            (Task::Skip { of, sink }, _) if self.own.is_none() => match unapplied {
                Some(head) if head.seq != *of => Phase::Stop(Stop::Settled { seq: *of }),
                Some(head) if head.act != Act::Slice => Phase::Stop(Stop::NotASlice { seq: *of }),
                Some(head) => match head.steps.iter().position(|step| step.name == *sink) {
                    None => Phase::Stop(Stop::NoSuchSink {
                        seq: *of,
                        sink: sink.clone(),
                    }),
                    Some(step) if head.gate() == Some(step) => Phase::Stop(Stop::IsGate {
                        seq: *of,
                        sink: sink.clone(),
                    }),
                    Some(_) => {
                        self.own = Some(*of);
                        self.apply(head)
                    }
                },
                None => Phase::Stop(Stop::Settled { seq: *of }),
            },
            (_, Some(head)) => self.apply(head),
            (Task::Load { attempt, planned }, None) => {
                // Its entry is there already, by this process or another one.
                if log.since(*planned).any(|head| head.attempt == *attempt) {
                    return Phase::End;
                }
                match log.since(*planned).find(|head| !spares(head, *attempt)) {
                    Some(head) => Phase::Stop(Stop::Stale {
                        planned: *planned,
                        by: head.seq,
                    }),
                    None => self.plan(log, ids),
                }
            }
            (_, None) => self.plan(log, ids),
        }
    }

    fn plan(&mut self, log: View<'_>, ids: &mut dyn Ids) -> Phase {
        if log.tail() == 0 {
            return Phase::Append {
                attempt: ids.attempt(),
                what: What::Open,
            };
        }
        match self.kept.take() {
            Some(attempt) => Phase::Append {
                attempt,
                what: What::Planned,
            },
            None => Phase::Plan,
        }
    }

    #[cfg_attr(
        not(feature = "testing"),
        expect(clippy::unused_self, reason = "mutants look at it")
    )]
    fn unclear_append(&self, attempt: Attempt, what: What) -> Phase {
        #[cfg(feature = "testing")]
        if self.is(Mutant::LoserCleansUp) && what == What::Planned {
            return Phase::CleanUp { attempt };
        }
        Phase::Look(Why::Whose { attempt, what })
    }

    fn block(&self, seq: u64, step: usize) -> Phase {
        #[cfg(feature = "testing")]
        if self.is(Mutant::DiscardWithoutBlock) {
            return Phase::Settle {
                seq,
                step,
                after: Sent::Block,
            };
        }
        debug_assert!(
            matches!(self.task, Task::Discard { .. }),
            "only a discard blocks"
        );
        Phase::Block { seq, step }
    }

    /// Whether the entry at `seq` is what the process was started for.
    fn won_at(&mut self, what: &What, seq: u64) {
        match self.task {
            // A run goes on, whatever it has appended.
            Task::Run => {}
            Task::Discard { .. } if *what != What::Open => self.own = Some(seq),
            _ if *what == What::Planned => self.own = Some(seq),
            _ => {}
        }
    }

    fn apply(&mut self, head: &Head) -> Phase {
        self.skipped.clear();
        if matches!(head.act, Act::Gc { .. }) {
            return Phase::DeleteDead { seq: head.seq };
        }
        #[cfg(feature = "testing")]
        if self.is(Mutant::FilesBeforeWarehouse) && head.act == Act::Slice {
            return self.step(head, head.steps.len() - 1);
        }
        self.step(head, 0)
    }

    /// What comes after a step of an entry.
    fn after(&mut self, head: &Head, step: usize) -> Phase {
        #[cfg(feature = "testing")]
        if self.is(Mutant::FilesBeforeWarehouse) && head.act == Act::Slice {
            return match step.checked_sub(1) {
                Some(step) => self.step(head, step),
                None => Phase::Finish { seq: head.seq },
            };
        }
        self.step(head, step + 1)
    }

    /// The step of an entry, or its end.
    fn step(&mut self, head: &Head, step: usize) -> Phase {
        let seq = head.seq;
        let Some(sink) = head.steps.get(step) else {
            return Phase::Finish { seq };
        };
        if sink.kind != SinkKind::Warehouse && self.skips(head, step) {
            self.skipped.push(step);
            return self.after(head, step);
        }
        match sink.kind {
            SinkKind::Warehouse => Phase::Settle {
                seq,
                step,
                after: Sent::Load,
            },
            SinkKind::Files if matches!(head.act, Act::Rewind { .. }) => {
                #[cfg(feature = "testing")]
                if self.is(Mutant::RewindLeavesStaged) {
                    return Phase::Occupy { seq, step };
                }
                Phase::DeleteStaged { seq, step }
            }
            #[cfg(feature = "testing")]
            SinkKind::Files if self.is(Mutant::DoneBeforeFiles) => Phase::FinishEarly { seq, step },
            SinkKind::Files => Phase::Publish { seq, step },
            #[cfg(feature = "testing")]
            SinkKind::Pointer if self.is(Mutant::PointerUnchecked) => {
                Phase::WritePointer(Pointing::Step { seq, step })
            }
            SinkKind::Pointer => Phase::ReadPointer(Pointing::Step { seq, step }),
        }
    }

    /// Whether this process moves the sink past the entry without its rows.
    fn skips(&self, head: &Head, step: usize) -> bool {
        matches!(&self.task, Task::Skip { of, sink } if *of == head.seq && *sink == head.steps[step].name)
    }

    /// The warehouse that is blocked for a discard.
    fn gate(&self, head: &Head) -> Option<usize> {
        #[cfg(feature = "testing")]
        if self.is(Mutant::BlockElsewhere) {
            return head
                .steps
                .iter()
                .rposition(|step| step.kind == SinkKind::Warehouse);
        }
        head.gate()
    }

    fn claim(&self, log: View<'_>, head: &Head, step: usize) -> Claim {
        let blocked = match head.act {
            #[cfg(feature = "testing")]
            Act::Discard { .. } if self.is(Mutant::DiscardWithoutBlock) => 0,
            Act::Discard { of, .. } if self.gate(head) == Some(step) => of,
            _ => 0,
        };
        Claim {
            log: log.id(),
            from: head.steps[step].position,
            to: head.position(),
            blocked,
        }
    }

    /// A ledger was read.
    fn settled(
        &mut self,
        log: View<'_>,
        seq: u64,
        step: usize,
        after: Sent,
        reading: &Reading,
        ids: &mut dyn Ids,
    ) -> Phase {
        let head = head(log, seq);
        let sink = || head.steps[step].name.clone();
        match (reading.settle(&self.claim(log, head, step)), after) {
            (Settled::Wrong(wrong), _) => Phase::Stop(Stop::Ledger {
                sink: sink(),
                wrong,
            }),
            (Settled::Ahead(at), _) => Phase::Look(Why::Ahead { sink: sink(), at }),
            (Settled::New, _) => Phase::CreateLedger { seq, step, after },
            (Settled::Applied { .. }, Sent::Block) => {
                Phase::Stop(Stop::Taken { seq, sink: sink() })
            }
            (Settled::Applied { skipped }, _) => {
                if skipped {
                    self.skipped.push(step);
                }
                self.after(head, step)
            }
            // Half a discard, by this process or another one: whoever finds it completes it.
            (Settled::Blocked(disposition), _) => Phase::Append {
                attempt: ids.attempt(),
                what: What::Discard {
                    of: seq,
                    disposition,
                },
            },
            #[cfg(feature = "testing")]
            (Settled::Open, Sent::Block) if self.is(Mutant::DiscardWithoutBlock) => {
                let Task::Discard { disposition, .. } = self.task else {
                    unreachable!("only a discard blocks")
                };
                Phase::Append {
                    attempt: ids.attempt(),
                    what: What::Discard {
                        of: seq,
                        disposition,
                    },
                }
            }
            (Settled::Open, Sent::Block) => Phase::Block { seq, step },
            (Settled::Open, Sent::Refused) => Phase::Stop(Stop::Refused {
                seq,
                sink: sink(),
                gate: head.gate() == Some(step),
            }),
            #[cfg(feature = "testing")]
            (Settled::Open, Sent::Load) if self.is(Mutant::NonceGuard) => Phase::Submit {
                seq,
                step,
                submission: Submission(head.attempt.number()),
            },
            (Settled::Open, Sent::Load) => Phase::Submit {
                seq,
                step,
                submission: ids.submission(),
            },
        }
    }

    /// The next pointer to compare with the log, after this one.
    fn reconcile(&self, log: View<'_>, after: Option<&SinkName>) -> Phase {
        #[cfg(feature = "testing")]
        if self.is(Mutant::PointerUnchecked) {
            return Phase::End;
        }
        let sinks = log.sinks();
        let first = after.map_or(0, |name| {
            1 + sinks.iter().take_while(|sink| sink.name != *name).count()
        });
        let next = sinks
            .iter()
            .skip(first)
            .find(|sink| sink.kind == SinkKind::Pointer);
        next.map_or(Phase::End, |sink| {
            Phase::ReadPointer(Pointing::Reconcile(sink.name.clone()))
        })
    }

    /// `done` is written.
    fn finished(&self, seq: u64) -> Phase {
        match self.task {
            Task::Run => Phase::Look(Why::Begin),
            _ if self.own == Some(seq) => Phase::End,
            _ => Phase::Look(Why::Begin),
        }
    }
}

/// Whether an attempt that was planned before this entry is still good after it.
fn spares(head: &Head, attempt: Attempt) -> bool {
    match &head.act {
        Act::Open => true,
        Act::Gc { dead } => !dead.contains(&attempt),
        _ => false,
    }
}

/// An entry that the process is at, and has read.
fn head(log: View<'_>, seq: u64) -> &Head {
    log.get(seq)
        .expect("a process is at entries that it has read")
}

/// Whose pointer, and the entry that it belongs to.
fn target<'a>(log: View<'a>, pointing: &'a Pointing) -> (&'a SinkName, u64) {
    match pointing {
        Pointing::Step { seq, step } => (&head(log, *seq).steps[*step].name, *seq),
        Pointing::Repair(name) | Pointing::Reconcile(name) => {
            let sink = log.sinks().iter().find(|sink| sink.name == *name);
            (name, sink.map_or(0, |sink| sink.position.seq))
        }
    }
}

/// A pointer was read.
fn pointer_read(log: View<'_>, pointing: Pointing, at: u64) -> Phase {
    let (_, to) = target(log, &pointing);
    let there = match pointing {
        // Never back: a later entry's pointer stays.
        Pointing::Step { .. } => at >= to,
        Pointing::Repair(_) | Pointing::Reconcile(_) => at == to,
    };
    if there {
        Phase::Look(Why::Pointed(pointing))
    } else {
        Phase::WritePointer(pointing)
    }
}
