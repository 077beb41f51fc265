//! CSV: rows are split here, values are decoded by arrow-csv, a column at a time and then a value at a time.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use csv::{ByteRecord, Position, Reader, ReaderBuilder};

use super::{CHUNK_ROWS, shown};
use crate::{
    format::CsvOptions,
    source::{
        FileSource, SourceError, error::quoted, io_error, listing::Found, null_regex, open_text,
    },
};

pub(super) fn diagnose(
    source: &FileSource,
    options: &CsvOptions,
    found: &Found,
    schema: &SchemaRef,
) -> Result<(), SourceError> {
    if options.header {
        check_header(source, options, found, schema)?;
    }
    let file = CsvFile {
        source,
        options,
        found,
    };
    let cells = Cells::new(options);
    let mut rows = Vec::with_capacity(CHUNK_ROWS);
    let mut reader = file.reader()?;
    loop {
        rows.clear();
        let mut broken = None;
        while rows.len() < CHUNK_ROWS && broken.is_none() {
            match file.next(&mut reader)? {
                Some(row) if row.1.len() != schema.fields().len() => broken = Some(row),
                Some(row) => rows.push(row),
                None => break,
            }
        }
        let finished = rows.len() < CHUNK_ROWS;
        // Rows before the one with a wrong number of fields come first.
        file.check_values(&cells, schema, &rows)?;
        if let Some((start, record)) = broken {
            return Err(SourceError::FieldCount {
                name: source.name.clone(),
                path: found.path.clone(),
                line: file.line(&start)?,
                found: record.len(),
                expected: schema.fields().len(),
            });
        }
        if finished {
            return Ok(());
        }
    }
}

/// Rows of different lengths, and text that is not UTF-8.
pub(super) fn diagnose_structure(
    source: &FileSource,
    options: &CsvOptions,
    found: &Found,
) -> Result<(), SourceError> {
    let file = CsvFile {
        source,
        options,
        found,
    };
    let mut reader = file.reader()?;
    let mut expected = if options.header {
        let header = reader.byte_headers().map_err(|error| file.error(error))?;
        Some(header.len())
    } else {
        None
    };
    while let Some((start, record)) = file.next(&mut reader)? {
        let expected = *expected.get_or_insert(record.len());
        if record.len() != expected {
            return Err(SourceError::FieldCount {
                name: source.name.clone(),
                path: found.path.clone(),
                line: file.line(&start)?,
                found: record.len(),
                expected,
            });
        }
        if record
            .iter()
            .any(|field| std::str::from_utf8(field).is_err())
        {
            return Err(file.encoding(&start)?);
        }
    }
    Ok(())
}

/// Whether a file's first row names the columns, in order.
pub(in crate::source) fn check_header(
    source: &FileSource,
    options: &CsvOptions,
    found: &Found,
    schema: &SchemaRef,
) -> Result<(), SourceError> {
    let file = CsvFile {
        source,
        options,
        found,
    };
    let mut reader = file.reader()?;
    let header = reader.byte_headers().map_err(|error| file.error(error))?;
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    let expected = || schema.fields().iter().map(|field| field.name().as_str());
    if names.iter().map(AsRef::as_ref).eq(expected()) {
        return Ok(());
    }
    Err(SourceError::Header {
        name: source.name.clone(),
        path: found.path.clone(),
        found: quoted(names.iter().map(AsRef::as_ref)),
        expected: quoted(expected()),
    })
}

struct CsvFile<'a> {
    source: &'a FileSource,
    options: &'a CsvOptions,
    found: &'a Found,
}

type Row = (Position, ByteRecord);

