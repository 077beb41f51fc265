//! States that are the same but for names.

use std::sync::Arc;

use transom_commit::{Act, Attempt, Head};

use super::{Request, Role, State, World};

impl World {
    /// One of the states that differ only in the numbers of attempts and the order of runners.
    pub(super) fn representative(&self, state: State) -> State {
        if self.mutant.is_some() {
            // Traces are for people.
            return state;
        }
        let mut state = state;
        state.late.sort();
        if state.processes.len() > 1
            && state.processes[1].role == Role::Run
            && state.processes[1] < state.processes[0]
        {
            state.processes.swap(0, 1);
        }
        let mut order: Vec<Attempt> = Vec::new();
        let see = |attempt: Attempt, order: &mut Vec<Attempt>| {
            if !order.contains(&attempt) {
                order.push(attempt);
            }
        };
        for head in &state.log {
            see(head.attempt, &mut order);
            if let Act::Gc { dead, .. } = &head.act {
                dead.iter().for_each(|attempt| see(*attempt, &mut order));
            }
        }
        for running in &mut state.processes {
            running
                .process
                .attempts_mut()
                .into_iter()
                .for_each(|attempt| see(*attempt, &mut order));
            running
                .dead
                .into_iter()
                .for_each(|attempt| see(attempt, &mut order));
        }
        for request in &state.late {
            if let Request::Append { head, .. } = request {
                see(head.attempt, &mut order);
                if let Act::Gc { dead, .. } = &head.act {
                    dead.iter().for_each(|attempt| see(*attempt, &mut order));
                }
            }
        }
        if state.budget.gc > 0
            || state
                .processes
                .iter()
                .any(|running| running.role == Role::Gc)
        {
            state
                .unnamed(state.tail())
                .into_iter()
                .for_each(|attempt| see(attempt, &mut order));
        }
        let number = |attempt: Attempt| {
            order
                .iter()
                .position(|each| *each == attempt)
                .map(|index| index as u8 + 1)
        };
        let staged = (1..=state.attempts)
            .filter(|old| state.staged & (1 << old) != 0)
            .filter_map(|old| number(Attempt::of(old.into())))
            .fold(0, |all, new| all | 1 << new);
        state.staged = staged;
        state.attempts = order.len() as u8;
        if order
            .iter()
            .enumerate()
            .all(|(index, attempt)| attempt.number() == index as u128 + 1)
        {
            return state;
        }
        let rename = |attempt: &mut Attempt| {
            *attempt = Attempt::of(number(*attempt).expect("it was seen").into());
        };
        let rename_head = |head: &mut Arc<Head>| {
            let head = Arc::make_mut(head);
            rename(&mut head.attempt);
            if let Act::Gc { dead, .. } = &mut head.act {
                dead.iter_mut().for_each(rename);
                dead.sort();
            }
            for sink in head.steps.iter_mut().chain(&mut head.after) {
                sink.position.attempt.iter_mut().for_each(rename);
            }
        };
        state.log.iter_mut().for_each(rename_head);
        for running in &mut state.processes {
            running.process.attempts_mut().into_iter().for_each(rename);
            running.dead.iter_mut().for_each(rename);
        }
        for request in &mut state.late {
            match request {
                Request::Append { head, .. } => rename_head(head),
                Request::Submit { claim, .. } => {
                    claim.from.attempt.iter_mut().for_each(rename);
                    claim.to.attempt.iter_mut().for_each(rename);
                }
                _ => {}
            }
        }
        for table in &mut state.tables {
            if let Some(ledger) = &mut table.ledger {
                ledger.position.attempt.iter_mut().for_each(rename);
            }
        }
        state.late.sort();
        state
    }
}
