//! Timestamps, times of day and intervals as text, as PostgreSQL writes them.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, DurationMicrosecondType, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    Time64NanosecondType, TimeUnit,
};
use datafusion::common::Result;

use crate::error::ValueError;
use crate::time::{calendar, per_second, zone};

const A_DAY: i64 = 86_400;

/// Whether values of this type are written here.
pub(super) fn writes(from: &DataType) -> bool {
    matches!(
        from,
        DataType::Timestamp(..)
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Interval(_)
            | DataType::Duration(_)
    )
}

pub(super) fn written(values: &ArrayRef) -> Result<StringArray> {
    match values.data_type() {
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().map(zone::zone).transpose()?;
            let tick = per_second(*unit);
            let ticks = arrow_cast(values, &DataType::Int64)?;
            let write = |ticks: i64| {
                let seconds = ticks.div_euclid(tick);
                let nanos = ticks.rem_euclid(tick) * (1_000_000_000 / tick);
                let offset = match zone {
                    None => None,
                    Some(zone) => Some(zone.offset_at(seconds)?),
                };
                let mut text = moment(seconds.checked_add(offset.unwrap_or(0))?, nanos);
                if let Some(offset) = offset {
                    push_offset(&mut text, offset);
                }
                Some(text)
            };
            ticks
                .as_primitive::<Int64Type>()
                .iter()
                .map(|ticks| match ticks {
                    None => Ok(None),
                    Some(ticks) => write(ticks).map(Some).ok_or_else(|| {
                        ValueError::new(format!("the timestamp {ticks} is beyond the calendar"))
                            .into()
                    }),
                })
                .collect()
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let nanos = arrow_cast(values, &DataType::Time64(TimeUnit::Nanosecond))?;
            let nanos = nanos.as_primitive::<Time64NanosecondType>();
            let write = |nanos: i64| {
                let mut text = String::new();
                push_time(&mut text, nanos / 1_000_000_000, nanos % 1_000_000_000);
                text
            };
            Ok(nanos.iter().map(|nanos| nanos.map(write)).collect())
        }
        DataType::Duration(_) => {
            let micros = arrow_cast(values, &DataType::Duration(TimeUnit::Microsecond))?;
            let micros = micros.as_primitive::<DurationMicrosecondType>();
            let a_day = A_DAY * 1_000_000;
            Ok(micros
                .iter()
                .map(|micros| {
                    micros.map(|micros| interval(0, micros / a_day, micros % a_day * 1_000))
                })
                .collect())
        }
        _ => {
            let intervals = arrow_cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
            Ok(intervals
                .iter()
                .map(|value| {
                    value.map(|value| {
                        interval(value.months.into(), value.days.into(), value.nanoseconds)
                    })
                })
                .collect())
        }
    }
}

/// `2024-01-31 10:00:00.5` of a local time.
fn moment(seconds: i64, nanos: i64) -> String {
    let (year, month, day) = calendar::date(seconds.div_euclid(A_DAY));
    let sign = match year {
        ..0 => "-",
        10_000.. => "+",
        _ => "",
    };
    let mut text = format!("{sign}{:04}-{month:02}-{day:02} ", year.abs());
    push_time(&mut text, seconds.rem_euclid(A_DAY), nanos);
    text
}

fn push_time(text: &mut String, seconds: i64, nanos: i64) {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let _ = write!(text, "{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if nanos != 0 {
        let digits = format!("{nanos:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

/// `+00`, `+05:30`, `-00:34:08`.
fn push_offset(text: &mut String, offset: i64) {
    let (sign, offset) = if offset < 0 {
        ('-', -offset)
    } else {
        ('+', offset)
    };
    let _ = write!(text, "{sign}{:02}", offset / 3_600);
    if offset % 3_600 != 0 {
        let _ = write!(text, ":{:02}", offset / 60 % 60);
    }
    if offset % 60 != 0 {
        let _ = write!(text, ":{:02}", offset % 60);
    }
}

/// `1 year 2 mons 3 days 04:05:06.5`.
fn interval(months: i64, days: i64, nanos: i64) -> String {
    let mut text = String::new();
    let mut was_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let blank = if text.is_empty() { "" } else { " " };
        let plus = if was_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        let _ = write!(text, "{blank}{plus}{value} {unit}{plural}");
        was_negative = value < 0;
    }
    if nanos != 0 || text.is_empty() {
        if !text.is_empty() {
            text.push(' ');
        }
        match nanos < 0 {
            true => text.push('-'),
            false if was_negative => text.push('+'),
            false => {}
        }
        let nanos = nanos.unsigned_abs().cast_signed();
        push_time(&mut text, nanos / 1_000_000_000, nanos % 1_000_000_000);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_in_postgresql() {
        let a_second = 1_000_000_000;
        for (months, days, nanos, text) in [
            (14, 3, 0, "1 year 2 mons 3 days"),
            (1, 0, 0, "1 mon"),
            (0, 0, 0, "00:00:00"),
            (0, 29, 0, "29 days"),
            (0, 0, 90_000 * a_second, "25:00:00"),
            (0, -1, 2 * 3_600 * a_second, "-1 days +02:00:00"),
            (0, 0, -1_500_000_000, "-00:00:01.5"),
            (-1, 2, 0, "-1 mons +2 days"),
        ] {
            assert_eq!(interval(months, days, nanos), text);
        }
    }
}
