//! Casts: what `CAST` does, what an assignment to a column allows, and how values change.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, i256,
};

use super::json::{self, Json};
use super::show::{self, Digits};
use super::{Type, read};
use crate::error::{self, Error, Result};

/// Who asks for a cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// `CAST` in a query: a text that is too long is cut.
    Explicit,
    /// A column that is written: a text that is too long is an error, but for blanks at its end.
    Assignment,
}

/// Whether values of one type can become another.
pub(crate) fn is_allowed(from: Type, to: Type) -> bool {
    use Type::{
        Bool, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Super, Time, Unknown, Varbyte,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (Unknown, _) => true,
        (from, to) if from.is_text() && to.is_text() => true,
        (from, to) if from.is_number() && to.is_number() => true,
        (Bool, Int2 | Int4 | Int8) | (Int2 | Int4 | Int8, Bool) => true,
        (from, to) if from.is_moment() && to.is_moment() => true,
        (Type::Timestamp | Type::TimestampTz, Time) => true,
        (Super, Bool | Int2 | Int4 | Int8 | Float4 | Float8 | Numeric(..)) => true,
        (Super, to) if to.is_text() => true,
        (Bool | Int2 | Int4 | Int8 | Float4 | Float8 | Numeric(..), Super) => true,
        (from, Super) if from.is_text() => true,
        (Varbyte(_), Varbyte(_)) => true,
        (from, Varbyte(_)) if from.is_text() => true,
        (Interval, Interval) => true,
        // Everything has a text, and most texts are tried.
        (Varbyte(_), to) if to.is_text() => true,
        (_, to) if to.is_text() => true,
        (from, _) if from.is_text() => true,
        _ => false,
    }
}

/// Whether a column of one type takes values of another without a cast.
pub(crate) fn is_assignable(from: Type, to: Type) -> bool {
    match (from, to) {
        (Type::Unknown, _) => true,
        (from, to) if from.is_text() && !to.is_text() => false,
        (Type::Bool, to) if to.is_number() => false,
        (from, Type::Bool) if from.is_number() => false,
        (Type::Super, to) => to == Type::Super,
        (from, to) => is_allowed(from, to),
    }
}

/// Values of one type as another, none of which is a float that becomes a text; [`cast_with`] takes those, too.
pub(crate) fn cast(array: &ArrayRef, from: Type, to: Type, mode: Mode) -> Result<ArrayRef> {
    cast_with(array, from, to, mode, Digits::All)
}

