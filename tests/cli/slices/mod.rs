//! Pipelines that run in slices, as their users run them.

mod allowed;
mod changes;
mod commands;
mod reports;
mod shapes;
mod sizes;
mod stopped;
mod verify;
mod warehouse;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::invoke::succeeds;
use crate::program::Project;

fn pipeline(source: &str, sql: &str, sink: &str) -> Project {
    let project = Project::empty();
    project.write("raw/day=2024-01-01/a.csv", "customer,amount\na,1\nb,2\n");
    let yaml = format!(
        "name: orders\nsources:\n  raw: {{ path: raw/, format: csv{source} }}\nsteps:\n  out: {{ sql: \"{sql}\" }}\nsinks:\n  out: {{ from: out, path: out, format: parquet{sink} }}\n"
    );
    project.write("transom.yaml", yaml);
    project
}

const NEW: &str = ", incremental: new_files";
const BY: &str = ", incremental: { by: day }";
const APPEND: &str = ", mode: append";
const PARTITIONS: &str = ", mode: overwrite_partitions, partition_by: [day]";

/// A pipeline that appends one file after the other, each in a slice of its own.
fn one_file_a_slice(files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    for (name, rows) in files {
        project.write(&format!("raw/{name}.csv"), format!("id,amount\n{rows}"));
    }
    project.write(
        "transom.yaml",
        "name: p
sources: { raw: { path: raw/, format: csv, columns: { id: int64, amount: int64 }, incremental: new_files } }
sinks: { out: { from: raw, path: out, format: parquet, mode: append } }
slices: { files: 1 }
",
    );
    succeeds(&project, &["lock"]);
    project
}

/// A pipeline of files with two slices loaded.
fn with_slices() -> Project {
    let project = pipeline(NEW, "SELECT * FROM raw", APPEND);
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    for day in ["02", "03"] {
        let ran = project.run(&["run", "--quiet"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let file = format!("raw/day=2024-01-{day}/a.csv");
        project.write(&file, "customer,amount\nc,3\n");
    }
    project
}

/// The rows of a folder's Parquet files.
fn rows_in(folder: &Path) -> i64 {
    // A version without rows has no folder.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let rows = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return rows_in(&path);
        }
        let file = std::fs::File::open(&path).expect("it opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
        reader.metadata().file_metadata().num_rows()
    });
    rows.sum()
}

/// What readers find and what was decided: the files of the table `out`, those of the log, and the notes that its entries are done.
fn kept(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut kept = BTreeMap::new();
    let mut open = ["out", ".transom/state"]
        .map(|path| project.path().join(path))
        .to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            kept.insert(path, bytes);
        }
    }
    // Attempts that come to nothing leave documents, and runs say that they were.
    kept.retain(|path, _| {
        let mut parts = path.components();
        !parts.any(|part| {
            ["objects", "runs", "hints"]
                .iter()
                .any(|name| part.as_os_str() == *name)
        })
    });
    kept
}

/// Runs, changes something, and runs again: that is an error with these words, and neither the table nor the log has changed.
fn refuses(project: &Project, said: &str, change: impl FnOnce(&Project)) {
    succeeds(project, &["run", "--quiet"]);
    let before = kept(project);
    change(project);
    let refused = project.run(&["run"]);
    assert_ne!(refused.code, 0, "{said}: {}", refused.all());
    assert!(refused.stderr.contains(said), "{}", refused.all());
    assert!(
        kept(project) == before,
        "{said}: the table or the log has changed"
    );
}
