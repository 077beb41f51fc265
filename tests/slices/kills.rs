//! Processes that are killed or frozen at each point of a run, while others go on.

use crate::world::{At, EVERYWHERE, Kind, World, resume, wait_until_stopped};

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

/// Those of a run in which a step keeps state, until it is staged.
const BUCKETS: [&str; 2] = ["bucket.saved:0", "bucket.saved:1"];

/// Those of every run once its entry is applied.
const AFTER: [&str; 2] = ["done.put_before:0", "done.put_after:0"];

fn points(kind: Kind, at: At) -> Vec<&'static str> {
    let own: &[&str] = match (kind, at) {
        (_, At::Redshift) => &WAREHOUSE,
        (Kind::Append | Kind::Numbered, _) => &APPEND,
        (Kind::Days, _) => &POINTER,
    };
    let state: &[&str] = match kind {
        Kind::Numbered => &BUCKETS,
        Kind::Append | Kind::Days => &[],
    };
    [state, &BEFORE, own, &AFTER].concat()
}

async fn killed_everywhere(kind: Kind, at: At) {
    let mut world = World::new(kind, at).await;
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
        let is_second = point.ends_with(":1");
        assert!(
            was_killed || is_second,
            "{kind:?} {at:?}: {point} is passed"
        );
        killed += usize::from(was_killed);
        if number % 2 == 0 {
            world.run().await.unwrap();
            world.check(point).await;
        }
    }
    world.run().await.unwrap();
    world.check("after all kills").await;
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
async fn a_run_that_is_killed_loses_and_doubles_no_state() {
    for at in [At::Folder, At::S3] {
        killed_everywhere(Kind::Numbered, at).await;
    }
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
            let mut world = World::new(kind, at).await;
            let mut frozen = world.spawn(&format!("{point}:stop"));
            let stopped = wait_until_stopped(&mut frozen);
            assert!(stopped, "{kind:?} {at:?}: {point} is passed");
            world.add("day=2024-01-01/late.csv", &[("c", 5)]);
            world.run().await.unwrap();
            world.add("day=2024-01-02/a.csv", &[("a", 7)]);
            world.run().await.unwrap();
            world.check(point).await;
            resume(&frozen);
            // It may see that it is late, and say so.
            let _ = frozen.wait().unwrap();
            world.run().await.unwrap();
            world.check(point).await;
        }
    }
}
