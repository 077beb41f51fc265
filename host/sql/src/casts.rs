//! `CAST` and `TRY_CAST` where a value changes: rounded as PostgreSQL does, an error (NULL for `TRY_CAST`) where it does not fit.
//!
//! Arrow cuts fractions off, and makes an infinity of what is too large. Casts that change nothing stay DataFusion's own, which pruning
//! and comparisons of columns see through.

mod nested;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::compute::{
    CastOptions, cast as arrow_cast, cast_with_options as arrow_cast_with_options,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, i256,
};
use chrono::Utc;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::arithmetic::rescaled;
use crate::error::ValueError;
use crate::time::per_second;
use crate::type_name;

/// What becomes of a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unfit {
    Error,
    Null,
}

/// Whether values of `from` can change on their way to `to`.
pub(crate) fn can_change(from: &DataType, to: &DataType) -> bool {
    let is_text = matches!(
        from,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match to {
        to if to.is_integer() => from.is_floating() || from.is_decimal(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            from.is_floating() || (from.is_decimal() && from != to)
        }
        to if to.is_floating() => {
            from.is_decimal() || is_text || (from.is_floating() && narrower(to, from))
        }
        DataType::Timestamp(unit, None) => is_text && *unit != TimeUnit::Nanosecond,
        _ => nested::inside_can_change(from, to),
    }
}

fn narrower(to: &DataType, from: &DataType) -> bool {
    to.primitive_width() < from.primitive_width()
}

/// The cast as a function.
pub(crate) fn call(value: Expr, to: DataType, unfit: Unfit) -> Expr {
    ScalarUDF::from(Cast {
        to,
        unfit,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    unfit: Unfit,
    signature: Signature,
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        match self.unfit {
            Unfit::Error => "cast",
            Unfit::Null => "try_cast",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &arguments.args[0] {
            ColumnarValue::Array(values) => Ok(ColumnarValue::Array(self.cast(values)?)),
            ColumnarValue::Scalar(value) => {
                let value = self.cast(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &value, 0,
                )?))
            }
        }
    }

    /// Another name than that of what is cast: a plan may have both, as it has for the keys of joins.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(format!(
            "{}({} AS {})",
            self.name().to_uppercase(),
            arguments[0].schema_name(),
            type_name(&self.to)
        ))
    }
}

