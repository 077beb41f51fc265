//! Processes that are killed or frozen at each point of a run, while others go on.

use crate::world::{At, EVERYWHERE, Kind, World, resume, wait_until_stopped};

/// The points that a run passes which appends.
const APPEND: [&str; 14] = [
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
    "done.put_before",
    "done.put_after",
    "log.listed",
    "plan.made",
];

/// Those of a run whose sink has a pointer.
const POINTER: [&str; 12] = [
    "log.listed",
    "plan.made",
    "attempt.file_open",
    "attempt.file_done",
    "attempt.staged",
    "entry.put_before",
    "entry.put_after",
    "catalog.pointer_read",
    "catalog.pointer_written",
    "catalog.pointer_verified",
    "done.put_before",
    "done.put_after",
];

/// Those of a run that loads a warehouse.
const WAREHOUSE: [&str; 14] = [
    "log.listed",
    "plan.made",
    "attempt.file_open",
    "attempt.file_done",
    "attempt.staged",
    "entry.put_before",
    "entry.put_after",
    "settle.read",
    "redshift.submit_before",
    "redshift.submit_after",
    "redshift.finished",
    "gate.applied",
    "done.put_before",
    "done.put_after",
];

fn points(kind: Kind, at: At) -> &'static [&'static str] {
    match (kind, at) {
        (_, At::Redshift) => &WAREHOUSE,
        (Kind::Append, _) => &APPEND,
        (Kind::Days, _) => &POINTER,
    }
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
        // Later points are passed by the second slice, or by the entry that opens the log.
        let times = number % 3;
        let was_killed = world.killed(&format!("{point}:{times}"));
        assert!(
            was_killed || times > 0,
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
async fn a_run_that_sleeps_while_others_go_on_changes_nothing() {
    for (kind, at) in EVERYWHERE {
        for point in points(kind, at)
            .iter()
            .take(12)
            // What comes before the decision is the same everywhere.
            .skip(if at == At::S3 { 5 } else { 0 })
            .filter(|point| **point != "attempt.file_open")
        {
            let mut world = World::new(kind, at).await;
            let mut frozen = world.spawn(&format!("{point}:0:stop"));
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
