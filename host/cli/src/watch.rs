//! Waits until a file is saved.
//!
//! Files are looked at a few times a second: the system's own notices differ between systems, do not come from mounted
//! folders, and the files of a project are few.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::printer::{FAINT, Printer};

/// How often files are looked at.
const PULSE: Duration = Duration::from_millis(250);

/// Files with the times at which they were last changed; `None` for those that are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen(BTreeMap<PathBuf, Option<SystemTime>>);

impl Seen {
    /// The files as they are now.
    pub(crate) fn now(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let changed = |file: &Path| {
            std::fs::metadata(file)
                .and_then(|file| file.modified())
                .ok()
        };
        let files = files.into_iter().map(|file| {
            let changed = changed(&file);
            (file, changed)
        });
        Self(files.collect())
    }

    /// Adds files that were not looked at before, as they are now.
    pub(crate) fn add(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let Self(now) = Self::now(files);
        for (file, changed) in now {
            self.0.entry(file).or_insert(changed);
        }
    }

    /// The files that are not as they were at `before`: changed, new or gone.
    pub(crate) fn since(&self, before: &Self) -> Vec<PathBuf> {
        let all = self.0.keys().chain(before.0.keys());
        let mut changed: Vec<PathBuf> = all
            .filter(|file| self.0.get(*file) != before.0.get(*file))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

/// Waits until one of the files that `files` lists is not as it was at `before`; returns those. Says that it waits, and what came.
pub(crate) fn changes(
    printer: &Printer,
    before: &Seen,
    mut files: impl FnMut() -> Vec<PathBuf>,
) -> Vec<PathBuf> {
    printer.say(format_args!(
        "{FAINT}waiting for a file to be saved; Ctrl-C ends{FAINT:#}"
    ));
    let changed = loop {
        std::thread::sleep(PULSE);
        let changed = Seen::now(files()).since(before);
        if !changed.is_empty() {
            break changed;
        }
    };
    let here = std::env::current_dir().unwrap_or_default();
    let names = changed.iter().map(|file| {
        let shown = file.strip_prefix(&here).unwrap_or(file);
        shown.display().to_string()
    });
    printer.say(format_args!(
        "\n{FAINT}saved: {}{FAINT:#}",
        names.collect::<Vec<_>>().join(", ")
    ));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_or_goes_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sql");
        let look = || Seen::now([file.clone()]);
        let before = look();
        assert_eq!(look().since(&before), Vec::<PathBuf>::new());
        std::fs::write(&file, "SELECT 1").unwrap();
        let there = look();
        assert_eq!(there.since(&before), vec![file.clone()]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look().since(&there), vec![file.clone()]);
        assert_eq!(Seen::default().since(&there), vec![file]);
    }
}
