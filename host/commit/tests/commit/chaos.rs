//! Many runs at once, by chance: killed, frozen, with requests that are lost or late, with rewinds, gcs and discards.
//!
//! What the model proves of decisions is tried here with the runner that carries them out. `TRANSOM_MANY` says how many
//! rounds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use transom_commit::{
    Act, Decision, Disposition, Draft, Mutant, Patience, Report, RunError, Runner, Stop, Store,
    StoredLog, Task, keys,
};

use crate::services::{Chance, FaultyStore, INPUTS, Numbers, Plan, Services, by, numbers};

/// A future that is polled so often, and then dropped: a process that is killed.
struct Killed<F> {
    work: Pin<Box<F>>,
    polls: u64,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}

/// A future that is not polled for a while, after so many polls: a process that is frozen and thawed.
struct Frozen<F> {
    work: Pin<Box<F>>,
    polls: u64,
    frozen: u64,
}

impl<F: Future> Future for Frozen<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 && self.frozen > 0 {
            self.frozen -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.polls = self.polls.saturating_sub(1);
        self.work.as_mut().poll(context)
    }
}

async fn process(
    services: Services,
    seed: u64,
    plan: Plan,
    task: Task,
    faulty: bool,
) -> Result<Report, RunError> {
    let patience = Patience {
        tries: 12,
        pause: Duration::ZERO,
    };
    let store: Box<dyn Store> = if faulty {
        Box::new(FaultyStore(services.clone()))
    } else {
        Box::new(services.store.clone())
    };
    let mut numbers = Numbers::new(&services, seed, plan);
    let runner = Runner::new(&*store, &mut numbers, by(), task, None).await?;
    runner
        .with_patience(patience)
        .with_mutant(services.mutant)
        .run()
        .await
}

/// One machine: runs and commands one after the other, most of which are interrupted.
async fn machine(services: Services, seed: u64) {
    let mut chance = Chance::new(seed);
    for _ in 0..8 {
        let tail = services.store.list(keys::LOG, None).await.unwrap().len() as u64;
        let (plan, task) = match chance.below(12) {
            0 if tail > 1 => (
                Plan::Entry(Draft::Rewind {
                    to: 1 + chance.below(tail - 1),
                }),
                Task::Once,
            ),
            1 if tail > 0 => (Plan::Gc, Task::Once),
            2 | 3 if tail > 1 => {
                let disposition = [Disposition::Redo, Disposition::Skip][chance.below(2) as usize];
                (
                    Plan::Slices,
                    Task::Discard {
                        of: tail,
                        disposition,
                    },
                )
            }
            4 => {
                let number = chance.below(u64::from(INPUTS)) as u8;
                services.world().refused[chance.below(2) as usize] = Some(number);
                (Plan::Slices, Task::Run)
            }
            5 | 6 => {
                services.world().refused = [None; 2];
                (Plan::Slices, Task::Run)
            }
            _ => (Plan::Slices, Task::Run),
        };
        let work = Box::pin(process(
            services.clone(),
            chance.below(1 << 40),
            plan,
            task,
            true,
        ));
        let polls = chance.below(150);
        let outcome = match chance.below(3) {
            0 => Killed { work, polls }.await,
            1 => Some(
                Frozen {
                    work,
                    polls,
                    frozen: chance.below(400),
                }
                .await,
            ),
            _ => Some(work.await),
        };
        let stop = match outcome {
            Some(Err(RunError::Stopped(stop, _))) => *stop,
            _ => continue,
        };
        let allowed = matches!(
            stop,
            Stop::Refused { .. }
                | Stop::NoEntry { .. }
                | Stop::Settled { .. }
                | Stop::Taken { .. }
                | Stop::NotASlice { .. }
        );
        assert!(allowed, "{stop}");
    }
}

