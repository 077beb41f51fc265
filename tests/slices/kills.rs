//! Processes that are killed or frozen at each point of a run, while others go on.

use transom_local::Isolation;

use crate::census;
use crate::gc::ALL;
use crate::verify::sound;
use crate::world::{At, EVERYWHERE, Kind, MORE, World, resume, wait_until_stopped};

/// The points that every run passes until an entry is in the log, each with how often it gets past before. The first entry opens the log.
const BEFORE: [&str; 9] = [
    "log.listed:0",
    "plan.made:0",
    "attempt.file_open:0",
    "attempt.file_done:0",
    "attempt.staged:0",
    "entry.put_before:0",
    "entry.put_after:0",
    "entry.put_before:1",
    "entry.put_after:1",
];

/// Those of a run that appends, until its entry is applied.
const APPEND: [&str; 3] = [
    "lake.copy_before:0",
    "lake.copied_one:0",
    "lake.copied_all:0",
];

/// Those of a run whose sink has a pointer.
const POINTER: [&str; 3] = [
    "catalog.pointer_read:0",
    "catalog.pointer_written:0",
    "catalog.pointer_verified:0",
];

/// Those of a run that loads a warehouse.
const WAREHOUSE: [&str; 5] = [
    "settle.read:0",
    "redshift.submit_before:0",
    "redshift.submit_after:0",
    "redshift.finished:0",
    "gate.applied:0",
];

/// Those of the second warehouse: the first one, the gate, has the entry by then.
const SECOND: [&str; 3] = [
    "redshift.submit_before:1",
    "redshift.submit_after:1",
    "redshift.finished:1",
];

/// Those of the very first load of a warehouse.
const FIRST: [&str; 1] = ["ledger.created:0"];

/// Those of a run in which a step keeps state, until it is staged.
const BUCKETS: [&str; 2] = ["bucket.saved:0", "bucket.saved:1"];

/// Those of every run once its entry is applied.
const AFTER: [&str; 2] = ["done.put_before:0", "done.put_after:0"];

fn points(kind: Kind, at: At) -> Vec<&'static str> {
    let files: &[&str] = match kind {
        Kind::Append | Kind::Numbered => &APPEND,
        _ => &POINTER,
    };
    let (warehouse, files, second): (&[&str], &[&str], &[&str]) = match at {
        At::Folder | At::S3 => (&[], files, &[]),
        At::Redshift => (&WAREHOUSE, &[], &[]),
        At::Both => (&WAREHOUSE, files, &[]),
        At::Two => (&WAREHOUSE, &[], &SECOND),
    };
    let state: &[&str] = match kind {
        Kind::Numbered => &BUCKETS,
        _ => &[],
    };
    [state, &BEFORE, warehouse, second, files, &AFTER].concat()
}

async fn killed_everywhere(kind: Kind, at: At) {
    killed_everywhere_in(World::new(kind, at).await, kind, at).await;
}

async fn killed_everywhere_in(mut world: World, kind: Kind, at: At) {
    let mut killed = 0;
    for (number, point) in points(kind, at).iter().enumerate() {
        world.add(
            &format!("day=2024-02-{:02}/a.csv", number + 1),
            &[("a", 1), ("b", 2)],
        );
        world.add(
            &format!("day=2024-02-{:02}/late-{number}.csv", number / 2 + 1),
            &[("c", number as i64)],
        );
        let was_killed = world.killed(point);
        // One slice may be all that there is.
        let is_second = point.ends_with(":1") && !SECOND.contains(point);
        assert!(
            was_killed || is_second,
            "{kind:?} {at:?}: {point} is passed"
        );
        killed += usize::from(was_killed);
        if number % 2 == 0 {
            world.run().await.unwrap();
            world.check(point).await;
            sound(&world, point).await;
        }
    }
    world.run().await.unwrap();
    world.check("after all kills").await;
    world.job().gc(&ALL).await.unwrap();
    census::agrees(&world, &format!("{kind:?} {at:?}: after all kills")).await;
    assert!(
        killed >= points(kind, at).len() / 2,
        "{kind:?} {at:?}: {killed} kills"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_loses_and_doubles_nothing() {
    for (kind, at) in EVERYWHERE {
        killed_everywhere(kind, at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_between_two_tables_loses_and_doubles_nothing() {
    for (at, point) in [
        (At::Both, "gate.applied:0"),
        (At::Both, "lake.copied_one:0"),
        (At::Two, "gate.applied:0"),
        (At::Two, "redshift.submit_after:1"),
    ] {
        let when = format!("{at:?}: {point}");
        let mut world = World::new(Kind::Append, at).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        assert!(world.killed(point), "{when} is passed");
        let tables = world.tables().await;
        if point == "gate.applied:0" {
            assert_ne!(tables[0].1, tables[1].1, "{when}: one has the slice");
        }
        world.add("day=2024-01-03/a.csv", &[("b", 8)]);
        world.run().await.unwrap();
        world.check(&when).await;
        sound(&world, &when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_that_is_killed_leaves_a_ledger_to_the_next() {
    for point in FIRST.iter().chain(&["redshift.submit_before:0"]) {
        let world = World::new(Kind::Append, At::Two).await;
        assert!(world.killed(point), "{point} is passed");
        world.run().await.unwrap();
        world.check(point).await;
        sound(&world, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_loses_and_doubles_no_state() {
    for at in [At::Folder, At::S3] {
        killed_everywhere(Kind::Numbered, at).await;
    }
}

/// A run sleeps while others load two slices, and comes back.
async fn sleeps(kind: Kind, at: At, point: &str) {
    let when = format!("{kind:?} {at:?}: {point}");
    let mut world = World::new(kind, at).await;
    let mut frozen = world.spawn(&format!("{point}:stop"));
    let stopped = wait_until_stopped(&mut frozen);
    assert!(stopped, "{when} is passed");
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    world.check(&when).await;
    resume(&frozen);
    // It may see that it is late, and say so.
    let _ = frozen.wait().unwrap();
    world.run().await.unwrap();
    world.check(&when).await;
    sound(&world, &when).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sleeps_while_others_go_on_changes_nothing() {
    for (kind, at) in EVERYWHERE {
        for point in points(kind, at)
            .iter()
            // What comes before the decision is the same everywhere.
            .skip(if at == At::S3 { 5 } else { 0 })
            .filter(|point| **point != "attempt.file_open:0")
        {
            sleeps(kind, at, point).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sleeps_between_two_tables_changes_nothing() {
    for at in [At::Both, At::Two] {
        sleeps(Kind::Append, at, "gate.applied:0").await;
    }
    sleeps(Kind::Append, At::Redshift, FIRST[0]).await;
}

/// The same wherever tables lie, many times.
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn a_run_that_is_killed_loses_and_doubles_nothing_in_other_modes_and_two_tables() {
        for (kind, at) in MORE {
            killed_everywhere(kind, at).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn a_run_that_is_killed_loses_and_doubles_nothing_in_a_serializable_warehouse() {
        let of_warehouses = EVERYWHERE.into_iter().chain(MORE);
        for (kind, at) in of_warehouses.filter(|(_, at)| *at == At::Redshift) {
            let world = World::isolated(kind, at, Isolation::Serializable).await;
            killed_everywhere_in(world, kind, at).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn a_run_that_sleeps_changes_nothing_in_other_modes_and_two_tables() {
        for (kind, at) in MORE {
            for point in points(kind, at).iter().chain(&FIRST) {
                sleeps(kind, at, point).await;
            }
        }
    }
}
