//! Invocations in this process, over a folder.

mod world;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use transom_commit::fault;
use transom_file::{LoadOptions, load};
use transom_lambda::{Answer, Failure, Function, Settings};
use transom_pipeline::Job;
use transom_pipeline::lock::Lock;
use transom_pipeline::run::Observer;
use transom_pipeline::slices::BackfillOptions;

use crate::world::World;

const PLENTY: Duration = Duration::from_secs(600);
/// In the environment of a process that runs one test.
const ALONE: &str = "TRANSOM_TEST_ALONE";

/// Whether this process runs the test alone. If not, another one does, which must succeed.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let ran = alone.args([test, "--exact", "--nocapture"]).env(ALONE, "1");
    let ran = ran.output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(ran.status.success(), "{}", said.join("\n"));
    false
}

fn function(world: &World) -> Function {
    function_with(world, 256 << 20)
}

fn function_with(world: &World, memory: usize) -> Function {
    let settings = Settings {
        compiled: world.path().join("compiled"),
        pipeline: world.pipeline(),
        target: None,
        local_aws: None,
        memory: Some(memory),
    };
    Function::new(settings)
}

fn invoke(world: &World, event: Value) -> Result<Answer, Failure> {
    function(world).invoke(event, "request-1", SystemTime::now() + PLENTY)
}

struct Silent;

impl Observer for Silent {
    fn begin(&self, _: usize, _: usize, _: &str) {}
    fn rows(&self, _: u64) {}
    fn end(&self, _: u64, _: Duration) {}
}

/// Opens a backfill of two shares, and computes none of them.
fn plan_backfill(world: &World) {
    let pipeline = load(&world.pipeline(), &LoadOptions::default()).unwrap();
    let lock = Lock::read(&Lock::path_of(&pipeline)).unwrap();
    let mut job = Job::new(pipeline, vec![]);
    job.lock = lock.map(Arc::new);
    let options = BackfillOptions {
        shares: Some(2),
        ..BackfillOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let planned = runtime.block_on(job.plan_backfill(&options, &Silent));
    assert_eq!(planned.unwrap().unwrap().shares, 2);
}

#[test]
fn several_invocations_load_what_one_run_loads() {
    let world = World::new(5);
    let function = function(&world);
    let event = json!({ "max_slices": 2, "run_id": "execution-1" });
    let answers: Vec<_> = (0..4)
        .map(|_| {
            let deadline = SystemTime::now() + PLENTY;
            let answer = function.invoke(event.clone(), "request-1", deadline);
            let answer = serde_json::to_value(answer.unwrap()).unwrap();
            let state = world.path().join("state");
            assert_eq!(answer["state_uri"], json!(state));
            assert_eq!(answer["run_id"], "execution-1");
            (
                answer["done"].clone(),
                answer["slices"].clone(),
                answer["rows"].clone(),
            )
        })
        .collect();
    let expected = [(false, 2, 4), (false, 2, 4), (true, 1, 2), (true, 0, 0)];
    assert_eq!(
        answers,
        expected.map(|(a, b, c)| (json!(a), json!(b), json!(c)))
    );
    assert_eq!(world.rows(), world.expected());
    assert!(world.log().contains("\"execution-1\""), "{}", world.log());
}

#[test]
fn slices_become_larger_while_they_take_less_than_their_part_of_the_time() {
    let world = World::new(12);
    let pipeline = std::fs::read_to_string(world.pipeline()).unwrap();
    std::fs::write(
        world.pipeline(),
        pipeline.replace("slices: { files: 1 }\n", ""),
    )
    .unwrap();
    let answer = invoke(&world, json!({})).unwrap();
    // Of 1, 2, 4 and 5 files, or fewer where one takes long.
    assert_eq!((answer.rows, answer.done), (24, true));
    assert!((4..12).contains(&answer.slices), "{} slices", answer.slices);
    assert_eq!(world.rows(), world.expected());
}

#[test]
fn doubled_events_load_nothing_twice() {
    let world = World::new(4);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| match invoke(&world, json!({})) {
                Ok(_) => {}
                Err(failure) => assert_eq!(failure.kind(), "Retryable", "{failure}"),
            });
        }
    });
    let again = invoke(&world, json!({})).unwrap();
    assert!(again.done);
    assert_eq!(world.rows(), world.expected());
}

