//! The world around the processes: what requests do, when they are carried out, and what must hold.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};
use transom_commit::{
    Act, Answer, Attempt, Claim, Disposition, Head, Ids, Ledger, LogId, Mutant, Next, Process,
    Reading, SinkKind, SinkName, Stop, Submission, Task, View, What,
};

/// Two inputs, as bits.
const INPUTS: u8 = 0b11;

/// How often each fault happens, and how often a person acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Budget {
    /// A process is killed. Runners start again.
    pub kill: u8,
    /// A request is carried out, and its answer is lost.
    pub lost: u8,
    /// A request times out, and is carried out at any time later, or never.
    pub late: u8,
    /// The gate (0) or the second warehouse (1) refuses a slice.
    pub refuse: [u8; 2],
    /// The cause of a refusal is fixed.
    pub fix: u8,
    /// A person rewinds.
    pub rewind: u8,
    /// A person discards the slice that is refused.
    pub discard: u8,
    /// A person moves the second warehouse past a slice that it refuses.
    pub skip: u8,
    /// A person has one attempt collected that no entry names.
    pub gc: u8,
    /// The empty files that a rewind left are deleted.
    pub clear: u8,
    /// All entries but the last are deleted.
    pub forget: u8,
}

/// A pipeline, and what may happen.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub warehouses: usize,
    pub files: bool,
    pub pointer: bool,
    /// A slice takes one new input, or all.
    pub several: bool,
    /// The log and the ledgers do not exist yet.
    pub bare: bool,
    pub rewind_to: u64,
    /// How many commands of people run at the same time.
    pub commands: usize,
    /// Deletions and notes may be late as well, and their answers lost.
    pub late_deletions: bool,
    pub budget: Budget,
    pub mutant: Option<Mutant>,
    /// Of this many states, one is asked whether one more run would bring all to its place.
    pub sample: u64,
    pub asked: Arc<AtomicU64>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            warehouses: 1,
            files: true,
            pointer: false,
            several: false,
            bare: false,
            rewind_to: 1,
            commands: 1,
            late_deletions: false,
            budget: Budget::default(),
            mutant: None,
            sample: 64,
            asked: Arc::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    log: Vec<Arc<Head>>,
    /// Of each entry: the inputs that it loads, as bits.
    inputs: Vec<u8>,
    /// The entries that sinks have in full, as bits.
    done: u32,
    tables: Vec<Table>,
    /// Attempts whose files are staged, as bits.
    staged: u32,
    /// Entries whose files are published, as bits.
    published: u32,
    /// Entries whose names are taken, by their files or by a rewind, as bits.
    taken: u32,
    pointer: u64,
    /// Requests that are still on their way.
    late: Vec<Request>,
    processes: Vec<Running>,
    attempts: u8,
    budget: Budget,
    /// The entries that the warehouses refuse at present.
    refused: [u64; 2],
    /// Entries up to here are deleted.
    forgotten: u64,
    /// Inputs that were published by an entry in the place of a deleted one.
    zombie: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Table {
    ledger: Option<Ledger>,
    /// Of the last load, if the guard can meet it again.
    submission: u128,
    /// The entries whose rows it holds, one for each time that they were loaded.
    rows: Vec<u64>,
    /// Inputs that it was moved past.
    skipped: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Running {
    role: Role,
    process: Process,
    /// The inputs of its attempt.
    inputs: u8,
    /// Of a gc: the attempt that is dead.
    dead: Option<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    Run,
    Rewind,
    Discard,
    Skip,
    Gc,
}

/// A request to a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Request {
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// A process does what it does next.
    Step {
        who: usize,
        fault: Fault,
        pick: u8,
    },
    Kill {
        who: usize,
    },
    NewRun {
        who: usize,
    },
    /// A late request is carried out.
    Deliver {
        which: usize,
    },
    Rewind,
    Discard {
        disposition: Disposition,
    },
    Skip,
    Gc,
    Fix {
        table: usize,
    },
    ClearTaken,
    Forget,
    /// Of a mutant: deletes without an entry.
    DeleteUnnamed {
        attempt: Attempt,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Lost,
    Late,
    LateAfterRead,
}

/// Most of the time of a search goes into this: what follows from the entries before is left out.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            log,
            inputs,
            done,
            tables,
            staged,
            published,
            taken,
            pointer,
            late,
            processes,
            attempts,
            budget,
            refused,
            forgotten,
            zombie,
        } = self;
        log.iter()
            .for_each(|head| (head.attempt.number(), &head.act).hash(hasher));
        late.iter().for_each(|request| match request {
            Request::Append { head, inputs } => {
                (head.seq, head.attempt.number(), &head.act, inputs).hash(hasher);
            }
            other => other.hash(hasher),
        });
        (
            inputs, done, tables, staged, published, taken, pointer, processes,
        )
            .hash(hasher);
        (late.len(), attempts, budget, refused, forgotten, zombie).hash(hasher);
    }
}

