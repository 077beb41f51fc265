//! How long an interval is, for comparisons: a month has 30 days and a day 24 hours, as in PostgreSQL.
//!
//! Arrow compares first the months, then the days: 36 hours would be less than a day. DataFusion makes intervals of the durations
//! between timestamps, whose nanoseconds end after 292 years.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DurationMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, DurationMicrosecondType, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit,
};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::ValueError;

/// The interval as a duration.
pub(crate) fn length(interval: Expr) -> Expr {
    ScalarUDF::from(Length {
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![interval])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    signature: Signature,
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        "length_of_interval"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Duration(TimeUnit::Microsecond))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [interval] = arguments.args.as_slice() else {
            return exec_err!("`{}` takes an interval", self.name());
        };
        let (values, is_constant) = match interval {
            ColumnarValue::Array(values) => (Arc::clone(values), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let intervals = cast(&values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let lengths: std::result::Result<DurationMicrosecondArray, IntervalMonthDayNano> =
            intervals
                .as_primitive::<IntervalMonthDayNanoType>()
                .try_unary::<_, DurationMicrosecondType, _>(|interval| {
                    micros(interval).ok_or(interval)
                });
        let lengths: ArrayRef = Arc::new(lengths.map_err(|interval| {
            ValueError::new(format!(
                "an interval of {} months and {} days is too long to be compared",
                interval.months, interval.days
            ))
        })?);
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths, 0)?),
            false => ColumnarValue::Array(lengths),
        })
    }
}

fn micros(interval: IntervalMonthDayNano) -> Option<i64> {
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    let micros = (i128::from(interval.nanoseconds) + 500).div_euclid(1_000);
    i64::try_from(days * 86_400_000_000 + micros).ok()
}
