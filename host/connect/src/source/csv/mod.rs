//! CSV, from bytes to columns.
//!
//! A file is split into rows ([`records`]), its header is matched with the table's columns by name ([`header`]), and columns are made of
//! their texts by [`transom_sql::text`]. Every error has its file and line when it arises: nothing is read twice to find it.

mod header;
mod infer;
mod records;

use std::{io::Read, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    datatypes::{FieldRef, Schema, SchemaRef},
};
use serde_json::value::RawValue;
use transom_sql::text::{self, Origin};

pub(super) use self::header::check_header;
pub(super) use self::infer::infer_schema;
use self::{
    header::{Columns, Header},
    records::{RecordError, Records, Rows},
};
use super::{
    FileSource, SourceError, inputs::Input, io_error, open::open_text, shown, text::Batch,
};
use transom_file::spec::CsvOptions;

/// Rows that are read at once to count them.
const ROWS_AT_ONCE: usize = 8192;

/// A CSV file, its header read.
struct CsvFile<'a> {
    source: &'a FileSource,
    options: &'a CsvOptions,
    path: &'a Path,
    records: Records<Box<dyn Read>>,
    header: Option<Header>,
}

impl<'a> CsvFile<'a> {
    /// `None` if there is not even a header.
    fn open(
        source: &'a FileSource,
        options: &'a CsvOptions,
        found: &'a Input,
    ) -> Result<Option<Self>, SourceError> {
        let text = open_text(source, found, options.encoding)?;
        let mut file = Self {
            source,
            options,
            path: &found.path,
            records: Records::new(text, options),
            header: None,
        };
        if !options.header {
            return Ok(Some(file));
        }
        let mut rows = Rows::default();
        let read = file.records.read(&mut rows, 1);
        read.map_err(|error| file.error(error))?;
        if rows.len() == 0 {
            return Ok(None);
        }
        file.header = Some(Header::of(&file, &rows)?);
        Ok(Some(file))
    }

    fn error(&self, error: RecordError) -> SourceError {
        let (name, path) = (self.source.name.clone(), self.path.to_owned());
        match error {
            RecordError::Io(error) => io_error(self.source, self.path, error),
            RecordError::Unclosed { line } => SourceError::UnclosedQuote { name, path, line },
            RecordError::AfterQuote { opened, line } => SourceError::TextAfterQuote {
                name,
                path,
                line,
                opened,
            },
            RecordError::TooLong { line } => SourceError::LongRow { name, path, line },
            RecordError::Count { line, found, hint } => SourceError::FieldCount {
                name,
                path,
                line,
                found,
                expected: self.records.width.unwrap_or_default(),
                hint: hint.map(str::to_owned).or_else(|| {
                    let header = self.header.as_ref()?;
                    header.count_hint(self.options, line, found)
                }),
            },
        }
    }

    fn not_utf8(&self, line: u64) -> SourceError {
        SourceError::Encoding {
            name: self.source.name.clone(),
            path: self.path.to_owned(),
            line,
        }
    }

    /// The text of rows; an error names the first that is not UTF-8.
    fn utf8<'r>(&self, rows: &'r Rows) -> Result<&'r str, SourceError> {
        let text = str::from_utf8(&rows.text);
        if let Ok(text) = text {
            // All of it may be UTF-8 where a field is not: a character cannot reach over a delimiter.
            let is_whole = text.is_ascii()
                || (0..rows.len()).all(|row| {
                    (0..rows.width)
                        .all(|column| text.is_char_boundary(rows.field(row, column).0.end))
                });
            if is_whole {
                return Ok(text);
            }
        }
        let is_broken = |row: &usize| {
            (0..rows.width)
                .any(|column| str::from_utf8(&rows.text[rows.field(*row, column).0]).is_err())
        };
        let row = (0..rows.len()).find(is_broken).unwrap_or_default();
        Err(self.not_utf8(rows.lines.get(row).copied().unwrap_or_default()))
    }
}

/// The line in which a row begins, from 1; `row` counts from 0 and without the header. `None` if there is no such row.
pub(super) fn line_of_row(
    source: &FileSource,
    options: &CsvOptions,
    found: &Input,
    row: u64,
) -> Result<Option<u64>, SourceError> {
    let Some(mut file) = CsvFile::open(source, options, found)? else {
        return Ok(None);
    };
    let mut rows = Rows::default();
    let mut left = row;
    loop {
        let read = file.records.read(&mut rows, ROWS_AT_ONCE);
        if let Some(line) = usize::try_from(left)
            .ok()
            .and_then(|row| rows.lines.get(row))
        {
            return Ok(Some(*line));
        }
        read.map_err(|error| file.error(error))?;
        if rows.len() == 0 {
            return Ok(None);
        }
        left -= rows.len() as u64;
    }
}

/// Which texts are NULL.
struct Nulls<'a>(&'a [String]);

impl Nulls<'_> {
    /// What is in quotes is text; but an empty one is no value of another type.
    fn is_null(&self, text: &str, quoted: bool, is_text: bool) -> bool {
        if quoted {
            return text.is_empty() && !is_text;
        }
        text.is_empty() || self.0.iter().any(|null| null == text)
    }
}

/// The records of a file, and its header if it has one.
type Opened = (Records<Box<dyn Read>>, Option<Header>);

