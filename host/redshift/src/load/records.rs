//! Rows of text, from CSV or JSON: one value after the other, and an error for each row that does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parking_lot::Mutex;

use super::copy::Target;
use super::source::{self, Source};
use super::{LoadError, Objects};
use crate::catalog::Column;
use crate::error::{self, Error, Result};
use crate::functions;
use crate::run::Environment;
use crate::syntax::{OptionValue, Options};
use crate::types::cast::{Mode, cast};
use crate::types::{Type, show};

/// Errors that are noted; more are counted only.
const MOST_NOTED: usize = 1_000;

/// How texts are read.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) json: Option<Json>,
    pub(super) csv: bool,
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: bool,
    pub(super) skip: u64,
    pub(super) null: String,
    empty_as_null: bool,
    blanks_as_null: bool,
    trim_blanks: bool,
    truncate: bool,
    replace_invalid: Option<char>,
    pub(super) fill: bool,
    pub(super) ignore_blank_lines: bool,
    any_date: bool,
    date_format: Option<String>,
    time_format: Option<String>,
    most_errors: u64,
}

/// How objects of JSON become rows.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// By the names of columns.
    Names { ignore_case: bool },
    /// By paths, one for each column.
    Paths(Vec<Vec<String>>),
}

impl Format {
    pub(super) async fn new(options: &Options, objects: &dyn Objects) -> Result<Self> {
        let is_csv = options.has("csv");
        let byte = |name: &'static str, usual: u8| match options.text(name) {
            None => Ok(usual),
            Some("\t" | "\\t") => Ok(b'\t'),
            Some(text) if text.len() == 1 => Ok(text.as_bytes()[0]),
            Some(text) => Err(Error::new(&error::SYNTAX_ERROR, &[&text])),
        };
        let number = |name: &'static str| match options.text(name) {
            None => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| Error::new(&error::SYNTAX_ERROR, &[&text])),
        };
        let json = match options.get("json") {
            None => None,
            Some(OptionValue::Text(how)) if how == "auto ignorecase" => {
                Some(Json::Names { ignore_case: true })
            }
            Some(OptionValue::Text(how)) if how != "auto" => Some(paths(how, objects).await?),
            Some(_) => Some(Json::Names { ignore_case: false }),
        };
        let replace_invalid = match options.get("acceptinvchars") {
            None => None,
            Some(OptionValue::Text(text)) => text.chars().next(),
            Some(_) => Some('?'),
        };
        Ok(Self {
            json,
            csv: is_csv,
            delimiter: byte("delimiter", if is_csv { b',' } else { b'|' })?,
            quote: byte("quote", b'"')?,
            escape: options.has("escape"),
            skip: number("ignoreheader")?,
            null: options.text("null").unwrap_or("\\N").to_owned(),
            empty_as_null: options.has("emptyasnull"),
            blanks_as_null: options.has("blanksasnull"),
            trim_blanks: options.has("trimblanks"),
            truncate: options.has("truncatecolumns"),
            replace_invalid,
            fill: options.has("fillrecord"),
            ignore_blank_lines: options.has("ignoreblanklines"),
            any_date: options.has("acceptanydate"),
            date_format: format("dateformat", options)?,
            time_format: format("timeformat", options)?,
            most_errors: number("maxerror")?,
        })
    }

    pub(super) fn is_json(&self) -> bool {
        self.json.is_some()
    }
}

fn format(name: &'static str, options: &Options) -> Result<Option<String>> {
    match options.text(name) {
        None | Some("auto") => Ok(None),
        Some(format) => Ok(Some(format.to_owned())),
    }
}

/// A file of paths: `{"jsonpaths": ["$.a", "$['b'][0]"]}`
async fn paths(url: &str, objects: &dyn Objects) -> Result<Json> {
    let invalid = |why: &dyn std::fmt::Display| Error::new(&error::COPY_MANIFEST, &[&url, why]);
    let (bucket, key) = source::address(url)?;
    let text = objects.get(bucket, key).await;
    let text = text.map_err(|error| invalid(&error))?;
    #[derive(serde::Deserialize)]
    struct File {
        jsonpaths: Vec<String>,
    }
    let file: File = serde_json::from_slice(&text).map_err(|error| invalid(&error))?;
    let steps = file.jsonpaths.iter().map(|path| {
        let rest = path.strip_prefix('$').ok_or_else(|| invalid(path))?;
        let mut steps = Vec::new();
        let pieces = rest.split(['.', '[']).filter(|piece| !piece.is_empty());
        for piece in pieces {
            let piece = piece.trim_end_matches(']').trim_matches(['\'', '"']);
            steps.push(piece.to_owned());
        }
        Ok(steps)
    });
    Ok(Json::Paths(steps.collect::<Result<_>>()?))
}

