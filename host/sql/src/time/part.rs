//! `date_part` and `extract` where DataFusion's drop fractions, take a year for 360 days, or know no such part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array};
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{calendar, micros, per_second};
use crate::casts::CHECKED;

/// `date_part(part, value)` as a function of ours; the value itself where DataFusion's does.
pub(crate) fn part(
    name: &str,
    value: Expr,
    data_type: &DataType,
) -> std::result::Result<Expr, Expr> {
    let Some(part) = Part::of(name, data_type) else {
        return Err(value);
    };
    Ok(ScalarUDF::from(DatePart {
        part,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    /// Of the minute, in units of so many nanoseconds' digits.
    Seconds {
        scale: i8,
    },
    /// How long an interval is.
    Epoch,
    /// Of a difference of timestamps, which has days and parts of a day.
    Days,
    Hours,
    Minutes,
    Decade,
    Century,
    Millennium,
}

impl Part {
    fn of(name: &str, data_type: &DataType) -> Option<Self> {
        let is_interval = matches!(data_type, DataType::Interval(_));
        let is_difference = matches!(data_type, DataType::Duration(_));
        let is_date = matches!(
            data_type,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
        );
        let is_time = is_date
            || is_interval
            || is_difference
            || matches!(data_type, DataType::Time32(_) | DataType::Time64(_));
        Some(match name.to_lowercase().as_str() {
            "second" | "seconds" | "sec" | "secs" | "s" if is_time => Self::Seconds { scale: 6 },
            "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" if is_time => {
                Self::Seconds { scale: 3 }
            }
            // Coarser ones have whole microseconds, which DataFusion's are.
            "microsecond" | "microseconds" | "usec" | "usecs" | "us" if is_fine(data_type) => {
                Self::Seconds { scale: 0 }
            }
            "epoch" if is_interval || is_difference => Self::Epoch,
            "day" | "days" | "d" if is_difference => Self::Days,
            "hour" | "hours" | "hr" | "hrs" | "h" if is_difference => Self::Hours,
            "minute" | "minutes" | "min" | "mins" | "m" if is_difference => Self::Minutes,
            "decade" | "decades" if is_date => Self::Decade,
            "century" | "centuries" if is_date => Self::Century,
            "millennium" | "millenniums" | "millennia" if is_date => Self::Millennium,
            _ => return None,
        })
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DatePart {
    part: Part,
    signature: Signature,
}

/// Whether a type counts finer than microseconds.
fn is_fine(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(TimeUnit::Nanosecond, _)
            | DataType::Time64(TimeUnit::Nanosecond)
            | DataType::Duration(TimeUnit::Nanosecond)
            | DataType::Interval(_)
    )
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        match self.part {
            Part::Seconds { .. } => "part_of_minute",
            Part::Epoch => "epoch_of_interval",
            Part::Days => "days",
            Part::Hours => "hours_of_day",
            Part::Minutes => "minutes_of_hour",
            Part::Decade => "decade",
            Part::Century => "century",
            Part::Millennium => "millennium",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.part {
            Part::Seconds { scale } => match is_fine(&arguments[0]) {
                true => DataType::Decimal128(11, scale + 3),
                false => DataType::Decimal128(8, scale),
            },
            Part::Epoch => DataType::Float64,
            _ => DataType::Int32,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(self.compute(values, &result)?),
            ColumnarValue::Scalar(value) => {
                let part = self.compute(&value.to_array()?, &result)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&part, 0)?)
            }
        })
    }
}

impl DatePart {
    fn compute(&self, values: &ArrayRef, result: &DataType) -> Result<ArrayRef> {
        Ok(match self.part {
            Part::Seconds { .. } => {
                let nanos = nanos_of_minute(values)?;
                // The digits are those of the unit: nanoseconds or microseconds.
                let unit = if is_fine(values.data_type()) {
                    1
                } else {
                    1_000
                };
                let parts: Decimal128Array = nanos
                    .into_iter()
                    .map(|nanos| nanos.map(|nanos| i128::from(nanos / unit)))
                    .collect();
                Arc::new(parts.with_data_type(result.clone()))
            }
            Part::Days | Part::Hours | Part::Minutes => {
                let DataType::Duration(unit) = values.data_type() else {
                    return internal_err!("{} is no difference", values.data_type());
                };
                let ticks = cast(values, &DataType::Int64)?;
                let part = |ticks: i64| {
                    let seconds = ticks / per_second(*unit);
                    match self.part {
                        Part::Days => seconds / 86_400,
                        Part::Hours => seconds % 86_400 / 3_600,
                        _ => seconds % 3_600 / 60,
                    }
                };
                let parts = ticks.as_primitive::<Int64Type>();
                let parts: ArrayRef = Arc::new(parts.unary::<_, Int64Type>(part));
                cast_with_options(&parts, result, &CHECKED)?
            }
            Part::Epoch => match values.data_type() {
                DataType::Duration(unit) => {
                    let ticks = cast(values, &DataType::Int64)?;
                    let ticks = ticks.as_primitive::<Int64Type>();
                    let per_second = per_second(*unit);
                    #[expect(clippy::cast_precision_loss, reason = "the nearest float")]
                    let seconds = |ticks: i64| {
                        (ticks / per_second) as f64
                            + (ticks % per_second) as f64 / per_second as f64
                    };
                    Arc::new(ticks.unary::<_, Float64Type>(seconds))
                }
                _ => {
                    let intervals = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
                    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                    let epochs: Float64Array = intervals
                        .iter()
                        .map(|interval| interval.map(epoch))
                        .collect();
                    Arc::new(epochs)
                }
            },
            part => {
                let (tick, ticks) = match values.data_type() {
                    DataType::Timestamp(unit, _) => (per_second(*unit), Arc::clone(values)),
                    _ => (1_000_000, cast_with_options(values, &micros(), &CHECKED)?),
                };
                let ticks = cast(&ticks, &DataType::Int64)?;
                let years: Int32Array = ticks
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|ticks| {
                        let (year, ..) = calendar::date(ticks?.div_euclid(86_400 * tick));
                        i32::try_from(span(part, year)).ok()
                    })
                    .collect();
                Arc::new(years)
            }
        })
    }
}

