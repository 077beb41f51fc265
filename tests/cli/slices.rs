//! Pipelines that run in slices, as their users run them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::assert_snapshot;
use crate::invoke::{function_of, succeeds};
use crate::local::Server;
use crate::program::{Project, repository};

/// The time of an invocation, so short that a year takes several.
const YEAR_TIMEOUT: &str = "3s";

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

/// A pipeline that appends one file after the other, each in a slice of its own.
fn one_file_a_slice(files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    for (name, rows) in files {
        project.write(&format!("raw/{name}.csv"), format!("id,amount\n{rows}"));
    }
    project.write(
        "transom.yaml",
        "name: p
sources: { raw: { path: raw/, format: csv, columns: { id: int64, amount: int64 }, incremental: new_files } }
sinks: { out: { from: raw, path: out, format: parquet, mode: append } }
slices: { files: 1 }
",
    );
    succeeds(&project, &["lock"]);
    project
}

/// How often the log says that a slice was computed beside the one before it.
fn beside(stderr: &str) -> usize {
    stderr
        .matches("computed beside the slice before it")
        .count()
}

#[test]
fn small_slices_are_computed_two_at_a_time_and_loaded_in_order() {
    let files = [
        ("a", "1,10\n"),
        ("b", "2,20\n3,30\n"),
        ("c", ""),
        ("d", "4,40\n"),
        ("e", "5,50\n"),
    ];
    let project = one_file_a_slice(&files);
    let run = project.run(&["run", "-vv", "--head", "0"]);
    assert_eq!(run.code, 0, "{}", run.all());
    // The first slice finds out whether steps keep state, and the second is begun after it.
    assert_eq!(beside(&run.stderr), 3, "{}", run.stderr);
    let stages = run.stderr.matches("sink out: ").count();
    assert_eq!(stages, 5, "each slice is shown: {}", run.stderr);
    let history = project.run(&["state", "history", "--json"]).json();
    let slices = history["entries"].as_array().unwrap().iter().rev();
    let rows = slices.filter_map(|entry| entry["rows"].get(0)?.get(1)?.as_u64());
    let rows: Vec<u64> = rows.collect();
    assert_eq!(rows, [1, 2, 0, 1, 1], "{history}");

    // One that may take little memory, or end at any time, does not begin two.
    for bound in [["--memory", "256MB"], ["--deadline", "1h"]] {
        let project = one_file_a_slice(&files);
        let run = project.run(&[&["run", "-vv", "--head", "0"][..], &bound].concat());
        assert_eq!((run.code, beside(&run.stderr)), (0, 0), "{}", run.all());
    }
}

#[test]
fn a_slice_that_fails_beside_the_one_before_it_fails_as_it_would_alone() {
    let project = one_file_a_slice(&[
        ("a", "1,10\n"),
        ("b", "2,20\n"),
        ("c", "3,thirty\n"),
        ("d", "4,40\n"),
    ]);
    let run = project.run(&["run", "--head", "0"]);
    assert_eq!(run.code, 1, "{}", run.all());
    assert!(run.stderr.contains("`raw/c.csv` line 2"), "{}", run.stderr);
    let history = project.run(&["state", "history", "--json"]).json();
    assert_eq!(history["tail"], 3, "{history}");
    project.write("raw/c.csv", "id,amount\n3,30\n");
    succeeds(&project, &["run"]);
    let history = project.run(&["state", "history", "--json"]).json();
    assert_eq!(history["tail"], 5, "{history}");
    succeeds(&project, &["verify"]);
}

/// A pipeline of a file with a column more in some and rows without an amount, each file in a slice of its own.
fn with_bad_rows(severity: &str) -> Project {
    let project = one_file_a_slice(&[("a", "1,10\n")]);
    project.replace(
        "transom.yaml",
        "incremental: new_files }",
        &format!(
            "incremental: new_files, unknown: warn, checks: [{{ not_null: amount, severity: {severity} }}] }}"
        ),
    );
    succeeds(&project, &["lock"]);
    for (name, rows) in [
        ("b", "id,amount,note\n2,,x\n3,30,y\n"),
        ("c", "id,amount\n4,40\n"),
        ("d", "id,amount,note\n5,,z\n"),
        ("e", "id,amount\n6,60\n"),
    ] {
        project.write(&format!("raw/{name}.csv"), rows);
    }
    project
}

/// The ids of the rows that were kept of the check of `with_bad_rows`.
fn failing_ids(project: &Project) -> String {
    project.write(
        "failing.yaml",
        "name: failing
sources: { failing: { path: dead_letters/raw.checks/not_null_amount, format: parquet } }
steps: { ids: { sql: SELECT id FROM failing ORDER BY id } }
sinks: { ids: { from: ids, path: ids, format: csv } }
dead_letters: { path: other }
",
    );
    succeeds(project, &["preview", "ids", "--file", "failing.yaml"]).stdout
}

