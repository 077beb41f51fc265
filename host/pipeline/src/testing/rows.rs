//! Rows that are written in YAML as a record batch.
//!
//! A column's type is known from the table that the rows are for, or told from the values. A value has to be of the column's type
//! as it stands there: a number is no text, and a text that is no date does not become NULL. What does not fit is reported at
//! its place.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use serde_json::{Map, Value, json};

use super::model::{Reported, Row, Rows};
use crate::file::node::{Node, Yaml};
use crate::types::type_name;

/// The rows as a batch of `schema`, in which every column may hold NULL; `None` if something was reported.
///
/// A column that a row does not name is NULL there; one that `schema` does not have is passed over.
pub(super) fn batch(
    rows: &Rows,
    schema: &Schema,
    table: &str,
    reported: &mut Reported<'_>,
) -> Option<RecordBatch> {
    let before = reported.problems.len();
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for field in schema.fields() {
        let nodes: Vec<Option<&Node>> = rows
            .rows
            .iter()
            .map(|row| cell(row, field.name()))
            .collect();
        let what = format!("column `{}` of `{table}`", field.name());
        let array = column(&nodes, field.data_type(), &what, reported);
        columns.push(array.unwrap_or_else(|| new_null_array(field.data_type(), nodes.len())));
        fields.push(field.as_ref().clone().with_nullable(true));
    }
    if reported.problems.len() > before {
        return None;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows.len()));
    let schema = Arc::new(Schema::new(fields));
    match RecordBatch::try_new_with_options(schema, columns, &options) {
        Ok(batch) => Some(batch),
        Err(error) => {
            let problem = reported.at(rows.key, format!("the rows of `{table}` make no table"));
            reported.report(problem.with_label(error.to_string()));
            None
        }
    }
}

/// The columns that the rows name, with types told from their values, unless `types` has them; `None` if something was reported.
pub(super) fn told(
    rows: &Rows,
    types: &Schema,
    table: &str,
    reported: &mut Reported<'_>,
) -> Option<Schema> {
    let before = reported.problems.len();
    let mut fields = Vec::new();
    for column in rows.columns() {
        let name = &column.value;
        if let Ok(field) = types.field_with_name(name) {
            fields.push(field.clone());
            continue;
        }
        let nodes: Vec<&Node> = rows.rows.iter().filter_map(|row| cell(row, name)).collect();
        let data_type = told_type(&nodes).unwrap_or_else(|node| {
            let message = format!("column `{name}` of `{table}` has values of several types");
            let problem = reported.at(node.span, message);
            reported
                .report(problem.with_label(format!("{}, unlike those before", node.value.kind())));
            DataType::Utf8
        });
        fields.push(Field::new(name, data_type, true));
    }
    (reported.problems.len() == before).then(|| Schema::new(fields))
}

fn cell<'n>(row: &'n Row, column: &str) -> Option<&'n Node> {
    let (_, node) = row.cells.iter().find(|(key, _)| key.name == column)?;
    Some(node)
}

/// The one type that all values have, or the first value that has another.
fn told_type<'n>(nodes: &[&'n Node]) -> Result<DataType, &'n Node> {
    let mut told: Option<DataType> = None;
    for node in nodes {
        let of_value = match &node.value {
            Yaml::Null(_) => continue,
            Yaml::Bool(..) => DataType::Boolean,
            Yaml::Int(_) => DataType::Int64,
            Yaml::Float(..) => DataType::Float64,
            Yaml::Text(..) => DataType::Utf8,
            // Of the items and members of all values together, below.
            Yaml::List(_) => DataType::new_list(DataType::Null, true),
            Yaml::Map(_) => DataType::Struct(Vec::<Field>::new().into()),
        };
        told = Some(match (told, of_value) {
            (None, of_value) => of_value,
            (Some(told), of_value) if told == of_value => told,
            (Some(DataType::Int64), DataType::Float64)
            | (Some(DataType::Float64), DataType::Int64) => DataType::Float64,
            _ => return Err(node),
        });
    }
    match told {
        None => Ok(DataType::Utf8),
        Some(DataType::List(_)) => {
            let items = nodes.iter().filter_map(|node| match &node.value {
                Yaml::List(items) => Some(items),
                _ => None,
            });
            let items: Vec<&Node> = items.flatten().collect();
            Ok(DataType::new_list(told_type(&items)?, true))
        }
        Some(DataType::Struct(_)) => {
            let members = nodes.iter().filter_map(|node| match &node.value {
                Yaml::Map(members) => Some(members),
                _ => None,
            });
            let mut by_name: Vec<(&str, Vec<&Node>)> = Vec::new();
            for (key, node) in members.flatten() {
                match by_name.iter_mut().find(|(name, _)| *name == key.name) {
                    Some((_, nodes)) => nodes.push(node),
                    None => by_name.push((&key.name, vec![node])),
                }
            }
            let fields = by_name
                .into_iter()
                .map(|(name, nodes)| Ok(Field::new(name, told_type(&nodes)?, true)));
            Ok(DataType::Struct(
                fields.collect::<Result<Vec<_>, _>>()?.into(),
            ))
        }
        Some(simple) => Ok(simple),
    }
}

