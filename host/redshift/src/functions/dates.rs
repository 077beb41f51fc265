//! Functions of dates. `DATEADD` and `DATEDIFF` count boundaries, as Redshift documents it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, Timelike};
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::scalar::{Arguments, by_row, scalar};
use crate::error::{self, Error, Result};
use crate::types::Type;
use crate::types::show::{self, moment};
use crate::types::zones::Zone;

const DAY: i64 = 86_400_000_000;
const TEXT: Type = Type::Varchar(crate::types::MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar("redshift_dateadd", dateadd_types, dateadd),
        scalar("redshift_datediff", datediff_types, datediff),
        scalar("redshift_date_part", date_part_types, date_part),
        scalar("redshift_extract", extract_types, extract),
        scalar("redshift_extract_epoch", extract_epoch_types, extract),
        scalar(
            "redshift_add_months",
            |arguments| {
                Ok((
                    vec![moment_type(arguments, 0)?, Type::Int8],
                    Type::Timestamp,
                ))
            },
            add_months,
        ),
        scalar(
            "redshift_last_day",
            |_| Ok((vec![Type::Date], Type::Date)),
            last_day,
        ),
        scalar(
            "redshift_next_day",
            |_| Ok((vec![Type::Date, TEXT], Type::Date)),
            next_day,
        ),
        scalar(
            "redshift_months_between",
            |_| Ok((vec![Type::Timestamp, Type::Timestamp], Type::Float8)),
            months_between,
        ),
        scalar("redshift_convert_timezone", zone_types, convert_timezone),
        scalar("redshift_timezone", at_zone_types, at_zone),
        scalar("redshift_trunc", trunc_types, trunc),
    ]
}

pub(super) fn out_of_range(text: impl std::fmt::Display) -> Error {
    Error::new(&error::DATE_RANGE, &[&text])
}

/// The type in which a date or timestamp is computed with; literals are timestamps.
fn moment_type(arguments: &Arguments<'_>, at: usize) -> Result<Type> {
    match arguments.types[at] {
        data_type if data_type.is_moment() => Ok(data_type),
        data_type if data_type.is_text() => Ok(Type::Timestamp),
        _ => Err(arguments.refused()),
    }
}

fn dateadd_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let result = match arguments.types[2] {
        Type::Time => Type::Time,
        _ => match moment_type(arguments, 2)? {
            Type::TimestampTz => Type::TimestampTz,
            _ => Type::Timestamp,
        },
    };
    Ok((vec![TEXT, Type::Int8, result], result))
}

/// Microseconds of so many days and what is left of one; `None` if they are too many.
pub(super) fn moment_at(days: i32, micros: i64) -> Option<i64> {
    i64::from(days).checked_mul(DAY)?.checked_add(micros)
}

fn micros(moment: NaiveDateTime) -> i64 {
    moment.and_utc().timestamp_micros()
}

fn shifted(part: &str, count: i64, value: i64) -> Option<i64> {
    let months = |count: i64| {
        let moment = moment(value)?;
        let months = Months::new(u32::try_from(count.unsigned_abs()).ok()?);
        let shifted = match count >= 0 {
            true => moment.checked_add_months(months)?,
            false => moment.checked_sub_months(months)?,
        };
        Some(micros(shifted))
    };
    // Years from the 29th of February end on the 1st of March, months on the last day.
    let years = |count: i64| {
        let moment = moment(value)?;
        let year = i64::from(moment.year()).checked_add(count)?;
        let date = match moment.date().with_year(i32::try_from(year).ok()?) {
            Some(date) => date,
            None => NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 3, 1)?,
        };
        Some(micros(date.and_time(moment.time())))
    };
    let unit = match part {
        "millennium" => return years(count.checked_mul(1_000)?),
        "century" => return years(count.checked_mul(100)?),
        "decade" => return years(count.checked_mul(10)?),
        "year" => return years(count),
        "quarter" => return months(count.checked_mul(3)?),
        "month" => return months(count),
        "week" => 7 * DAY,
        "day" | "dow" | "doy" => DAY,
        part => unit_of_time(part)?,
    };
    value.checked_add(count.checked_mul(unit)?)
}

