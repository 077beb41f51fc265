//! Commands that are killed at each of their points, or sleep there while others load two slices: their entry says what is to be done, and
//! whoever comes next does it.

use transom_pipeline::slices::BackfillOptions;

use crate::verify::sound;
use crate::world::{At, EVERYWHERE, Kind, Silent, Task, World, resume, wait_until_stopped};

/// A process is killed at a point, or sleeps there, while others load two slices.
async fn interrupted(mut world: World, task: Task, point: &str, action: &str, what: &str) {
    let when = format!("{what}: {action} at {point}");
    let fault = format!("{point}:0");
    let frozen = match action {
        "kill" => {
            assert!(world.killed_task(task, &fault), "{when}");
            None
        }
        _ => {
            let mut frozen = world.spawn_task(task, &format!("{fault}:{action}"));
            assert!(wait_until_stopped(&mut frozen), "{when}");
            Some(frozen)
        }
    };
    for day in 1..=2 {
        world.add(&format!("day=2024-05-0{day}/a.csv"), &[("a", day)]);
        world.run_all().await;
        world.check(&when).await;
    }
    if let Some(mut frozen) = frozen {
        resume(&frozen);
        // It may see that it is late, and say so.
        let _ = frozen.wait().unwrap();
        world.run_all().await;
        world.check(&when).await;
    }
    sound(&world, &when).await;
}

/// One slice is loaded, and there is news.
async fn with_news(kind: Kind, at: At) -> World {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    world.add("day=2024-01-01/late.csv", &[("c", 5)]);
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    world
}

const ACTIONS: [&str; 2] = ["kill", "stop"];

async fn rewinds(kind: Kind, at: At) {
    let own: &[&str] = match (kind, at) {
        (Kind::Append, At::Both) => &["rewind.ledger_after", "rewind.keys_half"],
        (_, At::Redshift | At::Both | At::Two) => &["rewind.ledger_after"],
        (Kind::Append, _) => &["rewind.keys_half"],
        _ => &["catalog.pointer_written"],
    };
    for point in ["rewind.entry_after", "done.put_before"].iter().chain(own) {
        for action in ACTIONS {
            let world = with_news(kind, at).await;
            let to = world.job().history(0).await.unwrap().tail;
            world.run().await.unwrap();
            let what = format!("{kind:?} {at:?}: a rewind");
            interrupted(world, Task::Rewind(to), point, action, &what).await;
        }
    }
}

async fn loads(kind: Kind, at: At) {
    for action in ACTIONS {
        let world = with_news(kind, at).await;
        let load = Task::Load(world.stage().await);
        let what = format!("{kind:?} {at:?}: a load");
        interrupted(world, load, "load.entry_after", action, &what).await;
    }
}

async fn backfills(kind: Kind, at: At) {
    let what = format!("{kind:?} {at:?}: a backfill");
    for action in ACTIONS {
        let world = with_news(kind, at).await;
        let plan = Task::Plan(2);
        interrupted(world, plan, "backfill.entry_after", action, &what).await;
        let world = with_news(kind, at).await;
        let shares = BackfillOptions {
            shares: Some(2),
            ..BackfillOptions::default()
        };
        let planned = world.job().plan_backfill(&shares, &Silent).await;
        planned.unwrap().expect("there is something to load");
        interrupted(world, Task::Share(0), "backfill.result_put", action, &what).await;
    }
}

async fn discards(kind: Kind, at: At) {
    for point in ["discard.blocked", "discard.entry_after"] {
        for action in ACTIONS {
            let world = with_news(kind, at).await;
            let of = world.decide_in_vain().await;
            let what = format!("{kind:?} {at:?}: a discard");
            interrupted(world, Task::Discard(of), point, action, &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_that_is_killed_or_sleeps_is_finished_by_others() {
    rewinds(Kind::Append, At::Both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_killed_or_sleeps_is_finished_by_others() {
    loads(Kind::Append, At::Both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_killed_or_sleeps_is_finished_by_others() {
    backfills(Kind::Days, At::Folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_that_is_killed_or_sleeps_is_finished_by_others() {
    discards(Kind::Append, At::Both).await;
}

/// The same wherever tables lie, many times.
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn commands_that_are_killed_or_sleep_are_finished_by_others_wherever_tables_lie() {
        for (kind, at) in EVERYWHERE {
            rewinds(kind, at).await;
            loads(kind, at).await;
            backfills(kind, at).await;
        }
        discards(Kind::Append, At::Redshift).await;
        // Merged rows stay when they are taken back, and are loaded again.
        for (kind, at) in [
            (Kind::Merge, At::Redshift),
            (Kind::Merge, At::Two),
            (Kind::Append, At::Two),
            (Kind::Days, At::Both),
            (Kind::Days, At::Two),
        ] {
            rewinds(kind, at).await;
            loads(kind, at).await;
            backfills(kind, at).await;
            discards(kind, at).await;
        }
    }
}
