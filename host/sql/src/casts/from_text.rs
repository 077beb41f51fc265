//! Texts as values of other types, read as PostgreSQL does: blanks around a value do not count, decimals and fractions of a second are
//! rounded.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArray,
};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type, i256,
};
use datafusion::common::Result;

use super::interval::interval;
use super::{Cast, Unfit, fits, fits_wide};
use crate::arithmetic::divided;
use crate::text::{self, Origin, Spelled};
use crate::time::{per_second, zone};
use crate::zones::Zone;

impl Cast {
    pub(super) fn of_text(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let texts = arrow_cast(values, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        macro_rules! whole {
            ($type:ty) => {
                self.read::<$type>(texts, |text| text.parse().ok())
            };
        }
        match &self.to {
            DataType::Boolean => self.of_words(texts),
            DataType::Int8 => whole!(Int8Type),
            DataType::Int16 => whole!(Int16Type),
            DataType::Int32 => whole!(Int32Type),
            DataType::Int64 => whole!(Int64Type),
            DataType::UInt8 => whole!(UInt8Type),
            DataType::UInt16 => whole!(UInt16Type),
            DataType::UInt32 => whole!(UInt32Type),
            DataType::UInt64 => whole!(UInt64Type),
            DataType::Decimal128(precision, scale) => {
                self.read::<Decimal128Type>(texts, |text| fits(decimal(text, *scale)?, *precision))
            }
            DataType::Decimal256(precision, scale) => self.read::<Decimal256Type>(texts, |text| {
                decimal(text, *scale).filter(|value| fits_wide(*value, *precision))
            }),
            DataType::Float64 => self.read::<Float64Type>(texts, float),
            to if to.is_floating() => {
                let wide = self.toward(DataType::Float64);
                self.of_floats(&wide.read::<Float64Type>(texts, float)?)
            }
            DataType::Date32 => self.read::<Date32Type>(texts, |text| {
                Spelled::of(text)?
                    .date()
                    .and_then(|days| days.try_into().ok())
            }),
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_deref().map(zone::zone).transpose()?;
                let ticks = self.toward(DataType::Int64);
                let ticks = ticks.read::<Int64Type>(texts, |text| timestamp(text, *unit, zone))?;
                Ok(arrow_cast(&ticks, &self.to)?)
            }
            DataType::Time32(unit) | DataType::Time64(unit) => {
                let ticks = self.toward(DataType::Int64);
                let ticks = ticks.read::<Int64Type>(texts, |text| time(text, *unit))?;
                match self.to {
                    DataType::Time32(_) => {
                        let narrow = arrow_cast(&ticks, &DataType::Int32)?;
                        Ok(arrow_cast(&narrow, &self.to)?)
                    }
                    _ => Ok(arrow_cast(&ticks, &self.to)?),
                }
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                self.read::<IntervalMonthDayNanoType>(texts, interval)
            }
            _ => self.of_others(texts),
        }
    }

    /// The same cast to another type, whose errors still name this one.
    fn toward(&self, to: DataType) -> Self {
        Self {
            to,
            named: self.named.clone(),
            ..*self
        }
    }

    fn read<T: ArrowPrimitiveType>(
        &self,
        texts: &StringArray,
        read: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(texts.len());
        for text in texts {
            values.push(match text {
                None => None,
                Some(text) => match (read(text.trim()), self.unfit) {
                    (Some(value), _) => Some(value),
                    (None, Unfit::Null) => None,
                    (None, Unfit::Error) => return self.refuse_text(text),
                },
            });
        }
        let values = PrimitiveArray::<T>::from_iter(values);
        Ok(Arc::new(values.with_data_type(self.to.clone())))
    }

