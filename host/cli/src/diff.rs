//! Rows that are not as expected, for people: aligned below each other, with only those cells marked that differ.
//!
//! Marks are carets below the cells as well as colors. A diff that is too wide loses columns in which nothing differs, the last ones
//! first: the first ones name a row.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use transom_pipeline::report::counted;
use transom_pipeline::testing::{DiffRow, DiffSide, RowDiff};
use unicode_width::UnicodeWidthStr;

use crate::printer::{FAINT, NAME};
use crate::table::short;

/// Rows that are shown.
const ROWS: usize = 20;
/// Between two columns.
const GAP: &str = "  ";
const EXPECTED: Style = AnsiColor::Green.on_default();
const FOUND: Style = AnsiColor::Red.on_default();
/// Where the values begin: after `expected` and a number.
const LABEL: usize = "expected ".len();

/// How many rows differ in which way, in one line.
pub(crate) fn summary(diff: &RowDiff) -> String {
    if diff.only_order {
        return "the rows are as expected, their order is not".to_owned();
    }
    let count = |is: fn(&DiffRow) -> bool| diff.rows.iter().filter(|row| is(row)).count() as u64;
    let differ = count(|row| row.expected.is_some() && row.found.is_some());
    let missing = count(|row| row.found.is_none());
    let extra = count(|row| row.expected.is_none());
    let mut parts = Vec::new();
    if differ > 0 {
        let ending = if differ == 1 { "s" } else { "" };
        parts.push(format!("{} differ{ending}", counted(differ, "row")));
    }
    let verb = |number: u64| if number == 1 { "is" } else { "are" };
    if missing > 0 {
        parts.push(format!(
            "{} {} missing",
            counted(missing, "row"),
            verb(missing)
        ));
    }
    if extra > 0 {
        let was = if extra == 1 { "was" } else { "were" };
        parts.push(format!("{} {was} not expected", counted(extra, "row")));
    }
    let agreeing = diff.agreeing as u64;
    parts.push(format!(
        "{} {} as expected",
        counted(agreeing, "row"),
        verb(agreeing)
    ));
    parts.join(", ")
}

/// The rows, each line indented by `indent` blanks, in at most `width` columns of text.
pub(crate) fn render(diff: &RowDiff, indent: usize, width: usize) -> String {
    let shown = &diff.rows[..diff.rows.len().min(ROWS)];
    let numbers = shown
        .iter()
        .flat_map(|row| row.expected.iter().chain(&row.found))
        .map(|side| side.row.to_string().len())
        .max()
        .unwrap_or(1);
    let label = LABEL + numbers;
    let columns = columns(diff, shown);
    let kept = fitting(&columns, shown, width.saturating_sub(indent + label));
    let kept: Vec<&Column> = columns
        .iter()
        .enumerate()
        .filter(|(at, _)| kept.contains(at))
        .map(|(_, column)| column)
        .collect();
    let mut text = String::new();
    let mut line = |content: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:indent$}{}", "", content.trim_end());
    };
    let heads = |part: fn(&Column) -> &str, style: Style| {
        let cells = kept.iter().map(|column| column.pad(part(column), style));
        format!("{:label$}{GAP}{}", "", cells.collect::<Vec<_>>().join(GAP))
    };
    line(&heads(|column| &column.name, NAME));
    line(&heads(|column| &column.data_type, FAINT));
    for row in shown {
        let side = |word: &str, side: &DiffSide, style: Style, all: bool| {
            let cells = kept.iter().map(|column| {
                let marked = all || row.differing.contains(&column.position);
                let style = if marked { style } else { Style::new() };
                column.pad(&shown_cell(side, column.position), style)
            });
            let cells = cells.collect::<Vec<_>>().join(GAP);
            format!(
                "{style}{word:<LABEL$}{style:#}{:>numbers$}{GAP}{cells}",
                side.row
            )
        };
        match (&row.expected, &row.found) {
            (Some(expected), Some(found)) => {
                line(&side("expected", expected, EXPECTED, false));
                line(&side("found", found, FOUND, false));
                let marks = kept.iter().map(|column| {
                    let differs = row.differing.contains(&column.position);
                    let widest =
                        [expected, found].map(|side| shown_cell(side, column.position).width());
                    let mark = if differs { widest[0].max(widest[1]) } else { 0 };
                    column.pad(&"^".repeat(mark), FOUND)
                });
                let marks = marks.collect::<Vec<_>>().join(GAP);
                if !row.differing.is_empty() {
                    line(&format!("{:label$}{GAP}{marks}", ""));
                }
            }
            (Some(expected), None) => line(&side("missing", expected, EXPECTED, true)),
            (None, Some(found)) => line(&side("extra", found, FOUND, true)),
            (None, None) => {}
        }
    }
    let more = diff.rows.len() - shown.len();
    if more > 0 {
        line(&format!(
            "{FAINT}and {} that differ{FAINT:#}",
            counted(more as u64, "more row")
        ));
    }
    let hidden = columns.len() - kept.len();
    if hidden > 0 {
        let (columns, verb) = (
            counted(hidden as u64, "column"),
            if hidden == 1 { "is" } else { "are" },
        );
        line(&format!("{FAINT}{columns} {verb} not shown{FAINT:#}"));
    }
    text.trim_end().to_owned()
}

