//! What runs tell, keep and log of their slices.

use super::{APPEND, NEW, one_file_a_slice, pipeline, with_slices};
use crate::invoke::succeeds;
use crate::program::Project;

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
        "warning    raw: the source does not have `note` in 3 rows (slices 3, 5)\n",
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
