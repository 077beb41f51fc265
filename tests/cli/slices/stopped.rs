//! Runs that are asked to stop, also as jobs of AWS Batch: each ends in time, and the next one goes on.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use super::{one_file_a_slice, rows_in};
use crate::invoke::succeeds;
use crate::local::Server;
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

/// What the warehouse waits before each load.
const LOAD: Duration = Duration::from_secs(3);

/// A pipeline that loads a table of the warehouse, three files in three slices, and its warehouse.
fn loading() -> (Project, Server) {
    let project = Project::empty();
    for (name, id) in [("a", 1), ("b", 10), ("c", 100)] {
        project.write(&format!("raw/{name}.csv"), format!("id\n{id}\n{id}\n"));
    }
    project.write(
        "transom.yaml",
        "name: p
sources: { raw: { path: raw/, format: csv, columns: { id: int64 }, incremental: new_files } }
sinks: { mart: { from: raw, redshift: { table: public.mart, mode: append } } }
slices: { files: 1 }
targets: { local: {} }
",
    );
    project.write(
        "sum.sql",
        "SELECT count(*) AS n, sum(id) AS ids FROM public.mart",
    );
    succeeds(&project, &["lock"]);
    let server = Server::start(&project);
    server.slow_down(&project, "COPY", LOAD);
    (project, server)
}

/// Whether the log has this document.
fn has(project: &Project, document: &str) -> bool {
    let state = PathBuf::from(".transom/state/p/local");
    project.path().join(state).join(document).exists()
}

const DECIDED: &str = "log/00000000000000000002.json";
const NEXT: &str = "log/00000000000000000003.json";
const DONE: &str = "done/00000000000000000002.json";

/// A run whose first slice is decided, and is being loaded (`sigterm.in_apply`): it was asked to stop, and has said that it will.
fn stopping_in_apply(project: &Project) -> (Child, BufReader<ChildStderr>) {
    let mut command = project.command(&["run"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let begun = Instant::now();
    while !has(project, DECIDED) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is decided"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!has(project, DONE), "it is loaded already");
    send(libc::SIGTERM, &child);
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
    let mut said = String::new();
    while !said.contains("stopping on SIGTERM") {
        assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
    }
    (child, stderr)
}

/// The next run goes on, and no row is there twice.
fn goes_on(project: &Project, server: &Server) -> String {
    server.slow_down(project, "COPY", Duration::ZERO);
    let said = succeeds(project, &["run"]).stderr;
    let rows = succeeds(project, &["local", "sql", "sum.sql", "--json"]).stdout;
    let rows: String = rows.split_whitespace().collect();
    assert!(rows.contains('6') && rows.contains("222"), "{rows}");
    succeeds(project, &["verify"]);
    said
}

#[test]
fn a_run_that_is_asked_to_stop_while_it_loads_completes_the_slice() {
    let (project, server) = loading();
    let (mut child, mut stderr) = stopping_in_apply(&project);
    let status = ended(&mut child);
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(
        said.contains("stopped after 1 slice, and there is more to load"),
        "{said}"
    );
    assert!(has(&project, DONE) && !has(&project, NEXT), "{said}");
    let said = goes_on(&project, &server);
    assert!(!said.contains("finished entry"), "{said}");
}

#[test]
fn a_run_that_is_asked_twice_stops_at_once_and_the_next_one_completes_the_slice() {
    let (project, server) = loading();
    let (mut child, mut stderr) = stopping_in_apply(&project);
    send(libc::SIGTERM, &child);
    let asked = Instant::now();
    let status = ended(&mut child);
    assert!(asked.elapsed() < LOAD, "it waits for the warehouse");
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(said.contains("stopped by SIGTERM"), "{said}");
    assert!(!has(&project, DONE), "{said}");
    let said = goes_on(&project, &server);
    assert!(said.contains("finished entry 2"), "{said}");
}
