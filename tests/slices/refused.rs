//! What would lose or double rows is refused.

use transom_pipeline::slices::{BackfillOptions, Command};

use crate::world::{At, Kind, Silent, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_changed_is_not_loaded_twice() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    world.add("day=2024-01-01/first.csv", &[("a", 1000)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains("first.csv` was loaded and has changed since"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("on_change: load"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_looks_changed_is_not_loaded_again() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::Folder).await;
        for day in ["02", "03", "04"] {
            // More slices than one, of which some are computed beside the one before them.
            world.add(&format!("day=2024-01-{day}/a.csv"), &[("c", 4)]);
            world.add(&format!("day=2024-01-{day}/b.csv"), &[("d", 5)]);
        }
        world.run().await.unwrap();
        let files = world.files.clone();
        for times in 1..=2 {
            // Written again as they are: their times are others.
            for (name, rows) in &files {
                let rows: Vec<(&str, i64)> =
                    rows.iter().map(|(of, many)| (of.as_str(), *many)).collect();
                world.add(name, &rows);
            }
            let slices = world.run().await.unwrap().slices.len();
            assert_eq!(slices, 0, "{kind:?}, {times}");
        }
        // A slice writes down how they look now.
        world.add("day=2024-01-05/new.csv", &[("e", 6)]);
        let report = world.run().await.unwrap();
        assert_eq!(report.slices[0].files, 1, "{kind:?}");
        assert_eq!(world.run().await.unwrap().slices.len(), 0, "{kind:?}");
        world.check("files were written again").await;
        // One of its size with other rows is another one.
        world.add("day=2024-01-02/a.csv", &[("x", 4)]);
        match kind {
            Kind::Days => assert_eq!(world.run().await.unwrap().slices.len(), 1),
            _ => {
                let error = world.run().await.unwrap_err().error.to_string();
                assert!(
                    error.contains("a.csv` was loaded and has changed"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_not_replaced_by_less() {
    let mut world = World::new(Kind::Days, At::Folder).await;
    world.run().await.unwrap();
    let before = world.rows().await;
    world.remove("day=2024-01-01/first.csv");
    // Retention alone changes nothing.
    assert_eq!(world.run().await.unwrap().slices.len(), 0);
    world.add("day=2024-01-01/late.csv", &[("z", 1)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains("lacks 1 file from which it was loaded"),
        "{error}"
    );
    assert_eq!(world.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_somebody_else_is_left_alone() {
    for kind in [Kind::Append, Kind::Days] {
        let world = World::new(kind, At::Folder).await;
        std::fs::create_dir(world.path().join("out")).unwrap();
        std::fs::write(world.path().join("out/precious.parquet"), "x").unwrap();
        let error = world.run().await.unwrap_err().error.to_string();
        assert!(error.contains("not made by transom"), "{error}");
        assert!(world.path().join("out/precious.parquet").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_without_a_lock_file_has_no_slices() {
    let world = World::new(Kind::Append, At::Folder).await;
    std::fs::remove_file(world.path().join("transom.lock")).unwrap();
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains("the lock file does not have the source"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_it_is_not_known_what_its_files_have_in_common_gets_none() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    let before = world.rows().await;
    let name = ".out.transom/shape.00000000000000000002";
    let shape = world.path().join(name);
    std::fs::write(&shape, "{").unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error.to_string().contains(&format!("{name}`, which says")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("delete it"), "{error}");
    assert_eq!(world.rows().await, before);
    let found = world.job().verify(false).await.unwrap().findings;
    assert!(found[0].problem.contains("was changed"), "{found:?}");
    // The way out that it names.
    std::fs::remove_file(&shape).unwrap();
    let found = world.job().verify(false).await.unwrap().findings;
    assert!(found[0].problem.contains("is gone"), "{found:?}");
    world.run().await.unwrap();
    world.check("the shape was written anew").await;
    crate::verify::sound(&world, "the shape was written anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_lost_does_not_load_everything_again() {
    for (kind, at) in [
        (Kind::Append, At::Folder),
        (Kind::Days, At::Folder),
        (Kind::Append, At::S3),
    ] {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        let before = world.rows().await;
        let file = world.path().join("transom.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("state\" }", "another\" }")).unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        let error = world.run().await.unwrap_err().error;
        assert!(error.to_string().contains("belongs to the log"), "{error}");
        assert_eq!(world.rows().await, before, "{kind:?} {at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_can_be_taken_from_the_pipeline() {
    let mut world = World::new(Kind::Days, At::Folder).await;
    world.run().await.unwrap();
    let file = world.path().join("transom.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(
            "  out: { from: out, path: \"out\"",
            "  other: { from: out, path: \"other\"",
        ),
    )
    .unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let report = world.run().await.unwrap();
    assert_eq!((report.slices.len(), report.done), (1, true));
    assert_eq!(world.run().await.unwrap().slices.len(), 0);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}

/// Restores a folder from a copy of an earlier time.
fn put_back(kept: &std::path::Path, folder: &std::path::Path) {
    std::fs::remove_dir_all(folder).unwrap();
    copy(kept, folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_behind_its_table_loads_nothing_twice() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    let (state, kept) = (world.path().join("state"), world.path().join("kept"));
    copy(&state, &kept);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    let before = world.rows().await;
    put_back(&kept, &state);
    let error = world.run().await.unwrap_err().error;
    assert_eq!(
        error.to_string(),
        "the table of sink `out` has another entry 3 than the log, which ends with entry 2"
    );
    assert!(error.hint().unwrap().contains("a second time"), "{error}");
    assert_eq!(world.rows().await, before);
    // Nothing else changes it either.
    nothing_is_changed(&world, &error.to_string()).await;
    assert_eq!(world.rows().await, before);
    let found = world.job().verify(false).await.unwrap().findings;
    assert_eq!(
        found[0].problem,
        "the table has entry 3, and the log says 2"
    );
}

/// Whatever is asked for of a log that ends with entry 2 is refused with these words.
async fn nothing_is_changed(world: &World, said: &str) {
    let sink = "out".to_owned();
    for command in [
        Command::Rewind { to: 0 },
        Command::Rewind { to: 1 },
        Command::Discard { of: 2, redo: true },
        Command::Discard { of: 2, redo: false },
        Command::Skip { of: 2, sink },
    ] {
        let error = world.ask(command.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), said, "{command:?}");
    }
    let job = world.job();
    let discard = Command::Discard { of: 2, redo: true };
    let error = job.check_slice(&discard).await.unwrap_err();
    assert_eq!(error.to_string(), said);
    for to in [0, 1] {
        let error = job.check_rewind(to, false).await.unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    let all = BackfillOptions::default();
    let planned = job.plan_backfill(&all, &Silent).await;
    assert_eq!(planned.unwrap_err().to_string(), said);
    let collected = job.gc(&crate::gc::ALL).await;
    assert_eq!(collected.unwrap_err().to_string(), said);
    assert_eq!(job.history(0).await.unwrap().tail, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_not_finished_beside_a_table_that_has_a_later_one() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::Folder).await;
        world.run().await.unwrap();
        let (state, kept) = (world.path().join("state"), world.path().join("kept"));
        copy(&state, &kept);
        // As if it had been saved before that was noted.
        let done = "done/00000000000000000002.json";
        std::fs::remove_file(kept.join(done)).unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        let before = world.rows().await;
        put_back(&kept, &state);
        let said =
            "the table of sink `out` has another entry 3 than the log, which ends with entry 2";
        let error = world.run().await.unwrap_err().error;
        assert_eq!(error.to_string(), said, "{kind:?}");
        nothing_is_changed(&world, said).await;
        assert_eq!(world.rows().await, before, "{kind:?}");
        assert!(!state.join(done).exists(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_not_set_back_to_a_state_that_is_behind_it() {
    let mut world = World::new(Kind::Days, At::Folder).await;
    world.run().await.unwrap();
    let (state, kept) = (world.path().join("state"), world.path().join("kept"));
    copy(&state, &kept);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    let before = world.rows().await;
    put_back(&kept, &state);
    // Nothing is new.
    world.remove("day=2024-01-02/a.csv");
    let error = world.run().await.unwrap_err().error;
    assert_eq!(
        error.to_string(),
        "the table of sink `out` has another entry 3 than the log, which ends with entry 2"
    );
    assert_eq!(world.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_the_log_that_is_gone_is_noticed() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::Folder).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        let before = world.rows().await;
        for name in ["log", "done"] {
            let entry = format!("state/{name}/00000000000000000003.json");
            std::fs::remove_file(world.path().join(entry)).unwrap();
        }
        assert!(world.run().await.is_err(), "{kind:?}");
        assert_eq!(world.rows().await, before, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_with_another_name_does_not_write_to_the_table_of_the_old_one() {
    for (kind, at) in [
        (Kind::Append, At::Folder),
        (Kind::Days, At::Folder),
        (Kind::Days, At::S3),
    ] {
        renamed(World::new(kind, at).await, kind).await;
    }
}

async fn renamed(mut world: World, kind: Kind) {
    world.run().await.unwrap();
    world.edit(
        "transom.yaml",
        "  out: { from: out, path",
        "  new: { from: out, path",
    );
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let error = world.run().await.unwrap_err().error;
    assert_eq!(
        error.to_string(),
        "the table of sink `new` belongs to sink `out` of this log, and has its entry 2: was the sink renamed?"
    );
    let found = world.job().verify(false).await.unwrap().findings;
    assert_eq!(found.len(), 1, "{kind:?}: {found:?}");
    assert!(found[0].hint.contains("old name"), "{found:?}");
    world.edit(
        "transom.yaml",
        "  new: { from: out, path",
        "  out: { from: out, path",
    );
    world.run().await.unwrap();
    world.check("it has its name again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_comes_back_lacks_no_slice() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    let sink =
        "  out: { from: out, path: \"out\", format: parquet, partition_by: [day], mode: append }";
    let other = sink
        .replace("out:", "other:")
        .replace("\"out\"", "\"other\"");
    let both = format!("{sink}\n{other}");
    world.edit("transom.yaml", sink, &both);
    world.run().await.unwrap();
    world.edit("transom.yaml", &both, &other);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    world.edit("transom.yaml", &other, &both);
    // Whether or not there is something new.
    assert!(world.run().await.is_err());
    world.add("day=2024-01-03/a.csv", &[("b", 8)]);
    let error = world.run().await.unwrap_err().error;
    assert_eq!(
        error.to_string(),
        "sink `out` lacks the rows of entry 3, which came into the log while it was not in the pipeline"
    );
    let all = BackfillOptions::default();
    let planned = world.job().plan_backfill(&all, &Silent).await;
    assert_eq!(planned.unwrap_err().to_string(), error.to_string());
    assert!(
        error.hint().unwrap().contains("transom rewind --to 2"),
        "{error}"
    );
    // The way out that it names.
    world.ask(Command::Rewind { to: 2 }).await.unwrap();
    world.run().await.unwrap();
    world.check("it has all slices").await;
    world.add("day=2024-01-04/a.csv", &[("b", 9)]);
    world.run().await.unwrap();
    world.check("and goes on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_not_merged_by_other_keys() {
    let mut world = World::new(Kind::Append, At::Redshift).await;
    world.edit(
        "transom.yaml",
        "mode: append",
        "mode: merge, keys: [day, customer], order_by: [amount]",
    );
    world.edit("transom.yaml", "SELECT raw.day, raw.customer, raw.amount * rates.rate AS amount FROM raw JOIN rates ON true", "SELECT day, customer, amount FROM raw");
    world.run().await.unwrap();
    world.edit("transom.yaml", "keys: [day, customer]", "keys: [customer]");
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains("were merged by `customer`, `day`, and `keys` are `customer` now"),
        "{error}"
    );
    assert_eq!(world.job().history(0).await.unwrap().tail, 2);
    // The ways out that it names.
    world.edit("transom.yaml", "keys: [customer]", "keys: [customer, day]");
    world.run().await.unwrap();
    world.edit("transom.yaml", "keys: [customer, day]", "keys: [customer]");
    // After a rewind, rows are there that were merged before.
    world.ask(Command::Rewind { to: 2 }).await.unwrap();
    assert!(world.run().await.is_err());
    world.ask(Command::Rewind { to: 0 }).await.unwrap();
    world.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_is_missed_by_whoever_looks() {
    for kind in [Kind::Append, Kind::Days] {
        let world = World::new(kind, At::Redshift).await;
        world.run().await.unwrap();
        world.sql("DROP TABLE public.out").await;
        let found = world.job().verify(false).await.unwrap().findings;
        assert!(found[0].problem.contains("is gone"), "{kind:?}: {found:?}");
        let checked = world.job().check_rewind(1, false).await;
        // Rows that were replaced stay in any case.
        assert_eq!(checked.is_err(), kind == Kind::Append, "{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_not_loaded_in_another_mode() {
    let mut world = World::new(Kind::Days, At::Redshift).await;
    world.run().await.unwrap();
    let before = world.rows().await;
    world.edit(
        "transom.yaml",
        "mode: overwrite_partitions, partition_by: [day]",
        "mode: merge, keys: [customer], order_by: [amount]",
    );
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains("were loaded with `mode: overwrite_partitions`, and it is `merge` now"),
        "{error}"
    );
    assert_eq!(world.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_staged_without_a_sink_is_not_loaded() {
    let world = World::new(Kind::Append, At::Folder).await;
    let staged = world.stage().await;
    let sink =
        "  out: { from: out, path: \"out\", format: parquet, partition_by: [day], mode: append }";
    let other = sink
        .replace("out:", "other:")
        .replace("\"out\"", "\"other\"");
    world.edit("transom.yaml", sink, &format!("{sink}\n{other}"));
    let load = Command::Load { attempt: staged };
    let error = world.ask(load).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "what was staged has no rows for sink `other`, which was not in the pipeline then"
    );
    // Nor what was staged for one that is gone.
    let load = Command::Load {
        attempt: world.stage().await,
    };
    world.edit("transom.yaml", &other, "");
    let error = world.ask(load).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "what was staged has rows for sink `other`, which is not in the pipeline any more"
    );
    assert!(error.hint().unwrap().contains("--stage-only"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_needs_the_sinks_whose_rows_would_go() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    let sink =
        "  out: { from: out, path: \"out\", format: parquet, partition_by: [day], mode: append }";
    let other = sink
        .replace("out:", "other:")
        .replace("\"out\"", "\"other\"");
    let both = format!("{sink}\n{other}");
    world.edit("transom.yaml", sink, &both);
    world.run().await.unwrap();
    world.edit("transom.yaml", &both, sink);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    let before = world.rows().await;
    let job = world.job();
    for error in [
        job.check_rewind(1, false).await.unwrap_err(),
        job.rewind(1, true).await.unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "rows would go from the table of sink `other`, which the pipeline does not have any more, or not as it was: nothing was taken back"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("its sink `other` back"), "{hint}");
    }
    assert_eq!(world.rows().await, before);
    // It has no row of what comes after entry 2.
    job.check_rewind(2, false).await.unwrap();
    job.rewind(2, false).await.unwrap();
    world.run().await.unwrap();
    world.check("without it").await;
    // The way out that is named.
    world.edit("transom.yaml", sink, &both);
    world.job().rewind(1, false).await.unwrap();
    world.edit("transom.yaml", &both, sink);
    world.run().await.unwrap();
    world.check("it was taken out again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_needs_the_dead_letters_that_would_go() {
    let world = World::new(Kind::Numbered, At::Folder).await;
    let (without, with) = (
        "partition_by: [customer] }",
        "partition_by: [customer], on_reject: dead_letter }",
    );
    world.edit("transom.yaml", without, with);
    world.run().await.unwrap();
    world.edit("transom.yaml", with, without);
    let error = world.job().check_rewind(0, false).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("rows would go from the dead letters of step `numbered`"),
        "{error}"
    );
    world.edit("transom.yaml", without, with);
    world.job().rewind(0, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_needs_the_files_of_a_source_that_was_renamed() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    world.edit(
        "transom.yaml",
        "incremental: new_files",
        "incremental: new_files, on_change: ignore",
    );
    world.edit("transom.yaml", "  raw: {", "  orders: {");
    world.edit("transom.yaml", "FROM raw JOIN", "FROM orders AS raw JOIN");
    world.edit("transom.lock", "raw", "orders");
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    world.job().check_rewind(0, false).await.unwrap();
    world.remove("day=2024-01-01/first.csv");
    let error = world.job().check_rewind(0, false).await.unwrap_err();
    assert!(error.to_string().contains("first.csv"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_that_could_not_be_finished_is_not_begun() {
    let world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    let files = world.path().join(".out.transom/files");
    for file in std::fs::read_dir(files).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "empty")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let error = world.job().check_rewind(0, false).await.unwrap_err();
    assert!(error.to_string().contains("file of no rows"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_discard_or_a_skip_would_do_is_known_before() {
    let mut world = World::new(Kind::Append, At::Redshift).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7), ("b", 8)]);
    let of = world.decide_in_vain().await;
    let job = world.job();
    let refused = async |command: Command| {
        let error = job.check_slice(&command).await.unwrap_err();
        error.to_string()
    };
    let sink = "out".to_owned();
    let said = refused(Command::Skip { of, sink }).await;
    assert_eq!(
        said,
        format!("sink `out` is the first warehouse of entry {of}: it cannot be skipped alone")
    );
    let sink = "other".to_owned();
    let said = refused(Command::Skip { of, sink }).await;
    assert_eq!(said, format!("entry {of} has nothing for sink `other`"));
    for redo in [true, false] {
        let discard = Command::Discard { of, redo };
        let slice = job.check_slice(&discard).await.unwrap().unwrap();
        assert_eq!((slice.entry, slice.files), (of, 1));
        assert_eq!(slice.rows, [("out".to_owned(), 2)]);
        // It was only told.
        let history = job.history(0).await.unwrap();
        assert_eq!((history.tail, history.done), (of, false));
        let at = &history.sinks[0];
        assert_eq!((at.entry, at.decided), (of - 1, Some(of)));
    }
    let discard = Command::Discard { of, redo: true };
    world.ask(discard.clone()).await.unwrap();
    assert!(job.check_slice(&discard).await.unwrap().is_none());
    let settled = |of| {
        format!("entry {of} is settled: it is done, discarded, or not the last entry any more")
    };
    let said = refused(Command::Discard { of, redo: false }).await;
    assert_eq!(said, settled(of));

    // The table has taken it after all, and who has loaded it was killed.
    assert!(world.killed("gate.applied:0"));
    let of = job.history(0).await.unwrap().tail;
    let said = refused(Command::Discard { of, redo: true }).await;
    assert_eq!(said, format!("sink `out` has entry {of} already"));
    world.run().await.unwrap();
    let said = refused(Command::Discard { of, redo: true }).await;
    assert_eq!(said, settled(of));
    world.check("in the end").await;
}
