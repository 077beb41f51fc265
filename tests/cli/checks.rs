//! Checks of a pipeline's tables, and runs of a part of it.

use serde_json::Value;

use crate::program::Project;
use crate::shop;

/// A pipeline over random values: who reads a step twice sees other values, unless it ran once.
const RANDOM: &str = "\
name: random
steps:
  tokens:
    sql: SELECT uuid() AS token FROM (VALUES (1), (2), (3)) AS t(n)
    checks:
      - { sql: SELECT token FROM tokens, name: every_row, severity: warn }
      - not_null: token
sinks:
  tokens: { from: tokens, path: out/tokens, format: parquet }
";

const COMPARED: &str = "\
name: compared
sources:
  published: { path: out/tokens, format: parquet }
  checked: { path: out/dead_letters/tokens.checks/every_row, format: parquet }
steps:
  same: { sql: SELECT count(*) AS rows FROM published JOIN checked USING (token) }
sinks:
  same: { from: same, path: out/same, format: csv }
dead_letters: { path: out/others }
";

#[test]
fn checks_see_the_rows_that_are_published() {
    let project = Project::empty();
    project.write("transom.yaml", RANDOM);
    project.write("compared.yaml", COMPARED);
    let ran = project.run(&["run", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let checks = &ran.json()["checks"];
    assert_eq!(checks[0]["name"], "every_row");
    assert_eq!(checks[0]["rows"], 3);
    assert_eq!(checks[0]["severity"], "warn");
    assert_eq!(checks[1]["passed"], true);
    let same = project.run(&["preview", "same", "--file", "compared.yaml"]);
    assert_eq!(same.stdout, "rows\n3\n", "{}", same.all());
    // When the check holds again, the rows of the run before are gone.
    project.replace(
        "transom.yaml",
        "FROM tokens, name",
        "FROM tokens WHERE false, name",
    );
    assert_eq!(project.run(&["run"]).code, 0);
    let same = project.run(&["preview", "checked", "--file", "compared.yaml"]);
    assert_eq!(same.stdout, "token\n", "{}", same.all());
}

#[test]
fn a_failed_check_is_told_as_json() {
    let project = Project::empty();
    let failing = RANDOM.replace(", severity: warn", "");
    project.write("transom.yaml", failing);
    let ran = project.run(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let error = &ran.json()["error"];
    assert_eq!(error["kind"], "data");
    assert_eq!(error["message"], "1 of 2 checks failed");
    assert_eq!(error["checks"][0]["passed"], Value::Bool(false));
    assert_eq!(error["checks"][0]["message"], "the query gives 3 rows");
    assert!(!project.path().join("out/tokens").exists());
    let planned = project.run(&["plan", "--json"]).json();
    assert_eq!(planned["steps"][0]["checks"][1]["name"], "not_null_token");
}

#[test]
fn a_selected_step_publishes_its_sinks_alone() {
    let project = shop();
    // What is not needed is not read.
    project.replace(
        "transom.yaml",
        "sql/by_customer.sql",
        "SELECT no_column FROM customers",
    );
    let ran = project.run(&["run", "--select", "by_day"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(project.path().join("out/by_day").exists());
    assert!(!project.path().join("out/by_customer").exists());
    for (name, expected) in [
        (
            "large",
            "no sink writes `large`, so there is nothing to publish",
        ),
        ("by_dya", "there is no step or sink `by_dya`"),
    ] {
        let ran = project.run(&["run", "--select", name]);
        assert!(
            ran.code == 2 && ran.stderr.contains(expected),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn a_clock_is_what_now_shows() {
    let project = Project::empty();
    project.write(
        "transom.yaml",
        "name: clock\nsteps: { s: { sql: SELECT now() = TIMESTAMP '2024-01-31 09:00:00' AS same } }\n\
         sinks: { s: { from: s, path: out/s, format: csv } }\n",
    );
    let ran = project.run(&["run", "--clock", "2024-01-31T10:00:00+01:00"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("true"),
        "{}",
        ran.all()
    );
    let ran = project.run(&["run", "--clock", "yesterday"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("2024-01-31"),
        "{}",
        ran.all()
    );
}

#[test]
fn a_value_that_does_not_fit_has_its_place_in_previews_and_new_tests() {
    let project = Project::empty();
    let rows = "1\n".repeat(1500);
    project.write("data.csv", format!("id\n{rows}x\n"));
    project.write(
        "transom.yaml",
        "name: placed\nsources: { src: { path: data.csv, columns: { id: int64 } } }\n\
         steps: { s: { sql: SELECT id FROM src } }\n\
         sinks: { s: { from: s, path: out/s, format: csv } }\n",
    );
    assert_eq!(project.run(&["lock"]).code, 0);
    for arguments in [
        &["run"][..],
        &["preview", "s", "--rows", "2000"],
        &["test", "--create", "s", "--rows", "2000"],
    ] {
        let ran = project.run(arguments);
        assert_eq!(ran.code, 1, "{}", ran.all());
        for expected in ["data.csv", "1502", "`id`", "hint"] {
            assert!(
                ran.stderr.contains(expected),
                "{arguments:?}: {}",
                ran.all()
            );
        }
    }
}

#[test]
fn nested_columns_go_into_a_pipe_as_json() {
    let project = Project::empty();
    project.write("data.jsonl", "{\"id\":1,\"u\":{\"a\":[1,2]}}\n");
    project.write(
        "transom.yaml",
        "name: nested\nsources: { src: { path: data.jsonl } }\n\
         steps: { s: { sql: SELECT * FROM src } }\n\
         sinks: { s: { from: s, path: out/s, format: json } }\n",
    );
    let ran = project.run(&["preview", "s"]);
    assert_eq!(
        ran.stdout,
        "{\"id\":1,\"u\":{\"a\":[1,2]}}\n",
        "{}",
        ran.all()
    );
    let ran = project.run(&["preview", "s", "--format", "csv"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(ran.stderr.contains("--format json"), "{}", ran.all());
}
