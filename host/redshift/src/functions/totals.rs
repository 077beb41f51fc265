//! Sums and averages: the types that they have in Redshift. The adding is done by the room `sql`. And lists, whose size has a limit.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, i256};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{Arguments, by_text, scalar};
use crate::error::{self, Error, Result};
use crate::types::cast::divided;
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

/// What is between the values of a list of distinct values until those that differ by blanks are sorted out. No text has it.
pub(crate) const BETWEEN: &str = "\u{1}\u{0}\u{1}";

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar("redshift_sum_input", sum_input, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_median_input", median_input, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_max_input", extreme_input, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_min_input", extreme_input, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar("redshift_average", average_types, average),
        // Empty texts are left out, as NULL is.
        scalar(
            "redshift_listagg_input",
            |_| Ok((vec![TEXT], TEXT)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    Ok((!values[0].is_empty()).then(|| values[0].to_owned()))
                })
            },
        ),
        scalar(
            "redshift_listagg",
            |_| Ok((vec![TEXT], TEXT)),
            |columns, _, _| by_text::<_, StringArray>(columns, |values| list(values[0].to_owned())),
        ),
        scalar(
            "redshift_listagg_distinct",
            |_| Ok((vec![TEXT, TEXT], TEXT)),
            distinct,
        ),
    ]
}

/// A list, if it is as short as a VARCHAR must be.
fn list(text: String) -> Result<Option<String>> {
    match text.len() <= MAX_VARCHAR as usize {
        true => Ok(Some(text)),
        false => Err(Error::new(&error::LISTAGG_LIMIT, &[])),
    }
}

/// Lists of distinct values, without empty ones: of values that differ only in trailing blanks, the first one stays.
fn distinct(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let lists = columns[0].as_string::<i32>();
    let delimiters = columns[1].as_string::<i32>();
    let texts = (0..lists.len()).map(|row| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let mut seen = HashSet::new();
        let values = lists.value(row).split(BETWEEN);
        let values = values.filter(|value| !value.is_empty());
        let values = values.filter(|value| seen.insert(value.trim_end_matches(' ')));
        let values: Vec<&str> = values.collect();
        if values.is_empty() {
            return Ok(None);
        }
        // Without a delimiter, nothing is between the values.
        match delimiters.is_null(row) {
            true => list(values.concat()),
            false => list(values.join(delimiters.value(row))),
        }
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// What is added up for a sum. `sum` of whole numbers is a BIGINT, that of BIGINT a NUMERIC.
fn sum_input(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let input = match arguments.types[0] {
        Type::Int2 | Type::Int4 => Type::Int8,
        Type::Int8 => Type::Numeric(38, 0),
        Type::Numeric(_, scale) => Type::Numeric(38, scale),
        Type::Float4 | Type::Float8 | Type::Unknown => Type::Float8,
        _ => return Err(arguments.refused()),
    };
    Ok((vec![input], input))
}

/// What has a greatest and a least value.
fn extreme_input(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        Type::Bool => Err(arguments.refused().hint("use BOOL_AND or BOOL_OR")),
        Type::Super => Err(Error::not_yet("MAX and MIN of SUPER")),
        other => Ok((vec![other], other)),
    }
}

/// What a median is among: that of whole numbers is a decimal.
fn median_input(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let input = match arguments.types[0] {
        whole if whole.is_whole() => Type::Numeric(19, 0),
        Type::Numeric(precision, scale) => Type::Numeric(precision, scale),
        Type::Float4 | Type::Float8 | Type::Unknown => Type::Float8,
        moment if moment.is_moment() => {
            return Err(Error::not_yet("the median of dates and times"));
        }
        _ => return Err(arguments.refused()),
    };
    Ok((vec![input], input))
}

/// A sum, a count, and any of the values, whose type decides.
fn average_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let [sum, _, value] = arguments.types else {
        return Err(arguments.refused());
    };
    let result = match value {
        value if value.is_whole() => Type::Int8,
        Type::Numeric(_, scale) => Type::Numeric(38, *scale),
        _ => Type::Float8,
    };
    Ok((vec![*sum, Type::Int8, *value], result))
}

fn average(columns: &[ArrayRef], types: &[Type], result: Type) -> Result<ArrayRef> {
    let counts = columns[1].as_primitive::<Int64Type>();
    let sums = &columns[0];
    let rows = 0..counts.len();
    let is_null = |row: usize| sums.is_null(row) || counts.value(row) == 0;
    Ok(match (types[0], result) {
        (Type::Int8, _) => {
            let sums = sums.as_primitive::<Int64Type>();
            let value = |row| (!is_null(row)).then(|| sums.value(row) / counts.value(row));
            Arc::new(rows.map(value).collect::<Int64Array>())
        }
        (Type::Numeric(..), Type::Int8) => {
            let sums = sums.as_primitive::<Decimal128Type>();
            let value = |row| {
                let quotient = sums.value(row) / i128::from(counts.value(row).max(1));
                (!is_null(row)).then_some(quotient as i64)
            };
            Arc::new(rows.map(value).collect::<Int64Array>())
        }
        (Type::Numeric(..), result) => {
            let sums = sums.as_primitive::<Decimal128Type>();
            let value = |row: usize| {
                let count = i256::from_i128(i128::from(counts.value(row)));
                let quotient = divided(i256::from_i128(sums.value(row)), count);
                (!is_null(row))
                    .then(|| quotient.and_then(i256::to_i128))
                    .flatten()
            };
            let column = rows.map(value).collect::<Decimal128Array>();
            Arc::new(column.with_data_type(result.arrow()))
        }
        (Type::Float8, _) => {
            let sums = sums.as_primitive::<Float64Type>();
            let value = |row| (!is_null(row)).then(|| sums.value(row) / counts.value(row) as f64);
            Arc::new(rows.map(value).collect::<Float64Array>())
        }
        (other, _) => return Err(Error::internal(format_args!("an average of {other}"))),
    })
}
