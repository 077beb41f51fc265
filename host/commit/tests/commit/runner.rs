//! The runner, one situation at a time.

use std::time::Duration;

use transom_commit::{
    Attempt, Disposition, Done, Draft, MemoryStore, Patience, Report, RunError, Runner, Stop,
    Store, StoredLog, Task, keys,
};

use crate::services::{FaultyStore, INPUTS, Numbers, Plan, Services, by, loaded};

const PATIENCE: Patience = Patience {
    tries: 3,
    pause: Duration::ZERO,
};

async fn run(services: &Services, plan: Plan, task: Task) -> Result<Report, RunError> {
    let mut numbers = Numbers::new(services, 1, plan);
    let runner = Runner::new(&services.store, &mut numbers, by(), task, None).await?;
    runner.with_patience(PATIENCE).run().await
}

async fn slices(services: &Services) -> Result<Report, RunError> {
    run(services, Plan::Slices, Task::Run).await
}

async fn log(store: &MemoryStore) -> StoredLog<'_> {
    StoredLog::open(store, None).await.unwrap()
}

fn all() -> Vec<u8> {
    (0..INPUTS).collect()
}

fn stop(outcome: Result<Report, RunError>) -> Stop {
    match outcome {
        Err(RunError::Stopped(stop, _)) => *stop,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_loads_everything_and_the_next_one_nothing() {
    let services = Services::new(1, None);
    let report = slices(&services).await.unwrap();
    let tail = report.appended.len() as u64;
    assert_eq!(report.appended, (1..=tail).collect::<Vec<u64>>());
    assert_eq!(report.applied, report.appended);
    assert_eq!(services.wrong(&all(), &all(), tail), None);
    assert_eq!(slices(&services).await.unwrap(), Report::default());
}

#[tokio::test]
async fn a_rewind_takes_back_what_came_since_and_a_run_loads_it_again() {
    let services = Services::new(1, None);
    let tail = slices(&services).await.unwrap().appended.len() as u64;
    let report = run(&services, Plan::Entry(Draft::Rewind { to: 2 }), Task::Once)
        .await
        .unwrap();
    assert_eq!(
        report,
        Report {
            appended: vec![tail + 1],
            applied: vec![tail + 1]
        }
    );
    let log = log(&services.store).await;
    let kept: Vec<u8> = loaded(&log.log().state().sources).into_iter().collect();
    assert!(!kept.is_empty() && kept.len() < all().len());
    assert_eq!(services.wrong(&kept, &kept, tail + 1), None);
    let tail = tail + 1 + slices(&services).await.unwrap().appended.len() as u64;
    assert_eq!(services.wrong(&all(), &all(), tail), None);
}

#[tokio::test]
async fn a_rewind_to_what_was_taken_back_is_refused() {
    let services = Services::new(1, None);
    let tail = slices(&services).await.unwrap().appended.len() as u64;
    let rewind = async |to| run(&services, Plan::Entry(Draft::Rewind { to }), Task::Once).await;
    rewind(2).await.unwrap();
    for to in 3..=tail {
        let error = rewind(to).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!(
            "cannot rewind to entry {to}: entry {} has taken it back",
            tail + 1
        )));
    }
    rewind(tail + 1).await.unwrap();
    rewind(2).await.unwrap();
    rewind(1).await.unwrap();
    assert_eq!(services.wrong(&[], &[], tail + 4), None);
}