/// What is wrong after a round of chaos and one more run in peace.
async fn round(seed: u64, mutant: Option<Mutant>) -> Option<String> {
    let mut services = Services::new(seed, Some(30));
    services.mutant = mutant;
    let machines = (0..3).map(|number| tokio::spawn(machine(services.clone(), seed * 10 + number)));
    for machine in machines.collect::<Vec<_>>() {
        if let Err(error) = machine.await {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            return Some(text.unwrap_or_else(|| "a machine stopped".to_owned()));
        }
    }
    // All that is late has its time.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    services.world().faults = None;
    services.world().refused = [None; 2];
    if let Err(error) = process(services.clone(), seed, Plan::Slices, Task::Run, false).await {
        return Some(error.to_string());
    }
    let mut log = StoredLog::open(&services.store, None).await.unwrap();
    if let Err(error) = log.reach(1).await {
        return Some(error.to_string());
    }
    let tail = log.log().tail();
    if (1..=tail).any(|seq| log.log().get(seq).is_none()) {
        return Some("an entry is missing".to_owned());
    }
    for seq in 1..=tail {
        let next = log.log().get(seq + 1).map(|entry| entry.head().act);
        let discarded = matches!(next, Some(Act::Discard { .. }));
        if log.is_done(seq).await.unwrap() == discarded {
            return Some(format!(
                "entry {seq} of {tail}: done is not what it should be"
            ));
        }
    }
    // Each number is in one slice that is in force, or was given up in one.
    let state = log.log().state();
    let in_force = |seq: u64| {
        (seq + 1..=tail).all(|later| match log.log().get(later).unwrap().decision {
            Decision::Rewind { to, .. } => to >= seq,
            _ => true,
        })
    };
    let (mut expected, mut skipped, mut version) = (Vec::new(), Vec::new(), Vec::new());
    for seq in (1..=tail).filter(|seq| in_force(*seq)) {
        let entry = log.log().get(seq).unwrap();
        let (Some(part), Some(table)) = (entry.part(&"mart".into()), entry.part(&"table".into()))
        else {
            continue;
        };
        match log.log().get(seq + 1).map(|next| &next.decision) {
            Some(Decision::Discard {
                disposition: Disposition::Redo,
                ..
            }) => {}
            Some(Decision::Discard { .. }) => skipped.extend(numbers(&part.staged)),
            _ => {
                expected.extend(numbers(&part.staged));
                version = numbers(&table.staged);
            }
        }
    }
    expected.sort_unstable();
    let mut all = [&expected[..], &skipped[..]].concat();
    all.sort_unstable();
    if all != (0..INPUTS).collect::<Vec<u8>>() {
        return Some(format!("the log loads {expected:?} and skips {skipped:?}"));
    }
    let pointer = state
        .sinks
        .iter()
        .find(|sink| sink.name == "table".into())
        .map_or(0, |sink| sink.position.seq);
    services.wrong(&expected, &version, pointer)
}

#[tokio::test]
async fn whatever_happens_every_number_is_loaded_once() {
    let rounds = std::env::var("TRANSOM_MANY").map_or(200, |rounds| rounds.parse().unwrap());
    for seed in 0..rounds {
        if let Some(wrong) = round(seed, None).await {
            panic!("round {seed}: {wrong}");
        }
    }
}

#[tokio::test]
async fn rules_that_are_left_out_are_noticed() {
    let mutants = [
        Mutant::NonceGuard,
        Mutant::DoneBeforeFiles,
        Mutant::NextBeforeApplied,
        Mutant::LoserCleansUp,
        Mutant::DiscardWithoutBlock,
        Mutant::BlockElsewhere,
        Mutant::RewindDeletes,
        Mutant::PointerUnchecked,
    ];
    for mutant in mutants {
        let mut found = None;
        for seed in 0..2000 {
            found = round(seed, Some(mutant)).await.map(|wrong| (seed, wrong));
            if found.is_some() {
                break;
            }
        }
        let (seed, wrong) = found.unwrap_or_else(|| panic!("{mutant:?} was not noticed"));
        println!("{mutant:?}, round {seed}: {wrong}");
    }
}
