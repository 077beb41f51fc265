//! The promise of a sink: the old table or the new one, whole, whatever happens.

use std::{
    env, fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use arrow::array::RecordBatch;
use tempfile::tempdir;
use transom_connect::{FileSink, SinkError, WriteProgress, publish_all};
use transom_file::spec::{CsvOptions, SinkFormat};

use crate::support::{
    CSV, files, names, open, publish, put, query, session, shown, sink, source, stream, table,
};

fn csv_sink(root: &Path) -> FileSink {
    sink(root, SinkFormat::Csv(CsvOptions::default()), &["id"])
}

/// A table of three files that all say which version they are of.
fn version(text: &str) -> Vec<RecordBatch> {
    vec![table(&[Some(1), Some(2), Some(3)], &[Some(text); 3])]
}

/// The version that the files of a folder are of.
///
/// # Panics
/// If a file is missing, or they are of several versions.
fn version_in(folder: &Path) -> String {
    let files = files(folder);
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(
        files.iter().all(|(_, content)| content == &files[0].1),
        "{files:?}"
    );
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    text.strip_prefix("text\n").unwrap().trim().to_owned()
}

fn version_folders(root: &Path) -> Vec<String> {
    let mut folders: Vec<_> = fs::read_dir(root.join("out/.daily.versions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn a_run_that_is_given_up_at_any_stage_leaves_the_old_version_and_no_trace() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    publish(&sink, version("old")).await;
    let progress = Arc::new(WriteProgress::default());
    for stage in ["begun", "written", "prepared"] {
        let staged = sink.begin(stage).unwrap();
        assert_eq!(version_folders(root.path()).len(), 2);
        if stage != "begun" {
            let batches = version("new");
            staged
                .write(0, stream(batches[0].schema(), batches), &progress)
                .await
                .unwrap();
        }
        if stage == "prepared" {
            drop(staged.prepare().await.unwrap());
        } else {
            drop(staged);
        }
        assert_eq!(version_in(&sink.path), "old", "{stage}");
        assert_eq!(version_folders(root.path()), ["000001-run"], "{stage}");
    }
    publish(&sink, version("new")).await;
    assert_eq!(version_in(&sink.path), "new");
}

#[tokio::test]
async fn the_version_before_is_kept_and_older_ones_are_deleted() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    for n in 1..=4 {
        let committed = publish(&sink, version(&n.to_string())).await;
        assert_eq!(committed.version, format!("{n:06}-run"));
    }
    assert_eq!(version_folders(root.path()), ["000003-run", "000004-run"]);
    assert_eq!(
        fs::read_link(&sink.path).unwrap(),
        Path::new(".daily.versions/000004-run")
    );
}

#[tokio::test]
async fn a_reader_never_sees_a_missing_file_or_a_mixed_version() {
    const PUBLISHES: u64 = 20;
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    publish(&sink, version("0")).await;
    let rounds = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (path, rounds, stop) = (sink.path.clone(), Arc::clone(&rounds), Arc::clone(&stop));
        move || {
            let mut last = 0;
            while !stop.load(Ordering::Acquire) {
                let folder = path.canonicalize().unwrap();
                let version: u64 = version_in(&folder).parse().unwrap();
                assert!(version >= last);
                last = version;
                rounds.fetch_add(1, Ordering::AcqRel);
            }
            last
        }
    });
    for n in 1..=PUBLISHES {
        publish(&sink, version(&n.to_string())).await;
        // A reader that holds no lease is promised one version back. The round that is under way may have begun before this
        // version: it has to end before the next one comes.
        let under_way = rounds.load(Ordering::Acquire);
        while rounds.load(Ordering::Acquire) == under_way && !reader.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::Release);
    assert_eq!(reader.join().unwrap(), PUBLISHES);
}

#[tokio::test]
async fn a_source_keeps_the_version_it_has_found_however_many_runs_follow() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    publish(&sink, version("first")).await;
    let source = source(root.path(), "out/daily", CSV());
    let context = session();
    let table = open(&source, None, &context.state()).await.unwrap();
    context.register_table("t", table).unwrap();
    let frame = context.sql("SELECT DISTINCT text FROM t").await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    // From here on the plan alone holds the version.
    drop(frame);
    context.deregister_table("t").unwrap();
    for n in 2..=5 {
        publish(&sink, version(&n.to_string())).await;
    }
    assert_eq!(
        version_folders(root.path()),
        ["000001-run", "000004-run", "000005-run"]
    );
    let read = datafusion::physical_plan::collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap();
    let read = arrow::util::pretty::pretty_format_batches(&read)
        .unwrap()
        .to_string();
    assert!(read.contains("| first |"), "{read}");
    drop(plan);
    publish(&sink, version("6")).await;
    assert_eq!(version_folders(root.path()), ["000005-run", "000006-run"]);
    assert!(
        shown(&source, "SELECT DISTINCT text FROM t")
            .await
            .contains("| 6    |")
    );
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_has_ended() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    let first = sink.begin("nightly-7").unwrap();
    let error = sink.begin("other").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "sink `daily`: `{}` is being written by run `nightly-7` (process {})",
            sink.path.display(),
            std::process::id()
        )
    );
    assert!(error.hint().unwrap().contains("wait"));
    assert_eq!(version_folders(root.path()), ["000001-nightly-7"]);
    drop(first);
    publish(&sink, version("x")).await;
}

