//! Splits CSV into rows and fields.
//!
//! The `csv` crate does not say which fields were in quotes, takes the end of the file as the end of an open quote, and passes over
//! text behind a closing one. All three decide what a value is.

use std::io::{self, Read};

use transom_file::spec::CsvOptions;

/// Bytes that are read at once.
const BLOCK: usize = 128 * 1024;
/// Text after which a batch ends, however few rows it has.
const BATCH_TEXT: usize = 16 * 1024 * 1024;
/// Longest row: where a quote is missing the rest of the file would be one.
const LONGEST_ROW: usize = 256 * 1024 * 1024;

/// Why a file cannot be split into rows. Lines count from 1.
#[derive(Debug)]
pub(super) enum RecordError {
    Io(io::Error),
    /// The quote that opens in the line is not closed before the file ends.
    Unclosed {
        line: u64,
    },
    /// Something else than a delimiter follows the quote that closes in the line.
    AfterQuote {
        opened: u64,
        line: u64,
    },
    /// The row that begins in the line does not end.
    TooLong {
        line: u64,
    },
    /// The row that begins in the line has another number of fields.
    Count {
        line: u64,
        found: usize,
        hint: Option<&'static str>,
    },
}

/// Some rows of one number of fields.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// All fields, one after another.
    pub(super) text: Vec<u8>,
    /// Where each field ends, and whether it was in quotes.
    fields: Vec<(u32, bool)>,
    /// The lines in which rows begin.
    pub(super) lines: Vec<u64>,
    pub(super) width: usize,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Where a field is in the text, and whether it was in quotes.
    pub(super) fn field(&self, row: usize, column: usize) -> (std::ops::Range<usize>, bool) {
        let at = row * self.width + column;
        let start = at.checked_sub(1).map_or(0, |before| self.fields[before].0);
        let (end, quoted) = self.fields[at];
        (start as usize..end as usize, quoted)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.lines.clear();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a row.
    Row,
    /// Before the first byte of a field.
    Field,
    Plain,
    Quoted,
    /// After a quote within quotes: the closing one, unless another follows.
    Quote,
    Escaped,
    /// In a line that is not read.
    Passed,
}

