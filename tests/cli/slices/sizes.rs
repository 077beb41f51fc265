//! How large slices are, and which of them are computed at the same time.

use super::{APPEND, NEW, one_file_a_slice, pipeline};
use crate::invoke::succeeds;

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
    // All but the first.
    assert_eq!(beside(&run.stderr), 4, "{}", run.stderr);
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
    // Its part of an hour is more than any of them takes.
    assert_eq!(files("", &["--deadline", "1h"]), [1, 2, 4, 5]);
    assert_eq!(
        files("slices: { time: 10m, files: 3 }\n", &[]),
        [1, 2, 3, 3, 3]
    );
    assert_eq!(files("slices: { time: 1ms }\n", &[]), [1; 12]);
    assert_eq!(files("slices: { rows: 6 }\n", &[]), [1, 2, 3, 3, 3]);
}
