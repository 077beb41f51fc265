//! Values as text: what results show, and what casts to text give.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::Type;

/// How many digits floats have as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    /// As many as tell a value from all others.
    All,
    /// Those that a type keeps of any number, and so many more: the parameter `extra_float_digits`.
    Extra(i32),
}

impl Default for Digits {
    fn default() -> Self {
        Self::Extra(0)
    }
}

/// Days from the year 1 to 1970.
const EPOCH: i32 = 719_163;

/// A value of a result; `None` for NULL.
pub(crate) fn output(
    array: &dyn Array,
    row: usize,
    data_type: Type,
    digits: Digits,
) -> Option<String> {
    let text = text(array, row, digits)?;
    Some(match data_type {
        Type::Bool => (if text == "true" { "t" } else { "f" }).to_owned(),
        // Its blanks are not kept.
        Type::Char(length) => format!("{text:<0$}", length as usize - surplus(&text)),
        _ => text,
    })
}

/// Bytes that characters have beyond one each.
fn surplus(text: &str) -> usize {
    text.len() - text.chars().count()
}

/// A value as a cast to VARCHAR gives it; `None` for NULL.
pub(crate) fn text(array: &dyn Array, row: usize, digits: Digits) -> Option<String> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            match digits {
                Digits::All => float(&format!("{value:e}"), 6),
                Digits::Extra(more) => of_digits(f64::from(value), 6 + more),
            }
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            match digits {
                Digits::All => float(&format!("{value:e}"), 15),
                Digits::Extra(more) => of_digits(value, 15 + more),
            }
        }
        DataType::Decimal128(precision, scale) => Decimal128Type::format_decimal(
            array.as_primitive::<Decimal128Type>().value(row),
            *precision,
            *scale,
        ),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time64(TimeUnit::Microsecond) => {
            time(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Second => array
                    .as_primitive::<TimestampSecondType>()
                    .value(row)
                    .saturating_mul(1_000_000),
                TimeUnit::Millisecond => array
                    .as_primitive::<TimestampMillisecondType>()
                    .value(row)
                    .saturating_mul(1_000),
                TimeUnit::Microsecond => {
                    array.as_primitive::<TimestampMicrosecondType>().value(row)
                }
                TimeUnit::Nanosecond => array
                    .as_primitive::<TimestampNanosecondType>()
                    .value(row)
                    .div_euclid(1_000),
            };
            stamp(micros, if zone.is_some() { "+00" } else { "" })
        }
        DataType::Interval(_) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            interval(value.months, value.days, value.nanoseconds)
        }
        other => format!("({other})"),
    })
}

/// A float of so many digits; at least one.
fn of_digits(value: f64, digits: i32) -> String {
    let digits = digits.max(1);
    float(&format!("{value:.0$e}", digits as usize - 1), digits)
}

