//! Anything in any order: files that come, change and are late, kills, freezes, rivals, rewinds, backfills, collections, slices that wait
//! or are given up, answers that are lost, requests that are carried out late, a server that is killed. In the end the tables are what the
//! pipeline gives over all files, and nothing is left that no document names.
//!
//! `TRANSOM_MANY` says how many rounds there are in `just chaos`, `TRANSOM_SEED` with which it begins; a round that fails names its seed.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

use hyper::Method;
use tokio::runtime::Runtime;
use transom_pipeline::slices::{BackfillOptions, Command, SliceOptions};
use transom_pipeline::{Error, ErrorKind};
use transom_tests::proxy::{Fault, Proxy};

use crate::census;
use crate::world::{At, EVERYWHERE, Kind, MORE, Silent, Task, World, resume, wait_until_stopped};

/// Rounds in a test run: one for each kind of table in each place.
const ROUNDS: u64 = EVERYWHERE.len() as u64;
/// Those and all others; then again, with a server in a process of its own.
const ALL_ROUNDS: u64 = ROUNDS + MORE.len() as u64;
const STEPS: u64 = 12;

/// Small, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (value ^ (value >> 31)) % end
    }
}

/// Where a process that loads can be killed or frozen; each is passed by one kind of sink at least.
const POINTS: [&str; 18] = [
    "log.listed",
    "plan.made",
    "attempt.file_open",
    "attempt.file_done",
    "attempt.staged",
    "entry.put_before",
    "entry.put_after",
    "lake.copy_before",
    "lake.copied_one",
    "lake.copied_all",
    "catalog.pointer_read",
    "catalog.pointer_written",
    "redshift.submit_before",
    "redshift.submit_after",
    "redshift.finished",
    "gate.applied",
    "done.put_before",
    "done.put_after",
];

/// Where one that rewinds can be, beside those.
const OF_REWINDS: [&str; 3] = [
    "rewind.entry_after",
    "rewind.ledger_after",
    "rewind.keys_half",
];

/// Where one that collects can be, beside those.
const OF_GCS: [&str; 2] = ["gc.entry_after", "gc.deleted_half"];

/// Where one that computes a share can be, beside those.
const OF_SHARES: [&str; 1] = ["backfill.result_put"];

/// Requests that change something.
fn changes(method: &Method, asked: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => false,
        Method::POST => ["?delete", "upload", "ExecuteStatement"]
            .iter()
            .any(|what| asked.contains(what)),
        _ => true,
    }
}

struct Round {
    world: World,
    kind: Kind,
    at: At,
    /// The server can be killed.
    is_apart: bool,
    chance: Chance,
    files: u64,
    /// Requests that are not carried out yet.
    late: Vec<Arc<Proxy>>,
    /// What was done, for who looks for a mistake.
    told: Vec<String>,
}

