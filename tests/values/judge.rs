//! DuckDB's answer to a case, beside the one that is recorded.

use std::path::Path;
use std::process::Command;

use crate::case::Case;
use crate::program::{self, Project};
use crate::run;
use crate::table::Table;

/// Runs the judge's query in DuckDB over the case's files: the rows must be the expected ones, or fail where only an error is
/// expected.
pub(crate) fn confirm(case: &Case, python: &Path) -> Result<(), String> {
    let project = Project::empty();
    run::write_files(case, &project)?;
    let query = match case.judge.as_deref() {
        None | Some("same") => case.sql(),
        Some(query) => query,
    };
    let output = Command::new(python)
        .arg(program::repository().join("tests/values/judge.py"))
        .args([
            query,
            &case.path().unwrap_or_default(),
            &case.format().unwrap_or_default(),
        ])
        .current_dir(project.path())
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    match (&case.rows, output.status.success()) {
        (None, false) => Ok(()),
        (None, true) => Err("DuckDB has rows where an error is expected".to_owned()),
        (Some(_), false) => Err(format!("DuckDB: {stderr}")),
        (Some(rows), true) => {
            let found = run::parquet(&project.path().join("judge.parquet"))?;
            Table::parse(rows)?.compare(&found, false)
        }
    }
}
