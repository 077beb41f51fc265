//! Applying an entry: its steps in order, and what follows from a ledger or a pointer.

use super::{Ids, Phase, Pointing, Process, Sent, Stop, Task, What, Why, head};
use crate::head::{Act, Head, SinkKind, View};
use crate::id::SinkName;
#[cfg(feature = "testing")]
use crate::id::Submission;
use crate::ledger::{Claim, Reading, Settled};
#[cfg(feature = "testing")]
use crate::mutant::Mutant;

impl Process {
    pub(super) fn block(&self, seq: u64, step: usize) -> Phase {
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

    pub(super) fn apply(&mut self, head: &Head) -> Phase {
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
    pub(super) fn after(&mut self, head: &Head, step: usize) -> Phase {
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
    pub(super) fn step(&mut self, head: &Head, step: usize) -> Phase {
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
    pub(super) fn skips(&self, head: &Head, step: usize) -> bool {
        matches!(&self.task, Task::Skip { of, sink } if *of == head.seq && *sink == head.steps[step].name)
    }

    /// The warehouse that is blocked for a discard.
    pub(super) fn gate(&self, head: &Head) -> Option<usize> {
        #[cfg(feature = "testing")]
        if self.is(Mutant::BlockElsewhere) {
            return head
                .steps
                .iter()
                .rposition(|step| step.kind == SinkKind::Warehouse);
        }
        head.gate()
    }

    pub(super) fn claim(&self, log: View<'_>, head: &Head, step: usize) -> Claim {
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
    pub(super) fn settled(
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
    pub(super) fn reconcile(&self, log: View<'_>, after: Option<&SinkName>) -> Phase {
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
    pub(super) fn finished(&self, seq: u64) -> Phase {
        match self.task {
            Task::Run => Phase::Look(Why::Begin),
            _ if self.own == Some(seq) => Phase::End,
            _ => Phase::Look(Why::Begin),
        }
    }
}

/// Whose pointer, and the entry that it belongs to.
pub(super) fn target<'a>(log: View<'a>, pointing: &'a Pointing) -> (&'a SinkName, u64) {
    match pointing {
        Pointing::Step { seq, step } => (&head(log, *seq).steps[*step].name, *seq),
        Pointing::Repair(name) | Pointing::Reconcile(name) => {
            let sink = log.sinks().iter().find(|sink| sink.name == *name);
            (name, sink.map_or(0, |sink| sink.position.seq))
        }
    }
}

/// A pointer was read.
pub(super) fn pointer_read(log: View<'_>, pointing: Pointing, at: u64) -> Phase {
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
