//! `transom reject`: what transforms did not take.

use crate::program::{Project, repository};
use crate::{assert_snapshot, shop};

/// A pipeline that keeps the rows that its transform rejects.
fn strict() -> Project {
    let case = repository().join("tests/cases/on_reject_dead_letter");
    Project::copy_of(&case).with_echo()
}

/// Every second row of a batch is rejected, so small batches repeat a reason.
const RUN: [&str; 6] = ["run", "--quiet", "--partitions", "1", "--batch-rows", "2"];

#[test]
fn rejected_rows_are_listed_by_reason() {
    let project = strict();
    assert_eq!(project.run(&RUN).code, 0);
    assert_snapshot!(project.run(&["reject", "list"]).all());
}

#[test]
fn reasons_that_differ_in_numbers_alone_are_one() {
    let project = strict();
    assert_eq!(project.run(&RUN[..4]).code, 0);
    let shown = project.run(&["reject", "list", "--rows", "2"]);
    assert_snapshot!(shown.all());
    let json = project.run(&["reject", "list", "--json"]).json();
    let reason = &json["steps"][0]["reasons"][0];
    assert_eq!(reason["reason"], "row # is odd");
    assert_eq!(reason["first"]["reason"], "row 1 is odd");
}

#[test]
fn rows_of_each_reason_are_shown_on_request() {
    let project = strict();
    assert_eq!(project.run(&RUN).code, 0);
    let shown = project.run(&["reject", "list", "even", "--rows", "2"]);
    assert_snapshot!(shown.all());
    let list = |more: &[&str]| {
        let ran = project.run(&[&["reject", "list", "--json"], more].concat());
        ran.json()["steps"][0].clone()
    };
    let even = list(&[]);
    assert_eq!((&even["step"], &even["rows"]), (&"even".into(), &3.into()));
    let reason = &even["reasons"][0];
    assert_eq!(reason["rows"], 3);
    assert_eq!(reason["first"]["file"], "data/numbers.csv");
    assert_eq!(reason["first"]["row"], 2);
    assert!(reason.get("examples").is_none(), "{reason}");
    let examples = &list(&["--rows", "1"])["reasons"][0]["examples"];
    assert_eq!(examples.as_array().unwrap().len(), 1, "{examples}");
    assert_eq!(examples[0]["id"], 2, "{examples}");
}

#[test]
fn rows_without_a_file_and_columns_of_any_name_are_shown() {
    let project = strict();
    project.replace("transom.yaml", "input: numbers", "input: named");
    project.replace(
        "transom.yaml",
        "  even:\n    transform",
        "  named:\n    sql: SELECT id, k AS pattern, v AS number, v AS \"rows\", 1 AS is_one FROM numbers\n  even:\n    transform",
    );
    let ran = project.run(&RUN);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_snapshot!(project.run(&["reject", "list", "--rows", "2"]).all());
}

#[test]
fn dead_letters_of_another_version_are_told() {
    let project = strict();
    // A table without `_file`, where the step's dead letters are.
    let rows = "path: out/even, format: csv";
    project.replace("transom.yaml", rows, "path: old/even, format: parquet");
    assert_eq!(project.run(&RUN).code, 0);
    project.replace("transom.yaml", "path: old/even", "path: out/even");
    project.replace("transom.yaml", "path: out/dead_letters", "path: old");
    assert_snapshot!(project.run(&["reject", "list"]).all());
}

#[test]
fn what_there_is_no_list_of_is_told() {
    let project = strict();
    let before = project.run(&["reject", "list"]);
    let unknown = project.run(&["reject", "list", "odd"]);
    let none = shop().run(&["reject", "list"]);
    assert_snapshot!([before.all(), unknown.all(), none.all()].join("\n"));
}

#[test]
fn rows_of_a_run_that_rejected_too_many_are_listed_apart() {
    let project = strict();
    assert_eq!(project.run(&RUN).code, 0);
    let published = project.run(&["reject", "list"]).all();
    let none = project.run(&["reject", "list", "--failed"]).all();
    let keeps = "on_reject: dead_letter";
    project.replace(
        "transom.yaml",
        keeps,
        "on_reject: dead_letter\n    max_rejects: 2",
    );
    assert_eq!(project.run(&RUN).code, 1);
    assert_eq!(project.run(&["reject", "list"]).all(), published);
    let failed = project
        .run(&["reject", "list", "--failed", "--rows", "1"])
        .all();
    assert_snapshot!([none.as_str(), &failed].join("\n"));
    // As often as it fails.
    assert_eq!(project.run(&RUN).code, 1);
    let again = project.run(&["reject", "list", "--failed", "--rows", "1"]);
    assert_eq!(again.all(), failed);
}
