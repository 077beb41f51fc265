//! Rows of text, from CSV or JSON: one value after the other, and an error for each row that does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use parking_lot::Mutex;

use super::copy::Target;
use super::paths::{self, Path};
use super::source::Source;
use super::{LoadError, Objects};
use crate::catalog::Column;
use crate::error::{self, Error, Result};
use crate::functions::{DateFormat, Reading};
use crate::run::Environment;
use crate::syntax::{OptionValue, Options};
use crate::types::cast::{Mode, cast};
use crate::types::json::Json as Value;
use crate::types::{Type, read, show};

/// Errors that are noted; more are counted only.
const MOST_NOTED: usize = 1_000;

/// What MAXERROR takes at most.
const MOST_ERRORS: u64 = 100_000;

const DAY: i64 = 86_400_000_000;

/// How texts are read.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) json: Option<Json>,
    pub(super) csv: bool,
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: bool,
    pub(super) remove_quotes: bool,
    pub(super) skip: u64,
    pub(super) null: String,
    empty_as_null: bool,
    blanks_as_null: bool,
    trim_blanks: bool,
    truncate: bool,
    pub(super) replace_invalid: Option<char>,
    pub(super) fill: bool,
    pub(super) ignore_blank_lines: bool,
    any_date: bool,
    date_format: Moments,
    time_format: Moments,
    /// Decimals are rounded; otherwise the digits that do not fit are cut off.
    round: bool,
    /// So many errors end the COPY.
    most_errors: u64,
}

/// How dates and times are read.
#[derive(Debug, Clone)]
enum Moments {
    /// `YYYY-MM-DD`, and a time after it.
    Usual,
    /// In any form that is known.
    Auto,
    /// A number of units since 1970, which have so many microseconds.
    Epoch(&'static str, i64),
    Pattern(DateFormat),
}

/// How objects of JSON become rows.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// By the names of columns.
    Names { ignore_case: bool },
    /// By paths, one for each column.
    Paths(Vec<Path>),
}

impl Format {
    pub(super) async fn new(options: &Options, objects: &dyn Objects) -> Result<Self> {
        let is_csv = options.has("csv");
        let byte = |name: &'static str, usual: u8| match options.text(name) {
            None => Ok(usual),
            Some(text) => character(text).ok_or_else(|| Error::new(&error::SYNTAX_ERROR, &[&text])),
        };
        let number = |name: &'static str| match options.text(name) {
            None => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| Error::new(&error::SYNTAX_ERROR, &[&text])),
        };
        let most_errors = match number("maxerror")? {
            count if count > MOST_ERRORS => {
                return Err(Error::new(&error::INVALID_ARGUMENT, &[&"MAXERROR", &count]));
            }
            count => count.max(1),
        };
        let json = match options.get("json") {
            None => None,
            Some(OptionValue::Text(how)) if how == "auto ignorecase" => {
                Some(Json::Names { ignore_case: true })
            }
            Some(OptionValue::Text(how)) if how != "auto" => {
                // A file without paths changes nothing.
                let paths = paths::read(how, objects).await?;
                Some(paths.map_or(Json::Names { ignore_case: false }, Json::Paths))
            }
            Some(_) => Some(Json::Names { ignore_case: false }),
        };
        Ok(Self {
            json,
            csv: is_csv,
            delimiter: byte("delimiter", if is_csv { b',' } else { b'|' })?,
            quote: byte("quote", b'"')?,
            escape: options.has("escape"),
            remove_quotes: options.has("removequotes"),
            skip: number("ignoreheader")?,
            null: options.text("null").unwrap_or("\\N").to_owned(),
            empty_as_null: options.has("emptyasnull"),
            blanks_as_null: options.has("blanksasnull"),
            trim_blanks: options.has("trimblanks"),
            truncate: options.has("truncatecolumns"),
            replace_invalid: replacement(options)?,
            fill: options.has("fillrecord"),
            ignore_blank_lines: options.has("ignoreblanklines"),
            any_date: options.has("acceptanydate"),
            date_format: moments("dateformat", options)?,
            time_format: moments("timeformat", options)?,
            round: options.has("roundec"),
            most_errors,
        })
    }

    pub(super) fn is_json(&self) -> bool {
        self.json.is_some()
    }
}

