//! What would lose or double rows is refused.

use crate::world::{At, Kind, World};

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
    let shape = world.path().join(".out.transom/shape");
    std::fs::write(&shape, "{").unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let error = world.run().await.unwrap_err().error;
    assert!(
        error
            .to_string()
            .contains(".out.transom/shape`, which says"),
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
