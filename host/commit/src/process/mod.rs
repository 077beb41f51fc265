//! The decisions of a process, without any input or output of its own.
//!
//! A [`Process`] says what it does next ([`Process::next`]) and is handed what came of it ([`Process::answer`]). The
//! runner carries out what it says on real stores and sinks; the model does so in every order, with every fault. Both
//! drive this module, so what the model proves is what runs.
//!
//! ```text
//! Look -> (tail not applied?) -> apply it: each step in order -> Finish -> Look
//!      -> Plan -> Append at tail + 1 -> created: apply it
//!                                   -> anything else: look whose it is
//! ```
//!
//! Nothing here waits, counts tries or reads a clock: an answer that says nothing leads to the same question again, and
//! the runner decides when to give up. Giving up is always safe, at any point.

mod apply;
mod look;
mod message;
mod stop;

use crate::head::{Disposition, Head, View};
use crate::id::{Attempt, SinkName, Submission};
#[cfg(feature = "testing")]
use crate::mutant::Mutant;

pub use self::message::{Answer, Next, What};
pub use self::stop::Stop;

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
            Phase::ReadPointer(pointing) => {
                let (sink, to) = apply::target(log, pointing);
                Next::ReadPointer {
                    sink: sink.clone(),
                    compared: matches!(pointing, Pointing::Reconcile(_)).then_some(to),
                }
            }
            Phase::WritePointer(pointing) => {
                let (sink, to) = apply::target(log, pointing);
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
            (Phase::ReadPointer(pointing), Answer::Pointer(at)) => {
                apply::pointer_read(log, pointing, at)
            }
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
}

/// An entry that the process is at, and has read.
fn head(log: View<'_>, seq: u64) -> &Head {
    log.get(seq)
        .expect("a process is at entries that it has read")
}
