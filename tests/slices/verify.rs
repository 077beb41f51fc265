//! `verify` finds nothing where nothing is wrong, and each kind of damage that is planted.

use std::path::{Path, PathBuf};

use transom_pipeline::slices::{Command, Verification};

use crate::gc;
use crate::world::{At, EVERYWHERE, Kind, World};

async fn verify(world: &World) -> Verification {
    world.job().verify(true).await.unwrap()
}

/// What is wrong, with what to do.
async fn problems(world: &World) -> String {
    let found = verify(world).await.findings.into_iter();
    let found = found.map(|finding| format!("{} ({})", finding.problem, finding.hint));
    found.collect::<Vec<_>>().join("\n")
}

pub(crate) async fn sound(world: &World, when: &str) {
    assert_eq!(problems(world).await, "", "{when}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_whatever_was_done() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        let when = |what: &str| format!("{kind:?} {at:?}: {what}");
        sound(&world, &when("nothing was loaded")).await;
        world.run().await.unwrap();
        world.add("day=2024-01-01/late.csv", &[("c", 5)]);
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        sound(&world, &when("slices")).await;
        let found = verify(&world).await;
        assert!(found.files > 0 || at == At::Redshift, "{found:?}");
        assert!(
            found.rows > 0 || (kind, at) != (Kind::Append, At::Redshift),
            "{found:?}"
        );
        world.ask(Command::Rewind { to: 2 }).await.unwrap();
        sound(&world, &when("a rewind")).await;
        world.run().await.unwrap();
        sound(&world, &when("loaded again")).await;
        world.job().gc(&gc::ALL).await.unwrap();
        sound(&world, &when("a gc")).await;
        world.add("day=2024-01-03/a.csv", &[("a", 7)]);
        for point in [
            "attempt.staged",
            "entry.put_after",
            "lake.copied_one",
            "gate.applied",
        ] {
            // Not all sinks pass all points.
            world.killed(&format!("{point}:0"));
            sound(&world, &when(point)).await;
        }
        world.run().await.unwrap();
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
        sound(&world, &when("taken back")).await;
    }
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// The Parquet file of the table that comes first.
fn a_file(world: &World) -> PathBuf {
    files(&world.path().join("out")).remove(0)
}

/// Replaces a file: it may have other names.
fn replace(path: &Path, content: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
}

async fn loaded(kind: Kind) -> World {
    let mut world = World::new(kind, At::Folder).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    sound(&world, "loaded").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_found() {
    for kind in [Kind::Append, Kind::Days] {
        let world = loaded(kind).await;
        let file = a_file(&world);
        let content = std::fs::read(&file).unwrap();

        std::fs::remove_file(&file).unwrap();
        let found = problems(&world).await;
        assert!(
            found.contains("is gone") && found.contains("transom rewind"),
            "{found}"
        );

        std::fs::write(&file, &content[1..]).unwrap();
        let found = problems(&world).await;
        assert!(found.contains("bytes, and"), "{found}");

        let mut changed = content.clone();
        changed[10] ^= 1;
        replace(&file, &changed);
        let found = problems(&world).await;
        assert!(
            found.contains("has other bytes than were written"),
            "{found}"
        );
        let shallow = world.job().verify(false).await.unwrap();
        assert!(shallow.findings.is_empty(), "{shallow:?}");

        replace(&file, &content);
        sound(&world, "repaired").await;
        // What a process that was killed was about to name.
        std::fs::write(file.with_file_name(".unnamed-1a2b3c"), "").unwrap();
        sound(&world, "not named yet").await;
        let extra = file.with_file_name("extra.parquet");
        std::fs::write(&extra, &content).unwrap();
        let found = problems(&world).await;
        assert!(found.contains("extra.parquet"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_that_was_moved_is_found() {
    let world = loaded(Kind::Days).await;
    let link = world.path().join("out");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(".out.versions/00000000000000000002", &link).unwrap();
    let found = problems(&world).await;
    assert!(
        found.contains("shows entry 2, and the log says 3"),
        "{found}"
    );
    world.run().await.unwrap();
    sound(&world, "a run puts it right").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_the_log_is_found() {
    let world = loaded(Kind::Append).await;
    let state = world.path().join("state");
    let entry = state.join("log/00000000000000000002.json");
    let last = state.join("log/00000000000000000003.json");
    let content = std::fs::read_to_string(&entry).unwrap();

    std::fs::remove_file(&entry).unwrap();
    let found = problems(&world).await;
    assert!(
        found.contains("is missing") && found.contains("restore"),
        "{found}"
    );

    std::fs::write(&entry, content.replace("\"rows_in\":", "\"rows_in\": ")).unwrap();
    let found = problems(&world).await;
    assert!(found.contains("one of the two was changed"), "{found}");
    std::fs::write(&entry, &content).unwrap();
    sound(&world, "repaired").await;

    let end = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    let found = problems(&world).await;
    assert!(found.contains("the log ends with entry 2"), "{found}");
    assert!(found.contains("no entry has added"), "{found}");
    std::fs::write(&last, end).unwrap();

    let done = state.join("done/00000000000000000002.json");
    std::fs::remove_file(&done).unwrap();
    let found = problems(&world).await;
    assert!(
        found.contains("the note that all sinks have this entry"),
        "{found}"
    );

    let seen = files(&state.join("objects")).remove(0);
    std::fs::write(&seen, "{}").unwrap();
    let second = files(&state.join("objects"));
    second
        .iter()
        .for_each(|path| std::fs::write(path, "{}").unwrap());
    let found = problems(&world).await;
    assert!(
        found.contains("what counts as loaded of source `raw`"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_a_warehouse_is_found() {
    let mut world = World::new(Kind::Append, At::Redshift).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    sound(&world, "loaded").await;

    world
        .sql("DELETE FROM public.out WHERE _transom_seq = 3")
        .await;
    let found = problems(&world).await;
    assert!(
        found.contains("has 0 rows of entry 3, and must have 1"),
        "{found}"
    );
    world.ask(Command::Rewind { to: 2 }).await.unwrap();
    world.run().await.unwrap();
    sound(&world, "loaded again").await;

    world
        .sql("UPDATE public.transom_ledger__out SET pos = 2")
        .await;
    let found = problems(&world).await;
    assert!(found.contains("is at entry 2"), "{found}");
    assert!(found.contains("transom sink replay out"), "{found}");
    world.sql("DROP TABLE public.transom_ledger__out").await;
    let found = problems(&world).await;
    assert!(found.contains("is gone"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_becomes_empty_leaves_nothing() {
    for at in [At::Folder, At::S3] {
        let mut world = World::new(Kind::Days, at).await;
        world.edit(
            "transom.yaml",
            "FROM raw GROUP",
            "FROM raw WHERE amount > 0 GROUP",
        );
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        world.add("day=2024-01-01/first.csv", &[("a", 0)]);
        world.run().await.unwrap();
        let rows = world.rows().await;
        assert_eq!(
            rows,
            [("2024-01-02".to_owned(), "a".to_owned(), 7)],
            "{at:?}"
        );
        sound(&world, "a partition is empty").await;
        if at == At::Folder {
            let names = std::fs::read_dir(world.path().join("out")).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["day=2024-01-02"]);
        }
        // All of them: then a file without rows has the columns.
        world.add("day=2024-01-02/a.csv", &[("a", 0)]);
        world.run().await.unwrap();
        assert_eq!(world.rows().await, []);
        sound(&world, "all are empty").await;
        world.add("day=2024-01-03/a.csv", &[("c", 3)]);
        world.run().await.unwrap();
        assert_eq!(world.rows().await.len(), 1);
        sound(&world, "one again").await;
    }
}
