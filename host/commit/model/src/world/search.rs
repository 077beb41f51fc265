//! What can happen next, and what it is called.

use std::fmt::Write as _;
use std::sync::Arc;

use stateright::{Model, Property};
use transom_commit::{Act, Attempt, Disposition, Head, Ledger, Mutant, Next, Stop, Task, View};

use super::{Action, Fault, Request, Role, Running, State, Table, World, bit, log_id, staged_bit};

impl World {
    /// What an action is, in words.
    pub(crate) fn describe(&self, state: &State, action: &Action) -> String {
        let who = |who: &usize| match state.processes[*who].role {
            Role::Run => format!("run {}", who + 1),
            role => format!("{role:?}").to_lowercase(),
        };
        match action {
            Action::Step {
                who: index, fault, ..
            } => {
                let running = &state.processes[*index];
                let mut text = who(index);
                match self.request(state, running) {
                    Some(request) => text += &format!(": {}", words(&request)),
                    None => {
                        let next = running.process.next(state.view(running.process.known()));
                        let _ = write!(text, ": {next:?}");
                    }
                }
                text + match fault {
                    Fault::None => "",
                    Fault::Lost => " -- carried out, the answer is lost",
                    Fault::Twice => " -- and once more, on its way",
                    Fault::Late => " -- times out, and is on its way",
                    Fault::LateAfterRead => {
                        " -- times out after it has read its source, and is on its way"
                    }
                }
            }
            Action::Kill { who: index } => format!("{} is killed", who(index)),
            Action::NewRun { who: index } => format!("{} starts again", who(index)),
            Action::Deliver { which } => {
                format!("carried out late: {}", words(&state.late[*which]))
            }
            action => format!("{action:?}"),
        }
    }
}