/// Values of one type as another, with the digits that floats have as texts.
pub(crate) fn cast_with(
    array: &ArrayRef,
    from: Type,
    to: Type,
    mode: Mode,
    digits: Digits,
) -> Result<ArrayRef> {
    if array.data_type() == &DataType::Null {
        return Ok(new_null_array(&to.arrow(), array.len()));
    }
    if !is_allowed(from, to) {
        return Err(Error::new(
            &error::CANNOT_CAST,
            &[&from.base_name(), &to.base_name()],
        ));
    }
    let array = &plain(array)?;
    // What is computed is a VARCHAR of the greatest length, whatever it holds.
    let is_checked = mode == Mode::Assignment && matches!(to, Type::Varchar(_));
    if from == to && array.data_type() == &to.arrow() && !is_checked {
        return Ok(Arc::clone(array));
    }
    if from == Type::Super {
        return from_super(array, to, mode);
    }
    let rows = || 0..array.len();
    Ok(match to {
        Type::Bool => {
            let value = |row| match array.data_type() {
                DataType::Utf8 => read::boolean(array.as_string::<i32>().value(row)),
                DataType::Boolean => Ok(array.as_boolean().value(row)),
                _ => Ok(whole(array, row, Type::Int8)? != 0),
            };
            Arc::new(collect::<_, BooleanArray>(array, rows(), value)?)
        }
        Type::Int2 => Arc::new(collect::<_, Int16Array>(array, rows(), |row| {
            whole(array, row, to).map(|value| value as i16)
        })?),
        Type::Int4 => Arc::new(collect::<_, Int32Array>(array, rows(), |row| {
            whole(array, row, to).map(|value| value as i32)
        })?),
        Type::Int8 => Arc::new(collect::<_, Int64Array>(array, rows(), |row| {
            whole(array, row, to)
        })?),
        Type::Float4 => Arc::new(collect::<_, Float32Array>(array, rows(), |row| {
            let value = float(array, row, to)?;
            match (value as f32).is_finite() || !value.is_finite() {
                true => Ok(value as f32),
                false => Err(read::out_of_range(to)),
            }
        })?),
        Type::Float8 => Arc::new(collect::<_, Float64Array>(array, rows(), |row| {
            float(array, row, to)
        })?),
        Type::Numeric(precision, scale) => {
            let value = |row| decimal(array, row, precision, scale);
            let column = collect::<_, Decimal128Array>(array, rows(), value)?;
            Arc::new(column.with_data_type(to.arrow()))
        }
        Type::Char(length) | Type::Varchar(length) => {
            let value = |row| {
                let text = show::text(array, row, digits).unwrap_or_default();
                shortened(text, length, to, mode)
            };
            Arc::new(collect::<_, StringArray>(array, rows(), value)?)
        }
        Type::Unknown => {
            let value = |row| Ok(show::text(array, row, digits).unwrap_or_default());
            Arc::new(collect::<_, StringArray>(array, rows(), value)?)
        }
        Type::Super => {
            let value = |row| {
                // JSON keeps a number as it is.
                let text = || show::text(array, row, Digits::All).unwrap_or_default();
                Ok(match array.data_type() {
                    DataType::Utf8 => json::quoted(&text()),
                    DataType::Float32 => {
                        let value = array.as_primitive::<Float32Type>().value(row);
                        float_in_super(value.is_finite(), format!("{value:e}"))?
                    }
                    DataType::Float64 => {
                        let value = array.as_primitive::<Float64Type>().value(row);
                        float_in_super(value.is_finite(), format!("{value:e}"))?
                    }
                    _ => text(),
                })
            };
            Arc::new(collect::<_, StringArray>(array, rows(), value)?)
        }
        Type::Date => {
            let value = |row| match array.data_type() {
                DataType::Utf8 => read::date(array.as_string::<i32>().value(row)),
                DataType::Date32 => Ok(array.as_primitive::<Date32Type>().value(row)),
                _ => {
                    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    Ok(micros.div_euclid(86_400_000_000) as i32)
                }
            };
            Arc::new(collect::<_, Date32Array>(array, rows(), value)?)
        }
        Type::Timestamp | Type::TimestampTz => {
            let value = |row| match array.data_type() {
                DataType::Utf8 if to == Type::Timestamp => {
                    read::timestamp(array.as_string::<i32>().value(row))
                }
                DataType::Utf8 => read::timestamp_tz(array.as_string::<i32>().value(row)),
                DataType::Date32 => {
                    let days = array.as_primitive::<Date32Type>().value(row);
                    let micros = i64::from(days).checked_mul(86_400_000_000);
                    micros.ok_or_else(|| Error::new(&error::DATE_RANGE, &[&show::date(days)]))
                }
                _ => Ok(array.as_primitive::<TimestampMicrosecondType>().value(row)),
            };
            let column = collect::<_, TimestampMicrosecondArray>(array, rows(), value)?;
            Arc::new(column.with_data_type(to.arrow()))
        }
        Type::Time => {
            let value = |row| match array.data_type() {
                DataType::Utf8 => read::time(array.as_string::<i32>().value(row)),
                _ => {
                    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    Ok(micros.rem_euclid(86_400_000_000))
                }
            };
            Arc::new(collect::<_, Time64MicrosecondArray>(array, rows(), value)?)
        }
        Type::Varbyte(length) => {
            let value = |row| {
                let bytes = match array.data_type() {
                    DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes().to_vec(),
                    _ => array.as_binary::<i32>().value(row).to_vec(),
                };
                match bytes.len() <= length as usize {
                    true => Ok(bytes),
                    false => Err(Error::new(&error::TOO_LONG, &[&to])),
                }
            };
            let values: Vec<Option<Vec<u8>>> = rows()
                .map(|row| match array.is_null(row) {
                    true => Ok(None),
                    false => value(row).map(Some),
                })
                .collect::<Result<_>>()?;
            Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
        Type::Interval => arrow::compute::cast(array, &to.arrow())
            .map_err(|_| Error::new(&error::CANNOT_CAST, &[&from.base_name(), &"interval"]))?,
    })
}

/// The layout that this crate computes with: what comes from files or functions may have others.
pub(crate) fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let layout = match array.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Timestamp(_, None) => Type::Timestamp.arrow(),
        DataType::Timestamp(_, Some(_)) => Type::TimestampTz.arrow(),
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    if &layout == array.data_type() {
        return Ok(Arc::clone(array));
    }
    let options = arrow::compute::CastOptions {
        safe: false,
        ..Default::default()
    };
    arrow::compute::cast_with_options(array, &layout, &options).map_err(Error::internal)
}

