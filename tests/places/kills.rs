//! A result that is made visible by a process that dies between any two of its steps, and by the next one.

use tempfile::TempDir;
use transom_connect::{Staged, publish_all};
use transom_file::spec::Place;
use transom_tests::fault;

use crate::places::{Somewhere, csv, rows, texts};
use crate::support::{apply, stage};

/// In the environment of a worker: where the tables are.
const ROOT: &str = "TRANSOM_WORKER_ROOT";
/// In the environment of a worker: the address of S3, if they are there.
const ENDPOINT: &str = "TRANSOM_WORKER_ENDPOINT";
/// In the environment of a worker: the file with the documents of what was staged.
const STAGED: &str = "TRANSOM_WORKER_STAGED";

/// The points that the publishing of two tables passes, each as often as it does, with the texts that both then have.
fn points(place: &Place) -> Vec<(&'static str, u64, [&'static str; 2])> {
    let old = ["old", "old"];
    let between = ["new", "old"];
    let new = ["new", "new"];
    let switch: &[&str] = match place {
        Place::Local(_) => &["switch.locked", "switch.linked"],
        Place::S3(_) => &["switch.read"],
    };
    let mut points = Vec::new();
    for point in switch {
        points.extend([(*point, 0, old), (*point, 1, between)]);
    }
    points.extend([("switch.done", 0, between), ("switch.done", 1, new)]);
    points.extend([("publish.applied", 0, between), ("publish.applied", 1, new)]);
    points.push(("publish.tidied", 0, new));
    points
}

async fn both(place: &Somewhere) -> [String; 2] {
    [
        texts(place, "out/daily").await,
        texts(place, "out/other").await,
    ]
}

fn spawn(place: &Somewhere, documents: &TempDir, at: &str) -> std::process::Child {
    let root = serde_json::to_string(&place.root).unwrap();
    let staged = documents.path().join("staged.json");
    let mut variables = vec![(ROOT, root.as_str()), (STAGED, staged.to_str().unwrap())];
    let endpoint = place.has_endpoint().then(|| place.endpoint());
    if let Some(endpoint) = &endpoint {
        variables.push((ENDPOINT, endpoint));
    }
    fault::spawn("kills::worker", at, &variables)
}

/// COMMIT's rule that applying is idempotent, from any process, from the document alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_staged_is_applied_by_another_process_whatever_became_of_the_first() {
    for place in Somewhere::all().await {
        let (format, _) = csv();
        let daily = place.sink(format.clone(), &[]);
        let mut other = place.sink(format, &[]);
        other.path = place.root.join("out/other");
        let documents = tempfile::tempdir().unwrap();
        for (number, (point, times, expected)) in points(&place.root).into_iter().enumerate() {
            let mut staged: Vec<Staged> = Vec::new();
            for sink in [&daily, &other] {
                apply(
                    sink,
                    &stage(sink, &format!("old{number}"), rows("old")).await,
                )
                .await;
                staged.push(stage(sink, &format!("new{number}"), rows("new")).await);
            }
            let document = serde_json::to_vec(&staged).unwrap();
            std::fs::write(documents.path().join("staged.json"), document).unwrap();

            let told = format!("{}: killed at {point} after {times}", place.name);
            let child = spawn(&place, &documents, &format!("{point}:{times}:kill"));
            assert!(fault::was_killed(child), "{told}: it is never there");
            assert_eq!(both(&place).await, expected, "{told}");
            // Another process goes on, and a third finds nothing to do.
            for _ in 0..2 {
                let status = spawn(&place, &documents, "").wait().unwrap();
                assert!(status.success(), "{told}");
                assert_eq!(both(&place).await, ["new", "new"], "{told}");
            }
        }
    }
}

/// What a process that was started by [`spawn`] does; nothing in the process of the tests.
#[tokio::test]
async fn worker() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    fault::obey();
    let root: Place = serde_json::from_str(&root).unwrap();
    let place = Somewhere::known(root, std::env::var(ENDPOINT).ok().as_deref());
    let document = std::fs::read(std::env::var(STAGED).unwrap()).unwrap();
    let staged: Vec<Staged> = serde_json::from_slice(&document).unwrap();
    let mut results = Vec::new();
    for (staged, table) in staged.into_iter().zip(["out/daily", "out/other"]) {
        let mut sink = place.sink(csv().0, &[]);
        sink.path = place.root.join(table);
        results.push((std::sync::Arc::new(sink) as _, staged));
    }
    publish_all(&results).await.unwrap();
}
