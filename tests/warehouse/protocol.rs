//! What the commit protocol relies on: an entry changes the table once, whatever is sent twice, lost, refused or
//! taken back.

use std::time::Duration;

use transom_commit::{
    Attempt, Disposition, Draft, MemoryStore, Position, Reading, RunError, Settled, SinkErrorKind,
    Stop, Submission, Task, Warehouse, Wrong,
};
use transom_connect::{RedshiftSink, Sink as _};
use transom_file::spec::LoadMode;
use transom_local::Isolation;

use crate::world::{Planned, World, applying, chain, entry_after, stage, stage_as, visits};

const COUNT: &str = "SELECT count(*) FROM public.daily";

/// A world whose table has one row, and an entry that is in no table yet, with two rows.
async fn with_an_entry(mode: LoadMode) -> (World, RedshiftSink, transom_commit::Entry) {
    with_an_entry_in(World::new().await, mode).await
}

async fn with_an_entry_in(
    world: World,
    mode: LoadMode,
) -> (World, RedshiftSink, transom_commit::Entry) {
    let sink = world.sink(mode);
    let first = visits(&[&["1", "2026-11-01 10:00:00", "2026-11-01", "a"]]);
    world.load(&sink, [first]).await.unwrap();
    let attempt = Attempt::random();
    let second = visits(&[
        &["2", "2026-11-01 10:00:00", "2026-11-02", "b"],
        &["3", "2026-11-01 10:00:00", "2026-11-03", "c"],
    ]);
    let staged = stage(&sink, attempt, second).await.unwrap();
    let entry = entry_after(&world.tail().await, attempt, staged);
    (world, sink, entry)
}

const ISOLATIONS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

#[tokio::test]
async fn of_two_submissions_at_once_one_loads() {
    let modes = [
        LoadMode::Append,
        LoadMode::Merge,
        LoadMode::OverwritePartitions,
        LoadMode::Overwrite,
    ];
    for (mode, isolation) in modes.map(|mode| ISOLATIONS.map(|how| (mode, how))).concat() {
        let world = World::with(isolation).await;
        let (world, sink, entry) = with_an_entry_in(world, mode).await;
        let (applying, claim) = applying(&entry);
        let submit = || sink.submit(&applying, &claim, Submission::random(), false);
        let both = futures::join!(submit(), submit());
        let failed = match both {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            both => panic!("{both:?}"),
        };
        assert_eq!(failed.kind(), SinkErrorKind::Unclear, "{}", chain(&failed));
        let rows = match mode {
            LoadMode::Overwrite => "2",
            _ => "3",
        };
        assert_eq!(world.sql(COUNT).await, rows, "{mode:?}");
        let again = submit().await.unwrap_err();
        assert_eq!(again.kind(), SinkErrorKind::Unclear);
        let reading = sink.read(&applying).await.unwrap();
        assert_eq!(reading.settle(&claim), Settled::Applied { skipped: false });
        assert_eq!(world.sql(COUNT).await, rows, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_runs_at_once_create_one_table_and_load_each_slice_once() {
    for isolation in ISOLATIONS {
        let world = World::with(isolation).await;
        let sink = world.sink(LoadMode::Append);
        let load = |id: &str| visits(&[&[id, "-", "-", "x"]]);
        let runs = ["1", "2", "3"].map(|id| world.load(&sink, [load(id)]));
        for outcome in futures::future::join_all(runs).await {
            // One that was overtaken again and again gives up, which loses nothing.
            if let Err(error) = outcome {
                assert!(matches!(error, RunError::GaveUp { .. }), "{error:?}");
            }
        }
        world.load(&sink, []).await.unwrap();
        let rows = "SELECT count(*) - count(DISTINCT id), count(*) > 0 FROM public.daily";
        assert_eq!(world.sql(rows).await, "0 true", "{isolation:?}");
        let ledger = "SELECT count(*), max(blocked) FROM public.transom_ledger__daily";
        assert_eq!(world.sql(ledger).await, "1 0", "{isolation:?}");
    }
}

/// The log of attempts that are staged without one.
const LOG: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn what_an_attempt_has_staged_is_deleted_with_it() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::OverwritePartitions);
    let (kept, dead) = (Attempt::random(), Attempt::random());
    let load = || visits(&[&["1", "-", "2026-11-01", "x"]]);
    for attempt in [kept, dead] {
        let attempt = transom_connect::Attempt {
            log: Some(LOG.to_owned()),
            ..transom_connect::Attempt::new(attempt.to_string())
        };
        stage_as(&sink, attempt, load()).await.unwrap();
    }
    let staged = async || {
        let staging = &sink.warehouse.staging;
        let found = world.aws.list(staging).await.unwrap();
        found.into_iter().map(|(_, path)| path).collect::<Vec<_>>()
    };
    assert_eq!(staged().await.len(), 8);
    for _ in 0..2 {
        sink.delete_attempt(LOG, &dead.to_string()).await.unwrap();
        let left = staged().await;
        assert_eq!(left.len(), 4);
        let kept = format!("{LOG}/{kept}");
        assert!(left.iter().all(|path| path.starts_with(&kept)), "{left:?}");
    }
}

#[tokio::test]
async fn the_same_text_carried_out_twice_changes_the_table_once() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    let submission = Submission::random();
    sink.submit(&applying, &claim, submission, false)
        .await
        .unwrap();
    // The service knows the token, and does not carry it out again.
    sink.submit(&applying, &claim, submission, false)
        .await
        .unwrap();
    assert_eq!(world.sql(COUNT).await, "3");
    // A service that has forgotten the token carries out the very text; its check finds that nothing is loading.
    let mark =
        format!("SELECT count(*) FROM public.transom_ledger__daily WHERE loading = '{submission}'");
    assert_eq!(world.sql(&mark).await, "0");
}