/// The one character of ASCII that an option takes, which may be written as `\t` or with an escaped backslash and octal digits.
pub(super) fn character(text: &str) -> Option<u8> {
    let octal = |digits: &[u8]| {
        let digits = digits.iter().map(|digit| char::from(*digit).to_digit(8));
        let value = digits.reduce(|value, digit| Some(value? * 8 + digit?))??;
        u8::try_from(value).ok().filter(u8::is_ascii)
    };
    match text.as_bytes() {
        b"\\t" => Some(b'\t'),
        [byte] => byte.is_ascii().then_some(*byte),
        [b'\\', digits @ ..] if digits.len() == 3 => octal(digits),
        _ => None,
    }
}

/// What ACCEPTINVCHARS puts into the place of bytes that are no UTF-8; `None` without it.
pub(super) fn replacement(options: &Options) -> Result<Option<char>> {
    let text = match options.get("acceptinvchars") {
        None => return Ok(None),
        Some(OptionValue::Text(text)) => text.as_str(),
        Some(_) => "?",
    };
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter @ '\u{1}'..='\u{7f}'), None) => Ok(Some(letter)),
        _ => {
            let error = Error::new(&error::INVALID_ARGUMENT, &[&"ACCEPTINVCHARS", &text]);
            Err(error.hint("one character of ASCII"))
        }
    }
}

/// A text with a character for each byte that is no UTF-8, so that it keeps its length.
pub(super) fn replaced(bytes: &[u8], with: char) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| with));
    }
    text
}

/// Whether a pattern can be read does not depend on rows.
fn moments(name: &'static str, options: &Options) -> Result<Moments> {
    Ok(match (options.text(name), name) {
        (None, _) => Moments::Usual,
        (Some("auto"), _) => Moments::Auto,
        (Some("epochsecs"), "timeformat") => Moments::Epoch("epochsecs", 1_000_000),
        (Some("epochmillisecs"), "timeformat") => Moments::Epoch("epochmillisecs", 1_000),
        (Some(format), _) => Moments::Pattern(DateFormat::new(format, Reading::Exact)?),
    })
}

/// Whether a text begins as `YYYY-MM-DD` does.
fn is_usual(text: &str) -> bool {
    let text = text.trim().as_bytes();
    text.len() >= 10
        && (0..10).all(|at| match at {
            4 | 7 => text[at] == b'-',
            _ => text[at].is_ascii_digit(),
        })
}

/// A number with zeros for the digits that a scale does not hold.
fn truncated(text: &str, scale: u8) -> String {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i64>().unwrap_or(0)),
        None => (text, 0),
    };
    let before = number.split('.').next().unwrap_or_default();
    let before = before.bytes().filter(u8::is_ascii_digit).count() as i64;
    // No text has digits enough for an exponent at the end of its range.
    let kept = exponent.saturating_add(before + i64::from(scale));
    let mut count = 0;
    let digits = number.chars().map(|letter| {
        count += i64::from(letter.is_ascii_digit());
        match letter.is_ascii_digit() && count > kept {
            true => '0',
            false => letter,
        }
    });
    digits.collect::<String>() + &text[number.len()..]
}

/// A value of a row.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Null,
    Text(String),
    /// JSON that is no scalar.
    Json(String),
}

