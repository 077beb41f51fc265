//! Requests that are carried out late: who made them was killed, or has made them again, and others have gone on since.

use hyper::Method;
use transom_pipeline::slices::{BackfillOptions, Command, SliceOptions};
use transom_tests::proxy::{Fault, Proxy, Which};

use crate::gc;
use crate::verify::sound;
use crate::world::{At, Kind, Silent, Task, World, resume, wait_until_stopped};

/// More than one part, whatever compresses it.
pub(crate) fn add_large(world: &mut World) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = uuid::Uuid::new_v4().as_u128() | 1;
    let texts: Vec<String> = (0..400)
        .map(|_| {
            let words = (0..3200).map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let digit = |place| ALPHABET[(random as u64 >> (6 * place)) as usize % 64];
                (0..10)
                    .map(|place| char::from(digit(place)))
                    .collect::<String>()
            });
            words.collect()
        })
        .collect();
    let rows: Vec<(&str, i64)> = texts.iter().map(|text| (text.as_str(), 1)).collect();
    world.add("day=2024-01-02/large.csv", &rows);
}

/// What a request asks for, without the parameters that SDKs add.
fn is_put(method: &Method, url: &str, folder: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    *method == Method::PUT && path.contains(folder)
}

fn is_list(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    path.ends_with(".json")
}

pub(crate) const ENTRY: (&str, Which) =
    ("an entry", |method, url| is_put(method, url, "/state/log/"));
const DONE: (&str, Which) = ("a note that an entry is done", |method, url| {
    is_put(method, url, "/state/done/")
});
const OBJECT: (&str, Which) = ("a document beside the log", |method, url| {
    is_put(method, url, "/state/objects/")
});
pub(crate) const COPY: (&str, Which) = ("a copy", |method, url| is_put(method, url, "/lake/out/"));
const POINTER: (&str, Which) = ("a pointer", |method, url| {
    is_put(method, url, "/lake/out/_transom/current")
});
const STAGED: (&str, Which) = ("a staged file", |method, url| {
    ["/.out.transom/staged/", "/.out.versions/", "/lake/staging/"]
        .iter()
        .any(|folder| is_put(method, url, folder))
        && !is_list(url)
});
const LIST: (&str, Which) = ("a list of files", |method, url| {
    ["/.out.transom/files/", "/.out.versions/"]
        .iter()
        .any(|folder| is_put(method, url, folder))
        && is_list(url)
});
pub(crate) const LOAD: (&str, Which) = ("a load", |_, asked| {
    asked.ends_with(".BatchExecuteStatement")
});
pub(crate) const COMPLETE: (&str, Which) = ("an upload's end", |method, url| {
    *method == Method::POST && url.contains("uploadId")
});
const DELETE: (&str, Which) = ("a delete", |method, url| {
    *method == Method::POST && url.contains("?delete")
});

/// What a run asks for, in the order in which it does.
pub(crate) fn of_runs(kind: Kind, at: At) -> Vec<(&'static str, Which)> {
    match (kind, at) {
        (_, At::Redshift | At::Two) => vec![STAGED, OBJECT, ENTRY, LOAD, DONE],
        (Kind::Append, At::Both) => vec![STAGED, LIST, OBJECT, ENTRY, LOAD, COPY, DONE],
        (Kind::Days, _) => vec![STAGED, LIST, OBJECT, ENTRY, POINTER, DONE],
        _ => vec![STAGED, LIST, OBJECT, ENTRY, COPY, DONE],
    }
}

