//! Rows of a record batch as they are written in YAML, so that reading them gives the same rows.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

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

fn values(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let data_type = array.data_type();
    if data_type.is_nested() {
        return nested(array);
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let value = |row| {
        if array.is_null(row) {
            return Ok("null".to_owned());
        }
        let shown = formatter.value(row).try_to_string()?;
        Ok(match data_type {
            DataType::Boolean => shown,
            simple if simple.is_integer() || simple.is_decimal() => shown,
            simple if simple.is_floating() => match shown.as_str() {
                "NaN" => ".nan".to_owned(),
                "inf" => ".inf".to_owned(),
                "-inf" => "-.inf".to_owned(),
                _ => shown,
            },
            _ => text(&shown),
        })
    };
    (0..array.len()).map(value).collect()
}

/// Lists and maps in JSON, which YAML holds.
pub(super) fn nested(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let batch = RecordBatch::try_from_iter([("value", ArrayRef::clone(array))])?;
    let mut json = Vec::new();
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, JsonArray>(&mut json);
    writer.write(&batch)?;
    writer.finish()?;
    let rows: Vec<Value> =
        serde_json::from_slice(&json).map_err(|error| ArrowError::JsonError(error.to_string()))?;
    let rows = rows.iter().map(|row| row["value"].to_string());
    Ok(rows.collect())
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
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is_plain || is_date) && !is_word {
        true => text.to_owned(),
        // JSON's texts are YAML's texts in double quotes.
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::*;

    #[test]
    fn a_text_is_quoted_where_yaml_would_take_it_for_something_else() {
        let told = ["UA", "2013-01-01", "No", "12", "a: b", "", "10:00"].map(text);
        assert_eq!(
            told,
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