/// Bytes that are no text: a code, a message.
pub(super) const NO_UTF8: (i64, &str) = (
    1220,
    "String contains invalid or unsupported UTF8 codepoints.",
);

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
    query: u64,
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
            query: environment.context.number,
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
                query: self.query,
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
        match count >= self.format.most_errors {
            true => Err(Error::new(&error::COPY_ERRORS, &[&self.target.table.name])),
            false => Ok(()),
        }
    }

    /// A text that is no UTF-8, as ACCEPTINVCHARS wants it.
    pub(super) fn decoded(&self, at: usize, bytes: &[u8]) -> Result<String, Refused> {
        match (std::str::from_utf8(bytes), self.format.replace_invalid) {
            (Ok(text), _) => Ok(text.to_owned()),
            (Err(_), Some(with)) => Ok(replaced(bytes, with)),
            (Err(_), None) => Err(Refused {
                column: Some(at),
                value: String::from_utf8_lossy(bytes).into_owned(),
                code: NO_UTF8.0,
                message: NO_UTF8.1.to_owned(),
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
            return match column.not_null && !self.target.has_default(at) {
                true => Err(refused(
                    1213,
                    "Missing data for not-null field".to_owned(),
                    "",
                )),
                false => Ok(None),
            };
        };
        let text = match to {
            Type::Char(_) if !text.is_ascii() => {
                let message =
                    "Multibyte character not supported for CHAR (Hint: try using VARCHAR)";
                return Err(refused(1215, message.to_owned(), &text));
            }
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
            Type::Varbyte(length) => match read::hexadecimal(&text) {
                Some(bytes) if bytes.len() <= length as usize => return Ok(Some(text)),
                Some(_) => {
                    let message = "String length exceeds DDL length".to_owned();
                    return Err(refused(1204, message, &text));
                }
                None => {
                    let message = "Invalid hexadecimal value".to_owned();
                    return Err(refused(1216, message, &text));
                }
            },
            Type::Super => match Value::read(&text) {
                Ok(value) => value.to_string(),
                Err(error) => {
                    return Err(refused(1224, format!("Invalid JSON: {error}"), &text));
                }
            },
            Type::Date => self.moment(at, text, &format.date_format, to)?,
            Type::Timestamp | Type::TimestampTz => {
                self.moment(at, text, &format.time_format, to)?
            }
            Type::Numeric(_, scale) if !format.round => truncated(&text, scale),
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
                    let (code, name) = match to {
                        Type::Numeric(..) => (1209, "Decimal"),
                        to if to.is_whole() => (1207, "Integer"),
                        _ => (1208, "Float"),
                    };
                    let message = match error.sqlstate() {
                        "22003" => format!("Overflow for column {}", column.name),
                        _ => format!("Invalid digit, Value '{digit}', Pos {place}, Type: {name}"),
                    };
                    refused(code, message, &text)
                }
                Type::Bool => refused(1210, error.text().to_owned(), &text),
                _ => refused(1216, error.text().to_owned(), &text),
            }),
        }
    }

    /// A date or a time in a form that casts read.
    fn moment(
        &self,
        at: usize,
        text: String,
        moments: &Moments,
        to: Type,
    ) -> Result<String, Refused> {
        let (read, shown) = match moments {
            Moments::Auto => return Ok(text),
            Moments::Usual if is_usual(&text) => return Ok(text),
            Moments::Usual => (None, "YYYY-MM-DD"),
            Moments::Epoch(name, unit) => {
                let count = text.trim().parse::<i64>().ok();
                (count.and_then(|count| count.checked_mul(*unit)), *name)
            }
            // What is wrong now is the text: the format can be read.
            Moments::Pattern(format) => {
                let read = format.read(&text, to).ok();
                let read = read.map(|(day, micros)| i64::from(day) * DAY + micros);
                (read, format.text())
            }
        };
        match (read, to) {
            (Some(micros), _) => Ok(show::timestamp(micros)),
            // What is no date becomes NULL.
            (None, _) if self.format.any_date => Ok(String::new()),
            (None, Type::Date) => Err(Refused {
                column: Some(at),
                value: text,
                code: 1205,
                message: format!("Invalid Date Format - {shown}"),
            }),
            (None, _) => Err(Refused {
                column: Some(at),
                value: text,
                code: 1206,
                message: format!("Invalid timestamp format or value [{shown}]"),
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
            // Files of text have bytes as hexadecimal digits; a cast would take the digits for the bytes.
            if matches!(column.data_type, Type::Varbyte(_)) {
                let bytes = texts.iter().map(|text| read::hexadecimal(text.as_deref()?));
                return Ok(Arc::new(bytes.collect::<BinaryArray>()) as ArrayRef);
            }
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

#[cfg(test)]
mod tests {
    use super::truncated;

    #[test]
    fn digits_that_a_scale_does_not_hold_are_zeros() {
        for (text, cut) in [
            ("1.259", "1.250"),
            ("1.2559e1", "1.2550e1"),
            ("1.5e9223372036854775807", "1.5e9223372036854775807"),
            ("1.5e-9223372036854775808", "0.0e-9223372036854775808"),
        ] {
            assert_eq!(truncated(text, 2), cut);
        }
    }
}
