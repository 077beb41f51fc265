//! Help is part of the program: its texts are seen in review when they change.

use crate::assert_snapshot;
use crate::program::Project;

fn help(arguments: &[&str]) -> String {
    let ran = Project::empty().run(arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout
}

#[test]
fn the_program_lists_its_commands_options_and_exit_codes() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn every_command_has_help_with_examples() {
    for command in [
        "run",
        "check",
        "test",
        "preview",
        "bench",
        "reject",
        "backfill",
        "runs",
        "plan",
        "lock",
        "build",
        "package",
        "inspect",
        "local",
        "schema",
        "version",
        "completions",
    ] {
        let text = help(&[command, "--help"]);
        assert!(
            ["version", "reject"].contains(&command) || text.contains("Examples:"),
            "{command}"
        );
        assert_snapshot!(format!("help_{command}"), text);
    }
}

#[test]
fn a_command_of_a_command_has_help_too() {
    assert_snapshot!(help(&["reject", "list", "--help"]));
}

#[test]
fn an_unknown_command_gets_a_suggestion() {
    let ran = Project::empty().run(&["rum"]);
    assert_snapshot!(ran.all());
}

#[test]
fn a_wrong_value_is_told_with_what_is_allowed() {
    let expected = ["--memory=12", "--var=x", "--partitions=0", "--color=blue"]
        .map(|option| Project::empty().run(&["run", option]).all());
    assert_snapshot!(expected.join("\n"));
}

#[test]
fn versions_of_the_engines_are_told() {
    let text = help(&["version"]);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["transom", "contract", "wasmtime", "datafusion"]);
    for line in text.lines() {
        assert!(
            line.chars().any(|character| character.is_ascii_digit()),
            "{line}"
        );
    }
    assert_eq!(
        help(&["--version"]),
        format!("{}\n", text.lines().next().unwrap())
    );
}

#[test]
fn completions_are_written_for_shells() {
    for (shell, marker) in [
        ("bash", "complete -F _transom"),
        ("zsh", "#compdef transom"),
        ("fish", "complete -c transom"),
    ] {
        assert!(help(&["completions", shell]).contains(marker), "{shell}");
    }
}
