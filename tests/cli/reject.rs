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
fn what_there_is_no_list_of_is_told() {
    let project = strict();
    let before = project.run(&["reject", "list"]);
    let unknown = project.run(&["reject", "list", "odd"]);
    let none = shop().run(&["reject", "list"]);
    assert_snapshot!([before.all(), unknown.all(), none.all()].join("\n"));
}
