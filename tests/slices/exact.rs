//! What slices load, without faults.

use transom_pipeline::slices::{Command, SliceOptions};

use crate::world::{At, EVERYWHERE, Kind, Silent, World, resume, wait_until_stopped};

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_new_is_loaded() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        let report = world.run().await.unwrap();
        assert_eq!(
            (report.slices.len(), report.done),
            (1, true),
            "{kind:?} {at:?}"
        );
        world.check("the first run").await;

        let report = world.run().await.unwrap();
        assert_eq!(
            (report.slices.len(), report.done),
            (0, true),
            "nothing is new"
        );

        // More than a slice holds, one of them late.
        world.add("day=2024-01-01/late.csv", &[("c", 5)]);
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.add("day=2024-01-03/a.csv", &[("a", 8), ("b", 9)]);
        let report = world.run().await.unwrap();
        assert!(report.slices.len() > 1, "{kind:?} {at:?}");
        world.check("new files").await;
        assert_eq!(world.run().await.unwrap().slices.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_after_it_was_listed_is_loaded_once_as_it_is_then() {
    for rows in [[("a", 2)].as_slice(), &[("a", 2), ("b", 3)]] {
        let when = format!("{rows:?}");
        let mut world = World::new(Kind::Append, At::Folder).await;
        world.run().await.unwrap();
        let name = "day=2024-01-02/a.csv";
        world.add(name, &[("a", 1)]);
        let mut planned = world.spawn("plan.made:0:stop");
        assert!(wait_until_stopped(&mut planned), "{when}");
        world.add(name, rows);
        resume(&planned);
        assert!(!planned.wait().unwrap().success(), "{when}");
        assert_eq!(world.run().await.unwrap().slices.len(), 1, "{when}");
        assert_eq!(world.run().await.unwrap().slices.len(), 0, "{when}");
        world.check(&when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_bounded_and_goes_on() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    for number in 0..6 {
        world.add(
            &format!("day=2024-01-0{}/x.csv", number + 1),
            &[("a", number)],
        );
    }
    let one = SliceOptions {
        max_slices: Some(1),
        ..SliceOptions::default()
    };
    let report = world.job().run_slices(&one, &Silent).await.unwrap();
    assert_eq!((report.slices.len(), report.done), (1, false));
    let passed = SliceOptions {
        deadline: Some(std::time::Instant::now()),
        ..SliceOptions::default()
    };
    let report = world.job().run_slices(&passed, &Silent).await.unwrap();
    assert_eq!((report.slices.len(), report.done), (0, false));
    let stopped = SliceOptions::default();
    stopped.after_slice.cancel();
    let report = world.job().run_slices(&stopped, &Silent).await.unwrap();
    assert_eq!((report.slices.len(), report.done), (0, false));
    world.run().await.unwrap();
    world.check("all of it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_can_be_taken_back() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        let before = world.rows().await;
        let entry = world.job().history(1).await.unwrap().tail;
        world.add("day=2024-01-01/late.csv", &[("c", 5)]);
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        world.ask(Command::Rewind { to: entry }).await.unwrap();
        // In a warehouse, partitions that were replaced stay until they are loaded again.
        let goes_back = (kind, at) != (Kind::Days, At::Redshift);
        if goes_back {
            assert_eq!(world.rows().await, before, "{kind:?} {at:?}");
        }
        world.run().await.unwrap();
        world.check("loaded again").await;

        // Everything, twice.
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
        if goes_back {
            assert_eq!(world.rows().await, [], "{kind:?} {at:?}");
        }
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
        world.run().await.unwrap();
        world.check("from the beginning").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_changes_is_computed_anew() {
    for at in [At::Folder, At::S3, At::Redshift] {
        let mut world = World::new(Kind::Days, at).await;
        world.add("day=2024-01-02/a.csv", &[("a", 7), ("b", 1)]);
        world.run().await.unwrap();
        // A customer is gone from it, too.
        world.add("day=2024-01-02/a.csv", &[("a", 70)]);
        let report = world.run().await.unwrap();
        assert_eq!(report.slices.len(), 1);
        world.check("a changed day").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_load_everything_once() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        for number in 0..5 {
            world.add(
                &format!("day=2024-01-0{}/x.csv", number + 1),
                &[("a", number)],
            );
        }
        let (one, two, three) = tokio::join!(world.run(), world.run(), world.run());
        for outcome in [one, two, three] {
            // One that was overtaken at every slice gives up, which loses nothing.
            if let Err(failure) = outcome {
                assert_eq!(
                    failure.error.kind(),
                    transom_pipeline::ErrorKind::Retryable,
                    "{}",
                    failure.error
                );
            }
        }
        world.run().await.unwrap();
        world.check("three runs at once").await;
    }
}
