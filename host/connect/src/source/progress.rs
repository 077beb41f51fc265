//! How much has been read of a source, for reports.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::inputs::Input;

/// How much has been read of a source, for reports; shared by its clones.
///
/// Each step, check and sink that reads a source scans it for itself, and a part of a plan may run several times. A row counts once all the
/// same: of the scans of a file the one that met the most says what was read of it.
#[derive(Debug, Clone, Default)]
pub struct ReadProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// How many scans have begun.
    scans: AtomicU64,
    files: Mutex<HashMap<PathBuf, Arc<Mutex<OfFile>>>>,
}

/// What was met in a file: by the number of the scan, then by where it began to read, which may cut files into ranges.
type OfFile = BTreeMap<u64, BTreeMap<u64, Met>>;

#[derive(Debug, Default)]
struct Met {
    rows: u64,
    /// Columns or keys that were left out, with the number of rows that had them.
    unknown: BTreeMap<String, u64>,
}

impl Met {
    /// With what was met elsewhere.
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (name, rows) in &other.unknown {
            *self.of(name) += rows;
        }
    }

    /// As much as was met of the same at another time, if that is more.
    fn raise(&mut self, other: &Self) {
        self.rows = self.rows.max(other.rows);
        for (name, rows) in &other.unknown {
            let known = self.of(name);
            *known = (*known).max(*rows);
        }
    }

    fn of(&mut self, name: &str) -> &mut u64 {
        self.unknown.entry(name.to_owned()).or_default()
    }
}

impl ReadProgress {
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.met().rows
    }

    /// Columns or keys that were left out, with the number of rows that had them.
    pub fn unknown(&self) -> BTreeMap<String, u64> {
        self.met().unknown
    }

    fn met(&self) -> Met {
        let mut all = Met::default();
        for of_file in locked(&self.0.files).values() {
            let mut most = Met::default();
            for pieces in locked(of_file).values() {
                let mut scan = Met::default();
                pieces.values().for_each(|piece| scan.add(piece));
                most.raise(&scan);
            }
            all.add(&most);
        }
        all
    }

    /// A scan of the source begins.
    pub(super) fn scan(&self) -> ScanProgress {
        ScanProgress {
            counts: Arc::clone(&self.0),
            scan: self.0.scans.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// How much one scan of a source has read.
#[derive(Debug)]
pub(super) struct ScanProgress {
    counts: Arc<Counts>,
    scan: u64,
}

impl ScanProgress {
    /// A file begins to be read, or a range of it, which starts at this byte.
    pub(super) fn begin(&self, found: &Input, start: u64) -> Reading {
        let mut files = locked(&self.counts.files);
        let of_file = match files.get(&found.path) {
            Some(of_file) => Arc::clone(of_file),
            None => Arc::clone(files.entry(found.path.clone()).or_default()),
        };
        Reading {
            of_file,
            scan: self.scan,
            start,
            met: Mutex::default(),
        }
    }
}

/// One reading of a file, or of a range of it.
#[derive(Debug)]
pub(super) struct Reading {
    of_file: Arc<Mutex<OfFile>>,
    scan: u64,
    start: u64,
    /// In this reading alone: another one of the same rows does not add to it.
    met: Mutex<Met>,
}

impl Reading {
    /// More rows, and in how many of them columns or keys were left out.
    pub(super) fn add(&self, rows: u64, unknown: BTreeMap<String, u64>) {
        let mut met = locked(&self.met);
        met.add(&Met { rows, unknown });
        let mut of_file = locked(&self.of_file);
        let scan = of_file.entry(self.scan).or_default();
        scan.entry(self.start).or_default().raise(&met);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::source::Location;

    fn file(path: &str) -> Input {
        Input {
            path: path.into(),
            location: Location::File(path.into()),
            bytes: 1,
            modified: SystemTime::UNIX_EPOCH,
        }
    }

    fn left_out(name: &str, rows: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([(name.to_owned(), rows)])
    }

    #[test]
    fn a_row_counts_once_however_often_it_is_read() {
        let progress = ReadProgress::default();
        let (a, b) = (file("a"), file("b"));
        let first = progress.scan();
        // Two ranges of a file, the second one in two batches.
        first.begin(&a, 0).add(10, left_out("x", 3));
        let second_range = first.begin(&a, 100);
        second_range.add(4, left_out("x", 1));
        second_range.add(1, left_out("y", 1));
        first.begin(&b, 0).add(2, BTreeMap::new());
        let counted = |rows, x, y| {
            assert_eq!(progress.rows(), rows);
            let unknown = [("x".to_owned(), x), ("y".to_owned(), y)];
            assert_eq!(progress.unknown(), BTreeMap::from(unknown));
        };
        counted(17, 4, 1);
        // Part of the plan runs again.
        first.begin(&a, 100).add(5, left_out("x", 1));
        counted(17, 4, 1);
        // Another reader, which is content with some of the rows.
        let second = progress.scan();
        second.begin(&a, 0).add(12, left_out("x", 3));
        counted(17, 4, 1);
        // One that wants more of the other file.
        second.begin(&b, 0).add(6, left_out("y", 2));
        counted(21, 4, 3);
    }
}
