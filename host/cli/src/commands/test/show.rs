//! What became of a test, for people.

use std::fmt::Write;

use transom_pipeline::report::counted;
use transom_pipeline::testing::{MOVED_HINT, Mismatch, TestReport};

use crate::diff;
use crate::printer::{FAILED, FAINT, NAME, STRONG};

/// How far what was not as expected stands below the name of its test.
const INDENT: usize = 6;

/// A line, and below it what was not as expected; in at most `width` columns of text.
pub(super) fn report(report: &TestReport, width: usize, color: bool) -> String {
    let TestReport {
        file,
        name,
        passed,
        failures,
        ..
    } = report;
    let (word, style) = if *passed {
        ("ok", STRONG)
    } else {
        ("FAIL", FAILED)
    };
    let mut text = format!(
        "{style}{word:<5}{style:#} {NAME}{name}{NAME:#} {FAINT}{}{FAINT:#}",
        file.display()
    );
    for failure in failures {
        let table = failure
            .table
            .as_ref()
            .map(|table| format!("{NAME}{table}{NAME:#}: "));
        let (line, below) = mismatch(&failure.what, width, color);
        // Writing to a string does not fail.
        let _ = write!(text, "\n{:INDENT$}{}{line}", "", table.unwrap_or_default());
        if let Some(below) = below {
            let _ = write!(text, "\n\n{below}\n");
        }
    }
    text
}

/// A line, and what stands below it.
fn mismatch(what: &Mismatch, width: usize, color: bool) -> (String, Option<String>) {
    let rows = |diff| Some(diff::render(diff, INDENT + 2, width));
    match what {
        Mismatch::Problems { problems } => (
            counted(problems.0.len() as u64, "mistake"),
            Some(indented(&problems.render(color))),
        ),
        Mismatch::Failed {
            message,
            hint,
            expected,
        } => {
            let mut line = match expected {
                Some(_) => format!("fails with another error: {message}"),
                None => format!("fails: {message}"),
            };
            if let Some(expected) = expected {
                let _ = write!(line, "\n{:INDENT$}  expected: {expected}", "");
            }
            if let Some(hint) = hint {
                let _ = write!(line, "\n{:INDENT$}  hint: {hint}", "");
            }
            (line, None)
        }
        Mismatch::NoError { expected, rows } => {
            let rows = counted(*rows as u64, "row");
            (
                format!("gives {rows} and no error, expected: {expected}"),
                None,
            )
        }
        Mismatch::Moved => (
            format!(
                "is as expected only if transforms in Python stay in one instance; in long runs they move to new ones\n{:INDENT$}  \
                 hint: {MOVED_HINT}",
                ""
            ),
            None,
        ),
        Mismatch::Columns { missing, extra } => {
            let part = |names: &[String], one: &str, many: &str| {
                let words = if names.len() == 1 { one } else { many };
                (!names.is_empty()).then(|| format!("{words} `{}`", names.join("`, `")))
            };
            let missing = part(missing, "has no column", "has no columns");
            let extra = part(
                extra,
                "has a column that was not expected:",
                "has columns that were not expected:",
            );
            let parts: Vec<String> = missing.into_iter().chain(extra).collect();
            (parts.join("; "), None)
        }
        Mismatch::Types { columns } => {
            let columns = columns.iter().map(|diff| {
                format!(
                    "`{}` is {}, expected {}",
                    diff.column, diff.found, diff.expected
                )
            });
            (columns.collect::<Vec<_>>().join("; "), None)
        }
        Mismatch::Rows { diff } => (diff::summary(diff), rows(diff)),
        Mismatch::RejectedRows { diff } => (
            format!("of the rejected rows {}", diff::summary(diff)),
            rows(diff),
        ),
        Mismatch::Count {
            expected,
            found,
            rejected,
        } => {
            let verb = if *rejected { "rejects" } else { "has" };
            let (found, expected) = (counted(*found, "row"), counted(*expected, "row"));
            (format!("{verb} {found}, expected {expected}"), None)
        }
        _ => ("is not as expected".to_owned(), None),
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.is_empty() {
        true => String::new(),
        false => format!("{:INDENT$}{line}", ""),
    });
    lines.collect::<Vec<_>>().join("\n")
}