#[test]
fn wrong_events_are_named() {
    let world = World::new(1);
    for (event, said) in [
        (json!({ "max_slice": 2 }), "unknown key `max_slice`"),
        (
            json!({ "max_slices": 0 }),
            "`max_slices` must be a whole number from 1, not `0`",
        ),
        (json!({ "max_slices": "2" }), "not `\"2\"`"),
        (json!({ "max_slices": -1 }), "from 1, not `-1`"),
        (
            json!({ "target": 5 }),
            "`target` must be the name of a target",
        ),
        (json!({ "run_id": 5 }), "`run_id` must be a text"),
        (json!({ "variables": [] }), "`variables` must be an object"),
        (
            json!({ "variables": { "x": "1" } }),
            "unknown variable `x`; variables: ",
        ),
        (
            json!({ "variables": { "day": 3 } }),
            "the variable `day` must be a text",
        ),
        (json!({ "run_id": "" }), "`run_id` must have 1 to 128 bytes"),
        (json!([]), "must be a JSON object"),
        (
            json!({ "target": "nowhere" }),
            "unknown target `nowhere`; targets: `test`",
        ),
    ] {
        let failure = invoke(&world, event.clone()).unwrap_err();
        assert_eq!(failure.kind(), "Pipeline", "{event}: {failure}");
        let text = failure.to_string();
        assert!(text.contains(said), "{event}: {text}");
        // There is no command line, and the kind of the error stands beside it.
        assert!(
            !text.contains("--") && !text.contains("error:"),
            "{event}: {text}"
        );
    }
    assert!(world.rows().is_empty());
}

#[test]
fn an_open_backfill_is_no_success() {
    let world = World::new(3);
    invoke(&world, json!({ "max_slices": 1 })).unwrap();
    plan_backfill(&world);
    let failure = invoke(&world, json!({})).unwrap_err();
    assert_eq!(failure.kind(), "State", "{failure}");
    let said = failure.to_string();
    assert!(
        said.starts_with("backfill 3 is open: 0 of 2 shares loaded, 2 not computed yet"),
        "{said}"
    );
    assert!(said.contains("`transom backfill end` closes it"), "{said}");
}

#[test]
fn failures_have_the_kind_of_their_errors() {
    let world = World::new(1);
    std::fs::write(
        world.path().join("raw/bad.csv"),
        "customer,amount\na,many\n",
    )
    .unwrap();
    let failure = invoke(&world, json!({})).unwrap_err();
    assert_eq!(failure.kind(), "Data", "{failure}");
    assert!(failure.to_string().contains("bad.csv"), "{failure}");

    std::fs::remove_file(world.pipeline()).unwrap();
    let failure = invoke(&world, json!({})).unwrap_err();
    assert_eq!(failure.kind(), "Pipeline", "{failure}");
}

#[test]
fn a_failure_for_lack_of_memory_names_what_a_function_can_have_more_of() {
    let world = World::with_plugin(1);
    let invoked =
        function_with(&world, 1 << 20).invoke(json!({}), "request-1", SystemTime::now() + PLENTY);
    let failure = invoked.unwrap_err();
    assert_eq!(failure.kind(), "Data", "{failure}");
    let said = failure.to_string();
    assert!(
        said.contains("of the run's memory") && said.contains("`Memory` among the parameters"),
        "{said}"
    );
    assert!(!said.contains("--memory"), "{said}");
}

#[test]
fn panics_become_failures() {
    static AT: Mutex<&str> = Mutex::new("");
    if !is_alone("panics_become_failures") {
        return;
    }
    let at = || *AT.lock().unwrap();
    fault::set_hook(move |point| assert!(point != at(), "out of cheese at {point}")).unwrap();
    let world = World::new(1);
    // In the invocation's own thread, in one that encodes rows, and in a task.
    for point in ["plan.made", "attempt.file_open", "attempt.file_done"] {
        *AT.lock().unwrap() = point;
        let failure = invoke(&world, json!({})).unwrap_err();
        assert_eq!(failure.kind(), "Panic", "{point}: {failure}");
        let said = failure.to_string();
        assert!(said.starts_with("an error of Transom itself: "), "{said}");
        assert!(
            said.contains(&format!("out of cheese at {point}")),
            "{said}"
        );
        assert!(world.rows().is_empty(), "{point}");
    }
    *AT.lock().unwrap() = "";
    assert!(invoke(&world, json!({})).unwrap().done);
    assert_eq!(world.rows(), world.expected());
}

/// The threads of this process that compute plans.
fn plan_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    // One that has just ended has no name.
    names
        .filter(|name| matches!(name, Ok(name) if name.trim_end() == "transom-plan"))
        .count()
}

