//! The example that loads a warehouse, and a year of it in many invocations.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::rows_in;
use crate::assert_snapshot;
use crate::invoke::{function_of, succeeds};
use crate::local::Server;
use crate::program::{Project, repository};

/// The time of an invocation.
const YEAR_TIMEOUT: &str = "10s";
/// What the warehouse waits before each load: so much that a year of twelve slices does not fit into two invocations, however fast the
/// machine is, and so little that one of its months does, if others are at work beside it.
const YEAR_LOAD: Duration = Duration::from_secs(2);

/// The example that loads flights by the month, with its data where it looks for them.
fn warehouse() -> Project {
    let example = repository().join("examples/warehouse");
    let project = Project::empty();
    for name in [
        "transom.yaml",
        "transom.lock",
        "sql/flown.sql",
        "sql/daily.sql",
    ] {
        let text = std::fs::read_to_string(example.join(name)).expect("the example has it");
        let data = repository().join("examples/flights/data");
        let text = text.replace("../flights/data", &data.display().to_string());
        project.write(name, text);
    }
    project
}

fn receive(project: &Project, month: &str) {
    let file = repository().join(format!(
        "examples/flights/data/flights/2013-{month}.parquet"
    ));
    let to = format!("s3://raw/flights/period=2013-{month}/");
    let copied = project.run(&["local", "cp", &file.display().to_string(), &to]);
    assert_eq!(copied.code, 0, "{}", copied.all());
}

fn loaded(project: &Project) -> String {
    project.write(
        "count.sql",
        "SELECT count(*), sum(flights), sum(cancelled) FROM analytics.daily",
    );
    project.run(&["local", "sql", "count.sql", "--json"]).stdout
}

#[test]
fn the_warehouse_example_loads_each_month_once() {
    let project = warehouse();
    let _server = Server::start(&project);
    receive(&project, "01");
    receive(&project, "02");
    let first = project.run(&["run", "--head", "0"]);
    assert_eq!(first.code, 0, "{}", first.all());
    let again = project.run(&["run"]);
    assert!(again.stderr.contains("nothing new"), "{}", again.all());
    // 27,004 flights in January and 24,951 in February, of which 521 and 1,261 were cancelled: counted in the files by DuckDB.
    assert_snapshot!("warehouse_loaded", loaded(&project));

    // February is delivered again, and a month comes.
    receive(&project, "02");
    receive(&project, "03");
    let more = project.run(&["run", "--json"]).json();
    assert_eq!(more["done"], true);
    assert_eq!(more["slices"].as_array().map(Vec::len), Some(1), "{more}");
    assert_snapshot!("warehouse_loaded_more", loaded(&project));
    let history = project.run(&["state", "history", "--json"]).json();
    assert_eq!(history["tail"], 3);
    assert_eq!(history["sinks"].as_array().map(Vec::len), Some(2));

    // The lake has the same flights as the table.
    let lake = project.run(&["state", "show"]).stdout;
    assert!(lake.contains("entry 3, in all sinks"), "{lake}");

    let back = project.run(&["rewind", "--to", "2", "--yes"]);
    assert_eq!(back.code, 0, "{}", back.all());
    let again = project.run(&["run", "--quiet"]);
    assert_eq!(again.code, 0, "{}", again.all());
    assert_snapshot!("warehouse_loaded_more", loaded(&project));
}

/// The example with some months delivered, and its services.
fn delivered(months: &[&str]) -> (Project, Server) {
    let project = warehouse();
    let server = Server::start(&project);
    months.iter().for_each(|month| receive(&project, month));
    (project, server)
}

#[test]
fn a_run_without_news_says_so_in_less_than_a_second() {
    let (project, _server) = delivered(&["01"]);
    succeeds(&project, &["run", "--quiet"]);
    // Of several, since other tests run beside it.
    let took = (0..5).map(|_| {
        let begun = Instant::now();
        let again = succeeds(&project, &["run"]);
        assert!(again.stderr.contains("nothing new"), "{}", again.all());
        begun.elapsed()
    });
    let least = took.min().expect("some runs");
    assert!(least < Duration::from_secs(1), "{least:?}");
    let json = succeeds(&project, &["run", "--json"]).json();
    assert_eq!((&json["slices"], &json["done"]), (&json!([]), &json!(true)));
}