#[tokio::test]
async fn what_is_refused_stops_the_run_until_it_is_fixed_or_given_up() {
    for (disposition, expected) in [
        (None, all()),
        (Some(Disposition::Redo), all()),
        (Some(Disposition::Skip), vec![]),
    ] {
        let services = Services::new(1, None);
        services.world().refused = [Some(0), None];
        let stop = stop(slices(&services).await);
        assert_eq!(
            stop,
            Stop::Refused {
                seq: 2,
                sink: "mart".into(),
                gate: true,
            }
        );
        assert_eq!(
            stop.to_string(),
            "the warehouse of sink `mart` refuses entry 2"
        );
        if let Some(disposition) = disposition {
            run(
                &services,
                Plan::Slices,
                Task::Discard { of: 2, disposition },
            )
            .await
            .unwrap();
            assert_eq!(services.wrong(&[], &[], 0), None, "nothing of it was seen");
        }
        services.world().refused = [None; 2];
        slices(&services).await.unwrap();
        let loaded = services.world().tables[0]
            .rows
            .iter()
            .map(|(_, number)| *number)
            .collect::<Vec<u8>>();
        if expected.is_empty() {
            assert!(!loaded.contains(&0), "what was skipped is not loaded again");
        } else {
            assert_eq!(loaded, expected);
        }
    }
}

#[tokio::test]
async fn a_sink_after_the_gate_can_be_skipped_and_that_is_noted() {
    let services = Services::new(1, None);
    services.world().refused = [None, Some(0)];
    assert_eq!(
        stop(slices(&services).await),
        Stop::Refused {
            seq: 2,
            sink: "mart2".into(),
            gate: false,
        }
    );

    let discard = Task::Discard {
        of: 2,
        disposition: Disposition::Redo,
    };
    let taken = stop(run(&services, Plan::Slices, discard).await);
    assert_eq!(
        taken,
        Stop::Taken {
            seq: 2,
            sink: "mart".into()
        }
    );
    let skip = |sink: &str| Task::Skip {
        of: 2,
        sink: sink.into(),
    };
    let gate = stop(run(&services, Plan::Slices, skip("mart")).await);
    assert_eq!(
        gate,
        Stop::IsGate {
            seq: 2,
            sink: "mart".into()
        }
    );
    let none = stop(run(&services, Plan::Slices, skip("mart3")).await);
    assert_eq!(
        none,
        Stop::NoSuchSink {
            seq: 2,
            sink: "mart3".into()
        }
    );

    run(&services, Plan::Slices, skip("mart2")).await.unwrap();
    let done = services.store.get(&keys::done(2)).await.unwrap().unwrap();
    assert_eq!(Done::parse("x", &done).unwrap().skipped, ["mart2".into()]);
    slices(&services).await.unwrap();
    assert_eq!(services.world().tables[0].rows.len(), usize::from(INPUTS));
    assert!(
        !services.world().tables[1]
            .rows
            .iter()
            .any(|(seq, _)| *seq == 2)
    );
}

#[tokio::test]
async fn entries_that_are_settled_are_not_given_up() {
    let services = Services::new(1, None);
    slices(&services).await.unwrap();
    for task in [
        Task::Discard {
            of: 2,
            disposition: Disposition::Redo,
        },
        Task::Skip {
            of: 2,
            sink: "mart2".into(),
        },
    ] {
        assert_eq!(
            stop(run(&services, Plan::Slices, task).await),
            Stop::Settled { seq: 2 }
        );
    }
}

#[tokio::test]
async fn an_attempt_that_was_staged_is_loaded_unless_something_came_since() {
    let services = Services::new(1, None);
    let numbers = Numbers::new(&services, 1, Plan::Slices);
    let log = log(&services.store).await;
    let (first, first_draft) = numbers.stage(log.log(), &[0, 1]);
    let (second, second_draft) = numbers.stage(log.log(), &[0, 1, 2]);
    let load = async |attempt: Attempt, draft: &Draft| {
        run(
            &services,
            Plan::Staged(attempt, draft.clone()),
            Task::Load {
                attempt,
                planned: 0,
            },
        )
        .await
    };
    // A gc that does not name them is no matter.
    numbers.stage(log.log(), &[5]);
    assert_eq!(load(first, &first_draft).await.unwrap().appended, [1, 2]);
    assert_eq!(services.wrong(&[0, 1], &[0, 1], 2), None);
    assert_eq!(
        load(first, &first_draft).await.unwrap(),
        Report::default(),
        "again is no matter"
    );
    assert_eq!(
        stop(load(second, &second_draft).await),
        Stop::Stale { planned: 0, by: 2 }
    );
}