#[test]
fn what_several_slices_came_upon_is_told_once_for_all_of_them() {
    let project = with_bad_rows("warn");
    let run = succeeds(&project, &["run", "--head", "0"]);
    for line in [
        "warning    raw: the source does not have `note` in ",
        " rows (slices 3, 5)\n",
        "check      raw: not_null_amount (warning): `amount` is NULL in 2 rows, for example: id = 2; id = 5 -> \
         dead_letters/raw.checks/not_null_amount (slices 3, 5)\n",
        "loaded 5 slices\n",
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("are not kept"), "{}", run.stderr);
    // The slices between and after them have left what was found.
    assert_eq!(failing_ids(&project), "id\n2\n5\n");
    // The next run begins anew.
    project.write("raw/f.csv", "id,amount\n7,70\n");
    succeeds(&project, &["run"]);
    assert_eq!(failing_ids(&project), "id\n");
}

#[test]
fn a_slice_that_fails_leaves_what_those_before_it_have_published() {
    let project = with_bad_rows("error");
    let run = project.run(&["run", "--head", "0"]);
    assert_eq!(run.code, 1, "{}", run.all());
    let hint = "hint: nothing of this slice was published; fix the data";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    let listed = project.run(&["runs", "list", "--json"]).stdout;
    assert!(
        listed.contains("nothing of this slice was published"),
        "{listed}"
    );
    assert_eq!(failing_ids(&project), "id\n2\n");
    let history = project.run(&["state", "history", "--json"]).json();
    assert_eq!(history["tail"], 2, "{history}");
}

#[test]
fn a_state_whose_documents_are_gone_can_be_begun_anew() {
    let project = one_file_a_slice(&[("a", "1,10\n"), ("b", "2,20\n")]);
    succeeds(&project, &["run"]);
    let objects = project.path().join(".transom/state/p/local/objects");
    std::fs::remove_dir_all(objects).unwrap();
    let way_out = "`transom reset --yes --force`, then `transom run`";
    for arguments in [&["run"][..], &["verify"], &["reset", "--yes"]] {
        let refused = project.run(arguments);
        assert_ne!(refused.code, 0, "{}", refused.all());
        assert!(refused.all().contains(way_out), "{}", refused.all());
    }
    succeeds(&project, &["reset", "--yes", "--force"]);
    succeeds(&project, &["run"]);
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

fn pipeline(source: &str, sql: &str, sink: &str) -> Project {
    let project = Project::empty();
    project.write("raw/day=2024-01-01/a.csv", "customer,amount\na,1\nb,2\n");
    let yaml = format!(
        "name: orders\nsources:\n  raw: {{ path: raw/, format: csv{source} }}\nsteps:\n  out: {{ sql: \"{sql}\" }}\nsinks:\n  out: {{ from: out, path: out, format: parquet{sink} }}\n"
    );
    project.write("transom.yaml", yaml);
    project
}

/// What `transom lock` says of a pipeline that would be wrong for a slice.
fn refused(source: &str, sql: &str, sink: &str) -> String {
    let project = pipeline("", "SELECT * FROM raw", "");
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    let lock = std::fs::read(project.path().join("transom.lock")).expect("there is a lock file");
    let project = pipeline(source, sql, sink);
    project.write("transom.lock", lock);
    let checked = project.run(&["check"]);
    assert_ne!(checked.code, 0, "{sql}: {}", checked.all());
    checked.stderr
}

const NEW: &str = ", incremental: new_files";
const BY: &str = ", incremental: { by: day }";
const APPEND: &str = ", mode: append";
const PARTITIONS: &str = ", mode: overwrite_partitions, partition_by: [day]";

#[test]
fn what_would_be_wrong_for_a_slice_is_refused() {
    let refusals = [
        (
            NEW,
            "SELECT customer, sum(amount) AS amount FROM raw GROUP BY customer",
            APPEND,
        ),
        (NEW, "SELECT DISTINCT customer FROM raw", APPEND),
        (
            NEW,
            "SELECT *, row_number() OVER (ORDER BY amount) AS n FROM raw",
            APPEND,
        ),
        (NEW, "SELECT * FROM raw ORDER BY amount LIMIT 3", APPEND),
        (
            NEW,
            "SELECT a.* FROM raw a JOIN raw b ON a.customer = b.customer",
            APPEND,
        ),
        (
            NEW,
            "SELECT * FROM raw WHERE amount > (SELECT avg(amount) FROM raw)",
            APPEND,
        ),
        (NEW, "SELECT * FROM raw", ""),
        (NEW, "SELECT * FROM raw", PARTITIONS),
        ("", "SELECT * FROM raw", APPEND),
        ("", "SELECT * FROM raw", PARTITIONS),
        (
            BY,
            "SELECT customer, sum(amount) AS amount FROM raw GROUP BY customer",
            PARTITIONS,
        ),
        (BY, "SELECT * FROM raw", APPEND),
        (BY, "SELECT * FROM raw", ""),
        (
            BY,
            "SELECT customer, amount, day + 1 AS day FROM raw",
            PARTITIONS,
        ),
        (
            ", incremental: { by: dya }",
            "SELECT * FROM raw",
            PARTITIONS,
        ),
    ];
    let mut shown = String::new();
    for (source, sql, sink) in refusals {
        shown += &format!("{source}{sink} | {sql}\n{}\n", refused(source, sql, sink));
    }
    assert_snapshot!(shown);
}

#[test]
fn what_is_right_for_a_slice_is_taken() {
    let taken = [
        (
            NEW,
            "SELECT upper(customer) AS customer, amount FROM raw WHERE amount > 1",
            APPEND,
        ),
        (NEW, "SELECT * FROM raw ORDER BY amount", APPEND),
        (
            NEW,
            "SELECT customer FROM raw UNION ALL SELECT upper(customer) AS customer FROM raw",
            APPEND,
        ),
        (
            BY,
            "SELECT day, customer, sum(amount) AS amount FROM raw GROUP BY day, customer",
            PARTITIONS,
        ),
        (BY, "SELECT DISTINCT day, customer FROM raw", PARTITIONS),
        (
            BY,
            "SELECT day, amount, row_number() OVER (PARTITION BY day ORDER BY amount) AS n FROM raw",
            PARTITIONS,
        ),
        (
            BY,
            "SELECT a.day, b.amount FROM raw a JOIN raw b ON a.day = b.day AND a.customer = b.customer",
            PARTITIONS,
        ),
    ];
    for (source, sql, sink) in taken {
        let project = pipeline(source, sql, sink);
        let locked = project.run(&["lock"]);
        assert_eq!(locked.code, 0, "{sql}: {}", locked.all());
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 0, "{sql}: {}", ran.all());
        let again = project.run(&["run"]);
        assert!(
            again.stderr.contains("nothing new"),
            "{sql}: {}",
            again.all()
        );
        assert!(Path::new(&project.path().join("out")).exists());
    }
}