#[tokio::test]
async fn a_text_that_a_service_has_forgotten_changes_the_table_once() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    let submission = Submission::random();
    sink.submit(&applying, &claim, submission, false)
        .await
        .unwrap();
    drop(sink);
    // As after eight hours: the token says nothing any more.
    let world = world.restarted().await;
    let sink = world.sink(LoadMode::Append);
    let again = sink.submit(&applying, &claim, submission, false).await;
    assert_eq!(again.unwrap_err().kind(), SinkErrorKind::Unclear);
    assert_eq!(world.sql(COUNT).await, "3");
}

#[tokio::test]
async fn a_caller_that_is_gone_leaves_nothing_to_repair() {
    for (wait, isolation) in [0, 1, 3, 10, 30, 100, 300]
        .map(|wait| ISOLATIONS.map(|how| (wait, how)))
        .concat()
    {
        let world = World::with(isolation).await;
        let (world, sink, entry) = with_an_entry_in(world, LoadMode::Append).await;
        let (applying, claim) = applying(&entry);
        let gone = sink.submit(&applying, &claim, Submission::random(), false);
        let _ = tokio::time::timeout(Duration::from_millis(wait), gone).await;
        let mut tries = 0;
        loop {
            match sink.read(&applying).await.unwrap().settle(&claim) {
                Settled::Applied { .. } => break,
                Settled::Open => {}
                other => panic!("{other:?}"),
            }
            tries += 1;
            assert!(tries < 10, "{wait}");
            let _ = sink
                .submit(&applying, &claim, Submission::random(), false)
                .await;
        }
        assert_eq!(world.sql(COUNT).await, "3", "{wait} {isolation:?}");
    }
}

#[tokio::test]
async fn an_entry_can_be_moved_past_without_its_rows() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    sink.submit(&applying, &claim, Submission::random(), true)
        .await
        .unwrap();
    let reading = sink.read(&applying).await.unwrap();
    assert_eq!(reading.settle(&claim), Settled::Applied { skipped: true });
    assert_eq!(world.sql(COUNT).await, "1");
}

#[tokio::test]
async fn a_rewind_takes_back_appended_rows_and_numbers_go_on() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let load = |id: &str| visits(&[&[id, "-", "-", "x"]]);
    world.load(&sink, ["1", "2", "3"].map(load)).await.unwrap();
    world.append(&sink, Draft::Rewind { to: 2 }).await.unwrap();
    let rows = "SELECT id, _transom_seq FROM public.daily ORDER BY id";
    assert_eq!(world.sql(rows).await, "1 2");
    world.load(&sink, ["2"].map(load)).await.unwrap();
    assert_eq!(world.sql(rows).await, "1 2; 2 6");
    // To the very beginning.
    world.append(&sink, Draft::Rewind { to: 0 }).await.unwrap();
    assert_eq!(world.sql(COUNT).await, "0");
}

