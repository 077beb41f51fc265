//! What must hold.

use std::sync::atomic::Ordering;

use transom_commit::{Act, Next, Stop};

use super::{Fault, INPUTS, Running, State, World, bit};

impl World {
    /// What must never be seen.
    fn violation(&self, state: &State) -> Option<String> {
        let twice = |mut loaded: &mut dyn Iterator<Item = u8>| {
            let mut all = 0;
            (&mut loaded).find_map(|inputs| {
                let again = all & inputs;
                all |= inputs;
                (again != 0).then_some(again)
            })
        };
        let entries = |bits: u32| (1..=state.tail()).filter(move |seq| bits & bit(*seq) != 0);
        for (number, table) in state.tables.iter().enumerate() {
            if let Some(inputs) = twice(&mut table.rows.iter().map(|seq| state.loads(*seq))) {
                return Some(format!("warehouse {number} holds input {inputs:#b} twice"));
            }
            if let Some(seq) = table.rows.iter().find(|seq| state.is_discarded(**seq)) {
                return Some(format!(
                    "warehouse {number} holds rows of entry {seq}, which was discarded"
                ));
            }
        }
        let mut published = entries(state.published)
            .map(|seq| state.loads(seq))
            .chain(std::iter::once(state.zombie));
        if let Some(inputs) = twice(&mut published) {
            return Some(format!("the lake shows input {inputs:#b} twice"));
        }
        let last = state
            .log
            .iter()
            .rev()
            .find(|head| matches!(head.act, Act::Rewind { .. }) && state.is_done(head.seq));
        for seq in entries(state.published) {
            if state.is_discarded(seq) {
                return Some(format!("the lake shows entry {seq}, which was discarded"));
            }
            if last.is_some_and(|rewind| state.taken_back(rewind.seq).any(|head| head.seq == seq)) {
                return Some(format!(
                    "the lake shows entry {seq}, which a rewind took back"
                ));
            }
            if self.warehouses > 0 && state.refused[0] == seq {
                return Some(format!(
                    "the lake shows entry {seq}, which the warehouse refuses"
                ));
            }
        }
        None
    }

    /// What must hold when nothing is left to do, and nothing is on its way.
    fn violation_at_rest(&self, state: &State) -> Option<String> {
        if state
            .processes
            .iter()
            .any(|running| !running.process.is_at_rest())
            || !state.late.is_empty()
        {
            return None;
        }
        let stuck = state
            .processes
            .iter()
            .find_map(|running| stuck(state, running));
        if stuck.is_some()
            || state
                .processes
                .iter()
                .any(|running| state.is_refused(running))
        {
            return stuck;
        }
        if state.has_work() {
            self.violation_of_next_run(state)
        } else {
            self.violation_of_contents(state)
        }
    }

    /// One more run, alone and without a fault, must bring everything to where it belongs, whatever all others were
    /// doing when they stood still for ever.
    fn violation_of_next_run(&self, state: &State) -> Option<String> {
        let mut state = state.clone();
        let budget = state.budget;
        // What is refused from here on is not this run's matter.
        state.budget.refuse = [0; 2];
        let who = state.processes.len();
        state.processes.push(self.run());
        for _ in 0..100 {
            state = self.step(&state, who, Fault::None, 0)?;
            if let Some(wrong) = self.violation(&state) {
                return Some(wrong);
            }
            let running = &state.processes[who];
            if state.is_refused(running) {
                return None;
            }
            if running.process.is_at_rest() {
                return stuck(&state, running).or_else(|| self.violation_of_contents(&state));
            }
        }
        Some(format!("one more run never ends; {budget:?}"))
    }

    /// Whether all sinks hold what the log says.
    fn violation_of_contents(&self, state: &State) -> Option<String> {
        let wanted = INPUTS & !state.skipped();
        for (number, table) in state.tables.iter().enumerate() {
            let held = table
                .rows
                .iter()
                .fold(0, |all, seq| all | state.loads(*seq));
            let wanted = wanted & !table.skipped;
            if held != wanted {
                return Some(format!(
                    "at rest warehouse {number} holds inputs {held:#b} instead of {wanted:#b}"
                ));
            }
        }
        let shown = (1..=state.tail()).filter(|seq| state.published & bit(*seq) != 0);
        let shown = shown.fold(0, |all, seq| all | state.loads(seq));
        if self.files && shown != wanted {
            return Some(format!(
                "at rest the lake shows inputs {shown:#b} instead of {wanted:#b}"
            ));
        }
        if state.pointer != state.pointer_target() {
            let (at, target) = (state.pointer, state.pointer_target());
            return Some(format!(
                "at rest the pointer is at entry {at} instead of {target}"
            ));
        }
        (!state.is_done(state.tail())).then(|| "at rest the last entry is not applied".to_owned())
    }

    /// The first thing that is wrong with a state.
    pub(crate) fn wrong(&self, state: &State) -> Option<String> {
        self.violation(state)
            .or_else(|| self.violation_at_rest(state))
            .or_else(|| {
                // Some of the states: this is the dearest question.
                let sampled =
                    self.asked.fetch_add(1, Ordering::Relaxed) % self.sample == self.sample - 1;
                if sampled {
                    self.violation_of_next_run(state)
                } else {
                    None
                }
            })
    }
}

/// Why a process needs a person, other than for data that is refused.
fn stuck(state: &State, running: &Running) -> Option<String> {
    match running.process.next(state.view(running.process.known())) {
        Next::Stop(Stop::Refused { .. }) => None,
        Next::Stop(stop) => Some(format!("stuck: {stop}")),
        _ => None,
    }
}