#[test]
fn commands_of_slices_need_a_pipeline_that_has_some() {
    let project = pipeline("", "SELECT * FROM raw", "");
    assert_snapshot!(project.run(&["state", "show"]).stderr);
    assert_snapshot!(project.run(&["run", "--max-slices", "1"]).stderr);
}

#[test]
fn a_slice_is_looked_at_before_it_is_loaded() {
    let project = pipeline(
        ", incremental: new_files",
        "SELECT * FROM raw",
        ", mode: append",
    );
    assert_eq!(project.run(&["lock"]).code, 0);
    let output = project
        .command(&["run", "--stage-only", "--json"])
        .output()
        .expect("it starts");
    let staged: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let attempt = staged["staged"]["attempt"].as_str().expect("an attempt");
    assert_eq!(staged["staged"]["sinks"][0]["rows"], 2, "{staged}");
    assert!(!Path::new(&project.path().join("out")).exists());
    let loaded = project.run(&["load", attempt]);
    assert_eq!(loaded.code, 0, "{}", loaded.all());
    let again = project.run(&["load", attempt]);
    assert!(
        again.stderr.contains("nothing was to be done"),
        "{}",
        again.all()
    );
    assert_snapshot!("load_unknown", project.run(&["load", "x"]).all());

    // A quiet program writes the name alone, for a script.
    project.write("raw/day=2024-01-02/a.csv", "customer,amount\nc,3\n");
    let quiet = project
        .command(&["run", "--stage-only", "--quiet"])
        .output()
        .expect("it starts");
    let attempt = String::from_utf8(quiet.stdout).expect("text");
    succeeds(&project, &["load", attempt.trim_end()]);
}

