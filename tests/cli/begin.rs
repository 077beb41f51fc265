//! The first minutes: `transom init`, and what it wrote, built and run; `transom doctor`.

use crate::program::{Project, Ran};
use crate::{assert_snapshot, shop};

/// What a plugin that was begun offers, once it is built.
fn inspect(project: &Project, language: &str) {
    let mut command = project.command(&["inspect", "privacy", "--quiet"]);
    // The compiled standard library of the user's own cache: compiling it again takes minutes.
    command.env_remove("TRANSOM_CACHE_DIR");
    let inspected = project.outcome(command.output().unwrap());
    assert_eq!(inspected.code, 0, "{}", inspected.all());
    assert!(
        inspected.stdout.contains("mask_email(email utf8) -> utf8"),
        "{language}: {}",
        inspected.all()
    );
}

#[test]
fn a_plugin_is_begun_in_each_language() {
    for language in ["rust", "go", "python"] {
        let project = Project::empty();
        let ran = project.run(&["init", "privacy", "--lang", language]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_snapshot!(format!("init_{language}"), ran.all());
        if language != "rust" {
            inspect(&project, language);
        }
    }
}

#[test]
#[ignore = "slow: compiles the SDK for WebAssembly"]
fn a_plugin_that_was_begun_in_rust_offers_its_function() {
    let project = Project::empty();
    project.run(&["init", "privacy", "--lang", "rust"]);
    inspect(&project, "rust");
}

#[test]
fn a_pipeline_that_was_begun_runs_as_it_is() {
    let project = Project::empty();
    let ran = project.run(&["init", "--pipeline", "customers"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_snapshot!(ran.all());
    let file = ["--file", "customers/transom.yaml"];
    let ran = project.run(&[&["run"], &file[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_snapshot!("begun_pipeline_run", ran.stdout);
    let tested = project.run(&[&["test"], &file[..]].concat());
    assert_eq!(tested.code, 0, "{}", tested.all());
    let checked = project.run(&[&["lock"], &file[..]].concat());
    assert_eq!(checked.code, 0, "{}", checked.all());
    let check = || project.run(&[&["check"], &file[..]].concat());
    assert_eq!(check().code, 0, "{}", check().all());
    // Python is packed by whoever looks at it.
    project.replace("customers/plugins/privacy/privacy.py", "mask_email", "mask");
    let expected = "the plugin `privacy` has no function `mask_email`; it has: `mask`";
    assert!(check().stderr.contains(expected), "{}", check().all());
    project.replace("customers/sql/masked.sql", "privacy.", "privcy.");
    let expected = "there is no plugin `privcy`; the pipeline has: `privacy`";
    assert!(check().stderr.contains(expected), "{}", check().all());
}

#[test]
fn a_plugin_that_is_begun_in_a_pipeline_says_how_it_is_named_there() {
    let project = shop();
    let ran = project.run(&["init", "plugins/privacy", "--lang", "python"]);
    assert_snapshot!(ran.all());
    let odd = project.run(&["init", "plug, ins/privacy", "--lang", "python"]);
    let line = "privacy: { path: \"plug, ins/privacy\" }";
    assert!(odd.stderr.contains(line), "{}", odd.all());
    // It is no folder of this pipeline's.
    let elsewhere = Project::empty();
    let folder = elsewhere.path().join("privacy");
    let folder = folder.to_str().unwrap();
    let ran = project.run(&["init", folder, "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(!ran.stderr.contains("plugins:"), "{}", ran.all());
}

#[test]
fn what_is_there_is_not_written_over() {
    let project = Project::empty();
    project.write("privacy/notes.txt", "mine");
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_snapshot!(ran.all());
    assert!(!project.path().join("privacy/pyproject.toml").exists());
    let ran = project.run(&["init", "Privacy-2", "--lang", "python"]);
    assert_snapshot!("name_of_a_plugin", ran.all());
}

#[test]
fn a_name_that_the_language_keeps_for_itself_is_refused() {
    let project = Project::empty();
    let refused = [
        ("json", "python"),
        ("class", "python"),
        ("test_x", "python"),
        ("transom", "python"),
        ("match", "rust"),
        ("core", "rust"),
        ("transom_sdk", "rust"),
        ("v2", "go"),
    ]
    .map(|(name, language)| {
        let ran = project.run(&["init", name, "--lang", language]);
        assert!(!project.path().join(name).exists(), "{name}");
        ran.all()
    });
    assert_snapshot!(refused.join("\n"));
    // What is taken in one language is free in another.
    let ran = project.run(&["init", "strings", "--lang", "go"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let ran = project.run(&["build", "strings"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let ran = project.run(&["init", "--pipeline", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

#[test]
fn the_sdk_comes_back_where_it_is_missing() {
    let project = Project::empty();
    project.run(&["init", "privacy", "--lang", "go"]);
    std::fs::remove_dir_all(project.path().join("privacy/.transom")).unwrap();
    let ran = project.run(&["build", "privacy"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// Runs `transom doctor` with a variable of the environment.
fn with(project: &Project, variable: &str, value: &str) -> Ran {
    let output = project.command(&["doctor"]).env(variable, value).output();
    project.outcome(output.unwrap())
}

#[test]
fn the_doctor_tells_what_there_is() {
    let project = Project::empty();
    let ran = project.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let expected: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let whats: Vec<&str> = expected["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        whats,
        [
            "plugins in Rust",
            "plugins in Go",
            "plugins in Python",
            "running plugins in Python",
            "cache",
            "results in this folder",
            "spilling to disk"
        ]
    );
    let ran = with(&project, "PATH", "/nowhere");
    assert_eq!(ran.code, 0, "a language that is missing breaks nothing");
    assert!(ran.stdout.contains("https://go.dev/dl"), "{}", ran.all());
    // Half of a runner is expected before a run is.
    let runner = project.path().join("python-runner.wasm");
    std::fs::write(&runner, "half").unwrap();
    let ran = with(&project, "TRANSOM_PYTHON_RUNNER", runner.to_str().unwrap());
    let expected = "broken   running plugins in Python";
    assert!(
        ran.code == 1 && ran.stdout.contains(expected),
        "{}",
        ran.all()
    );
    let ran = with(&project, "TRANSOM_CACHE_DIR", "/proc/nowhere");
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stdout.contains("broken   cache"), "{}", ran.all());
}