#[test]
fn a_run_that_is_killed_leaves_the_log_that_the_example_shows() {
    let (project, server) = delivered(&["01", "02", "03"]);
    server.slow_down(&project, "COPY", YEAR_LOAD);
    let mut command = project.command(&["run", "--quiet"]);
    let command = command.stderr(Stdio::null()).stdout(Stdio::null());
    let mut killed = command.spawn().expect("it starts");
    let log = project.path().join(".transom/state/warehouse/local/log");
    let begun = Instant::now();
    while !log.join("00000000000000000002.json").exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "nothing is decided"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    killed.kill().expect("it is at work");
    killed.wait().expect("it ends");
    server.slow_down(&project, "COPY", Duration::ZERO);

    let shown = succeeds(&project, &["state", "show"]).stdout;
    let history = succeeds(&project, &["state", "history"]).stdout;
    let ran = succeeds(&project, &["run"]).stderr;
    let readme = std::fs::read_to_string(repository().join("examples/warehouse/README.md"));
    let readme = readme.expect("the example has it");
    for (line, said) in [
        (
            "log        entry 2, not yet in all sinks: the next run finishes it",
            &shown,
        ),
        ("3 files; rows: daily 1,326, lake 80,789", &history),
        ("finished entry 2, which an earlier run had left", &ran),
    ] {
        assert!(said.contains(line), "{line}: {said}");
        assert!(readme.contains(line), "{line}");
    }
    assert!(succeeds(&project, &["run"]).stderr.contains("nothing new"));
    succeeds(&project, &["verify"]);
}

/// The example with the whole year, in its local S3.
fn year() -> Project {
    let project = warehouse();
    let flights = repository().join("examples/flights/data/flights");
    for month in 1..=12 {
        let file = std::fs::read(flights.join(format!("2013-{month:02}.parquet")));
        let to = format!("year/period=2013-{month:02}/flights.parquet");
        project.write(&to, file.expect("the data has it"));
    }
    succeeds(&project, &["local", "cp", "year", "s3://raw/flights/"]);
    project
}

/// The rows of the lake as lines, sorted, and those of the table.
fn tables(project: &Project) -> (Vec<String>, String) {
    project.write(
        "rows.yaml",
        "name: rows
sources: { lake: { path: \"s3://lake/departures/\", format: parquet } }
sinks: { rows: { from: lake, path: rows, format: csv } }
targets: { local: {} }
",
    );
    succeeds(project, &["run", "--file", "rows.yaml", "--quiet"]);
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(project.path().join("rows")).expect("the table") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
        lines.extend(text.lines().skip(1).map(str::to_owned));
    }
    lines.sort_unstable();
    project.write(
        "all.sql",
        "SELECT * FROM analytics.daily ORDER BY day, carrier",
    );
    (
        lines,
        succeeds(project, &["local", "sql", "all.sql", "--json"]).stdout,
    )
}

#[test]
fn a_year_that_takes_several_invocations_is_what_one_run_loads() {
    let expected = {
        let project = year();
        succeeds(&project, &["run", "--quiet"]);
        tables(&project)
    };
    assert_eq!(expected.0.len(), 336_776);

    let project = year();
    let server = Server::start(&project);
    server.slow_down(&project, "COPY", YEAR_LOAD);
    let invoke = ["invoke", "--timeout", YEAR_TIMEOUT, "--until-done"];
    let mut child = project.command(&invoke);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let mut said = Vec::new();
    let mut killed = 0;
    for line in lines.map_while(Result::ok) {
        // Once it has loaded something, the function is killed in the middle of the next invocation.
        if line.contains("there is more to load") && killed == 0 {
            std::thread::sleep(Duration::from_secs(2));
            killed = function_of(&child).expect("it is at work");
            // SAFETY: sends a signal to the function of a child that was not waited for.
            unsafe { libc::kill(killed, libc::SIGKILL) };
        }
        said.push(line);
    }
    let said = said.join("\n");
    assert!(child.wait().expect("it ends").success(), "{said}");
    assert!(said.contains("signal: killed; trying again"), "{said}");
    assert!(tables(&project) == expected, "the tables differ: {said}");

    // How much of each invocation's time was work; the last one and the one that was killed have no such line.
    let shares = said.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("loaded ")?.split_once(" in ")?;
        rest.split_once(" % of the time")?.0.parse::<u64>().ok()
    });
    let shares: Vec<u64> = shares.collect();
    println!(
        "invocations of {YEAR_TIMEOUT} that were used up: {}, percent of work: {shares:?}",
        shares.len()
    );
    assert!(shares.len() >= 2, "{said}");

    let again = succeeds(&project, &["invoke"]).json();
    assert_eq!(
        (&again["done"], &again["slices"]),
        (&json!(true), &json!(0))
    );
    assert!(tables(&project) == expected, "the tables differ");
}