#[test]
fn a_backfill_is_computed_by_jobs_and_loaded_by_one() {
    let project = pipeline(
        ", incremental: { by: day }",
        "SELECT day, sum(amount) AS amount FROM raw GROUP BY day",
        ", partition_by: [day], mode: overwrite_partitions",
    );
    for day in 2..=4 {
        let name = format!("raw/day=2024-01-0{day}/a.csv");
        project.write(&name, format!("customer,amount\na,{day}\n"));
    }
    assert_eq!(project.run(&["lock"]).code, 0);
    let planned = project
        .run(&["backfill", "plan", "--shares", "2", "--json"])
        .json();
    assert_eq!(planned["shares"], 2, "{planned}");
    // A scheduled run does not do the work of the jobs.
    let waits = project.run(&["run"]);
    assert_eq!(waits.code, 0);
    assert_snapshot!("backfill_waits", waits.stderr);
    // Nor does it look like success to what has started it.
    let quiet = project.run(&["run", "--quiet"]);
    assert_eq!((quiet.code, &quiet.stderr), (0, &waits.stderr));
    let report = project.run(&["run", "--json"]).json();
    assert_eq!(report["done"], false, "{report}");
    assert_eq!(
        report["backfill"],
        json!({ "entry": 2, "shares": 2, "loaded": 0, "missing": 2 })
    );
    let state = succeeds(&project, &["state", "show"]).stdout;
    assert!(
        state.contains("backfill 2 is open: 0 of 2 shares loaded"),
        "{state}"
    );
    let turned = [
        "backfill",
        "plan",
        "--from",
        "2024-01-03",
        "--to",
        "2024-01-01",
    ];
    assert_eq!(project.run(&turned).code, 1);
    let child = |index: &str| {
        let mut command = project.command(&["run", "--batch", "--quiet"]);
        command.env("AWS_BATCH_JOB_ARRAY_INDEX", index);
        project.outcome(command.output().expect("it starts")).all()
    };
    assert_snapshot!("backfill_share", child("1"));
    assert_snapshot!("backfill_no_such_share", child("7"));
    assert_snapshot!("backfill_no_index", child("first"));
    let loader = project.run(&["run", "--batch", "--json"]).json();
    assert_eq!(loader["done"], true, "{loader}");
    assert_eq!(
        loader["slices"].as_array().map(Vec::len),
        Some(2),
        "{loader}"
    );
    let again = project.run(&[
        "backfill",
        "--from",
        "2024-01-02",
        "--to",
        "2024-01-03",
        "--json",
    ]);
    assert_eq!(again.json()["slices"][0]["files"], 2, "{}", again.all());
    let preview = project.run(&["run"]);
    assert!(preview.stderr.contains("nothing new"), "{}", preview.all());
    assert_snapshot!(
        "backfill_none_open",
        project.run(&["backfill", "end"]).all()
    );
}

/// A pipeline of files with two slices loaded.
fn with_slices() -> Project {
    let project = pipeline(NEW, "SELECT * FROM raw", APPEND);
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    for day in ["02", "03"] {
        let ran = project.run(&["run", "--quiet"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let file = format!("raw/day=2024-01-{day}/a.csv");
        project.write(&file, "customer,amount\nc,3\n");
    }
    project
}

#[test]
fn what_is_not_needed_is_shown_and_deleted() {
    let project = with_slices();
    // A third slice.
    assert_eq!(project.run(&["run", "--quiet"]).code, 0);
    let young = project.run(&["gc"]);
    assert_eq!(young.code, 0, "{}", young.all());
    let said = "nothing to delete; a rewind can go back to any entry";
    assert!(young.stderr.contains(said), "{}", young.all());
    let all = ["gc", "--older-than", "1ms", "--keep-slices", "1"];
    let would = project.run(&all);
    assert!(
        would.stdout.contains("staged; the table has the rows"),
        "{}",
        would.all()
    );
    assert!(
        would.stderr.contains("say `--yes` to do it"),
        "{}",
        would.all()
    );
    let did = project
        .run(&[&all[..], &["--yes", "--json"]].concat())
        .json();
    assert_eq!(did["keeps"], 3, "{did}");
    let again = project.run(&all);
    assert!(
        again.stderr.contains("nothing to delete"),
        "{}",
        again.all()
    );
    // What would be refused is refused before it is done.
    for rewind in [
        &["rewind", "--to", "1"][..],
        &["rewind", "--to", "1", "--yes"],
    ] {
        let refused = project.run(rewind);
        let said =
            "the gc of entry 5 has deleted what that needs; 3 is the first entry that it has kept";
        assert!(refused.stderr.contains(said), "{}", refused.all());
    }
    assert_eq!(project.run(&["reset", "--yes"]).code, 0);
}

/// The rows of a folder's Parquet files.
fn rows_in(folder: &Path) -> i64 {
    // A version without rows has no folder.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let rows = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return rows_in(&path);
        }
        let file = std::fs::File::open(&path).expect("it opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
        reader.metadata().file_metadata().num_rows()
    });
    rows.sum()
}

#[test]
fn a_project_is_moved_and_copied_with_its_state() {
    for (source, sink) in [(NEW, APPEND), (BY, PARTITIONS)] {
        let project = pipeline(source, "SELECT * FROM raw", sink);
        assert_eq!(project.run(&["lock"]).code, 0);
        for day in ["02", "03"] {
            succeeds(&project, &["run", "--quiet"]);
            let file = format!("raw/day=2024-01-{day}/a.csv");
            project.write(&file, "customer,amount\nc,3\n");
        }
        succeeds(&project, &["run", "--quiet"]);
        let whole = rows_in(&project.path().join("out"));
        // A copy is another project from then on.
        let copy = Project::empty();
        let copied = std::process::Command::new("cp")
            .args(["-a", "."])
            .arg(copy.path())
            .current_dir(project.path())
            .status();
        assert!(copied.expect("cp runs").success());
        succeeds(&copy, &["reset", "--yes"]);
        assert_eq!(rows_in(&copy.path().join("out")), 0, "{sink}");
        succeeds(&copy, &["run", "--quiet"]);
        assert_eq!(rows_in(&project.path().join("out")), whole, "{sink}");
        let nothing = project.run(&["run"]);
        assert!(nothing.stderr.contains("nothing new"), "{}", nothing.all());
        for of in [&project, &copy] {
            succeeds(of, &["verify"]);
        }
        assert_eq!(rows_in(&copy.path().join("out")), whole, "{sink}");
    }
}

