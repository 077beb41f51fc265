//! `AT TIME ZONE`: a local time as a moment, a moment as the local time.
//!
//! Local times that clocks skip or show twice follow PostgreSQL: a skipped time counts with the offset before the change, a doubled
//! one with the offset after it. In New York 02:30 on the day that clocks go forward is 03:30, 01:30 on the day that they go back is the
//! second one.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use super::{per_second, ticks, timestamps};
use crate::error::ValueError;
use crate::zones::Zone;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AtTimeZone {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// A zone by its name or offset.
pub(crate) fn zone(name: &str) -> Result<Zone, ValueError> {
    Zone::find(name).ok_or_else(|| {
        ValueError::new(format!("there is no time zone '{name}'"))
            .hint("zones are called 'Europe/Berlin', 'UTC' or '+02:00'")
    })
}

/// Seconds east of UTC of a local time, in seconds since 1970 as clocks show them.
pub(crate) fn offset_of_local(zone: Zone, seconds: i64) -> Option<i64> {
    zone.offsets_of_local(seconds).map(|(_, offset)| offset)
}

/// What clocks of a zone show at a moment, both in ticks; `None` beyond the calendar.
pub(crate) fn shown(zone: Zone, moment: i64, tick: i64) -> Option<i64> {
    let offset = zone.offset_at(moment.div_euclid(tick))?;
    moment.checked_add(offset.checked_mul(tick)?)
}

/// The moment at which clocks of a zone show a time, both in ticks; `None` beyond the calendar.
pub(crate) fn meant(zone: Zone, local: i64, tick: i64) -> Option<i64> {
    let offset = offset_of_local(zone, local.div_euclid(tick))?;
    local.checked_sub(offset.checked_mul(tick)?)
}

/// The error for a time that a zone has none for.
pub(crate) fn beyond(time: i64, data_type: &DataType, zone: &str) -> ValueError {
    ValueError::new(format!(
        "the time {time} ({}) is out of range in the zone '{zone}'",
        crate::type_name(data_type)
    ))
}

/// The zone of a column whose clocks are not those of UTC.
pub(crate) fn own(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => match &**zone {
            "UTC" | "+00:00" | "Z" => None,
            zone => Some(zone),
        },
        _ => None,
    }
}

/// `value AT TIME ZONE 'zone'`.
pub(super) fn at_time_zone(value: Expr, zone: &str) -> Expr {
    function().call(vec![value, lit(zone)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    signature: Signature,
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        "at_time_zone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [time, zone] = arguments else {
            return plan_err!("`at_time_zone` takes a timestamp and the name of a zone");
        };
        let fine = |unit: TimeUnit| unit.max(TimeUnit::Microsecond);
        let time = match time {
            DataType::Timestamp(unit, zone) => DataType::Timestamp(fine(*unit), zone.clone()),
            DataType::Date32 | DataType::Date64 | DataType::Null => super::micros(),
            other => {
                return plan_err!(
                    "AT TIME ZONE takes a timestamp, not {}; write `CAST(.. AS TIMESTAMP) AT TIME ZONE ..`",
                    crate::type_name(other)
                );
            }
        };
        match zone {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                Ok(vec![time, DataType::Utf8])
            }
            other => plan_err!(
                "AT TIME ZONE takes the name of a zone, not {}",
                crate::type_name(other)
            ),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match &arguments[0] {
            DataType::Timestamp(unit, None) => Ok(DataType::Timestamp(*unit, Some("UTC".into()))),
            DataType::Timestamp(unit, Some(_)) => Ok(DataType::Timestamp(*unit, None)),
            other => internal_err!("{other} was not cast"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let DataType::Timestamp(unit, result_zone) = &result else {
            return internal_err!("{result} is no timestamp");
        };
        let is_local = result_zone.is_some();
        let tick = per_second(*unit);
        let rows = arguments.number_rows;
        let (mut times, is_constant) = ticks(&arguments.args[0])?;
        let names = match &arguments.args[1] {
            ColumnarValue::Array(names) => Arc::clone(names),
            ColumnarValue::Scalar(name) => name.to_array()?,
        };
        let names = cast(&names, &DataType::Utf8)?;
        let names = names.as_string::<i32>();
        let one_zone = names.len() == 1 && (rows != 1 || is_constant || times.len() == 1);
        if is_constant && !one_zone {
            times = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(
                &ColumnarValue::Scalar(datafusion::common::ScalarValue::Int64(
                    times.is_valid(0).then(|| times.value(0)),
                ))
                .into_array(names.len())?,
            )
            .clone();
        }
        let mut known: Option<(String, Zone)> = None;
        let mut moved = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            let name_row = if one_zone { 0 } else { row };
            if times.is_null(row) || names.is_null(name_row) {
                moved.push(None);
                continue;
            }
            let name = names.value(name_row);
            let zone = match &known {
                Some((known, zone)) if known == name => *zone,
                _ => {
                    let zone = zone(name)?;
                    known = Some((name.to_owned(), zone));
                    zone
                }
            };
            let time = times.value(row);
            let there = match is_local {
                true => meant(zone, time, tick),
                false => shown(zone, time, tick),
            };
            let there = there.ok_or_else(|| beyond(time, &arguments.args[0].data_type(), name))?;
            moved.push(Some(there));
        }
        timestamps(Int64Array::from(moved), &result, is_constant && one_zone)
    }
}
