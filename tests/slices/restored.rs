//! Tables of a warehouse that were restored or dropped, and are brought to where the log is.

use transom_pipeline::slices::Command;

use crate::gc;
use crate::verify::sound;
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
async fn a_slice_of_which_it_is_not_known_whether_the_sink_was_moved_past_it_is_not_replayed() {
    let world = loaded(Kind::Append).await;
    world.put("state/done/00000000000000000003.json", "{").await;
    world.sql("DROP TABLE public.out").await;
    world.sql("DROP TABLE public.transom_ledger__out").await;
    let error = world.job().replay("out", true).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`done/00000000000000000003.json` was changed, which says whether the sink `out` was moved past entry 3 without its rows"
    );
    assert!(error.hint().unwrap().contains("restore it"), "{error}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_steps_over_slices_that_were_discarded() {
    for redo in [true, false] {
        for is_dropped in [true, false] {
            let mut world = loaded(Kind::Append).await;
            back_up(&world).await;
            world.add("day=2024-01-02/a.csv", &[("a", 7)]);
            let of = world.decide_in_vain().await;
            world.ask(Command::Discard { of, redo }).await.unwrap();
            if !redo {
                // Its rows are lost.
                world.files.remove("day=2024-01-02/a.csv");
            }
            sound(&world, "discarded").await;
            world.add("day=2024-01-03/a.csv", &[("b", 8)]);
            world.run().await.unwrap();
            world.check("discarded").await;
            sound(&world, "loaded since").await;
            match is_dropped {
                true => {
                    world.sql("DROP TABLE public.out").await;
                    world.sql("DROP TABLE public.transom_ledger__out").await;
                }
                false => restore(&world).await,
            }
            let would = world.job().replay("out", true).await.unwrap();
            assert!(
                would.entries.iter().all(|entry| entry.entry != of),
                "{would:?}"
            );
            world.check("replayed").await;
            sound(&world, "replayed").await;
            world.add("day=2024-01-04/a.csv", &[("b", 9)]);
            world.run().await.unwrap();
            world.check("and goes on").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_while_its_ledger_is_there_is_not_right() {
    let world = loaded(Kind::Append).await;
    world.sql("DROP TABLE public.out").await;
    let error = world.job().replay("out", true).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table of sink `out` is gone, and its ledger is there: the ledger says nothing about what is missing"
    );
    world.sql("DROP TABLE public.transom_ledger__out").await;
    world.job().replay("out", true).await.unwrap();
    world.check("the way out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_for_a_ledger_that_is_not_the_sinks() {
    let mut world = loaded(Kind::Append).await;
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world.edit(
        "transom.yaml",
        "  out: { from: out,",
        "  renamed: { from: out,",
    );
    let said = "the table of sink `renamed` belongs to sink `out` of this log, and has its entry 3";
    for error in [
        world.run().await.unwrap_err().error,
        world.job().replay("renamed", true).await.unwrap_err(),
        world.job().adopt("renamed", true).await.unwrap_err(),
    ] {
        assert!(error.to_string().starts_with(said), "{error}");
        assert!(error.hint().unwrap().contains("its old name"), "{error}");
    }
    // A rewind would change the sink that is not there.
    let error = world.ask(Command::Rewind { to: 2 }).await.unwrap_err();
    assert!(
        error.to_string().contains("changes the sink `out`"),
        "{error}"
    );
    assert_eq!(world.job().history(0).await.unwrap().tail, 3);
    world.edit(
        "transom.yaml",
        "  renamed: { from: out,",
        "  out: { from: out,",
    );
    world.run().await.unwrap();
    world.check("with its old name").await;
    sound(&world, "with its old name").await;

    // Nor for one that is gone, of another log, behind or ahead.
    for damage in [
        "DROP TABLE public.transom_ledger__out",
        "DELETE FROM public.transom_ledger__out",
        "UPDATE public.transom_ledger__out SET log_id = '00000000-0000-0000-0000-000000000001'",
        "UPDATE public.transom_ledger__out SET pos = 2",
        "UPDATE public.transom_ledger__out SET pos = 9",
        "UPDATE public.transom_ledger__out SET blocked = 9",
    ] {
        let mut world = loaded(Kind::Append).await;
        let tail = world.job().history(0).await.unwrap().tail;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.sql(damage).await;
        assert!(world.run().await.is_err(), "{damage}");
        let rewound = world.ask(Command::Rewind { to: 2 }).await;
        assert!(rewound.is_err(), "{damage}");
        let history = world.job().history(0).await.unwrap();
        assert_eq!((history.tail, history.done), (tail, true), "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_was_moved_past_a_slice_is_shown_for_good() {
    let mut world = World::new(Kind::Append, At::Redshift).await;
    world.edit(
        "transom.yaml",
        "sinks:\n",
        "sinks:\n  first: { from: out, redshift: { table: public.first, mode: append } }\n",
    );
    // The gate is `first`.
    world.edit(
        "transom.yaml",
        "  out: { from: out,",
        "  second: { from: out,",
    );
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let of = world.decide_in_vain().await;
    let sink = || "second".to_owned();
    let skipped = world.ask(Command::Skip { of, sink: sink() }).await.unwrap();
    assert_eq!((skipped.skipped, skipped.entry), (Some(of), None));
    let history = async |world: &World| {
        let history = world.job().history(10).await.unwrap();
        let entry = history.entries.iter().find(|entry| entry.entry == of);
        assert_eq!(entry.unwrap().skipped, [sink()]);
        history.sinks.into_iter().filter(|at| at.skipped).count()
    };
    assert_eq!(history(&world).await, 1);
    sound(&world, "skipped").await;
    world.add("day=2024-01-03/a.csv", &[("b", 8)]);
    world.run().await.unwrap();
    assert_eq!(history(&world).await, 0);
    sound(&world, "loaded since").await;
}
