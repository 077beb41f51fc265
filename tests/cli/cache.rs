//! `transom cache`: what it shows, and what it removes.

use serde_json::json;

use crate::program::{Project, Ran};

/// A cache with two of its parts, and with something that is none.
fn cached() -> Project {
    let project = Project::empty();
    project.write("kept/guests/deps/libserde.rlib", [0; 1500]);
    project.write("kept/cwasm/echo", [0; 500]);
    project.write("kept/target/debug/transom", "not of the cache");
    project
}

fn cache(project: &Project, arguments: &[&str]) -> Ran {
    let mut command = project.command(&[&["cache"], arguments].concat());
    command.env("TRANSOM_CACHE_DIR", project.path().join("kept"));
    let ran = project.outcome(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran
}

fn is_there(project: &Project, part: &str) -> bool {
    project.path().join("kept").join(part).exists()
}

#[test]
fn parts_of_the_cache_are_shown_with_their_sizes() {
    let project = cached();
    let ran = cache(&project, &["show"]);
    let expected = "guests: 1.5 kB, compiled dependencies of plugins in Rust\ncwasm: 500 B, machine code of plugins\n";
    assert_eq!(ran.stdout, expected);
    assert!(ran.stderr.contains("2.0 kB in $ROOT/kept"), "{}", ran.all());
    let expected = json!({
        "folder": "$ROOT/kept",
        "parts": [
            { "name": "guests", "path": "$ROOT/kept/guests", "bytes": 1500 },
            { "name": "cwasm", "path": "$ROOT/kept/cwasm", "bytes": 500 },
        ],
    });
    assert_eq!(cache(&project, &["show", "--json"]).json(), expected);
}

#[test]
fn a_part_or_all_of_the_cache_is_removed_and_nothing_else() {
    let project = cached();
    let ran = cache(&project, &["clean", "cwasm"]);
    assert!(ran.stderr.contains("removed 500 B"), "{}", ran.all());
    assert!(!is_there(&project, "cwasm") && is_there(&project, "guests"));
    let expected = json!({
        "removed": [{ "name": "guests", "path": "$ROOT/kept/guests", "bytes": 1500 }],
    });
    assert_eq!(cache(&project, &["clean", "--json"]).json(), expected);
    assert!(!is_there(&project, "guests") && is_there(&project, "target/debug/transom"));
    let ran = cache(&project, &["clean"]);
    assert!(ran.stderr.contains("removed 0 B"), "{}", ran.all());
    let ran = project.run(&["cache", "clean", "target"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.stderr.contains("guests, cwasm, python"),
        "{}",
        ran.all()
    );
}