fn collect<T, A: FromIterator<Option<T>>>(
    array: &ArrayRef,
    rows: std::ops::Range<usize>,
    value: impl Fn(usize) -> Result<T>,
) -> Result<A> {
    rows.map(|row| match array.is_null(row) {
        true => Ok(None),
        false => value(row).map(Some),
    })
    .collect()
}

/// A text in so many bytes. Those of a CHAR are kept without the blanks at their end.
fn shortened(text: String, length: u32, to: Type, mode: Mode) -> Result<String> {
    let text = match to {
        Type::Char(_) => text.trim_end_matches(' ').to_owned(),
        _ => text,
    };
    if matches!(to, Type::Char(_)) && !text.is_ascii() {
        return Err(
            Error::new(&error::TOO_LONG, &[&to]).hint("CHAR holds single bytes; declare VARCHAR")
        );
    }
    let length = length as usize;
    if text.len() <= length {
        return Ok(text);
    }
    let mut end = length;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match mode == Mode::Explicit || text[end..].bytes().all(|letter| letter == b' ') {
        true => Ok(text[..end].to_owned()),
        false => Err(Error::new(&error::TOO_LONG, &[&to])),
    }
}

fn whole(array: &ArrayRef, row: usize, to: Type) -> Result<i64> {
    match array.data_type() {
        DataType::Utf8 => read::whole(array.as_string::<i32>().value(row), to),
        DataType::Boolean => Ok(i64::from(array.as_boolean().value(row))),
        DataType::Int16 => Ok(i64::from(array.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => {
            let value = array.as_primitive::<Int32Type>().value(row);
            read::in_range(i128::from(value), to)
        }
        DataType::Int64 => {
            let value = array.as_primitive::<Int64Type>().value(row);
            read::in_range(i128::from(value), to)
        }
        DataType::Float32 => rounded(
            f64::from(array.as_primitive::<Float32Type>().value(row)),
            to,
        ),
        DataType::Float64 => rounded(array.as_primitive::<Float64Type>().value(row), to),
        DataType::Decimal128(_, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            read::in_range(rescaled(value, *scale, 0)?, to)
        }
        other => Err(Error::internal(format_args!("{other} as a whole number"))),
    }
}

fn rounded(value: f64, to: Type) -> Result<i64> {
    let rounded = value.round_ties_even();
    match (-9.3e18..9.3e18).contains(&rounded) {
        true => read::in_range(rounded as i128, to),
        false => Err(read::out_of_range(to)),
    }
}

fn float(array: &ArrayRef, row: usize, to: Type) -> Result<f64> {
    match array.data_type() {
        DataType::Utf8 => read::float(array.as_string::<i32>().value(row), to),
        DataType::Float32 => Ok(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Ok(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => {
            // The nearest float, which dividing by a power of ten would miss.
            let text = show::text(array, row, Digits::All).unwrap_or_default();
            text.parse().map_err(Error::internal)
        }
        _ => whole(array, row, Type::Int8).map(|value| value as f64),
    }
}

fn decimal(array: &ArrayRef, row: usize, precision: u8, scale: u8) -> Result<i128> {
    match array.data_type() {
        DataType::Utf8 => read::decimal(array.as_string::<i32>().value(row), precision, scale),
        DataType::Decimal128(_, from) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            read::fits(rescaled(value, *from, scale as i8)?, precision)
        }
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            of_float(f64::from(value), format!("{value:.7e}"), precision, scale)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            of_float(value, format!("{value:.14e}"), precision, scale)
        }
        _ => {
            let value = whole(array, row, Type::Int8)?;
            read::fits(rescaled(i128::from(value), 0, scale as i8)?, precision)
        }
    }
}

fn of_float(value: f64, digits: String, precision: u8, scale: u8) -> Result<i128> {
    match value.is_finite() {
        true => read::decimal(&digits, precision, scale),
        false => Err(read::overflow()),
    }
}

/// A decimal of one scale in another, rounded half away from zero.
pub(crate) fn rescaled(value: i128, from: i8, to: i8) -> Result<i128> {
    let shift = i32::from(to) - i32::from(from);
    let power = i256::from_i128(10).wrapping_pow(shift.unsigned_abs().min(76));
    let wide = i256::from_i128(value);
    let result = match shift >= 0 {
        true => wide.checked_mul(power),
        false => divided(wide, power),
    };
    result.and_then(i256::to_i128).ok_or_else(read::overflow)
}

/// A quotient rounded half away from zero; `None` for a division by zero.
pub(crate) fn divided(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?.wrapping_abs();
    let is_half = rest >= divisor.wrapping_abs().wrapping_sub(rest);
    match is_half {
        false => Some(quotient),
        true if (value < i256::ZERO) == (divisor < i256::ZERO) => quotient.checked_add(i256::ONE),
        true => quotient.checked_sub(i256::ONE),
    }
}

/// A float as SUPER values hold it: with its exponent, which tells it from a decimal.
fn float_in_super(is_finite: bool, digits: String) -> Result<String> {
    match is_finite {
        true if digits.contains("e-") => Ok(digits),
        true => Ok(digits.replace('e', "e+")),
        false => Err(Error::not_yet("SUPER values that are infinite or NaN")),
    }
}

/// The digits of a float where others are cast, which have no exponent.
fn without_exponent(digits: String) -> String {
    match digits.parse::<f64>() {
        Ok(float) if digits.contains(['e', 'E']) => float.to_string(),
        _ => digits,
    }
}

/// SUPER holds JSON: a scalar becomes its value, everything else NULL.
fn from_super(array: &ArrayRef, to: Type, mode: Mode) -> Result<ArrayRef> {
    let texts = array.as_string::<i32>();
    let scalar = |row: usize| -> Option<String> {
        if texts.is_null(row) {
            return None;
        }
        match Json::read(texts.value(row)).ok()? {
            Json::Text(text) => Some(text),
            Json::Number(digits) if to.is_text() => Some(digits),
            Json::Number(digits) => Some(without_exponent(digits)),
            Json::Bool(value) => Some(value.to_string()),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    };
    let scalars: ArrayRef = Arc::new((0..texts.len()).map(scalar).collect::<StringArray>());
    if to.is_text() {
        return cast(&scalars, Type::Varchar(super::MAX_VARCHAR), to, mode);
    }
    // A text that is no number is NULL, as everything that does not fit.
    let each = (0..scalars.len()).map(|row| {
        let one = scalars.slice(row, 1);
        match cast(&one, Type::Unknown, to, mode) {
            Ok(value) => value,
            Err(_) => new_null_array(&to.arrow(), 1),
        }
    });
    let each: Vec<ArrayRef> = each.collect();
    let each: Vec<&dyn Array> = each.iter().map(AsRef::as_ref).collect();
    match each.is_empty() {
        true => Ok(new_null_array(&to.arrow(), 0)),
        false => arrow::compute::concat(&each).map_err(Error::internal),
    }
}