impl Round {
    async fn new(seed: u64) -> Self {
        let which = usize::try_from(seed % ALL_ROUNDS).unwrap();
        let (kind, at) = [&EVERYWHERE[..], &MORE].concat()[which];
        let is_apart = at != At::Folder && (seed / ALL_ROUNDS) % 2 == 1;
        Self {
            world: match is_apart {
                true => World::beside_a_server(kind, at).await,
                false => World::new(kind, at).await,
            },
            kind,
            at,
            is_apart,
            chance: Chance(seed),
            files: 0,
            late: Vec::new(),
            told: vec![format!("{kind:?} {at:?}, server apart: {is_apart}")],
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.chance.below(from.len() as u64)).unwrap()]
    }

    fn new_file(&mut self) {
        self.files += 1;
        let day = 1 + self.chance.below(4);
        let name = format!("day=2024-01-0{day}/{:03}.csv", self.files);
        let amount = i64::try_from(self.chance.below(100)).unwrap();
        self.tell(format!("file {name} {amount}"));
        self.world.add(&name, &[("a", amount), ("b", 1)]);
    }

    /// A file is written anew, where that is no mistake.
    async fn change_file(&mut self) {
        let is_open = self.world.job().open_backfill().await.unwrap().is_some();
        if is_open || !matches!(self.kind, Kind::Days | Kind::Whole) {
            return;
        }
        let names: Vec<String> = self.world.files.keys().cloned().collect();
        let name = &names[usize::try_from(self.chance.below(names.len() as u64)).unwrap()];
        let amount = i64::try_from(self.chance.below(100)).unwrap();
        self.tell(format!("file {name} is {amount} now"));
        self.world.add(name, &[("a", amount), ("c", 1)]);
    }

    /// A slice is staged, and loaded some time later, or not.
    async fn stage_and_load(&mut self) {
        self.new_file();
        self.tell("a slice waits");
        let options = SliceOptions {
            stage_only: true,
            ..SliceOptions::default()
        };
        let attempt = match self.world.job().run_slices(&options, &Silent).await {
            Ok(report) => report.staged.map(|staged| staged.attempt),
            Err(failure) => return self.ended("a run that stages", &failure.error),
        };
        match self.chance.below(4) {
            0 => self.run().await,
            1 => self.gc().await,
            _ => {}
        }
        // What came since may be in its place.
        if let Some(attempt) = attempt
            && let Err(error) = self.world.ask(Command::Load { attempt }).await
        {
            self.tell(format!("not loaded: {error}"));
        }
    }

    /// A slice that the warehouse does not take is given up.
    async fn discard(&mut self) {
        // The table is there, and nothing waits to be finished.
        self.run().await;
        let history = self.world.job().history(0).await.unwrap();
        if history.backfill.is_some() || !history.done || history.sinks.is_empty() {
            return;
        }
        self.new_file();
        self.tell("a discard");
        let of = self.world.decide_in_vain().await;
        let discard = Command::Discard { of, redo: true };
        if let Err(error) = self.world.ask(discard).await {
            self.tell(format!("not discarded: {error}"));
        }
    }

    /// The answer to a request that changes something is lost.
    async fn lose_an_answer(&mut self) {
        self.new_file();
        let passing = usize::try_from(self.chance.below(16)).unwrap();
        self.tell(format!("answer {passing} is lost"));
        let endpoint = self.world.endpoint();
        let starting = Proxy::start_after(endpoint, Fault::AnswerLost, changes, passing, 1);
        let (address, _proxy) = starting.await;
        let job = self.world.job_through(&address);
        let ran = job.run_slices(&SliceOptions::default(), &Silent).await;
        if let Err(failure) = ran {
            self.ended("a run whose answer is lost", &failure.error);
        }
    }

    /// The server dies in the middle of something.
    async fn kill_the_server(&mut self) {
        self.new_file();
        let wait = 30 + self.chance.below(400);
        self.tell(format!("the server is killed after {wait} ms"));
        let mut run = self.world.spawn("");
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        self.world.kill_server().await;
        // It tries again for a while, or says that the server is away.
        run.wait().unwrap();
    }

    /// A process may be overtaken, and then says that trying again helps.
    fn ended(&mut self, what: &str, error: &Error) {
        self.tell(format!("{what} ends with {error}"));
        assert_eq!(error.kind(), ErrorKind::Retryable, "{:#?}", self.told);
    }

    async fn run(&mut self) {
        let options = SliceOptions {
            compute_shares: self.chance.below(2) == 0,
            ..SliceOptions::default()
        };
        let ran = self.world.job().run_slices(&options, &Silent).await;
        if let Err(failure) = ran {
            self.ended("a run", &failure.error);
        }
    }

    async fn tail(&self) -> u64 {
        self.world.job().history(0).await.unwrap().tail
    }

    async fn rewind(&mut self) {
        let tail = self.tail().await;
        let to = self.chance.below(tail + 1);
        self.tell(format!("rewind to {to}"));
        // An entry that was taken back is no place to go back to.
        if let Err(error) = self.world.ask(Command::Rewind { to }).await {
            self.tell(format!("refused: {error}"));
        }
    }

    async fn gc(&mut self) {
        self.tell("gc");
        self.world.job().gc(&crate::gc::ALL).await.unwrap();
    }

    /// Opens a backfill, or goes on with the open one.
    async fn backfill(&mut self) {
        if self.kind == Kind::Whole {
            return self.run().await;
        }
        let Some(open) = self.world.job().open_backfill().await.unwrap() else {
            let again = self.kind == Kind::Days && self.chance.below(2) == 0;
            let day = |day: u64| again.then(|| format!("2024-01-0{day}"));
            let options = BackfillOptions {
                from: day(1),
                to: day(1 + self.chance.below(4)),
                shares: Some(1 + u32::try_from(self.chance.below(4)).unwrap()),
            };
            self.tell(format!("plan {options:?}"));
            if let Err(error) = self.world.job().plan_backfill(&options, &Silent).await {
                self.ended("a plan", &error);
            }
            return;
        };
        match self.chance.below(5) {
            0 => {
                self.tell("end of the backfill");
                self.world.ask(Command::EndBackfill).await.unwrap();
            }
            1 => {
                self.tell("a run of all shares");
                self.run().await;
            }
            _ => {
                let share = u32::try_from(self.chance.below(open.shares.into())).unwrap();
                self.tell(format!("share {share}"));
                let staged = self.world.job().stage_share(share, &Silent).await;
                if let Err(failure) = staged {
                    self.ended("a share", &failure.error);
                }
            }
        }
    }

    /// What a process does that is to be killed or frozen, and where.
    async fn victim(&mut self) -> (Task, String) {
        let open = self.world.job().open_backfill().await.unwrap();
        let (task, own): (Task, &[&str]) = match (self.chance.below(8), open) {
            (0, _) => (Task::Gc, &OF_GCS),
            (1, _) => {
                let tail = self.tail().await;
                (Task::Rewind(self.chance.below(tail + 1)), &OF_REWINDS)
            }
            (2..=4, Some(open)) => {
                let share = self.chance.below(open.shares.into());
                (Task::Share(u32::try_from(share).unwrap()), &OF_SHARES)
            }
            (_, Some(_)) => (Task::Batch, &OF_SHARES),
            _ => (Task::Run, &[]),
        };
        let point = match !own.is_empty() && self.chance.below(2) == 0 {
            true => self.pick(own),
            false => self.pick(&POINTS),
        };
        let fault = format!("{point}:{}", self.chance.below(3));
        (task, fault)
    }

    /// A process makes a request that is carried out some time later, and is killed.
    async fn delay(&mut self) {
        let (task, _) = self.victim().await;
        let passing = usize::try_from(self.chance.below(16)).unwrap();
        let endpoint = self.world.endpoint();
        let starting = Proxy::start_after(endpoint, Fault::Kept, changes, passing, 1);
        let (address, proxy) = starting.await;
        let mut process = self.world.spawn_through(task.clone(), &address);
        while proxy.kept().is_empty() && process.try_wait().unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.tell(format!(
            "{task:?}: request {passing} is late: {:?}",
            proxy.kept()
        ));
        process.kill().unwrap();
        process.wait().unwrap();
        self.late.push(proxy);
    }

    /// Carries out what is late.
    async fn catch_up(&mut self) {
        for proxy in std::mem::take(&mut self.late) {
            let answers = proxy.carry_out().await;
            self.tell(format!("a late request is answered {answers:?}"));
        }
    }

    async fn step(&mut self) {
        if !self.late.is_empty() && self.chance.below(3) == 0 {
            self.catch_up().await;
        }
        match self.chance.below(20) {
            0..=2 => self.new_file(),
            3 => {
                self.tell("run");
                self.run().await;
            }
            4 | 5 => {
                self.new_file();
                let (task, fault) = self.victim().await;
                self.tell(format!("kill {task:?} at {fault}"));
                self.world.killed_task(task, &fault);
            }
            6 => self.freeze().await,
            7 => {
                self.new_file();
                self.tell("two runs at once");
                let outcomes = tokio::join!(self.world.run(), self.world.run());
                for outcome in [outcomes.0, outcomes.1] {
                    if let Err(failure) = outcome {
                        self.ended("one of two runs", &failure.error);
                    }
                }
            }
            8 => self.gc().await,
            9 | 10 => self.backfill().await,
            11 | 12 if self.at != At::Folder => {
                self.new_file();
                self.delay().await;
            }
            13 | 14 => self.change_file().await,
            15 => self.stage_and_load().await,
            16 if matches!(self.at, At::Redshift | At::Both | At::Two) => self.discard().await,
            17 if self.at != At::Folder => self.lose_an_answer().await,
            18 if self.is_apart => self.kill_the_server().await,
            _ => self.rewind().await,
        }
    }

    /// A process sleeps while others go on.
    async fn freeze(&mut self) {
        self.new_file();
        let (task, fault) = self.victim().await;
        self.tell(format!("freeze {task:?} at {fault}"));
        let mut frozen = self.world.spawn_task(task, &format!("{fault}:stop"));
        let is_frozen = wait_until_stopped(&mut frozen);
        self.new_file();
        self.run().await;
        if self.chance.below(2) == 0 {
            self.rewind().await;
        }
        if self.chance.below(2) == 0 {
            self.gc().await;
        }
        if self.chance.below(3) == 0 {
            self.backfill().await;
        }
        if is_frozen {
            resume(&frozen);
        }
        frozen.wait().unwrap();
    }
}

