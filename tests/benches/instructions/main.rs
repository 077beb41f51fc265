//! What calls of plugins cost in instructions, which a busy machine does not change.
//!
//! Runs itself under Callgrind with several numbers of rows and calls and fits `constant + call * calls + row * rows` to what
//! was counted: `constant` is starting an instance and opening the function, `call` what every batch costs, `row` what
//! every row costs. Each subject is counted in a plugin and, where the same Rust code can be linked in, natively.
//!
//! Needs `valgrind`. `just bench-instructions`; a word selects subjects by name.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what it is run for"
)]

#[path = "../common/mod.rs"]
mod common;

mod fit;
mod subjects;

use std::path::Path;
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
    if let [first, subject, side, rows, calls] = arguments.as_slice() {
        if first == COUNTED {
            return subjects::run(subject, side.parse()?, rows.parse()?, calls.parse()?);
        }
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
    let me = std::env::current_exe()?;
    let counted = [
        COUNTED,
        subject,
        &side.to_string(),
        &rows.to_string(),
        &calls.to_string(),
    ]
    .map(str::to_owned);
    // Valgrind's processor has other features than this one, so code is compiled for it once more: that is not to be counted,
    // and is faster without counting.
    static COMPILED: std::sync::Once = std::sync::Once::new();
    let mut compiled = Ok(());
    COMPILED.call_once(|| {
        eprintln!("compiling the guests for Valgrind's processor");
        compiled = valgrind(&me, &["--tool=none"], &counted);
    });
    compiled?;
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("profile");
    let options = [
        "--tool=callgrind",
        "--toggle-collect=transom_counted",
        "--separate-threads=no",
        &format!("--callgrind-out-file={}", profile.display()),
    ];
    valgrind(&me, &options, &counted)?;
    let profile = std::fs::read_to_string(profile)?;
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .ok_or("the profile has no total")?;
    Ok(total.trim().parse()?)
}

fn valgrind(me: &Path, options: &[&str], arguments: &[String]) -> Result<()> {
    let output = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=0"])
        .args(options)
        .arg(me)
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
