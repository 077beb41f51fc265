//! Intervals times numbers, and times of day as intervals, as PostgreSQL computes them. DataFusion has neither.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DurationMicrosecondArray, IntervalMonthDayNanoArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, DurationMicrosecondType, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, Time64NanosecondType, TimeUnit,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::arithmetic::Op;
use crate::error::ValueError;

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const DURATION: DataType = DataType::Duration(TimeUnit::Microsecond);
const SECONDS_A_DAY: f64 = 86_400.0;
const DAYS_A_MONTH: f64 = 30.0;

/// `interval * number` or `interval / number` as a function.
pub(crate) fn scaled(op: Op, interval: Expr, number: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    ScalarUDF::from(Scaled { op, signature }).call(vec![interval, number])
}

/// A time of day as the time since midnight.
pub(crate) fn of_time(time: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(OfTime { signature }).call(vec![time])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Scaled {
    op: Op,
    signature: Signature,
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        match self.op {
            Op::Divide => "divide_interval",
            _ => "multiply_interval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match arguments.first() {
            Some(DataType::Duration(_)) => DURATION,
            _ => INTERVAL,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let [spans, numbers] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes an interval and a number", self.name());
        };
        let is_constant = matches!(
            (spans, numbers),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let checked = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let spans = cast_with_options(&spans.to_array(rows)?, &result, &checked)?;
        let numbers = numbers.to_array(rows)?;
        // Whole numbers stay exact.
        let is_whole = numbers.data_type().is_integer() && self.op == Op::Multiply;
        let number_type = if is_whole {
            DataType::Int64
        } else {
            DataType::Float64
        };
        let numbers = cast_with_options(&numbers, &number_type, &checked)?;
        let factor = |row: usize| match is_whole {
            true => Ok(Factor::Whole(
                numbers.as_primitive::<Int64Type>().value(row),
            )),
            false => Factor::new(self.op, numbers.as_primitive::<Float64Type>().value(row)),
        };
        let unfit = || {
            let op = self.op;
            ValueError::new(format!("an interval {op} a number is out of range"))
        };
        let computed: ArrayRef = match &result {
            DataType::Duration(_) => {
                let spans = spans.as_primitive::<DurationMicrosecondType>().iter();
                let scaled = spans.enumerate().map(|(row, span)| match span {
                    Some(span) if !numbers.is_null(row) => {
                        micros(span, factor(row)?).map(Some).ok_or_else(unfit)
                    }
                    _ => Ok(None),
                });
                Arc::new(scaled.collect::<Result<DurationMicrosecondArray, ValueError>>()?)
            }
            _ => {
                let spans = spans.as_primitive::<IntervalMonthDayNanoType>().iter();
                let scaled = spans.enumerate().map(|(row, span)| match span {
                    Some(span) if !numbers.is_null(row) => {
                        interval(span, factor(row)?).map(Some).ok_or_else(unfit)
                    }
                    _ => Ok(None),
                });
                Arc::new(scaled.collect::<Result<IntervalMonthDayNanoArray, ValueError>>()?)
            }
        };
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&computed, 0)?),
            false => ColumnarValue::Array(computed),
        })
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    /// As DataFusion calls a column that holds the operator's result.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [interval, number] = arguments else {
            return internal_err!("`{}` has two operands", self.op);
        };
        let (interval, number) = (interval.schema_name(), number.schema_name());
        Ok(format!("{interval} {} {number}", self.op))
    }
}

/// What an interval is scaled by.
#[derive(Debug, Clone, Copy)]
enum Factor {
    Whole(i64),
    Times(f64),
    Over(f64),
}

impl Factor {
    fn new(op: Op, number: f64) -> Result<Self, ValueError> {
        match op {
            Op::Divide if number == 0.0 => Err(ValueError::division_by_zero(
                "division by zero: an interval / 0",
            )
            .hint("NULLIF(divisor, 0) gives NULL instead")),
            Op::Divide => Ok(Self::Over(number)),
            _ => Ok(Self::Times(number)),
        }
    }

    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Whole(number) => value * number as f64,
            Self::Times(number) => value * number,
            Self::Over(number) => value / number,
        }
    }
}

fn micros(span: i64, factor: Factor) -> Option<i64> {
    match factor {
        Factor::Whole(number) => span.checked_mul(number),
        factor => whole(factor.apply(span as f64)),
    }
}

/// Parts of a month become days of 30 a month, parts of a day become time: `interval_mul` of PostgreSQL. Microseconds are the smallest.
fn interval(span: IntervalMonthDayNano, factor: Factor) -> Option<IntervalMonthDayNano> {
    if let Factor::Whole(number) = factor {
        let months = i64::from(span.months).checked_mul(number)?;
        let days = i64::from(span.days).checked_mul(number)?;
        return Some(IntervalMonthDayNano::new(
            months.try_into().ok()?,
            days.try_into().ok()?,
            span.nanoseconds.checked_mul(number)?,
        ));
    }
    let all_months = factor.apply(f64::from(span.months));
    let all_days = factor.apply(f64::from(span.days));
    let months = whole(all_months.trunc())?;
    let mut days = whole(all_days.trunc())?;
    let days_of_month = to_micros((all_months - all_months.trunc()) * DAYS_A_MONTH);
    let rest_of_days = all_days - all_days.trunc() + days_of_month - days_of_month.trunc();
    let mut seconds = to_micros(rest_of_days * SECONDS_A_DAY);
    if seconds.abs() >= SECONDS_A_DAY {
        days = days.checked_add(whole((seconds / SECONDS_A_DAY).trunc())?)?;
        seconds -= (seconds / SECONDS_A_DAY).trunc() * SECONDS_A_DAY;
    }
    days = days.checked_add(whole(days_of_month.trunc())?)?;
    let micros = factor.apply((span.nanoseconds / 1_000) as f64) + seconds * 1e6;
    Some(IntervalMonthDayNano::new(
        months.try_into().ok()?,
        days.try_into().ok()?,
        whole(micros)?.checked_mul(1_000)?,
    ))
}

/// Rounded to microseconds, so that what is nearly a day is a day.
fn to_micros(seconds: f64) -> f64 {
    (seconds * 1e6).round_ties_even() / 1e6
}

fn whole(value: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    // 2^63 is exact.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&rounded)
        .then_some(rounded as i64)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfTime {
    signature: Signature,
}

impl ScalarUDFImpl for OfTime {
    fn name(&self) -> &str {
        "interval_of_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a time", self.name());
        };
        let (times, is_constant) = match times {
            ColumnarValue::Array(times) => (Arc::clone(times), false),
            ColumnarValue::Scalar(time) => (time.to_array()?, true),
        };
        let times = cast(&times, &DataType::Time64(TimeUnit::Nanosecond))?;
        let times = times.as_primitive::<Time64NanosecondType>();
        let intervals: ArrayRef =
            Arc::new(times.unary::<_, IntervalMonthDayNanoType>(|nanos| {
                IntervalMonthDayNano::new(0, 0, nanos)
            }));
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&intervals, 0)?),
            false => ColumnarValue::Array(intervals),
        })
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(arguments
            .first()
            .map_or_else(String::new, |time| time.schema_name().to_string()))
    }
}
