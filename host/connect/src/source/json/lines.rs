//! The lines of a file, or of a range of it.

use std::{
    io::{BufRead, BufReader, Read},
    ops::Range,
};

use transom_file::spec::{Encoding, is_gzip};

use crate::source::{
    FileSource, SourceError,
    inputs::Input,
    io_error,
    open::{open_bytes, open_from, open_text},
};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;
/// No line is longer, in bytes: what it holds has to fit into one array of Arrow.
const MAX_LINE: u64 = 1 << 30;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The lines that begin within a range of a file, without blank ones.
///
/// The last may go on behind the range: the reader of the next range begins after it.
pub(super) struct Lines {
    source: FileSource,
    found: Input,
    reader: BufReader<Box<dyn Read>>,
    /// Position in the (decompressed) file.
    at: u64,
    end: u64,
    /// Lines read, if they were counted from the start of the file.
    counted: Option<u64>,
    /// Where the last line begins.
    start: u64,
    buffer: Vec<u8>,
}

impl Lines {
    /// Only a plain file has ranges, `None` is all of it.
    pub(super) fn open(
        source: &FileSource,
        found: &Input,
        range: Option<Range<u64>>,
    ) -> Result<Self, SourceError> {
        let range = range.unwrap_or(0..u64::MAX);
        // The byte before the range says whether a line begins with it.
        let from = range.start.saturating_sub(1);
        let reader = match is_gzip(&found.path) {
            true => open_text(source, found, Encoding::Utf8)?,
            false => open_from(source, found, from)?,
        };
        let mut lines = Self {
            source: source.clone(),
            found: found.clone(),
            reader: BufReader::with_capacity(BUFFER, reader),
            at: from,
            end: range.end,
            counted: (range.start == 0).then_some(0),
            start: 0,
            buffer: Vec::new(),
        };
        if range.start > 0 {
            let skipped = lines.reader.skip_until(b'\n');
            lines.at += skipped.map_err(|error| io_error(source, &found.path, error))? as u64;
        }
        Ok(lines)
    }

    /// The next line; `None` at the end of the range.
    pub(super) fn next(&mut self) -> Result<Option<&str>, SourceError> {
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            self.buffer.clear();
            self.start = self.at;
            let read = (&mut self.reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|error| io_error(&self.source, &self.found.path, error))?;
            if read == 0 {
                return Ok(None);
            }
            self.at += read as u64;
            if let Some(lines) = &mut self.counted {
                *lines += 1;
            }
            if self.start == 0 && self.buffer.starts_with(BOM) {
                self.buffer.drain(..BOM.len());
            }
            if read as u64 == MAX_LINE {
                return Err(SourceError::JsonLine {
                    name: self.source.name.clone(),
                    path: self.found.path.clone(),
                    line: self.number()?,
                    message: format!(" is longer than {MAX_LINE} bytes").into(),
                    hint: None,
                    source: None,
                });
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        if std::str::from_utf8(&self.buffer).is_err() {
            return Err(SourceError::Encoding {
                name: self.source.name.clone(),
                path: self.found.path.clone(),
                line: self.number()?,
            });
        }
        Ok(Some(self.text()))
    }

    /// The line that [`Self::next`] gave last, without its end.
    pub(super) fn text(&self) -> &str {
        let text = std::str::from_utf8(&self.buffer).unwrap_or_default();
        text.trim_end_matches(['\n', '\r'])
    }

    /// The number of the last line, from 1. Counts the lines before the range, which costs reading them.
    pub(super) fn number(&self) -> Result<u64, SourceError> {
        if let Some(lines) = self.counted {
            return Ok(lines);
        }
        let failed = |error| io_error(&self.source, &self.found.path, error);
        let bytes = open_bytes(&self.source, &self.found, 0)?;
        let mut before = BufReader::with_capacity(BUFFER, bytes.take(self.start));
        let mut lines = 1;
        while before.skip_until(b'\n').map_err(failed)? > 0 {
            lines += 1;
        }
        Ok(lines)
    }
}

/// The number of the line that holds a row, from 1; `row` counts from 0. `None` if there is no such row.
pub(in crate::source) fn line_of_row(
    source: &FileSource,
    found: &Input,
    row: u64,
) -> Result<Option<u64>, SourceError> {
    let mut lines = Lines::open(source, found, None)?;
    for _ in 0..=row {
        if lines.next()?.is_none() {
            return Ok(None);
        }
    }
    lines.number().map(Some)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::SystemTime};

    use super::*;
    use crate::source::json::tests::{found, source};

    fn lines(path: &Path, listed: u64, range: Option<Range<u64>>) -> Result<Vec<String>, String> {
        let source = source(path);
        let found = Input {
            bytes: listed,
            modified: SystemTime::UNIX_EPOCH,
            ..found(path)
        };
        let read = || {
            let mut lines = Lines::open(&source, &found, range)?;
            let mut texts = Vec::new();
            while let Some(text) = lines.next()? {
                texts.push(text.trim().to_owned());
            }
            Ok(texts)
        };
        read().map_err(|error: SourceError| error.to_string())
    }

    #[test]
    fn every_line_is_in_one_range() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let text = "\u{feff}one\n\n  \r\nzwei\r\nthree\nfour";
        fs::write(&path, text).unwrap();
        let size = text.len() as u64;
        for step in 1..=size {
            let mut all = Vec::new();
            let mut start = 0;
            while start < size {
                let end = (start + step).min(size);
                all.extend(lines(&path, size, Some(start..end)).unwrap());
                start = end;
            }
            assert_eq!(all, ["one", "zwei", "three", "four"], "ranges of {step}");
        }
    }

    #[test]
    fn a_file_that_was_longer_when_it_was_listed_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        // Longer than what is looked at to know the kind of file.
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        for range in [None, Some(0..28), Some(4..28), Some(14..28), Some(20..28)] {
            let error = lines(&path, 28, range).unwrap_err();
            assert!(error.contains("changed while it was read"), "{error}");
        }
        // A range that ends before that is whole.
        assert_eq!(lines(&path, 28, Some(0..4)).unwrap(), ["one"]);
    }
}
