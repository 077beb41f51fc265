//! What a whole process takes: time from its start, and memory at its largest.
//!
//! Runs `transom` (the program that `TRANSOM_BIN` names) as a person would, in copies of the example: over a handful of rows for
//! the time that starting takes, over the year and over ten years with little memory for what is really held. `just bench-process`.

#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "../common/mod.rs"]
mod common;

mod child;
mod pipelines;

use std::path::PathBuf;
use std::time::Duration;

use child::{Used, run};
use common::Result;

/// Rounds over the handful of rows, and over the year.
const STARTS: usize = 30;
const RUNS: usize = 3;

const MEMORY: &str = "256MB";

fn main() -> Result<()> {
    let transom = std::env::var_os("TRANSOM_BIN")
        .map(PathBuf::from)
        .ok_or("the variable `TRANSOM_BIN` does not name the program to measure")?;
    let folder = tempfile::tempdir()?;
    println!("| what | time | largest resident memory | target |");
    println!("| --- | ---: | ---: | --- |");
    let line = |what: &str, used: Used, target: &str| {
        let mebibytes = used.resident as f64 / f64::from(1 << 20);
        println!(
            "| {what} | {:.1?} | {mebibytes:.0} MiB | {target} |",
            used.time
        );
    };

    let handful = pipelines::handful(&folder.path().join("handful"))?;
    // The first start compiles the plugin; all others find it compiled.
    line(
        "a handful of rows, nothing compiled yet",
        run(&transom, &handful, &["run", "--quiet"])?,
        "",
    );
    let starts = repeated(STARTS, || run(&transom, &handful, &["run", "--quiet"]))?;
    line(
        "a handful of rows: from process start to the sink's last byte",
        starts,
        "< 60 ms to the first batch",
    );
    line(
        "no pipeline: `transom version`",
        repeated(STARTS, || run(&transom, &handful, &["version"]))?,
        "",
    );

    for (name, years, rounds) in [("the year", 1, RUNS), ("ten years", 10, 1)] {
        let pipeline = pipelines::years(&folder.path().join(years.to_string()), years)?;
        for arguments in [
            &["run", "--quiet"][..],
            &["run", "--quiet", "--memory", MEMORY],
        ] {
            let used = repeated(rounds, || run(&transom, &pipeline, arguments))?;
            let what = format!("{name}: `transom {}`", arguments.join(" "));
            line(&what, used, "");
        }
    }
    Ok(())
}

/// The median time and the largest memory.
fn repeated(rounds: usize, run: impl Fn() -> Result<Used>) -> Result<Used> {
    let mut times = Vec::<Duration>::new();
    let mut resident = 0;
    for _ in 0..rounds {
        let used = run()?;
        times.push(used.time);
        resident = resident.max(used.resident);
    }
    times.sort_unstable();
    Ok(Used {
        time: times[times.len() / 2],
        resident,
    })
}
