//! What a whole process takes: time from its start, and memory at its largest; and whether memory stays flat over many batches.
//!
//! Runs `transom` (the program that `TRANSOM_BIN` names) as a person would: over a handful of rows for the time that starting
//! takes (`starts`), and in copies of the example, over the year and over ten years with little memory, for what is really held
//! (`years`). The same files are read and written by DuckDB (`rival`). What 100,000 batches leave
//! behind in a plugin of each language is seen from within (`batches`). `just bench-process` runs all of it, `just bench-process starts`
//! a part.

#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod child;
mod pipelines;
mod rival;

use std::path::{Path, PathBuf};
use std::time::Duration;

use child::{Program, Used};
use common::Result;
use common::guests::{LANGUAGES, conformance};

/// As in the program, so that the memory of batches is what it is there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds over the handful of rows, and over the year.
const STARTS: usize = 30;
const RUNS: usize = 3;

const MEMORY: &str = "256MB";

fn main() -> Result<()> {
    // Cargo adds options of its own, `--bench` for one.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_asked = |group: &str| words.is_empty() || words.iter().any(|word| word == group);
    // The small processes come first: the kernel says of a child that it has at least been as large as this process when it began.
    if ["starts", "years", "rival"].into_iter().any(is_asked) {
        processes(&is_asked)?;
    }
    if is_asked("batches") {
        batches::report()?;
    }
    Ok(())
}

fn processes(is_asked: &impl Fn(&str) -> bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program {
        path: std::env::var_os("TRANSOM_BIN")
            .map(PathBuf::from)
            .ok_or("the variable `TRANSOM_BIN` does not name the program to measure")?,
        cache: folder.path().join("cache"),
    };
    if is_asked("starts") || is_asked("years") {
        println!("| what | time | processor time | largest resident memory | target |");
        println!("| --- | ---: | ---: | ---: | --- |");
    }
    if is_asked("starts") {
        starts(&program, folder.path())?;
    }
    if is_asked("years") {
        years(&program, folder.path())?;
    }
    println!();
    if is_asked("rival") {
        rival::compare(&program, &folder.path().join("rival"))?;
    }
    Ok(())
}

fn line(what: &str, used: Used, target: &str) {
    let mebibytes = used.resident as f64 / f64::from(1 << 20);
    println!(
        "| {what} | {:.1?} | {:.1?} | {mebibytes:.0} MiB | {target} |",
        used.time, used.processor
    );
}

/// A handful of rows through a transform and a function of a plugin in each language.
fn starts(program: &Program, folder: &Path) -> Result<()> {
    let handful = pipelines::Handful {
        plugin: "tests/guests/echo",
        transform: "pass",
        options: "column: a",
        function: "gcd",
    };
    let target = "< 60 ms to the first batch";
    start(
        program,
        &folder.join("echo"),
        &handful,
        "echo in rust",
        target,
    )?;
    for (language, target) in LANGUAGES.into_iter().zip(["", "< 60 ms", "< 120 ms"]) {
        let handful = pipelines::Handful {
            plugin: &conformance(language),
            transform: "keep",
            options: "column: a, above: 0",
            function: "add",
        };
        let name = format!("conformance guest in {language}");
        start(program, &folder.join(language), &handful, &name, target)?;
    }
    let version = || program.run(folder, &["version"]);
    line(
        "no pipeline: `transom version`",
        repeated(STARTS, version)?,
        "",
    );
    Ok(())
}

fn start(
    program: &Program,
    folder: &Path,
    handful: &pipelines::Handful<'_>,
    name: &str,
    target: &str,
) -> Result<()> {
    handful.write(folder)?;
    let run = || program.run(folder, &["run", "--quiet"]);
    // The first start compiles the plugin; all others find it compiled.
    line(
        &format!("a handful of rows, {name}: nothing compiled yet"),
        run()?,
        "",
    );
    line(
        &format!("a handful of rows, {name}: from process start to the sink's last byte"),
        repeated(STARTS, run)?,
        target,
    );
    Ok(())
}

/// The example over a year and over ten, with and without a limit on memory.
fn years(program: &Program, folder: &Path) -> Result<()> {
    for (name, years, rounds) in [("the year", 1, RUNS), ("ten years", 10, 1)] {
        let pipeline = pipelines::years(&folder.join(years.to_string()), years)?;
        for arguments in [
            &["run", "--quiet"][..],
            &["run", "--quiet", "--memory", MEMORY],
        ] {
            let used = repeated(rounds, || program.run(&pipeline, arguments))?;
            let what = format!("{name}: `transom {}`", arguments.join(" "));
            line(&what, used, "");
        }
    }
    Ok(())
}

/// The median times and the largest memory.
fn repeated(rounds: usize, run: impl Fn() -> Result<Used>) -> Result<Used> {
    let runs = (0..rounds).map(|_| run()).collect::<Result<Vec<_>>>()?;
    let median = |time: fn(&Used) -> Duration| {
        let mut times: Vec<Duration> = runs.iter().map(time).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Ok(Used {
        time: median(|used| used.time),
        processor: median(|used| used.processor),
        resident: runs.iter().map(|used| used.resident).max().unwrap_or(0),
    })
}
