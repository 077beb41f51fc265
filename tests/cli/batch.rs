//! Jobs of AWS Batch: a backfill whose shares are computed by the children of an array, each a process, and loaded by one more.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::invoke::{of_one_run, orders, rows, succeeds};
use crate::local::Server;
use crate::program::{Project, Ran};

const FILES: usize = 12;
const CHILDREN: u64 = 4;

/// Starts a job: a child of the array, or the one that loads.
fn start(project: &Project, index: Option<u64>) -> Child {
    let mut command = project.command(&["run", "--batch", "--json"]);
    if let Some(index) = index {
        command.env("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string());
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Starts a job, and kills it after some time, unless it has ended by then.
fn kill(project: &Project, index: Option<u64>, milliseconds: u64) {
    let mut child = start(project, index);
    std::thread::sleep(Duration::from_millis(milliseconds));
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
}

/// What a job did that must not fail.
fn ended(project: &Project, job: Child) -> Ran {
    let ran = project.outcome(job.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran
}

/// Orders with a backfill that is open, of a share for each child.
fn planned() -> Project {
    let project = orders(FILES);
    let shares = CHILDREN.to_string();
    let planned = succeeds(
        &project,
        &["backfill", "plan", "--shares", &shares, "--json"],
    );
    assert_eq!(planned.json()["shares"], CHILDREN, "{}", planned.all());
    project
}

/// All shares were loaded, each once.
fn check(project: &Project, loaded: &Ran) {
    let loaded = loaded.json();
    assert_eq!(loaded["done"], true, "{loaded}");
    assert_eq!(rows(project), of_one_run(FILES));
    let history = succeeds(project, &["state", "history", "--json"]).json();
    let entries = history["entries"].as_array().expect("a list");
    let slices = entries.iter().filter(|entry| entry["kind"] == "slice");
    assert_eq!(slices.count() as u64, CHILDREN, "{history}");
    succeeds(project, &["verify"]);
}

#[test]
fn the_children_of_an_array_and_a_loader_load_what_one_run_loads() {
    let project = planned();
    let server = Server::start(&project);
    let children: Vec<Child> = (0..CHILDREN)
        .map(|index| start(&project, Some(index)))
        .collect();
    for (child, share) in children.into_iter().zip(0..) {
        let staged = ended(&project, child).json();
        assert_eq!(
            (&staged["share"], &staged["computed"]),
            (&json!(share), &json!(true))
        );
    }
    // A job that Batch starts twice.
    let again = ended(&project, start(&project, Some(2))).json();
    assert_eq!(again["computed"], false, "{again}");
    let loaded = ended(&project, start(&project, None));
    check(&project, &loaded);
    drop(server);
}

#[test]
fn jobs_that_are_killed_and_run_again_load_what_one_run_loads() {
    let project = planned();
    let server = Server::start(&project);
    for (index, milliseconds) in (0..CHILDREN).zip([100, 300, 500, 800]) {
        kill(&project, Some(index), milliseconds);
        ended(&project, start(&project, Some(index)));
    }
    for milliseconds in [300, 600, 900] {
        kill(&project, None, milliseconds);
    }
    let loaded = ended(&project, start(&project, None));
    check(&project, &loaded);
    drop(server);
}

#[test]
fn a_job_plans_for_the_memory_of_its_container() {
    let project = crate::shop();
    let log = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        let output = command.env("TRANSOM_LOG", "transom=info").output();
        project.outcome(output.expect("it starts")).stderr
    };
    let said = "three quarters of the container's memory are for queries and plugins";
    let of_job = log(&["run", "--batch"]);
    let line = of_job.lines().find(|line| line.contains(said));
    let line = line.unwrap_or_else(|| panic!("{of_job}"));
    assert!(line.contains("iB"), "{line}");
    for other in [&["run"][..], &["run", "--batch", "--memory", "256MB"]] {
        assert!(!log(other).contains(said), "{other:?}");
    }
}
