//! Pipelines with two sinks: a warehouse and a lake, or two warehouses. The first warehouse is the gate: what it does not take, no sink has.

use transom_pipeline::slices::Command;

use crate::verify::sound;
use crate::world::{At, Kind, MORE, World};

#[tokio::test(flavor = "multi_thread")]
async fn both_tables_have_each_slice_in_all_modes() {
    for (kind, at) in MORE {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        world.check("the first run").await;
        world.add("day=2024-01-01/late.csv", &[("a", 5), ("c", 5)]);
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        world.run().await.unwrap();
        let when = format!("{kind:?} {at:?}");
        world.check(&when).await;
        sound(&world, &when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_warehouse_refuses_is_not_in_the_lake() {
    for redo in [true, false] {
        let mut world = World::new(Kind::Append, At::Both).await;
        world.run().await.unwrap();
        let before = world.tables().await;
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        let of = world.decide_in_vain().await;
        assert_eq!(world.tables().await, before);
        world.ask(Command::Discard { of, redo }).await.unwrap();
        assert_eq!(world.tables().await, before);
        if !redo {
            // Its rows are lost.
            world.files.remove("day=2024-01-02/a.csv");
        }
        world.add("day=2024-01-03/a.csv", &[("b", 8)]);
        world.run().await.unwrap();
        world.check("discarded").await;
        sound(&world, "discarded").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_two_warehouses_has_is_not_given_up() {
    let mut world = World::new(Kind::Append, At::Two).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let attempt = world.stage().await;
    world
        .sql("ALTER TABLE public.second RENAME TO hidden")
        .await;
    world.ask(Command::Load { attempt }).await.unwrap_err();
    world
        .sql("ALTER TABLE public.hidden RENAME TO second")
        .await;
    let of = world.job().history(0).await.unwrap().tail;
    let discard = Command::Discard { of, redo: true };
    let error = world.ask(discard).await.unwrap_err();
    let said = format!("sink `out` has entry {of} already");
    assert!(error.to_string().contains(&said), "{error}");
    // The table is as it should be again.
    world.run().await.unwrap();
    world.check("mended").await;
    sound(&world, "mended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_added_later_has_what_comes_from_then_on() {
    for (at, sink) in [
        (
            At::Folder,
            "  added: { from: out, path: \"added\", format: parquet, partition_by: [day], mode: append }\n",
        ),
        (
            At::Redshift,
            "  added: { from: out, redshift: { table: public.added, mode: append } }\n",
        ),
        (
            At::Redshift,
            "  added: { from: out, path: \"s3://lake/added\", format: parquet, partition_by: [day], mode: append }\n",
        ),
    ] {
        let mut world = World::new(Kind::Append, at).await;
        for day in 2..=5 {
            world.run().await.unwrap();
            world.add(&format!("day=2024-01-0{day}/a.csv"), &[("a", day)]);
        }
        let begun = world.job().history(0).await.unwrap().tail;
        assert_eq!(begun, 5);
        world.edit("transom.yaml", "slices:", &format!("{sink}slices:"));
        // After its entry, and before its sinks.
        assert!(world.killed("entry.put_after:0"), "{at:?}");
        world.run().await.unwrap();
        world.add("day=2024-01-06/a.csv", &[("a", 6)]);
        world.run().await.unwrap();
        let tables = world.tables().await;
        let of = |name: &str| &tables.iter().find(|(sink, _)| sink == name).unwrap().1;
        assert_eq!(*of("out"), world.expected(), "{at:?}");
        let mut later = world.expected();
        later.retain(|(day, ..)| day.as_str() >= "2024-01-05");
        assert_eq!(*of("added"), later, "{at:?}");
        sound(&world, "a sink was added").await;

        // Taken back and loaded again, it has all that the other one has.
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
        world.run().await.unwrap();
        world.check("from the beginning").await;
    }
}