/// What a request is, in words.
fn words(request: &Request) -> String {
    match request {
        Request::Append { head, inputs } => {
            let Head {
                seq, attempt, act, ..
            } = &**head;
            let inputs = if *inputs == 0 {
                String::new()
            } else {
                format!(", inputs {inputs:#b}")
            };
            format!(
                "append {seq}: {act:?}, attempt {}{inputs}",
                attempt.number()
            )
        }
        Request::Submit {
            table, seq, claim, ..
        } => {
            format!(
                "load entry {seq} into warehouse {table}, from {}",
                claim.from.seq
            )
        }
        other => format!("{other:?}"),
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let open = View::new(log_id(), &[])
            .extend(Attempt::of(1), Act::Open, &[])
            .expect("a log begins so");
        let ledger = (!self.bare).then(|| Ledger::new(log_id()));
        vec![State {
            log: if self.bare {
                Vec::new()
            } else {
                vec![Arc::new(open)]
            },
            inputs: if self.bare { Vec::new() } else { vec![0] },
            done: if self.bare { bit(0) } else { bit(0) | bit(1) },
            tables: vec![
                Table {
                    ledger,
                    submission: 0,
                    rows: Vec::new(),
                    skipped: 0
                };
                self.warehouses
            ],
            staged: 0,
            published: 0,
            taken: 0,
            pointer: 0,
            late: Vec::new(),
            processes: vec![self.run(), self.run()],
            attempts: u8::from(!self.bare),
            budget: self.budget,
            refused: [0; 2],
            forgotten: 0,
            zombie: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (who, running) in state.processes.iter().enumerate() {
            if running.process.is_at_rest() {
                let again = if state.is_refused(running) {
                    state.may_retry(running)
                } else {
                    state.has_work()
                };
                let stopped = matches!(
                    running.process.next(state.view(running.process.known())),
                    Next::Stop(stop) if !matches!(stop, Stop::Refused { .. })
                );
                if running.role == Role::Run && again && !stopped {
                    actions.push(Action::NewRun { who });
                }
                continue;
            }
            if state.budget.kill > 0 {
                actions.push(Action::Kill { who });
            }
            let step = |fault, pick| Action::Step { who, fault, pick };
            actions.push(step(Fault::None, 0));
            if self.several || running.role == Role::Gc {
                actions.push(step(Fault::None, 1));
            }
            let fallible = match self.request(state, running) {
                None | Some(Request::CleanUp { .. }) => false,
                Some(
                    Request::Append { .. }
                    | Request::Submit { .. }
                    | Request::Block { .. }
                    | Request::Create { .. }
                    | Request::Publish { .. }
                    | Request::Point { .. },
                ) => true,
                Some(_) => self.late_deletions,
            };
            if fallible && state.budget.lost > 0 {
                actions.push(step(Fault::Lost, 0));
            }
            if fallible && state.budget.twice > 0 {
                actions.push(step(Fault::Twice, 0));
            }
            if fallible && state.budget.late > 0 {
                actions.push(step(Fault::Late, 0));
                actions.push(step(Fault::LateAfterRead, 0));
            }
        }
        actions.extend((0..state.late.len()).map(|which| Action::Deliver { which }));
        let alone = state.processes.len() < 2 + self.commands;
        let budget = &state.budget;
        if budget.gc > 0 && alone && !state.unnamed(state.tail()).is_empty() {
            if self.mutant == Some(Mutant::GcWithoutEntry) {
                let unnamed = state.unnamed(state.tail()).into_iter();
                actions.extend(unnamed.map(|attempt| Action::DeleteUnnamed { attempt }));
            } else {
                actions.push(Action::Gc);
            }
        }
        if budget.rewind > 0 && alone && state.done > bit(2) {
            actions.push(Action::Rewind);
        }
        if budget.discard > 0 && alone && state.refused != [0; 2] {
            actions.push(Action::Discard {
                disposition: Disposition::Redo,
            });
            actions.push(Action::Discard {
                disposition: Disposition::Skip,
            });
        }
        if budget.skip > 0 && alone && state.refused[1] != 0 {
            actions.push(Action::Skip);
        }
        if budget.fix > 0 {
            let refused = (0..2).filter(|table| state.refused[*table] != 0);
            actions.extend(refused.map(|table| Action::Fix { table }));
        }
        if budget.clear > 0 && state.late.is_empty() && state.taken & !state.published != 0 {
            actions.push(Action::ClearTaken);
        }
        if budget.forget > 0 && state.tail() > state.forgotten + 1 && state.is_done(2) {
            actions.push(Action::Forget);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state;
        match action {
            Action::Step { who, fault, pick } => state = self.step(last, who, fault, pick)?,
            Action::Kill { who } => {
                state = last.clone();
                state.budget.kill -= 1;
                match state.processes[who].role {
                    Role::Run => state.processes[who] = self.run(),
                    _ => drop(state.processes.remove(who)),
                }
            }
            Action::NewRun { who } => {
                state = last.clone();
                state.processes[who] = self.run();
            }
            Action::Deliver { which } => {
                state = last.clone();
                let request = state.late.remove(which);
                self.execute(&mut state, &request);
            }
            Action::Rewind | Action::Gc | Action::Skip | Action::Discard { .. } => {
                state = last.clone();
                let (role, task) = match action {
                    Action::Rewind => (Role::Rewind, Task::Once),
                    Action::Gc => (Role::Gc, Task::Once),
                    Action::Skip => (
                        Role::Skip,
                        Task::Skip {
                            of: state.refused[1],
                            sink: "mart2".into(),
                        },
                    ),
                    Action::Discard { disposition } => (
                        Role::Discard,
                        Task::Discard {
                            of: state.refused[0].max(state.refused[1]),
                            disposition,
                        },
                    ),
                    _ => unreachable!("the arm names these"),
                };
                match role {
                    Role::Rewind => state.budget.rewind -= 1,
                    Role::Gc => state.budget.gc -= 1,
                    Role::Skip => state.budget.skip -= 1,
                    _ => state.budget.discard -= 1,
                }
                state.processes.push(Running {
                    role,
                    process: self.process(task),
                    inputs: 0,
                    dead: None,
                });
            }
            Action::Fix { table } => {
                state = last.clone();
                state.budget.fix -= 1;
                state.refused[table] = 0;
            }
            Action::ClearTaken => {
                state = last.clone();
                state.budget.clear -= 1;
                state.taken &= state.published;
            }
            Action::Forget => {
                state = last.clone();
                state.budget.forget -= 1;
                state.forgotten = state.tail() - 1;
            }
            Action::DeleteUnnamed { attempt } => {
                state = last.clone();
                state.budget.gc -= 1;
                state.staged &= !staged_bit(attempt);
            }
        }
        let state = self.representative(state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("right", |world: &Self, state: &State| {
            world.wrong(state).is_none()
        })]
    }
}
