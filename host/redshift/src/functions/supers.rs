//! Functions that make SUPER values, and those that ask what one is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ScalarUDF;

use super::json::parsed;
use super::scalar::{Arguments, by_row, by_text, scalar};
use crate::error::{self, Error, Result};
use crate::types::json::{self, Json};
use crate::types::{MAX_VARBYTE, MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

/// What a value is asked for.
type Is = fn(&Json) -> bool;

/// Whether a value is what a function asks for. Of NULL the answer is no.
const IS: [(&str, Is); 11] = [
    ("redshift_is_array", |value| matches!(value, Json::Array(_))),
    ("redshift_is_object", |value| {
        matches!(value, Json::Object(_))
    }),
    ("redshift_is_scalar", |value| {
        !matches!(value, Json::Array(_) | Json::Object(_) | Json::Null)
    }),
    ("redshift_is_boolean", |value| {
        matches!(value, Json::Bool(_))
    }),
    ("redshift_is_varchar", |value| {
        matches!(value, Json::Text(_))
    }),
    (
        "redshift_is_char",
        |value| matches!(value, Json::Text(text) if text.is_ascii()),
    ),
    (
        "redshift_is_float",
        |value| matches!(value, Json::Number(digits) if is_float(digits)),
    ),
    (
        "redshift_is_decimal",
        |value| matches!(value, Json::Number(digits) if !is_float(digits)),
    ),
    ("redshift_is_bigint", |value| is_whole::<i64>(value)),
    ("redshift_is_integer", |value| is_whole::<i32>(value)),
    ("redshift_is_smallint", |value| is_whole::<i16>(value)),
];

/// A number with an exponent is a float, as floats are shown in SUPER values.
fn is_float(digits: &str) -> bool {
    digits.contains(['e', 'E'])
}

fn is_whole<T: std::str::FromStr>(value: &Json) -> bool {
    matches!(value, Json::Number(digits) if digits.parse::<T>().is_ok())
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    let is = IS.iter().map(|(name, is)| {
        scalar(*name, of_super, move |columns, _, _| {
            let values = columns[0].as_string::<i32>();
            let answers = values.iter().map(|value| -> Result<Option<bool>> {
                Ok(Some(match value {
                    Some(value) => is(&parsed(value)?),
                    None => false,
                }))
            });
            Ok(Arc::new(answers.collect::<Result<BooleanArray>>()?))
        })
    });
    let mut all: Vec<ScalarUDF> = is.collect();
    all.extend([
        scalar(
            "redshift_array",
            |arguments| made_of(arguments, "ARRAY"),
            array,
        ),
        scalar("redshift_object", object_types, object),
        scalar(
            "redshift_split_to_array",
            |arguments| Ok((vec![TEXT; arguments.types.len()], Type::Super)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let delimiter = values.get(1).copied().unwrap_or(",");
                    if delimiter.is_empty() {
                        return Err(Error::not_yet("SPLIT_TO_ARRAY with an empty delimiter"));
                    }
                    let parts = values[0].split(delimiter).map(json::quoted);
                    Ok(Some(list(parts)))
                })
            },
        ),
        scalar("redshift_array_concat", supers, |columns, _, _| {
            by_text::<_, StringArray>(columns, |values| {
                let [first, second] = [
                    items("array_concat", values[0])?,
                    items("array_concat", values[1])?,
                ];
                let all = first.iter().chain(&second);
                Ok(Some(list(all.map(Json::to_string))))
            })
        }),
        scalar("redshift_array_flatten", supers, |columns, _, _| {
            by_text::<_, StringArray>(columns, |values| flattened(values[0]).map(Some))
        }),
        scalar(
            "redshift_subarray",
            |arguments| {
                supers_at(arguments, 1)?;
                Ok((vec![Type::Super, Type::Int8, Type::Int8], Type::Super))
            },
            subarray,
        ),
        scalar(
            "redshift_json_size",
            |arguments| Ok((supers_at(arguments, 1)?, Type::Int4)),
            |columns, _, _| {
                by_text::<_, Int32Array>(columns, |values| {
                    i32::try_from(values[0].len())
                        .map(Some)
                        .map_err(Error::internal)
                })
            },
        ),
        scalar(
            "redshift_json_serialize_to_varbyte",
            |arguments| Ok((supers_at(arguments, 1)?, Type::Varbyte(MAX_VARBYTE))),
            |columns, _, _| {
                by_text::<_, BinaryArray>(columns, |values| Ok(Some(values[0].to_owned())))
            },
        ),
    ]);
    all
}

fn of_super(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    Ok((supers_at(arguments, 1)?, Type::Bool))
}

