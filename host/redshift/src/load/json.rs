//! Objects and arrays of JSON, one after the other.

use std::borrow::Cow;
use std::ops::Range;

use arrow::array::RecordBatch;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::paths::NO_OBJECT;
use super::records::{Cell, Gathered, Json, NO_UTF8, Records, Refused};
use super::source::Source;
use crate::catalog::Column;
use crate::error::Result;
use crate::types::Type;
use crate::types::json::{Json as Value, quoted};

/// Hands the rows of a file over until they are not wanted any more.
pub(super) fn read(
    records: &Records,
    source: &Source,
    text: &[u8],
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let Some(json) = &records.format.json else {
        return Ok(());
    };
    let columns = records.target.columns();
    let mut gathered = Gathered::new(records);
    let (text, invalid) = decoded(text, records.format.replace_invalid);
    for Structure { line, place, value } in Structures::new(&text, records.format.skip) {
        let row = || -> Result<Vec<Option<String>>, Refused> {
            let next = invalid.partition_point(|at| *at < place.start);
            if invalid.get(next).is_some_and(|at| *at < place.end) {
                return Err(Refused::row(NO_UTF8.0, NO_UTF8.1));
            }
            let value = value.map_err(|message| Refused::row(1216, &message))?;
            let values = columns.iter().enumerate().map(|(at, column)| {
                let found = find(json, &value, at, column).map_err(|message| Refused {
                    column: Some(at),
                    ..Refused::row(1216, message)
                })?;
                records.value(at, column, cell(found, column.data_type))
            });
            values.collect()
        };
        match row() {
            Ok(row) => {
                if !gathered.push(row, &mut hand_over)? {
                    return Ok(());
                }
            }
            Err(refused) => records.refuse(source, line, refused)?,
        }
    }
    gathered.finish(&mut hand_over)?;
    Ok(())
}

/// A text with a character for each byte that is no UTF-8: the one of ACCEPTINVCHARS. Without it the places are told, where rows cannot be
/// loaded.
fn decoded(bytes: &[u8], replace_invalid: Option<char>) -> (Cow<'_, str>, Vec<usize>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), Vec::new());
    }
    // As it is written within a string.
    let with = quoted(&replace_invalid.unwrap_or('?').to_string());
    let with = &with[1..with.len() - 1];
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            if replace_invalid.is_none() {
                invalid.push(text.len());
            }
            text.push_str(with);
        }
    }
    (Cow::Owned(text), invalid)
}

/// An object or an array, or what stands in the place of one and is an error.
struct Structure {
    /// The line on which it ends, from 1.
    line: u64,
    place: Range<usize>,
    value: Result<Value, String>,
}

/// What a file has, one after the other. Only blanks may be between objects and arrays: all else up to the next one is one error.
struct Structures<'a> {
    rest: &'a str,
    at: usize,
    line: u64,
}

impl<'a> Structures<'a> {
    /// After so many lines.
    fn new(text: &'a str, skip: u64) -> Self {
        let mut structures = Self {
            rest: text,
            at: 0,
            line: 1,
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let header: usize = text.split_inclusive('\n').take(skip).map(str::len).sum();
        structures.pass(header);
        structures
    }

    fn pass(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.at += length;
        self.line += lines(taken);
    }
}

impl Iterator for Structures<'_> {
    type Item = Structure;

