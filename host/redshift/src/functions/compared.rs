//! `DATE_CMP` and its like: -1, 0 or 1.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::dates::{lengths, moment_at, out_of_range};
use super::scalar::{Arguments, by_row, by_text, scalar};
use crate::error::{Error, Result};
use crate::types::{MAX_VARCHAR, Type, show};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

/// Functions with the types that they compare.
const MOMENTS: [(&str, [Type; 2]); 9] = [
    ("redshift_date_cmp", [Type::Date, Type::Date]),
    ("redshift_date_cmp_timestamp", [Type::Date, Type::Timestamp]),
    (
        "redshift_date_cmp_timestamptz",
        [Type::Date, Type::TimestampTz],
    ),
    ("redshift_timestamp_cmp", [Type::Timestamp, Type::Timestamp]),
    ("redshift_timestamp_cmp_date", [Type::Timestamp, Type::Date]),
    (
        "redshift_timestamp_cmp_timestamptz",
        [Type::Timestamp, Type::TimestampTz],
    ),
    (
        "redshift_timestamptz_cmp",
        [Type::TimestampTz, Type::TimestampTz],
    ),
    (
        "redshift_timestamptz_cmp_date",
        [Type::TimestampTz, Type::Date],
    ),
    (
        "redshift_timestamptz_cmp_timestamp",
        [Type::TimestampTz, Type::Timestamp],
    ),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut all: Vec<ScalarUDF> = MOMENTS
        .iter()
        .map(|(name, taken)| scalar(*name, move |arguments| types(arguments, *taken), compared))
        .collect();
    all.push(scalar(
        "redshift_interval_cmp",
        |arguments| match arguments.types {
            [Type::Interval, Type::Interval] => Ok((vec![Type::Interval; 2], Type::Int4)),
            _ => Err(arguments.refused()),
        },
        |columns, types, _| {
            let length = |at: usize| lengths(&columns[at..=at], &types[at..=at], Type::Int8);
            let lengths = [length(0)?, length(1)?];
            let [a, b] = [0, 1].map(|at: usize| lengths[at].as_primitive::<Int64Type>());
            let column = by_row::<_, Int32Array>(&lengths, |row| {
                Ok(Some(sign(a.value(row).cmp(&b.value(row)))))
            })?;
            Ok(Arc::new(column))
        },
    ));
    // Blanks at the end do not count, as for `=`.
    all.push(scalar(
        "redshift_bpcharcmp",
        |_| Ok((vec![TEXT, TEXT], Type::Int4)),
        |columns, _, _| {
            by_text::<_, Int32Array>(columns, |values| {
                let [a, b] = [0, 1].map(|at: usize| values[at].trim_end_matches(' '));
                Ok(Some(sign(a.as_bytes().cmp(b.as_bytes()))))
            })
        },
    ));
    all
}

fn sign(ordering: Ordering) -> i32 {
    match ordering {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// What becomes a type by itself: a date a timestamp, not a timestamp a date.
fn becomes(from: Type, to: Type) -> bool {
    match (from, to) {
        (from, _) if from.is_text() => true,
        (Type::Date, to) => to.is_moment(),
        (Type::Timestamp, to) => to == Type::Timestamp || to == Type::TimestampTz,
        (from, to) => from == to,
    }
}

/// A date is compared as its first moment.
fn types(arguments: &Arguments<'_>, taken: [Type; 2]) -> Result<(Vec<Type>, Type)> {
    let mut pairs = arguments.types.iter().zip(taken);
    match pairs.all(|(from, to)| becomes(*from, to)) {
        true => Ok((taken.to_vec(), Type::Int4)),
        false => Err(arguments.refused()),
    }
}

fn compared(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let moment = |at: usize, row: usize| match types[at] {
        Type::Date => {
            let days = columns[at].as_primitive::<Date32Type>().value(row);
            moment_at(days, 0).ok_or_else(|| out_of_range(show::date(days)))
        }
        Type::Timestamp | Type::TimestampTz => {
            let micros = columns[at].as_primitive::<TimestampMicrosecondType>();
            Ok(micros.value(row))
        }
        other => Err(Error::internal(format_args!("{other} as a moment"))),
    };
    let column = by_row::<_, Int32Array>(columns, |row| {
        Ok(Some(sign(moment(0, row)?.cmp(&moment(1, row)?))))
    })?;
    Ok(Arc::new(column))
}
