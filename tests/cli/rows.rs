//! `--show-row`: the values of the row that a plugin failed on, for who asks.

use crate::program::{Project, repository};
use crate::{assert_snapshot, plugged};

/// A number that overflows the running sum of the transform, in a row with a name.
fn overflowing() -> Project {
    let project = plugged();
    let largest = i64::MAX;
    let long = "Boris ".repeat(20);
    project.write(
        "data/numbers.csv",
        format!("id,word,v\n1,ada,{largest}\n2,{long},1\n"),
    );
    project
}

const RUN: [&str; 4] = ["run", "--quiet", "--partitions", "1"];

fn case(name: &str) -> Project {
    Project::copy_of(&repository().join("tests/cases").join(name)).with_echo()
}

#[test]
fn a_row_that_a_plugin_names_is_shown_on_request() {
    let project = overflowing();
    let untold = project.run(&RUN);
    let expected = project.run(&[&RUN[..], &["--show-row"]].concat());
    let preview = project.run(&["preview", "running", "--show-row"]);
    assert_eq!(preview.code, 1, "{}", preview.all());
    assert!(preview.stderr.contains("BORIS"), "{}", preview.all());
    assert_snapshot!([untold.all(), expected.all()].join("\n"));
}

#[test]
fn arguments_of_a_function_and_a_rejected_row_are_shown_on_request() {
    let shown = ["on_error_fail", "on_reject_fail"]
        .map(|name| case(name).run(&[&RUN[..], &["--show-row"]].concat()).all());
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn values_that_are_null_because_a_function_failed_are_counted() {
    let case = case("on_error_null");
    let ran = case.run(&["run", "--partitions", "1"]);
    let line = "on_error   echo.parse: failed 1 time and gave null, for example: `x12` is not a number: invalid digit found in string";
    assert!(ran.stderr.contains(line), "{}", ran.all());
    let ran = case.run(&["run", "--json"]);
    let failures = &ran.json()["function_failures"][0];
    assert_eq!(failures["function"], "echo.parse", "{}", ran.all());
    assert_eq!(failures["count"], 1, "{}", ran.all());
}

#[test]
fn json_has_the_row_on_request() {
    let project = overflowing();
    let ran = project.run(&["run", "--json", "--show-row"]);
    let row = &ran.json()["error"]["row"];
    assert_eq!(row["v"], 1, "{}", ran.all());
    assert!(row["word"].as_str().unwrap().starts_with("BORIS"), "{row}");
    let ran = project.run(&["run", "--json"]);
    assert!(ran.json()["error"].get("row").is_none(), "{}", ran.all());
}

#[test]
fn the_values_of_a_row_are_in_no_log() {
    let ran = overflowing().run(&["run", "-vv"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let all = ran.all().to_lowercase();
    assert!(!all.contains("boris"), "{all}");
}

const STUMBLING: &str = r#"import transom


class Stumbling(transom.Transform):
    def open(self, input):
        return transom.Opened(reads=["v"], passes=transom.ALL, computes={"inverse": float})

    def process(self, batch, output):
        output.emit({"inverse": [1 / value for value in batch["v"]]})
"#;

#[test]
fn the_row_of_an_exception_that_names_none_is_found() {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.write("privacy/privacy.py", STUMBLING);
    project.write(
        "transom.yaml",
        "name: numbers\n\
         plugins: { privacy: { path: privacy } }\n\
         sources: { numbers: { path: numbers.csv } }\n\
         steps: { inverse: { transform: privacy.stumbling, input: numbers } }\n\
         sinks: { inverse: { from: inverse, path: out, format: csv } }\n",
    );
    let rows = (1..=100).map(|id| format!("{id},{}\n", (id - 77) * (id - 90)));
    project.write("numbers.csv", format!("id,v\n{}", rows.collect::<String>()));
    let ran = project.run(&[&RUN[..], &["--show-row"]].concat());
    assert_snapshot!(ran.all());
}

#[test]
fn the_row_of_a_function_is_told_in_the_file_of_the_source() {
    let project = plugged();
    let query = "SELECT id, echo.parse(trim(n.word)) AS number FROM numbers AS n WHERE id > 1";
    project.write(
        "transom.yaml",
        format!(
            "name: numbers\n\
             plugins: {{ echo: {{ path: echo.wasm }} }}\n\
             sources: {{ numbers: {{ path: 'data/*.csv', columns: {{ id: int64, word: utf8 }} }} }}\n\
             steps: {{ parsed: {{ sql: '{query}' }} }}\n\
             sinks: {{ parsed: {{ from: parsed, path: out, format: csv }} }}\n"
        ),
    );
    std::fs::remove_file(project.path().join("data/numbers.csv")).unwrap();
    // The first row fails too, but the query leaves it out.
    project.write("data/a.csv", "id,word\n1,x12\n2,12\n");
    project.write("data/b.csv", "id,word\n3,13\n4,14\n5, x12 \n");
    let ran = project.run(&RUN);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let place = ", line 4 of `data/b.csv`: `x12` is not a number";
    assert!(ran.stderr.contains(place), "{}", ran.all());
}

#[test]
fn a_test_that_cannot_be_made_of_real_rows_says_which_row_it_is() {
    let project = overflowing();
    project.replace("transom.yaml", "input: loud", "input: numbers");
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    let create = ["test", "--create", "running"];
    let ran = project.run(&create);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stderr.contains(", line 3 of `data/numbers.csv`"),
        "{}",
        ran.all()
    );
    assert!(ran.stderr.contains("`--show-row`"), "{}", ran.all());
    assert!(!ran.stderr.contains("Boris"), "{}", ran.all());
    let shown = project.run(&[&create[..], &["--show-row"]].concat());
    assert!(shown.stderr.contains("Boris"), "{}", shown.all());
    assert!(!project.path().join("tests/running.yaml").exists());
}

#[test]
fn the_error_of_a_transform_has_the_line_of_the_source() {
    let project = overflowing();
    project.replace("transom.yaml", "input: loud", "input: numbers");
    let ran = project.run(&RUN);
    let place = "failed at row 2 of partition 0, in batch 1, line 3 of `data/numbers.csv`";
    assert!(ran.stderr.contains(place), "{}", ran.all());
}

#[test]
fn a_transform_that_takes_too_long_has_the_line_in_its_error() {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.write(
        "privacy/privacy.py",
        "import transom\n\n\nclass Wait(transom.Transform):\n    def open(self, input):\n        \
         return transom.Opened(reads=[\"v\"], passes=transom.ALL)\n\n    def process(self, batch, output):\n        \
         for value in batch[\"v\"]:\n            while value == 3:\n                pass\n        output.emit()\n",
    );
    project.write(
        "transom.yaml",
        "name: numbers\n\
         plugins: { privacy: { path: privacy, limits: { call_time: 2s } } }\n\
         sources: { numbers: { path: numbers.csv } }\n\
         steps: { waited: { transform: privacy.wait, input: numbers } }\n\
         sinks: { waited: { from: waited, path: out, format: csv } }\n",
    );
    project.write("numbers.csv", "v\n1\n2\n3\n");
    let ran = project.run(&RUN);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(
        ran.stderr.contains("File \"privacy.py\", line 1"),
        "{}",
        ran.all()
    );
}

#[test]
fn the_row_that_takes_too_long_is_found() {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.write(
        "privacy/privacy.py",
        // The loop is one line: which one of two it would be in is chance.
        "import transom\n\n\n@transom.function\ndef halved(x: int) -> int:\n    \
         while x % 2 == 0: x //= 2\n    return x\n",
    );
    project.write(
        "transom.yaml",
        "name: numbers\n\
         plugins: { privacy: { path: privacy, limits: { call_time: 2s } } }\n\
         sources: { numbers: { path: numbers.csv } }\n\
         steps: { halved: { sql: 'SELECT id, privacy.halved(v) AS v FROM numbers' } }\n\
         sinks: { halved: { from: halved, path: out, format: csv } }\n",
    );
    // Of 0 it never comes to an odd number.
    let rows = (1..=100).map(|id| format!("{id},{}\n", 60 - id));
    project.write("numbers.csv", format!("id,v\n{}", rows.collect::<String>()));
    let ran = project.run(&[&RUN[..], &["--show-row"]].concat());
    assert_snapshot!(ran.all());
}
