//! Rows as cases write them.
//!
//! ```text
//! id: int64 not null | name: utf8 | u: struct<a: int64>
//! 1                  | Ann        | {"a":1}
//! 2                  | NULL       | NULL
//! 3                  | "NULL"     | {"a":null}
//! ```
//!
//! The first line names the columns. Types may be left out of what is expected; then only the values count. Text stands as it is, or
//! as a string of JSON. `x'5afc'` are bytes, `#5` is the number that a date or timestamp is stored as, nested values are JSON.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::ReaderBuilder;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::{files, types};

/// Columns with types, and rows as text.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Column {
    name: String,
    data_type: Option<String>,
    nullable: bool,
}

impl Table {
    /// Reads the text of a case.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let column = |text: &str| {
            let (text, nullable) = match text.trim().strip_suffix(" not null") {
                Some(text) => (text, false),
                None => (text.trim(), true),
            };
            let (name, data_type) = match text.split_once(':') {
                Some((name, data_type)) => (name, Some(data_type.trim().to_owned())),
                None => (text, None),
            };
            Ok(Column {
                name: unquoted(name.trim())?,
                data_type,
                nullable,
            })
        };
        let header = lines.next().ok_or("a table has no header")?;
        let columns: Vec<Column> = cells(header)
            .iter()
            .map(|text| column(text))
            .collect::<Result<_, String>>()?;
        let mut rows = Vec::new();
        for line in lines {
            let (times, line) = match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
                Some((times, line)) => (times.parse().map_err(|_| format!("`@{times}`"))?, line),
                None => (1, line),
            };
            let row = cells(line);
            if row.len() != columns.len() {
                return Err(format!("`{line}` has {} cells", row.len()));
            }
            for n in 1..=times {
                let number = |cell: &String| cell.replace("{n}", &usize::to_string(&n));
                rows.push(row.iter().map(number).collect());
            }
        }
        Ok(Self { columns, rows })
    }

    /// The rows as Arrow has them.
    pub(crate) fn batch(&self) -> Result<RecordBatch, String> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let name = column
                .data_type
                .as_deref()
                .ok_or("a column of a file has no type")?;
            let data_type = types::parse(name)?;
            let cells: Vec<&str> = self.rows.iter().map(|row| row[index].as_str()).collect();
            let array =
                array(&cells, &data_type).map_err(|error| format!("{}: {error}", column.name))?;
            fields.push(Field::new(&column.name, data_type, column.nullable));
            columns.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| error.to_string())
    }

    /// Compares with what came out; `with_types` also the types that are given.
    pub(crate) fn compare(&self, found: &[RecordBatch], with_types: bool) -> Result<(), String> {
        let schema = found
            .first()
            .map(RecordBatch::schema)
            .ok_or("there is no result")?;
        let shown = |rows: &[Vec<String>]| {
            rows.iter()
                .take(20)
                .map(|row| row.join(" | "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let expected: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        if expected != names {
            return Err(format!("columns are {names:?}, expected {expected:?}"));
        }
        for (column, field) in self.columns.iter().zip(schema.fields()) {
            let found = transom_sql::type_name(field.data_type());
            if let Some(expected) = column.data_type.as_ref().filter(|_| with_types)
                && *expected != found
            {
                return Err(format!("`{}` is {found}, expected {expected}", column.name));
            }
        }
        let found = rows(found)?;
        let mut expected = Vec::new();
        for row in &self.rows {
            expected.push(
                row.iter()
                    .map(|cell| unquoted(cell))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
        let sorted = |rows: &[Vec<String>]| {
            let mut rows: Vec<Vec<String>> = rows
                .iter()
                .map(|row| row.iter().map(|cell| comparable(cell)).collect())
                .collect();
            rows.sort();
            rows
        };
        if sorted(&found) != sorted(&expected) {
            let (found, expected) = (shown(&found), shown(&expected));
            return Err(format!("--- expected\n{expected}\n--- found\n{found}"));
        }
        Ok(())
    }

    /// What `columns` must say of a source to read this table, in this order.
    pub(crate) fn declared(&self) -> String {
        let column = |column: &Column| {
            let data_type = column.data_type.as_deref().unwrap_or_default();
            format!("{:?}: {data_type:?}", column.name)
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        format!("{{ {} }}", columns.join(", "))
    }
}

/// Cells between `|`, but not those within a string of JSON.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for character in line.chars() {
        let cell = cells.last_mut().expect("there is one");
        match character {
            '|' if !quoted => {
                cells.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        cell.push(character);
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// A cell as it is compared: a quoted text without its quotes, but still apart from `NULL`.
fn unquoted(cell: &str) -> Result<String, String> {
    if !(cell.len() > 1 && cell.starts_with('"') && cell.ends_with('"')) {
        return Ok(cell.to_owned());
    }
    let text: String = serde_json::from_str(cell).map_err(|error| format!("{cell}: {error}"))?;
    Ok(marked(text))
}

/// A text that would be taken for something else stands in quotes.
fn marked(text: String) -> String {
    match text.as_str() {
        "NULL" | "" => format!("{text:?}"),
        _ => text,
    }
}

/// `2`, `2.0` and `2.00` are one number; `T` and a blank separate a date from a time alike.
fn comparable(cell: &str) -> String {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().filter(|byte| *byte == b'.').count() == 1;
    match is_number {
        true => cell.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => cell.to_owned(),
    }
}

fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, String> {
    let options = FormatOptions::new()
        .with_null("NULL")
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
        .with_datetime_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| {
                ArrayFormatter::try_new(column, &options).map(|formatter| (column, formatter))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        for row in 0..batch.num_rows() {
            let mut cells = Vec::new();
            for (column, formatter) in &columns {
                let text = formatter
                    .value(row)
                    .try_to_string()
                    .map_err(|error| error.to_string())?;
                let is_text = matches!(
                    column.data_type(),
                    DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                );
                cells.push(match is_text && column.is_valid(row) {
                    true => marked(text),
                    false => text,
                });
            }
            rows.push(cells);
        }
    }
    Ok(rows)
}

fn array(cells: &[&str], data_type: &DataType) -> Result<ArrayRef, String> {
    let say = |error: arrow::error::ArrowError| error.to_string();
    if cells.is_empty() {
        return Ok(arrow::array::new_empty_array(data_type));
    }
    match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..) => {
            let schema = Arc::new(Schema::new(vec![Field::new("c", data_type.clone(), true)]));
            let mut decoder = ReaderBuilder::new(schema)
                .with_batch_size(cells.len())
                .build_decoder()
                .map_err(say)?;
            for cell in cells {
                let value = if *cell == "NULL" { "null" } else { cell };
                decoder
                    .decode(format!("{{\"c\":{value}}}\n").as_bytes())
                    .map_err(say)?;
            }
            let batch = decoder.flush().map_err(say)?.ok_or("no rows")?;
            Ok(Arc::clone(batch.column(0)))
        }
        DataType::Binary | DataType::FixedSizeBinary(_) => {
            let bytes = |cell: &&str| match *cell {
                "NULL" => Ok(None),
                cell => match cell
                    .strip_prefix("x'")
                    .and_then(|cell| cell.strip_suffix('\''))
                {
                    Some(digits) => files::hexadecimal(digits).map(Some),
                    None => Ok(Some(cell.as_bytes().to_vec())),
                },
            };
            let bytes = cells.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
            let array: BinaryArray = bytes.iter().map(Option::as_deref).collect();
            cast(&array, data_type).map_err(say)
        }
        _ => {
            let one = |cell: &&str| -> Result<ArrayRef, String> {
                if let Some(stored) = cell.strip_prefix('#') {
                    let stored: i64 = stored
                        .parse()
                        .map_err(|_| format!("{cell}: not a number"))?;
                    return match data_type {
                        DataType::Date32 => cast(&Int32Array::from(vec![stored as i32]), data_type),
                        _ => cast(&Int64Array::from(vec![stored]), data_type),
                    }
                    .map_err(say);
                }
                let text = match *cell {
                    "NULL" => None,
                    cell if cell.starts_with('"') => {
                        Some(serde_json::from_str(cell).map_err(|error| error.to_string())?)
                    }
                    cell => Some(cell.to_owned()),
                };
                let options = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                cast_with_options(&StringArray::from(vec![text]), data_type, &options).map_err(say)
            };
            let arrays = cells.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            let arrays: Vec<&dyn arrow::array::Array> = arrays.iter().map(AsRef::as_ref).collect();
            concat(&arrays).map_err(say)
        }
    }
}