#[test]
fn rows_that_the_table_cannot_hold_become_dead_letters_once() {
    let project = Project::empty();
    project.write("raw/a.csv", "id,word\n1,one\n2,\"a\"\n3,seventeen\n");
    project.write("raw/b.csv", "id,word\n4,eleven\n5,six\n6,twelve\n");
    project.write("raw/c.csv", "id,word\n7,ten\n");
    let yaml = |on_reject: &str| {
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, columns: {{ id: int64, word: utf8 }}, format: csv, incremental: new_files }} }}
sinks: {{ mart: {{ from: raw, redshift: {{ table: public.words, mode: append{on_reject} }} }} }}
slices: {{ files: 1 }}
targets: {{ local: {{}} }}
"
        )
    };
    project.write("transom.yaml", yaml(""));
    succeeds(&project, &["lock"]);
    let _server = Server::start(&project);
    project.write(
        "table.sql",
        "CREATE TABLE public.words (id BIGINT, word VARCHAR(4), _transom_seq BIGINT)",
    );
    succeeds(&project, &["local", "sql", "table.sql"]);
    let refused = project.run(&["run"]);
    assert_eq!(refused.code, 1, "{}", refused.all());

    project.write("count.sql", "SELECT count(*), sum(id) FROM public.words");
    let count = || {
        let counted = project.run(&["local", "sql", "count.sql", "--json"]);
        counted.stdout.split_whitespace().collect::<String>()
    };
    project.write("transom.yaml", yaml(", on_reject: dead_letter"));
    let ran = project.run(&["run", "--json"]).json();
    let slices = ran["slices"].as_array().expect("slices").clone();
    let of = |key: &str| {
        slices
            .iter()
            .map(|slice| slice[key].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("rows_rejected"), [json!(1), json!(2), json!(0)], "{ran}");
    let sinks = slices
        .iter()
        .map(|slice| slice["sinks"][0]["rows_rejected"].clone());
    assert_eq!(
        sinks.collect::<Vec<_>>(),
        [json!(1), json!(2), json!(0)],
        "{ran}"
    );
    assert_eq!(slices[0]["dead_letters"][0]["name"], "mart.sink", "{ran}");
    let loaded = count();
    assert!(loaded.contains('4') && loaded.contains("15"), "{loaded}");
    let rejected = project.path().join("dead_letters/mart.sink");
    assert_eq!(rows_in(&rejected), 3);
    let listed = project
        .run(&["reject", "list", "mart.sink", "--json"])
        .json();
    let reasons = &listed["steps"][0]["reasons"];
    assert_eq!(reasons[0]["rows"], 3, "{listed}");
    assert_eq!(
        reasons[0]["reason"],
        "`word`: it has # bytes, and the column is varchar(#)"
    );
    succeeds(&project, &["verify"]);

    // They are taken back with the rows of the table, and come again with them.
    succeeds(&project, &["rewind", "--to", "2", "--yes"]);
    let again = project.run(&["run"]);
    assert_eq!(again.code, 0, "{}", again.all());
    let said = "sink       mart: 1 row written, 2 rejected (slice";
    assert!(again.stderr.contains(said), "{}", again.all());
    assert_eq!(count(), loaded);
    assert_eq!(rows_in(&rejected), 3);
    succeeds(&project, &["verify"]);

    // Rows may be left out without being kept; then their table is no part of the pipeline.
    project.write("transom.yaml", yaml(", on_reject: drop"));
    project.write("raw/d.csv", "id,word\n8,eighteen\n9,nine\n");
    let dropped = project.run(&["run", "--json"]).json();
    assert_eq!(dropped["slices"][0]["rows_rejected"], 1, "{dropped}");
    assert_eq!(dropped["slices"][0]["dead_letters"], json!([]), "{dropped}");
    assert_eq!(rows_in(&rejected), 3);
}
