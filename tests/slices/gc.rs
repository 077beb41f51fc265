//! What is not needed any more is deleted, and nothing else: not while runs are frozen, not when the gc itself is killed or frozen.

use std::collections::BTreeSet;
use std::time::Duration;

use transom_pipeline::slices::{BackfillOptions, Command, Gc, GcOptions, SliceOptions, Why};

use crate::census;
use crate::world::{At, EVERYWHERE, Kind, Silent, Task, World, resume, wait_until_stopped};

/// Everything that can go.
pub(crate) const ALL: GcOptions = GcOptions {
    older_than: Duration::ZERO,
    keep_slices: 1,
};

pub(crate) async fn gc(world: &World) -> Gc {
    world.job().gc(&ALL).await.unwrap()
}

/// Attempts of which something is not needed.
pub(crate) fn count(gc: &Gc, why: Why) -> usize {
    let garbage = gc.garbage.iter().filter(|garbage| garbage.why == why);
    let attempts: BTreeSet<&str> = garbage.map(|garbage| garbage.attempt.as_str()).collect();
    attempts.len()
}

/// Three slices, one of which computes a day anew.
async fn loaded(kind: Kind, at: At) -> World {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7), ("b", 9)]);
    world.run().await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_entry_needs_is_deleted_and_rewinds_to_it_are_refused() {
    for (kind, at) in EVERYWHERE {
        let mut world = loaded(kind, at).await;
        let before = world.job().history(0).await.unwrap().tail;
        // Nothing is old, and nothing needs to be said in the log.
        let young = GcOptions {
            older_than: Duration::from_secs(3600),
            keep_slices: 1,
        };
        let none = world.job().gc(&young).await.unwrap();
        assert_eq!(
            (none.garbage.len(), none.entries.len(), none.keeps),
            (0, 0, 1)
        );

        let would = world.job().garbage(&ALL).await.unwrap();
        assert_eq!(world.job().history(0).await.unwrap().tail, before);
        let did = gc(&world).await;
        assert_eq!(did.entries, [before + 1], "{kind:?} {at:?}");
        assert_eq!(did.keeps, before - 1, "{kind:?} {at:?}");
        let expected = match (kind, at) {
            (Kind::Days, At::Folder | At::S3) => Why::Superseded,
            _ => Why::Loaded,
        };
        for gc in [&would, &did] {
            assert!(count(gc, Why::Unreachable) > 0, "{kind:?} {at:?}: {gc:?}");
            assert!(count(gc, expected) > 0, "{kind:?} {at:?}: {gc:?}");
            assert_eq!(count(gc, Why::Dead), 0, "{kind:?} {at:?}: {gc:?}");
        }
        world.check("after the gc").await;
        let again = gc(&world).await;
        assert_eq!(
            (again.garbage.len(), again.entries.len()),
            (0, 0),
            "{again:?}"
        );

        let refused = world.ask(Command::Rewind { to: 2 }).await.unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("has deleted what that needs"), "{refused}");
        world.ask(Command::Rewind { to: did.keeps }).await.unwrap();
        world.run().await.unwrap();
        world.check("back to what was kept").await;
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
        world.run().await.unwrap();
        world.check("from the beginning").await;
        gc(&world).await;
        world.add("day=2024-01-03/a.csv", &[("a", 1)]);
        world.run().await.unwrap();
        world.check("and on").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_runs_have_left_is_deleted() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        for point in ["attempt.staged", "entry.put_before"] {
            assert!(world.killed(&format!("{point}:0")));
        }
        let did = gc(&world).await;
        assert_eq!(count(&did, Why::Dead), 2, "{kind:?} {at:?}: {did:?}");
        census::agrees(&world, &format!("{kind:?} {at:?}")).await;
        let again = gc(&world).await;
        assert_eq!(count(&again, Why::Dead), 0, "{again:?}");
        world.run().await.unwrap();
        world.check("after the gc").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slices_that_fail_have_noted_is_deleted() {
    let objects = async |world: &World| {
        let stored = world.stored().await.into_keys();
        let objects = stored.filter(|path| path.starts_with("state/objects/"));
        objects.collect::<BTreeSet<String>>()
    };
    for at in [At::Folder, At::S3] {
        let world = World::new(Kind::Append, at).await;
        world.run().await.unwrap();
        let before = objects(&world).await;
        let bad = world.path().join("raw/day=2024-01-01/bad.csv");
        std::fs::write(&bad, "customer,amount\na,many\n").unwrap();
        world.run().await.unwrap_err();
        assert!(objects(&world).await.len() > before.len(), "{at:?}");
        gc(&world).await;
        assert_eq!(objects(&world).await, before, "{at:?}");
        std::fs::remove_file(bad).unwrap();
        world.check("after the gc").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_killed_runs_have_saved_are_deleted() {
    for at in [At::Folder, At::S3] {
        let mut world = World::new(Kind::Numbered, at).await;
        world.run().await.unwrap();
        for number in 0..3 {
            world.add(
                &format!("day=2024-01-02/{number}.csv"),
                &[("a", 7), ("b", 8)],
            );
            for point in ["bucket.saved:0", "bucket.saved:1", "attempt.staged:0"] {
                assert!(world.killed(point));
            }
            world.run().await.unwrap();
        }
        world.ask(Command::Rewind { to: 3 }).await.unwrap();
        world.run().await.unwrap();
        gc(&world).await;
        census::agrees(&world, &format!("{at:?}")).await;
        world.add("day=2024-01-03/a.csv", &[("a", 7), ("b", 8)]);
        world.run().await.unwrap();
        world.check("after the gc").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_backfills_and_waiting_slices_have_left_is_deleted() {
    for (kind, at) in EVERYWHERE {
        let when = format!("{kind:?} {at:?}");
        let mut world = loaded(kind, at).await;
        for day in 1..=4 {
            world.add(&format!("day=2024-02-0{day}/a.csv"), &[("a", day)]);
        }
        let waiting = world.stage().await;
        let shares = |shares| BackfillOptions {
            shares: Some(shares),
            ..BackfillOptions::default()
        };
        let plan = async |world: &World, count| {
            let planned = world.job().plan_backfill(&shares(count), &Silent).await;
            planned.unwrap().expect("there is something to load")
        };
        // One that is given up, and one that is loaded.
        plan(&world, 4).await;
        for share in [0, 2] {
            world.job().stage_share(share, &Silent).await.unwrap();
        }
        assert!(
            world.killed_task(Task::Share(1), "attempt.file_done:0"),
            "{when}"
        );
        gc(&world).await;
        world.run().await.unwrap();
        world.ask(Command::EndBackfill).await.unwrap();
        plan(&world, 2).await;
        let all = SliceOptions {
            compute_shares: true,
            ..SliceOptions::default()
        };
        world.job().run_slices(&all, &Silent).await.unwrap();
        world.check(&when).await;
        let would = world.job().garbage(&ALL).await.unwrap();
        let did = gc(&world).await;
        assert!(did.spent > 0, "{when}: {did:?}");
        assert_eq!(would.spent, did.spent, "{when}");
        census::agrees(&world, &when).await;
        let load = Command::Load { attempt: waiting };
        let error = world.ask(load).await.unwrap_err().to_string();
        assert!(error.starts_with("no slice is staged as"), "{error}");
    }
}

/// Where a run is frozen while a gc deletes what it has.
const POINTS: [&str; 8] = [
    "plan.made",
    "attempt.file_done",
    "attempt.staged",
    "entry.put_before",
    "entry.put_after",
    "lake.copied_one",
    "redshift.submit_before",
    "done.put_before",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sleeps_while_a_gc_works_loses_and_doubles_nothing() {
    for (kind, at) in EVERYWHERE {
        for point in POINTS {
            let mut world = loaded(kind, at).await;
            world.add("day=2024-01-03/a.csv", &[("a", 1)]);
            let mut frozen = world.spawn(&format!("{point}:0:stop"));
            if !wait_until_stopped(&mut frozen) {
                // Not all sinks pass all points.
                continue;
            }
            gc(&world).await;
            resume(&frozen);
            // It may find its folder gone while it writes.
            let _ = frozen.wait().unwrap();
            world.run().await.unwrap();
            world.check(&format!("{kind:?} {at:?}: {point}")).await;
            gc(&world).await;
            world.check(&format!("{kind:?} {at:?}: {point}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_staged_its_slice_sleeps_while_others_load_and_a_gc_works() {
    for (kind, at) in [(Kind::Append, At::Folder), (Kind::Append, At::Both)] {
        let mut world = loaded(kind, at).await;
        for others in [0, 2] {
            let when = format!("{kind:?} {at:?}: {others} slices of others");
            world.add(&format!("day=2024-02-0{}/a.csv", 1 + others), &[("a", 1)]);
            let mut frozen = world.spawn("entry.put_before:0:stop");
            assert!(wait_until_stopped(&mut frozen), "{when}");
            for number in 0..others {
                world.add(&format!("day=2024-03-0{}/a.csv", 1 + number), &[("a", 1)]);
                world.run().await.unwrap();
            }
            gc(&world).await;
            resume(&frozen);
            // It may find its folder gone.
            let _ = frozen.wait().unwrap();
            world.run().await.unwrap();
            world.check(&when).await;
            gc(&world).await;
            census::agrees(&world, &when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gc_that_is_killed_or_sleeps_deletes_nothing_that_is_needed() {
    for (kind, at) in EVERYWHERE {
        for point in ["gc.entry_after", "gc.deleted_half", "entry.put_before"] {
            for action in ["kill", "stop"] {
                let mut world = loaded(kind, at).await;
                world.add("day=2024-01-03/a.csv", &[("a", 1)]);
                assert!(world.killed("attempt.staged:0"));
                let mut collecting = world.spawn_task(Task::Gc, &format!("{point}:0:{action}"));
                let stopped = wait_until_stopped(&mut collecting);
                assert_eq!(stopped, action == "stop", "{kind:?} {at:?}: {point}");
                world.run().await.unwrap();
                world.add("day=2024-01-01/later.csv", &[("d", 4)]);
                world.run().await.unwrap();
                if stopped {
                    resume(&collecting);
                    collecting.wait().unwrap();
                }
                world
                    .check(&format!("{kind:?} {at:?}: {point} {action}"))
                    .await;
                gc(&world).await;
                world.add("day=2024-01-01/last.csv", &[("e", 4)]);
                world.run().await.unwrap();
                world
                    .check(&format!("{kind:?} {at:?}: {point} {action}"))
                    .await;
            }
        }
    }
}
