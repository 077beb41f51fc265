//! Objects of JSON, one after the other.

use arrow::array::RecordBatch;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::records::{Cell, Gathered, Json, Records, Refused};
use super::source::Source;
use crate::catalog::Column;
use crate::error::Result;
use crate::types::Type;
use crate::types::json::Json as Value;

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
    let mut objects = Deserializer::from_slice(rest).into_iter::<&RawValue>();
    let mut line = 0;
    loop {
        let start = objects.byte_offset();
        let Some(object) = objects.next() else {
            break;
        };
        line += 1;
        let object = match object.and_then(|object| Value::read(object.get())) {
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
                objects = Deserializer::from_slice(rest).into_iter::<&RawValue>();
                continue;
            }
        };
        let row = || -> Result<Vec<Option<String>>, Refused> {
            if !matches!(object, Value::Object(_)) && matches!(json, Json::Names { .. }) {
                return Err(Refused::row(1216, "Member is not an object."));
            }
            let values = columns.iter().enumerate().map(|(at, column)| {
                let found = find(json, &object, at, column);
                records.value(at, column, cell(found, column.data_type))
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
            let Value::Object(entries) = object else {
                return None;
            };
            let mut entries = entries.iter();
            entries
                .find(|(name, _)| name.to_ascii_lowercase() == column.name)
                .map(|(_, value)| value)
        }
        Json::Paths(paths) => {
            let mut steps = paths.get(at)?.iter();
            steps.try_fold(object, |value, step| value.step(step))
        }
    }
}

fn cell(value: Option<&Value>, to: Type) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(value) if to == Type::Super => Cell::Json(value.to_string()),
        Some(Value::Text(text) | Value::Number(text)) => Cell::Text(text.clone()),
        Some(value) => Cell::Json(value.to_string()),
    }
}
