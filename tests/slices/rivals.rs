//! Processes that do the same at the same time.

use transom_local::Isolation;
use transom_pipeline::ErrorKind;
use transom_pipeline::slices::Command;

use crate::verify::sound;
use crate::world::{At, EVERYWHERE, Kind, MORE, World, resume, wait_until_stopped};

/// Where one that applies an entry has looked, and changes something next.
fn about_to_apply(kind: Kind, at: At) -> &'static str {
    match (kind, at) {
        (_, At::Redshift | At::Both | At::Two) => "redshift.submit_before:0",
        (Kind::Append | Kind::Numbered, _) => "lake.copy_before:0",
        _ => "catalog.pointer_read:0",
    }
}

/// Both have seen that no sink has the entry.
async fn both_apply(kind: Kind, at: At) {
    let when = format!("{kind:?} {at:?}");
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    assert!(world.killed("entry.put_after:0"), "{when}");
    let fault = format!("{}:stop", about_to_apply(kind, at));
    let mut loaders = [world.spawn(&fault), world.spawn(&fault)];
    for loader in &mut loaders {
        assert!(wait_until_stopped(loader), "{when}");
    }
    loaders.iter().for_each(resume);
    for loader in &mut loaders {
        // It may have been overtaken again and again, and says so.
        let _ = loader.wait().unwrap();
    }
    world.run().await.unwrap();
    world.check(&when).await;
    sound(&world, &when).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_loaders_of_one_entry_load_it_once() {
    for at in [At::Redshift, At::Both] {
        both_apply(Kind::Append, at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a minute"]
async fn two_loaders_of_one_entry_load_it_once_wherever_tables_lie() {
    for (kind, at) in EVERYWHERE.into_iter().chain(MORE) {
        both_apply(kind, at).await;
    }
}

/// Some of two runs at once may be overtaken, and say that trying again helps.
async fn both_run(world: &World, when: &str) {
    let outcomes = tokio::join!(world.run(), world.run());
    for outcome in [outcomes.0, outcomes.1] {
        if let Err(failure) = outcome {
            let error = failure.error;
            assert_eq!(error.kind(), ErrorKind::Retryable, "{when}: {error}");
        }
    }
    world.run().await.unwrap();
    world.check(when).await;
}

const ISOLATIONS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

/// Two runs that find the same entry unfinished, so many times.
async fn find_the_same(kind: Kind, at: At, isolation: Isolation, times: usize) {
    let mut world = World::isolated(kind, at, isolation).await;
    world.run().await.unwrap();
    for number in 0..times {
        let when = format!("{kind:?} {at:?} {isolation:?}: {number}");
        let (month, day) = (1 + number / 28, 1 + number % 28);
        let name = format!("day=2025-{month:02}-{day:02}/a.csv");
        world.add(&name, &[("a", 7), ("b", 8)]);
        assert!(world.killed("entry.put_after:0"), "{when}");
        both_run(&world, &when).await;
    }
    sound(&world, &format!("{kind:?} {at:?} {isolation:?}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_that_find_the_same_entry_unfinished_load_it_once() {
    for isolation in ISOLATIONS {
        find_the_same(Kind::Append, At::Redshift, isolation, 2).await;
    }
}

/// Two runs that both begin the log, so many times.
async fn begin(kind: Kind, at: At, isolation: Isolation, times: usize) {
    for number in 0..times {
        let when = format!("{kind:?} {at:?} {isolation:?}: {number}");
        let world = World::isolated(kind, at, isolation).await;
        both_run(&world, &when).await;
        sound(&world, &when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_runs_create_one_ledger() {
    for isolation in ISOLATIONS {
        begin(Kind::Append, At::Redshift, isolation, 1).await;
    }
}

/// Two rewinds at once, so many times.
async fn both_rewind(kind: Kind, at: At, times: i64) {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    for number in 0..times {
        let when = format!("{kind:?} {at:?}: {number}");
        let to = world.job().history(0).await.unwrap().tail;
        let name = format!("day=2024-02-{:02}/{number}.csv", 1 + number % 28);
        world.add(&name, &[("a", number), ("b", 1)]);
        world.run().await.unwrap();
        let rewind = || world.ask(Command::Rewind { to });
        let outcomes = tokio::join!(rewind(), rewind());
        for outcome in [outcomes.0, outcomes.1] {
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Retryable, "{when}: {error}");
            }
        }
        world.run().await.unwrap();
        world.check(&when).await;
    }
    sound(&world, &format!("{kind:?} {at:?}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rewinds_take_back_once() {
    for (kind, at) in [(Kind::Days, At::S3), (Kind::Append, At::Both)] {
        both_rewind(kind, at, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_sleeps_while_its_slice_is_taken_back_brings_no_row_back() {
    for point in ["lake.copied_one", "gate.applied"] {
        taken_back_beside(Kind::Append, At::Both, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a minute"]
async fn a_loader_that_sleeps_while_its_slice_is_taken_back_brings_no_row_back_wherever_it_sleeps()
{
    let files = ["lake.copy_before", "lake.copied_one", "lake.copied_all"];
    let pointer = ["catalog.pointer_read", "catalog.pointer_written"];
    let warehouse = ["redshift.submit_before", "redshift.submit_after"];
    let both = [files[0], files[1], files[2], "gate.applied"];
    let cases: [(Kind, At, &[&str]); 5] = [
        (Kind::Append, At::Folder, &files),
        (Kind::Append, At::S3, &files),
        (Kind::Days, At::S3, &pointer),
        (Kind::Append, At::Redshift, &warehouse),
        (Kind::Append, At::Both, &both),
    ];
    for (kind, at, points) in cases {
        for point in points {
            taken_back_beside(kind, at, point).await;
        }
    }
}

async fn taken_back_beside(kind: Kind, at: At, point: &str) {
    let when = format!("{kind:?} {at:?}: {point}");
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    let before = world.tables().await;
    let to = world.job().history(0).await.unwrap().tail;
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let mut frozen = world.spawn(&format!("{point}:0:stop"));
    assert!(wait_until_stopped(&mut frozen), "{when} is passed");
    world.ask(Command::Rewind { to }).await.unwrap();
    assert_eq!(world.tables().await, before, "{when}");
    resume(&frozen);
    // It loads what was taken back again, or says that it is late.
    let _ = frozen.wait().unwrap();
    world.run().await.unwrap();
    world.check(&when).await;
    sound(&world, &when).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_beside_a_run_whose_table_was_mended_loses_and_doubles_nothing() {
    discarded_beside(At::Both, 2).await;
}

async fn discarded_beside(at: At, times: u32) {
    let mut world = World::new(Kind::Append, at).await;
    world.run().await.unwrap();
    for number in 1..=times {
        let when = format!("{at:?}: {number}");
        world.add(&format!("day=2024-02-{number:02}/a.csv"), &[("a", 7)]);
        let of = world.decide_in_vain().await;
        let discard = world.ask(Command::Discard { of, redo: true });
        let (discarded, ran) = tokio::join!(discard, world.run());
        // One of them is faster: the table has the slice, or it is given up and loaded again.
        if let Err(error) = discarded {
            says_that_it_is_late(&error, of, &when);
        }
        if let Err(failure) = ran {
            let error = failure.error;
            assert_eq!(error.kind(), ErrorKind::Retryable, "{when}: {error}");
        }
        world.run().await.unwrap();
        world.check(&when).await;
        sound(&world, &when).await;
    }
}

/// A discard that came too late says so.
fn says_that_it_is_late(error: &transom_pipeline::Error, of: u64, when: &str) {
    let said = error.to_string();
    let taken = format!("sink `out` has entry {of} already");
    let settled = format!("entry {of} is settled");
    let is_late = said.contains(&taken) || said.contains(&settled);
    assert!(
        is_late || error.kind() == ErrorKind::Retryable,
        "{when}: {said}"
    );
}

/// The same wherever tables lie, many times.
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn two_runs_that_find_the_same_entry_unfinished_load_it_once_a_hundred_times() {
        for isolation in ISOLATIONS {
            find_the_same(Kind::Append, At::Redshift, isolation, 100).await;
        }
        for (kind, at) in [
            (Kind::Append, At::S3),
            (Kind::Days, At::S3),
            (Kind::Append, At::Both),
            (Kind::Merge, At::Two),
        ] {
            find_the_same(kind, at, Isolation::Snapshot, 100).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn two_first_runs_create_one_ledger_a_hundred_times() {
        for isolation in ISOLATIONS {
            begin(Kind::Append, At::Redshift, isolation, 100).await;
            begin(Kind::Append, At::Two, isolation, 20).await;
        }
        for (kind, at) in [(Kind::Append, At::S3), (Kind::Days, At::S3)] {
            begin(kind, at, Isolation::Snapshot, 100).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn two_rewinds_take_back_once_many_times() {
        for (kind, at) in EVERYWHERE {
            both_rewind(kind, at, 30).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn a_discard_beside_a_run_whose_table_was_mended_loses_and_doubles_nothing_many_times() {
        for at in [At::Redshift, At::Both, At::Two] {
            discarded_beside(at, 28).await;
        }
    }
}
