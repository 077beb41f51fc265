//! Writes what was found into a file of tests, in place of what it expected.
//!
//! The file is changed as text, a key's value at a time, so that all else in it stays as its author wrote it.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use fs_err as fs;

use super::yaml;
use crate::encode::{Encoding, encode};
use crate::error::{Error, Result};
use transom_file::Span;
use transom_file::spec::FormatName;

/// What is to be written so that a test expects what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit(Change);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// A new value for one key of the file of tests.
    Key(KeyEdit),
    /// New content of a file that it names.
    File { path: PathBuf, content: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyEdit {
    /// Where the key is.
    key: Span,
    /// What the key is to hold: a line beside it, or lines below it.
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Beside(String),
    Below(Vec<String>),
}

impl Edit {
    pub(super) fn count(key: Span, count: u64) -> Self {
        Self(Change::Key(KeyEdit {
            key,
            value: Value::Beside(count.to_string()),
        }))
    }

    /// Rows for a file of this format; `None` if such a file cannot be written.
    pub(super) fn file(path: PathBuf, format: FormatName, batch: &RecordBatch) -> Option<Self> {
        let encoding = match format {
            FormatName::Csv => Encoding::Csv,
            FormatName::Json => Encoding::Json,
            FormatName::Parquet => Encoding::Parquet,
        };
        if path.extension().is_some_and(|ending| ending == "gz") {
            return None;
        }
        let content = encode(batch, encoding).ok()?;
        Some(Self(Change::File { path, content }))
    }

    pub(super) fn rows(
        key: Span,
        batch: &RecordBatch,
        order: &[usize],
    ) -> Result<Self, ArrowError> {
        // Two blanks further than the key.
        let lines = yaml::items(batch, order, key.column + 1)?;
        let value = match lines.is_empty() {
            true => Value::Beside("[]".to_owned()),
            false => Value::Below(lines),
        };
        Ok(Self(Change::Key(KeyEdit { key, value })))
    }
}

/// Writes the edits into the file at `path` and those that it names; returns how many of them could be made. One whose key does not
/// begin its line cannot.
///
/// # Errors
/// If the file cannot be read or written.
pub fn update(path: &Path, edits: &[Edit]) -> Result<usize> {
    let failed = |path: &Path, what: &str| {
        let what = format!("`{}` cannot be {what}", path.display());
        move |source| Error::Io { what, source }
    };
    let mut made = 0;
    let mut keys = Vec::new();
    for Edit(change) in edits {
        match change {
            Change::Key(edit) => keys.push(edit),
            Change::File { path, content } => {
                fs::write(path, content).map_err(failed(path, "written"))?;
                made += 1;
            }
        }
    }
    if !keys.is_empty() {
        let text = fs::read_to_string(path).map_err(failed(path, "read"))?;
        let (text, of_keys) = apply(&text, keys);
        fs::write(path, text).map_err(failed(path, "written"))?;
        made += of_keys;
    }
    Ok(made)
}

fn apply(text: &str, mut edits: Vec<&KeyEdit>) -> (String, usize) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the end, so that the lines before stay where they were.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.key));
    let mut made = 0;
    for KeyEdit { key, value } in edits {
        let first = key.line - 1;
        let indent = key.column - 1;
        let Some(line) = lines.get(first) else {
            continue;
        };
        let begins = line.chars().take(indent).all(|character| character == ' ');
        let Some((name, _)) = line.split_once(':').filter(|_| begins) else {
            continue;
        };
        let name = format!("{name}:");
        let end = end_of_value(&lines, first, indent);
        let new = match value {
            Value::Beside(text) => vec![format!("{name} {text}")],
            Value::Below(rows) => std::iter::once(name).chain(rows.iter().cloned()).collect(),
        };
        lines.splice(first..end, new);
        made += 1;
    }
    (lines.join("\n") + "\n", made)
}

/// The line after the value of the key in line `first`: the next one that is indented no further, unless it is an item of the list
/// that the value is. Blank lines and comments before it are not the value's.
fn end_of_value(lines: &[String], first: usize, indent: usize) -> usize {
    let mut end = first + 1;
    for (at, line) in lines.iter().enumerate().skip(first + 1) {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let of_line = line.len() - text.len();
        let is_item = of_line == indent && text.starts_with("- ");
        let closes = of_line == indent && text.starts_with([']', '}']);
        if of_line <= indent && !is_item && !closes {
            break;
        }
        end = at + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: usize, column: usize) -> Span {
        Span {
            line,
            column,
            length: 4,
        }
    }

    #[test]
    fn only_the_value_of_the_key_is_replaced() {
        let text = "\
tests:
  one:
    expect:
      daily:
        # All of them.
        rows:
          - { a: 1 }
          # The other.
          - { a: 2,
              b: 3 }

        # How many.
        count: 2
      other: [ { a: 1 },
        { a: 2 }
      ]
";
        let rows = Value::Below(vec!["          - { a: 9 }".to_owned()]);
        let edits = [
            KeyEdit {
                key: key(6, 9),
                value: rows,
            },
            KeyEdit {
                key: key(13, 9),
                value: Value::Beside("1".to_owned()),
            },
            KeyEdit {
                key: key(14, 7),
                value: Value::Beside("[]".to_owned()),
            },
        ];
        let expected = "\
tests:
  one:
    expect:
      daily:
        # All of them.
        rows:
          - { a: 9 }

        # How many.
        count: 1
      other: []
";
        assert_eq!(
            apply(text, edits.iter().collect()),
            (expected.to_owned(), 3)
        );
    }

    #[test]
    fn items_may_stand_below_their_key() {
        let text = "rows:\n- { a: 1 }\n- { a: 2 }\ncount: 2\n";
        let edit = KeyEdit {
            key: key(1, 1),
            value: Value::Below(vec!["  - { a: 3 }".to_owned()]),
        };
        assert_eq!(
            apply(text, vec![&edit]).0,
            "rows:\n  - { a: 3 }\ncount: 2\n"
        );
    }

    #[test]
    fn a_key_within_a_line_is_left_alone() {
        let text = "daily: { count: 2 }\n";
        let edit = KeyEdit {
            key: key(1, 10),
            value: Value::Beside("3".to_owned()),
        };
        assert_eq!(apply(text, vec![&edit]), (text.to_owned(), 0));
    }
}