/// Microseconds of a part that times of day have.
fn unit_of_time(part: &str) -> Option<i64> {
    Some(match part {
        "hour" => DAY / 24,
        "minute" => 60_000_000,
        "second" => 1_000_000,
        "millisecond" => 1_000,
        "microsecond" => 1,
        _ => return None,
    })
}

/// An error: a time of day does not have the part.
fn no_part(part: &str) -> Error {
    Error::new(&error::INVALID_ARGUMENT, &[&"date part", &part])
}

/// A time of day goes round at midnight.
fn shifted_time(part: &str, count: i64, value: i64) -> Result<i64> {
    let unit = unit_of_time(part).ok_or_else(|| no_part(part))?;
    // Whole days do not count, which keeps the product small.
    let micros = count.rem_euclid(DAY / unit) * unit;
    Ok((value + micros).rem_euclid(DAY))
}

fn add_to_times(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let parts = columns[0].as_string::<i32>();
    let counts = columns[1].as_primitive::<Int64Type>();
    let values = columns[2].as_primitive::<Time64MicrosecondType>();
    let column = by_row::<_, Time64MicrosecondArray>(columns, |row| {
        shifted_time(parts.value(row), counts.value(row), values.value(row)).map(Some)
    })?;
    Ok(Arc::new(column))
}

fn dateadd(columns: &[ArrayRef], _: &[Type], result: Type) -> Result<ArrayRef> {
    if result == Type::Time {
        return add_to_times(columns);
    }
    let parts = columns[0].as_string::<i32>();
    let counts = columns[1].as_primitive::<Int64Type>();
    let values = columns[2].as_primitive::<TimestampMicrosecondType>();
    let column = by_row::<_, TimestampMicrosecondArray>(columns, |row| {
        let shifted = shifted(parts.value(row), counts.value(row), values.value(row));
        shifted
            .map(Some)
            .ok_or_else(|| out_of_range(counts.value(row)))
    })?;
    Ok(Arc::new(column.with_data_type(result.arrow())))
}

/// What parts are taken of: a moment, a time of day, an interval.
fn parts_type(arguments: &Arguments<'_>) -> Result<Type> {
    match arguments.types[1] {
        Type::TimestampTz => Ok(Type::TimestampTz),
        data_type if data_type.is_moment() || data_type == Type::Unknown => Ok(Type::Timestamp),
        data_type @ (Type::Time | Type::Interval) => Ok(data_type),
        data_type if data_type.is_text() => Ok(Type::Timestamp),
        _ => Err(arguments.refused()),
    }
}

fn date_part_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    Ok((vec![TEXT, parts_type(arguments)?], Type::Float8))
}

fn extract_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let of = parts_type(arguments)?;
    let result = match of {
        Type::TimestampTz => Type::Float8,
        _ => Type::Int4,
    };
    Ok((vec![TEXT, of], result))
}

fn extract_epoch_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let of = parts_type(arguments)?;
    let result = match of {
        Type::TimestampTz => Type::Float8,
        _ => Type::Int8,
    };
    Ok((vec![TEXT, of], result))
}

fn extract(columns: &[ArrayRef], types: &[Type], result: Type) -> Result<ArrayRef> {
    let parts = parts(columns, types[1], Seconds::Alone)?;
    crate::types::cast::cast(
        &parts,
        Type::Float8,
        result,
        crate::types::cast::Mode::Explicit,
    )
}

fn date_part(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    parts(columns, types[1], Seconds::Complete)
}

/// What seconds, and parts of them, are.
#[derive(Debug, Clone, Copy)]
enum Seconds {
    /// Those of EXTRACT: whole numbers, and milliseconds and microseconds without the seconds.
    Alone,
    /// Those of DATE_PART: with their fractions, and with the seconds in what is less, as in PostgreSQL. The guide says so on its page of
    /// date parts, and shows 789000 microseconds of 06.789 on that of DATE_PART.
    Complete,
}

impl Seconds {
    /// Microseconds in a unit.
    fn counted(self, micros: i64, unit: i64) -> f64 {
        match self {
            Self::Alone => micros.div_euclid(unit) as f64,
            Self::Complete => micros as f64 / unit as f64,
        }
    }

    /// What is below a second, in a unit.
    fn below(self, micros: i64, unit: i64) -> f64 {
        match self {
            Self::Alone => self.counted(micros % 1_000_000, unit),
            Self::Complete => self.counted(micros % 60_000_000, unit),
        }
    }
}

