//! Small slices that are computed while the one before them is not in the log yet, and what becomes of them when another process is faster.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use transom_pipeline::Job;
use transom_pipeline::run::Observer;
use transom_pipeline::slices::{Command, SliceOptions, SlicesReport, Why};

use crate::census;
use crate::gc::{count, gc};
use crate::verify::sound;
use crate::world::{At, Kind, Silent, World, resume, wait_until_stopped};

/// The file that comes while a run works: of all that are new, a rival takes it first.
const LATE: &str = "day=2024-01-02/a.csv";

/// Adds so many files, two for a slice.
fn add(world: &mut World, files: usize) {
    let names = ["b", "c", "d", "e", "f", "g"];
    for name in names.into_iter().take(files) {
        world.add(&format!("day=2024-01-02/{name}.csv"), &[(name, 1)]);
    }
}

/// A world with a file that is loaded, and six that are new: three slices.
async fn six_new_files(at: At) -> World {
    let mut world = World::new(Kind::Append, at).await;
    world.run().await.unwrap();
    add(&mut world, 6);
    world
}

fn one_slice() -> SliceOptions {
    SliceOptions {
        max_slices: Some(1),
        ..SliceOptions::default()
    }
}

fn entries(report: &SlicesReport) -> Vec<u64> {
    report.slices.iter().map(|slice| slice.entry).collect()
}

/// How many files each entry has loaded, the first one first.
async fn files_of_entries(world: &World) -> Vec<u64> {
    let history = world.job().history(u64::MAX).await.unwrap();
    let entries = history.entries.iter().rev();
    entries.map(|entry| entry.files).collect()
}

/// Documents in a folder; none if it is not there.
fn documents(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    documents.count()
}

/// Attempts that have staged all of their files, for a table of a folder.
fn staged(folder: &Path) -> usize {
    documents(&folder.join(".out.transom/files"))
}

/// Lets something happen in a run when a slice is staged, and those after it as well.
struct Beside<F> {
    folder: PathBuf,
    /// How many are staged then.
    all: usize,
    /// Slices that are staged before.
    passing: AtomicUsize,
    then: F,
}

impl<F: Fn() + Send + Sync> Beside<F> {
    /// In a run of three slices.
    fn new(world: &World, passing: usize, then: F) -> Self {
        Self {
            folder: world.path().to_owned(),
            all: staged(world.path()) + 3,
            passing: AtomicUsize::new(passing),
            then,
        }
    }
}

impl<F: Fn() + Send + Sync> Observer for Beside<F> {
    fn begin(&self, _: usize, _: usize, _: &str) {}

    fn rows(&self, _: u64) {}