/// Attempts are counted; submissions need no number, since none is used twice.
struct Counted<'a>(&'a mut u8);

impl Ids for Counted<'_> {
    fn attempt(&mut self) -> Attempt {
        *self.0 += 1;
        Attempt::of((*self.0).into())
    }

    fn submission(&mut self) -> Submission {
        Submission(0)
    }
}

fn bit(seq: u64) -> u32 {
    1 << seq
}

fn staged_bit(attempt: Attempt) -> u32 {
    1 << u32::try_from(attempt.number()).expect("attempts are few")
}

fn log_id() -> LogId {
    LogId::of(1)
}

impl State {
    fn view(&self, tail: u64) -> View<'_> {
        View::new(
            log_id(),
            &self.log[..usize::try_from(tail).expect("few entries")],
        )
    }

    fn tail(&self) -> u64 {
        self.log.len() as u64
    }

    fn head(&self, seq: u64) -> &Head {
        &self.log[usize::try_from(seq - 1).expect("few entries")]
    }

    /// The inputs of an entry.
    fn loads(&self, seq: u64) -> u8 {
        self.inputs[usize::try_from(seq - 1).expect("few entries")]
    }

    fn is_done(&self, seq: u64) -> bool {
        self.done & bit(seq) != 0
    }

    /// The inputs that count as loaded after each entry.
    fn seen(&self, tail: u64) -> u8 {
        let mut seen = vec![0];
        for seq in 1..=tail {
            let now = match self.head(seq).act {
                Act::Slice => seen[seen.len() - 1] | self.loads(seq),
                Act::Rewind { to } => seen[usize::try_from(to).expect("few entries")],
                Act::Discard { of, disposition } => {
                    let of = usize::try_from(of).expect("few entries");
                    if disposition == Disposition::Redo {
                        seen[of - 1]
                    } else {
                        seen[of]
                    }
                }
                _ => seen[seen.len() - 1],
            };
            seen.push(now);
        }
        seen[seen.len() - 1]
    }

    /// The inputs that were given up.
    fn skipped(&self) -> u8 {
        let given_up = |head: &Arc<Head>| match head.act {
            Act::Discard {
                of,
                disposition: Disposition::Skip,
            } => self.loads(of),
            _ => 0,
        };
        self.log
            .iter()
            .map(given_up)
            .fold(0, |all, each| all | each)
    }

    fn is_discarded(&self, seq: u64) -> bool {
        self.log
            .iter()
            .any(|head| matches!(head.act, Act::Discard { of, .. } if of == seq))
    }

    /// The entries that a rewind takes back.
    fn taken_back(&self, rewind: u64) -> impl Iterator<Item = &Head> {
        let Act::Rewind { to } = self.head(rewind).act else {
            panic!("entry {rewind} is a rewind")
        };
        (to + 1..rewind)
            .map(|seq| self.head(seq))
            .filter(|head| head.act == Act::Slice)
    }

    fn pointer_target(&self) -> u64 {
        let sinks = self.view(self.tail()).sinks();
        sinks
            .iter()
            .find(|sink| sink.kind == SinkKind::Pointer)
            .map_or(0, |sink| sink.position.seq)
    }

    /// Whether a run that starts now has something to do.
    fn has_work(&self) -> bool {
        self.seen(self.tail()) != INPUTS
            || !self.is_done(self.tail())
            || self.pointer != self.pointer_target()
    }

    fn is_refused(&self, running: &Running) -> bool {
        matches!(
            running.process.next(self.view(running.process.known())),
            Next::Stop(Stop::Refused { .. })
        )
    }

    /// Whether a run that was refused may have better luck.
    fn may_retry(&self, running: &Running) -> bool {
        let known = running.process.known();
        let blocked = self.tables.iter().any(|table| {
            table
                .ledger
                .as_ref()
                .is_some_and(|ledger| ledger.blocked != 0)
        });
        !self.refused.contains(&known) || blocked || self.tail() != known
    }

    /// Attempts whose files are staged and which no entry names.
    fn unnamed(&self, tail: u64) -> Vec<Attempt> {
        let staged = (1..=self.attempts).map(|number| Attempt::of(number.into()));
        let named = |attempt: &Attempt| {
            self.log[..tail as usize]
                .iter()
                .any(|head| head.attempt == *attempt)
        };
        staged
            .filter(|attempt| self.staged & staged_bit(*attempt) != 0 && !named(attempt))
            .collect()
    }
}