/// Parts of values, as floats.
fn parts(columns: &[ArrayRef], of: Type, seconds: Seconds) -> Result<ArrayRef> {
    let names = columns[0].as_string::<i32>();
    let values = &columns[1];
    let column = by_row::<_, Float64Array>(columns, |row| {
        let name = names.value(row);
        let refused = || Error::new(&error::INVALID_ARGUMENT, &[&"date part", &name]);
        let part = match of {
            Type::Time => {
                let micros = values.as_primitive::<Time64MicrosecondType>().value(row);
                part_of_time(name, micros, seconds).ok_or_else(refused)?
            }
            Type::Interval => {
                let value = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
                part_of_interval(name, value, seconds)?.ok_or_else(refused)?
            }
            _ => {
                let value = values.as_primitive::<TimestampMicrosecondType>().value(row);
                let found = part_of_moment(name, value, seconds);
                found.ok_or_else(|| out_of_range(value))?
            }
        };
        Ok(Some(part))
    })?;
    Ok(Arc::new(column))
}

/// A part of a time of day.
fn part_of_time(name: &str, micros: i64, seconds: Seconds) -> Option<f64> {
    Some(match name {
        "hour" => (micros / (DAY / 24)) as f64,
        "minute" => (micros / 60_000_000 % 60) as f64,
        "second" => seconds.counted(micros % 60_000_000, 1_000_000),
        "millisecond" => seconds.below(micros, 1_000),
        "microsecond" => seconds.below(micros, 1),
        "epoch" => seconds.counted(micros, 1_000_000),
        _ => return None,
    })
}

fn part_of_moment(name: &str, value: i64, seconds: Seconds) -> Option<f64> {
    let date = moment(value)?.date();
    let year = date.year();
    let whole = match name {
        "millennium" => ordinal(year, 1_000),
        "century" => ordinal(year, 100),
        // 1990 to 1999 are the 200th.
        "decade" => year.div_euclid(10) + 1,
        "year" => ordinal(year, 1),
        "quarter" => date.month0() as i32 / 3 + 1,
        "month" => date.month() as i32,
        "week" => date.iso_week().week() as i32,
        "dow" => date.weekday().num_days_from_sunday() as i32,
        "doy" => date.ordinal() as i32,
        "day" => date.day() as i32,
        "epoch" => return Some(seconds.counted(value, 1_000_000)),
        _ => return part_of_time(name, value.rem_euclid(DAY), seconds),
    };
    Some(f64::from(whole))
}

/// The number of a span of so many years in its era: there is none between -1 and 1, and 1 BC is year 0.
pub(super) fn ordinal(year: i32, size: i32) -> i32 {
    match year > 0 {
        true => (year - 1) / size + 1,
        false => year / size - 1,
    }
}

fn part_of_interval(
    name: &str,
    value: IntervalMonthDayNano,
    seconds: Seconds,
) -> Result<Option<f64>> {
    let micros = value.nanoseconds / 1_000;
    if name == "epoch" && value.months == 0 {
        let all = moment_at(value.days, micros).ok_or_else(|| out_of_range("interval"))?;
        return Ok(Some(seconds.counted(all, 1_000_000)));
    }
    if micros < 0 || value.months < 0 || value.days < 0 || micros >= DAY {
        return Err(Error::not_yet(
            "parts of intervals that are negative or have days in their hours",
        ));
    }
    Ok(Some(match name {
        "year" => f64::from(value.months / 12),
        "month" => f64::from(value.months % 12),
        "day" => f64::from(value.days),
        "epoch" => return Err(Error::not_yet("the epoch of intervals with months")),
        _ => return Ok(part_of_time(name, micros, seconds)),
    }))
}

/// An interval so many times.
pub(crate) fn times(interval: Expr, count: Expr) -> Expr {
    scalar("redshift_times", times_types, multiplied).call(vec![interval, count])
}

fn times_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types {
        [Type::Interval, count] if count.is_whole() => {
            Ok((vec![Type::Interval, Type::Int8], Type::Interval))
        }
        [Type::Interval, count] if count.is_number() => {
            Ok((vec![Type::Interval, Type::Float8], Type::Interval))
        }
        _ => Err(arguments.refused()),
    }
}

