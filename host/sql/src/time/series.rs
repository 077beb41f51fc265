//! `range` and `generate_series` of dates and timestamps.
//!
//! DataFusion makes nanoseconds of timestamps, which end in 2262: what goes on beyond was NULL. A series of it ends where clocks skip a time
//! or show it twice, and a range of months before the last day that it has.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::{
    DataType, Field, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_nested::range::{gen_series_udf, range_udf};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::interval::INTERVAL;
use super::shift::{is_finer, later};
use super::{per_second, zone};
use crate::casts::{self, CHECKED};
use crate::error::ValueError;
use crate::guard;
use crate::made::Made;
use crate::zones::Zone;

/// Both; `bytes` is what one of them may make of a batch of rows.
pub(crate) fn series(bytes: u64) -> [Arc<ScalarUDF>; 2] {
    [(range_udf(), false), (gen_series_udf(), true)].map(|(others, with_end)| {
        let others = guard::sized(others, Made::Series, bytes);
        Arc::new(ScalarUDF::from(Series {
            others,
            with_end,
            bytes,
        }))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Series {
    /// DataFusion's, for whole numbers.
    others: Arc<ScalarUDF>,
    /// Whether the end is part of the series.
    with_end: bool,
    bytes: u64,
}

impl ScalarUDFImpl for Series {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn aliases(&self) -> &[String] {
        self.others.aliases()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [
            DataType::Timestamp(start, zone),
            DataType::Timestamp(end, _),
            DataType::Interval(_),
        ] = arguments
        else {
            return self.others.return_type(arguments);
        };
        let unit = (*start).max(*end).max(TimeUnit::Microsecond);
        let item = DataType::Timestamp(unit, zone.clone());
        Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let item = match &result {
            DataType::List(item) => item.data_type(),
            other => other,
        };
        // Days are counted in seconds, as timestamps are.
        let (tick, scale) = match item {
            DataType::Timestamp(unit, _) => (per_second(*unit), 1),
            DataType::Date32 => (1, 86_400),
            _ => return self.others.invoke_with_args(arguments),
        };
        let [start, end, step] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a begin, an end and a step", self.name());
        };
        let is_constant = |value: &&ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let is_constant = [start, end, step].iter().all(is_constant);
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let ticks = |value: &ColumnarValue| -> Result<Int64Array> {
            let times = casts::column(&value.to_array(rows)?, item)?;
            let ticks = match item {
                DataType::Date32 => cast(&cast(&times, &DataType::Int32)?, &DataType::Int64)?,
                _ => cast(&times, &DataType::Int64)?,
            };
            Ok(ticks
                .as_primitive::<Int64Type>()
                .unary(|ticks| ticks * scale))
        };
        let (starts, ends) = (ticks(start)?, ticks(end)?);
        let steps = cast(&step.to_array(rows)?, &INTERVAL)?;
        let steps = steps.as_primitive::<IntervalMonthDayNanoType>();
        let zone = zone::own(item).map(zone::zone).transpose()?;
        let (mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let is_valid = starts.is_valid(row) && ends.is_valid(row) && steps.is_valid(row);
            let before = values.len();
            if is_valid {
                let (start, end) = (starts.value(row), ends.value(row));
                let step = self.step(steps.value(row), item, tick)?;
                self.fill(&mut values, start, end, step, tick, zone)?;
            }
            lengths.push(values.len() - before);
            valid.push(is_valid);
        }
        let values: ArrayRef = match item {
            DataType::Date32 => {
                let days = Int64Array::from_iter_values(values.iter().map(|ticks| ticks / scale));
                let days = cast_with_options(&days, &DataType::Int32, &CHECKED)?;
                cast(&days, item)?
            }
            _ => cast(&Int64Array::from(values), item)?,
        };
        let lists: ArrayRef = Arc::new(ListArray::try_new(
            Arc::new(Field::new_list_field(item.clone(), true)),
            OffsetBuffer::from_lengths(lengths),
            values,
            Some(NullBuffer::from(valid)),
        )?);
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&lists, 0)?),
            false => ColumnarValue::Array(lists),
        })
    }
}

/// How a series goes on.
#[derive(Clone, Copy)]
struct Step {
    interval: IntervalMonthDayNano,
    is_forward: bool,
}

impl Series {
    fn step(
        &self,
        interval: IntervalMonthDayNano,
        item: &DataType,
        tick: i64,
    ) -> Result<Step, ValueError> {
        let wrong = |why: &str| ValueError::new(format!("the step of `{}` {why}", self.name()));
        if *item == DataType::Date32 && interval.nanoseconds != 0 {
            let error = wrong("has a part of a day, which dates have not");
            return Err(error.hint("CAST(.. AS TIMESTAMP) has hours"));
        }
        if is_finer(interval, tick) {
            return Err(wrong("is finer than the timestamps"));
        }
        let days = i128::from(interval.months) * 30 + i128::from(interval.days);
        match days * 86_400_000_000_000 + i128::from(interval.nanoseconds) {
            0 => Err(wrong("must not be 0")),
            length => Ok(Step {
                interval,
                is_forward: length > 0,
            }),
        }
    }

    /// Adds the times from `start` on, in ticks.
    fn fill(
        &self,
        times: &mut Vec<i64>,
        start: i64,
        end: i64,
        step: Step,
        tick: i64,
        zone: Option<Zone>,
    ) -> Result<(), ValueError> {
        let goes_on = |from: i64, to: i64| match step.is_forward {
            true => from < to,
            false => from > to,
        };
        let mut time = start;
        while goes_on(time, end) || (self.with_end && time == end) {
            if (times.len() as u64 + 1).saturating_mul(8) > self.bytes {
                return Err(ValueError::memory(format!(
                    "`{}` would make more than the {} bytes that are allowed",
                    self.name(),
                    self.bytes
                ))
                .hint(guard::MORE_MEMORY));
            }
            times.push(time);
            let next = later(time, step.interval, tick, zone).ok_or_else(|| {
                ValueError::new(format!("`{}` goes on out of range", self.name()))
            })?;
            if !goes_on(time, next) {
                return Err(ValueError::new(format!(
                    "the step of `{}` does not go on in one direction",
                    self.name()
                )));
            }
            time = next;
        }
        Ok(())
    }
}