/// As C's `%g`: the digits of `1.50e7` without zeros at their end, with an exponent of two digits at least if it is below -4, or so great
/// that not all digits before the point are there.
fn float(scientific: &str, digits: i32) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return match scientific {
            "inf" => "Infinity".to_owned(),
            "-inf" => "-Infinity".to_owned(),
            nan => nan.to_owned(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let all = mantissa.replace('.', "");
    let all = match all.trim_end_matches('0') {
        "" => "0",
        all => all,
    };
    if !(-4..digits).contains(&exponent) {
        let (first, rest) = all.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!(
            "{sign}{first}{point}{rest}e{direction}{:02}",
            exponent.abs()
        );
    }
    let Ok(before) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{all}");
    };
    match all.split_at_checked(before) {
        None | Some((_, "")) => format!("{sign}{all:0<before$}"),
        Some(("", after)) => format!("{sign}0.{after}"),
        Some((whole, after)) => format!("{sign}{whole}.{after}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

pub(crate) fn date(days: i32) -> String {
    match calendar(days) {
        Some(date) => day(date),
        None => format!("day {days}"),
    }
}

/// The date of a day since 1970, if it has one.
pub(crate) fn calendar(days: i32) -> Option<NaiveDate> {
    EPOCH
        .checked_add(days)
        .and_then(NaiveDate::from_num_days_from_ce_opt)
}

fn day(date: NaiveDate) -> String {
    let (year, era) = era(date);
    format!("{year:04}-{:02}-{:02}{era}", date.month(), date.day())
}

/// The year as it is counted in its era, and what says that it is not ours.
fn era(date: NaiveDate) -> (i32, &'static str) {
    match date.year() {
        year if year > 0 => (year, ""),
        year => (1 - year, " BC"),
    }
}

fn time(micros: i64) -> String {
    // The end of a day, which is no time of it.
    if micros == 86_400_000_000 {
        return "24:00:00".to_owned();
    }
    let seconds = u32::try_from(micros / 1_000_000).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).map_or_else(String::new, clock)
}

fn clock(time: NaiveTime) -> String {
    let micros = time.nanosecond() / 1_000;
    let shown = time.format("%H:%M:%S").to_string();
    match micros {
        0 => shown,
        micros => format!("{shown}.{micros:06}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

pub(crate) fn timestamp(micros: i64) -> String {
    stamp(micros, "")
}

/// A timestamp and its zone; the era comes last.
fn stamp(micros: i64, zone: &str) -> String {
    let Some(moment) = moment(micros) else {
        return format!("microsecond {micros}{zone}");
    };
    let (year, era) = era(moment.date());
    let (month, day) = (moment.month(), moment.day());
    let clock = clock(moment.time());
    format!("{year:04}-{month:02}-{day:02} {clock}{zone}{era}")
}

pub(crate) fn moment(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc())
}

fn interval(months: i32, days: i32, nanos: i64) -> String {
    let mut parts = Vec::new();
    let mut part = |count: i32, unit: &str| {
        if count != 0 {
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} {unit}{plural}"));
        }
    };
    part(months / 12, "year");
    part(months % 12, "mon");
    part(days, "day");
    let micros = nanos / 1_000;
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        let micros = micros.abs();
        let (hours, rest) = (micros / 3_600_000_000, micros % 3_600_000_000);
        let (minutes, rest) = (rest / 60_000_000, rest % 60_000_000);
        let (seconds, rest) = (rest / 1_000_000, rest % 1_000_000);
        let mut clock = format!("{sign}{hours:02}:{minutes:02}:{seconds:02}");
        if rest != 0 {
            let fraction = format!("{rest:06}");
            clock = format!("{clock}.{}", fraction.trim_end_matches('0'));
        }
        parts.push(clock);
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_shown_as_c_does() {
        let shown = |value: f64| of_digits(value, 15);
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-0.1, "-0.1"),
            (0.1 + 0.2, "0.3"),
            (2.0 / 3.0, "0.666666666666667"),
            (1234567.891, "1234567.891"),
            (120.0, "120"),
            (123456789012345.6, "123456789012346"),
            (999999999999999.9, "1e+15"),
            (1e20, "1e+20"),
            (0.00015, "0.00015"),
            (0.000015, "1.5e-05"),
            (1.5e-7, "1.5e-07"),
            (f64::MAX, "1.79769313486232e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(shown(value), text);
        }
        assert_eq!(of_digits(0.1, 17), "0.10000000000000001");
        assert_eq!(of_digits(1.5e300, -3), "2e+300");
        assert_eq!(
            float(&format!("{:e}", 0.1 + 0.2), 15),
            "0.30000000000000004"
        );
        assert_eq!(
            float(&format!("{:e}", 1e300 / 3.0), 15),
            "3.3333333333333335e+299"
        );
    }

    #[test]
    fn intervals_name_their_units() {
        assert_eq!(interval(14, 3, 0), "1 year 2 mons 3 days");
        assert_eq!(interval(0, 1, 3_600_000_000_000), "1 day 01:00:00");
        assert_eq!(interval(0, 0, 0), "00:00:00");
    }
}