/// The decade, century or millennium of a year. There is no year 0 in the count of centuries, the first one began with the year 1.
fn span(part: Part, year: i64) -> i64 {
    let years = match part {
        Part::Century => 100,
        Part::Millennium => 1_000,
        _ => return year.div_euclid(10),
    };
    match year > 0 {
        true => (year - 1) / years + 1,
        false => -((-year) / years + 1),
    }
}

/// As in PostgreSQL, a year has 365.25 days and a month 30.
fn epoch(interval: IntervalMonthDayNano) -> f64 {
    let (years, months) = (interval.months / 12, interval.months % 12);
    let seconds = i128::from(years) * 31_557_600
        + i128::from(months) * 2_592_000
        + i128::from(interval.days) * 86_400;
    let nanos = seconds * 1_000_000_000 + i128::from(interval.nanoseconds);
    #[expect(clippy::cast_precision_loss, reason = "the nearest float")]
    let (whole, rest) = (
        (nanos / 1_000_000_000) as f64,
        (nanos % 1_000_000_000) as f64 / 1e9,
    );
    whole + rest
}

fn nanos_of_minute(values: &ArrayRef) -> Result<Vec<Option<i64>>> {
    let ticks = |unit: TimeUnit, values: &ArrayRef| -> Result<Vec<Option<i64>>> {
        let ticks = cast(values, &DataType::Int64)?;
        let per_tick = 1_000_000_000 / per_second(unit);
        let minute = 60 * per_second(unit);
        let of_minute = |ticks: i64| match values.data_type() {
            // A negative duration has negative parts.
            DataType::Duration(_) => ticks % minute * per_tick,
            _ => ticks.rem_euclid(minute) * per_tick,
        };
        Ok(ticks
            .as_primitive::<Int64Type>()
            .iter()
            .map(|ticks| ticks.map(of_minute))
            .collect())
    };
    match values.data_type() {
        DataType::Timestamp(unit, _) | DataType::Time64(unit) | DataType::Duration(unit) => {
            ticks(*unit, values)
        }
        DataType::Time32(unit) => ticks(*unit, &cast(values, &DataType::Int32)?),
        DataType::Date32 | DataType::Date64 => {
            let times = cast_with_options(values, &micros(), &CHECKED)?;
            ticks(TimeUnit::Microsecond, &times)
        }
        DataType::Interval(_) => {
            let intervals = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            Ok(intervals
                .as_primitive::<IntervalMonthDayNanoType>()
                .iter()
                .map(|interval| interval.map(|interval| interval.nanoseconds % 60_000_000_000))
                .collect())
        }
        other => internal_err!("{other} has no seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centuries_have_no_year_0() {
        for (part, year, expected) in [
            (Part::Century, 2000, 20),
            (Part::Century, 2001, 21),
            (Part::Century, 1, 1),
            (Part::Century, 0, -1),
            (Part::Century, -100, -2),
            (Part::Millennium, 2000, 2),
            (Part::Millennium, 2001, 3),
            (Part::Decade, 2024, 202),
            (Part::Decade, -1, -1),
        ] {
            assert_eq!(span(part, year), expected, "{part:?} {year}");
        }
    }
}
