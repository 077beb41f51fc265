//! Runs that see each other, and what an earlier one could not do at once.

use transom_pipeline::slices::{Others, SliceOptions};

use crate::world::{At, Kind, Silent, Task, World, resume, wait_until_stopped};

fn options(others: Others) -> SliceOptions {
    SliceOptions {
        others,
        ..SliceOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_leaves_the_work_to_the_first() {
    for at in [At::Folder, At::S3] {
        let world = World::new(Kind::Append, at).await;
        let mut first = world.spawn_task(Task::RespectfulRun, "attempt.staged:0:stop");
        assert!(wait_until_stopped(&mut first));
        let run = |others| {
            let job = world.job();
            async move { job.run_slices(&options(others), &Silent).await }
        };
        let error = run(Others::Respected).await.unwrap_err().error;
        let message = error.to_string();
        assert!(
            message.contains(&format!("process {}", first.id())),
            "{message}"
        );
        assert!(error.hint().unwrap().contains("--force"));
        assert_eq!(error.kind(), transom_pipeline::ErrorKind::Retryable);
        let report = run(Others::Overruled).await.unwrap();
        assert_eq!(report.slices.len(), 1);
        world.check("beside the first").await;
        resume(&first);
        first.wait().unwrap();
        world.check("both").await;

        // One that has ended, or was killed, is no reason to wait.
        run(Others::Respected).await.unwrap();
        let mut killed = world.spawn_task(Task::RespectfulRun, "log.listed:0:kill");
        killed.wait().unwrap();
        run(Others::Respected).await.unwrap();
    }
}

/// Adds so many files, one for each day of a month.
fn add_month(world: &mut World, month: u32, files: u32) {
    for day in 1..=files {
        let name = format!("day=2024-{month:02}-{day:02}/a.csv");
        world.add(&name, &[("a", i64::from(day))]);
    }
}

/// Runs; the files of each slice.
async fn sizes(world: &World) -> Vec<u64> {
    let slices = world.run().await.unwrap().slices;
    slices.iter().map(|slice| slice.files).collect()
}

/// Eight files in slices of so many at most; fewer where those are large.
fn check_sizes(sizes: &[u64], most: u64) {
    assert_eq!(sizes.iter().sum::<u64>(), 8, "{sizes:?}");
    let is_allowed = |size: &u64| (1..=most).contains(size);
    assert!(sizes.iter().all(is_allowed), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_did_not_come_to_its_end_is_halved_by_the_next_run() {
    for at in [At::Folder, At::S3] {
        let mut world = World::new(Kind::Append, at).await;
        world.edit("transom.yaml", "files: 2", "files: 8");
        // With the first one, eight.
        add_month(&mut world, 2, 7);
        assert!(world.killed("attempt.staged:0"));
        check_sizes(&sizes(&world).await, 4);
        world.check("after a kill").await;
        // That run has come to its end.
        add_month(&mut world, 3, 8);
        assert_eq!(sizes(&world).await, [8], "{at:?}");

        // Whoever is killed in half of it leaves a quarter.
        add_month(&mut world, 4, 8);
        for _ in 0..2 {
            assert!(world.killed("attempt.staged:0"));
        }
        check_sizes(&sizes(&world).await, 2);
        world.check("after two kills").await;

        // Rows that are wrong are no reason to take less.
        let bad = world.path().join("raw/day=2024-05-01/bad.csv");
        std::fs::create_dir_all(bad.parent().unwrap()).unwrap();
        std::fs::write(&bad, "customer,amount\na,many\n").unwrap();
        world.run().await.unwrap_err();
        std::fs::remove_file(bad).unwrap();
        add_month(&mut world, 6, 8);
        assert_eq!(sizes(&world).await, [8], "{at:?}");
        world.check("at the end").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_slices_that_are_computed_at_once_the_largest_is_halved_by_the_next_run() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    // The first slice has the file that is there from the beginning and a small one, the second one is larger.
    world.add("day=2024-02-01/a.csv", &[("a", 1)]);
    let large = ["day=2024-02-02/a.csv", "day=2024-02-03/a.csv"];
    for name in large {
        world.add(name, &[("a", 1); 100]);
    }
    assert!(world.killed("attempt.staged:0"));
    let hint = std::fs::read(world.path().join("state/hints/slice.json")).unwrap();
    let hint: serde_json::Value = serde_json::from_slice(&hint).unwrap();
    let bytes = large.map(|name| {
        let file = world.path().join("raw").join(name);
        std::fs::metadata(file).unwrap().len()
    });
    assert_eq!(hint["files"], 2);
    assert_eq!(hint["bytes"], bytes.iter().sum::<u64>());
    assert_eq!(sizes(&world).await, [1; 4]);
    world.check("after a kill").await;
}
