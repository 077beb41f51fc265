//! Which pipelines run in slices, and what `check` and `plan` say of the others.

use std::path::Path;

use super::{APPEND, BY, NEW, PARTITIONS, pipeline, with_slices};
use crate::assert_snapshot;
use crate::invoke::succeeds;
use crate::program::Project;

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
fn a_plan_shows_what_slices_do() {
    let project = with_slices();
    let plan = project.run(&["plan"]);
    assert!(plan.stdout.contains("of new files"), "{}", plan.all());
    assert!(plan.stdout.contains("append"), "{}", plan.all());
    let json = project.run(&["plan", "--json"]).json();
    assert_eq!(json["sinks"][0]["mode"], "append");
}
