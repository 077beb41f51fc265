//! Objects of JSON, one after the other.

use arrow::array::RecordBatch;
use serde_json::{Deserializer, Value};

use super::records::{Cell, Gathered, Json, Records, Refused};
use super::source::Source;
use crate::catalog::Column;
use crate::error::Result;

/// Hands the rows of a file over until they are not wanted any more.
pub(super) fn read(
    records: &Records,
    source: &Source,
    text: &[u8],
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let Some(json) = &records.format.json else {
        return Ok(());
    };
    let columns = records.target.columns();
    let mut gathered = Gathered::new(records);
    let mut rest = text;
    let mut objects = Deserializer::from_slice(rest).into_iter::<Value>();
    let mut line = 0;
    loop {
        let start = objects.byte_offset();
        let Some(object) = objects.next() else {
            break;
        };
        line += 1;
        let object = match object {
            Ok(object) => object,
            Err(error) => {
                let message = format!("Invalid JSONPath format. Member is not an object. {error}");
                records.refuse(source, line, Refused::row(1216, &message))?;
                // What follows on the line cannot be told from a value.
                let broken = &rest[start..];
                let blanks = broken
                    .iter()
                    .take_while(|byte| byte.is_ascii_whitespace())
                    .count();
                let next = broken[blanks..].iter().position(|byte| *byte == b'\n');
                let Some(next) = next else {
                    break;
                };
                rest = &broken[blanks + next + 1..];
                objects = Deserializer::from_slice(rest).into_iter::<Value>();
                continue;
            }
        };
        let row = || -> Result<Vec<Option<String>>, Refused> {
            if !object.is_object() && matches!(json, Json::Names { .. }) {
                return Err(Refused::row(1216, "Member is not an object."));
            }
            let values = columns.iter().enumerate().map(|(at, column)| {
                records.value(at, column, cell(find(json, &object, at, column)))
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

fn find<'a>(json: &Json, object: &'a Value, at: usize, column: &Column) -> Option<&'a Value> {
    match json {
        Json::Names { ignore_case: false } => object.get(&column.name),
        Json::Names { ignore_case: true } => {
            let mut entries = object.as_object()?.iter();
            entries
                .find(|(name, _)| name.to_lowercase() == column.name)
                .map(|(_, value)| value)
        }
        Json::Paths(paths) => paths
            .get(at)?
            .iter()
            .try_fold(object, |value, step| match value {
                Value::Object(object) => object.get(step),
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            }),
    }
}

fn cell(value: Option<&Value>) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::String(text)) => Cell::Text(text.clone()),
        Some(Value::Number(number)) => Cell::Text(number.to_string()),
        Some(Value::Bool(value)) => Cell::Text(value.to_string()),
        Some(nested) => Cell::Json(nested.to_string()),
    }
}