#[tokio::test]
async fn what_killed_runs_leave_is_deleted_by_the_next_and_nothing_else() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    publish(&sink, version("1")).await;
    publish(&sink, version("2")).await;
    let versions = "out/.daily.versions";
    put(
        root.path(),
        &format!("{versions}/000003-dead/id=1/part-00000-00000.csv"),
        "text\nhal",
    );
    put(root.path(), &format!("{versions}/notes/mine.txt"), "keep");
    symlink("000003-dead", root.path().join(versions).join("next")).unwrap();
    let staged = sink.begin("run").unwrap();
    assert_eq!(
        version_folders(root.path()),
        ["000001-run", "000002-run", "000003-run", "notes"]
    );
    drop(staged);
    publish(&sink, version("3")).await;
    assert_eq!(version_in(&sink.path), "3");
    assert!(root.path().join(versions).join("notes/mine.txt").exists());
}

#[tokio::test]
async fn what_no_sink_has_made_is_never_replaced() {
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    let refused = |found: &str| {
        let error = sink.begin("run").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "sink `daily` would replace `{}`, which is {found}",
                sink.path.display()
            )
        );
        assert!(error.hint().unwrap().contains("move what is there away"));
    };
    put(root.path(), "out/daily/mine.csv", "id\n1\n");
    refused("a folder not made by transom");
    assert_eq!(names(&sink.path), ["mine.csv"]);
    fs::remove_dir_all(&sink.path).unwrap();
    put(root.path(), "out/daily", "mine");
    refused("a file not made by transom");
    fs::remove_file(&sink.path).unwrap();
    symlink("elsewhere", &sink.path).unwrap();
    refused("a link to `elsewhere`, not made by transom");
    assert!(!root.path().join("out/.daily.versions").exists());

    // The same holds for what appears while the run is under way.
    fs::remove_file(&sink.path).unwrap();
    let staged = sink.begin("run").unwrap();
    let batches = version("new");
    let progress = Arc::new(WriteProgress::default());
    staged
        .write(0, stream(batches[0].schema(), batches), &progress)
        .await
        .unwrap();
    put(root.path(), "out/daily", "mine");
    assert!(matches!(
        staged.commit().await,
        Err(SinkError::NotOurs { .. })
    ));
    assert_eq!(fs::read_to_string(&sink.path).unwrap(), "mine");
    assert!(version_folders(root.path()).is_empty());
}

#[tokio::test]
async fn several_sinks_are_published_together_and_a_failure_says_how_far_it_came() {
    let root = tempdir().unwrap();
    let named = |name: &str| FileSink {
        name: name.to_owned(),
        path: root.path().join("out").join(name),
        ..csv_sink(root.path())
    };
    let prepared = async |name: &str, text: &str| {
        let batches = version(text);
        let staged = named(name).begin("run").unwrap();
        let progress = Arc::new(WriteProgress::default());
        staged
            .write(0, stream(batches[0].schema(), batches), &progress)
            .await
            .unwrap();
        staged.prepare().await.unwrap()
    };
    let sinks = vec![prepared("a", "1").await, prepared("b", "1").await];
    assert!(!named("a").path.exists());
    let committed = publish_all(sinks).await.unwrap();
    assert_eq!(committed[1].name, "b");
    assert_eq!(version_in(&named("b").path), "1");

    let sinks = vec![
        prepared("a", "2").await,
        prepared("b", "2").await,
        prepared("c", "2").await,
    ];
    fs::remove_file(named("b").path).unwrap();
    fs::write(named("b").path, "mine").unwrap();
    let error = publish_all(sinks).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sink `b` could not be published after `a` had been"
    );
    assert_eq!(version_in(&named("a").path), "2");
    assert!(!named("c").path.exists());
}

/// Where the child of the next test finds its table.
const CHILD_ROOT: &str = "TRANSOM_CONNECT_TEST_ROOT";

/// Not a test: what the child process of the next test runs until it is killed.
#[test]
#[ignore = "run by `a_run_killed_at_any_moment_leaves_a_whole_version` as a child process"]
fn publish_without_end() {
    let Ok(root) = env::var(CHILD_ROOT) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sink = csv_sink(Path::new(&root));
    for n in 0.. {
        runtime.block_on(publish(&sink, version(&n.to_string())));
    }
}

#[tokio::test]
async fn a_run_killed_at_any_moment_leaves_a_whole_version() {
    const KILLED_BY: i32 = 9;
    let root = tempdir().unwrap();
    let sink = csv_sink(root.path());
    publish(&sink, version("0")).await;
    let mut moved = 0;
    for round in 0..25 {
        let before = fs::read_link(&sink.path).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "publish::publish_without_end"])
            .env(CHILD_ROOT, root.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Until it is at work; then at a moment of its own in every round.
        let mut waits = 0;
        while fs::read_link(&sink.path).unwrap() == before && waits < 1000 {
            thread::sleep(Duration::from_millis(5));
            waits += 1;
        }
        thread::sleep(Duration::from_micros(round * 777 % 10_000));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(KILLED_BY));
        version_in(&sink.path);
        moved += u32::from(fs::read_link(&sink.path).unwrap() != before);
    }
    assert_eq!(moved, 25);
    // No lock is left, and the next run tidies up.
    publish(&sink, version("last")).await;
    assert_eq!(version_in(&sink.path), "last");
    assert_eq!(version_folders(root.path()).len(), 2);
    let rows = query(&source(root.path(), "out/daily", CSV()), "SELECT id FROM t")
        .await
        .unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
}