/// A value of a row.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Null,
    Text(String),
    /// JSON that is no scalar.
    Json(String),
}

/// Why a row was not loaded: the place of its column, a code, a message.
pub(super) struct Refused {
    pub(super) column: Option<usize>,
    pub(super) value: String,
    pub(super) code: i64,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn row(code: i64, message: &str) -> Self {
        Self {
            column: None,
            value: String::new(),
            code,
            message: message.to_owned(),
        }
    }
}

/// What all files of a COPY share.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) target: Target,
    pub(super) format: Format,
    pid: u32,
    transaction: u64,
    now: i64,
    count: AtomicU64,
    noted: Mutex<Vec<LoadError>>,
}

impl Records {
    pub(super) fn new(
        environment: &Environment<'_>,
        transaction: u64,
        target: &Target,
        format: Format,
    ) -> Self {
        Self {
            target: target.clone(),
            format,
            pid: environment.context.pid,
            transaction,
            now: environment.context.now,
            count: AtomicU64::new(0),
            noted: Mutex::default(),
        }
    }

    /// The errors so far.
    pub(super) fn take(&self) -> Vec<LoadError> {
        std::mem::take(&mut self.noted.lock())
    }

    /// Notes a row that was not loaded; an error once there are too many.
    pub(super) fn refuse(&self, source: &Source, line: u64, refused: Refused) -> Result<()> {
        let columns = self.target.columns();
        let column = refused.column.and_then(|at| columns.get(at));
        let length = match column.map(|column| column.data_type) {
            Some(Type::Char(length) | Type::Varchar(length)) => length.to_string(),
            _ => String::new(),
        };
        let mut noted = self.noted.lock();
        if noted.len() < MOST_NOTED {
            noted.push(LoadError {
                table: self.target.table.id,
                pid: self.pid,
                transaction: self.transaction,
                at: self.now,
                file: source.url.clone(),
                line,
                column: column.map(|column| column.name.clone()).unwrap_or_default(),
                data_type: column
                    .map_or("", |column| column.data_type.short_name())
                    .to_owned(),
                length,
                value: refused.value,
                code: refused.code,
                message: refused.message,
            });
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        match count > self.format.most_errors {
            true => Err(Error::new(&error::COPY_ERRORS, &[&self.target.table.name])),
            false => Ok(()),
        }
    }

    /// A text that is no UTF-8, as ACCEPTINVCHARS wants it.
    pub(super) fn decoded(&self, at: usize, bytes: &[u8]) -> Result<String, Refused> {
        match (std::str::from_utf8(bytes), self.format.replace_invalid) {
            (Ok(text), _) => Ok(text.to_owned()),
            (Err(_), Some(with)) => {
                let text = String::from_utf8_lossy(bytes);
                Ok(text.replace('\u{fffd}', &with.to_string()))
            }
            (Err(_), None) => Err(Refused {
                column: Some(at),
                value: String::from_utf8_lossy(bytes).into_owned(),
                code: 1220,
                message: "String contains invalid or unsupported UTF8 codepoints.".to_owned(),
            }),
        }
    }

    /// A value as the column keeps it, in text; `None` is NULL.
    pub(super) fn value(
        &self,
        at: usize,
        column: &Column,
        cell: Cell,
    ) -> Result<Option<String>, Refused> {
        let format = &self.format;
        let to = column.data_type;
        let refused = |code, message: String, value: &str| Refused {
            column: Some(at),
            value: value.to_owned(),
            code,
            message,
        };
        let mut text = match cell {
            Cell::Null => None,
            Cell::Json(json) if to == Type::Super => return Ok(Some(json)),
            Cell::Json(json) => Some(json),
            Cell::Text(text) => Some(text),
        };
        if let Some(value) = text.as_mut() {
            if format.trim_blanks && to.is_text() {
                value.truncate(value.trim_end_matches(' ').len());
            }
            let is_blank = value.chars().all(char::is_whitespace);
            // An empty field of another type is always NULL.
            let is_null = (value.is_empty() && (format.empty_as_null || !to.is_text()))
                || (is_blank && !value.is_empty() && (format.blanks_as_null || !to.is_text()));
            if is_null {
                text = None;
            }
        }
        let Some(text) = text else {
            return match column.not_null {
                true => Err(refused(
                    1213,
                    "Missing data for not-null field".to_owned(),
                    "",
                )),
                false => Ok(None),
            };
        };
        let text = match to {
            Type::Char(length) | Type::Varchar(length) if text.len() > length as usize => {
                if !format.truncate {
                    return Err(refused(
                        1204,
                        "String length exceeds DDL length".to_owned(),
                        &text,
                    ));
                }
                let mut end = length as usize;
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text[..end].to_owned()
            }
            Type::Super => serde_json::Value::String(text).to_string(),
            Type::Date => match &format.date_format {
                Some(pattern) => self.date(at, &text, pattern, to)?,
                None => text,
            },
            Type::Timestamp | Type::TimestampTz => match &format.time_format {
                Some(pattern) => self.date(at, &text, pattern, to)?,
                None => text,
            },
            _ => text,
        };
        if to.is_text() || to == Type::Super {
            return Ok(Some(text));
        }
        let one: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        match cast(&one, Type::Unknown, to, Mode::Assignment) {
            Ok(_) => Ok(Some(text)),
            Err(_) if format.any_date && to.is_moment() => Ok(None),
            Err(error) => Err(match to {
                Type::Date => refused(
                    1205,
                    "Invalid Date Format - length must be 10 or more".to_owned(),
                    &text,
                ),
                Type::Timestamp | Type::TimestampTz => refused(
                    1206,
                    "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]".to_owned(),
                    &text,
                ),
                to if to.is_number() => {
                    let digit = text
                        .char_indices()
                        .find(|(_, letter)| !letter.is_ascii_digit());
                    let (place, digit) = digit.unwrap_or((0, ' '));
                    let name = if to.is_whole() { "Integer" } else { "Decimal" };
                    let message = match error.sqlstate() {
                        "22003" => format!("Overflow for column {}", column.name),
                        _ => format!("Invalid digit, Value '{digit}', Pos {place}, Type: {name}"),
                    };
                    refused(1207, message, &text)
                }
                _ => refused(1216, error.text().to_owned(), &text),
            }),
        }
    }

    fn date(&self, at: usize, text: &str, pattern: &str, to: Type) -> Result<String, Refused> {
        let per_second = match pattern {
            "epochsecs" => Some(1_000_000),
            "epochmillisecs" => Some(1_000),
            _ => None,
        };
        let micros = match per_second {
            Some(unit) => text
                .trim()
                .parse::<i64>()
                .ok()
                .and_then(|value| value.checked_mul(unit)),
            None => match functions::read_date(text, pattern, to) {
                Ok((day, micros)) => Some(i64::from(day) * 86_400_000_000 + micros),
                Err(_) => None,
            },
        };
        match micros {
            Some(micros) => Ok(show::timestamp(micros)),
            None if self.format.any_date => Ok(String::new()),
            None => Err(Refused {
                column: Some(at),
                value: text.to_owned(),
                code: 1206,
                message: format!("Invalid timestamp format or value [{pattern}]"),
            }),
        }
    }

    /// Rows of texts as rows of the table.
    pub(super) fn batch(
        &self,
        columns: Vec<Vec<Option<String>>>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let own = self.target.columns();
        let arrays = columns.into_iter().zip(own).map(|(texts, column)| {
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            match column.data_type {
                Type::Super => Ok(texts),
                to => cast(&texts, Type::Unknown, to, Mode::Assignment),
            }
        });
        self.target.batch(arrays.collect::<Result<Vec<_>>>()?, rows)
    }
}

/// Rows that become a batch once there are enough.
pub(super) struct Gathered<'a> {
    records: &'a Records,
    columns: Vec<Vec<Option<String>>>,
    rows: usize,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(records: &'a Records) -> Self {
        Self {
            columns: vec![Vec::new(); records.target.places.len()],
            records,
            rows: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        row: Vec<Option<String>>,
        hand_over: &mut impl FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        self.rows += 1;
        match self.rows < 8_192 {
            true => Ok(true),
            false => self.finish(hand_over),
        }
    }

    pub(super) fn finish(
        &mut self,
        hand_over: &mut impl FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        if self.rows == 0 {
            return Ok(true);
        }
        let columns: Vec<_> = self.columns.iter_mut().map(std::mem::take).collect();
        let rows = std::mem::take(&mut self.rows);
        Ok(hand_over(self.records.batch(columns, rows)?))
    }
}