#[test]
fn what_is_asked_in_vain_is_answered_with_the_reason() {
    let project = with_slices();
    let asked = [
        &["rewind", "--to", "99"][..],
        &["rewind", "--to", "99", "--yes"],
        &["slice", "discard", "2"],
        &["slice", "discard", "2", "--redo", "--skip"],
        &["slice", "discard", "2", "--redo"],
        &["run", "--deadline", "0s"],
    ];
    let said = asked.map(|arguments| project.run(arguments).all());
    assert_snapshot!("asked_in_vain", said.join("\n"));
}

#[test]
fn a_rewind_loses_no_rows() {
    let project = with_slices();
    assert_eq!(project.run(&["run", "--quiet"]).code, 0);
    std::fs::remove_file(project.path().join("raw/day=2024-01-03/a.csv")).expect("it is there");
    for arguments in [
        &["rewind", "--to", "2"][..],
        &["rewind", "--to", "2", "--yes"],
        &["reset", "--yes"],
    ] {
        let refused = project.run(arguments);
        assert_ne!(refused.code, 0, "{arguments:?}");
        let said = "source `raw`: 1 file, whose rows would be taken back, is gone, such as `raw/day=2024-01-03/a.csv`";
        assert!(refused.stderr.contains(said), "{}", refused.all());
        assert!(refused.stderr.contains("--force"), "{}", refused.all());
    }
    // What is not taken back is not needed.
    succeeds(&project, &["rewind", "--to", "4"]);
    succeeds(&project, &["rewind", "--to", "2", "--yes", "--force"]);
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("out")), 3);
    succeeds(&project, &["verify"]);
}

#[test]
fn a_table_that_is_not_where_it_was_is_an_error() {
    let project = with_slices();
    project.replace("transom.yaml", "path: out", "path: other");
    let refused = project.run(&["run"]);
    assert_snapshot!("table_elsewhere", refused.all());
    let rewind = project.run(&["reset", "--yes"]);
    assert_snapshot!("table_elsewhere_reset", rewind.all());
    project.replace("transom.yaml", "path: other", "path: out");
    // Nothing of it stands in the log.
    succeeds(&project, &["run", "--quiet"]);
    std::fs::rename(project.path().join("out"), project.path().join("other")).expect("it moves");
    let beside = |name: &str| project.path().join(format!(".{name}.transom"));
    std::fs::rename(beside("out"), beside("other")).expect("it moves");
    project.replace("transom.yaml", "path: out", "path: other");
    succeeds(&project, &["verify"]);
    succeeds(&project, &["reset", "--yes"]);
    project.replace("transom.yaml", "path: other", "path: third");
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("third")), 4);
}

#[test]
fn a_source_with_another_name_or_path_loads_nothing_twice() {
    let project = with_slices();
    succeeds(&project, &["run", "--quiet"]);
    let whole = rows_in(&project.path().join("out"));
    let root = project.path().display().to_string();
    let beside = project.path().with_extension("beside");
    std::os::unix::fs::symlink(project.path(), &beside).expect("a link");
    let folder = project.path().file_name().expect("it has a name");
    let paths = [
        "./raw/".to_owned(),
        format!("{root}/raw"),
        format!("{root}/raw/*/*.csv"),
        format!("../{}/raw", folder.display()),
        format!("{}/raw", beside.display()),
    ];
    for path in paths {
        project.replace("transom.yaml", "path: raw/", &format!("path: \"{path}\""));
        succeeds(&project, &["lock"]);
        let ran = project.run(&["run"]);
        let is_same = ran.stderr.contains("nothing new");
        assert!(
            is_same || ran.stderr.contains("was loaded before, as `raw/day="),
            "{path}: {}",
            ran.all()
        );
        assert_eq!(rows_in(&project.path().join("out")), whole, "{path}");
        project.replace("transom.yaml", &format!("path: \"{path}\""), "path: raw/");
    }
    std::fs::remove_file(beside).expect("a link");
    for (from, to) in [("raw: {", "orders: {"), ("FROM raw", "FROM orders")] {
        project.replace("transom.yaml", from, to);
    }
    succeeds(&project, &["lock"]);
    let ran = project.run(&["run"]);
    assert!(
        ran.stderr
            .contains("was loaded before, from the source `raw`, as `raw/day="),
        "{}",
        ran.all()
    );
    assert_eq!(rows_in(&project.path().join("out")), whole);
    // The way out that it names.
    project.replace(
        "transom.yaml",
        "incremental: new_files",
        "incremental: new_files, on_change: ignore",
    );
    project.write("raw/day=2024-01-09/a.csv", "customer,amount\nc,3\n");
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("out")), whole + 1);
}