impl Cast {
    fn cast(&self, values: &ArrayRef) -> Result<ArrayRef> {
        match values.data_type() {
            from if from == &self.to => Ok(Arc::clone(values)),
            from if from.is_nested() => {
                let inner =
                    |values: &ArrayRef, to: &DataType| match can_change(values.data_type(), to) {
                        true => Self {
                            to: to.clone(),
                            unfit: self.unfit,
                            signature: self.signature.clone(),
                        }
                        .cast(values),
                        false => Ok(arrow_cast_with_options(values, to, &self.options())?),
                    };
                let inside = nested::inside(values, &self.to, &inner)?;
                let values = inside.as_ref().unwrap_or(values);
                Ok(arrow_cast_with_options(values, &self.to, &self.options())?)
            }
            from if from.is_floating() => self.of_floats(values),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
                let wide = DataType::Decimal128(38, *scale);
                self.of_decimals::<Decimal128Type>(&arrow_cast(values, &wide)?, *scale)
            }
            DataType::Decimal128(_, scale) => self.of_decimals::<Decimal128Type>(values, *scale),
            DataType::Decimal256(_, scale) => self.of_decimals::<Decimal256Type>(values, *scale),
            _ => match self.to {
                DataType::Timestamp(unit, _) => self.of_times(values, unit),
                _ => self.of_text(values),
            },
        }
    }

    fn options(&self) -> CastOptions<'static> {
        CastOptions {
            safe: self.unfit == Unfit::Null,
            ..CastOptions::default()
        }
    }

    /// Text as a timestamp, rounded as in PostgreSQL: Arrow cuts what is finer than the unit.
    fn of_times(&self, values: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
        let texts = arrow_cast(values, &DataType::Utf8)?;
        let tick = per_second(unit);
        let read = |text: &str| -> Option<i64> {
            let moment = string_to_datetime(&Utc, text).ok()?.naive_utc().and_utc();
            let nanos = i64::from(moment.timestamp_subsec_nanos());
            let per_tick = 1_000_000_000 / tick;
            let fraction = (nanos + per_tick / 2) / per_tick;
            moment.timestamp().checked_mul(tick)?.checked_add(fraction)
        };
        let mut times = Vec::with_capacity(texts.len());
        for text in texts.as_string::<i32>() {
            times.push(match (text.map(|text| (text, read(text))), self.unfit) {
                (Some((_, Some(time))), _) => Some(time),
                (None, _) | (_, Unfit::Null) => None,
                (Some((text, None)), Unfit::Error) => {
                    return self.refuse(&format!("'{text}'"), &DataType::Utf8);
                }
            });
        }
        let times: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from(times));
        Ok(arrow_cast(&times, &self.to)?)
    }

    fn of_floats(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let from = values.data_type().clone();
        let wide = arrow_cast(values, &DataType::Float64)?;
        let floats = wide.as_primitive::<Float64Type>();
        // A float32 is the number that it shows: 0.1, not 0.10000000149.
        let shown = |value: f64| match from {
            DataType::Float64 => value.to_string(),
            #[expect(clippy::cast_possible_truncation, reason = "it was widened before")]
            _ => (value as f32).to_string(),
        };
        let to_whole = |value: f64| -> Option<i256> {
            let rounded = value.round_ties_even();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the range is looked at first"
            )]
            (rounded.abs() < 1e30).then(|| i256::from_i128(rounded as i128))
        };
        match self.to {
            DataType::Decimal128(precision, scale) => {
                self.each::<_, Decimal128Type, _>(floats, shown, |value| {
                    decimal(&shown(value), scale).and_then(|value| fits(value, precision))
                })
            }
            DataType::Decimal256(precision, scale) => {
                self.each::<_, Decimal256Type, _>(floats, shown, |value| {
                    decimal(&shown(value), scale).filter(|value| fits_wide(*value, precision))
                })
            }
            DataType::Float32 => self.each::<_, Float32Type, _>(floats, shown, |value| {
                #[expect(clippy::cast_possible_truncation, reason = "this is the cast")]
                let narrow = value as f32;
                (narrow.is_finite() || !value.is_finite()).then_some(narrow)
            }),
            DataType::Float16 => {
                let narrow = arrow_cast(values, &DataType::Float16)?;
                let narrow = narrow.as_primitive::<Float16Type>();
                let unfit = (0..floats.len()).find(|&row| {
                    floats.is_valid(row)
                        && floats.value(row).is_finite()
                        && !narrow.value(row).is_finite()
                });
                match unfit {
                    Some(row) => self.refuse(&shown(floats.value(row)), &from),
                    None => Ok(Arc::new(narrow.clone())),
                }
            }
            _ => self.to_whole(floats, shown, to_whole),
        }
    }

    fn of_decimals<T>(&self, values: &ArrayRef, from: i8) -> Result<ArrayRef>
    where
        T: DecimalType<Native: Into<Wide>>,
    {
        let decimals = values.as_primitive::<T>();
        let shown = |value: T::Native| T::format_decimal(value, T::MAX_PRECISION, from);
        let wide = |value: T::Native| -> i256 { value.into().0 };
        match self.to {
            DataType::Decimal128(precision, scale) => {
                self.each::<_, Decimal128Type, _>(decimals, shown, |value| {
                    rescaled(wide(value), from, scale).and_then(|value| fits(value, precision))
                })
            }
            DataType::Decimal256(precision, scale) => {
                self.each::<_, Decimal256Type, _>(decimals, shown, |value| {
                    rescaled(wide(value), from, scale).filter(|value| fits_wide(*value, precision))
                })
            }
            DataType::Float64 => {
                self.each::<_, Float64Type, _>(decimals, shown, |value| shown(value).parse().ok())
            }
            DataType::Float32 => self.each::<_, Float32Type, _>(decimals, shown, |value| {
                shown(value)
                    .parse()
                    .ok()
                    .filter(|value: &f32| value.is_finite())
            }),
            DataType::Float16 => Ok(arrow_cast(values, &self.to)?),
            _ => self.to_whole(decimals, shown, |value| rescaled(wide(value), from, 0)),
        }
    }

    /// Text as a float; Arrow reads a number that is too large as an infinity.
    fn of_text(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let texts = arrow_cast(values, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let read = |text: &str| -> Option<f64> {
            let text = text.trim();
            let value: f64 = text.parse().ok()?;
            let is_named = text.chars().any(|c| matches!(c, 'i' | 'I'));
            (value.is_finite() || value.is_nan() || is_named).then_some(value)
        };
        let mut floats = Vec::with_capacity(texts.len());
        for text in texts {
            floats.push(match (text.map(|text| (text, read(text))), self.unfit) {
                (Some((_, Some(value))), _) => Some(value),
                (None, _) | (_, Unfit::Null) => None,
                (Some((text, None)), Unfit::Error) => {
                    return self.refuse(&format!("'{text}'"), &DataType::Utf8);
                }
            });
        }
        let floats: ArrayRef = Arc::new(PrimitiveArray::<Float64Type>::from(floats));
        match self.to {
            DataType::Float64 => Ok(floats),
            _ => self.of_floats(&floats),
        }
    }

    fn to_whole<F: ArrowPrimitiveType>(
        &self,
        values: &PrimitiveArray<F>,
        shown: impl Fn(F::Native) -> String,
        whole: impl Fn(F::Native) -> Option<i256>,
    ) -> Result<ArrayRef> {
        macro_rules! to {
            ($type:ty) => {
                self.each::<F, $type, _>(values, shown, |value| {
                    whole(value)?.to_i128()?.try_into().ok()
                })
            };
        }
        match self.to {
            DataType::Int8 => to!(Int8Type),
            DataType::Int16 => to!(Int16Type),
            DataType::Int32 => to!(Int32Type),
            DataType::Int64 => to!(Int64Type),
            DataType::UInt8 => to!(UInt8Type),
            DataType::UInt16 => to!(UInt16Type),
            DataType::UInt32 => to!(UInt32Type),
            DataType::UInt64 => to!(UInt64Type),
            ref other => exec_err!("{other} is no whole number"),
        }
    }

    fn each<F: ArrowPrimitiveType, T: ArrowPrimitiveType, C>(
        &self,
        values: &PrimitiveArray<F>,
        shown: impl Fn(F::Native) -> String,
        convert: C,
    ) -> Result<ArrayRef>
    where
        C: Fn(F::Native) -> Option<T::Native>,
    {
        let converted: PrimitiveArray<T> = match self.unfit {
            Unfit::Null => values.unary_opt(convert),
            Unfit::Error => {
                match values.try_unary::<_, T, _>(|value| convert(value).ok_or(value)) {
                    Ok(converted) => converted,
                    Err(value) => return self.refuse(&shown(value), values.data_type()),
                }
            }
        };
        Ok(Arc::new(converted.with_data_type(self.to.clone())))
    }

    fn refuse(&self, value: &str, from: &DataType) -> Result<ArrayRef> {
        let (from, to) = (type_name(from), type_name(&self.to));
        let problem = match from == "utf8" {
            true => format!("{value} is not a {to}, or too large for it"),
            false => format!("{value} ({from}) does not fit {to}"),
        };
        Err(ValueError::new(problem)
            .hint("TRY_CAST gives NULL instead")
            .into())
    }
}