fn multiplied(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let intervals = columns[0].as_primitive::<IntervalMonthDayNanoType>();
    let column = by_row::<_, IntervalMonthDayNanoArray>(columns, |row| {
        let value = intervals.value(row);
        let product = match types[1] {
            Type::Int8 => whole_times(value, columns[1].as_primitive::<Int64Type>().value(row)),
            _ if value.months != 0 || value.days != 0 => {
                return Err(Error::not_yet("fractions of intervals with days or months"));
            }
            _ => {
                let count = columns[1].as_primitive::<Float64Type>().value(row);
                // In microseconds, which is what moments have.
                let micros = (value.nanoseconds as f64 / 1_000.0 * count).round();
                let fits = micros.abs() < (i64::MAX / 1_000) as f64;
                fits.then(|| IntervalMonthDayNano::new(0, 0, micros as i64 * 1_000))
            }
        };
        product.map(Some).ok_or_else(|| out_of_range("interval"))
    })?;
    Ok(Arc::new(column))
}

fn whole_times(value: IntervalMonthDayNano, count: i64) -> Option<IntervalMonthDayNano> {
    let times = |part: i32| i32::try_from(i64::from(part).checked_mul(count)?).ok();
    Some(IntervalMonthDayNano::new(
        times(value.months)?,
        times(value.days)?,
        value.nanoseconds.checked_mul(count)?,
    ))
}

/// An interval divided by a number.
pub(crate) fn divided(interval: Expr, count: Expr) -> Expr {
    scalar("redshift_divided", divided_types, quotients).call(vec![interval, count])
}

fn divided_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types {
        [Type::Interval, count] if count.is_number() || *count == Type::Unknown => {
            Ok((vec![Type::Interval, Type::Float8], Type::Interval))
        }
        _ => Err(arguments.refused()),
    }
}

fn quotients(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let intervals = columns[0].as_primitive::<IntervalMonthDayNanoType>();
    let counts = columns[1].as_primitive::<Float64Type>();
    let computed = intervals.iter().zip(counts.iter()).map(|(value, count)| {
        let Some((value, count)) = value.zip(count) else {
            return Ok(None);
        };
        if count == 0.0 {
            return Err(Error::new(&error::DIVISION_BY_ZERO, &[]));
        }
        let quotient = quotient(value, count)?;
        quotient.map(Some).ok_or_else(|| out_of_range("interval"))
    });
    Ok(Arc::new(
        computed.collect::<Result<IntervalMonthDayNanoArray>>()?,
    ))
}

/// What is left of days becomes hours, as in PostgreSQL.
fn quotient(value: IntervalMonthDayNano, count: f64) -> Result<Option<IntervalMonthDayNano>> {
    let months = f64::from(value.months) / count;
    if months.fract() != 0.0 {
        return Err(Error::not_yet("fractions of months in intervals"));
    }
    let days = (f64::from(value.days) / count).trunc();
    let left = (f64::from(value.days) - days * count) * DAY as f64;
    // In microseconds, which is what moments have.
    let micros = ((left + value.nanoseconds as f64 / 1_000.0) / count).round();
    let most = f64::from(i32::MAX);
    let fits =
        months.abs() <= most && days.abs() <= most && micros.abs() < (i64::MAX / 1_000) as f64;
    Ok(fits.then(|| IntervalMonthDayNano::new(months as i32, days as i32, micros as i64 * 1_000)))
}

/// What is between two moments.
pub(crate) fn difference(left: Expr, right: Expr) -> Expr {
    scalar("redshift_difference", difference_types, between).call(vec![left, right])
}

fn difference_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let operands = [moment_type(arguments, 0)?, moment_type(arguments, 1)?];
    let common = match operands.contains(&Type::TimestampTz) {
        true => Type::TimestampTz,
        false => Type::Timestamp,
    };
    Ok((vec![common, common], Type::Interval))
}

/// In days and what is left of one, as PostgreSQL counts; nanoseconds alone would end after 292 years.
fn between(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let left = columns[0].as_primitive::<TimestampMicrosecondType>();
    let right = columns[1].as_primitive::<TimestampMicrosecondType>();
    let column = by_row::<_, IntervalMonthDayNanoArray>(columns, |row| {
        let interval = left.value(row).checked_sub(right.value(row));
        let interval = interval.and_then(|micros| {
            let days = i32::try_from(micros / DAY).ok()?;
            Some(IntervalMonthDayNano::new(0, days, micros % DAY * 1_000))
        });
        interval.map(Some).ok_or_else(|| out_of_range("interval"))
    })?;
    Ok(Arc::new(column))
}

