//! Anything in any order: files that come, change and are late, kills, freezes, rivals, rewinds. In the end the tables are what the
//! pipeline gives over all files.
//!
//! `TRANSOM_MANY` says how many rounds there are in `just chaos`, `TRANSOM_SEED` with which it begins; a round that fails names its seed.

use transom_pipeline::slices::Command;

use crate::world::{EVERYWHERE, Kind, World, resume, wait_until_stopped};

/// Rounds in a test run: one for each kind of table in each place.
const ROUNDS: u64 = EVERYWHERE.len() as u64;
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

/// Where a run can be killed or frozen; each is passed by one kind of sink at least.
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

struct Round {
    world: World,
    kind: Kind,
    chance: Chance,
    files: u64,
    /// What was done, for who looks for a mistake.
    told: Vec<String>,
}

impl Round {
    async fn new(seed: u64) -> Self {
        let (kind, at) = EVERYWHERE[usize::try_from(seed).unwrap() % EVERYWHERE.len()];
        Self {
            world: World::new(kind, at).await,
            kind,
            chance: Chance(seed),
            files: 0,
            told: vec![format!("{kind:?} {at:?}")],
        }
    }

    fn fault(&mut self) -> String {
        let point = POINTS[usize::try_from(self.chance.below(POINTS.len() as u64)).unwrap()];
        format!("{point}:{}", self.chance.below(3))
    }

    fn new_file(&mut self) {
        self.files += 1;
        let day = 1 + self.chance.below(4);
        let name = format!("day=2024-01-0{day}/{:03}.csv", self.files);
        let amount = i64::try_from(self.chance.below(100)).unwrap();
        self.told.push(format!("file {name} {amount}"));
        self.world.add(&name, &[("a", amount), ("b", 1)]);
    }

    async fn run(&mut self) {
        if let Err(failure) = self.world.run().await {
            let kind = failure.error.kind();
            self.told.push(format!("a run ends with {}", failure.error));
            assert_eq!(
                kind,
                transom_pipeline::ErrorKind::Retryable,
                "{:#?}",
                self.told
            );
        }
    }

    async fn rewind(&mut self) {
        let tail = self.world.job().history(0).await.unwrap().tail;
        let to = self.chance.below(tail + 1);
        self.told.push(format!("rewind to {to}"));
        // An entry that was taken back is no place to go back to.
        if let Err(error) = self.world.ask(Command::Rewind { to }).await {
            self.told.push(format!("refused: {error}"));
        }
    }

    async fn step(&mut self) {
        match self.chance.below(10) {
            0..=2 => self.new_file(),
            3 => {
                self.told.push("run".to_owned());
                self.run().await;
            }
            4 | 5 => {
                self.new_file();
                let fault = self.fault();
                self.told.push(format!("kill at {fault}"));
                self.world.killed(&fault);
            }
            6 => {
                self.new_file();
                let fault = self.fault();
                self.told.push(format!("freeze at {fault}"));
                let mut frozen = self.world.spawn(&format!("{fault}:stop"));
                let is_frozen = wait_until_stopped(&mut frozen);
                self.new_file();
                self.run().await;
                if self.chance.below(2) == 0 {
                    self.rewind().await;
                }
                if self.chance.below(2) == 0 {
                    self.told.push("gc meanwhile".to_owned());
                    self.world.job().gc(&crate::gc::ALL).await.unwrap();
                }
                if is_frozen {
                    resume(&frozen);
                }
                frozen.wait().unwrap();
            }
            7 => {
                self.new_file();
                self.told.push("two runs at once".to_owned());
                let outcomes = tokio::join!(self.world.run(), self.world.run());
                for outcome in [outcomes.0, outcomes.1] {
                    if let Err(failure) = outcome {
                        let kind = failure.error.kind();
                        assert_eq!(
                            kind,
                            transom_pipeline::ErrorKind::Retryable,
                            "{:#?}",
                            failure.error
                        );
                    }
                }
            }
            8 => {
                self.told.push("gc".to_owned());
                self.world.job().gc(&crate::gc::ALL).await.unwrap();
            }
            _ => self.rewind().await,
        }
    }
}

async fn round(seed: u64) {
    let mut round = Round::new(seed).await;
    for _ in 0..STEPS {
        round.step().await;
    }
    round.run().await;
    round.run().await;
    let told = round.told.join("\n");
    assert_eq!(
        round.world.rows().await,
        round.world.expected(),
        "seed {seed} {:?}:\n{told}",
        round.kind
    );
    round.world.check(&format!("seed {seed}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_in_any_order() {
    for seed in 0..ROUNDS {
        round(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: minutes"]
async fn anything_in_any_order_many_times() {
    let number = |name: &str, default: u64| {
        let told = std::env::var(name).ok();
        told.map_or(default, |told| told.parse().expect("a number"))
    };
    let from = number("TRANSOM_SEED", ROUNDS);
    for seed in from..from + number("TRANSOM_MANY", 50) {
        round(seed).await;
    }
}