/// One column; `None` if something was reported.
fn column(
    nodes: &[Option<&Node>],
    data_type: &DataType,
    what: &str,
    reported: &mut Reported<'_>,
) -> Option<ArrayRef> {
    let mut values = Vec::with_capacity(nodes.len());
    let mut fits = true;
    for node in nodes {
        let value = node.map_or(Ok(Value::Null), |node| json_of(node, data_type));
        values.push(value.unwrap_or_else(|wrong| {
            misfit(wrong, data_type, what, reported);
            fits = false;
            Value::Null
        }));
    }
    if !fits {
        return None;
    }
    if let Ok(array) = decode(&values, data_type) {
        return Some(array);
    }
    // The decoder does not say which value it was.
    let mut found = false;
    for (value, node) in values.iter().zip(nodes) {
        if let (Err(_), Some(node)) = (decode(std::slice::from_ref(value), data_type), node) {
            misfit(node, data_type, what, reported);
            found = true;
        }
    }
    if let (false, Some(node)) = (found, nodes.iter().flatten().next()) {
        misfit(node, data_type, what, reported);
    }
    None
}

fn misfit(node: &Node, data_type: &DataType, what: &str, reported: &mut Reported<'_>) {
    let name = type_name(data_type);
    let message = format!("{what} is {name}, which {} is not", node.value.kind());
    let mut problem = reported.at(node.span, message);
    problem = match (&node.value, data_type) {
        (Yaml::Int(text) | Yaml::Float(_, text) | Yaml::Bool(_, text), _) if is_text(data_type) => {
            problem.with_hint(format!("write `\"{text}\"` for a text"))
        }
        (_, DataType::Date32) => problem.with_hint("write a date like `2024-01-31`"),
        (_, DataType::Timestamp(..)) => {
            problem.with_hint("write a time like `2024-01-31 10:00:00`")
        }
        _ => problem,
    };
    reported.report(problem.with_label(format!("expected {name}")));
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The value as JSON for a decoder of `data_type`, or the node in it that is of another kind.
fn json_of<'n>(node: &'n Node, data_type: &DataType) -> Result<Value, &'n Node> {
    let value = match (&node.value, data_type) {
        (Yaml::Null(_), _) => Value::Null,
        (_, DataType::Dictionary(_, values)) => return json_of(node, values),
        (Yaml::Bool(value, _), DataType::Boolean) => Value::Bool(*value),
        // As text: JSON's numbers do not hold all digits, infinities and NaN.
        (Yaml::Int(text), number) if number.is_numeric() => text.clone().into(),
        (Yaml::Float(number, text), number_type) if number_type.is_floating() => {
            match number.is_finite() {
                true => text.clone().into(),
                false => number.to_string().into(),
            }
        }
        (Yaml::Float(_, text), decimal) if decimal.is_decimal() => text.clone().into(),
        (Yaml::Text(text, _), other)
            if !(other.is_integer()
                || other.is_floating()
                || other.is_nested()
                || *other == DataType::Boolean) =>
        {
            text.clone().into()
        }
        (
            Yaml::List(items),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item),
        ) => {
            let items = items.iter().map(|node| json_of(node, item.data_type()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        (Yaml::Map(members), DataType::Struct(fields)) => {
            let mut map = Map::new();
            for (key, node) in members {
                let (_, field) = fields.find(&key.name).ok_or(node)?;
                map.insert(key.name.clone(), json_of(node, field.data_type())?);
            }
            Value::Object(map)
        }
        (Yaml::Map(members), DataType::Map(entries, _)) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(node);
            };
            let value_type = fields.get(1).ok_or(node)?.data_type();
            let mut map = Map::new();
            for (key, node) in members {
                map.insert(key.name.clone(), json_of(node, value_type)?);
            }
            Value::Object(map)
        }
        _ => return Err(node),
    };
    Ok(value)
}