/// What intervals are compared by: microseconds, with 30 days in a month, as PostgreSQL counts.
pub(crate) fn length(interval: Expr) -> Expr {
    scalar("redshift_length_of_interval", length_types, lengths).call(vec![interval])
}

fn length_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types {
        [Type::Interval] => Ok((vec![Type::Interval], Type::Int8)),
        _ => Err(arguments.refused()),
    }
}

pub(super) fn lengths(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_primitive::<IntervalMonthDayNanoType>();
    let column = by_row::<_, Int64Array>(columns, |row| {
        let value = values.value(row);
        let days = i64::from(value.months) * 30 + i64::from(value.days);
        let micros = days
            .checked_mul(DAY)
            .and_then(|micros| micros.checked_add(value.nanoseconds / 1_000));
        micros.map(Some).ok_or_else(|| out_of_range("interval"))
    })?;
    Ok(Arc::new(column))
}

/// A day and a time of it.
pub(crate) fn at_time(date: Expr, time: Expr) -> Expr {
    scalar("redshift_at_time", at_time_types, joined).call(vec![date, time])
}

fn at_time_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types {
        [Type::Date, Type::Time] => Ok((vec![Type::Date, Type::Time], Type::Timestamp)),
        _ => Err(arguments.refused()),
    }
}

fn joined(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let days = columns[0].as_primitive::<Date32Type>();
    let times = columns[1].as_primitive::<Time64MicrosecondType>();
    let column = by_row::<_, TimestampMicrosecondArray>(columns, |row| {
        let day = days.value(row);
        let moment = moment_at(day, times.value(row));
        moment
            .map(Some)
            .ok_or_else(|| out_of_range(show::date(day)))
    })?;
    Ok(Arc::new(column))
}

fn datediff_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    // A literal beside a time of day is one.
    let operands = &arguments.types[1..];
    let is_time = |data_type: &Type| *data_type == Type::Time || data_type.is_text();
    if operands.contains(&Type::Time) && operands.iter().all(is_time) {
        return Ok((vec![TEXT, Type::Time, Type::Time], Type::Int8));
    }
    for at in [1, 2] {
        moment_type(arguments, at)?;
    }
    Ok((vec![TEXT, Type::Timestamp, Type::Timestamp], Type::Int8))
}

/// How many boundaries of a part lie before a moment.
fn boundaries(part: &str, value: i64) -> Option<i64> {
    let moment = moment(value)?;
    let year = i64::from(moment.year());
    let month = i64::from(moment.month0());
    Some(match part {
        "millennium" => (year - 1).div_euclid(1_000),
        "century" => (year - 1).div_euclid(100),
        "decade" => year.div_euclid(10),
        "year" => year,
        "quarter" => year * 4 + month / 3,
        "month" => year * 12 + month,
        // Weeks begin on Sunday here; 1970 began on a Thursday.
        "week" => (value.div_euclid(DAY) + 4).div_euclid(7),
        "day" | "dow" | "doy" => value.div_euclid(DAY),
        "hour" => value.div_euclid(DAY / 24),
        "minute" => value.div_euclid(60_000_000),
        "second" | "epoch" => value.div_euclid(1_000_000),
        "millisecond" => value.div_euclid(1_000),
        "microsecond" => value,
        _ => return None,
    })
}

fn between_times(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let parts = columns[0].as_string::<i32>();
    let starts = columns[1].as_primitive::<Time64MicrosecondType>();
    let ends = columns[2].as_primitive::<Time64MicrosecondType>();
    let column = by_row::<_, Int64Array>(columns, |row| {
        let part = parts.value(row);
        let unit = unit_of_time(part).ok_or_else(|| no_part(part))?;
        Ok(Some(ends.value(row) / unit - starts.value(row) / unit))
    })?;
    Ok(Arc::new(column))
}