/// The rows of a file.
pub(super) struct Records<R> {
    input: R,
    block: Box<[u8]>,
    at: usize,
    filled: usize,
    state: State,
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    /// Lines to pass over.
    skip: usize,
    /// Which bytes end a run of plain text, outside and within quotes.
    stops: Box<[[bool; 256]; 2]>,
    /// The line of the next byte.
    line: u64,
    /// `\n` belongs to the line that ended with `\r`.
    after_return: bool,
    row_line: u64,
    quote_line: u64,
    quoted: bool,
    row_text: usize,
    row_fields: usize,
    /// Fields that each row has to have, once that is known.
    pub(super) width: Option<usize>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R, options: &CsvOptions) -> Self {
        let mut stops = Box::new([[false; 256]; 2]);
        for byte in [options.delimiter, b'\n', b'\r'] {
            stops[0][usize::from(byte)] = true;
        }
        for byte in [options.quote, b'\n', b'\r']
            .into_iter()
            .chain(options.escape)
        {
            stops[1][usize::from(byte)] = true;
        }
        Self {
            input,
            block: vec![0; BLOCK].into(),
            at: 0,
            filled: 0,
            state: if options.skip > 0 {
                State::Passed
            } else {
                State::Row
            },
            delimiter: options.delimiter,
            quote: options.quote,
            escape: options.escape.filter(|escape| *escape != options.quote),
            comment: options.comment,
            skip: options.skip,
            stops,
            line: 1,
            after_return: false,
            row_line: 1,
            quote_line: 1,
            quoted: false,
            row_text: 0,
            row_fields: 0,
            width: None,
        }
    }

    /// Replaces `rows` by the next `limit` rows; by fewer at the end of the file, or where rows are long. An error concerns what
    /// comes after the rows that were read.
    pub(super) fn read(&mut self, rows: &mut Rows, limit: usize) -> Result<(), RecordError> {
        rows.clear();
        rows.width = self.width.unwrap_or(0);
        self.row_text = 0;
        self.row_fields = 0;
        let read = self.read_rows(rows, limit);
        if read.is_err() {
            // The row that has begun.
            rows.text.truncate(self.row_text);
            rows.fields.truncate(self.row_fields);
        }
        read
    }

    fn read_rows(&mut self, rows: &mut Rows, limit: usize) -> Result<(), RecordError> {
        loop {
            let full = rows.len() >= limit || rows.text.len() >= BATCH_TEXT;
            if self.state == State::Row && full {
                return Ok(());
            }
            if self.at == self.filled {
                if rows.text.len() - self.row_text > LONGEST_ROW {
                    let line = self.row_line;
                    return Err(RecordError::TooLong { line });
                }
                self.filled = self.input.read(&mut self.block).map_err(RecordError::Io)?;
                self.at = 0;
                if self.filled == 0 {
                    return self.finish(rows);
                }
            }
            let byte = self.block[self.at];
            match self.state {
                State::Row => {
                    if self.after_return && byte == b'\n' {
                        self.after_return = false;
                        self.at += 1;
                        continue;
                    }
                    self.after_return = false;
                    self.row_line = self.line;
                    if matches!(byte, b'\n' | b'\r') {
                        self.at += 1;
                        // Where there is one column, an empty line is a row without a value.
                        if self.width == Some(1) {
                            self.quoted = false;
                            self.end_field(rows);
                            self.end_row(rows)?;
                        }
                        self.end_line(byte);
                    } else if Some(byte) == self.comment {
                        self.state = State::Passed;
                    } else {
                        self.state = State::Field;
                    }
                }
                State::Field => {
                    self.quoted = byte == self.quote;
                    if self.quoted {
                        self.at += 1;
                        self.quote_line = self.line;
                        self.state = State::Quoted;
                    } else {
                        self.state = State::Plain;
                    }
                }
                State::Plain => {
                    if let Some(stop) = self.copy(rows, 0) {
                        self.end_field(rows);
                        self.after_field(stop, rows)?;
                    }
                }
                State::Quoted => {
                    let Some(stop) = self.copy(rows, 1) else {
                        continue;
                    };
                    if stop == self.quote {
                        self.state = State::Quote;
                    } else if Some(stop) == self.escape {
                        self.state = State::Escaped;
                    } else {
                        self.push_line_break(stop, rows);
                    }
                }
                State::Escaped => {
                    self.at += 1;
                    self.state = State::Quoted;
                    if matches!(byte, b'\n' | b'\r') {
                        self.push_line_break(byte, rows);
                    } else {
                        rows.text.push(byte);
                    }
                }
                State::Quote => {
                    self.at += 1;
                    if byte == self.quote {
                        rows.text.push(byte);
                        self.state = State::Quoted;
                    } else if byte == self.delimiter || matches!(byte, b'\n' | b'\r') {
                        self.end_field(rows);
                        self.after_field(byte, rows)?;
                    } else {
                        return Err(RecordError::AfterQuote {
                            opened: self.quote_line,
                            line: self.line,
                        });
                    }
                }
                State::Passed => {
                    if self.after_return && byte == b'\n' {
                        self.after_return = false;
                        self.at += 1;
                        continue;
                    }
                    self.after_return = false;
                    let rest = &self.block[self.at..self.filled];
                    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    let Some(end) = end else {
                        self.at = self.filled;
                        continue;
                    };
                    let stop = rest[end];
                    self.at += end + 1;
                    self.end_line(stop);
                    self.skip = self.skip.saturating_sub(1);
                    if self.skip > 0 {
                        self.state = State::Passed;
                    }
                }
            }
        }
    }

    /// Copies text up to the next byte that means something, and goes behind that one.
    fn copy(&mut self, rows: &mut Rows, stops: usize) -> Option<u8> {
        let rest = &self.block[self.at..self.filled];
        let stops = &self.stops[stops];
        let end = rest.iter().position(|byte| stops[usize::from(*byte)]);
        match end {
            Some(end) => {
                rows.text.extend_from_slice(&rest[..end]);
                self.at += end + 1;
                Some(rest[end])
            }
            None => {
                rows.text.extend_from_slice(rest);
                self.at = self.filled;
                None
            }
        }
    }

    fn push_line_break(&mut self, byte: u8, rows: &mut Rows) {
        let start = rows.fields.last().map_or(0, |(end, _)| *end as usize);
        let after_return = rows.text.len() > start && rows.text.last() == Some(&b'\r');
        if byte == b'\r' || !after_return {
            self.line += 1;
        }
        rows.text.push(byte);
    }

    fn end_field(&mut self, rows: &mut Rows) {
        // Shorter than a batch and a row together.
        rows.fields.push((rows.text.len() as u32, self.quoted));
    }

    fn after_field(&mut self, stop: u8, rows: &mut Rows) -> Result<(), RecordError> {
        if stop == self.delimiter {
            self.state = State::Field;
            return Ok(());
        }
        let ended = self.end_row(rows);
        self.end_line(stop);
        ended
    }

    fn end_line(&mut self, byte: u8) {
        self.line += 1;
        self.after_return = byte == b'\r';
        self.state = State::Row;
    }

    fn end_row(&mut self, rows: &mut Rows) -> Result<(), RecordError> {
        let found = rows.fields.len() - self.row_fields;
        let width = *self.width.get_or_insert(found);
        rows.width = width;
        if found != width {
            return Err(RecordError::Count {
                line: self.row_line,
                found,
                hint: self.count_hint(rows),
            });
        }
        rows.lines.push(self.row_line);
        self.row_text = rows.text.len();
        self.row_fields = rows.fields.len();
        Ok(())
    }

    /// What may be behind a wrong number of fields.
    fn count_hint(&self, rows: &Rows) -> Option<&'static str> {
        let row = &rows.text[self.row_text..];
        if self.comment.is_none() && row.starts_with(b"#") {
            return Some("lines that begin with `#` are left out with `csv: { comment: \"#\" }`");
        }
        let mut start = self.row_text;
        for (end, quoted) in &rows.fields[self.row_fields..] {
            let field = &rows.text[start..*end as usize];
            start = *end as usize;
            let trimmed = field.trim_ascii_start();
            if !quoted && trimmed.len() < field.len() && trimmed.first() == Some(&self.quote) {
                return Some(
                    "a quote counts only right after the delimiter: take out the blank before it",
                );
            }
            if *quoted && self.escape.is_none() && field.contains(&b'\\') {
                return Some(
                    "if the file has a backslash before quotes within quotes, say so with `csv: { escape: \"\\\\\" }`",
                );
            }
        }
        None
    }

    fn finish(&mut self, rows: &mut Rows) -> Result<(), RecordError> {
        let state = std::mem::replace(&mut self.state, State::Row);
        match state {
            State::Row | State::Passed => Ok(()),
            State::Field => {
                self.quoted = false;
                self.end_field(rows);
                self.end_row(rows)
            }
            State::Plain | State::Quote => {
                self.end_field(rows);
                self.end_row(rows)
            }
            State::Quoted | State::Escaped => Err(RecordError::Unclosed {
                line: self.quote_line,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, so that every state meets the end of a block.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.len().min(1);
            buffer[..read].copy_from_slice(&self.0[..read]);
            self.0 = &self.0[read..];
            Ok(read)
        }
    }

    fn options() -> CsvOptions {
        CsvOptions::default()
    }

    /// Rows as `line: field|"quoted field"`, and the error.
    fn split(text: &str, options: &CsvOptions) -> String {
        let whole = split_from(text.as_bytes(), options);
        assert_eq!(split_from(Dribble(text.as_bytes()), options), whole);
        whole
    }

    fn split_from(input: impl Read, options: &CsvOptions) -> String {
        let mut records = Records::new(input, options);
        let mut rows = Rows::default();
        let mut shown = Vec::new();
        loop {
            let read = records.read(&mut rows, 2);
            for row in 0..rows.len() {
                let fields = (0..rows.width).map(|column| {
                    let (range, quoted) = rows.field(row, column);
                    let text = std::str::from_utf8(&rows.text[range]).unwrap();
                    match quoted {
                        true => format!("{text:?}"),
                        false => text.to_owned(),
                    }
                });
                let fields = fields.collect::<Vec<_>>().join("|");
                shown.push(format!("{}: {fields}", rows.lines[row]));
            }
            match read {
                Err(error) => {
                    shown.push(format!("{error:?}"));
                    break;
                }
                Ok(()) if rows.len() == 0 => break,
                Ok(()) => {}
            }
        }
        shown.join("\n")
    }

    #[test]
    fn rows_have_the_line_in_which_they_begin() {
        let text = "a,b\r\n\r\n\"x\ny\",\"\"\"\"\n\n,\n1,2";
        let expected = "1: a|b\n3: \"x\\ny\"|\"\\\"\"\n6: |\n7: 1|2";
        assert_eq!(split(text, &options()), expected);
        assert_eq!(split("a,b\r1,2\r", &options()), "1: a|b\n2: 1|2");
        assert_eq!(
            split("\"a\r\nb\",c\n1,2\n", &options()),
            "1: \"a\\r\\nb\"|c\n3: 1|2"
        );
        assert_eq!(split("", &options()), "");
    }

    #[test]
    fn an_empty_line_is_a_row_where_there_is_one_column() {
        assert_eq!(
            split("\n\nn\n\nx\n\"\"\n", &options()),
            "3: n\n4: \n5: x\n6: \"\""
        );
        assert_eq!(split("a,b\n\n1,2\n\n", &options()), "1: a|b\n3: 1|2");
    }

    #[test]
    fn quotes_that_do_not_close_are_errors() {
        assert_eq!(
            split("id,d\n1,\"open\n2,x\n3,y\n", &options()),
            "1: id|d\nUnclosed { line: 2 }"
        );
        assert_eq!(
            split("id,d\n1,\"open\n2,\"x\"\n", &options()),
            "1: id|d\nAfterQuote { opened: 2, line: 3 }"
        );
        assert_eq!(
            split("\"a\"b,c\n", &options()),
            "AfterQuote { opened: 1, line: 1 }"
        );
        assert_eq!(split("a\"b,\"c\"\n", &options()), "1: a\"b|\"c\"");
    }

    #[test]
    fn rows_of_another_length_are_errors() {
        let split = |text| split(text, &options());
        assert_eq!(
            split("a,b\n1,2\n1\n"),
            "1: a|b\n2: 1|2\nCount { line: 3, found: 1, hint: None }"
        );
        assert!(split("a,b\n1,2,3\n").ends_with("Count { line: 2, found: 3, hint: None }"));
        assert!(split("a,b\n1, \"x,y\"\n").contains("take out the blank"));
        assert!(split("a,b\n# exported\n").contains("comment"));
    }

    #[test]
    fn lines_may_be_passed_over_and_quotes_escaped() {
        let options = CsvOptions {
            skip: 2,
            comment: Some(b'#'),
            escape: Some(b'\\'),
            ..options()
        };
        let text =
            "Report, of\r\n\"2024\r\nid,d\n# no\n1,\"a \\\"b\\\", \\\\c\"\n#\"\n2,\"#\"\"\"\n";
        assert_eq!(
            split(text, &options),
            "3: id|d\n5: 1|\"a \\\"b\\\", \\\\c\"\n7: 2|\"#\\\"\""
        );
    }
}