fn supers(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let types = supers_at(arguments, arguments.types.len())?;
    Ok((types, Type::Super))
}

/// The types of so many arguments, which are SUPER values.
fn supers_at(arguments: &Arguments<'_>, count: usize) -> Result<Vec<Type>> {
    let mut values = arguments.types.iter().take(count);
    match values.all(|data_type| matches!(data_type, Type::Super | Type::Unknown)) {
        true => Ok(vec![Type::Super; count]),
        false => Err(arguments.refused()),
    }
}

/// An array as it is written.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// The items of an array.
fn items(function: &str, text: &str) -> Result<Vec<Json>> {
    match parsed(text)? {
        Json::Array(items) => Ok(items),
        _ => Err(Error::new(&error::INVALID_ARGUMENT, &[&function, &text])),
    }
}

/// Values of any types that become SUPER, which those of dates and times do not.
fn made_of(arguments: &Arguments<'_>, function: &str) -> Result<(Vec<Type>, Type)> {
    let mut types = arguments.types.iter();
    let refused = types.find(|data_type| !crate::types::cast::is_allowed(**data_type, Type::Super));
    match refused {
        Some(data_type) => Err(Error::new(
            &error::NO_SUPER,
            &[&function, &data_type.base_name()],
        )),
        None => Ok((vec![Type::Super; arguments.types.len()], Type::Super)),
    }
}

/// Rows of a call, of which one without arguments has one.
fn rows(columns: &[ArrayRef]) -> std::ops::Range<usize> {
    0..columns.first().map_or(1, |column| column.len())
}

/// A value of a row as it is written.
fn written(column: &ArrayRef, row: usize) -> &str {
    match column.is_null(row) {
        true => "null",
        false => column.as_string::<i32>().value(row),
    }
}

fn array(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let arrays = rows(columns).map(|row| {
        let items = columns.iter();
        Some(list(items.map(|column| written(column, row).to_owned())))
    });
    Ok(Arc::new(arrays.collect::<StringArray>()))
}

fn object_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let (mut types, result) = made_of(arguments, "OBJECT")?;
    let mut pairs = arguments.types.chunks(2);
    if !pairs.all(|pair| pair.len() == 2 && pair[0].is_text()) {
        return Err(arguments.refused());
    }
    types.iter_mut().step_by(2).for_each(|key| *key = TEXT);
    Ok((types, result))
}

fn object(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let objects = rows(columns).map(|row| -> Result<Option<String>> {
        let pairs = columns.chunks(2).map(|pair| {
            let keys = pair[0].as_string::<i32>();
            if keys.is_null(row) {
                return Err(Error::new(&error::INVALID_ARGUMENT, &[&"object", &"NULL"]));
            }
            let key = json::quoted(keys.value(row));
            Ok(format!("{key}:{}", written(&pair[1], row)))
        });
        Ok(Some(format!(
            "{{{}}}",
            pairs.collect::<Result<Vec<_>>>()?.join(",")
        )))
    });
    Ok(Arc::new(objects.collect::<Result<StringArray>>()?))
}

/// The items of the arrays in an array. The guide does not say what becomes of other items, and of arrays in these.
fn flattened(text: &str) -> Result<String> {
    let mut all = Vec::new();
    for item in items("array_flatten", text)? {
        match item {
            Json::Array(inner) if !inner.iter().any(|item| matches!(item, Json::Array(_))) => {
                all.extend(inner);
            }
            _ => {
                return Err(Error::not_yet(
                    "ARRAY_FLATTEN of other arrays than of arrays of values",
                ));
            }
        }
    }
    Ok(list(all.iter().map(Json::to_string)))
}

/// So many items from a place on, which counts from 0, or back from the end if it is negative.
fn subarray(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_string::<i32>();
    let [starts, lengths] = [1, 2].map(|at: usize| columns[at].as_primitive::<Int64Type>());
    let column = by_row::<_, StringArray>(columns, |row| {
        let items = items("subarray", values.value(row))?;
        let (start, length) = (starts.value(row), lengths.value(row));
        let refused = |number: i64| Error::new(&error::INVALID_ARGUMENT, &[&"subarray", &number]);
        let length = usize::try_from(length).map_err(|_| refused(length))?;
        let distance = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
        let start = match start < 0 {
            false => distance,
            true => items
                .len()
                .checked_sub(distance)
                .ok_or_else(|| refused(start))?,
        };
        let taken = items.iter().skip(start).take(length);
        Ok(Some(list(taken.map(Json::to_string))))
    })?;
    Ok(Arc::new(column))
}
