//! Values: what goes in, what SQL makes of it, and what must come out, as data.
//!
//! Each YAML file beside this one is a list of cases (`case.rs` says what a case holds). A case is a pipeline of one step, run
//! by the program in a folder of its own, in one or several ways: plainly, in four partitions with batches of one row, with a lock
//! file that was made before other files came, with compressed files, and through a sink whose table a second pipeline reads.
//! Expectations are what is right, not what the program happens to do. `just test-values-judge` confirms them with DuckDB.
//!
//! After the cases comes a table: how many of each entry are right, are refused as they must be, and are wrong.

mod case;
mod files;
mod judge;
mod run;
mod table;
mod types;

#[path = "../cli/program.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the commands, which use more of it"
)]
mod program;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};

use case::Case;
use run::Outcome;

/// How many cases of an entry came out how.
#[derive(Default)]
struct Count {
    right: usize,
    refused: usize,
    wrong: usize,
}

type Counts = Arc<Mutex<BTreeMap<String, Count>>>;

fn main() {
    let arguments = Arguments::from_args();
    let folder = program::repository().join("tests/values");
    let judge = std::env::var("TRANSOM_JUDGE").ok();
    let counts = Counts::default();
    let mut trials = Vec::new();
    for (room, cases) in rooms(&folder) {
        for case in cases {
            let case = Arc::new(case);
            if let Some(python) = &judge {
                if case.judge.is_some() {
                    let (case, python) = (Arc::clone(&case), python.clone());
                    let name = format!("{room}::{}", case.name());
                    trials.push(Trial::test(name, move || {
                        Ok(judge::confirm(&case, Path::new(&python))?)
                    }));
                }
                continue;
            }
            for way in case.ways() {
                let (case, counts) = (Arc::clone(&case), Arc::clone(&counts));
                let name = format!("{room}::{} [{way}]", case.name());
                let ignored = case.disk.is_some() && !run::mounts();
                let trial = Trial::test(name, move || {
                    let outcome = run::run(&case, &way);
                    note(&counts, &case.entry, &outcome);
                    Ok(outcome.map(drop)?)
                });
                trials.push(trial.with_ignored_flag(ignored));
            }
        }
    }
    trials.extend(broken(&folder, judge.is_some()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let counts = counts.lock().expect("no test panics while it counts");
    if !counts.is_empty() && !arguments.quiet {
        eprintln_table(&counts);
    }
    conclusion.exit();
}

/// The cases of each file, by its name.
fn rooms(folder: &Path) -> BTreeMap<String, Vec<Case>> {
    let mut rooms = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file of cases");
        let cases: Vec<Case> = serde_saphyr::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in &cases {
            let says_nothing = case.error.iter().any(String::is_empty);
            assert!(!says_nothing, "{}: what must the error say?", case.name());
        }
        let room = path.file_stem().expect("a name").to_string_lossy();
        rooms.insert(room.into_owned(), cases);
    }
    rooms
}

/// A trial for each broken file: the program must refuse it, and say which file it is.
fn broken(folder: &Path, judging: bool) -> Vec<Trial> {
    let folder = folder.join("broken");
    if judging || !folder.is_dir() {
        return Vec::new();
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of broken files")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    let trial = |path: std::path::PathBuf| {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        Trial::test(format!("broken::{name}"), move || Ok(run::refuse(&path)?))
    };
    paths.into_iter().map(trial).collect()
}

fn note(counts: &Counts, entry: &str, outcome: &Result<Outcome, String>) {
    let mut counts = counts.lock().expect("no test panics while it counts");
    let count = counts.entry(entry.to_owned()).or_default();
    match outcome {
        Ok(Outcome::Right) => count.right += 1,
        Ok(Outcome::Refused) => count.refused += 1,
        Err(_) => count.wrong += 1,
    }
}

#[expect(clippy::print_stderr, reason = "the table of a test run")]
fn eprintln_table(counts: &BTreeMap<String, Count>) {
    let mut table = format!(
        "{:8} {:>7} {:>7} {:>7}\n",
        "entry", "right", "refused", "wrong"
    );
    let mut all = Count::default();
    for (entry, count) in counts {
        let Count {
            right,
            refused,
            wrong,
        } = count;
        _ = writeln!(table, "{entry:8} {right:7} {refused:7} {wrong:7}");
        all.right += right;
        all.refused += refused;
        all.wrong += wrong;
    }
    let Count {
        right,
        refused,
        wrong,
    } = all;
    eprintln!("{table}{:8} {right:7} {refused:7} {wrong:7}", "all");
}
