//! `CAST` and `TRY_CAST` where a value changes: rounded as PostgreSQL does, an error (NULL for `TRY_CAST`) where it does not fit.
//!
//! Arrow cuts fractions off, and makes an infinity of what is too large. Casts that change nothing stay DataFusion's own, which pruning
//! and comparisons of columns see through.

mod clocks;
mod from_text;
mod interval;
mod nested;
mod to_text;

pub(crate) use from_text::timestamp;
pub(crate) use interval::interval;

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray};
use arrow::compute::{
    CastOptions, cast as arrow_cast, cast_with_options as arrow_cast_with_options,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use self::clocks::Way;
use crate::arithmetic::{rescaled, stored};
use crate::error::ValueError;
use crate::time::{per_second, zone};
use crate::type_name;
use crate::zones::Zone;

/// Of Arrow's casts: an error, not NULL, for what does not fit.
pub(crate) const CHECKED: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// What becomes of a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unfit {
    Error,
    Null,
}

/// Whether values of `from` can change on their way to `to`.
pub(crate) fn can_change(from: &DataType, to: &DataType) -> bool {
    match to {
        to if is_coded(from) || is_coded(to) => can_change(stored(from), stored(to)),
        to if is_text(from) => !is_text(to) && !is_bytes(to) && !to.is_nested(),
        to if Way::between(from, to).is_some() => true,
        to if is_text(to) => to_text::writes(from),
        to if to.is_integer() => from.is_floating() || from.is_decimal(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            from.is_floating() || (from.is_decimal() && from != to)
        }
        to if to.is_floating() => from.is_decimal() || (from.is_floating() && narrower(to, from)),
        DataType::Timestamp(unit, _) => {
            matches!(from, DataType::Timestamp(from, _) if from > unit)
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            matches!(from, DataType::Time32(from) | DataType::Time64(from) if from > unit)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => matches!(from, DataType::Duration(_)),
        _ => nested::inside_can_change(from, to),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

fn is_coded(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Dictionary(..) | DataType::RunEndEncoded(..)
    )
}

fn narrower(to: &DataType, from: &DataType) -> bool {
    to.primitive_width() < from.primitive_width()
}

/// The cast as a function.
pub(crate) fn call(value: Expr, to: DataType, unfit: Unfit) -> Expr {
    ScalarUDF::from(Cast::new(to, unfit, None)).call(vec![value])
}

/// Whether a function is one of these casts; if so, whether some value ends the run.
pub(crate) fn can_fail(function: &ScalarUDF) -> Option<bool> {
    let cast = function.inner().downcast_ref::<Cast>()?;
    Some(cast.unfit == Unfit::Error && !is_text(&cast.to))
}

/// The constant as one of another type.
pub(crate) fn constant(value: &ScalarValue, to: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from_array(&column(&value.to_array()?, to)?, 0)
}

/// Whether SQL has a cast from one type to another that can be offered as advice: of `value`, if it is known.
#[must_use]
pub fn can_cast(from: &DataType, to: &DataType, value: Option<&ScalarValue>) -> bool {
    crate::unify::refuse_number_of_time(from, to).is_ok()
        && crate::unify::refuse_nested(from, to).is_ok()
        && (can_change(from, to) || arrow::compute::can_cast_types(from, to))
        && value.is_none_or(|value| constant(value, to).is_ok())
}

/// The values as ones of another type.
pub(crate) fn column(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match can_change(values.data_type(), to) {
        true => Cast::new(to.clone(), Unfit::Error, None).cast(values),
        false => Ok(arrow_cast_with_options(values, to, &CHECKED)?),
    }
}

/// The list with texts for items that are written [as text](to_text) here; `None` for other items.
pub(crate) fn items_as_text(list: &DataType) -> Option<DataType> {
    nested::with_items(list, &|item| match to_text::writes(stored(item)) {
        true => Some(DataType::Utf8),
        false => items_as_text(item),
    })
}

/// The cast to `VARCHAR(length)`, which keeps the first characters, as in PostgreSQL.
pub(crate) fn cut(value: Expr, length: usize, unfit: Unfit) -> Expr {
    ScalarUDF::from(Cast::new(DataType::Utf8, unfit, Some(length))).call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    unfit: Unfit,
    /// How many characters of a text stay.
    length: Option<usize>,
    /// The type that errors name: `to` may be one on the way.
    named: DataType,
}

impl Cast {
    fn new(to: DataType, unfit: Unfit, length: Option<usize>) -> Self {
        Self {
            named: to.clone(),
            to,
            unfit,
            length,
        }
    }
}

static ONE_ARGUMENT: LazyLock<Signature> =
    LazyLock::new(|| Signature::any(1, Volatility::Immutable));

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        match self.unfit {
            Unfit::Error => "cast",
            Unfit::Null => "try_cast",
        }
    }

    fn signature(&self) -> &Signature {
        &ONE_ARGUMENT
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
        if let Some(way) = Way::between(values.data_type(), &self.to) {
            return self.by_clocks(values, way);
        }
        match values.data_type() {
            _ if self.length.is_some() => self.to_characters(values),
            from if from == &self.to => Ok(Arc::clone(values)),
            from if is_coded(from) || is_coded(&self.to) => {
                let plain = self.step(values, stored(from))?;
                let cast = self.step(&plain, stored(&self.to))?;
                Ok(arrow_cast_with_options(&cast, &self.to, &self.options())?)
            }
            from if from.is_nested() => {
                let inner = |values: &ArrayRef, to: &DataType| self.step(values, to);
                let inside = nested::inside(values, &self.to, &inner)?;
                let values = inside.as_ref().unwrap_or(values);
                Ok(arrow_cast_with_options(values, &self.to, &self.options())?)
            }
            from if is_text(from) => self.of_text(values),
            _ if is_text(&self.to) => Ok(arrow_cast(&to_text::written(values)?, &self.to)?),
            from if from.is_floating() => self.of_floats(values),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
                let wide = DataType::Decimal128(38, *scale);
                self.of_decimals::<Decimal128Type>(&arrow_cast(values, &wide)?, *scale)
            }
            DataType::Decimal128(_, scale) => self.of_decimals::<Decimal128Type>(values, *scale),
            DataType::Decimal256(_, scale) => self.of_decimals::<Decimal256Type>(values, *scale),
            DataType::Timestamp(..) if matches!(self.to, DataType::Date32) => {
                Ok(arrow_cast(values, &self.to)?)
            }
            DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
                self.of_finer(values, *unit)
            }
            DataType::Duration(unit) => self.of_difference(values, *unit),
            other => exec_err!("{other} is not cast here"),
        }
    }

    /// The same cast to another type, of what is inside a value or on the way.
    fn step(&self, values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        match can_change(values.data_type(), to) {
            true => Self::new(to.clone(), self.unfit, None).cast(values),
            false => Ok(arrow_cast_with_options(values, to, &self.options())?),
        }
    }

    /// Over the type of local times in the unit of the moments.
    fn by_clocks(&self, values: &ArrayRef, way: Way<'_>) -> Result<ArrayRef> {
        let local = |data_type: &DataType| match data_type {
            DataType::Timestamp(unit, _) => Ok(DataType::Timestamp(*unit, None)),
            other => exec_err!("{other} has no clocks"),
        };
        match way {
            Way::Shown(name) => {
                let shown = self.moved(values, &local(values.data_type())?, name, zone::shown)?;
                self.step(&shown, &self.to)
            }
            Way::Meant(name) => {
                let shown = self.step(values, &local(&self.to)?)?;
                self.moved(&shown, &self.to, name, zone::meant)
            }
        }
    }

    /// Timestamps as ones of another type, each moved to where it is in a zone.
    fn moved(
        &self,
        times: &ArrayRef,
        to: &DataType,
        name: &str,
        there: fn(Zone, i64, i64) -> Option<i64>,
    ) -> Result<ArrayRef> {
        let DataType::Timestamp(unit, _) = to else {
            return exec_err!("{to} has no unit");
        };
        let (zone, tick) = (zone::zone(name)?, per_second(*unit));
        let there = |time| there(zone, time, tick);
        let ticks = arrow_cast(times, &DataType::Int64)?;
        let ticks = ticks.as_primitive::<Int64Type>();
        let moved: PrimitiveArray<Int64Type> = match self.unfit {
            Unfit::Null => ticks.unary_opt(there),
            Unfit::Error => match ticks.try_unary(|time| there(time).ok_or(time)) {
                Ok(moved) => moved,
                Err(time) => return Err(zone::beyond(time, times.data_type(), name).into()),
            },
        };
        let moved: ArrayRef = Arc::new(moved);
        Ok(arrow_cast(&moved, to)?)
    }

    fn options(&self) -> CastOptions<'static> {
        CastOptions {
            safe: self.unfit == Unfit::Null,
            ..CastOptions::default()
        }
    }

    /// The first characters of what a value is as text.
    fn to_characters(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let texts = match can_change(values.data_type(), &DataType::Utf8) {
            true => Self::new(DataType::Utf8, self.unfit, None).cast(values)?,
            false => arrow_cast_with_options(values, &DataType::Utf8, &self.options())?,
        };
        let length = self.length.unwrap_or(usize::MAX);
        let first = |text: &str| match text.char_indices().nth(length) {
            Some((end, _)) => text[..end].to_owned(),
            None => text.to_owned(),
        };
        let texts: StringArray = texts
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(first))
            .collect();
        Ok(Arc::new(texts))
    }

    /// Timestamps and times of day in a coarser unit, rounded: a half is rounded away from the begin of the year 2000, as in PostgreSQL.
    fn of_finer(&self, values: &ArrayRef, from: TimeUnit) -> Result<ArrayRef> {
        let (to, epoch, limit) = match &self.to {
            DataType::Timestamp(to, _) => (*to, 946_684_800, None),
            DataType::Time32(to) | DataType::Time64(to) => (*to, 0, Some(86_400 * per_second(*to))),
            other => return exec_err!("{other} has no unit"),
        };
        let step = per_second(from) / per_second(to);
        let (epoch, epoch_to) = (epoch * per_second(from), epoch * per_second(to));
        let rounded = |ticks: i64| {
            let since = i128::from(ticks) - i128::from(epoch);
            let half = i128::from(step / 2) * since.signum();
            let ticks = (since + half) / i128::from(step) + i128::from(epoch_to);
            i64::try_from(ticks)
                .ok()
                .filter(|ticks| limit.is_none_or(|limit| *ticks < limit))
        };
        let ticks = match values.data_type() {
            DataType::Time32(_) => arrow_cast(values, &DataType::Int32)?,
            _ => Arc::clone(values),
        };
        let ticks = arrow_cast(&ticks, &DataType::Int64)?;
        let ticks = ticks.as_primitive::<Int64Type>();
        let ticks: PrimitiveArray<Int64Type> = match self.unfit {
            Unfit::Null => ticks.unary_opt(rounded),
            Unfit::Error => match ticks.try_unary(|ticks| rounded(ticks).ok_or(ticks)) {
                Ok(ticks) => ticks,
                Err(ticks) => return self.refuse(&ticks.to_string(), values.data_type()),
            },
        };
        let ticks: ArrayRef = match self.to {
            DataType::Time32(_) => arrow_cast(&ticks, &DataType::Int32)?,
            _ => Arc::new(ticks),
        };
        Ok(arrow_cast(&ticks, &self.to)?)
    }

    /// Differences of timestamps as intervals: whole days and the rest of one, as PostgreSQL has them. Arrow counts nanoseconds alone, which end
    /// after 292 years.
    fn of_difference(&self, values: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
        let (day, nanos) = (86_400 * per_second(unit), 1_000_000_000 / per_second(unit));
        let interval = |ticks: i64| {
            let days = i32::try_from(ticks / day).ok()?;
            Some(IntervalMonthDayNano::new(0, days, ticks % day * nanos))
        };
        let ticks = arrow_cast(values, &DataType::Int64)?;
        let ticks = ticks.as_primitive::<Int64Type>();
        let intervals: PrimitiveArray<IntervalMonthDayNanoType> = match self.unfit {
            Unfit::Null => ticks.unary_opt(interval),
            Unfit::Error => match ticks.try_unary(|ticks| interval(ticks).ok_or(ticks)) {
                Ok(intervals) => intervals,
                Err(ticks) => return self.refuse(&ticks.to_string(), values.data_type()),
            },
        };
        Ok(Arc::new(intervals))
    }

    fn of_floats(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let from = values.data_type().clone();
        let wide = arrow_cast(values, &DataType::Float64)?;
        let floats = wide.as_primitive::<Float64Type>();
        // A float32 is the number that it shows: 0.1, not 0.10000000149.
        let shown = |value: f64| match from {
            // Digits as far as anyone counts them.
            DataType::Float64 if value.abs() < 1e21 => value.to_string(),
            DataType::Float64 => format!("{value:?}"),
            #[expect(clippy::cast_possible_truncation, reason = "it was widened before")]
            _ => format!("{:?}", value as f32),
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
                    from_text::decimal(&shown(value), scale)
                        .and_then(|value| fits(value, precision))
                })
            }
            DataType::Decimal256(precision, scale) => {
                self.each::<_, Decimal256Type, _>(floats, shown, |value| {
                    from_text::decimal(&shown(value), scale)
                        .filter(|value| fits_wide(*value, precision))
                })
            }
            DataType::Float32 => self.each::<_, Float32Type, _>(floats, shown, |value| {
                #[expect(clippy::cast_possible_truncation, reason = "this is the cast")]
                let narrow = value as f32;
                is_kept(value, narrow.into()).then_some(narrow)
            }),
            DataType::Float16 => {
                let narrow = arrow_cast(values, &DataType::Float16)?;
                let narrow = narrow.as_primitive::<Float16Type>();
                let unfit = (0..floats.len()).find(|&row| {
                    floats.is_valid(row) && !is_kept(floats.value(row), narrow.value(row).to_f64())
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
                let narrow: f32 = shown(value).parse().ok()?;
                let is_kept = narrow.is_finite() && (narrow != 0.0 || wide(value) == i256::ZERO);
                is_kept.then_some(narrow)
            }),
            DataType::Float16 => Ok(arrow_cast(values, &self.to)?),
            _ => self.to_whole(decimals, shown, |value| rescaled(wide(value), from, 0)),
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
        let (from, to) = (type_name(from), type_name(&self.named));
        let error = match from == "utf8" {
            true => ValueError::new(format!("{value} is not a valid {to}")),
            false => {
                let message = format!("{value} ({from}) does not fit {to}");
                ValueError::overflow(&self.to, message)
            }
        };
        Err(error.hint("TRY_CAST gives NULL instead").into())
    }
}

/// Whether a float is still one of its kind in a narrower type: no infinity, and no zero, that it was not before.
fn is_kept(value: f64, narrow: f64) -> bool {
    (narrow.is_finite() || !value.is_finite()) && (narrow != 0.0 || value == 0.0)
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
