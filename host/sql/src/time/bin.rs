//! `date_bin`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{calendar, moment, per_second, ticks, timestamps};
use crate::error::ValueError;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(DateBin {
        others: datafusion::functions::datetime::date_bin(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    /// DataFusion's, for times of day.
    others: Arc<ScalarUDF>,
    signature: Signature,
}

/// How wide a bin is.
#[derive(Clone, Copy)]
enum Stride {
    Ticks(i64),
    Months(i64),
}

fn stride(interval: IntervalMonthDayNano, tick: i64) -> Result<Stride, ValueError> {
    let IntervalMonthDayNano {
        months,
        days,
        nanoseconds,
    } = interval;
    let wrong = |why: &str| ValueError::new(format!("the interval of `date_bin` {why}"));
    if months != 0 && (days != 0 || nanoseconds != 0) {
        return Err(wrong("must be of months or of days and times, not both"));
    }
    if months != 0 {
        return match months > 0 {
            true => Ok(Stride::Months(i64::from(months))),
            false => Err(wrong("must be longer than nothing")),
        };
    }
    let per_tick = 1_000_000_000 / i128::from(tick);
    let nanos = i128::from(days) * 86_400_000_000_000 + i128::from(nanoseconds);
    if nanos <= 0 {
        return Err(wrong("must be longer than nothing"));
    }
    if nanos % per_tick != 0 {
        return Err(wrong("is finer than the timestamps"));
    }
    i64::try_from(nanos / per_tick)
        .map(Stride::Ticks)
        .map_err(|_| wrong("is too long"))
}

/// The begin of the bin that a time is in.
fn begin(time: i64, origin: i64, stride: Stride, tick: i64) -> Option<i64> {
    match stride {
        Stride::Ticks(ticks) => {
            let (time, origin, ticks) = (i128::from(time), i128::from(origin), i128::from(ticks));
            let begin = origin + (time - origin).div_euclid(ticks) * ticks;
            begin.try_into().ok()
        }
        Stride::Months(stride) => {
            let a_day = 86_400 * tick;
            let (year, month, day) = calendar::date(origin.div_euclid(a_day));
            let (time_year, time_month, _) = calendar::date(time.div_euclid(a_day));
            let months = (time_year - year) * 12 + time_month - month;
            let at = |bin: i64| {
                let first = month + bin * stride;
                let day = day.min(calendar::length(year, first));
                let days = calendar::days(year, first, day);
                days.checked_mul(a_day)?
                    .checked_add(origin.rem_euclid(a_day))
            };
            let bin = months.div_euclid(stride);
            let begin = at(bin)?;
            // A day late in the month, or a later time of day.
            if begin > time {
                at(bin - 1)
            } else {
                Some(begin)
            }
        }
    }
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let usage = "`date_bin` takes an interval, a timestamp and where the bins start: \
                     date_bin(INTERVAL '15 minutes', t, TIMESTAMP '2001-01-01')";
        let (Some(time), true) = (arguments.get(1), arguments.len() <= 3) else {
            return plan_err!("{usage}");
        };
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let time = match time {
            DataType::Time32(_) | DataType::Time64(_) => time.clone(),
            other => match moment(other) {
                Some(time) => time,
                None => return plan_err!("{usage}; {} is none", crate::type_name(other)),
            },
        };
        let mut types = vec![interval, time.clone()];
        types.resize(arguments.len(), time);
        Ok(types)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[1].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let DataType::Timestamp(unit, _) = &result else {
            return self.others.invoke_with_args(arguments);
        };
        let tick = per_second(*unit);
        let rows = arguments.number_rows;
        let (times, is_constant) = ticks(&arguments.args[1])?;
        let others_are_constant = arguments
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let is_constant = is_constant && others_are_constant;
        let rows = if is_constant { 1 } else { rows };
        let strides = arguments.args[0].to_array(rows)?;
        let strides = strides.as_primitive::<IntervalMonthDayNanoType>();
        let origins = match arguments.args.get(2) {
            Some(origin) => ticks(&ColumnarValue::Array(origin.to_array(rows)?))?.0,
            None => Int64Array::from(vec![0; rows]),
        };
        let mut begins = Vec::with_capacity(rows);
        for row in 0..rows {
            let time_row = if times.len() == 1 { 0 } else { row };
            if times.is_null(time_row) || strides.is_null(row) || origins.is_null(row) {
                begins.push(None);
                continue;
            }
            let stride = stride(strides.value(row), tick)?;
            let time = times.value(time_row);
            let begin = begin(time, origins.value(row), stride, tick).ok_or_else(|| {
                ValueError::new(format!(
                    "`date_bin` of a {} is out of range",
                    crate::type_name(&result)
                ))
            })?;
            begins.push(Some(begin));
        }
        timestamps(Int64Array::from(begins), &result, is_constant)
    }
}