    fn end(&self, _: u64, _: Duration) {
        if self.passing.fetch_sub(1, SeqCst) != 0 {
            return;
        }
        for _ in 0..3000 {
            if staged(&self.folder) == self.all {
                return (self.then)();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not all slices are computed at the same time");
    }
}

/// What a rival loads, in one slice, while the thread that calls this waits: the entry.
fn load_one(job: &Job) -> Vec<u64> {
    let job = job.clone();
    let rival = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = one_slice();
        let ran = runtime.block_on(job.run_slices(&options, &Silent));
        entries(&ran.unwrap())
    });
    rival.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_was_computed_ahead_is_given_up_if_the_one_before_it_has_lost() {
    let mut world = six_new_files(At::Folder).await;
    let (job, late) = (world.job(), world.path().join("raw").join(LATE));
    // The second slice has d and e, the third one f and g. The rival takes a and d: what was to come after the second slice would leave
    // out e, and a would be loaded once more.
    let observer = Beside::new(&world, 1, move || {
        std::fs::write(&late, "customer,amount\na,1\n").unwrap();
        assert_eq!(load_one(&job), [4]);
    });
    let options = SliceOptions::default();
    let report = world.job().run_slices(&options, &observer).await.unwrap();
    assert_eq!(entries(&report), [3, 5, 6]);
    world
        .files
        .insert(LATE.to_owned(), vec![("a".to_owned(), 1)]);
    assert_eq!(world.run().await.unwrap().slices.len(), 0);
    world.check("beside a rival").await;
    assert_eq!(files_of_entries(&world).await, [0, 1, 2, 2, 2, 1]);
    // The slice that has lost, and the one that was to follow it.
    let did = gc(&world).await;
    assert_eq!(count(&did, Why::Dead), 2, "{did:?}");
    census::agrees(&world, "beside a rival").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slices_after_it_are_given_up_if_the_very_first_one_has_lost() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    add(&mut world, 5);
    let (job, late) = (world.job(), world.path().join("raw").join(LATE));
    // The rival takes the file that is there from the beginning, and a; the second slice was to come after one with b, the third
    // one after that.
    let observer = Beside::new(&world, 0, move || {
        std::fs::write(&late, "customer,amount\na,1\n").unwrap();
        assert_eq!(load_one(&job), [2]);
    });
    let options = SliceOptions::default();
    let report = world.job().run_slices(&options, &observer).await.unwrap();
    assert_eq!(entries(&report), [3, 4, 5]);
    world
        .files
        .insert(LATE.to_owned(), vec![("a".to_owned(), 1)]);
    assert_eq!(world.run().await.unwrap().slices.len(), 0);
    world.check("beside a rival").await;
    assert_eq!(files_of_entries(&world).await, [0, 2, 2, 2, 1]);
    let did = gc(&world).await;
    assert_eq!(count(&did, Why::Dead), 3, "{did:?}");
    census::agrees(&world, "beside a rival").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_slices_are_computed_beside_the_very_first_one() {
    let mut world = World::new(Kind::Append, At::Folder).await;
    add(&mut world, 5);
    for when in ["the first run", "after a reset"] {
        // Nothing but the entry that opens it comes into the log before all are staged.
        let log = world.path().join("state/log");
        let before = documents(&log).max(1);
        let observer = Beside::new(&world, 0, move || assert_eq!(documents(&log), before));
        let options = SliceOptions::default();
        let report = world.job().run_slices(&options, &observer).await.unwrap();
        assert_eq!(report.slices.len(), 3, "{when}");
        world.check(when).await;
        sound(&world, when).await;
        let did = gc(&world).await;
        assert_eq!(count(&did, Why::Dead), 0, "{when}: {did:?}");
        world.ask(Command::Rewind { to: 0 }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_computed_ahead_for_a_table_that_is_not_there_yet() {
    let world = six_new_files(At::Folder).await;
    let added = "  added: { from: out, path: \"added\", format: parquet, partition_by: [day], mode: append }\n";
    world.edit("transom.yaml", "slices:", &format!("{added}slices:"));
    assert_eq!(world.run().await.unwrap().slices.len(), 3);
    sound(&world, "a sink was added").await;
    let did = gc(&world).await;
    assert_eq!(count(&did, Why::Dead), 0, "{did:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_was_computed_ahead_is_given_up_if_another_one_came_between() {
    for at in [At::Folder, At::S3] {
        let when = format!("{at:?}");
        let mut world = six_new_files(at).await;
        // The second slice is loaded, the third one computed.
        let mut frozen = world.spawn("done.put_after:1:stop");
        assert!(wait_until_stopped(&mut frozen), "{when}");
        world.add(LATE, &[("a", 1)]);
        // Half of what the third slice has.
        assert_eq!(load_one(&world.job()), [5], "{when}");
        resume(&frozen);
        assert!(frozen.wait().unwrap().success(), "{when}");
        assert_eq!(world.run().await.unwrap().slices.len(), 0, "{when}");
        world.check(&when).await;
        assert_eq!(files_of_entries(&world).await, [0, 1, 2, 2, 2, 1], "{when}");
        gc(&world).await;
        census::agrees(&world, &when).await;
    }
}