impl World {
    fn sinks(&self) -> Vec<(SinkName, SinkKind)> {
        let mut sinks: Vec<(SinkName, SinkKind)> = (0..self.warehouses)
            .map(|table| {
                (
                    SinkName::from(["mart", "mart2"][table]),
                    SinkKind::Warehouse,
                )
            })
            .collect();
        if self.files {
            sinks.push((SinkName::from("lake"), SinkKind::Files));
        }
        if self.pointer {
            sinks.push((SinkName::from("table"), SinkKind::Pointer));
        }
        sinks
    }

    fn process(&self, task: Task) -> Process {
        Process::new(task).with_mutant(self.mutant)
    }

    fn run(&self) -> Running {
        Running {
            role: Role::Run,
            process: self.process(Task::Run),
            inputs: 0,
            dead: None,
        }
    }

    /// Carries out a request.
    fn execute(&self, state: &mut State, request: &Request) -> Answer {
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
                let Act::Gc { dead } = state.head(*seq).act.clone() else {
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

    /// What a process asks of a service; nothing if it only reads, or has ended.
    fn request(&self, state: &State, running: &Running) -> Option<Request> {
        let view = state.view(running.process.known());
        Some(match running.process.next(view) {
            Next::Append { attempt, what, .. } => {
                let act = match what {
                    What::Discard { of, disposition } => Act::Discard { of, disposition },
                    What::Open => Act::Open,
                    What::Planned => match running.role {
                        Role::Run => Act::Slice,
                        Role::Rewind => Act::Rewind { to: self.rewind_to },
                        Role::Gc => Act::Gc {
                            dead: running.dead.into_iter().collect(),
                        },
                        Role::Discard | Role::Skip => unreachable!("neither is planned"),
                    },
                };
                let inputs = if act == Act::Slice { running.inputs } else { 0 };
                let head = view
                    .extend(attempt, act, &self.sinks())
                    .expect("processes append what fits");
                Request::Append {
                    head: Arc::new(head),
                    inputs,
                }
            }
            Next::CreateLedger { step, .. } => Request::Create { table: step },
            Next::Submit {
                seq,
                step,
                claim,
                submission,
                skip,
            } => Request::Submit {
                table: self.table(state, seq, step),
                seq,
                claim,
                submission,
                skip,
            },
            Next::Block {
                seq,
                step,
                disposition,
            } => Request::Block {
                table: step,
                seq,
                disposition,
            },
            Next::Publish { seq, .. } => Request::Publish { seq },
            Next::DeleteStaged { seq, .. } => Request::DeleteStaged { seq },
            Next::Occupy { seq, .. } => Request::Occupy { seq },
            Next::WritePointer { to, .. } => Request::Point { to },
            Next::DeleteDead { seq } => Request::DeleteDead { seq },
            Next::Finish { seq, .. } => Request::Finish { seq },
            Next::CleanUp { attempt } => Request::CleanUp { attempt },
            Next::Look
            | Next::Plan
            | Next::Settle { .. }
            | Next::ReadPointer { .. }
            | Next::End
            | Next::Stop(_) => return None,
        })
    }

    /// Which table a step is; entries name all warehouses that they change, in one order.
    fn table(&self, state: &State, seq: u64, step: usize) -> usize {
        let name = &state.head(seq).steps[step].name;
        self.sinks()
            .iter()
            .position(|(sink, _)| sink == name)
            .expect("a sink of the pipeline")
    }

    /// A process does what it does next. `None` if that makes no difference to another choice.
    fn step(&self, state: &State, who: usize, fault: Fault, pick: u8) -> Option<State> {
        let mut state = state.clone();
        let running = state.processes[who].clone();
        let (answer, tail) = match self.request(&state, &running) {
            Some(request) => {
                let zombie =
                    matches!(&request, Request::Append { head, .. } if head.seq <= state.forgotten);
                let tail = running.process.known();
                let answer = match fault {
                    Fault::None | Fault::Lost => self.execute(&mut state, &request),
                    Fault::Late => {
                        state.late.push(request.clone());
                        Answer::Unclear
                    }
                    Fault::LateAfterRead => {
                        let Request::Publish { seq } = request else {
                            return None;
                        };
                        if state.staged & staged_bit(state.head(seq).attempt) == 0 {
                            return None;
                        }
                        state.late.push(Request::Land { seq });
                        Answer::Unclear
                    }
                };
                match fault {
                    Fault::None => {}
                    Fault::Lost => state.budget.lost -= 1,
                    Fault::Late | Fault::LateAfterRead => state.budget.late -= 1,
                }
                if zombie && answer == Answer::Carried {
                    state.processes[who] = self.run();
                    return Some(state);
                }
                let answer = if fault == Fault::Lost {
                    Answer::Unclear
                } else {
                    answer
                };
                let appended =
                    matches!(request, Request::Append { .. }) && answer == Answer::Carried;
                (answer, if appended { tail + 1 } else { tail })
            }
            None => match running.process.next(state.view(running.process.known())) {
                Next::Look => (
                    Answer::Log {
                        done: state.tail() == 0 || state.is_done(state.tail()),
                    },
                    state.tail(),
                ),
                Next::Settle { seq, step } => {
                    let table = self.table(&state, seq, step);
                    let ledger = state.tables[table].ledger.clone();
                    (
                        Answer::Ledger(ledger.map_or(Reading::Missing, Reading::Ledger)),
                        running.process.known(),
                    )
                }
                Next::ReadPointer { .. } => {
                    (Answer::Pointer(state.pointer), running.process.known())
                }
                _ => return None,
            },
        };
        let mut running = running;
        let mut attempts = state.attempts;
        running
            .process
            .answer(state.view(tail), answer, &mut Counted(&mut attempts));
        // Planning and staging touch nothing that others see.
        if running.process.next(state.view(tail)) == Next::Plan {
            let unseen = INPUTS & !state.seen(tail);
            let answer = match running.role {
                Role::Run if unseen == 0 => Answer::Nothing,
                Role::Run => {
                    let first = unseen & unseen.wrapping_neg();
                    if pick == 1 && first == unseen {
                        return None;
                    }
                    running.inputs = if pick == 1 { first } else { unseen };
                    attempts += 1;
                    let attempt = Attempt::of(attempts.into());
                    state.staged |= staged_bit(attempt);
                    Answer::Planned(attempt)
                }
                Role::Gc => {
                    running.dead = state.unnamed(tail).get(usize::from(pick)).copied();
                    match running.dead {
                        None if pick > 0 => return None,
                        None => Answer::Nothing,
                        Some(_) => {
                            attempts += 1;
                            Answer::Planned(Attempt::of(attempts.into()))
                        }
                    }
                }
                Role::Rewind | Role::Discard | Role::Skip => {
                    attempts += 1;
                    Answer::Planned(Attempt::of(attempts.into()))
                }
            };
            running
                .process
                .answer(state.view(tail), answer, &mut Counted(&mut attempts));
        } else if pick > 0 {
            return None;
        }
        state.attempts = attempts;
        // What a process will not look at any more tells no states apart.
        if running.process.is_beginning() {
            running.process = self.process(running.process.task().clone());
            (running.inputs, running.dead) = (0, None);
        }
        let settled = match running.process.next(state.view(tail)) {
            Next::End => true,
            Next::Stop(stop) => matches!(
                stop,
                Stop::Settled { .. } | Stop::Taken { .. } | Stop::NotASlice { .. }
            ),
            _ => false,
        };
        if settled && running.role != Role::Run {
            state.processes.remove(who);
        } else if settled {
            // One that has ended is as good as any other.
            state.processes[who] = Running {
                process: ended(self),
                ..self.run()
            };
        } else {
            state.processes[who] = running;
        }
        Some(state)
    }

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
    pub(super) fn wrong(&self, state: &State) -> Option<String> {
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

    /// One of the states that differ only in the numbers of attempts and the order of runners.
    fn representative(&self, state: State) -> State {
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
            if let Act::Gc { dead } = &head.act {
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
                if let Act::Gc { dead } = &head.act {
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
            if let Act::Gc { dead } = &mut head.act {
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

    /// What an action is, in words.
    pub(super) fn describe(&self, state: &State, action: &Action) -> String {
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
                    Some(Request::Append { head, inputs }) => {
                        let Head {
                            seq, attempt, act, ..
                        } = &*head;
                        let _ = write!(
                            text,
                            ": append {seq}: {act:?}, attempt {}",
                            attempt.number()
                        );
                        if inputs != 0 {
                            let _ = write!(text, ", inputs {inputs:#b}");
                        }
                    }
                    Some(Request::Submit {
                        table, seq, claim, ..
                    }) => {
                        let _ = write!(
                            text,
                            ": load entry {seq} into warehouse {table}, from {}",
                            claim.from.seq
                        );
                    }
                    Some(request) => {
                        let _ = write!(text, ": {request:?}");
                    }
                    None => {
                        let next = running.process.next(state.view(running.process.known()));
                        let _ = write!(text, ": {next:?}");
                    }
                }
                text + match fault {
                    Fault::None => "",
                    Fault::Lost => " -- carried out, the answer is lost",
                    Fault::Late => " -- times out, and is on its way",
                    Fault::LateAfterRead => {
                        " -- times out after it has read its source, and is on its way"
                    }
                }
            }
            Action::Kill { who: index } => format!("{} is killed", who(index)),
            Action::NewRun { who: index } => format!("{} starts again", who(index)),
            Action::Deliver { which } => format!("carried out late: {:?}", state.late[*which]),
            action => format!("{action:?}"),
        }
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

/// A run that has nothing left to do.
fn ended(world: &World) -> Process {
    let mut process = world.process(Task::Run);
    let open = View::new(log_id(), &[])
        .extend(Attempt::of(0), Act::Open, &[])
        .expect("a log begins so");
    let log = [Arc::new(open)];
    let view = View::new(log_id(), &log);
    let mut attempts = 0;
    process.answer(
        view,
        Answer::Log { done: true },
        &mut Counted(&mut attempts),
    );
    process.answer(view, Answer::Nothing, &mut Counted(&mut attempts));
    process
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
