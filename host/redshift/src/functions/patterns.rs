//! `REGEXP_COUNT`, `REGEXP_INSTR`, `REGEXP_REPLACE` and `REGEXP_SUBSTR`.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{Arguments, by_row, scalar};
use crate::error::{self, Error, Result};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_regexp_count",
            |arguments| first(arguments, &[TEXT, TEXT, Type::Int8, TEXT], Type::Int4),
            |columns, _, _| count(columns),
        ),
        scalar(
            "redshift_regexp_instr",
            |arguments| {
                let all = [TEXT, TEXT, Type::Int8, Type::Int8, Type::Int8, TEXT];
                first(arguments, &all, Type::Int4)
            },
            |columns, _, _| place(columns),
        ),
        scalar(
            "redshift_regexp_replace",
            |arguments| first(arguments, &[TEXT, TEXT, TEXT, Type::Int8, TEXT], TEXT),
            |columns, _, _| replaced(columns),
        ),
        scalar(
            "redshift_regexp_substr",
            |arguments| first(arguments, &[TEXT, TEXT, Type::Int8, Type::Int8, TEXT], TEXT),
            |columns, _, _| part(columns),
        ),
    ]
}

/// The types of the arguments that are given.
fn first(arguments: &Arguments<'_>, all: &[Type], result: Type) -> Result<(Vec<Type>, Type)> {
    let given = all.iter().take(arguments.types.len());
    Ok((given.copied().collect(), result))
}

fn text(columns: &[ArrayRef], at: usize, row: usize) -> &str {
    columns
        .get(at)
        .map_or("", |column| column.as_string::<i32>().value(row))
}

/// A number, which is 1 if it is left out.
fn number(columns: &[ArrayRef], at: usize, row: usize) -> i64 {
    let column = columns.get(at);
    column.map_or(1, |column| column.as_primitive::<Int64Type>().value(row))
}

/// Where a search begins that begins with the character of a number; none beyond the last one.
fn start(text: &str, position: i64) -> Option<usize> {
    let skipped = usize::try_from(position.saturating_sub(1)).unwrap_or(0);
    text.char_indices().nth(skipped).map(|(at, _)| at)
}

/// A pattern in one of the two dialects.
enum Compiled {
    Posix(regex::Regex),
    Perl(fancy_regex::Regex),
}

/// A match in bytes, and its groups behind it.
type Found = Vec<Option<Range<usize>>>;

impl Compiled {
    /// The first matches, so many at most.
    fn found(&self, text: &str, most: usize) -> Result<Vec<Found>> {
        match self {
            Self::Posix(pattern) => {
                let found = pattern.captures_iter(text).take(most).map(|captures| {
                    let groups = captures.iter();
                    groups
                        .map(|group| group.map(|group| group.range()))
                        .collect::<Found>()
                });
                Ok(found.collect())
            }
            Self::Perl(pattern) => {
                let found = pattern.captures_iter(text).take(most);
                let found = found.map(|captures| -> Result<Found> {
                    let captures = captures.map_err(|failure| refused(&failure.to_string()))?;
                    let groups = (0..captures.len()).map(|at| captures.get(at));
                    Ok(groups
                        .map(|group| group.map(|group| group.range()))
                        .collect())
                });
                found.collect()
            }
        }
    }
}

fn refused(what: &str) -> Error {
    Error::new(&error::INVALID_ARGUMENT, &[&"regular expression", &what])
}

/// A pattern and how it is matched.
struct Pattern {
    compiled: Compiled,
    /// Whether the first group is meant, if there is one.
    of_group: bool,
}

impl Pattern {
    /// `parameters` are letters, of which a function takes some.
    fn read(pattern: &str, parameters: &str, letters: &str) -> Result<Self> {
        if !parameters.chars().all(|letter| letters.contains(letter)) {
            return Err(refused(parameters));
        }
        let case = parameters.chars().rfind(|letter| "ci".contains(*letter));
        let is_insensitive = case == Some('i');
        let compiled = match parameters.contains('p') {
            false => {
                let compiled = regex::RegexBuilder::new(pattern)
                    .case_insensitive(is_insensitive)
                    .build();
                compiled.ok().map(Compiled::Posix)
            }
            true => {
                let compiled = fancy_regex::RegexBuilder::new(pattern)
                    .case_insensitive(is_insensitive)
                    .build();
                compiled.ok().map(Compiled::Perl)
            }
        };
        Ok(Self {
            compiled: compiled.ok_or_else(|| refused(pattern))?,
            of_group: parameters.contains('e'),
        })
    }

    /// The match that is meant, of the first ones.
    fn meant(&self, text: &str, occurrence: usize) -> Result<Option<Range<usize>>> {
        let found = self.compiled.found(text, occurrence)?;
        Ok(match found.get(occurrence - 1).map(Vec::as_slice) {
            Some([whole, group, ..]) if self.of_group => match group {
                Some(group) => Some(group.clone()),
                // The group is in a branch that was not taken.
                None => whole.clone().map(|whole| whole.start..whole.start),
            },
            Some([whole, ..]) => whole.clone(),
            _ => None,
        })
    }
}