/// The rows of a CSV file as batches of some columns.
pub(super) struct CsvBatches {
    source: FileSource,
    options: CsvOptions,
    path: std::path::PathBuf,
    schema: SchemaRef,
    /// Positions in the file.
    positions: Vec<usize>,
    origins: Vec<Origin>,
    unknown: Vec<String>,
    batch_size: usize,
    rows: Rows,
    file: Option<Opened>,
}

impl CsvBatches {
    /// `columns` are positions in `schema`, whose columns are all those of the table that are in the file.
    pub(super) fn open(
        source: &FileSource,
        options: &CsvOptions,
        found: &Input,
        schema: &Schema,
        columns: &[usize],
        batch_size: usize,
    ) -> Result<Self, SourceError> {
        let mut file = CsvFile::open(source, options, found)?;
        let all = match &mut file {
            Some(file) => Columns::of(file, schema)?,
            None => Columns::default(),
        };
        let fields: Vec<FieldRef> = columns
            .iter()
            .map(|column| Arc::clone(&schema.fields()[*column]))
            .collect();
        let declared = source.columns.as_deref();
        let origins = fields.iter().map(|field| {
            match declared.is_some_and(|schema| schema.index_of(field.name()).is_ok()) {
                true => Origin::Declared,
                false => Origin::Inferred,
            }
        });
        Ok(Self {
            source: source.clone(),
            options: options.clone(),
            path: found.path.clone(),
            origins: origins.collect(),
            schema: Arc::new(Schema::new(fields)),
            positions: match all.positions.is_empty() {
                true => Vec::new(),
                false => columns.iter().map(|at| all.positions[*at]).collect(),
            },
            unknown: all.unknown,
            batch_size,
            rows: Rows::default(),
            file: file.map(|file| (file.records, file.header)),
        })
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, SourceError> {
        let Some((records, header)) = self.file.take() else {
            return Ok(None);
        };
        let mut file = CsvFile {
            source: &self.source,
            options: &self.options,
            path: &self.path,
            records,
            header,
        };
        let read = file.records.read(&mut self.rows, self.batch_size);
        let batch = decode(
            &file,
            &self.rows,
            &self.schema,
            &self.positions,
            &self.origins,
        )?;
        // What is wrong in the rows before it comes first.
        read.map_err(|error| file.error(error))?;
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let rows = batch.num_rows() as u64;
        let unknown = self.unknown.iter().map(|name| (name.clone(), rows));
        self.file = Some((file.records, file.header));
        Ok(Some(Batch {
            rows: batch,
            unknown: unknown.collect(),
        }))
    }
}

impl Iterator for CsvBatches {
    type Item = Result<Batch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// The first text of a column of type `json` that is none.
fn not_json<'a>(field: &FieldRef, array: &'a ArrayRef) -> Option<(usize, &'a str)> {
    let is_json = transom_sql::is_json(field);
    let texts = array.as_string_opt::<i32>().filter(|_| is_json)?;
    let mut texts = texts.iter().enumerate();
    texts.find_map(|(row, text)| {
        let text = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_err())?;
        Some((row, text))
    })
}

fn decode(
    file: &CsvFile<'_>,
    rows: &Rows,
    schema: &SchemaRef,
    positions: &[usize],
    origins: &[Origin],
) -> Result<RecordBatch, SourceError> {
    let text = file.utf8(rows)?;
    let nulls = Nulls(&file.options.null);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(positions.len());
    // The topmost row that is wrong, and its leftmost column: what a reader of the file meets first.
    let mut first: Option<(usize, SourceError)> = None;
    for ((field, position), origin) in schema.fields().iter().zip(positions).zip(origins) {
        let is_text = field.data_type().is_string() && !transom_sql::is_json(field);
        let upto = first.as_ref().map_or(rows.len(), |(row, _)| *row);
        let texts = (0..upto).map(|row| {
            let (range, quoted) = rows.field(row, *position);
            let text = &text[range];
            (!nulls.is_null(text, quoted, is_text)).then_some(text)
        });
        let wrong = |row: usize, value: String, reason, fitting| {
            let error = SourceError::Value {
                name: file.source.name.clone(),
                path: file.path.to_owned(),
                line: rows.lines[row],
                column: field.name().as_str().into(),
                value: value.into(),
                expected: Box::new(field.data_type().clone()),
                reason,
                fitting,
            };
            Some((row, error))
        };
        match text::column(texts, field.data_type(), *origin) {
            Ok(array) if array.null_count() > 0 && !field.is_nullable() => {
                let missing = (0..array.len()).find(|row| array.is_null(*row));
                let value = "no value".to_owned();
                first = wrong(missing.unwrap_or_default(), value, None, "utf8");
            }
            Ok(array) => match not_json(field, &array) {
                None => columns.push(array),
                Some((row, value)) => {
                    let error = SourceError::NotJson {
                        name: file.source.name.clone(),
                        path: file.path.to_owned(),
                        line: rows.lines[row],
                        column: field.name().as_str().into(),
                        value: shown(value).into(),
                    };
                    first = Some((row, error));
                }
            },
            Err(misfit) => {
                let (reason, fitting) = (misfit.reason, misfit.reason.fitting(&misfit.value));
                first = wrong(misfit.row, shown(&misfit.value), Some(reason), fitting);
            }
        }
    }
    if let Some((_, error)) = first {
        return Err(error);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| file.source.infer_error(error.into()))
}