impl CsvFile<'_> {
    fn reader(&self) -> Result<Reader<Box<dyn Read>>, SourceError> {
        Ok(ReaderBuilder::new()
            .delimiter(self.options.delimiter)
            .quote(self.options.quote)
            .has_headers(self.options.header)
            .flexible(true)
            .from_reader(open_text(self.source, self.found)?))
    }

    fn next(&self, reader: &mut Reader<Box<dyn Read>>) -> Result<Option<Row>, SourceError> {
        let mut record = ByteRecord::new();
        let more = reader
            .read_byte_record(&mut record)
            .map_err(|error| self.error(error))?;
        let start = record.position().cloned().unwrap_or_else(Position::new);
        Ok(more.then_some((start, record)))
    }

    /// With `flexible` and bytes instead of strings, only the disk or the decompressor can fail.
    fn error(&self, error: csv::Error) -> SourceError {
        io_error(self.source, &self.found.path, error.into())
    }

    fn encoding(&self, start: &Position) -> Result<SourceError, SourceError> {
        Ok(SourceError::Encoding {
            name: self.source.name.clone(),
            path: self.found.path.clone(),
            line: self.line(start)?,
        })
    }

    /// The line that a row starts in, from 1. The parser's own count is off after blank lines and `\r\n`: a row's
    /// position is where the row before it ended.
    fn line(&self, start: &Position) -> Result<u64, SourceError> {
        let reader = BufReader::new(open_text(self.source, self.found)?);
        let mut line = 1;
        for (offset, byte) in (0..).zip(reader.bytes()) {
            let byte = byte.map_err(|error| io_error(self.source, &self.found.path, error))?;
            if offset >= start.byte() && !matches!(byte, b'\n' | b'\r') {
                break;
            }
            line += u64::from(byte == b'\n');
        }
        Ok(line)
    }

    fn check_values(
        &self,
        cells: &Cells,
        schema: &Schema,
        rows: &[Row],
    ) -> Result<(), SourceError> {
        // The topmost row that is wrong, and its leftmost column: what a reader of the file meets first.
        let mut first: Option<(usize, &Field)> = None;
        for (position, field) in schema.fields().iter().enumerate() {
            let rows = &rows[..first.map_or(rows.len(), |(row, _)| row)];
            let column: Vec<&[u8]> = rows.iter().map(|(_, record)| &record[position]).collect();
            if !cells.decode(field, &column)
                && let Some(row) = column.iter().position(|cell| !cells.decode(field, &[cell]))
            {
                first = Some((row, field));
            }
        }
        let Some((row, field)) = first else {
            return Ok(());
        };
        let (start, record) = &rows[row];
        let cell = schema
            .index_of(field.name())
            .ok()
            .and_then(|position| record.get(position))
            .unwrap_or_default();
        let Ok(text) = std::str::from_utf8(cell) else {
            return Err(self.encoding(start)?);
        };
        let value = if cells.is_null(text) {
            "no value".to_owned()
        } else {
            shown(text)
        };
        Err(SourceError::Value {
            name: self.source.name.clone(),
            path: self.found.path.clone(),
            line: self.line(start)?,
            column: field.name().clone(),
            value,
            expected: Box::new(field.data_type().clone()),
        })
    }
}

/// Decodes values as a scan would, through a CSV of one column.
struct Cells {
    null: Option<(String, regex::Regex)>,
}

impl Cells {
    fn new(options: &CsvOptions) -> Self {
        let null = options
            .null
            .as_ref()
            .map(|null| (null.clone(), null_regex(null)));
        Self { null }
    }

    fn is_null(&self, text: &str) -> bool {
        match &self.null {
            Some((null, _)) => null == text,
            None => text.is_empty(),
        }
    }

    fn decode(&self, field: &Field, column: &[&[u8]]) -> bool {
        let mut text = Vec::new();
        for cell in column {
            text.push(b'"');
            for byte in *cell {
                text.extend_from_slice(if *byte == b'"' {
                    b"\"\""
                } else {
                    std::slice::from_ref(byte)
                });
            }
            text.extend_from_slice(b"\"\n");
        }
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let mut builder = arrow::csv::ReaderBuilder::new(schema).with_header(false);
        if let Some((_, pattern)) = &self.null {
            builder = builder.with_null_regex(pattern.clone());
        }
        builder
            .build_buffered(text.as_slice())
            .is_ok_and(|mut batches| batches.all(|batch| batch.is_ok()))
    }
}