#[tokio::test]
async fn a_rewind_leaves_merged_rows_until_they_are_loaded_again() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Merge);
    let load = |at: &str| visits(&[&["1", &format!("2026-11-01 {at}:00:00"), "-", at]]);
    world.load(&sink, ["10", "12"].map(load)).await.unwrap();
    world.append(&sink, Draft::Rewind { to: 2 }).await.unwrap();
    let rows = "SELECT text FROM public.daily";
    assert_eq!(world.sql(rows).await, "12");
    world.load(&sink, ["11", "12"].map(load)).await.unwrap();
    assert_eq!(world.sql(rows).await, "12");
}

const DROP: &str = "DROP TABLE public.daily";
const REFUSING: &str = "CREATE TABLE public.daily (id bigint, at timestamp, day date, text varchar(256) not null, _transom_seq bigint)";
const TAKING: &str = "CREATE TABLE public.daily (id bigint, at timestamp, day date, text varchar(256), _transom_seq bigint)";

#[tokio::test]
async fn what_the_table_refuses_stops_the_run_until_it_is_fixed_or_given_up() {
    for disposition in [None, Some(Disposition::Redo), Some(Disposition::Skip)] {
        let world = World::new().await;
        let sink = world.sink(LoadMode::Append);
        let load = |text: &str| visits(&[&["1", "-", "-", text]]);
        world.load(&sink, [load("a")]).await.unwrap();
        let plans = [Planned::RowsThen(load("-"), vec![DROP, REFUSING])];
        let error = world.run(&sink, plans.into(), Task::Run).await.unwrap_err();
        let RunError::Stopped(stop, Some(cause)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            stop.to_string(),
            "the warehouse of sink `mart` refuses entry 3"
        );
        assert!(
            chain(&cause).contains("Cannot insert a NULL value into column text"),
            "{}",
            chain(&cause)
        );
        assert_eq!(world.sql(COUNT).await, "0", "nothing of it is visible");
        match disposition {
            None => {
                world.sql(DROP).await;
                world.sql(TAKING).await;
            }
            Some(disposition) => {
                let discard = Task::Discard { of: 3, disposition };
                world.run(&sink, [].into(), discard).await.unwrap();
                let ledger = "SELECT pos, blocked, disposition FROM public.transom_ledger__daily";
                assert_eq!(world.sql(ledger).await, "4 0 -");
            }
        }
        world.load(&sink, [load("b")]).await.unwrap();
        let expected = if disposition.is_none() { "2" } else { "1" };
        assert_eq!(world.sql(COUNT).await, expected);
    }
}

#[tokio::test]
async fn what_is_blocked_is_not_loaded_by_a_transaction_that_comes_late() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    sink.block(&applying, Disposition::Redo).await.unwrap();
    sink.block(&applying, Disposition::Redo).await.unwrap();
    let reading = sink.read(&applying).await.unwrap();
    assert_eq!(reading.settle(&claim), Settled::Blocked(Disposition::Redo));
    let late = sink
        .submit(&applying, &claim, Submission::random(), false)
        .await;
    assert_eq!(late.unwrap_err().kind(), SinkErrorKind::Unclear);
    assert_eq!(world.sql(COUNT).await, "1");
}