/// Patterns of a column: one that stands in many rows is read once.
struct Patterns {
    letters: &'static str,
    last: Option<(String, String, Pattern)>,
}

impl Patterns {
    fn of(letters: &'static str) -> Self {
        Self {
            letters,
            last: None,
        }
    }

    fn get(&mut self, pattern: &str, parameters: &str) -> Result<&Pattern> {
        let last = match self.last.take() {
            Some(last) if last.0 == pattern && last.1 == parameters => last,
            _ => {
                let read = Pattern::read(pattern, parameters, self.letters)?;
                (pattern.to_owned(), parameters.to_owned(), read)
            }
        };
        Ok(&self.last.insert(last).2)
    }
}

fn whole(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(Error::internal)
}

fn count(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let mut patterns = Patterns::of("cip");
    let column = by_row::<_, Int32Array>(columns, |row| {
        let pattern = patterns.get(text(columns, 1, row), text(columns, 3, row))?;
        let value = text(columns, 0, row);
        let found = match start(value, number(columns, 2, row)) {
            Some(start) => pattern.compiled.found(&value[start..], usize::MAX)?.len(),
            None => 0,
        };
        whole(found).map(Some)
    })?;
    Ok(Arc::new(column))
}

/// The number of a match among others; none of one that the text cannot have.
fn occurrence(value: &str, number: i64) -> Option<usize> {
    let number = usize::try_from(number).ok()?;
    (1..=value.chars().count())
        .contains(&number)
        .then_some(number)
}

/// Where a match begins, or what follows it, counted in characters from 1; 0 if there is none.
fn place(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let mut patterns = Patterns::of("ciep");
    let column = by_row::<_, Int32Array>(columns, |row| {
        let pattern = patterns.get(text(columns, 1, row), text(columns, 5, row))?;
        let value = text(columns, 0, row);
        let asked =
            start(value, number(columns, 2, row)).zip(occurrence(value, number(columns, 3, row)));
        let Some((start, occurrence)) = asked else {
            return Ok(Some(0));
        };
        let Some(found) = pattern.meant(&value[start..], occurrence)? else {
            return Ok(Some(0));
        };
        let is_end = columns.len() > 4 && number(columns, 4, row) != 0;
        let at = start + if is_end { found.end } else { found.start };
        whole(value[..at].chars().count() + 1).map(Some)
    })?;
    Ok(Arc::new(column))
}

/// The text of a match; an empty one if there is none.
fn part(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let mut patterns = Patterns::of("ciep");
    let column = by_row::<_, StringArray>(columns, |row| {
        let pattern = patterns.get(text(columns, 1, row), text(columns, 4, row))?;
        let value = text(columns, 0, row);
        let Some(start) = start(value, number(columns, 2, row)) else {
            return Ok(Some(String::new()));
        };
        let Some(occurrence) = occurrence(value, number(columns, 3, row)) else {
            return Ok(None);
        };
        let rest = &value[start..];
        let found = pattern.meant(rest, occurrence)?;
        Ok(Some(found.map_or("", |found| &rest[found]).to_owned()))
    })?;
    Ok(Arc::new(column))
}

/// The text with something else in place of each match. `\1` in it, or `$1`, is the first group.
fn replaced(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let mut patterns = Patterns::of("cip");
    let column = by_row::<_, StringArray>(columns, |row| {
        let pattern = patterns.get(text(columns, 1, row), text(columns, 4, row))?;
        let (value, with) = (text(columns, 0, row), text(columns, 2, row));
        let Some(start) = start(value, number(columns, 3, row)) else {
            return Ok(Some(value.to_owned()));
        };
        let (before, rest) = value.split_at(start);
        let mut out = before.to_owned();
        let mut end = 0;
        for found in pattern.compiled.found(rest, usize::MAX)? {
            let Some(Some(matched)) = found.first() else {
                continue;
            };
            out.push_str(&rest[end..matched.start]);
            write_out(with, rest, &found, &mut out);
            end = matched.end;
        }
        out.push_str(&rest[end..]);
        Ok(Some(out))
    })?;
    Ok(Arc::new(column))
}

/// Appends what stands for a match, with its groups.
fn write_out(with: &str, text: &str, found: &Found, out: &mut String) {
    let mut letters = with.chars().peekable();
    while let Some(letter) = letters.next() {
        let group = match letter {
            '\\' | '$' => letters.peek().and_then(|digit| digit.to_digit(10)),
            _ => None,
        };
        match group {
            Some(group) => {
                letters.next();
                let group = found.get(group as usize).cloned().flatten();
                out.push_str(group.map_or("", |group| &text[group]));
            }
            None => out.push(letter),
        }
    }
}
