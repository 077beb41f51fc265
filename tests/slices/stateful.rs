//! A transform that keeps its state goes on from it, slice after slice and run after run, and never from another one.

use std::path::Path;

use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::slices::{BackfillOptions, Command, KeptState, SliceOptions};
use transom_pipeline::{Error, causes};

use crate::gc;
use crate::world::{At, Kind, Silent, World};

async fn numbered(at: At) -> World {
    World::new(Kind::Numbered, at).await
}

/// Some days of which each has rows of other customers, one of them without a name.
fn add_days(world: &mut World, days: std::ops::Range<usize>) {
    for day in days {
        let customers: Vec<String> = (0..day).map(|number| format!("c{}", number % 7)).collect();
        let rows = customers.iter().map(|customer| (customer.as_str(), 1));
        let rows: Vec<(&str, i64)> = rows.chain([("", 2), ("", 3)]).collect();
        world.add(&format!("day=2024-03-{day:02}/a.csv"), &rows);
    }
}

async fn kept(world: &World) -> KeptState {
    let history = world.job().history(0).await.unwrap();
    let [kept] = <[KeptState; 1]>::try_from(history.steps).unwrap();
    kept
}

/// What is wrong, with its causes and what to do about it.
fn said(error: &Error) -> String {
    let mut said = error.to_string();
    for cause in causes(error) {
        said.push_str(": ");
        said.push_str(&cause);
    }
    let hint = error.hint().unwrap_or_default();
    format!("{said}\nhint: {hint}")
}