fn datediff(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    if types[1] == Type::Time {
        return between_times(columns);
    }
    let parts = columns[0].as_string::<i32>();
    let starts = columns[1].as_primitive::<TimestampMicrosecondType>();
    let ends = columns[2].as_primitive::<TimestampMicrosecondType>();
    let column = by_row::<_, Int64Array>(columns, |row| {
        let part = parts.value(row);
        let counted = boundaries(part, ends.value(row))
            .zip(boundaries(part, starts.value(row)))
            .and_then(|(end, start)| end.checked_sub(start));
        counted.map(Some).ok_or_else(|| out_of_range(part))
    })?;
    Ok(Arc::new(column))
}

/// The last day of a month stays the last day.
fn add_months(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let values = match types[0] {
        Type::Timestamp => Arc::clone(&columns[0]),
        from => crate::types::cast::cast(
            &columns[0],
            from,
            Type::Timestamp,
            crate::types::cast::Mode::Explicit,
        )?,
    };
    let values = values.as_primitive::<TimestampMicrosecondType>();
    let counts = columns[1].as_primitive::<Int64Type>();
    let column = by_row::<_, TimestampMicrosecondArray>(columns, |row| {
        let count = counts.value(row);
        let shifted =
            shifted("month", count, values.value(row)).ok_or_else(|| out_of_range(count))?;
        let is_last = moment(values.value(row)).is_some_and(is_last_of_month);
        Ok(Some(match is_last {
            true => at_end_of_month(shifted).unwrap_or(shifted),
            false => shifted,
        }))
    })?;
    Ok(Arc::new(column))
}

/// The last day of a day's month.
fn end_of_month(date: NaiveDate) -> Option<NaiveDate> {
    let first = date.with_day(1)?;
    first.checked_add_months(Months::new(1))?.pred_opt()
}

fn is_last_of_month(moment: NaiveDateTime) -> bool {
    end_of_month(moment.date()) == Some(moment.date())
}

fn at_end_of_month(value: i64) -> Option<i64> {
    let moment = moment(value)?;
    let last = end_of_month(moment.date())?;
    Some(micros(last.and_time(moment.time())))
}

fn day(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)
}

fn last_day(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_primitive::<Date32Type>();
    let computed = values.iter().map(|value| {
        let last = end_of_month(day(value?)?)?;
        Some(last.num_days_from_ce() - 719_163)
    });
    Ok(Arc::new(computed.collect::<Date32Array>()))
}

fn next_day(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let values = columns[0].as_primitive::<Date32Type>();
    let names = columns[1].as_string::<i32>();
    let column = by_row::<_, Date32Array>(columns, |row| {
        let name = names.value(row).to_lowercase();
        let wanted = DAYS
            .iter()
            .position(|day| name.len() >= 2 && day.starts_with(&name));
        let wanted = wanted.ok_or_else(|| {
            Error::new(&error::INVALID_ARGUMENT, &[&"next_day", &names.value(row)])
        })?;
        let value = values.value(row);
        let today = day(value).map_or(0, |day| day.weekday().num_days_from_monday());
        let ahead = (wanted as i32 - today as i32 + 6).rem_euclid(7) + 1;
        Ok(Some(value + ahead))
    })?;
    Ok(Arc::new(column))
}

fn months_between(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let left = columns[0].as_primitive::<TimestampMicrosecondType>();
    let right = columns[1].as_primitive::<TimestampMicrosecondType>();
    let computed = left.iter().zip(right.iter()).map(|(left, right)| {
        let (left, right) = (moment(left?)?, moment(right?)?);
        let months = f64::from(left.year() - right.year()) * 12.0
            + f64::from(left.month() as i32 - right.month() as i32);
        if left.day() == right.day() || (is_last_of_month(left) && is_last_of_month(right)) {
            return Some(months);
        }
        let seconds = |moment: NaiveDateTime| {
            f64::from(moment.day()) * 86_400.0 + f64::from(moment.num_seconds_from_midnight())
        };
        Some(months + (seconds(left) - seconds(right)) / (31.0 * 86_400.0))
    });
    Ok(Arc::new(computed.collect::<Float64Array>()))
}

/// `CONVERT_TIMEZONE(['from',] 'to', timestamp)`
fn zone_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let last = arguments.types.len() - 1;
    moment_type(arguments, last)?;
    let mut types = vec![TEXT; last];
    types.push(Type::Timestamp);
    Ok((types, Type::Timestamp))
}

