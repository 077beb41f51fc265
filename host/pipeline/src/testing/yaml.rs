//! Rows of a record batch as they are written in YAML, so that reading them gives the same rows.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use transom_sql::show;

/// A row that is longer goes on in the next line.
const LINE: usize = 110;

/// The rows in this order, each as the lines of one item of a list that is indented by `indent` blanks.
pub(super) fn items(
    batch: &RecordBatch,
    order: &[usize],
    indent: usize,
) -> Result<Vec<String>, ArrowError> {
    let schema = batch.schema();
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        names.push(text(field.name()));
        columns.push(values(array)?);
    }
    let mut lines = Vec::new();
    for &row in order {
        let mut line = format!("{:indent$}- {{", "");
        for (at, (name, values)) in names.iter().zip(&columns).enumerate() {
            let cell = format!(
                "{}{name}: {}",
                if at == 0 { " " } else { ", " },
                values[row]
            );
            if line.chars().count() + cell.chars().count() > LINE && at > 0 {
                line.push(',');
                lines.push(std::mem::take(&mut line));
                line = format!("{:1$}", "", indent + 3);
                line.push_str(cell.trim_start_matches(','));
            } else {
                line.push_str(&cell);
            }
        }
        line.push_str(" }");
        lines.push(line);
    }
    Ok(lines)
}

/// The values of a column, each as YAML that [`super::rows`] reads as the same value.
fn values(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => self::values(&cast(array, values)?),
        DataType::RunEndEncoded(_, values) => self::values(&cast(array, values.data_type())?),
        nested if nested.is_nested() => self::nested(array),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => scalars(array, text),
        data_type if is_bare(data_type) => scalars(array, bare),
        _ => scalars(array, text),
    }
}

/// Lists, structs and maps as JSON writes them, but for numbers that JSON does not hold.
pub(super) fn nested(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let list = |items: &[String], range: Range<usize>| format!("[{}]", items[range].join(","));
    let rows = 0..array.len();
    let written = match array.data_type() {
        DataType::Dictionary(_, values) => nested(&cast(array, values)?)?,
        DataType::RunEndEncoded(_, values) => nested(&cast(array, values.data_type())?)?,
        DataType::ListView(item) => nested(&cast(array, &DataType::List(Arc::clone(item)))?)?,
        DataType::LargeListView(item) => {
            nested(&cast(array, &DataType::LargeList(Arc::clone(item)))?)?
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let items = nested(lists.values())?;
            let ends = lists.value_offsets();
            rows.map(|row| list(&items, ends[row] as usize..ends[row + 1] as usize))
                .collect()
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let items = nested(lists.values())?;
            let ends = lists.value_offsets();
            rows.map(|row| list(&items, ends[row] as usize..ends[row + 1] as usize))
                .collect()
        }
        DataType::FixedSizeList(_, size) => {
            let lists = array.as_fixed_size_list();
            let items = nested(lists.values())?;
            let size = usize::try_from(*size).unwrap_or_default();
            rows.map(|row| list(&items, row * size..(row + 1) * size))
                .collect()
        }
        DataType::Struct(fields) => {
            let members = array.as_struct();
            let columns = members.columns().iter().map(nested);
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let names: Vec<String> = fields.iter().map(|field| quoted(field.name())).collect();
            let row = |row: usize| {
                let members = names.iter().zip(&columns);
                let members = members.map(|(name, values)| format!("{name}:{}", values[row]));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            };
            rows.map(row).collect()
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            let keys = scalars(maps.keys(), quoted)?;
            let values = nested(maps.values())?;
            let ends = maps.value_offsets();
            let row = |row: usize| {
                let entries = ends[row] as usize..ends[row + 1] as usize;
                let entries = entries.map(|at| format!("{}:{}", keys[at], values[at]));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
            };
            rows.map(row).collect()
        }
        data_type if is_bare(data_type) => scalars(array, bare)?,
        _ => scalars(array, quoted)?,
    };
    let rows = written.into_iter().enumerate();
    Ok(rows
        .map(|(row, text)| match array.is_null(row) {
            true => NULL.to_owned(),
            false => text,
        })
        .collect())
}

const NULL: &str = "null";

/// Whether values of a type are written without quotes.
fn is_bare(data_type: &DataType) -> bool {
    *data_type == DataType::Boolean || data_type.is_numeric()
}

/// Values that are not nested; `write` writes one from the text that Arrow shows for it.
fn scalars(array: &ArrayRef, write: impl Fn(&str) -> String) -> Result<Vec<String>, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => return scalars(&cast(array, values)?, write),
        DataType::Null => return Ok(vec![NULL.to_owned(); array.len()]),
        _ => {}
    }
    let options = FormatOptions::default();
    let formatter = show::formatter(array, &options)?;
    let value = |row| match array.is_null(row) {
        true => Ok(NULL.to_owned()),
        false => Ok(write(&formatter.value(row).try_to_string()?)),
    };
    (0..array.len()).map(value).collect()
}

/// A number or a truth value.
fn bare(shown: &str) -> String {
    match shown {
        "NaN" => ".nan".to_owned(),
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        _ => shown.to_owned(),
    }
}

/// A text without quotes where YAML takes it for nothing else.
pub(super) fn text(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '/' | '.')
        });
    let is_date = {
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.len() == 10 && text.split('-').count() == 3 && text.split('-').all(digits)
    };
    // In YAML 1.1, which other programs read it as, more words are truth values.
    let words = [NULL, "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is_plain || is_date) && !is_word {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A text in double quotes: as in JSON, and with an escape for each character that YAML does not have in a file.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Control characters, other line breaks, the byte order mark, and what is no character.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::*;

    #[test]
    fn a_text_is_quoted_where_yaml_would_take_it_for_something_else() {
        let texts = ["UA", "2013-01-01", "No", "12", "a: b", "", "10:00"].map(text);
        assert_eq!(
            texts,
            [
                "UA",
                "2013-01-01",
                "\"No\"",
                "\"12\"",
                "\"a: b\"",
                "\"\"",
                "\"10:00\""
            ]
        );
    }

    #[test]
    fn a_long_row_goes_on_in_the_next_line() {
        let column = |index: usize| {
            let values = StringArray::from(vec!["a text of some length"]);
            (format!("column_{index}"), Arc::new(values) as ArrayRef)
        };
        let batch = RecordBatch::try_from_iter((0..4).map(column)).unwrap();
        let lines = items(&batch, &[0], 4).unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("    - { column_0: ") && lines[0].ends_with(','),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("        column_2: ") && lines[1].ends_with(" }"),
            "{lines:?}"
        );
    }

    #[test]
    fn numbers_that_are_none_have_yaml_s_names() {
        let values = Float64Array::from(vec![
            Some(f64::NAN),
            Some(f64::NEG_INFINITY),
            Some(1.0),
            None,
        ]);
        let values = super::values(&(Arc::new(values) as ArrayRef)).unwrap();
        assert_eq!(values, [".nan", "-.inf", "1.0", "null"]);
    }
}