#[test]
fn files_of_a_table_that_grows_have_one_shape() {
    let changes = [
        (
            "format: parquet, mode",
            "format: json, mode",
            "its files were parquet, and are json now",
        ),
        (
            "mode: append",
            "mode: append, partition_by: [customer]",
            "it was partitioned by nothing, and is by `customer` now",
        ),
        (
            "SELECT *",
            "SELECT customer, CAST(amount AS VARCHAR) AS amount",
            "column `amount` was int64, and is utf8 now",
        ),
    ];
    for (from, to, said) in changes {
        let project = with_slices();
        project.replace("transom.yaml", from, to);
        let refused = project.run(&["run"]);
        assert_ne!(refused.code, 0, "{to}");
        assert!(refused.stderr.contains(said), "{}", refused.all());
        // The way out that it names.
        succeeds(&project, &["reset", "--yes"]);
        succeeds(&project, &["run", "--quiet"]);
    }
    let project = with_slices();
    project.replace("transom.yaml", "SELECT *", "SELECT *, 1 AS more");
    succeeds(&project, &["run", "--quiet"]);
}

/// A pipeline over CSV files in folders `p=..`, with a table that it partitions by them.
fn by_p(sink: &str) -> Project {
    let project = Project::empty();
    project.write(
        "transom.yaml",
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, p: utf8 }}, incremental: {{ by: p }} }} }}
sinks: {{ out: {{ from: raw, path: out, {sink}, mode: overwrite_partitions, partition_by: [p] }} }}
"
        ),
    );
    project
}

/// The rows of the table of `by_p`, sorted.
fn rows_of_out(project: &Project) -> String {
    project.write(
        "rows.yaml",
        "name: rows
sources: { out: { path: out/, format: parquet, columns: { id: int64, p: utf8 } } }
steps: { rows: { sql: 'SELECT id, p FROM out ORDER BY id' } }
sinks: { rows: { from: rows, path: rows, format: csv } }
",
    );
    succeeds(project, &["run", "--quiet", "--file", "rows.yaml"]);
    std::fs::read_to_string(project.path().join("rows/part-00000-00000.csv")).unwrap()
}

#[test]
fn a_slice_without_rows_keeps_the_partition_of_null() {
    let project = by_p("format: parquet");
    project.write("raw/p=__HIVE_DEFAULT_PARTITION__/1.csv", "id\n3\n");
    project.write("raw/p=a/1.csv", "id\n1\n");
    project.write("raw/p=b/1.csv", "id\n2\n");
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n1,a\n2,b\n3,\n");
    project.write("raw/p=a/1.csv", "id\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n2,b\n3,\n");
    succeeds(&project, &["verify"]);
    project.write("raw/p=c/1.csv", "id\n4\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n2,b\n3,\n4,c\n");
}

#[test]
fn tables_of_partitions_have_one_shape() {
    let changes = [
        // What is one partition now were two.
        (
            "p: utf8",
            "p: int64",
            "column `p` was utf8, and is int64 now",
        ),
        (
            "id: int64",
            "id: float64",
            "column `id` was int64, and is float64 now",
        ),
        (
            "format: parquet",
            "format: csv",
            "its files were parquet, and are csv now",
        ),
    ];
    for (from, to, said) in changes {
        let project = by_p("format: parquet");
        project.write("raw/p=1/1.csv", "id\n1\n");
        project.write("raw/p=01/1.csv", "id\n2\n");
        succeeds(&project, &["lock"]);
        succeeds(&project, &["run"]);
        let text = std::fs::read_to_string(project.path().join("transom.yaml")).unwrap();
        let (sources, sinks) = text.split_once("sinks").unwrap();
        let changed = match from.starts_with("format") {
            true => format!("{sources}sinks{}", sinks.replace(from, to)),
            false => text.replace(from, to),
        };
        project.write("transom.yaml", changed);
        succeeds(&project, &["lock"]);
        project.write("raw/p=01/2.csv", "id\n3\n");
        let refused = project.run(&["run"]);
        assert!(refused.stderr.contains(said), "{}", refused.all());
        succeeds(&project, &["reset", "--yes"]);
        succeeds(&project, &["run"]);
    }
}

#[test]
fn delimited_files_that_grow_are_written_in_one_way() {
    let changes = [
        (
            "csv: { null: NA }",
            "written with null ``, and are with `NA` now",
        ),
        (
            "csv: { delimiter: \";\" }",
            "written with delimiter `,`, and are with `;` now",
        ),
        (
            "csv: { header: false }",
            "written with header `true`, and are with `false` now",
        ),
    ];
    for (csv, said) in changes {
        let project = one_file_a_slice(&[("a", "1,10\n")]);
        project.replace(
            "transom.yaml",
            "path: out, format: parquet",
            "path: out, format: csv",
        );
        succeeds(&project, &["run"]);
        project.replace(
            "transom.yaml",
            "format: csv, mode",
            &format!("format: csv, {csv}, mode"),
        );
        project.write("raw/b.csv", "id,amount\n2,20\n");
        let refused = project.run(&["run"]);
        assert!(refused.stderr.contains(said), "{}", refused.all());
    }
    // Without a header, columns are where they were.
    let project = one_file_a_slice(&[("a", "1,10\n")]);
    let sink = "path: out, format: csv, csv: { header: false }";
    project.replace("transom.yaml", "path: out, format: parquet", sink);
    succeeds(&project, &["run"]);
    project.replace(
        "transom.yaml",
        "sinks: { out: { from: raw,",
        "steps: { s: { sql: \"SELECT amount, id FROM raw\" } }\nsinks: { out: { from: s,",
    );
    project.write("raw/b.csv", "id,amount\n2,20\n");
    let refused = project.run(&["run"]);
    let said = "written with columns `id, amount`, and are with `amount, id` now";
    assert!(refused.stderr.contains(said), "{}", refused.all());
}

