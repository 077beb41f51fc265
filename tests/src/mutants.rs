//! Rules that are left out of a program, to see that its tests notice.

use std::process::{Command, Stdio};

/// Runs one test of this program, with a rule left out; whether it passes.
///
/// # Panics
/// If no process can be started.
#[must_use]
pub fn passes(test: &str, mutant: &str) -> bool {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact"])
        .env("TRANSOM_MUTANT", mutant)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.unwrap().success()
}
