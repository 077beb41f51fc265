//! Tests of a pipeline: tables are given in place of its sources and steps, and what comes out of others is compared.
//!
//! Tests stand in YAML files beside the pipeline. [`find`] finds them, [`test_file`](transom_file::test_file) reads one, and
//! a [`Tester`] runs them, each in a session of its own: `rows` and `data` make tables of what a test gives, the pipeline's own
//! planner plans what the expected tables need and nothing else, `compare` compares every row. [`create`] writes a test from
//! real data, [`update()`] writes what was found in place of what was expected.

mod anonymize;
mod case;
mod compare;
mod create;
mod data;
mod expect;
mod report;
#[cfg(test)]
mod round_trip;
mod rows;
mod run;
mod update;
mod yaml;

use std::path::{Path, PathBuf};

use fs_err as fs;

pub use self::compare::{DiffColumn, DiffRow, DiffSide, RowDiff};
pub use self::create::create;
pub use self::report::{Mismatch, TestFailure, TestReport, TypeDiff};
pub use self::run::Tester;
pub use self::update::{Edit, update};
use crate::error::{Error, Result};

/// What to do about a transform that gives other rows when it moves to another instance.
pub const MOVED_HINT: &str = "variables of a module stay behind in the old instance: keep in `self` what has to last from \
    batch to batch, random numbers as `self.random = random.Random(0)` in `open`";

/// The files of tests in `folder` and in the folders below it, by name.
///
/// # Errors
/// If a folder cannot be read. That there is none is no error.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io {
        what: format!("the tests in `{}` cannot be listed", folder.display()),
        source,
    };
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            files.append(&mut find(&path)?);
        } else if matches!(ending, Some("yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
