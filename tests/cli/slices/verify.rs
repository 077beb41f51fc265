//! What `verify` and `doctor` find.

use super::with_slices;
use crate::invoke::orders;
use crate::program::Project;

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
fn the_doctor_tries_where_rows_wait_for_a_warehouse() {
    let project = orders(1);
    let found = project.run(&["doctor"]);
    for line in [
        "state in `s3://lake/state/`: one of 32 writers creates a name; no rule of the bucket deletes it\n",
        "sink `lake` in `s3://lake/orders/`: one of 32 copies takes a name; no rule of the bucket deletes it\n",
        "rows can be staged, and deleted; no rule of the bucket deletes it\n",
    ] {
        assert!(found.stdout.contains(line), "{}", found.all());
    }
    assert!(
        found.stdout.contains("staging of sink `table` in `s3://"),
        "{}",
        found.all()
    );
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
