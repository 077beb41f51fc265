//! Backfills: shares that processes compute side by side, in any order, and that are loaded in order.

use transom_pipeline::ErrorKind;
use transom_pipeline::slices::{Backfill, BackfillOptions, Command, KeptRun, SliceOptions};

use crate::world::{At, EVERYWHERE, Kind, Silent, Task, World};

const DAYS: i64 = 6;

/// A world with a history that was not loaded.
async fn history(kind: Kind, at: At) -> World {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    for day in 1..=DAYS {
        world.add(
            &format!("day=2024-03-0{day}/a.csv"),
            &[("a", day), ("b", 1)],
        );
    }
    // Late, for the one day that is loaded.
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world
}

async fn plan(world: &World, options: &BackfillOptions) -> Backfill {
    let planned = world.job().plan_backfill(options, &Silent).await;
    planned.unwrap().expect("there is something to load")
}

fn shares(count: u32) -> BackfillOptions {
    BackfillOptions {
        shares: Some(count),
        ..BackfillOptions::default()
    }
}

/// Loads what is staged, and computes what is not.
async fn load(world: &World) {
    let options = SliceOptions {
        compute_shares: true,
        ..SliceOptions::default()
    };
    let report = world.job().run_slices(&options, &Silent).await.unwrap();
    assert!(report.done);
    assert_eq!(report.backfill, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_computed_side_by_side_and_loaded_in_order() {
    for (kind, at) in EVERYWHERE {
        let world = history(kind, at).await;
        let opened = plan(&world, &shares(4)).await;
        assert!((2..=4).contains(&opened.shares), "{opened:?}");
        // The last one first, and one of them twice.
        let (one, two) = (world.job(), world.job());
        for share in (1..opened.shares).rev() {
            let staged = one.stage_share(share, &Silent).await.unwrap();
            assert!(staged.computed);
        }
        let (a, b) = tokio::join!(one.stage_share(0, &Silent), two.stage_share(0, &Silent));
        let computed = [a.unwrap(), b.unwrap()].map(|staged| staged.computed);
        assert!(computed.contains(&true), "{computed:?}");
        assert!(!one.stage_share(0, &Silent).await.unwrap().computed);
        // Loading is all that is left, for two at once.
        let (a, b) = tokio::join!(world.run(), world.run());
        a.unwrap();
        b.unwrap();
        world.check("all shares").await;
        assert_eq!(world.job().open_backfill().await.unwrap(), None);
        let slices = world.job().history(u64::MAX).await.unwrap().entries;
        let loaded = slices.iter().filter(|entry| entry.kind == "slice").count();
        assert_eq!(loaded as u32, 1 + opened.shares, "{kind:?} {at:?}");
        // The log goes on from there.
        let mut world = world;
        world.add("day=2024-03-01/late.csv", &[("a", 100)]);
        world.run().await.unwrap();
        world.check("after the backfill").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_does_it_alone() {
    for (kind, at) in EVERYWHERE {
        let world = history(kind, at).await;
        plan(&world, &BackfillOptions::default()).await;
        load(&world).await;
        world.check("alone").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_loaded_while_a_backfill_is_open() {
    let mut world = history(Kind::Append, At::Folder).await;
    let before = world.rows().await;
    let opened = plan(&world, &shares(3)).await;
    world.add("day=2024-04-01/new.csv", &[("a", 1)]);
    let report = world.run().await.unwrap();
    // What schedules runs must not take this for success.
    assert!(report.slices.is_empty() && !report.done);
    let waits = report.backfill.unwrap();
    assert_eq!((waits.loaded, waits.missing), (0, 3));
    let history = world.job().history(0).await.unwrap();
    assert_eq!(history.backfill, Some(waits));
    assert_eq!(world.rows().await, before);
    let error = world.job().plan_backfill(&shares(2), &Silent).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the backfill of entry {} is open, with 0 of 3 shares loaded",
            opened.entry
        )
    );
    // One share is loaded, the next one is not there.
    world.job().stage_share(0, &Silent).await.unwrap();
    world.job().stage_share(2, &Silent).await.unwrap();
    let report = world.run().await.unwrap();
    assert_eq!(report.slices.len(), 1);
    let waits = report.backfill.unwrap();
    assert_eq!((waits.loaded, waits.missing, report.done), (1, 1, false));
    // Given up: the rest is loaded as ever.
    world.ask(Command::EndBackfill).await.unwrap();
    world.run().await.unwrap();
    world.check("after the end").await;
    let failure = world.job().stage_share(2, &Silent).await.unwrap_err();
    assert_eq!(failure.error.to_string(), "no backfill is open");
    let error = world.ask(Command::EndBackfill).await.unwrap_err();
    assert_eq!(error.to_string(), "no backfill is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_whose_files_are_gone_is_not_tried_again() {
    for (kind, at) in EVERYWHERE {
        let mut world = history(kind, at).await;
        plan(&world, &shares(2)).await;
        world.remove("day=2024-03-06/a.csv");
        // One of the shares has the file.
        let mut failed = Vec::new();
        for share in 0..2 {
            if let Err(failure) = world.job().stage_share(share, &Silent).await {
                failed.push((share, failure.error));
            }
        }
        let [(_, error)] = failed.as_slice() else {
            panic!("{kind:?}: {failed:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let which = std::error::Error::source(error).unwrap().to_string();
        assert!(which.contains("day=2024-03-06/a.csv"), "{which}");
        assert!(error.hint().unwrap().contains("`transom backfill end`"));
        world.ask(Command::EndBackfill).await.unwrap();
        plan(&world, &shares(2)).await;
        load(&world).await;
        world.check("planned again").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_a_source_whose_files_are_all_gone_is_not_tried_again() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    plan(&world, &shares(1)).await;
    world.remove("day=2024-01-01/first.csv");
    let error = world.job().stage_share(0, &Silent).await.unwrap_err().error;
    assert!(
        error.hint().unwrap().contains("`transom backfill end`"),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("share 0 of backfill"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_refused_whose_files_the_table_could_not_have_beside_its_own() {
    let mut world = history(Kind::Append, At::Folder).await;
    let (number, text) = (
        "raw.amount * rates.rate",
        "CAST(raw.amount * rates.rate AS VARCHAR)",
    );
    world.edit("transom.yaml", number, text);
    plan(&world, &shares(2)).await;
    for share in 0..2 {
        let error = world
            .job()
            .stage_share(share, &Silent)
            .await
            .unwrap_err()
            .error;
        let said = "column `amount` was int64, and is utf8 now";
        assert!(error.to_string().contains(said), "{error}");
    }
    world.edit("transom.yaml", text, number);
    load(&world).await;
    world.add("day=2024-04-01/new.csv", &[("a", 1)]);
    world.run().await.unwrap();
    world.check("as it was").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_whose_files_have_lost_rows_is_not_tried_again() {
    let mut world = history(Kind::Append, At::Folder).await;
    let opened = plan(&world, &shares(2)).await;
    world.add("day=2024-03-06/a.csv", &[("a", 6)]);
    let error = world.job().stage_share(1, &Silent).await.unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "share 1 of backfill {} cannot be computed: its files are not those of the plan any more",
            opened.entry
        )
    );
    assert!(error.hint().unwrap().contains("`transom backfill end`"));
    world.ask(Command::EndBackfill).await.unwrap();
    plan(&world, &shares(2)).await;
    load(&world).await;
    world.check("planned again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_loaded_again() {
    for at in [At::Folder, At::S3, At::Redshift] {
        let world = history(Kind::Days, at).await;
        world.run().await.unwrap();
        let days = |from: &str, to: &str| BackfillOptions {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            shares: Some(2),
        };
        let opened = plan(&world, &days("2024-03-02", "2024-03-05")).await;
        assert_eq!(opened.shares, 2);
        load(&world).await;
        world.check("a range").await;
        let entries = world.job().history(3).await.unwrap().entries;
        let files: Vec<u64> = entries.iter().map(|entry| entry.files).collect();
        // The end of the backfill, and four days in two shares.
        assert_eq!(files, [0, 2, 2]);
        let none = days("2025-01-01", "2025-12-31");
        let planned = world.job().plan_backfill(&none, &Silent).await.unwrap();
        assert_eq!(planned, None);
        let turned = days("2024-03-05", "2024-03-02");
        let error = world.job().plan_backfill(&turned, &Silent).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("from `2024-03-05` to `2024-03-02`"),
            "{error}"
        );
        let wrong = days("March", "2024-03-05");
        let error = world.job().plan_backfill(&wrong, &Silent).await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("`March` is no value of `day`"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_needs_a_source_by_partition() {
    let world = history(Kind::Append, At::Folder).await;
    let options = BackfillOptions {
        from: Some("2024-03-01".to_owned()),
        ..BackfillOptions::default()
    };
    let error = world.job().plan_backfill(&options, &Silent).await;
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`--from` and `--to` choose partitions, and no source is read by partition"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backfill_is_planned_for_a_ledger_that_is_not_the_logs() {
    for damage in [
        "DROP TABLE public.transom_ledger__out",
        "UPDATE public.transom_ledger__out SET log_id = '00000000-0000-0000-0000-000000000001'",
        "UPDATE public.transom_ledger__out SET pos = 9",
    ] {
        let world = history(Kind::Append, At::Redshift).await;
        let tail = world.job().history(0).await.unwrap().tail;
        world.sql(damage).await;
        let planned = world.job().plan_backfill(&shares(2), &Silent).await;
        assert!(planned.is_err(), "{damage}");
        assert_eq!(world.job().history(0).await.unwrap().tail, tail, "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_share_is_computed_for_a_table_that_is_another_sinks() {
    for (kind, at) in EVERYWHERE {
        let when = format!("{kind:?} {at:?}");
        let world = history(kind, at).await;
        let (old, new) = ("  out: { from: out,", "  renamed: { from: out,");
        let said =
            "the table of sink `renamed` belongs to sink `out` of this log, and has its entry 2";
        world.edit("transom.yaml", old, new);
        let planned = world.job().plan_backfill(&shares(2), &Silent).await;
        let error = planned.unwrap_err().to_string();
        assert!(error.starts_with(said), "{when}: {error}");
        assert_eq!(world.job().history(0).await.unwrap().tail, 2, "{when}");

        // It is renamed when the shares are planned.
        world.edit("transom.yaml", new, old);
        let planned = plan(&world, &shares(2)).await;
        world.edit("transom.yaml", old, new);
        let staged = world.job().stage_share(0, &Silent).await;
        let all = SliceOptions {
            compute_shares: true,
            ..SliceOptions::default()
        };
        let ran = world.job().run_slices(&all, &Silent).await;
        for error in [staged.unwrap_err().error, ran.unwrap_err().error] {
            assert!(error.to_string().starts_with(said), "{when}: {error}");
        }
        let open = world.job().open_backfill().await.unwrap();
        assert_eq!(open, Some(planned), "{when}");
        world.edit("transom.yaml", new, old);
        load(&world).await;
        world.check(&when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backfill_is_planned_for_a_table_of_another_log() {
    for (kind, at) in EVERYWHERE {
        let world = history(kind, at).await;
        let before = world.rows().await;
        world.edit("transom.yaml", "state\" }", "another\" }");
        let said = match at {
            At::Redshift | At::Both | At::Two => "belongs to another pipeline, with the log ",
            At::Folder | At::S3 => "belongs to the log ",
        };
        let planned = world.job().plan_backfill(&shares(2), &Silent).await;
        let error = planned.unwrap_err().to_string();
        assert!(error.contains(said), "{kind:?} {at:?}: {error}");
        assert_eq!(world.job().open_backfill().await.unwrap(), None);
        // A run says the same, and has nothing to do with a backfill.
        assert_eq!(world.run().await.unwrap_err().error.to_string(), error);
        assert_eq!(world.rows().await, before, "{kind:?} {at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backfill_is_planned_for_a_table_that_is_gone_or_somebody_elses() {
    let world = history(Kind::Append, At::Folder).await;
    let refused = async |said: &str| {
        let planned = world.job().plan_backfill(&shares(2), &Silent).await;
        let error = planned.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(world.job().open_backfill().await.unwrap(), None);
    };
    std::fs::remove_dir_all(world.path().join(".out.transom")).unwrap();
    refused("a folder not made by transom").await;
    std::fs::remove_dir_all(world.path().join("out")).unwrap();
    refused("there is no such table").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_shares_leave_reports_too() {
    for at in [At::Folder, At::S3] {
        let world = history(Kind::Append, at).await;
        let opened = plan(&world, &shares(2)).await;
        let (job, entry) = (world.job(), opened.entry);
        assert!(world.killed_task(Task::Share(1), "attempt.file_done:0"));
        job.stage_share(0, &Silent).await.unwrap();
        job.stage_share(9, &Silent).await.unwrap_err();
        job.plan_backfill(&shares(2), &Silent).await.unwrap_err();
        load(&world).await;
        let runs = job.runs(10).await.unwrap();
        let fact = |run: &KeptRun| {
            let KeptRun {
                outcome,
                backfill,
                share,
                slices,
                ..
            } = run;
            format!("{outcome:?} {backfill:?} {share:?} {slices}")
        };
        let mut facts: Vec<String> = runs.iter().map(fact).collect();
        facts.sort();
        let mut expected = [
            // The first run, and the one that has loaded the shares.
            "Done None None 1".to_owned(),
            "Done None None 2".to_owned(),
            format!("More Some({entry}) None 0"),
            format!("More Some({entry}) Some(0) 0"),
            "Unfinished None Some(1) 0".to_owned(),
            "Failed None Some(9) 0".to_owned(),
            "Failed None None 0".to_owned(),
        ];
        expected.sort();
        assert_eq!(facts, expected, "{at:?}");
        let of = |share| runs.iter().find(|run| run.share == Some(share)).unwrap();
        let amounts = of(0).total;
        assert!(amounts.files > 0 && amounts.rows_written > 0, "{amounts:?}");
        let error = of(9).error.as_ref().unwrap();
        assert!(
            error.message.starts_with("there is no share 9"),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_closes_a_backfill_and_takes_it_back() {
    for (kind, at) in [(Kind::Append, At::S3), (Kind::Days, At::Folder)] {
        let world = history(kind, at).await;
        let before = (
            world.job().history(1).await.unwrap().tail,
            world.rows().await,
        );
        plan(&world, &shares(3)).await;
        world.job().stage_share(0, &Silent).await.unwrap();
        world.job().stage_share(1, &Silent).await.unwrap();
        world.run().await.unwrap();
        world.ask(Command::Rewind { to: before.0 }).await.unwrap();
        assert_eq!(world.rows().await, before.1, "{kind:?} {at:?}");
        assert_eq!(world.job().open_backfill().await.unwrap(), None);
        world.run().await.unwrap();
        world.check("after the rewind").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_killed_lose_and_double_nothing() {
    for (kind, at) in EVERYWHERE {
        let world = history(kind, at).await;
        plan(&world, &shares(4)).await;
        let children = [
            (Task::Share(3), "attempt.file_done:0"),
            (Task::Share(3), "backfill.result_put:0"),
            (Task::Share(1), "attempt.file_open:0"),
            (Task::Share(1), "plan.made:0"),
            (Task::Batch, "entry.put_before:0"),
            (Task::Batch, "entry.put_after:0"),
            (Task::Batch, "backfill.result_put:0"),
            (Task::Batch, "done.put_before:0"),
            (Task::Batch, "entry.put_after:1"),
        ];
        for (task, fault) in children {
            let when = format!("{kind:?} {at:?}: {task:?} passes {fault}");
            assert!(world.killed_task(task, fault), "{when}");
        }
        load(&world).await;
        world.check("after all kills").await;
    }
}