#[test]
fn no_plan_goes_on_behind_an_invocation() {
    if !is_alone("no_plan_goes_on_behind_an_invocation") {
        return;
    }
    let world = World::new(1);
    // The first part fails while the other one is computing a batch, which nothing interrupts.
    let pipeline = std::fs::read_to_string(world.pipeline()).unwrap();
    let fails = "1 / (levenshtein(repeat(customer, 1000), repeat('b', 1000)) - 1000)";
    let computes = "levenshtein(repeat(customer, 5000), repeat('x', 5000))";
    let both = format!(
        "\"SELECT customer, {fails} AS amount FROM raw UNION ALL SELECT customer, {computes} AS amount FROM raw\""
    );
    let pipeline = pipeline.replace("'SELECT customer, amount FROM raw'", &both);
    assert!(pipeline.contains(fails), "{pipeline}");
    std::fs::write(world.pipeline(), pipeline).unwrap();
    let failure = invoke(&world, json!({})).unwrap_err();
    let ended = Instant::now();
    assert!(
        failure.to_string().contains("division by zero"),
        "{failure}"
    );
    // A thread is counted as ended a moment before it has.
    while plan_threads() > 0 && ended.elapsed() < Duration::from_millis(50) {
        std::thread::yield_now();
    }
    assert_eq!(plan_threads(), 0);
}

#[test]
fn plugins_of_another_release_or_machine_are_refused() {
    let world = World::with_plugin(1);
    let manifest = world.path().join("compiled/plugins.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    for (key, other) in [
        ("transom", "0.0.1"),
        ("wasmtime", "12"),
        ("machine", "s390x"),
    ] {
        let mut changed: Value = serde_json::from_str(&text).unwrap();
        let this = changed[key].as_str().unwrap().to_owned();
        changed[key] = json!(other);
        std::fs::write(&manifest, changed.to_string()).unwrap();
        let failure = invoke(&world, json!({})).unwrap_err();
        assert_eq!(failure.kind(), "Plugin", "{failure}");
        let message = failure.to_string();
        assert!(
            message.contains(&this) && message.contains(other),
            "{message}"
        );
    }
    std::fs::write(&manifest, text).unwrap();
    assert!(invoke(&world, json!({})).unwrap().done);
}

#[test]
fn without_time_nothing_is_loaded() {
    let world = World::new(1);
    let failure = function(&world)
        .invoke(json!({}), "request-1", SystemTime::now())
        .unwrap_err();
    assert_eq!(failure.kind(), "Retryable", "{failure}");
    assert!(failure.to_string().contains("timeout"), "{failure}");
    assert!(world.rows().is_empty());
}

#[test]
fn settings_come_from_the_environment() {
    let settings = |memory: &'static str| {
        Settings::of(|name| match name {
            "LAMBDA_TASK_ROOT" => Some("/var/task".into()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some(memory.into()),
            _ => None,
        })
    };
    assert_eq!(
        settings("1024").pipeline.to_str(),
        Some("/var/task/transom.yaml")
    );
    assert_eq!(settings("1024").memory, Some(768 << 20));
    assert_eq!(settings("128").memory, Some(64 << 20));
    assert_eq!(settings("128").target, None);

    let settings = |url: &'static str| {
        Settings::of(|name| match name {
            "TRANSOM_TARGET" => Some("prod".into()),
            "AWS_ENDPOINT_URL" => Some(url.into()),
            _ => None,
        })
    };
    let beside = settings("http://127.0.0.1:4566");
    assert_eq!(beside.target.as_deref(), Some("prod"));
    assert_eq!(beside.local_aws.as_deref(), Some("http://127.0.0.1:4566"));
    // An endpoint of Amazon's is not the local AWS.
    assert_eq!(
        settings("https://vpce-1.s3.eu-west-1.vpce.amazonaws.com").local_aws,
        None
    );
}

#[test]
fn the_local_aws_is_used_only_where_it_runs() {
    let world = World::new(1);
    let pipeline = std::fs::read_to_string(world.pipeline()).unwrap();
    let pipeline = pipeline.replace(
        "targets:\n",
        "targets:\n  local: { state: { path: 's3://lake/state/' } }\n",
    );
    std::fs::write(world.pipeline(), pipeline).unwrap();
    let failure = invoke(&world, json!({ "target": "local" })).unwrap_err();
    assert_eq!(failure.kind(), "Pipeline", "{failure}");
    assert!(
        failure.to_string().contains("does not run in Lambda"),
        "{failure}"
    );
}
