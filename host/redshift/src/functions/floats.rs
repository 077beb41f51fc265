//! Functions of real numbers. Where they have no value, or one that no float holds, they are errors, as in PostgreSQL 8.0; DataFusion's
//! give NaN and infinity.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::scalar;
use crate::error::{self, Error, Result, Rule};
use crate::types::Type;

/// A value, or the rule by which there is none.
type Value<T> = std::result::Result<T, &'static Rule>;
type One = fn(f64) -> Value<f64>;
type Two = fn(f64, f64) -> Value<f64>;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        of_one("redshift_ln", |value| logarithm(value, f64::ln)),
        of_one("redshift_log", |value| logarithm(value, f64::log10)),
        of_one("redshift_exp", |value| {
            in_range(value.exp(), value.is_finite())
        }),
        of_one("redshift_degrees", |value| {
            in_range(value.to_degrees(), value.is_finite())
        }),
        of_one("redshift_sqrt", |value| match value < 0.0 {
            true => Err(&error::NEGATIVE_ROOT),
            false => Ok(value.sqrt()),
        }),
        of_one("redshift_asin", |value| of_unit(value, f64::asin)),
        of_one("redshift_acos", |value| of_unit(value, f64::acos)),
        of_one("redshift_cot", |value| match value.tan() {
            0.0 => Err(&error::INPUT_RANGE),
            tangent => Ok(tangent.recip()),
        }),
        of_two("redshift_power", |base, exponent| {
            let power = base.powf(exponent);
            let is_none = power.is_nan() && !base.is_nan() && !exponent.is_nan();
            match is_none || (base == 0.0 && exponent < 0.0) {
                true => Err(&error::NO_POWER),
                false => in_range(power, base.is_finite() && exponent.is_finite()),
            }
        }),
    ]
}

fn logarithm(value: f64, of: fn(f64) -> f64) -> Value<f64> {
    match value {
        0.0 => Err(&error::LOGARITHM_OF_ZERO),
        value if value < 0.0 => Err(&error::NEGATIVE_LOGARITHM),
        value => Ok(of(value)),
    }
}

/// Of a value from -1 to 1.
fn of_unit(value: f64, of: fn(f64) -> f64) -> Value<f64> {
    match value.abs() > 1.0 {
        true => Err(&error::INPUT_RANGE),
        false => Ok(of(value)),
    }
}

/// What comes of finite values is finite.
fn in_range(value: f64, must_be_finite: bool) -> Value<f64> {
    match value.is_infinite() && must_be_finite {
        true => Err(&error::FLOAT_RANGE),
        false => Ok(value),
    }
}

fn of_one(name: &str, compute: One) -> ScalarUDF {
    scalar(
        name,
        |_| Ok((vec![Type::Float8], Type::Float8)),
        move |columns, _, _| {
            let values = columns[0].as_primitive::<Float64Type>().iter();
            column(values.map(|value| value.map(compute).transpose()))
        },
    )
}

fn of_two(name: &str, compute: Two) -> ScalarUDF {
    scalar(
        name,
        |_| Ok((vec![Type::Float8, Type::Float8], Type::Float8)),
        move |columns, _, _| {
            let [a, b] = [0, 1].map(|at: usize| columns[at].as_primitive::<Float64Type>());
            let pairs = a.iter().zip(b);
            column(pairs.map(|(a, b)| a.zip(b).map(|(a, b)| compute(a, b)).transpose()))
        },
    )
}

fn column(values: impl Iterator<Item = Value<Option<f64>>>) -> Result<ArrayRef> {
    let column: Value<Float64Array> = values.collect();
    let column = column.map_err(|rule| Error::new(rule, &[]))?;
    Ok(Arc::new(column))
}
