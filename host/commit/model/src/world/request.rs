//! Requests to services, and what they do when they are carried out.

use std::sync::Arc;

use transom_commit::{Act, Answer, Attempt, Claim, Disposition, Head, Ledger, Mutant, Submission};

use super::{State, World, bit, log_id, staged_bit};

/// A request to a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Request {
    Append {
        head: Arc<Head>,
        inputs: u8,
    },
    Create {
        table: usize,
    },
    Submit {
        table: usize,
        seq: u64,
        claim: Claim,
        submission: Submission,
        skip: bool,
    },
    Block {
        table: usize,
        seq: u64,
        disposition: Disposition,
    },
    Publish {
        seq: u64,
    },
    /// A copy that has read its source.
    Land {
        seq: u64,
    },
    Point {
        to: u64,
    },
    DeleteStaged {
        seq: u64,
    },
    Occupy {
        seq: u64,
    },
    DeleteDead {
        seq: u64,
    },
    Finish {
        seq: u64,
    },
    CleanUp {
        attempt: Attempt,
    },
}

impl World {
    /// Carries out a request.
    pub(super) fn execute(&self, state: &mut State, request: &Request) -> Answer {
        match request {
            Request::Append { head, inputs } if head.seq <= state.forgotten => {
                state.zombie |= inputs;
                Answer::Carried
            }
            Request::Append { head, inputs } => {
                if state.tail() + 1 != head.seq {
                    return Answer::Unclear;
                }
                if head.act == Act::Slice {
                    for table in 0..2 {
                        if state.budget.refuse[table] > 0 {
                            state.budget.refuse[table] -= 1;
                            state.refused[table] = head.seq;
                        }
                    }
                }
                state.log.push(Arc::clone(head));
                state.inputs.push(*inputs);
                Answer::Carried
            }
            Request::Create { table } => {
                let table = &mut state.tables[*table];
                if table.ledger.is_some() {
                    return Answer::Unclear;
                }
                table.ledger = Some(Ledger::new(log_id()));
                Answer::Carried
            }
            Request::Submit {
                table,
                seq,
                claim,
                submission,
                skip,
            } => {
                let act = state.head(*seq).act.clone();
                let refuses = state.refused[*table] == *seq && !skip;
                let inputs = state.loads(*seq);
                let table = &mut state.tables[*table];
                let Some(ledger) = &mut table.ledger else {
                    return Answer::Unclear;
                };
                // The first statement moves the ledger, if it is where the claim says; the second looks for its id.
                let moved = (ledger.log, ledger.position, ledger.blocked)
                    == (claim.log, claim.from, claim.blocked);
                let met = submission.0 != 0
                    && ledger.position == claim.to
                    && table.submission == submission.0;
                if !moved && !met {
                    return Answer::Unclear;
                }
                if refuses {
                    return Answer::Refused;
                }
                ledger.position = claim.to;
                ledger.blocked = 0;
                ledger.disposition = None;
                ledger.skipped = *skip;
                table.submission = submission.0;
                match act {
                    Act::Slice if *skip => table.skipped |= inputs,
                    Act::Slice => {
                        table.rows.push(*seq);
                        table.rows.sort_unstable();
                    }
                    Act::Rewind { to } => table.rows.retain(|row| *row <= to),
                    _ => {}
                }
                Answer::Carried
            }
            Request::Block {
                table,
                seq,
                disposition,
            } => {
                let from = state.head(*seq).steps[*table].position;
                let Some(ledger) = &mut state.tables[*table].ledger else {
                    return Answer::Unclear;
                };
                if ledger.position != from || ![0, *seq].contains(&ledger.blocked) {
                    return Answer::Unclear;
                }
                ledger.blocked = *seq;
                ledger.disposition = Some(*disposition);
                Answer::Carried
            }
            Request::Publish { seq } => {
                let staged = state.staged & staged_bit(state.head(*seq).attempt) != 0;
                let free = state.taken & bit(*seq) == 0;
                if free || self.mutant == Some(Mutant::RewindDeletes) {
                    if !staged {
                        return Answer::Gone;
                    }
                    state.published |= bit(*seq);
                    state.taken |= bit(*seq);
                    return Answer::Carried;
                }
                if state.published & bit(*seq) != 0 {
                    Answer::Carried
                } else {
                    Answer::TakenBack
                }
            }
            Request::Land { seq } => {
                if state.taken & bit(*seq) == 0 || self.mutant == Some(Mutant::RewindDeletes) {
                    state.published |= bit(*seq);
                    state.taken |= bit(*seq);
                }
                Answer::Carried
            }
            Request::Point { to } => {
                state.pointer = *to;
                Answer::Carried
            }
            Request::DeleteStaged { seq } => {
                let attempts = state
                    .taken_back(*seq)
                    .map(|head| staged_bit(head.attempt))
                    .fold(0, |all, bit| all | bit);
                state.staged &= !attempts;
                Answer::Carried
            }
            Request::Occupy { seq } => {
                let names = state
                    .taken_back(*seq)
                    .map(|head| bit(head.seq))
                    .fold(0, |all, bit| all | bit);
                state.published &= !names;
                state.taken |= names;
                Answer::Carried
            }
            Request::DeleteDead { seq } => {
                let Act::Gc { dead, .. } = state.head(*seq).act.clone() else {
                    panic!("entry {seq} is a gc")
                };
                for attempt in dead {
                    state.staged &= !staged_bit(attempt);
                }
                Answer::Carried
            }
            Request::Finish { seq } => {
                state.done |= bit(*seq);
                Answer::Carried
            }
            Request::CleanUp { attempt } => {
                state.staged &= !staged_bit(*attempt);
                Answer::Carried
            }
        }
    }
}