async fn round(seed: u64) {
    let mut round = Round::new(seed).await;
    for _ in 0..STEPS {
        round.step().await;
    }
    round.catch_up().await;
    let everything = SliceOptions {
        compute_shares: true,
        ..SliceOptions::default()
    };
    for _ in 0..2 {
        let ran = round.world.job().run_slices(&everything, &Silent).await;
        if let Err(failure) = ran {
            round.ended("the last run", &failure.error);
        }
    }
    let told = round.told.join("\n");
    let (kind, at) = (round.kind, round.at);
    let when = format!("seed {seed} {kind:?} {at:?}:\n{told}");
    assert_eq!(round.world.rows().await, round.world.expected(), "{when}");
    round.world.check(&when).await;
    // What is left is what the log names, and it is enough to go back.
    let gc = round.world.job().gc(&crate::gc::ALL).await.unwrap();
    census::agrees(&round.world, &when).await;
    if round.chance.below(4) == 0 {
        let to = gc.keeps;
        if round.world.ask(Command::Rewind { to }).await.is_ok() {
            round.world.run().await.unwrap();
            round.world.check(&when).await;
        }
    }
}

/// Two rounds at a time: each waits for its processes most of the time.
fn rounds(seeds: Range<u64>) {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap().next();
    let in_turn = || {
        let runtime = Runtime::new().unwrap();
        while let Some(seed) = next() {
            runtime.block_on(round(seed));
        }
    };
    thread::scope(|scope| {
        scope.spawn(in_turn);
        scope.spawn(in_turn);
    });
}

#[test]
fn anything_in_any_order() {
    rounds(0..ROUNDS);
}

#[test]
#[ignore = "slow: minutes"]
fn anything_in_any_order_many_times() {
    let number = |name: &str, default: u64| {
        let told = std::env::var(name).ok();
        told.map_or(default, |told| told.parse().expect("a number"))
    };
    let from = number("TRANSOM_SEED", ROUNDS);
    rounds(from..from + number("TRANSOM_MANY", 50));
}
