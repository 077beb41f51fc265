//! Functions of time in microseconds: the years 1 to 9999 and beyond, where DataFusion's nanoseconds hold 1677 to 2262.
//!
//! Timestamps of another unit keep it; dates and texts become microseconds.

mod bin;
pub(crate) mod calendar;
mod days;
mod format;
mod interval;
mod length;
mod now;
mod parse;
mod part;
mod series;
mod shift;
mod truncate;
pub(crate) mod zone;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, ScalarUDF, cast as cast_to};

pub(crate) use days::{between, days};
pub(crate) use format::to_char;
pub(crate) use interval::{of_time, scaled};
pub(crate) use length::length;
pub(crate) use series::series;
pub(crate) use shift::{is_shifted, shifted};

/// All of them.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        now::function(),
        zone::function(),
        truncate::function(),
        bin::function(),
    ];
    functions.extend(parse::functions());
    functions
}

/// A timestamp without zone in microseconds.
pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// What clocks show, of a value in a zone with clocks of its own. DataFusion and Arrow know their rules until 2099 alone.
fn local(value: Expr, data_type: &DataType) -> Transformed<Expr> {
    match zone::own(data_type) {
        Some(zone) => Transformed::yes(zone::at_time_zone(value, zone)),
        None => Transformed::no(value),
    }
}

/// `to_local_time` and `to_time` of what clocks show.
pub(crate) fn shown(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut changed = false;
    if let Some(value) = call.args.first_mut() {
        let data_type = value.get_type(schema)?;
        let shown = local(std::mem::take(value), &data_type);
        (*value, changed) = (shown.data, shown.transformed);
    }
    Ok(Transformed::new_transformed(
        Expr::ScalarFunction(call),
        changed,
    ))
}

/// `date_part`, by [a function of ours](part) for some parts.
pub(crate) fn date_part(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let name = match call.args.as_slice() {
        [Expr::Literal(name, _), _] => name.try_as_str().flatten().map(str::to_owned),
        _ => None,
    };
    let (Some(name), Some(value)) = (name, call.args.get_mut(1)) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let mut data_type = value.get_type(schema)?;
    let mut taken = std::mem::take(value);
    let mut changed = false;
    // DataFusion makes nanoseconds of texts.
    if is_text(&data_type) {
        (taken, changed) = (cast_to(taken, micros()), true);
        data_type = micros();
    }
    // How long ago a moment is does not depend on clocks.
    if !name.eq_ignore_ascii_case("epoch") {
        let shown = local(taken, &data_type);
        changed |= shown.transformed;
        taken = shown.data;
        data_type = taken.get_type(schema)?;
    }
    match part::part(&name, taken, &data_type) {
        Ok(ours) => Ok(Transformed::yes(ours)),
        Err(taken) => {
            *value = taken;
            let call = Expr::ScalarFunction(call);
            Ok(Transformed::new_transformed(call, changed))
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// As what an argument of time is taken: timestamps as they are, dates and texts as microseconds; `None` for anything else.
fn moment(argument: &DataType) -> Option<DataType> {
    match argument {
        DataType::Timestamp(..) => Some(argument.clone()),
        DataType::Date32
        | DataType::Date64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Null => Some(micros()),
        _ => None,
    }
}

/// Ticks of a unit in a second.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The ticks of timestamps, and whether they are one constant.
fn ticks(value: &ColumnarValue) -> Result<(Int64Array, bool)> {
    let (values, is_constant) = match value {
        ColumnarValue::Array(values) => (Arc::clone(values), false),
        ColumnarValue::Scalar(value) => (value.to_array()?, true),
    };
    let ticks = cast(&values, &DataType::Int64)?;
    Ok((ticks.as_primitive::<Int64Type>().clone(), is_constant))
}

/// Ticks as timestamps of a type, a constant as one.
fn timestamps(ticks: Int64Array, data_type: &DataType, is_constant: bool) -> Result<ColumnarValue> {
    let (values, nulls) = (ticks.values().clone(), ticks.nulls().cloned());
    let array: ArrayRef = match data_type {
        DataType::Timestamp(unit, zone) => match unit {
            TimeUnit::Second => {
                Arc::new(TimestampSecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
            }
            TimeUnit::Millisecond => Arc::new(
                TimestampMillisecondArray::new(values, nulls).with_timezone_opt(zone.clone()),
            ),
            TimeUnit::Microsecond => Arc::new(
                TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone.clone()),
            ),
            TimeUnit::Nanosecond => Arc::new(
                TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone.clone()),
            ),
        },
        _ => Arc::new(PrimitiveArray::<Int64Type>::new(values, nulls)),
    };
    Ok(match is_constant && array.len() == 1 {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
        false => ColumnarValue::Array(array),
    })
}
