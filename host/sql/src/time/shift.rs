//! A timestamp plus or minus an interval, where Arrow's sum is wrong: it knows the clocks of zones until 2099 alone, fails at times that
//! clocks skip or show twice, and cuts off what is finer than the timestamp's unit.

use arrow::array::{AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::interval::INTERVAL;
use super::{calendar, per_second, ticks, timestamps, zone};
use crate::arithmetic::Op;
use crate::error::ValueError;
use crate::zones::Zone;

/// Whether intervals are added to such timestamps here.
pub(crate) fn is_shifted(time: &DataType) -> bool {
    zone::own(time).is_some()
        || matches!(time, DataType::Timestamp(unit, _) if *unit < TimeUnit::Microsecond)
}

/// `time + interval` or `time - interval` as a function.
pub(crate) fn shifted(op: Op, time: Expr, interval: Expr) -> Expr {
    ScalarUDF::from(Shifted {
        op,
        signature: Signature::any(2, Volatility::Immutable),
    })
    .call(vec![time, interval])
}

/// The time in ticks that is so much later, as PostgreSQL counts: months, then days, each as clocks show them, then the rest. `None` if it
/// is out of range.
pub(super) fn later(
    time: i64,
    by: IntervalMonthDayNano,
    tick: i64,
    zone: Option<Zone>,
) -> Option<i64> {
    let a_day = 86_400 * tick;
    let by_clocks = |time: i64, change: &dyn Fn(i64) -> Option<i64>| match zone {
        None => change(time),
        Some(zone) => zone::meant(zone, change(zone::shown(zone, time, tick)?)?, tick),
    };
    let mut time = time;
    if by.months != 0 {
        time = by_clocks(time, &|time| {
            let (year, month, day) = calendar::date(time.div_euclid(a_day));
            let month = month + i64::from(by.months);
            let day = day.min(calendar::length(year, month));
            let day = calendar::days(year, month, day).checked_mul(a_day)?;
            day.checked_add(time.rem_euclid(a_day))
        })?;
    }
    if by.days != 0 {
        time = by_clocks(time, &|time| {
            time.checked_add(i64::from(by.days).checked_mul(a_day)?)
        })?;
    }
    time.checked_add(by.nanoseconds / (1_000_000_000 / tick))
}

/// Whether an interval has digits that timestamps of so many ticks a second do not have.
pub(super) fn is_finer(interval: IntervalMonthDayNano, tick: i64) -> bool {
    interval.nanoseconds % (1_000_000_000 / tick) != 0
}

fn negated(interval: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        interval.months.checked_neg()?,
        interval.days.checked_neg()?,
        interval.nanoseconds.checked_neg()?,
    ))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shifted {
    op: Op,
    signature: Signature,
}

impl ScalarUDFImpl for Shifted {
    fn name(&self) -> &str {
        match self.op {
            Op::Subtract => "subtract_interval",
            _ => "add_interval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let DataType::Timestamp(unit, _) = &result else {
            return internal_err!("{result} is no timestamp");
        };
        let [times, intervals] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a timestamp and an interval", self.name());
        };
        let zone = zone::own(&result).map(zone::zone).transpose()?;
        let tick = per_second(*unit);
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let is_constant = is_constant(times) && is_constant(intervals);
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let (times, _) = ticks(&ColumnarValue::Array(times.to_array(rows)?))?;
        let intervals = cast(&intervals.to_array(rows)?, &INTERVAL)?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let shifted = times.iter().zip(intervals).map(|(time, interval)| {
            let (Some(time), Some(interval)) = (time, interval) else {
                return Ok(None);
            };
            if is_finer(interval, tick) {
                return Err(ValueError::new(format!(
                    "the interval is finer than {}, to which it is added",
                    crate::type_name(&result)
                ))
                .hint("CAST(.. AS TIMESTAMP) counts microseconds"));
            }
            let by = match self.op {
                Op::Subtract => negated(interval),
                _ => Some(interval),
            };
            let shifted = by.and_then(|by| later(time, by, tick, zone));
            shifted.map(Some).ok_or_else(|| {
                ValueError::new(format!(
                    "a {} {} an interval is out of range",
                    crate::type_name(&result),
                    self.op
                ))
            })
        });
        let shifted = shifted.collect::<std::result::Result<Int64Array, ValueError>>()?;
        timestamps(shifted, &result, is_constant)
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;

    #[test]
    fn clocks_count_months_and_days_in_every_year() {
        // PostgreSQL's, in a session of the zone.
        let (berlin, york) = (Some("Europe/Berlin"), Some("America/New_York"));
        for (zone, moment, (months, days, hours), expected) in [
            (berlin, "2024-03-30T01:30", (0, 1, 0), "2024-03-31T01:30"),
            (berlin, "2024-10-26T00:30", (0, 1, 0), "2024-10-27T01:30"),
            (berlin, "2024-03-30T12:00", (0, 1, 0), "2024-03-31T11:00"),
            (berlin, "2024-03-30T12:00", (0, 0, 24), "2024-03-31T12:00"),
            (berlin, "2150-01-15T12:00", (6, 0, 0), "2150-07-15T11:00"),
            (berlin, "2150-07-15T11:00", (-6, 0, 0), "2150-01-15T12:00"),
            (york, "2101-03-12T17:00", (0, 1, 0), "2101-03-13T16:00"),
            (None, "2024-01-31T12:00", (1, 0, 0), "2024-02-29T12:00"),
            (None, "2024-01-31T12:00", (-14, 1, 1), "2022-12-01T13:00"),
            (None, "9999-12-31T23:00", (0, 0, 1), "+10000-01-01T00:00"),
        ] {
            let seconds = |text: &str| {
                let time: NaiveDateTime = format!("{text}:00").parse().unwrap();
                time.and_utc().timestamp()
            };
            let zone = zone.map(|name| Zone::find(name).unwrap());
            let by = IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
            let found = later(seconds(moment), by, 1, zone);
            assert_eq!(found, Some(seconds(expected)), "{moment} {by:?}");
        }
        let day = IntervalMonthDayNano::new(0, 1, 0);
        assert_eq!(later(i64::MAX, day, 1, None), None);
    }
}