fn decode(values: &[Value], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.is_empty() {
        return Ok(new_null_array(data_type, 0));
    }
    let counted: Vec<Value>;
    let values = match data_type {
        DataType::Duration(unit) => {
            counted = values.iter().map(|value| duration(value, *unit)).collect();
            &counted
        }
        _ => values,
    };
    let field = Field::new("value", data_type.clone(), true);
    let decoder = ReaderBuilder::new(Arc::new(Schema::new(vec![field])))
        .with_batch_size(values.len())
        .build_decoder();
    let Ok(mut decoder) = decoder else {
        // No type of JSON: intervals, dictionaries.
        return from_texts(values, data_type);
    };
    let rows: Vec<Value> = values
        .iter()
        .map(|value| json!({ "value": value }))
        .collect();
    decoder.serialize(&rows)?;
    let batch = decoder.flush()?;
    match batch {
        Some(batch) => Ok(Arc::clone(batch.column(0))),
        None => Ok(new_null_array(data_type, 0)),
    }
}

/// A duration as it is shown, such as `-PT90.5S` or `P0D`, as the number of its units, which is how Arrow reads one from JSON. Another
/// text stays as it is, and is found to be none.
fn duration(value: &Value, unit: TimeUnit) -> Value {
    let counted = |text: &str| {
        let (sign, text) = match text.strip_prefix('-') {
            Some(text) => (-1, text),
            None => (1, text),
        };
        // Nothing is shown in days, all else in seconds.
        if text == "P0D" {
            return Some(0);
        }
        let text = text.strip_prefix("PT")?.strip_suffix('S')?;
        let digits = match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let fits = !whole.is_empty() && is_number(whole) && is_number(fraction);
        // More digits than the unit has would be lost, unless they are zeros.
        let (kept, lost) = fraction.split_at(fraction.len().min(digits));
        (fits && lost.chars().all(|c| c == '0')).then_some(())?;
        let count: i64 = format!("{whole}{kept:0<digits$}").parse().ok()?;
        Some(sign * count)
    };
    match value.as_str().and_then(counted) {
        Some(count) => json!(count),
        None => value.clone(),
    }
}

fn from_texts(values: &[Value], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let texts: StringArray = values.iter().map(Value::as_str).collect();
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(&texts, data_type, &strict)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DurationMicrosecondType, DurationSecondType};
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn durations(texts: &[String], unit: TimeUnit) -> Result<ArrayRef, ArrowError> {
        let values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
        decode(&values, &DataType::Duration(unit))
    }

    #[test]
    fn durations_are_read_as_they_are_shown() {
        let counts = [0, 1, -1, 90_500_000, -86_400_000_000, 1_000_001];
        let unit = TimeUnit::Microsecond;
        let numbers: Vec<Value> = counts.iter().map(|count| json!(count)).collect();
        let given = decode(&numbers, &DataType::Duration(unit)).unwrap();
        let shown = (0..counts.len()).map(|row| array_value_to_string(&given, row).unwrap());
        let read = durations(&shown.collect::<Vec<_>>(), unit).unwrap();
        let read = read.as_primitive::<DurationMicrosecondType>();
        assert_eq!(read.values().to_vec(), counts);
    }

    #[test]
    fn a_text_that_is_no_duration_of_the_unit_is_refused() {
        for text in [
            "PT1.5S", "PT", "PTS", "PT1", "1S", "PT1,5S", "a day", "PT--1S",
        ] {
            let read = durations(&[text.to_owned()], TimeUnit::Second);
            assert!(read.is_err(), "{text}: {read:?}");
        }
        let read = durations(&["PT2.0S".to_owned()], TimeUnit::Second).unwrap();
        assert_eq!(read.as_primitive::<DurationSecondType>().value(0), 2);
    }
}
