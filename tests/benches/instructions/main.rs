//! What calls of plugins cost in instructions, which a busy machine does not change.
//!
//! Runs itself under Callgrind with several numbers of rows and calls and fits `constant + call * calls + row * rows` to what
//! was counted: `constant` is starting an instance and opening the function, `call` what every batch costs, `row` what
//! every row costs. Each subject is counted in a plugin and, where the same Rust code can be linked in, natively.
//!
//! Needs `valgrind`. `just bench-instructions`; a word selects subjects by name.

#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "../common/mod.rs"]
mod common;

mod fit;
mod subjects;

use std::process::Command;

use common::Result;
use subjects::{SUBJECTS, Side};

/// Rows of a batch and numbers of batches that are counted.
const ROWS: [usize; 2] = [1024, 8192];
const CALLS: [usize; 2] = [2, 10];

/// First argument of the process that is counted.
const COUNTED: &str = "counted";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, subject, side, rows, calls] = arguments.as_slice()
        && first == COUNTED
    {
        return subjects::run(subject, side.parse()?, rows.parse()?, calls.parse()?);
    }
    let words: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    println!("| subject | where | per row | per call | constant | off by at most |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    for subject in SUBJECTS {
        if !words.is_empty()
            && !words
                .iter()
                .any(|word| subject.name.contains(word.as_str()))
        {
            continue;
        }
        for side in subject.sides() {
            // Valgrind's processor has other features than this one, so the guest's code is compiled for it once more. That
            // takes a minute, and many when it is counted.
            valgrind(&["--tool=none"], &counted_process(subject.name, side, 1, 1))?;
            let mut points = Vec::new();
            for rows in ROWS {
                for calls in CALLS {
                    let counted = count(subject.name, side, rows, calls)?;
                    points.push(fit::Point {
                        calls: calls as f64,
                        rows: (rows * calls) as f64,
                        counted: counted as f64,
                    });
                }
            }
            let costs = fit::fit(&points).ok_or("the counts determine no costs")?;
            println!(
                "| {} | {side} | {:.2} | {:.0} | {:.0} | {:.2} % |",
                subject.name,
                costs.row,
                costs.call,
                costs.constant,
                100.0 * costs.worst
            );
        }
    }
    Ok(())
}

/// Instructions within [`subjects::transom_counted`].
fn count(subject: &str, side: Side, rows: usize, calls: usize) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("profile");
    let options = [
        "--tool=callgrind",
        "--toggle-collect=transom_counted",
        "--separate-threads=no",
        &format!("--callgrind-out-file={}", profile.display()),
    ];
    valgrind(&options, &counted_process(subject, side, rows, calls))?;
    let profile = std::fs::read_to_string(profile)?;
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .ok_or("the profile has no total")?;
    Ok(total.trim().parse()?)
}

/// The arguments of the process that is counted.
fn counted_process(subject: &str, side: Side, rows: usize, calls: usize) -> [String; 5] {
    [
        COUNTED.to_owned(),
        subject.to_owned(),
        side.to_string(),
        rows.to_string(),
        calls.to_string(),
    ]
}

/// Runs this program under Valgrind.
fn valgrind(options: &[&str], arguments: &[String]) -> Result<()> {
    let output = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=0"])
        .args(options)
        .arg(std::env::current_exe()?)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start `valgrind`, which counts: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "the counted process failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}