#[test]
fn columns_of_files_that_grow_differ_in_more_than_capitals() {
    let project = one_file_a_slice(&[("a", "1,10\n")]);
    succeeds(&project, &["run"]);
    project.replace(
        "transom.yaml",
        "sinks: { out: { from: raw,",
        "steps: { s: { sql: 'SELECT id, amount AS \"Amount\" FROM raw' } }\nsinks: { out: { from: s,",
    );
    project.write("raw/b.csv", "id,amount\n2,20\n");
    let refused = project.run(&["run"]);
    let said = "it has a column `amount`, and one `Amount` comes, which readers take for the same";
    assert!(refused.stderr.contains(said), "{}", refused.all());
}

#[test]
fn what_is_read_whole_is_not_appended_with_every_run() {
    let project = Project::empty();
    project.write("raw/a.csv", "id\n1\n");
    project.write(
        "transom.yaml",
        "name: p
sources: { r: { path: raw/, format: csv } }
sinks: { m: { from: r, redshift: { table: a.m, mode: append } } }
targets: { local: {} }
",
    );
    succeeds(&project, &["lock"]);
    let refused = project.run(&["check"]);
    let said = "the sink `m` would add all rows of `r` again with every slice";
    assert!(refused.all().contains(said), "{}", refused.all());
}

#[test]
fn slices_are_as_large_as_time_and_rows_allow() {
    let files = |bounds: &str, arguments: &[&str]| {
        let project = pipeline(NEW, "SELECT * FROM raw", APPEND);
        for day in 2..=12 {
            let file = format!("raw/day=2024-01-{day:02}/a.csv");
            project.write(&file, "customer,amount\na,1\nb,2\n");
        }
        let text = std::fs::read_to_string(project.path().join("transom.yaml")).expect("text");
        project.write("transom.yaml", format!("{text}{bounds}"));
        succeeds(&project, &["lock"]);
        let ran = succeeds(&project, &[&["run", "--json"], arguments].concat()).json();
        let slices = ran["slices"].as_array().expect("slices").iter();
        slices
            .map(|slice| slice["files"].as_u64())
            .map(Option::unwrap)
            .collect::<Vec<_>>()
    };
    assert_eq!(files("", &[]), [12]);
    // A twentieth of an hour is more than any of them takes.
    assert_eq!(files("", &["--deadline", "1h"]), [1, 2, 4, 5]);
    assert_eq!(
        files("slices: { time: 10m, files: 3 }\n", &[]),
        [1, 2, 3, 3, 3]
    );
    assert_eq!(files("slices: { time: 1ms }\n", &[]), [1; 12]);
    assert_eq!(files("slices: { rows: 6 }\n", &[]), [1, 2, 3, 3, 3]);
}