/// Has a process make a request that is kept, and kills it.
pub(crate) async fn killed_at(
    world: &World,
    task: Task,
    which: Which,
    when: &str,
) -> std::sync::Arc<Proxy> {
    let (address, proxy) = Proxy::start(world.endpoint(), Fault::Kept, which, 1).await;
    let mut process = world.spawn_through(task, &address);
    while proxy.kept().is_empty() {
        assert_eq!(process.try_wait().unwrap(), None, "{when}: no such request");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    proxy
}

/// Runs while a request is kept, and made again.
async fn repeated(world: &World, which: Which, when: &str) -> std::sync::Arc<Proxy> {
    let fault = Fault::KeptAndRepeated;
    let (address, proxy) = Proxy::start(world.endpoint(), fault, which, 1).await;
    let job = world.job_through(&address);
    let ran = job.run_slices(&SliceOptions::default(), &Silent).await;
    ran.unwrap_or_else(|failure| panic!("{when}: {:?}", failure.error));
    assert!(!proxy.kept().is_empty(), "{when}: no such request");
    proxy
}

/// A file with a day and a name of its own.
fn add(world: &mut World, number: usize, name: &str) {
    let file = format!("day=2024-02-{:02}/{number}-{name}.csv", 1 + number % 20);
    world.add(&file, &[("a", number as i64), ("b", 1)]);
}

/// What others do before a request is carried out.
#[derive(Debug, Clone, Copy)]
enum Others {
    Nothing,
    TwoSlices,
    Rewind,
    RewindAndRun,
    Gc,
}

const OTHERS: [Others; 5] = [
    Others::Nothing,
    Others::TwoSlices,
    Others::Rewind,
    Others::RewindAndRun,
    Others::Gc,
];

async fn whatever_others_do(kind: Kind, at: At) {
    let mut world = World::new(kind, at).await;
    world.run().await.unwrap();
    let mut number = 0;
    for (name, which) in of_runs(kind, at) {
        for others in OTHERS {
            for is_repeated in [false, true] {
                if is_repeated && !matches!(others, Others::TwoSlices | Others::RewindAndRun) {
                    continue;
                }
                number += 1;
                let when = format!("{kind:?} {at:?}: {name}, {others:?}, repeated: {is_repeated}");
                let before = world.job().history(0).await.unwrap().tail;
                add(&mut world, number, "late");
                let proxy = match is_repeated {
                    true => repeated(&world, which, &when).await,
                    false => killed_at(&world, Task::Run, which, &when).await,
                };
                match others {
                    Others::Nothing => {}
                    Others::TwoSlices => {
                        for name in ["next", "last"] {
                            add(&mut world, number, name);
                            world.run().await.unwrap();
                            world.check(&when).await;
                        }
                    }
                    Others::Rewind | Others::RewindAndRun => {
                        world.ask(Command::Rewind { to: before }).await.unwrap();
                        if matches!(others, Others::RewindAndRun) {
                            world.run().await.unwrap();
                        }
                    }
                    Others::Gc => drop(world.job().gc(&gc::ALL).await.unwrap()),
                }
                proxy.carry_out().await;
                world.run().await.unwrap();
                world.check(&when).await;
            }
        }
        sound(&world, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_run_that_adds_files_come_late() {
    whatever_others_do(Kind::Append, At::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_run_that_moves_a_pointer_come_late() {
    whatever_others_do(Kind::Days, At::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_run_that_loads_a_warehouse_come_late() {
    whatever_others_do(Kind::Append, At::Redshift).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_rewind_come_late() {
    let worlds = [
        (Kind::Append, At::S3, vec![ENTRY, DELETE, COPY, DONE]),
        (Kind::Days, At::S3, vec![ENTRY, LIST, POINTER, DONE]),
        (Kind::Append, At::Redshift, vec![ENTRY, LOAD, DONE]),
    ];
    for (kind, at, requests) in worlds {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        for (number, (name, which)) in requests.into_iter().enumerate() {
            let when = format!("{kind:?} {at:?}: {name} of a rewind");
            let to = world.job().history(0).await.unwrap().tail;
            add(&mut world, number, "back");
            world.run().await.unwrap();
            let proxy = killed_at(&world, Task::Rewind(to), which, &when).await;
            for name in ["next", "last"] {
                add(&mut world, number, name);
                world.run().await.unwrap();
                world.check(&when).await;
            }
            world.job().gc(&gc::ALL).await.unwrap();
            proxy.carry_out().await;
            world.run().await.unwrap();
            world.check(&when).await;
            sound(&world, &when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_gc_come_late() {
    for (kind, at) in [
        (Kind::Append, At::S3),
        (Kind::Days, At::S3),
        (Kind::Days, At::Redshift),
    ] {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        for (number, (name, which)) in [ENTRY, DELETE, DONE].into_iter().enumerate() {
            let when = format!("{kind:?} {at:?}: {name} of a gc");
            add(&mut world, number, "loaded");
            world.run().await.unwrap();
            add(&mut world, number, "dead");
            assert!(world.killed("attempt.staged:0"), "{when}");
            let proxy = killed_at(&world, Task::Gc, which, &when).await;
            for name in ["next", "last"] {
                add(&mut world, number, name);
                world.run().await.unwrap();
            }
            proxy.carry_out().await;
            world.run().await.unwrap();
            world.check(&when).await;
            sound(&world, &when).await;
            // A gc that was killed is no reason to keep anything.
            world.job().gc(&gc::ALL).await.unwrap();
            crate::census::agrees(&world, &when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_late_adds_no_row_and_is_deleted() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::S3).await;
        world.run().await.unwrap();
        add_large(&mut world);
        for others in [Others::Nothing, Others::Gc, Others::TwoSlices] {
            let when = format!("{kind:?}: {others:?}");
            let proxy = killed_at(&world, Task::Run, COMPLETE.1, &when).await;
            match others {
                Others::Gc => drop(world.job().gc(&gc::ALL).await.unwrap()),
                Others::TwoSlices => drop(world.run().await.unwrap()),
                _ => {}
            }
            let answers = proxy.carry_out().await;
            assert!(answers[0].is_success(), "{when}: {answers:?}");
            if !matches!(others, Others::TwoSlices) {
                continue;
            }
            world.run().await.unwrap();
            world.check(&when).await;
            world.job().gc(&gc::ALL).await.unwrap();
            crate::census::agrees(&world, &when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rival_applies_what_was_decided_before_it_goes_on() {
    let mut world = World::new(Kind::Append, At::S3).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    killed_at(&world, Task::Run, COPY.1, "a copy").await;
    world.add("day=2024-01-03/a.csv", &[("a", 8)]);
    world.run().await.unwrap();
    world.check("the copy was never carried out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_an_entry_that_is_lost_deletes_nothing() {
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::S3).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        let (address, proxy) = Proxy::start(world.endpoint(), Fault::AnswerLost, ENTRY.1, 1).await;
        let job = world.job_through(&address);
        let ran = job.run_slices(&SliceOptions::default(), &Silent).await;
        assert_eq!(proxy.left(), 0);
        ran.unwrap_or_else(|failure| panic!("{kind:?}: {:?}", failure.error));
        world.check("the answer was lost").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_comes_after_a_rewind_brings_no_row_back() {
    let mut world = World::new(Kind::Append, At::S3).await;
    world.run().await.unwrap();
    let to = world.job().history(0).await.unwrap().tail;
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let proxy = killed_at(&world, Task::Run, COPY.1, "a copy").await;
    world.ask(Command::Rewind { to }).await.unwrap();
    proxy.carry_out().await;
    world.run().await.unwrap();
    world.check("the copy came after the rewind").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_begins_after_a_rewind_finds_nothing_to_copy() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    world.run().await.unwrap();
    let to = world.job().history(0).await.unwrap().tail;
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let mut frozen = world.spawn("lake.copy_before:0:stop");
    assert!(wait_until_stopped(&mut frozen));
    world.ask(Command::Rewind { to }).await.unwrap();
    // Somebody clears away files without rows, which a rewind has left.
    std::fs::remove_dir_all(world.path().join("out/day=2024-01-02")).unwrap();
    resume(&frozen);
    frozen.wait().unwrap();
    world.run().await.unwrap();
    assert_eq!(world.rows().await, world.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_that_is_written_late_is_put_right() {
    let mut world = World::new(Kind::Days, At::S3).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let proxy = repeated(&world, POINTER.1, "a pointer").await;
    world.add("day=2024-01-03/a.csv", &[("a", 8)]);
    world.run().await.unwrap();
    world.check("before the late one").await;
    proxy.carry_out().await;
    assert_ne!(world.rows().await, world.expected(), "it is late");
    world.run().await.unwrap();
    world.check("the pointer came late").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_comes_between_a_discard_and_its_ledger_adds_no_row() {
    load_late(At::Redshift).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_the_gate_that_comes_between_a_discard_and_its_ledger_adds_no_row() {
    load_late(At::Two).await;
}

async fn load_late(at: At) {
    let mut world = World::new(Kind::Append, at).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let proxy = killed_at(&world, Task::Run, LOAD.1, "a load").await;
    let of = world.job().history(0).await.unwrap().tail;
    let mut discarding = world.spawn_task(Task::Discard(of), "discard.entry_after:0:stop");
    assert!(wait_until_stopped(&mut discarding));
    proxy.carry_out().await;
    // The answer comes before the transaction.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    resume(&discarding);
    assert!(discarding.wait().unwrap().success());
    world.run().await.unwrap();
    world.check("the load came late").await;
}

/// Waits until the table of the warehouse has all there is.
async fn wait_until_loaded(world: &World) {
    for _ in 0..600 {
        let tables = world.tables().await;
        let (_, rows) = tables.iter().find(|(sink, _)| sink == "out").unwrap();
        if *rows == world.expected() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing was loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_that_comes_after_the_load_is_refused() {
    for at in [At::Redshift, At::Both] {
        let mut world = World::new(Kind::Append, at).await;
        world.run().await.unwrap();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        let proxy = killed_at(&world, Task::Run, LOAD.1, "a load").await;
        let of = world.job().history(0).await.unwrap().tail;
        proxy.carry_out().await;
        // The answer comes before the transaction.
        wait_until_loaded(&world).await;
        for redo in [true, false] {
            let error = world.ask(Command::Discard { of, redo }).await.unwrap_err();
            let said = format!("sink `out` has entry {of} already");
            assert!(error.to_string().contains(&said), "{error}");
        }
        world.run().await.unwrap();
        world.check("the discard came late").await;
        sound(&world, "the discard came late").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_share_that_is_written_late_loses_no_row() {
    let mut world = World::new(Kind::Days, At::S3).await;
    world.run().await.unwrap();
    for day in 1..=4 {
        world.add(&format!("day=2024-03-0{day}/a.csv"), &[("a", day)]);
    }
    let options = BackfillOptions {
        shares: Some(2),
        ..BackfillOptions::default()
    };
    let planned = world.job().plan_backfill(&options, &Silent).await;
    assert_eq!(planned.unwrap().unwrap().shares, 2);
    let mut late = Vec::new();
    for share in 0..2 {
        let fault = Fault::KeptAndRepeated;
        let (address, proxy) = Proxy::start(world.endpoint(), fault, LIST.1, 1).await;
        let job = world.job_through(&address);
        assert!(job.stage_share(share, &Silent).await.unwrap().computed);
        assert!(!proxy.kept().is_empty());
        late.push(proxy);
    }
    world.run().await.unwrap();
    for proxy in late {
        proxy.carry_out().await;
    }
    world.check("the lists came late").await;
    world.add("day=2024-03-05/a.csv", &[("a", 5)]);
    world.run().await.unwrap();
    world.check("the next slice goes on with them").await;
}

/// The same wherever tables lie, many times.
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn requests_of_a_run_with_other_modes_and_two_tables_come_late() {
        for (kind, at) in [
            (Kind::Append, At::Both),
            (Kind::Append, At::Two),
            (Kind::Days, At::Redshift),
            (Kind::Merge, At::Redshift),
        ] {
            whatever_others_do(kind, at).await;
        }
    }
}