/// A decimal's digits, however many.
pub(crate) struct Wide(pub(crate) i256);

impl From<i128> for Wide {
    fn from(value: i128) -> Self {
        Self(i256::from_i128(value))
    }
}

impl From<i256> for Wide {
    fn from(value: i256) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The value if it has at most `precision` digits.
pub(crate) fn fits(value: i256, precision: u8) -> Option<i128> {
    fits_wide(value, precision)
        .then(|| value.to_i128())
        .flatten()
}

pub(crate) fn fits_wide(value: i256, precision: u8) -> bool {
    Decimal256Type::is_valid_decimal_precision(value, precision)
}

/// The decimal that a float shows, `-12.5` or `1e300`, rounded half away from zero.
fn decimal(shown: &str, scale: i8) -> Option<i256> {
    let (sign, digits) = match shown.strip_prefix('-') {
        Some(digits) => (i256::MINUS_ONE, digits),
        None => (i256::ONE, shown),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value = i256::ZERO;
    for digit in whole.chars().chain(fraction.chars().take(74)) {
        let digit = i256::from_i128(i128::from(digit.to_digit(10)?));
        value = value.checked_mul(i256::from_i128(10))?.checked_add(digit)?;
    }
    let from = i8::try_from(fraction.len().min(74)).ok()?;
    rescaled(value.checked_mul(sign)?, from, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_the_decimal_that_they_show() {
        for (shown, scale, value) in [
            ("0.285", 2, Some(29)),
            ("-0.285", 2, Some(-29)),
            ("12", 2, Some(1200)),
            ("1.005", 2, Some(101)),
            ("0.0000001", 2, Some(0)),
            ("NaN", 2, None),
            ("inf", 2, None),
        ] {
            assert_eq!(decimal(shown, scale), value.map(i256::from_i128), "{shown}");
        }
    }
}
