//! What slices came upon, said once for all of them.

use super::{SliceReport, SlicesReport};
use crate::report::{
    CheckReport, Count, EXAMPLES, FailureReport, RunReport, SinkReport, SourceReport,
    TransformReport, counted, wrong,
};
use transom_file::CheckKind;

/// Slices, or several in a row, that a line names.
const NAMED: usize = 5;

impl SlicesReport {
    /// What the user ought to know of the slices that were loaded, a line each: nothing of those in which all went well.
    pub fn notes(&self) -> Vec<String> {
        let warned = |report: &RunReport| -> Vec<SourceReport> {
            let sources = report.sources.iter();
            let warned =
                |source: &&SourceReport| source.warn_of_unknown && !source.unknown.is_empty();
            sources.filter(warned).cloned().collect()
        };
        let rejecting = |report: &RunReport| -> Vec<TransformReport> {
            let transforms = report.transforms.iter();
            let rejecting = |transform: &&TransformReport| transform.rows_rejected > 0;
            transforms.filter(rejecting).cloned().collect()
        };
        let refusing = |report: &RunReport| -> Vec<SinkReport> {
            let sinks = report.sinks.iter();
            let refusing = |sink: &&SinkReport| sink.rows_rejected.is_some_and(|rows| rows > 0);
            sinks.filter(refusing).cloned().collect()
        };
        let failures = |report: &RunReport| report.function_failures.clone();
        let failed = |report: &RunReport| -> Vec<CheckReport> {
            let checks = report.checks.iter();
            checks.filter(|check| !check.passed).cloned().collect()
        };
        let slices = self.slices.as_slice();
        let mut notes = lines("warning", &summed(slices, warned), SourceReport::unknown);
        notes.extend(lines(
            "transform",
            &summed(slices, rejecting),
            TransformReport::to_string,
        ));
        notes.extend(lines("sink", &summed(slices, refusing), |sink| {
            let (rows, rejected) = (counted(sink.rows, "row"), sink.rows_rejected.unwrap_or(0));
            format!(
                "{}: {rows} written, {} rejected",
                sink.name,
                Count(rejected)
            )
        }));
        notes.extend(lines(
            "on_error",
            &summed(slices, failures),
            FailureReport::to_string,
        ));
        notes.extend(lines(
            "check",
            &summed(slices, failed),
            CheckReport::to_string,
        ));
        notes
    }
}

/// A part of a report that may be the same in several slices.
trait Note {
    fn is_same(&self, other: &Self) -> bool;

    /// Takes in what another slice has of the same.
    fn add(&mut self, other: Self);
}

impl Note for SourceReport {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn add(&mut self, other: Self) {
        for (column, rows) in other.unknown {
            *self.unknown.entry(column).or_default() += rows;
        }
    }
}

impl Note for TransformReport {
    fn is_same(&self, other: &Self) -> bool {
        self.step == other.step
    }

    fn add(&mut self, other: Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.rows_rejected += other.rows_rejected;
    }
}

impl Note for SinkReport {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        let rejected = self.rows_rejected.unwrap_or(0) + other.rows_rejected.unwrap_or(0);
        self.rows_rejected = Some(rejected);
    }
}

impl Note for FailureReport {
    fn is_same(&self, other: &Self) -> bool {
        self.function == other.function
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
    }
}

impl Note for CheckReport {
    fn is_same(&self, other: &Self) -> bool {
        let is_sum = !is_row_count(self) || self.message == other.message;
        self.table == other.table && self.name == other.name && is_sum
    }

    fn add(&mut self, other: Self) {
        // Its rows are not those that fail.
        if is_row_count(self) {
            return;
        }
        self.rows += other.rows;
        self.message = Some(wrong(&self.kind, self.rows));
        for example in other.examples {
            if self.examples.len() < EXAMPLES && !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
        self.failing_rows = other.failing_rows.or_else(|| self.failing_rows.take());
    }
}

fn is_row_count(check: &CheckReport) -> bool {
    matches!(check.kind, CheckKind::RowCount { .. })
}

/// Parts of the reports, each with the slices that have it.
fn summed<T: Note>(
    slices: &[SliceReport],
    parts: impl Fn(&RunReport) -> Vec<T>,
) -> Vec<(T, Vec<u64>)> {
    let mut sums: Vec<(T, Vec<u64>)> = Vec::new();
    for slice in slices {
        for part in parts(&slice.report) {
            match sums.iter_mut().find(|(sum, _)| sum.is_same(&part)) {
                Some((sum, entries)) => {
                    sum.add(part);
                    entries.push(slice.entry);
                }
                None => sums.push((part, vec![slice.entry])),
            }
        }
    }
    sums
}

fn lines<T>(what: &str, sums: &[(T, Vec<u64>)], said: impl Fn(&T) -> String) -> Vec<String> {
    let line =
        |(sum, entries): &(T, Vec<u64>)| format!("{what:<10} {} ({})", said(sum), named(entries));
    sums.iter().map(line).collect()
}

/// `slice 3`, `slices 3 to 7, 9`.
fn named(entries: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &entry in entries {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == entry => *last = entry,
            _ => ranges.push((entry, entry)),
        }
    }
    let (first, others) = ranges.split_at(ranges.len().min(NAMED));
    let range = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let first: Vec<String> = first.iter().map(range).collect();
    let others: u64 = others.iter().map(|(first, last)| last - first + 1).sum();
    let word = if entries.len() == 1 {
        "slice"
    } else {
        "slices"
    };
    let named = first.join(", ");
    match others {
        0 => format!("{word} {named}"),
        others => format!("{word} {named} and {others} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_named_in_few_words() {
        for (entries, expected) in [
            (vec![3], "slice 3"),
            (vec![3, 4], "slices 3 to 4"),
            (vec![2, 5, 6, 7, 9], "slices 2, 5 to 7, 9"),
            (
                vec![2, 4, 6, 8, 10, 12, 13],
                "slices 2, 4, 6, 8, 10 and 2 more",
            ),
        ] {
            assert_eq!(named(&entries), expected);
        }
    }
}
