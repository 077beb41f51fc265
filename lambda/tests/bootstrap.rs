//! The program `bootstrap`, as Lambda runs it.

mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use transom_local::{FunctionOptions, LocalFunction, Outcome};

use crate::world::World;

const PLENTY: Duration = Duration::from_secs(120);

fn function(world: &World, timeout: Duration) -> LocalFunction {
    let temporary = world.path().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    function_with(world, timeout, 512, &temporary)
}

fn function_with(
    world: &World,
    timeout: Duration,
    memory_mb: u32,
    temporary: &Path,
) -> LocalFunction {
    let temporary = temporary.to_str().unwrap().to_owned();
    LocalFunction::new(FunctionOptions {
        name: "orders".to_owned(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_bootstrap")),
        task_root: world.path().to_owned(),
        environment: BTreeMap::from([("TMPDIR".to_owned(), temporary)]),
        timeout,
        memory_mb,
    })
}

async fn answer(function: &mut LocalFunction, event: Value, request_id: &str) -> Value {
    let event = event.to_string();
    let outcome = function.invoke(event.as_bytes(), request_id);
    match outcome.await.unwrap() {
        Outcome::Answered(body) => serde_json::from_slice(&body).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn failure(function: &mut LocalFunction, event: Value) -> (String, String) {
    let event = event.to_string();
    let outcome = function.invoke(event.as_bytes(), "request-1");
    match outcome.await.unwrap() {
        Outcome::Failed(error) => (error.kind, error.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_with_little_time_load_what_one_run_loads() {
    let world = World::new(12);
    // On a busy machine not even one slice may fit. Then it is killed, and the next invocation goes on.
    let mut function = function(&world, Duration::from_secs(3));
    let (mut slices, mut is_done) = (0, false);
    for invocation in 0..100 {
        let event = json!({ "run_id": "execution-1" }).to_string();
        let id = format!("request-{invocation}");
        let Outcome::Answered(body) = function.invoke(event.as_bytes(), &id).await.unwrap() else {
            continue;
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["run_id"], "execution-1");
        slices += answer["slices"].as_u64().unwrap();
        is_done = answer["done"] == true;
        if is_done {
            break;
        }
    }
    assert!(is_done);
    assert!((1..=12).contains(&slices), "{slices}");
    assert_eq!(world.rows(), world.expected());
    assert!(world.log().contains("\"execution-1\""), "{}", world.log());
    // Nothing but the table, the log and temporary files has been written.
    let mut names: Vec<_> = std::fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["out", "raw", "state", "tmp", "transom.lock", "transom.yaml"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_doubled_events_change_nothing() {
    let world = World::new(6);
    let mut function = function(&world, PLENTY);
    for milliseconds in [30, 80, 130, 200, 300, 450] {
        let event = json!({ "max_slices": 2 }).to_string();
        let invoked = function.invoke(event.as_bytes(), "request-1");
        let cut = tokio::time::timeout(Duration::from_millis(milliseconds), invoked).await;
        if cut.is_err() {
            function.kill().await.unwrap();
        }
    }
    for _ in 0..2 {
        assert_eq!(
            answer(&mut function, json!({}), "request-2").await["done"],
            true
        );
    }
    assert_eq!(world.rows(), world.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_function_errors_with_their_kind() {
    let world = World::new(1);
    let mut function = function(&world, PLENTY);
    let (kind, message) = failure(&mut function, json!({ "max_slice": 2 })).await;
    assert_eq!(kind, "Pipeline");
    assert!(message.contains("unknown key `max_slice`"), "{message}");

    std::fs::write(
        world.path().join("raw/bad.csv"),
        "customer,amount\na,many\n",
    )
    .unwrap();
    let (kind, message) = failure(&mut function, json!({})).await;
    assert_eq!(kind, "Data", "{message}");
    assert!(message.contains("bad.csv"), "{message}");

    // The same program goes on.
    std::fs::remove_file(world.path().join("raw/bad.csv")).unwrap();
    assert_eq!(
        answer(&mut function, json!({}), "request-2").await["done"],
        true
    );
    assert_eq!(world.rows(), world.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_run_as_they_were_packaged() {
    let world = World::with_plugin(2);
    let mut function = function(&world, PLENTY);
    let loaded = answer(&mut function, json!({}), "request-1").await;
    assert_eq!(loaded["slices"], 2);
    assert_eq!(world.rows(), world.expected());

    // What is damaged is not run, and the caller is told.
    function.kill().await.unwrap();
    let code = world.path().join("compiled/echo.cwasm");
    std::fs::write(code, "torn").unwrap();
    let (kind, message) = failure(&mut function, json!({})).await;
    assert_eq!(kind, "Plugin", "{message}");
    assert!(message.contains("`echo.cwasm`"), "{message}");
    assert!(message.contains("transom package"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_not_packaged_is_refused() {
    let world = World::with_plugin(1);
    std::fs::remove_dir_all(world.path().join("compiled")).unwrap();
    let mut function = function(&world, PLENTY);
    let (kind, message) = failure(&mut function, json!({})).await;
    assert_eq!(kind, "Pipeline", "{message}");
    assert!(message.contains("transom package"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_passes_its_deadline_is_killed() {
    let world = World::new(1);
    let timeout = Duration::from_millis(1);
    let mut function = function(&world, timeout);
    let outcome = function.invoke(b"{}", "request-1").await.unwrap();
    assert_eq!(outcome, Outcome::TimedOut(timeout));
    assert!(world.rows().is_empty());
}

/// Whether a file in a folder or below has something in it.
fn has_files(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| match path.is_dir() {
            true => has_files(&path),
            false => path.metadata().is_ok_and(|file| file.len() > 0),
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_the_functions_memory_is_spilled() {
    const ROWS: u64 = 50_000;
    // A function of 128 MB has 64 MiB for queries, and the rows that are sorted are 50 MB.
    for (memory_mb, spills) in [(128, true), (3008, false)] {
        let world = World::new(1);
        let pipeline = std::fs::read_to_string(world.pipeline()).unwrap();
        let pipeline = pipeline
            .replace(
                "SELECT customer, amount",
                "SELECT repeat(customer, 1000) AS customer, amount, amount % 4 AS part",
            )
            .replace("mode: append", "mode: append, partition_by: [part]");
        std::fs::write(world.pipeline(), pipeline).unwrap();
        let rows: String = (0..ROWS).map(|row| format!("a,{row}\n")).collect();
        let file = world.path().join("raw/0.csv");
        std::fs::write(file, format!("customer,amount\n{rows}")).unwrap();
        let temporary = world.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut function = function_with(&world, PLENTY, memory_mb, &temporary);
        let mut has_spilled = false;
        let loaded = {
            let mut loading = pin!(answer(&mut function, json!({}), "request-1"));
            loop {
                let waited = tokio::time::timeout(Duration::from_millis(5), &mut loading).await;
                has_spilled = has_spilled || has_files(&temporary);
                if let Ok(loaded) = waited {
                    break loaded;
                }
            }
        };
        assert_eq!(
            (&loaded["rows"], &loaded["done"]),
            (&json!(ROWS), &json!(true))
        );
        assert_eq!(has_spilled, spills, "{memory_mb} MB");
        // The same process goes on, with an empty folder.
        let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let rows = world.rows();
        let amounts = rows.iter().map(|row| {
            let (pad, amount) = row.split_once(',').unwrap();
            assert_eq!(pad.len(), 1000);
            amount.parse::<u64>().unwrap()
        });
        assert_eq!(amounts.sum::<u64>(), ROWS * (ROWS - 1) / 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_for_lack_of_a_disk_names_what_a_function_can_have_more_of() {
    let world = World::new(1);
    let missing = world.path().join("missing");
    let mut function = function_with(&world, PLENTY, 512, &missing);
    let (kind, message) = failure(&mut function, json!({})).await;
    assert_eq!(kind, "Data", "{message}");
    let folder = missing.display();
    assert!(
        message.contains(&format!("temporary files go to `{folder}`"))
            && message.contains("`Temporary` among the parameters"),
        "{message}"
    );
    assert!(!message.contains("TMPDIR"), "{message}");
}