    fn next(&mut self) -> Option<Structure> {
        self.pass(self.rest.len() - self.rest.trim_ascii_start().len());
        let rest = self.rest;
        let wrong = |error: serde_json::Error| format!("{NO_OBJECT} {error}");
        let (length, value) = match rest.as_bytes().first()? {
            b'{' | b'[' => {
                let mut values = Deserializer::from_str(rest).into_iter::<&RawValue>();
                match values.next()? {
                    Ok(value) => (
                        values.byte_offset(),
                        Value::read(value.get()).map_err(|fault| format!("{NO_OBJECT} {fault}")),
                    ),
                    Err(error) => (broken(rest), Err(wrong(error))),
                }
            }
            _ => {
                let next = rest.find(['{', '[']).unwrap_or(rest.len());
                (next, Err(NO_OBJECT.to_owned()))
            }
        };
        let start = self.at;
        let line = self.line + lines(rest[..length].trim_ascii_end());
        self.pass(length);
        Some(Structure {
            line,
            place: start..self.at,
            value,
        })
    }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

/// Bytes of an object or array that cannot be read: up to its end, as brackets tell, or up to where it cannot go on, a string at the end of
/// a line or a line that begins with a structure.
fn broken(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut is_string = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\n' if is_string || matches!(bytes.get(at), Some(b'{' | b'[')) => return at,
            b'\\' if is_string && bytes.get(at) != Some(&b'\n') => at += 1,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => depth += 1,
            b'}' | b']' if !is_string => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

fn find<'a>(
    json: &Json,
    row: &'a Value,
    at: usize,
    column: &Column,
) -> Result<Option<&'a Value>, &'static str> {
    match (json, row) {
        (Json::Paths(paths), _) => match paths.get(at) {
            Some(path) => path.find(row),
            None => Ok(None),
        },
        (Json::Names { ignore_case: true }, Value::Object(entries)) => {
            let mut entries = entries.iter();
            let found = entries.find(|(name, _)| name.to_ascii_lowercase() == column.name);
            Ok(found.map(|(_, value)| value))
        }
        (Json::Names { .. }, Value::Object(_)) => Ok(row.get(&column.name)),
        (Json::Names { .. }, _) => Err(NO_OBJECT),
    }
}

fn cell(value: Option<&Value>, to: Type) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(value) if to == Type::Super => Cell::Json(value.to_string()),
        Some(Value::Text(text) | Value::Number(text)) => Cell::Text(text.clone()),
        Some(value) => Cell::Json(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The structures of a text as they are, errors as `!`, with the lines on which they end.
    fn found(text: &str, skip: u64) -> Vec<(u64, String)> {
        let structures = Structures::new(text, skip);
        let shown = structures.map(|found| {
            let value = found.value.map(|value| value.to_string());
            (found.line, value.unwrap_or_else(|_| "!".to_owned()))
        });
        shown.collect()
    }

    #[test]
    fn what_is_between_structures_is_one_error() {
        let cases: [(&str, &[(u64, &str)]); 9] = [
            (
                "{\"a\":1} , {\"a\":2}\n[3]",
                &[(1, "{\"a\":1}"), (1, "!"), (1, "{\"a\":2}"), (2, "[3]")],
            ),
            ("{\n \"a\": 1\n}\n\n5 6\n7", &[(3, "{\"a\":1}"), (6, "!")]),
            // Broken ones end where their brackets do.
            (
                "{\"a\": x, \"b\": \"}\"} {\"a\":2}",
                &[(1, "!"), (1, "{\"a\":2}")],
            ),
            ("{\n\"a\": x,\n\"b\": [1]\n}\n[2]", &[(4, "!"), (5, "[2]")]),
            // Or before a line that begins with another one, or with the line, within a string.
            ("{\"a\":1\n{\"a\":2}\n", &[(1, "!"), (2, "{\"a\":2}")]),
            ("{\"a\":\"x\n{\"a\":2}", &[(1, "!"), (2, "{\"a\":2}")]),
            ("{\"a\":\"x\\\n{\"a\":2}", &[(1, "!"), (2, "{\"a\":2}")]),
            ("[1]\n{\"a\":2", &[(1, "[1]"), (2, "!")]),
            // Those that can be read may do so.
            (
                "{\"a\":[\n{\"b\":1},\n{}\n]}",
                &[(4, "{\"a\":[{\"b\":1},{}]}")],
            ),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, shown)| (*line, (*shown).to_owned()))
                .collect();
            assert_eq!(found(text, 0), expected, "{text}");
        }
    }

    #[test]
    fn lines_of_a_header_are_left_out_and_counted() {
        let text = "[1]\n[2] [3]\n\n[4]\n";
        let shown = |skip| {
            let found = found(text, skip).into_iter();
            found.map(|(line, _)| line).collect::<Vec<_>>()
        };
        assert_eq!(shown(0), [1, 2, 2, 4]);
        assert_eq!(shown(1), [2, 2, 4]);
        assert_eq!(shown(2), [4]);
        assert!(shown(9).is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_become_characters_of_json() {
        let bytes = b"{\"a\":\"x\xff\xfey\"} {}";
        for (with, expected) in [('?', "x??y"), ('"', "x\"\"y"), ('\\', "x\\\\y")] {
            let (text, invalid) = decoded(bytes, Some(with));
            let first = Structures::new(&text, 0).next().unwrap().value.unwrap();
            assert_eq!(first.get("a"), Some(&Value::Text(expected.to_owned())));
            assert!(invalid.is_empty());
        }
        let (_, invalid) = decoded(bytes, None);
        assert_eq!(invalid, [7, 8]);
    }
}
