//! CSV, and the fields between delimiters that COPY takes without a format.

use arrow::array::RecordBatch;
use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::records::{Cell, Gathered, Records, Refused};
use super::source::Source;
use crate::error::Result;

/// Hands the rows of a file over until they are not wanted any more.
pub(super) fn read(
    records: &Records,
    source: &Source,
    text: &[u8],
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let format = &records.format;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(format.delimiter)
        .quote(format.quote)
        .quoting(format.csv)
        .double_quote(true)
        .escape((format.escape && !format.csv).then_some(b'\\'))
        .terminator(Terminator::CRLF)
        .from_reader(text);
    let columns = records.target.columns();
    let mut gathered = Gathered::new(records);
    let mut record = ByteRecord::new();
    let mut number = 0;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(source.unreadable(error)),
        }
        number += 1;
        let line = record.position().map_or(number, csv::Position::line);
        if number <= format.skip {
            continue;
        }
        if format.ignore_blank_lines && record.len() == 1 && record[0].is_empty() {
            continue;
        }
        let row = || -> Result<Vec<Option<String>>, Refused> {
            if record.len() > columns.len() {
                return Err(Refused::row(1202, "Extra column(s) found"));
            }
            if record.len() < columns.len() && !format.fill {
                return Err(Refused::row(1214, "Delimiter not found"));
            }
            let values = columns.iter().enumerate().map(|(at, column)| {
                let cell = match record.get(at) {
                    None => Cell::Null,
                    Some(bytes) if bytes == format.null.as_bytes() => Cell::Null,
                    Some(bytes) => Cell::Text(records.decoded(at, bytes)?),
                };
                records.value(at, column, cell)
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
