//! The command line: what each command writes to stdout and stderr, and its exit code.

mod bare_root;
mod batch;
mod begin;
mod bench;
mod building;
mod cache;
mod checks;
mod columns;
mod commands;
mod errors;
mod help;
mod invoke;
mod json;
mod local;
mod package;
mod policy;
mod preview;
mod program;
mod reject;
mod rows;
mod s3;
mod slices;
mod sorted;
mod streams;
mod template;
mod testing;
mod watching;

use program::Project;

/// `insta::assert_snapshot`, with snapshots beside these tests: insta would look for them beneath the package that runs them.
macro_rules! assert_snapshot {
    ($($arguments:tt)*) => {
        insta::with_settings!({
            snapshot_path => crate::program::repository().join("tests/cli/snapshots"),
            omit_expression => true,
        }, { insta::assert_snapshot!($($arguments)*) })
    };
}
use assert_snapshot;

/// A pipeline of SQL alone.
fn shop() -> Project {
    Project::copy_of(&fixture("shop"))
}

/// A pipeline with a plugin.
fn plugged() -> Project {
    Project::copy_of(&fixture("plugged")).with_echo()
}

fn fixture(name: &str) -> std::path::PathBuf {
    program::repository().join("tests/cli/fixtures").join(name)
}