#[test]
fn what_runs_did_is_kept_and_shown() {
    let project = with_slices();
    let none = pipeline(NEW, "SELECT * FROM raw", APPEND).run(&["runs", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    project.write("raw/day=2024-01-04/a.csv", "customer,amount\nc,many\n");
    assert_eq!(project.run(&["run", "--max-slices", "0"]).code, 0);
    assert_eq!(project.run(&["run"]).code, 1);
    let listed = project.run(&["runs", "list", "--json"]).json();
    let fact = |name: &'static str| {
        let runs = listed.as_array().expect("a list").iter();
        runs.map(|run| run[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fact("outcome"), ["failed", "more", "done", "done"]);
    assert_eq!(fact("slices"), [0, 0, 1, 1]);
    assert_eq!(listed[2]["total"]["rows_written"], 1, "{listed}");
    assert_eq!(listed[3]["last_slices"][0]["files"], 1, "{listed}");
    assert_eq!(listed[0]["error"]["kind"], "data", "{listed}");

    let lines = project.run(&["runs", "list", "--last", "3"]).stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("line 2: column `amount`"), "{lines:?}");
    assert!(lines[1].contains("more to load"), "{lines:?}");
    assert!(lines[2].contains("1 slice, 1 row"), "{lines:?}");

    let id = listed[2]["id"].as_str().expect("an id");
    let shown = project.run(&["runs", "show", id]);
    assert!(
        shown.stdout.contains("slice      3: 1 file, 1 row in "),
        "{}",
        shown.all()
    );
    let last = project.run(&["runs", "show"]).stdout;
    assert!(last.contains("error      data: "), "{last}");
    let unknown = project.run(&["runs", "show", "yesterday"]);
    let said = "there is no report of a run `yesterday`";
    assert!(unknown.stderr.contains(said), "{}", unknown.all());

    let gc = project.run(&["gc", "--older-than", "1ms", "--yes"]);
    assert!(gc.stderr.contains("and 4 reports"), "{}", gc.all());
    assert_eq!(project.run(&["runs", "show", "--json"]).stdout, "null\n");
}

#[test]
fn the_log_says_what_a_line_is_about() {
    let project = pipeline(
        NEW,
        "SELECT customer, echo.gcd(amount, 0) AS amount FROM raw",
        APPEND,
    );
    let project = project.with_echo();
    project.replace(
        "transom.yaml",
        "name: orders",
        "name: orders\nplugins:\n  echo: { path: echo.wasm }",
    );
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    let run = |filter: &str| {
        let mut command = project.command(&["run", "--quiet"]);
        let output = command.env("TRANSOM_LOG", filter).output();
        project.outcome(output.expect("it starts")).stderr
    };
    let log = run("transom=trace");
    let is_about = |line: &&str| {
        let fields = [
            "run=",
            "pipeline=\"orders\"",
            "seq=2",
            "sink=\"out\"",
            "step=\"out\"",
            "plugin=\"echo\"",
            "function=\"gcd\"",
            "rows=2",
        ];
        line.contains("run:slice:sink:step:call:")
            && fields.iter().all(|field| line.contains(field))
    };
    assert!(log.lines().any(|line| is_about(&line)), "{log}");
    assert!(log.contains("slice loaded"), "{log}");
}

#[test]
fn a_table_and_its_log_are_compared() {
    let project = with_slices();
    let sound = project.run(&["verify", "--deep"]);
    assert_eq!(sound.code, 0, "{}", sound.all());
    let said = "read 3 entries of the log, 1 table, 2 files";
    assert!(sound.stderr.contains(said), "{}", sound.all());
    project.write("out/extra.parquet", "x");
    let wrong = project.run(&["verify"]);
    assert_eq!(wrong.code, 1, "{}", wrong.all());
    assert!(wrong.stdout.contains("extra.parquet"), "{}", wrong.all());
    let json = project.run(&["verify", "--json"]).json();
    assert_eq!(json["error"]["exit_code"], 1, "{json}");
    assert_eq!(json["findings"][0]["sink"], "out", "{json}");
}

#[test]
fn only_tables_of_a_warehouse_are_replayed() {
    let project = with_slices();
    let said = |arguments: &[&str], words: &str| {
        let ran = project.run(arguments);
        assert_ne!(ran.code, 0, "{}", ran.all());
        assert!(ran.stderr.contains(words), "{}", ran.all());
    };
    said(
        &["sink", "replay", "out"],
        "the sink `out` is not in a warehouse: it has no ledger",
    );
    said(
        &["sink", "adopt", "mart", "--yes"],
        "the sink `mart` is not in the pipeline",
    );
    said(
        &["slice", "skip", "99", "--sink", "out"],
        "there is no entry 99: the log ends with entry 3",
    );
}

#[test]
fn the_doctor_tries_the_places_of_slices() {
    let project = with_slices();
    let found = project.run(&["doctor"]);
    assert!(
        found.stdout.contains("one of 32 writers creates a name"),
        "{}",
        found.all()
    );
    assert!(
        found.stdout.contains("one of 32 copies takes a name"),
        "{}",
        found.all()
    );
    let left = std::fs::read_dir(project.path()).expect("it is there");
    let left = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert!(left.into_iter().all(|name| !name.contains("probe")));
}

#[test]
fn a_doctor_that_finds_something_broken_writes_one_document() {
    let project = Project::empty();
    let mut command = project.command(&["doctor", "--json"]);
    let output = command
        .env("TMPDIR", project.path().join("nowhere"))
        .output();
    let ran = project.outcome(output.expect("it starts"));
    assert_eq!(ran.code, 1, "{}", ran.all());
    let json = ran.json();
    assert_eq!(json["error"]["exit_code"], 1, "{json}");
    let checks = json["checks"].as_array().expect("checks").iter();
    let mut spilling = checks.filter(|check| check["what"] == "spilling to disk");
    assert_eq!(
        spilling.next().expect("the check")["state"],
        "broken",
        "{json}"
    );
}

#[test]
fn a_plan_shows_what_slices_do() {
    let project = with_slices();
    let plan = project.run(&["plan"]);
    assert!(plan.stdout.contains("of new files"), "{}", plan.all());
    assert!(plan.stdout.contains("append"), "{}", plan.all());
    let json = project.run(&["plan", "--json"]).json();
    assert_eq!(json["sinks"][0]["mode"], "append");
}
