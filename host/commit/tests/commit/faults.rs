//! Each fault point is passed, and a process that is killed there leaves nothing that the next one cannot finish.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Once;
use std::time::Duration;

use transom_commit::{
    Attempt, Disposition, Draft, Object, Patience, RunError, Runner, Share, StagedAttempt,
    StoredLog, Task, fault,
};

use crate::services::{INPUTS, Numbers, Plan, Services, by};

thread_local! {
    static PASSED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    /// Where the process is killed, after this many times that it gets past.
    static KILL: RefCell<Option<(&'static str, u32)>> = const { RefCell::new(None) };
}

/// The hook is one for all tests, which have a thread each.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        fault::set_hook(|point| {
            PASSED.with_borrow_mut(|passed| passed.insert(point.to_owned()));
            let kill = KILL.with_borrow_mut(|kill| match kill {
                Some((name, 0)) if *name == point => kill.take().is_some(),
                Some((name, times)) if *name == point => {
                    *times -= 1;
                    false
                }
                _ => false,
            });
            assert!(!kill, "killed at {point}");
        })
        .unwrap();
    });
}

/// Starts the same process again for as long as it is killed.
async fn until_it_lives<F, Fut>(work: F) -> Fut::Output
where
    F: Fn() -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send,
{
    loop {
        match tokio::spawn(work()).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(error.is_panic()),
        }
    }
}

async fn run(services: &Services, plan: Plan, task: Task) -> Result<(), String> {
    let outcome = until_it_lives(|| {
        let (services, plan, task) = (services.clone(), plan.clone(), task.clone());
        async move {
            let mut numbers = Numbers::new(&services, 1, plan);
            let runner = Runner::new(&services.store, &mut numbers, by(), task, None).await?;
            runner
                .with_patience(Patience {
                    tries: 3,
                    pause: Duration::ZERO,
                })
                .run()
                .await
        }
    });
    outcome
        .await
        .map(drop)
        .map_err(|error: RunError| error.to_string())
}

/// Everything that there is to do; what is killed is done again.
async fn everything(services: &Services) {
    let slices = async || run(services, Plan::Slices, Task::Run).await;
    let once = async |draft| run(services, Plan::Entry(draft), Task::Once).await.unwrap();
    services.world().refused = [Some(0), None];
    assert_eq!(
        slices().await.unwrap_err(),
        "the warehouse of sink `mart` refuses entry 2"
    );
    let discard = Task::Discard {
        of: 2,
        disposition: Disposition::Redo,
    };
    // Killed after its entry is applied, the same command finds that.
    run(services, Plan::Slices, discard).await.unwrap();
    services.world().refused = [None; 2];
    slices().await.unwrap();
    once(Draft::Rewind { to: 4 }).await;

    let log = StoredLog::open(&services.store, None).await.unwrap();
    let planned = log.log().tail();
    let numbers = Numbers::new(services, 1, Plan::Slices);
    let (dead, _) = numbers.stage(log.log(), &[]);
    let unseen: Vec<u8> = {
        let seen = crate::services::loaded(&log.log().state().sources);
        (0..INPUTS)
            .filter(|number| !seen.contains(number))
            .collect()
    };
    let (attempt, draft) = numbers.stage(log.log(), &unseen[..1]);
    run(
        services,
        Plan::Staged(attempt, draft.clone()),
        Task::Load { attempt, planned },
    )
    .await
    .unwrap();
    once(Draft::Gc {
        dead: vec![dead],
        keeps: 0,
    })
    .await;

    let share = StagedAttempt::new(
        Attempt::random_of_share(Share {
            backfill: 9,
            index: 0,
        }),
        9,
        draft,
    );
    until_it_lives(|| {
        let (share, store) = (share.clone(), services.store.clone());
        async move { share.stand_for_share(&store).await.unwrap() }
    })
    .await;
    let plan = Object::put(&services.store, None, "plan".into())
        .await
        .unwrap();
    let backfill = run(
        services,
        Plan::Entry(Draft::Backfill { shares: 1, plan }),
        Task::Once,
    )
    .await;
    assert!(
        backfill.is_ok() || backfill.unwrap_err().contains("is open: its share"),
        "it may be open already"
    );
    let end = run(services, Plan::Entry(Draft::BackfillEnd {}), Task::Once).await;
    assert!(
        end.is_ok() || end.unwrap_err().contains("no backfill is open"),
        "it may be closed already"
    );
    slices().await.unwrap();

    let log: StoredLog<'_> = StoredLog::open(&services.store, None).await.unwrap();
    let sinks = log.log().state().sinks;
    let pointer = sinks
        .iter()
        .find(|sink| sink.name == "table".into())
        .map_or(0, |sink| sink.position.seq);
    let all: Vec<u8> = (0..INPUTS).collect();
    assert_eq!(services.wrong(&all, &all, pointer), None);
}

#[tokio::test]
async fn a_process_may_be_killed_at_each_point() {
    hook();
    for point in fault::POINTS {
        for times in 0..4 {
            KILL.set(Some((point, times)));
            let services = Services::new(1, None);
            everything(&services).await;
        }
        assert!(
            PASSED.with_borrow(|passed| passed.contains(point)),
            "nothing passes {point}"
        );
    }
    let unknown: Vec<String> = PASSED.with_borrow(|passed| {
        passed
            .iter()
            .filter(|point| !fault::POINTS.contains(&point.as_str()))
            .cloned()
            .collect()
    });
    assert_eq!(
        unknown,
        Vec::<String>::new(),
        "every point that is passed is named"
    );
}