    fn of_words(&self, texts: &StringArray) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(texts.len());
        for text in texts {
            values.push(match text {
                None => None,
                Some(text) => match (text::boolean(text.trim(), Origin::Declared), self.unfit) {
                    (Ok(value), _) => Some(value),
                    (Err(_), Unfit::Null) => None,
                    (Err(_), Unfit::Error) => return self.refuse_text(text),
                },
            });
        }
        Ok(Arc::new(BooleanArray::from(values)))
    }

    /// Types whose texts Arrow reads: binary, intervals of months or of days alone.
    fn of_others(&self, texts: &StringArray) -> Result<ArrayRef> {
        let values = arrow_cast(texts, &self.to)?;
        let unfit = (0..texts.len()).find(|&row| texts.is_valid(row) && values.is_null(row));
        match (unfit, self.unfit) {
            (Some(row), Unfit::Error) => self.refuse_text(texts.value(row)),
            _ => Ok(values),
        }
    }

    fn refuse_text(&self, text: &str) -> Result<ArrayRef> {
        self.refuse(&format!("'{text}'"), &DataType::Utf8)
    }
}

/// The nearest float: never an infinity or a zero that the text does not name. Every NaN is the same one.
fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if value.is_nan() {
        return Some(f64::NAN);
    }
    let is_named = match value {
        0.0 => text::digits(text).is_some_and(|(digits, _)| digits.is_empty()),
        value if value.is_infinite() => text.chars().any(|c| matches!(c, 'i' | 'I')),
        _ => true,
    };
    is_named.then_some(value)
}

/// A number with a point or an exponent, rounded half away from zero to so many digits after the point.
pub(super) fn decimal(text: &str, scale: i8) -> Option<i256> {
    let (digits, point) = text::digits(text)?;
    // How many digits stay.
    let kept = point + i64::from(scale);
    if digits.is_empty() || kept < 0 {
        return Some(i256::ZERO);
    }
    let kept = usize::try_from(kept).ok().filter(|kept| *kept <= 76)?;
    let ten = i256::from_i128(10);
    let mut value = i256::ZERO;
    // One digit more decides how it is rounded.
    for place in 0..=kept {
        let digit = digits.get(place).map_or(0, |digit| digit - b'0');
        value = value
            .checked_mul(ten)?
            .checked_add(i256::from_i128(digit.into()))?;
    }
    let value = divided(value, ten)?;
    Some(match text.starts_with('-') {
        true => value.wrapping_neg(),
        false => value,
    })
}

/// Without a zone an offset in the text does not count, as in PostgreSQL; with one, a text without offset is a local time of the zone.
pub(crate) fn timestamp(text: &str, unit: TimeUnit, zone: Option<Zone>) -> Option<i64> {
    let spelled = Spelled::of(text)?;
    let (local, nanos) = spelled.local()?;
    let seconds = match (zone, spelled.zone) {
        (None, _) => local,
        (Some(zone), "") => local.checked_sub(zone::offset_of_local(zone, local)?)?,
        (Some(_), written) => {
            let offset = match text::offset(written.as_bytes()) {
                Ok(offset) => offset,
                Err(_) => zone::offset_of_local(Zone::find(written.trim())?, local)?,
            };
            local.checked_sub(offset)?
        }
    };
    let tick = per_second(unit);
    let per_tick = 1_000_000_000 / tick;
    let fraction = (nanos + per_tick / 2) / per_tick;
    let ticks = i128::from(seconds) * i128::from(tick) + i128::from(fraction);
    ticks.try_into().ok()
}

fn time(text: &str, unit: TimeUnit) -> Option<i64> {
    let (seconds, nanos) = Spelled::time(text)?;
    let per_tick = 1_000_000_000 / per_second(unit);
    let ticks = seconds * per_second(unit) + (nanos + per_tick / 2) / per_tick;
    (ticks < 86_400 * per_second(unit)).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_to_their_scale() {
        for (text, scale, value) in [
            ("0.285", 2, Some(29)),
            ("-0.285", 2, Some(-29)),
            ("12", 2, Some(1200)),
            ("1.005", 2, Some(101)),
            ("1e3", 2, Some(100_000)),
            (".5", 0, Some(1)),
            ("5.", 1, Some(50)),
            ("+5", 0, Some(5)),
            ("12345e-3", 1, Some(123)),
            ("0.04", 1, Some(0)),
            ("0.05", 1, Some(1)),
            ("0.0000001", 2, Some(0)),
            ("1e-400", 2, Some(0)),
            ("1e400", 2, None),
            ("1_000", 2, None),
            ("NaN", 2, None),
            ("", 2, None),
        ] {
            assert_eq!(decimal(text, scale), value.map(i256::from_i128), "{text}");
        }
    }
}