#[tokio::test]
async fn a_gc_deletes_what_no_entry_names_and_such_attempts_cannot_win() {
    let services = Services::new(1, None);
    slices(&services).await.unwrap();
    let numbers = Numbers::new(&services, 1, Plan::Slices);
    let log = log(&services.store).await;
    let planned = log.log().tail();
    let (dead, draft) = numbers.stage(log.log(), &[0]);
    let before = services.world().staged.len();
    run(
        &services,
        Plan::Entry(Draft::Gc {
            dead: vec![dead],
            keeps: 0,
        }),
        Task::Once,
    )
    .await
    .unwrap();
    assert_eq!(services.world().staged.len(), before - 1);
    let load = Task::Load {
        attempt: dead,
        planned,
    };
    assert_eq!(
        stop(run(&services, Plan::Staged(dead, draft), load).await),
        Stop::Stale {
            planned,
            by: planned + 1
        }
    );
}

#[tokio::test]
async fn a_restored_state_a_dropped_ledger_and_a_foreign_one_are_told_apart() {
    let services = Services::new(1, None);
    slices(&services).await.unwrap();
    // The state is that of an hour ago.
    let old = services.with_new_store();
    for seq in 1..=2 {
        let bytes = services
            .store
            .get(&keys::entry(seq))
            .await
            .unwrap()
            .unwrap();
        old.store.put(&keys::entry(seq), bytes).await.unwrap();
    }
    let ahead = stop(slices(&old).await);
    insta::assert_snapshot!(ahead, @"the ledger of sink `mart` is at entry 3, but the log ends with 2: was the state restored?");
    // Another pipeline has its own log.
    let other = services.with_new_store();
    let foreign = stop(slices(&other).await);
    assert!(
        foreign
            .to_string()
            .starts_with("the ledger of sink `mart` belongs to another pipeline, with the log ")
    );

    services.world().tables = Default::default();
    let missing = stop(run(&services, Plan::Entry(Draft::Rewind { to: 1 }), Task::Once).await);
    insta::assert_snapshot!(missing, @"sink `mart` has entries of this log, but its ledger is gone");
    insta::assert_snapshot!(missing.hint().unwrap(), @"`transom sink replay mart` loads what the table lacks; `transom sink adopt mart` says that it is right");
}

#[tokio::test]
async fn a_sink_that_does_not_answer_is_given_up_after_some_tries() {
    let services = Services::new(1, None);
    slices(&services).await.unwrap();
    // Every request is lost, late or never sent.
    services.world().faults = Some(3);
    let outcome = run(&services, Plan::Entry(Draft::Rewind { to: 1 }), Task::Once).await;
    let error = outcome.unwrap_err();
    assert!(
        error.to_string().starts_with("gave up after 3 tries to "),
        "{error}"
    );
}

#[tokio::test]
async fn what_never_shows_ends_the_run() {
    let services = Services::new(1, None);
    services.world().hidden = true;
    let error = slices(&services).await.unwrap_err();
    insta::assert_snapshot!(error, @"gave up after 3 tries to create the ledger for entry 2 in sink `mart`");

    services.world().lying = true;
    let store = FaultyStore(services.clone());
    let mut numbers = Numbers::new(&services, 1, Plan::Entry(Draft::Rewind { to: 1 }));
    services.world().hidden = false;
    let runner = Runner::new(&store, &mut numbers, by(), Task::Once, None)
        .await
        .unwrap();
    let error = runner.with_patience(PATIENCE).run().await.unwrap_err();
    insta::assert_snapshot!(error, @"gave up after 3 tries to append entry 3");
}
