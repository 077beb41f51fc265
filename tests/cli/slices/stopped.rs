//! Jobs of AWS Batch that are asked to stop: each ends in time, and the next attempt goes on.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::{one_file_a_slice, rows_in};
use crate::invoke::succeeds;
use crate::program::Project;
use crate::streams::{ended, send};

/// Shares of a backfill, and rows of each.
const SHARES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const ROWS_OF_SHARE: i64 = 2;

const QUERY: &str = "SELECT id, amount FROM raw";
/// Longer than a test waits.
const ENDLESS: &str = "SELECT raw.id, raw.amount FROM raw CROSS JOIN (SELECT unnest(range(0, 2000)) AS v) AS a \
    CROSS JOIN (SELECT unnest(range(0, 2000)) AS v) AS b CROSS JOIN (SELECT unnest(range(0, 2000)) AS v) AS c \
    WHERE a.v + b.v + c.v < raw.id";

/// A backfill that is planned, and of which nothing is computed.
fn planned() -> Project {
    let project = one_file_a_slice(&SHARES.map(|name| (name, "1,10\n2,20\n")));
    let step = format!("steps: {{ rows: {{ sql: \"{QUERY}\" }} }}\nsinks: {{ out: {{ from: rows,");
    project.replace("transom.yaml", "sinks: { out: { from: raw,", &step);
    let planned = succeeds(&project, &["backfill", "plan", "--json"]).json();
    assert_eq!(planned["shares"], SHARES.len(), "{planned}");
    project
}

/// Starts a job, asks it to stop once it is at work, and gives its exit code and what it said.
fn stopped(project: &Project, job: &[&str]) -> (Option<i32>, String) {
    let mut command = project.command(job);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
    let mut said = String::new();
    while !said.contains("[1/") {
        assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
    }
    send(libc::SIGTERM, &child);
    let status = ended(&mut child);
    stderr.read_to_string(&mut said).expect("text");
    (status.code(), said)
}

/// The next attempt loads the rest, and nothing twice.
fn loads_the_rest(project: &Project) {
    succeeds(project, &["run", "--batch", "--quiet"]);
    let rows = SHARES.len() as i64 * ROWS_OF_SHARE;
    assert_eq!(rows_in(&project.path().join("out")), rows);
    succeeds(project, &["verify"]);
}

#[test]
fn a_loader_completes_the_slice_that_it_is_at() {
    let project = planned();
    let (code, said) = stopped(&project, &["run", "--batch"]);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("and there is more to load"), "{said}");
    assert_ne!(rows_in(&project.path().join("out")), 0, "{said}");
    loads_the_rest(&project);
}

#[test]
fn a_child_gives_its_share_up() {
    let project = planned();
    let child = ["run", "--batch", "--share", "3"];
    project.replace("transom.yaml", QUERY, ENDLESS);
    let (code, said) = stopped(&project, &child);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("the run was cancelled"), "{said}");
    project.replace("transom.yaml", ENDLESS, QUERY);
    let report = succeeds(&project, &["run", "--json"]).json();
    assert_eq!(report["backfill"]["missing"], SHARES.len(), "{report}");
    succeeds(&project, &child);
    loads_the_rest(&project);
}

#[test]
#[ignore = "slow: waits for as long as a job may go on"]
fn a_loader_gives_a_slice_up_before_it_is_killed() {
    let project = planned();
    project.replace("transom.yaml", QUERY, ENDLESS);
    let (code, said) = stopped(&project, &["run", "--batch"]);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("the work was not over in time"), "{said}");
    project.replace("transom.yaml", ENDLESS, QUERY);
    loads_the_rest(&project);
}
