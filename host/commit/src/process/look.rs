//! What follows from the log.

use super::{Ids, Phase, Pointing, Process, Stop, Task, What, Why, apply, head};
use crate::head::{Act, Head, View};
use crate::id::Attempt;
#[cfg(feature = "testing")]
use crate::mutant::Mutant;

impl Process {
    /// The log was read.
    pub(super) fn looked(
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
                    return Phase::ReadPointer(Pointing::Repair(
                        apply::target(log, &pointing).0.clone(),
                    ));
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
        if let Task::Discard { of, .. } | Task::Skip { of, .. } = self.task
            && (of > tail || of == 0)
        {
            return Phase::Stop(Stop::NoEntry { seq: of, tail });
        }
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
    pub(super) fn unclear_append(&self, attempt: Attempt, what: What) -> Phase {
        #[cfg(feature = "testing")]
        if self.is(Mutant::LoserCleansUp) && what == What::Planned {
            return Phase::CleanUp { attempt };
        }
        Phase::Look(Why::Whose { attempt, what })
    }

    /// Whether the entry at `seq` is what the process was started for.
    pub(super) fn won_at(&mut self, what: &What, seq: u64) {
        match self.task {
            // A run goes on, whatever it has appended.
            Task::Run => {}
            Task::Discard { .. } if *what != What::Open => self.own = Some(seq),
            _ if *what == What::Planned => self.own = Some(seq),
            _ => {}
        }
    }
}

/// Whether an attempt that was planned before this entry is still good after it.
fn spares(head: &Head, attempt: Attempt) -> bool {
    match &head.act {
        Act::Open => true,
        Act::Gc { dead, .. } => !dead.contains(&attempt),
        _ => false,
    }
}