struct Column {
    position: usize,
    name: String,
    data_type: String,
    right: bool,
    width: usize,
}

impl Column {
    /// The text at the column's side, in its width.
    fn pad(&self, text: &str, style: Style) -> String {
        let blanks = " ".repeat(self.width.saturating_sub(text.width()));
        match (text.is_empty(), self.right) {
            (true, _) => blanks,
            (false, true) => format!("{blanks}{style}{text}{style:#}"),
            (false, false) => format!("{style}{text}{style:#}{blanks}"),
        }
    }
}

fn shown_cell(side: &DiffSide, position: usize) -> String {
    match side.cells.get(position).and_then(Option::as_deref) {
        // An empty text is not to be taken for a missing one.
        Some("") => "\"\"".to_owned(),
        Some(text) => short(text),
        None => "NULL".to_owned(),
    }
}

fn columns(diff: &RowDiff, shown: &[DiffRow]) -> Vec<Column> {
    let column = |(position, column): (usize, &transom_pipeline::testing::DiffColumn)| {
        let (name, data_type) = (short(&column.name), short(&column.data_type));
        let sides = shown
            .iter()
            .flat_map(|row| row.expected.iter().chain(&row.found));
        let cells = sides.map(|side| shown_cell(side, position).width());
        let width = cells.chain([name.width(), data_type.width()]).max();
        Column {
            position,
            name,
            data_type,
            right: column.is_numeric,
            width: width.unwrap_or(0),
        }
    };
    diff.columns.iter().enumerate().map(column).collect()
}

/// The positions of the columns that fit: those that differ, then the first others. At least one.
fn fitting(columns: &[Column], shown: &[DiffRow], width: usize) -> Vec<usize> {
    let differs = |at: &usize| shown.iter().any(|row| row.differing.contains(at));
    let (mut order, others): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(differs);
    order.extend(others);
    let mut kept = Vec::new();
    let mut used = 0;
    for at in order {
        used += GAP.len() + columns[at].width;
        if used > width && !kept.is_empty() {
            break;
        }
        kept.push(at);
    }
    kept
}

#[cfg(test)]
mod tests {
    use transom_pipeline::testing::DiffColumn;

    use super::*;

    fn side(row: usize, cells: &[Option<&str>]) -> Option<DiffSide> {
        let cells = cells.iter().map(|cell| cell.map(str::to_owned)).collect();
        Some(DiffSide { row, cells })
    }

    fn diff(rows: Vec<DiffRow>) -> RowDiff {
        let column = |name: &str, data_type: &str, is_numeric| DiffColumn {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            is_numeric,
        };
        RowDiff {
            columns: vec![
                column("day", "date", false),
                column("carrier", "utf8", false),
                column("flights", "int64", true),
            ],
            rows,
            agreeing: 1,
            only_order: false,
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn only_cells_that_differ_are_marked() {
        let diff = diff(vec![
            DiffRow {
                expected: side(2, &[Some("2013-01-02"), Some("UA"), Some("3")]),
                found: side(10, &[Some("2013-01-02"), Some("UA"), Some("412")]),
                differing: vec![2],
            },
            DiffRow {
                expected: side(3, &[Some("2013-01-03"), None, Some("1")]),
                found: None,
                differing: vec![],
            },
            DiffRow {
                expected: None,
                found: side(1, &[Some("2013-01-04"), Some(""), Some("1")]),
                differing: vec![],
            },
        ]);
        assert_eq!(
            summary(&diff),
            "1 row differs, 1 row is missing, 1 row was not expected, 1 row is as expected"
        );
        assert_eq!(
            plain(&render(&diff, 2, 80)),
            "               day         carrier  flights
               date        utf8       int64
  expected  2  2013-01-02  UA             3
  found    10  2013-01-02  UA           412
                                        ^^^
  missing   3  2013-01-03  NULL           1
  extra     1  2013-01-04  \"\"             1"
        );
    }

    #[test]
    fn a_wide_diff_keeps_what_differs() {
        let diff = diff(vec![DiffRow {
            expected: side(1, &[Some("2013-01-02"), Some("UA"), Some("3")]),
            found: side(1, &[Some("2013-01-02"), Some("UA"), Some("4")]),
            differing: vec![2],
        }]);
        let text = plain(&render(&diff, 0, 24));
        assert!(text.contains("flights") && !text.contains("day "), "{text}");
        assert!(text.contains("2 columns are not shown"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 24), "{text}");
    }

    #[test]
    fn a_long_diff_is_cut() {
        let row = |row| DiffRow {
            expected: side(row, &[Some("2013-01-02"), Some("UA"), Some("3")]),
            found: None,
            differing: vec![],
        };
        let text = plain(&render(&diff((1..=30).map(row).collect()), 0, 80));
        assert!(text.ends_with("and 10 more rows that differ"), "{text}");
    }
}
