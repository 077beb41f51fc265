//! `date_trunc`.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{calendar, moment, per_second, ticks, timestamps, zone};
use crate::error::ValueError;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(DateTrunc {
        others: datafusion::functions::datetime::date_trunc(),
        signature: Signature::user_defined(Volatility::Immutable),
        aliases: vec!["datetrunc".to_owned()],
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    /// DataFusion's, for times of day.
    others: Arc<ScalarUDF>,
    signature: Signature,
    aliases: Vec<String>,
}

/// What is cut off.
#[derive(Clone, Copy)]
enum Cut {
    /// All below so many of the unit's ticks.
    Ticks(i64),
    Week,
    /// All below so many months, counted from the first month of the year 0, or of the year 1 for centuries.
    Months(i64, i64),
}

fn cut(granularity: &str, tick: i64) -> Option<Cut> {
    Some(match granularity.to_lowercase().as_str() {
        "microsecond" | "microseconds" => Cut::Ticks((tick / 1_000_000).max(1)),
        "millisecond" | "milliseconds" => Cut::Ticks((tick / 1_000).max(1)),
        "second" | "seconds" => Cut::Ticks(tick),
        "minute" | "minutes" => Cut::Ticks(60 * tick),
        "hour" | "hours" => Cut::Ticks(3_600 * tick),
        "day" | "days" => Cut::Ticks(86_400 * tick),
        "week" | "weeks" => Cut::Week,
        "month" | "months" => Cut::Months(1, 0),
        "quarter" | "quarters" => Cut::Months(3, 0),
        "year" | "years" => Cut::Months(12, 0),
        "decade" | "decades" => Cut::Months(120, 0),
        // The first century began with the year 1.
        "century" | "centuries" => Cut::Months(1_200, 12),
        "millennium" | "millennia" => Cut::Months(12_000, 12),
        _ => return None,
    })
}

fn truncated(time: i64, cut: Cut, tick: i64) -> Option<i64> {
    let a_day = 86_400 * tick;
    match cut {
        Cut::Ticks(ticks) => time.checked_sub(time.rem_euclid(ticks)),
        Cut::Week => {
            let day = time.div_euclid(a_day);
            // 1970-01-01 was a Thursday, weeks begin on Monday.
            (day - (day + 3).rem_euclid(7)).checked_mul(a_day)
        }
        Cut::Months(months, from) => {
            let (year, month, _) = calendar::date(time.div_euclid(a_day));
            let count = year * 12 + month - 1 - from;
            let first = count - count.rem_euclid(months) + from;
            calendar::days(first.div_euclid(12), first.rem_euclid(12) + 1, 1).checked_mul(a_day)
        }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        "date_trunc"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time] = arguments else {
            return plan_err!("`date_trunc` takes a unit and a timestamp: date_trunc('month', t)");
        };
        match time {
            DataType::Time32(_) | DataType::Time64(_) => Ok(vec![DataType::Utf8, time.clone()]),
            other => match moment(other) {
                Some(time) => Ok(vec![DataType::Utf8, time]),
                None => plan_err!(
                    "`date_trunc` takes a timestamp, not {}",
                    crate::type_name(other)
                ),
            },
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[1].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let DataType::Timestamp(unit, _) = &result else {
            return self.others.invoke_with_args(arguments);
        };
        let granularity = match &arguments.args[0] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(granularity))) => granularity,
            _ => return plan_err!("the unit of `date_trunc` must be a constant, such as 'month'"),
        };
        let tick = per_second(*unit);
        let Some(cut) = cut(granularity, tick) else {
            return Err(
                ValueError::new(format!("`date_trunc` knows no unit '{granularity}'"))
                    .hint("'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter' or 'year'")
                    .into(),
            );
        };
        let zone = zone::own(&result).map(zone::zone).transpose()?;
        let truncate = |time: i64| -> Option<i64> {
            let Some(zone) = zone else {
                return truncated(time, cut, tick);
            };
            let offset = zone.offset_at(time.div_euclid(tick))?;
            let local = truncated(time.checked_add(offset * tick)?, cut, tick)?;
            let offset = match cut {
                // An hour that comes twice stays the one that it was.
                Cut::Ticks(ticks) if ticks < 86_400 * tick => offset,
                _ => zone::offset_of_local(zone, local.div_euclid(tick))?,
            };
            local.checked_sub(offset * tick)
        };
        let (times, is_constant) = ticks(&arguments.args[1])?;
        let truncated: Int64Array = match times.try_unary(|time| truncate(time).ok_or(())) {
            Ok(truncated) => truncated,
            Err(()) => {
                return Err(ValueError::new(format!(
                    "date_trunc('{granularity}', ..) of a {} is out of range",
                    crate::type_name(&result)
                ))
                .into());
            }
        };
        timestamps(truncated, &result, is_constant)
    }

    /// The order of its times, but where clocks go back.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match inputs {
            [_, time] => match time.range.data_type() {
                DataType::Timestamp(_, None) => time.sort_properties,
                _ => SortProperties::Unordered,
            },
            _ => SortProperties::Unordered,
        })
    }
}
