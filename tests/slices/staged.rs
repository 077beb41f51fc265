//! Slices that are staged now and loaded later.

use transom_pipeline::slices::Command;

use crate::world::{EVERYWHERE, Kind, World};

fn load(attempt: &str) -> Command {
    Command::Load {
        attempt: attempt.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_slice_is_seen_once_it_is_loaded() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        let before = world.rows().await;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        let attempt = world.stage().await;
        assert_eq!(world.rows().await, before, "{kind:?} {at:?}");
        let loaded = world.ask(load(&attempt)).await.unwrap();
        assert!(loaded.entry.is_some());
        world.check("loaded").await;
        // Again, by an impatient person.
        let again = world.ask(load(&attempt)).await.unwrap();
        assert_eq!(again.entry, None);
        world.run().await.unwrap();
        world.check("loaded twice").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_is_not_loaded_after_another_one() {
    for (kind, at) in EVERYWHERE {
        let mut world = World::new(kind, at).await;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        world.add("day=2024-01-03/a.csv", &[("a", 8)]);
        let attempt = world.stage().await;
        let also = world.stage().await;
        world.run().await.unwrap();
        for attempt in [&attempt, &also] {
            let error = world.ask(load(attempt)).await.unwrap_err().to_string();
            assert!(error.contains("entry"), "{error}");
        }
        world.check("a stale attempt").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_staged_cannot_be_loaded() {
    let world = World::new(Kind::Append, crate::world::At::Folder).await;
    for name in ["", "../log/x", "0123", "00000000000000000000000000000000"] {
        let error = world.ask(load(name)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no slice is staged as `{name}`"));
        assert!(error.hint().unwrap().contains("--stage-only"));
    }
}
