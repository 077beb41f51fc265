//! Rows of CSV and of fields between delimiters.

use arrow::array::RecordBatch;

use super::fields::Reader;
use super::records::{Cell, Gathered, Records, Refused};
use super::source::Source;
use crate::error::Result;
use crate::types::Type;

/// Hands the rows of a file over until they are not wanted any more.
pub(super) fn read(
    records: &Records,
    source: &Source,
    text: &[u8],
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let format = &records.format;
    let columns = records.target.columns();
    let mut gathered = Gathered::new(records);
    for (number, record) in (1..).zip(Reader::new(format, text)) {
        if number <= format.skip || (format.ignore_blank_lines && record.is_blank) {
            continue;
        }
        let row = || -> Result<Vec<Option<String>>, Refused> {
            let fields = record.fields?;
            if fields.len() > columns.len() {
                return Err(Refused::row(1202, "Extra column(s) found"));
            }
            if fields.len() < columns.len() && !format.fill {
                return Err(Refused::row(1214, "Delimiter not found"));
            }
            let values = columns.iter().enumerate().map(|(at, column)| {
                let cell = match (fields.get(at), column.data_type) {
                    // What is missing at the end is an empty text.
                    (None, Type::Varchar(_)) => Cell::Text(String::new()),
                    (None | Some(None), _) => Cell::Null,
                    (Some(Some(bytes)), _) => Cell::Text(records.decoded(at, bytes)?),
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
            Err(refused) => records.refuse(source, record.line, refused)?,
        }
    }
    gathered.finish(&mut hand_over)?;
    Ok(())
}
