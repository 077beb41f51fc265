//! Answers that do not say what was done: of conflicts, of successes that are none, of credentials that are over.

use transom_pipeline::ErrorKind;
use transom_pipeline::slices::SliceOptions;
use transom_tests::proxy::{Fault, Proxy, Which};

use crate::late::{COMPLETE, COPY, ENTRY, LOAD, add_large, of_runs};
use crate::verify::sound;
use crate::world::{At, Kind, Silent, World};

/// A run one of whose requests meets a fault, then one without; whether the first one has seen to it by itself.
async fn answered(world: &World, fault: Fault, which: Which, when: &str) -> bool {
    let (address, proxy) = Proxy::start(world.endpoint(), fault, which, 1).await;
    let job = world.job_through(&address);
    let ran = job.run_slices(&SliceOptions::default(), &Silent).await;
    assert_eq!(proxy.left(), 0, "{when}: no such request");
    if let Err(failure) = &ran {
        let error = &failure.error;
        assert_eq!(error.kind(), ErrorKind::Retryable, "{when}: {error}");
    }
    world.run().await.unwrap();
    world.check(when).await;
    ran.is_ok()
}

const WORLDS: [(Kind, At); 3] = [
    (Kind::Append, At::S3),
    (Kind::Days, At::S3),
    (Kind::Append, At::Redshift),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_carried_out_twice_is_done_once() {
    twice(Kind::Append, At::Both).await;
}

async fn twice(kind: Kind, at: At) {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    for (number, (name, which)) in of_runs(kind, at).into_iter().enumerate() {
        let when = format!("{kind:?} {at:?}: {name} twice");
        world.add(&format!("day=2024-02-0{}/a.csv", 1 + number), &[("a", 7)]);
        assert!(answered(&world, Fault::Twice, which, &when).await, "{when}");
    }
    sound(&world, "twice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_wrote_nothing_is_no_entry_of_others() {
    conflicts(Kind::Append, At::Both).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a minute"]
async fn answers_that_do_not_say_what_was_done_lose_and_double_nothing_wherever_tables_lie() {
    for (kind, at) in WORLDS {
        twice(kind, at).await;
        conflicts(kind, at).await;
    }
}

async fn conflicts(kind: Kind, at: At) {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    let requests = of_runs(kind, at).into_iter();
    // The Data API has no such answer.
    let requests = requests.filter(|(name, _)| *name != LOAD.0);
    for (number, (name, which)) in requests.enumerate() {
        let when = format!("{kind:?} {at:?}: 409 on {name}");
        world.add(&format!("day=2024-02-0{}/a.csv", 1 + number), &[("a", 7)]);
        let by_itself = answered(&world, Fault::Refused(409), which, &when).await;
        assert!(by_itself || name != ENTRY.0, "{when}");
    }
    sound(&world, "conflicts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_with_an_error_inside_is_none() {
    let mut world = World::new(Kind::Append, At::S3).await;
    world.run().await.unwrap();
    world.add("day=2024-02-01/a.csv", &[("a", 7)]);
    answered(&world, Fault::ErrorInside, COPY.1, "a copy").await;
    sound(&world, "a copy").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: half a minute"]
async fn an_upload_that_ends_with_an_error_inside_is_not_ended() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::S3).await;
        add_large(&mut world);
        answered(&world, Fault::ErrorInside, COMPLETE.1, "an upload's end").await;
        sound(&world, "an upload's end").await;
    }
}

/// Requests to the Data API that a run makes at most.
const ASKED: usize = 100;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a minute"]
async fn credentials_that_are_over_between_a_load_and_its_answer_lose_and_double_nothing() {
    let describes: Which = |_, asked| asked.ends_with(".DescribeStatement");
    let mut world = World::new(Kind::Append, At::Redshift).await;
    world.run().await.unwrap();
    for passing in 0..ASKED {
        let when = format!("{passing} answers before");
        let (month, day) = (1 + passing / 28, 1 + passing % 28);
        world.add(&format!("day=2025-{month:02}-{day:02}/a.csv"), &[("a", 7)]);
        let endpoint = world.endpoint();
        let (address, proxy) =
            Proxy::start_after(endpoint, Fault::Expired, describes, passing, 1).await;
        let job = world.job_through(&address);
        // It may say that this identity may not do it.
        let _ = job.run_slices(&SliceOptions::default(), &Silent).await;
        world.run().await.unwrap();
        world.check(&when).await;
        if proxy.left() > 0 {
            sound(&world, &when).await;
            assert!(passing > 4, "{when}: no such request");
            return;
        }
    }
    panic!("a run asks without end");
}
