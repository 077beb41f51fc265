//! Records of text: CSV, and the fields between delimiters that COPY takes without a format.

use super::records::{Format, Refused};

/// One record of a file.
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Whether the line is empty.
    pub(super) is_blank: bool,
    /// Its fields, `None` for NULL.
    pub(super) fields: Result<Vec<Option<Vec<u8>>>, Refused>,
}

/// The records of a file, one after the other.
pub(super) struct Reader<'a> {
    format: &'a Format,
    rest: &'a [u8],
    line: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(format: &'a Format, text: &'a [u8]) -> Self {
        Self {
            format,
            rest: text,
            line: 1,
        }
    }

    /// Takes the bytes before the end of the line, and the end. A backslash keeps what ends lines, if it escapes.
    fn line(&mut self, escape: bool) -> &'a [u8] {
        let mut at = 0;
        while let Some(byte) = self.rest.get(at) {
            match byte {
                b'\\' if escape => at += 1,
                b'\n' | b'\r' => break,
                _ => {}
            }
            at += 1;
        }
        let at = at.min(self.rest.len());
        let (line, end) = self.rest.split_at(at);
        self.rest = match end {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => end,
        };
        line
    }

    /// Fields between delimiters: a backslash keeps the byte after it (ESCAPE), quotation marks around a field keep
    /// what is between them and are removed (REMOVEQUOTES).
    fn delimited(&self, line: &[u8]) -> Result<Vec<Option<Vec<u8>>>, Refused> {
        let format = self.format;
        let mut fields = Vec::new();
        let mut rest = line;
        loop {
            let quote = match rest.first() {
                Some(quote @ (b'"' | b'\'')) if format.remove_quotes => Some(*quote),
                _ => None,
            };
            let start = usize::from(quote.is_some());
            let mut value = Vec::new();
            let mut at = start;
            let end = loop {
                match rest.get(at) {
                    None if quote.is_some() => {
                        return Err(Refused::row(1216, "Missing closing quotation mark"));
                    }
                    None => break at,
                    Some(b'\\') if format.escape => {
                        at += 1;
                        value.extend(rest.get(at));
                    }
                    Some(byte) if Some(*byte) == quote => match rest.get(at + 1) {
                        None => break at + 1,
                        Some(next) if *next == format.delimiter => break at + 1,
                        Some(_) => value.push(*byte),
                    },
                    Some(byte) if quote.is_none() && *byte == format.delimiter => break at,
                    Some(byte) => value.push(*byte),
                }
                at += 1;
            };
            let end = end.min(rest.len());
            let is_null = rest[..end] == *format.null.as_bytes()
                // Escaped or not, the usual mark means NULL.
                || (format.escape && format.null == "\\N" && rest[..end] == *b"\\\\N");
            fields.push((!is_null).then_some(value));
            match rest.get(end) {
                Some(_) => rest = &rest[end + 1..],
                None => return Ok(fields),
            }
        }
    }

    /// Fields of CSV. Blanks between a delimiter and a quotation mark do not count.
    fn csv(&mut self) -> Result<Vec<Option<Vec<u8>>>, Refused> {
        let format = self.format;
        let is_blank = |byte: u8| matches!(byte, b' ' | b'\t') && byte != format.delimiter;
        let mut fields = Vec::new();
        loop {
            let rest = self.rest;
            let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
            let mut value = Vec::new();
            let end = if rest.get(blanks) == Some(&format.quote) {
                let mut at = blanks + 1;
                loop {
                    match rest.get(at) {
                        None => {
                            self.rest = &[];
                            return Err(Refused::row(1216, "Missing closing quotation mark"));
                        }
                        Some(byte) if *byte == format.quote => {
                            if rest.get(at + 1) != Some(&format.quote) {
                                break;
                            }
                            value.push(*byte);
                            at += 1;
                        }
                        Some(byte) => value.push(*byte),
                    }
                    at += 1;
                }
                let after = rest[at + 1..].iter().take_while(|byte| is_blank(**byte));
                at + 1 + after.count()
            } else {
                let ends = |byte: &u8| *byte == format.delimiter || matches!(byte, b'\n' | b'\r');
                let end = rest.iter().position(ends).unwrap_or(rest.len());
                value.extend_from_slice(&rest[..end]);
                end
            };
            let is_null = value == format.null.as_bytes();
            fields.push((!is_null).then_some(value));
            self.rest = &rest[end..];
            match self.rest {
                [byte, after @ ..] if *byte == format.delimiter => self.rest = after,
                [] | [b'\n' | b'\r', ..] => {
                    self.line(false);
                    return Ok(fields);
                }
                _ => {
                    self.line(false);
                    return Err(Refused::row(1216, "Invalid quote formatting for CSV"));
                }
            }
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let before = self.rest;
        let first = before.first()?;
        let line = self.line;
        let is_blank = matches!(first, b'\n' | b'\r');
        let fields = match self.format.csv {
            true => self.csv(),
            false => {
                let text = self.line(self.format.escape);
                self.delimited(text)
            }
        };
        let read = &before[..before.len() - self.rest.len()];
        self.line += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        Some(Record {
            line,
            is_blank,
            fields,
        })
    }
}
