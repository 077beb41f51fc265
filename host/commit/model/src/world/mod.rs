//! The world around the processes: what requests do, and when they are carried out.

mod request;
mod right;
mod same;
mod search;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use transom_commit::{
    Act, Answer, Attempt, Disposition, Head, Ids, Ledger, LogId, Mutant, Next, Process, Reading,
    SinkKind, SinkName, Stop, Submission, Task, View, What,
};

use self::request::Request;

/// Two inputs, as bits.
const INPUTS: u8 = 0b11;

/// How often each fault happens, and how often a person acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Budget {
    /// A process is killed. Runners start again.
    pub kill: u8,
    /// A request is carried out, and its answer is lost.
    pub lost: u8,
    /// A request is carried out, and once more at any time later.
    pub twice: u8,
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
    Twice,
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

/// Attempts are counted. Submissions need no number where no load can meet another one's.
struct Counted<'a>(&'a mut u8, bool);

impl Ids for Counted<'_> {
    fn attempt(&mut self) -> Attempt {
        *self.0 += 1;
        Attempt::of((*self.0).into())
    }

    fn submission(&mut self) -> Submission {
        if self.1 {
            *self.0 += 1;
        }
        Submission(if self.1 { (*self.0).into() } else { 0 })
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
                            // What is kept is not in the model: it only refuses rewinds.
                            keeps: 0,
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
                    Fault::Twice => {
                        state.late.push(request.clone());
                        self.execute(&mut state, &request)
                    }
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
                    Fault::Twice => state.budget.twice -= 1,
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
        running.process.answer(
            state.view(tail),
            answer,
            &mut Counted(&mut attempts, self.mutant == Some(Mutant::ClaimStays)),
        );
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
            running.process.answer(
                state.view(tail),
                answer,
                &mut Counted(&mut attempts, self.mutant == Some(Mutant::ClaimStays)),
            );
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
                Stop::NoEntry { .. }
                    | Stop::Settled { .. }
                    | Stop::Taken { .. }
                    | Stop::NotASlice { .. }
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
        &mut Counted(&mut attempts, false),
    );
    process.answer(view, Answer::Nothing, &mut Counted(&mut attempts, false));
    process
}
