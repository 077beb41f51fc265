//! JSON: SUPER values and texts.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::{Decimal128Type, Int64Type};
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::scalar::{Arguments, by_row, by_text, by_text_and_flag, is_set, scalar};
use crate::error::{self, Error, Result};
use crate::types::Type;
use crate::types::json::{Fault, Json};

/// What a path into a SUPER value becomes: a value, and the path as a JSON array of names and places.
pub(crate) const SUPER_PATH: &str = "redshift_super_path";

const TEXT_OF_SUPER: &str = "redshift_text_of_super";

const NUMBER_OF_SUPER: &str = "redshift_number_of_super";

const EXACT_OF_SUPER: &str = "redshift_exact_of_super";

/// A decimal that holds all whole numbers of 64 bits beside its fraction.
const EXACT_DIGITS: u8 = 38;
const EXACT_SCALE: u8 = 19;

/// Up to which all whole numbers are floats.
const EXACT: u128 = 1 << f64::MANTISSA_DIGITS;

const TEXT: Type = Type::Varchar(crate::types::MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_json_parse",
            |_| Ok((vec![TEXT], Type::Super)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let value = parsed(values[0])?;
                    match value.duplicate() {
                        Some(key) => {
                            let why = format!("the key {key:?} stands several times");
                            Err(Error::new(&error::INVALID_JSON, &[&why]))
                        }
                        None => Ok(Some(value.to_string())),
                    }
                })
            },
        ),
        scalar("redshift_json_serialize", of_super, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_is_valid_json", of_text, |columns, _, _| {
            by_text::<_, BooleanArray>(columns, |values| {
                // Scalars alone are no JSON here.
                let value = document(values[0], true)?;
                let is_valid = matches!(value, Some(Json::Object(_) | Json::Array(_)));
                Ok(Some(is_valid))
            })
        }),
        scalar("redshift_is_valid_json_array", of_text, |columns, _, _| {
            by_text::<_, BooleanArray>(columns, |values| {
                let value = document(values[0], true)?;
                Ok(Some(matches!(value, Some(Json::Array(_)))))
            })
        }),
        scalar("json_array_length", length_types, |columns, _, _| {
            let flags = columns.get(1);
            by_text_and_flag::<_, Int64Array>(&columns[..1], flags, |values, is_lenient| {
                Ok(match document(values[0], is_lenient)? {
                    Some(Json::Array(items)) => Some(items.len() as i64),
                    _ => None,
                })
            })
        }),
        scalar("redshift_json_typeof", of_super, |columns, _, _| {
            by_text::<_, StringArray>(columns, |values| {
                let name = match parsed(values[0])? {
                    Json::Null => "null",
                    Json::Bool(_) => "boolean",
                    Json::Number(_) => "number",
                    Json::Text(_) => "string",
                    Json::Array(_) => "array",
                    Json::Object(_) => "object",
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

/// The text that a SUPER value is, NULL for others.
pub(crate) fn text_of_super(value: Expr) -> Expr {
    scalar(TEXT_OF_SUPER, of_super, |columns, _, _| {
        by_text::<_, StringArray>(columns, |values| {
            Ok(match parsed(values[0])? {
                Json::Text(text) => Some(text),
                _ => None,
            })
        })
    })
    .call(vec![value])
}

/// The number that a SUPER value is, exactly, to compare it with whole numbers; NULL for others.
pub(crate) fn exact_of_super(value: Expr) -> Expr {
    let of_super = |arguments: &Arguments<'_>| {
        let (types, _) = of_super(arguments)?;
        Ok((types, Type::Numeric(EXACT_DIGITS, EXACT_SCALE)))
    };
    scalar(EXACT_OF_SUPER, of_super, |columns, _, _| {
        let scale = i8::try_from(EXACT_SCALE).map_err(Error::internal)?;
        let numbers = by_text::<_, Decimal128Array>(columns, |values| match parsed(values[0])? {
            Json::Number(digits) => {
                let number = transom_sql::text::decimal128(&digits, EXACT_DIGITS, scale);
                number.map(Some).map_err(|_| not_compared(&digits))
            }
            _ => Ok(None),
        })?;
        let numbers = numbers.as_primitive::<Decimal128Type>().clone();
        let numbers = numbers.with_precision_and_scale(EXACT_DIGITS, scale);
        Ok(Arc::new(numbers.map_err(Error::internal)?) as ArrayRef)
    })
    .call(vec![value])
}

fn not_compared(digits: &str) -> Error {
    let what = format_args!("comparisons of the SUPER number {digits}, which has too many digits");
    Error::not_yet(what).hint("cast it to DECIMAL")
}

/// The number that a SUPER value is, to compare it with floats; NULL for others.
pub(crate) fn number_of_super(value: Expr) -> Expr {
    let of_super = |arguments: &Arguments<'_>| {
        let (types, _) = of_super(arguments)?;
        Ok((types, Type::Float8))
    };
    scalar(NUMBER_OF_SUPER, of_super, |columns, _, _| {
        by_text::<_, Float64Array>(columns, |values| match parsed(values[0])? {
            Json::Number(digits) => number(&digits).map(Some),
            _ => Ok(None),
        })
    })
    .call(vec![value])
}

fn number(digits: &str) -> Result<f64> {
    let number: f64 = digits.parse().map_err(Error::internal)?;
    match digits.parse::<i128>() {
        Ok(whole) if whole.unsigned_abs() > EXACT => Err(not_compared(digits)),
        _ => Ok(number),
    }
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

pub(crate) fn parsed(text: &str) -> Result<Json> {
    Json::read(text).map_err(invalid)
}

fn invalid(fault: Fault) -> Error {
    Error::new(&error::INVALID_JSON, &[&fault])
}

/// The value of a text. `None` if it is no JSON and need not be; whether one with too many levels is JSON is not known.
fn document(text: &str, is_lenient: bool) -> Result<Option<Json>> {
    match Json::read(text) {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Invalid(_)) if is_lenient => Ok(None),
        Err(fault) => Err(invalid(fault)),
    }
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
fn as_text(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

fn path(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let (texts, flags) = match types.last() {
        Some(Type::Bool) => (&columns[..columns.len() - 1], columns.last()),
        _ => (columns, None),
    };
    by_text_and_flag::<_, StringArray>(texts, flags, |values, is_lenient| {
        let Some(document) = document(values[0], is_lenient)? else {
            return Ok(None);
        };
        let found = values[1..]
            .iter()
            .try_fold(&document, |value, step| value.step(step));
        Ok(found.map(as_text))
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
    let mut steps: Option<(&str, Vec<Json>)> = None;
    let column = by_row::<_, StringArray>(columns, |row| {
        let path = paths.value(row);
        let steps = match &mut steps {
            Some((text, steps)) if *text == path => steps,
            steps => {
                let Json::Array(read) = parsed(path)? else {
                    return Ok(None);
                };
                &mut steps.insert((path, read)).1
            }
        };
        let document = parsed(values.value(row))?;
        let found = steps
            .iter()
            .try_fold(&document, |value, step| match (value, step) {
                (Json::Object(_), Json::Text(name)) => value.get(name),
                (Json::Array(_), Json::Number(place)) => value.step(place),
                _ => None,
            });
        Ok(found.map(Json::to_string))
    })?;
    Ok(Arc::new(column))
}

fn element(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let places = columns[1].as_primitive::<Int64Type>();
    let flags = columns.get(2);
    let column = by_row::<_, StringArray>(&columns[..2], |row| {
        let Some(document) = document(texts.value(row), is_set(flags, row))? else {
            return Ok(None);
        };
        let found = match &document {
            Json::Array(_) => document.step(&places.value(row).to_string()).map(as_text),
            _ => None,
        };
        Ok(Some(found.unwrap_or_default()))
    })?;
    Ok(Arc::new(column))
}