fn zone(name: &str) -> Result<Zone> {
    let unknown = || Error::new(&error::INVALID_ARGUMENT, &[&"convert_timezone", &name]);
    Zone::find(name).ok_or_else(unknown)
}

fn convert_timezone(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let last = columns.len() - 1;
    let values = columns[last].as_primitive::<TimestampMicrosecondType>();
    let zones: Vec<_> = columns[..last]
        .iter()
        .map(|column| column.as_string::<i32>())
        .collect();
    let column = by_row::<_, TimestampMicrosecondArray>(columns, |row| {
        let value = values.value(row);
        let from = match zones.as_slice() {
            [from, _] => zone(from.value(row))?,
            _ => Zone::UTC,
        };
        let to = zone(zones[zones.len() - 1].value(row))?;
        let local = moment(value).ok_or_else(|| out_of_range(value))?;
        let converted = from.utc_of(local).and_then(|utc| to.local_of(utc));
        let converted = converted.ok_or_else(|| out_of_range(local))?;
        Ok(Some(micros(converted)))
    })?;
    Ok(Arc::new(column))
}

/// `value AT TIME ZONE 'zone'`: a timestamp is taken for a local time there, and what has a zone becomes the local time there.
fn at_zone_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types {
        [Type::Interval, _] => Err(Error::not_yet("AT TIME ZONE with an interval")),
        [_, Type::Time] => Err(Error::not_yet("TIMETZ")),
        [zone, Type::Timestamp] if zone.is_text() => {
            Ok((vec![TEXT, Type::Timestamp], Type::TimestampTz))
        }
        [zone, value] if zone.is_text() && (value.is_moment() || value.is_text()) => {
            Ok((vec![TEXT, Type::TimestampTz], Type::Timestamp))
        }
        _ => Err(arguments.refused()),
    }
}

fn at_zone(columns: &[ArrayRef], _: &[Type], result: Type) -> Result<ArrayRef> {
    let zones = columns[0].as_string::<i32>();
    let values = columns[1].as_primitive::<TimestampMicrosecondType>();
    let column = by_row::<_, TimestampMicrosecondArray>(columns, |row| {
        let (name, value) = (zones.value(row), values.value(row));
        let unknown = || Error::new(&error::INVALID_ARGUMENT, &[&"time zone", &name]);
        let zone = Zone::find(name).ok_or_else(unknown)?;
        let moved = moment(value).and_then(|moment| match result {
            Type::TimestampTz => zone.utc_of(moment),
            _ => zone.local_of(moment),
        });
        let moved = moved.ok_or_else(|| out_of_range(value))?;
        Ok(Some(micros(moved)))
    })?;
    Ok(Arc::new(column.with_data_type(result.arrow())))
}

/// `TRUNC` of a timestamp is a date, of a number a number without a fraction.
fn trunc_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        data_type if data_type.is_moment() => Ok((vec![Type::Timestamp], Type::Date)),
        data_type if data_type.is_whole() => Ok((vec![data_type], data_type)),
        Type::Numeric(precision, scale) => {
            let whole = (precision - scale).max(1);
            Ok((
                vec![Type::Numeric(precision, scale)],
                Type::Numeric(whole, 0),
            ))
        }
        Type::Float4 | Type::Float8 | Type::Unknown => Ok((vec![Type::Float8], Type::Float8)),
        _ => Err(arguments.refused()),
    }
}

fn trunc(columns: &[ArrayRef], types: &[Type], result: Type) -> Result<ArrayRef> {
    use arrow::datatypes::Decimal128Type;
    let column = &columns[0];
    Ok(match types[0] {
        Type::Timestamp => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            let days = values
                .iter()
                .map(|value| Some(value?.div_euclid(DAY) as i32));
            Arc::new(days.collect::<Date32Array>())
        }
        Type::Float8 => {
            let values = column.as_primitive::<Float64Type>();
            Arc::new(values.unary::<_, Float64Type>(f64::trunc))
        }
        Type::Numeric(_, scale) => {
            let values = column.as_primitive::<Decimal128Type>();
            let power = 10i128.pow(u32::from(scale));
            let whole = values.unary::<_, Decimal128Type>(|value| value / power);
            Arc::new(whole.with_data_type(result.arrow()))
        }
        _ => Arc::clone(column),
    })
}