async fn refused(world: &World) -> String {
    said(&world.run().await.unwrap_err().error)
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_any_size_give_what_one_gives_over_all_files() {
    for at in [At::Folder, At::S3, At::Redshift] {
        let mut world = numbered(at).await;
        assert_eq!(world.run().await.unwrap().slices.len(), 1);
        world.check("first run").await;
        add_days(&mut world, 1..9);
        // The bucket of a key does not depend on how many threads compute.
        let mut job = world.job();
        job.session.partitions = 5;
        let report = job.run_slices(&SliceOptions::default(), &Silent).await;
        assert_eq!(report.unwrap().slices.len(), 4);
        world.check("second run").await;
        world.add("day=2024-01-01/late.csv", &[("c3", 1), ("z", 1)]);
        world.run().await.unwrap();
        world.check("third run").await;
        let state = kept(&world).await;
        assert_eq!(
            (state.name.as_str(), state.plugin.as_str()),
            ("numbered", "numbering")
        );
        assert!(
            (5..=11).contains(&state.buckets) && state.bytes > 0,
            "{state:?}"
        );
        assert!(world.job().verify(true).await.unwrap().findings.is_empty());

        let whole = numbered(at).await;
        whole.edit("transom.yaml", "files: 2", "files: 1000");
        let mut whole = whole;
        for (name, rows) in world.files.clone() {
            let rows: Vec<(&str, i64)> = rows
                .iter()
                .map(|(customer, amount)| (customer.as_str(), *amount))
                .collect();
            whole.add(&name, &rows);
        }
        assert_eq!(whole.run().await.unwrap().slices.len(), 1);
        assert_eq!(whole.rows().await, world.rows().await, "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_there_is_one_state() {
    let mut world = numbered(At::Folder).await;
    world.edit("transom.yaml", "numbering.number", "numbering.count");
    world.edit("transom.yaml", ", partition_by: [customer] }", " }");
    add_days(&mut world, 1..6);
    world.run().await.unwrap();
    add_days(&mut world, 6..8);
    world.run().await.unwrap();
    let numbers: Vec<i64> = world.rows().await.into_iter().map(|row| row.2).collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=numbers.len() as i64).collect::<Vec<_>>());
    assert_eq!(kept(&world).await.buckets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_taken_out_of_the_state() {
    let mut world = numbered(At::Folder).await;
    world.run().await.unwrap();
    let first = kept(&world).await;
    let to = world.job().history(0).await.unwrap().tail;
    add_days(&mut world, 1..4);
    world.run().await.unwrap();
    world.check("loaded").await;
    let all = kept(&world).await;
    assert_ne!(first, all);
    world.ask(Command::Rewind { to }).await.unwrap();
    assert_eq!(kept(&world).await, first);
    world.run().await.unwrap();
    world.check("loaded again").await;
    assert_eq!(kept(&world).await, all);
    world.ask(Command::Rewind { to: 0 }).await.unwrap();
    assert!(world.job().history(0).await.unwrap().steps.is_empty());
    world.run().await.unwrap();
    world.check("begun anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_is_loaded_later_brings_its_state() {
    let mut world = numbered(At::Folder).await;
    world.run().await.unwrap();
    let before = kept(&world).await;
    add_days(&mut world, 3..4);
    let options = SliceOptions {
        stage_only: true,
        ..SliceOptions::default()
    };
    let staged = world.job().run_slices(&options, &Silent).await.unwrap();
    assert_eq!(kept(&world).await, before);
    let attempt = staged.staged.unwrap().attempt;
    world.ask(Command::Load { attempt }).await.unwrap();
    world.check("loaded").await;
    add_days(&mut world, 4..6);
    world.run().await.unwrap();
    world.check("gone on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gc_keeps_the_states_that_can_be_gone_back_to() {
    for at in [At::Folder, At::S3] {
        let mut world = numbered(at).await;
        add_days(&mut world, 1..8);
        world.run().await.unwrap();
        let before = kept(&world).await;
        let gc = world.job().gc(&gc::ALL).await.unwrap();
        assert!(
            gc.garbage.iter().any(|garbage| garbage.sink.is_none()),
            "{gc:?}"
        );
        assert_eq!(kept(&world).await, before);
        assert!(world.job().verify(true).await.unwrap().findings.is_empty());
        world.ask(Command::Rewind { to: gc.keeps }).await.unwrap();
        world.run().await.unwrap();
        world.check("after the gc and a rewind").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_reads_the_state_or_refuses_it() {
    let mut world = numbered(At::Folder).await;
    world.run().await.unwrap();
    let before = world.rows().await;
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.edit("numbering/pyproject.toml", "1.0.0", "2.0.0");
    world.edit(
        "numbering/numbering.py",
        "state[\"counts\"]",
        "state[\"numbers\"]",
    );
    let refused = refused(&world).await;
    for part in [
        "step `numbered` (transform `numbering.number`) cannot continue from the state in bucket",
        "`numbering` 1.0.0 (sha256 ",
        "`numbering` 2.0.0 (sha256 ",
        "the saved state does not fit this version of the transform `number`",
        "run with version 1.0.0 of the plugin again",
        "transom reset --yes",
    ] {
        assert!(refused.contains(part), "no `{part}` in: {refused}");
    }
    assert_eq!(world.rows().await, before);
    // One that knows the older form.
    let reads_both = "state.get(\"numbers\", state[\"counts\"])";
    world.edit("numbering/pyproject.toml", "2.0.0", "2.0.1");
    world.edit("numbering/numbering.py", "state[\"numbers\"]", reads_both);
    world.run().await.unwrap();
    world.check("another version").await;
    let versions: Vec<String> = kept(&world).await.versions.into_iter().collect();
    // The bucket of `b` had no row since.
    assert_eq!(versions, ["1.0.0", "2.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_begin_in_the_middle() {
    let mut world = numbered(At::Folder).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let yaml = std::fs::read_to_string(world.path().join("transom.yaml")).unwrap();
    let with = |from: &str, to: &str| {
        std::fs::write(world.path().join("transom.yaml"), &yaml).unwrap();
        world.edit("transom.yaml", from, to);
    };
    with("numbered", "counted");
    let renamed = refused(&world).await;
    assert!(
        renamed.contains("step `counted` keeps state, and the log has none of it: its state would lack the files of source `raw`"),
        "{renamed}"
    );
    assert!(
        renamed.contains("the log has the state of a step `numbered`"),
        "{renamed}"
    );

    with("numbering.number,", "numbering.count,");
    let another = refused(&world).await;
    assert!(
        another.contains("step `numbered` is the transform `numbering.count` now, and its state is that of `numbering.number`"),
        "{another}"
    );
    with(
        "input: raw, partition_by: [customer]",
        "input: raw, partition_by: [customer, day]",
    );
    world.edit(
        "numbering/numbering.py",
        ", partition_by=[\"customer\"]",
        "",
    );
    let keys = refused(&world).await;
    assert!(
        keys.contains("step `numbered` partitions by `customer` (utf8), `day` (date) now, and its state is kept by `customer` (utf8)"),
        "{keys}"
    );
    // As it was.
    std::fs::write(world.path().join("transom.yaml"), &yaml).unwrap();
    world.run().await.unwrap();
    world.check("as it was").await;

    // Without the step its state ends, and does not come back by itself.
    with("number AS amount FROM numbered", "amount FROM raw");
    world.add("day=2024-01-03/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    assert!(world.job().history(0).await.unwrap().steps.is_empty());
    std::fs::write(world.path().join("transom.yaml"), &yaml).unwrap();
    world.add("day=2024-01-04/a.csv", &[("a", 7)]);
    let added = refused(&world).await;
    assert!(
        added.contains("put the step into a pipeline of its own"),
        "{added}"
    );
    world.ask(Command::Rewind { to: 0 }).await.unwrap();
    world.run().await.unwrap();
    world.check("begun anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_a_backfill_would_not_know_the_state() {
    let world = numbered(At::Folder).await;
    let (job, options) = (world.job(), BackfillOptions::default());
    let planned = job.plan_backfill(&options, &Silent);
    let refused = said(&planned.await.unwrap_err());
    assert!(
        refused.contains("step `numbered` keeps state from slice to slice, so the shares of a backfill cannot be computed side by side"),
        "{refused}"
    );
    assert!(refused.contains("hint: use `transom run`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_too_large_is_refused() {
    let world = numbered(At::Folder).await;
    world.edit(
        "transom.yaml",
        "path: numbering }",
        "path: numbering, limits: { state: 10B } }",
    );
    let refused = refused(&world).await;
    assert!(
        refused.contains("its limit for `state` is 10 B"),
        "{refused}"
    );
    assert!(
        refused.contains("raise it under the plugin's `limits`"),
        "{refused}"
    );
    assert!(world.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_over_new_rows_keeps_state_or_sees_rows_one_by_one() {
    let world = numbered(At::Folder).await;
    world.edit("transom.yaml", "numbering.number", "numbering.forget");
    let planned = world.job().plan(Sources::FromLock, &Part::default()).await;
    let refused = planned.unwrap_err().to_string();
    for part in [
        "the transform `numbering.forget` by customer needs all rows",
        "let the transform keep its state from slice to slice (`save` and `restore`)",
    ] {
        assert!(refused.contains(part), "no `{part}` in: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_read_again_begin_without_state() {
    let mut world = World::new(Kind::Days, At::Folder).await;
    let numbers = numbered(At::Folder).await;
    std::fs::rename(
        numbers.path().join("numbering"),
        world.path().join("numbering"),
    )
    .unwrap();
    world.edit(
        "transom.yaml",
        "sources:",
        "plugins: { numbering: { path: numbering } }\nsources:",
    );
    world.edit(
        "numbering/numbering.py",
        ", partition_by=[\"customer\"]",
        "",
    );
    world.edit(
        "transom.yaml",
        "steps:",
        "steps:\n  numbered: { transform: numbering.number, input: raw, partition_by: [day, customer] }",
    );
    world.edit(
        "transom.yaml",
        "sum(amount) AS amount FROM raw GROUP",
        "max(number) AS amount FROM numbered GROUP",
    );
    world.run().await.unwrap();
    world.add("day=2024-01-01/late.csv", &[("a", 5)]);
    world.run().await.unwrap();
    let day = "2024-01-01".to_owned();
    let expected = [("a", 3), ("b", 1)];
    let expected = expected.map(|(customer, rows)| (day.clone(), customer.to_owned(), rows));
    assert_eq!(world.rows().await, expected);
    assert!(world.job().history(0).await.unwrap().steps.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_no_bucket_is_refused_by_check() {
    let world = numbered(At::Folder).await;
    world.edit("transom.yaml", "input: raw", "input: listed");
    world.edit(
        "transom.yaml",
        "steps:",
        "steps:\n  listed: { sql: \"SELECT [customer] AS customer FROM raw\" }",
    );
    world.edit("transom.yaml", "numbering.number", "numbering.count");
    let planned = world.job().plan(Sources::FromLock, &Part::default()).await;
    let refused = planned.unwrap_err().to_string();
    assert!(
        refused.contains("step `numbered` keeps its state by `customer`, which is list<utf8>"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_damaged_is_found_and_never_used() {
    for is_gone in [true, false] {
        let mut world = numbered(At::Folder).await;
        world.run().await.unwrap();
        let before = world.rows().await;
        let bucket = a_bucket(&world.path().join("state/objects"));
        match is_gone {
            true => std::fs::remove_file(&bucket).unwrap(),
            false => std::fs::write(&bucket, "{\"counts\":[[\"a\",7],[\"b\",7]]}").unwrap(),
        }
        let found = world.job().verify(false).await.unwrap().findings;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0]
                .problem
                .starts_with("the state of step `numbered` cannot be read"),
            "{found:?}"
        );
        world.add("day=2024-01-02/a.csv", &[("a", 7), ("b", 7)]);
        let refused = refused(&world).await;
        assert!(
            refused.contains("is gone") || refused.contains("has another digest"),
            "{refused}"
        );
        assert_eq!(world.rows().await, before);
    }
}

/// A file that holds what a transform has saved.
fn a_bucket(folder: &Path) -> std::path::PathBuf {
    let attempts = std::fs::read_dir(folder).unwrap();
    let mut files =
        attempts.flat_map(|attempt| std::fs::read_dir(attempt.unwrap().path()).unwrap());
    let is_bucket = |path: &Path| {
        std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("{\"counts\""))
    };
    files
        .find_map(|file| Some(file.unwrap().path()).filter(|path| is_bucket(path)))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_is_discarded_leaves_its_state_or_takes_it_along() {
    for redo in [true, false] {
        let mut world = numbered(At::Redshift).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 1), ("a", 1)]);
        let of = world.decide_in_vain().await;
        world.ask(Command::Discard { of, redo }).await.unwrap();
        world.add("day=2024-01-03/a.csv", &[("a", 1), ("b", 1)]);
        world.run().await.unwrap();
        // Customer `a` had two rows, and has three more, of which two are lost with `--skip`: their numbers are not given again.
        let mut expected = world.expected();
        if !redo {
            expected.retain(|(_, customer, number)| customer != "a" || ![3, 4].contains(number));
        }
        assert_eq!(world.rows().await, expected, "redo: {redo}");
        assert!(world.job().verify(true).await.unwrap().findings.is_empty());
        world.job().gc(&gc::ALL).await.unwrap();
        world.add("day=2024-01-04/a.csv", &[("a", 1)]);
        world.run().await.unwrap();
        assert!(world.job().verify(true).await.unwrap().findings.is_empty());
    }
}
