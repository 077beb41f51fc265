//! Rows as CSV, in which NULL and text differ.
//!
//! A field is quoted if it would otherwise be read as something else: as NULL, as two fields, as a comment, as the end of a row.
//! arrow-csv quotes neither the text that stands for NULL nor the empty text.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::marks::{BYTE_ORDER_MARK, MARK, begins_as};
use transom_file::spec::CsvOptions;

/// Writes rows as CSV.
pub(super) struct CsvWriter<W> {
    output: W,
    options: CsvOptions,
    null: String,
    lines: Vec<u8>,
    /// Its first bytes are written.
    begun: bool,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header, if there is to be one.
    pub(super) fn try_new(output: W, options: &CsvOptions, schema: &SchemaRef) -> io::Result<Self> {
        let mut writer = Self {
            output,
            null: options.null.first().cloned().unwrap_or_default(),
            options: options.clone(),
            lines: Vec::new(),
            begun: false,
        };
        if options.header {
            for (index, field) in schema.fields().iter().enumerate() {
                writer.delimit(index);
                writer.field(field.name());
            }
            writer.lines.push(b'\n');
            writer.flush()?;
        }
        Ok(writer)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default().with_display_error(false);
        let columns = batch.columns().iter().map(|column| {
            let column = column.as_ref();
            Ok(match column.data_type() {
                DataType::Utf8 => Column::Text(column.as_string()),
                _ => Column::Other(column, ArrayFormatter::try_new(column, &options)?),
            })
        });
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                self.delimit(index);
                match column {
                    Column::Text(values) if values.is_valid(row) => self.field(values.value(row)),
                    Column::Other(values, formatter) if values.is_valid(row) => {
                        text.clear();
                        write!(text, "{}", formatter.value(row)).map_err(|_| {
                            ArrowError::CastError(format!(
                                "row {} holds a value of type {} that has no text",
                                row + 1,
                                values.data_type()
                            ))
                        })?;
                        self.field(&text);
                    }
                    _ => self.lines.extend_from_slice(self.null.as_bytes()),
                }
            }
            self.lines.push(b'\n');
        }
        Ok(self.flush()?)
    }

    pub(super) fn inner(&self) -> &W {
        &self.output
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.begin()?;
        self.flush()?;
        Ok(self.output)
    }

    fn delimit(&mut self, index: usize) {
        if index > 0 {
            self.lines.push(self.options.delimiter);
        }
    }

    /// Texts may make a file begin as one that is no text, such as `PAR1` with a control character behind it: readers would refuse
    /// it, this one among them.
    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        if begins_as(&self.lines).is_some() {
            self.output.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.begun {
            if self.lines.len() < MARK {
                return Ok(());
            }
            self.begin()?;
        }
        self.output.write_all(&self.lines)?;
        self.lines.clear();
        Ok(())
    }

    fn field(&mut self, text: &str) {
        if !self.needs_quotes(text) {
            self.lines.extend_from_slice(text.as_bytes());
            return;
        }
        let quote = self.options.quote;
        self.lines.push(quote);
        for byte in text.bytes() {
            if byte == quote {
                self.lines.push(quote);
            }
            self.lines.push(byte);
        }
        self.lines.push(quote);
    }

    fn needs_quotes(&self, text: &str) -> bool {
        let CsvOptions {
            delimiter, quote, ..
        } = self.options;
        text.is_empty()
            || self.options.null.iter().any(|null| null == text)
            || text.starts_with([' ', '\t', '#'])
            || text.ends_with([' ', '\t'])
            || text.starts_with(BYTE_ORDER_MARK)
            || text.as_bytes().first().copied() == self.options.comment
            || text
                .bytes()
                .any(|byte| byte == delimiter || byte == quote || matches!(byte, b'\n' | b'\r'))
    }
}

enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Other(&'a dyn Array, ArrayFormatter<'a>),
}
