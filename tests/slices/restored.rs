//! Tables of a warehouse that were restored or dropped, and are brought to where the log is.

use transom_pipeline::slices::Command;

use crate::gc;
use crate::world::{At, Kind, World};

async fn loaded(kind: Kind) -> World {
    let mut world = World::new(kind, At::Redshift).await;
    world.run().await.unwrap();
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.run().await.unwrap();
    world
}

/// Keeps the table and its ledger as they are.
async fn back_up(world: &World) {
    for table in ["out", "transom_ledger__out"] {
        let text = format!("CREATE TABLE public.kept_{table} AS SELECT * FROM public.{table}");
        world.sql(&text).await;
    }
}

/// Puts them back, as a restored backup does.
async fn restore(world: &World) {
    for table in ["out", "transom_ledger__out"] {
        world.sql(&format!("DROP TABLE public.{table}")).await;
        let text = format!("CREATE TABLE public.{table} AS SELECT * FROM public.kept_{table}");
        world.sql(&text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_table_lacks_is_loaded_again() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = loaded(kind).await;
        back_up(&world).await;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        let tail = world.job().history(0).await.unwrap().tail;
        world.add("day=2024-01-03/a.csv", &[("b", 8)]);
        world.run().await.unwrap();
        world.ask(Command::Rewind { to: tail }).await.unwrap();
        world.run().await.unwrap();
        restore(&world).await;
        world.add("day=2024-01-04/a.csv", &[("b", 9)]);
        let error = world.run().await.unwrap_err().error;
        assert!(
            error.hint().unwrap().contains("transom sink replay out"),
            "{error}"
        );

        let would = world.job().replay("out", false).await.unwrap();
        assert_eq!(would.at, Some(3), "{would:?}");
        let kinds: Vec<_> = would.entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, ["slice", "slice", "rewind", "slice"]);
        world.job().replay("out", true).await.unwrap();
        let again = world.job().replay("out", true).await.unwrap();
        assert_eq!(again.entries.len(), 0, "{again:?}");
        world.run().await.unwrap();
        world.check("after the replay").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_is_loaded_from_the_beginning() {
    let mut world = loaded(Kind::Append).await;
    world.sql("DROP TABLE public.transom_ledger__out").await;
    let error = world.job().replay("out", false).await.unwrap_err();
    assert!(error.to_string().contains("a second time"), "{error}");
    world.sql("DROP TABLE public.out").await;
    world.job().replay("out", true).await.unwrap();
    world.check("after the replay").await;

    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.run().await.unwrap();
    world.job().gc(&gc::ALL).await.unwrap();
    world.sql("DROP TABLE public.out").await;
    world.sql("DROP TABLE public.transom_ledger__out").await;
    let error = world.job().replay("out", true).await.unwrap_err();
    assert!(error.to_string().contains("a gc has deleted"), "{error}");
    assert!(error.hint().unwrap().contains("transom reset"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_can_be_declared_right() {
    for damage in [
        "DROP TABLE public.transom_ledger__out",
        "UPDATE public.transom_ledger__out SET pos = 1, attempt = '00000000000000000000000000000001'",
        "DELETE FROM public.transom_ledger__out",
    ] {
        let mut world = loaded(Kind::Append).await;
        world.sql(damage).await;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        assert!(world.run().await.is_err(), "{damage}");
        let would = world.job().adopt("out", false).await.unwrap();
        assert_eq!(would.expected, 3, "{would:?}");
        world.job().adopt("out", true).await.unwrap();
        world.run().await.unwrap();
        world.check(damage).await;
    }
    let world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    let error = world.job().adopt("out", true).await.unwrap_err();
    assert!(
        error.to_string().contains("is not in a warehouse"),
        "{error}"
    );
}