#[tokio::test]
async fn a_ledger_is_created_once() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    sink.create(&applying).await.unwrap();
    let reading = sink.read(&applying).await.unwrap();
    assert_eq!(reading.settle(&claim), Settled::Open);
    world.sql("DROP TABLE public.transom_ledger__daily").await;
    assert_eq!(sink.read(&applying).await.unwrap(), Reading::Missing);
    let both = futures::join!(sink.create(&applying), sink.create(&applying));
    both.0.unwrap();
    both.1.unwrap();
    match sink.read(&applying).await.unwrap() {
        Reading::Ledger(ledger) => assert_eq!(ledger.position, Position::START),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_the_logs_stops_the_run() {
    let changes = [
        (
            "DROP TABLE public.transom_ledger__daily",
            Some(Wrong::Missing),
        ),
        (
            "INSERT INTO public.transom_ledger__daily SELECT * FROM public.transom_ledger__daily",
            Some(Wrong::Rows(2)),
        ),
        (
            "DELETE FROM public.transom_ledger__daily",
            Some(Wrong::Rows(0)),
        ),
        ("UPDATE public.transom_ledger__daily SET pos = 7", None),
        (
            "UPDATE public.transom_ledger__daily SET blocked = 9",
            Some(Wrong::Block(9)),
        ),
    ];
    for (change, expected) in changes {
        let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
        let (applying, claim) = applying(&entry);
        world.sql(change).await;
        let settled = sink.read(&applying).await.unwrap().settle(&claim);
        match expected {
            Some(wrong) => assert_eq!(settled, Settled::Wrong(wrong), "{change}"),
            None => assert_eq!(settled, Settled::Ahead(7), "{change}"),
        }
        let load = visits(&[&["9", "-", "-", "x"]]);
        let error = world.load(&sink, [load]).await.unwrap_err();
        assert!(
            matches!(error, RunError::Stopped(..)),
            "{change}: {error:?}"
        );
        assert_eq!(world.sql(COUNT).await, "1", "{change}");
    }
}

#[tokio::test]
async fn another_pipelines_table_is_not_loaded() {
    let mut world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let load = || visits(&[&["1", "-", "-", "x"]]);
    world.load(&sink, [load()]).await.unwrap();
    world.store = MemoryStore::new();
    let error = world.load(&sink, [load()]).await.unwrap_err();
    match error {
        RunError::Stopped(stop, _) => {
            assert!(
                stop.to_string().contains("belongs to another pipeline"),
                "{stop}"
            );
            assert!(matches!(*stop, Stop::Ledger { .. }), "{stop:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.sql(COUNT).await, "1");
}

#[tokio::test]
async fn a_ledger_says_whose_table_it_is() {
    let (world, mut sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    sink.name = "other".to_owned();
    let settled = sink.read(&applying).await.unwrap().settle(&claim);
    let wrong = Wrong::OtherSink {
        at: claim.from,
        sink: Some("mart".into()),
    };
    assert_eq!(settled, Settled::Wrong(wrong));
    // One of an earlier version does not, and is moved as ever.
    world
        .sql("ALTER TABLE public.transom_ledger__daily DROP COLUMN sink")
        .await;
    let settled = sink.read(&applying).await.unwrap().settle(&claim);
    assert_eq!(settled, Settled::Open);
    sink.submit(&applying, &claim, Submission::random(), false)
        .await
        .unwrap();
    assert_eq!(world.sql(COUNT).await, "3");
}

#[tokio::test]
async fn a_ledger_that_was_edited_is_named() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    world
        .sql("UPDATE public.transom_ledger__daily SET attempt = 'mine'")
        .await;
    let error = sink.read(&applying(&entry).0).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Broken);
    assert_eq!(
        error.to_string(),
        "the ledger `public.transom_ledger__daily` of sink `mart` was changed: its row is not one that transom writes"
    );
}

#[tokio::test]
async fn what_a_run_gives_up_stays_for_who_has_decided_it() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let part = entry.part(&"mart".into()).unwrap();
    let staged = transom_connect::Staged {
        sink: "mart".to_owned(),
        written: Default::default(),
        publish: serde_json::from_value(part.staged.clone()).unwrap(),
    };
    sink.abandon(&staged).await;
    let (applying, claim) = applying(&entry);
    let loaded = sink.submit(&applying, &claim, Submission::random(), false);
    loaded.await.unwrap();
    assert_eq!(world.sql(COUNT).await, "3");
}

#[tokio::test]
async fn staged_files_that_are_gone_or_are_others_are_not_loaded() {
    let (world, sink, entry) = with_an_entry(LoadMode::Append).await;
    let (applying, claim) = applying(&entry);
    world.delete_staged().await;
    let error = sink
        .submit(&applying, &claim, Submission::random(), false)
        .await;
    let error = error.unwrap_err();
    assert_ne!(error.kind(), SinkErrorKind::Refused, "{}", chain(&error));
    assert_eq!(
        sink.read(&applying).await.unwrap().settle(&claim),
        Settled::Open
    );
    assert_eq!(world.sql(COUNT).await, "1");
}

#[tokio::test]
async fn an_entry_of_another_table_is_not_loaded() {
    let (_world, mut sink, entry) = with_an_entry(LoadMode::Append).await;
    sink.table.table.name = "other".to_owned();
    let (applying, claim) = applying(&entry);
    let error = sink
        .submit(&applying, &claim, Submission::random(), false)
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Broken);
    assert_eq!(
        error.to_string(),
        "entry 3 cannot be loaded into sink `mart`: it was staged for `public.daily`, and the sink is now `public.other`"
    );
}
