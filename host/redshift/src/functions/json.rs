//! JSON: SUPER values and texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ScalarUDF;
use serde_json::Value;

use super::scalar::{Arguments, by_text, scalar};
use crate::error::{self, Error, Result};
use crate::types::Type;

/// What a path into a SUPER value becomes: a value, and the path as a JSON array of names and places.
pub(crate) const SUPER_PATH: &str = "redshift_super_path";

const TEXT: Type = Type::Varchar(crate::types::MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_json_parse",
            |_| Ok((vec![TEXT], Type::Super)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    Ok(Some(parsed(values[0])?.to_string()))
                })
            },
        ),
        scalar("redshift_json_serialize", of_super, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_is_valid_json", of_text, |columns, _, _| {
            by_text::<_, BooleanArray>(columns, |values| {
                // Scalars alone are no JSON here.
                let value = serde_json::from_str(values[0]);
                Ok(Some(matches!(
                    value,
                    Ok(Value::Object(_) | Value::Array(_))
                )))
            })
        }),
        scalar("redshift_is_valid_json_array", of_text, |columns, _, _| {
            by_text::<_, BooleanArray>(columns, |values| {
                let value = serde_json::from_str::<Value>(values[0]);
                Ok(Some(value.is_ok_and(|value| value.is_array())))
            })
        }),
        scalar("json_array_length", length_types, |columns, _, _| {
            by_text::<_, Int64Array>(&columns[..1], |values| {
                let value = parsed(values[0])?;
                Ok(value.as_array().map(|items| items.len() as i64))
            })
        }),
        scalar("redshift_json_typeof", of_super, |columns, _, _| {
            by_text::<_, StringArray>(columns, |values| {
                let name = match parsed(values[0])? {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                Ok(Some(name.to_owned()))
            })
        }),
        scalar("redshift_json_path", path_types, path),
        scalar(SUPER_PATH, super_path_types, super_path),
        scalar(
            "redshift_json_element",
            |arguments| {
                let mut types = vec![TEXT, Type::Int8];
                types.extend(arguments.types.get(2).map(|_| Type::Bool));
                Ok((types, TEXT))
            },
            element,
        ),
    ]
}

fn of_text(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0].is_text() {
        true => Ok((vec![TEXT], Type::Bool)),
        false => Err(arguments.refused()),
    }
}

fn of_super(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        Type::Super | Type::Unknown => Ok((vec![Type::Super], TEXT)),
        _ => Err(arguments.refused()),
    }
}

fn length_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let first = match arguments.types[0] {
        Type::Super => Type::Super,
        data_type if data_type.is_text() => TEXT,
        _ => return Err(arguments.refused()),
    };
    let mut types = vec![first];
    types.extend(arguments.types.get(1).map(|_| Type::Bool));
    Ok((types, Type::Int8))
}

pub(crate) fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::new(&error::INVALID_JSON, &[&error]))
}

/// The last argument may say that what is no JSON is NULL.
fn path_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let types = arguments.types.iter().enumerate().map(|(at, data_type)| {
        let is_last = at + 1 == arguments.types.len();
        match data_type {
            Type::Bool if is_last && at > 1 => Ok(Type::Bool),
            data_type if data_type.is_text() => Ok(TEXT),
            _ => Err(arguments.refused()),
        }
    });
    Ok((types.collect::<Result<_>>()?, TEXT))
}

/// A value as `JSON_EXTRACT_PATH_TEXT` gives it.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn path(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let (texts, is_lenient) = match types.last() {
        Some(Type::Bool) => {
            let flags = columns[columns.len() - 1].as_boolean();
            let is_set = !flags.is_empty() && flags.is_valid(0) && flags.value(0);
            (&columns[..columns.len() - 1], is_set)
        }
        _ => (columns, false),
    };
    by_text::<_, StringArray>(texts, |values| {
        let document = match parsed(values[0]) {
            Ok(document) => document,
            Err(_) if is_lenient => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = values[1..]
            .iter()
            .try_fold(&document, |value, step| match value {
                Value::Object(object) => object.get(*step),
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            });
        Ok(Some(found.map(as_text).unwrap_or_default()))
    })
}

fn super_path_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        Type::Super => Ok((vec![Type::Super, TEXT], Type::Super)),
        other => {
            let what = format!("a path into a value of type {}", other.name());
            Err(Error::new(&error::UNSUPPORTED, &[&what]))
        }
    }
}

/// What is not there is NULL, also what is no object or no array where the path asks for one: navigation is lax unless a session
/// says otherwise.
fn super_path(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_string::<i32>();
    let paths = columns[1].as_string::<i32>();
    let mut steps: Option<(&str, Vec<Value>)> = None;
    let computed = (0..values.len()).map(|row| {
        if values.is_null(row) || paths.is_null(row) {
            return Ok(None);
        }
        let path = paths.value(row);
        let steps = match &mut steps {
            Some((text, steps)) if *text == path => steps,
            steps => {
                let Value::Array(read) = parsed(path)? else {
                    return Ok(None);
                };
                &mut steps.insert((path, read)).1
            }
        };
        let document = parsed(values.value(row))?;
        let found = steps
            .iter()
            .try_fold(&document, |value, step| match (value, step) {
                (Value::Object(object), Value::String(name)) => object.get(name),
                (Value::Array(items), Value::Number(place)) => {
                    items.get(usize::try_from(place.as_u64()?).ok()?)
                }
                _ => None,
            });
        Ok(found.map(Value::to_string))
    });
    Ok(Arc::new(computed.collect::<Result<StringArray>>()?))
}

fn element(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let places = columns[1].as_primitive::<Int64Type>();
    let is_lenient = columns.get(2).is_some_and(|flags| {
        let flags = flags.as_boolean();
        !flags.is_empty() && flags.is_valid(0) && flags.value(0)
    });
    let computed = (0..texts.len()).map(|row| {
        if texts.is_null(row) || places.is_null(row) {
            return Ok(None);
        }
        let document = match parsed(texts.value(row)) {
            Ok(document) => document,
            Err(_) if is_lenient => return Ok(None),
            Err(error) => return Err(error),
        };
        let place = usize::try_from(places.value(row)).ok();
        let found = place.and_then(|place| document.as_array()?.get(place).map(as_text));
        Ok(Some(found.unwrap_or_default()))
    });
    Ok(Arc::new(computed.collect::<Result<StringArray>>()?))
}
