//! Dates, times of day and timestamps.

use std::ops::RangeInclusive;

use arrow::datatypes::TimeUnit;
use chrono::{Datelike, NaiveDate};

use super::{Reason, per_second};
use crate::zones::Zone;

/// Days from the first day of year 1 to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;
const DAY_SECONDS: i64 = 86_400;
const NANOS: i64 = per_second(TimeUnit::Nanosecond);

/// Days since 1970-01-01 of `YYYY-MM-DD`; years beyond four digits have a sign. A time of day may follow if it is midnight.
///
/// # Errors
/// If it is no date, or more than one.
pub fn date(text: &str) -> Result<i32, Reason> {
    let moment = Moment::of(text)?;
    match moment.clock {
        _ if moment.offset.is_some() => Err(Reason::Offset),
        Some(clock) if !clock.is_midnight() => Err(Reason::TimeOfDay),
        _ => Ok(moment.days),
    }
}

/// The time since midnight of `HH:MM:SS`, with fractions or without seconds, counted in `unit`.
///
/// # Errors
/// If it is no time of day, or finer than the unit.
pub fn time(text: &str, unit: TimeUnit) -> Result<i64, Reason> {
    let (clock, rest) = Clock::of(text.as_bytes())?;
    if !rest.is_empty() {
        return Err(Reason::Syntax);
    }
    Ok(clock.seconds * per_second(unit) + clock.fraction(unit)?)
}

/// The time since 1970-01-01 in `unit`, of a date, `T` or a blank, and a time of day (midnight if there is none).
///
/// With `zoned` an offset from UTC (`Z`, `+01`, `+01:00`, `+0100`, `UTC`) has to follow and is taken off; without it, none may.
///
/// # Errors
/// If it is no such timestamp, is finer than the unit, or does not fit.
pub fn timestamp(text: &str, unit: TimeUnit, zoned: bool) -> Result<i64, Reason> {
    let moment = Moment::of(text)?;
    match (moment.offset, zoned) {
        (Some(_), false) => Err(Reason::Offset),
        (None, true) => Err(Reason::NoOffset),
        _ => moment.since_epoch(unit),
    }
}

/// A date with what follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since 1970-01-01.
    pub(super) days: i32,
    pub(super) clock: Option<Clock>,
    /// Seconds east of UTC.
    pub(super) offset: Option<i64>,
}

impl Moment {
    pub(super) fn of(text: &str) -> Result<Self, Reason> {
        let bytes = text.as_bytes();
        let (days, rest) = day(bytes)?;
        let mut moment = Self {
            days,
            clock: None,
            offset: None,
        };
        let [b'T' | b't' | b' ', rest @ ..] = rest else {
            return rest.is_empty().then_some(moment).ok_or(Reason::Syntax);
        };
        let (clock, rest) = Clock::of(rest)?;
        moment.clock = Some(clock);
        if !rest.is_empty() {
            moment.offset = Some(offset(rest)?);
        }
        Ok(moment)
    }

    pub(super) fn since_epoch(&self, unit: TimeUnit) -> Result<i64, Reason> {
        let mut seconds = i64::from(self.days) * DAY_SECONDS - self.offset.unwrap_or(0);
        let mut fraction = 0;
        if let Some(clock) = self.clock {
            seconds += clock.seconds;
            fraction = clock.fraction(unit)?;
        }
        // In between the product may be below the smallest value though the sum is not.
        let value = i128::from(seconds) * i128::from(per_second(unit)) + i128::from(fraction);
        i64::try_from(value).map_err(|_| Reason::Range)
    }
}

/// A time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Since midnight.
    seconds: i64,
    nanos: i64,
    /// Whether digits beyond nanoseconds say more.
    finer: bool,
}

impl Clock {
    fn of(bytes: &[u8]) -> Result<(Self, &[u8]), Reason> {
        let (hour, rest) = two_digits(bytes).ok_or(Reason::Syntax)?;
        let (minute, mut rest) = after(b':', rest).ok_or(Reason::Syntax)?;
        let mut clock = Self {
            seconds: 0,
            nanos: 0,
            finer: false,
        };
        let mut second = 0;
        if let [b':', ..] = rest {
            (second, rest) = after(b':', rest).ok_or(Reason::Syntax)?;
            if let [b'.', digits @ ..] = rest {
                let count = digits
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                if count == 0 {
                    return Err(Reason::Syntax);
                }
                let mut place = NANOS / 10;
                for digit in digits[..count].iter().map(|digit| i64::from(digit - b'0')) {
                    clock.nanos += digit * place;
                    clock.finer |= place == 0 && digit > 0;
                    place /= 10;
                }
                rest = &digits[count..];
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(Reason::NoSuchTime);
        }
        clock.seconds = hour * 3600 + minute * 60 + second;
        Ok((clock, rest))
    }

    fn is_midnight(&self) -> bool {
        self.seconds == 0 && self.nanos == 0 && !self.finer
    }

    fn fraction(&self, unit: TimeUnit) -> Result<i64, Reason> {
        let place = NANOS / per_second(unit);
        if self.finer || self.nanos % place != 0 {
            return Err(Reason::Subseconds);
        }
        Ok(self.nanos / place)
    }
}

/// A date with what follows it, as people write it in SQL: `2024-1-5`, `20240105`, `2024-01-05 24:00:00 Europe/Berlin`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelled<'a> {
    /// Since 1970-01-01.
    days: i64,
    /// Since midnight; a day or a leap second later than the last one is the next day's first.
    seconds: i64,
    nanos: i64,
    /// An offset, the name of a zone, or nothing.
    pub(crate) zone: &'a str,
}

impl<'a> Spelled<'a> {
    /// `None` if it is no date.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let (sign, unsigned) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let (year, rest) = number(unsigned, 4..=8)?;
        let (year, month, day, rest) = match rest.strip_prefix('-') {
            Some(rest) => {
                let (month, rest) = number(rest, 1..=2)?;
                let (day, rest) = number(rest.strip_prefix('-')?, 1..=2)?;
                (sign * year, month, day, rest)
            }
            // 20240131
            None if unsigned.len() - rest.len() == 8 && unsigned.len() == text.len() => {
                (year / 10_000, year / 100 % 100, year % 100, rest)
            }
            None => return None,
        };
        let date = NaiveDate::from_ymd_opt(
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        )?;
        let days = i64::from(date.num_days_from_ce() - EPOCH_DAYS);
        let spelled = Self {
            days,
            seconds: 0,
            nanos: 0,
            zone: "",
        };
        let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
            return rest.is_empty().then_some(spelled);
        };
        let (seconds, nanos, zone) = spelled_clock(rest.trim_start())?;
        Some(Self {
            seconds,
            nanos,
            zone,
            ..spelled
        })
    }

    /// Seconds since midnight and nanoseconds of a time of day, up to 24:00:00.
    pub(crate) fn time(text: &str) -> Option<(i64, i64)> {
        let (seconds, nanos, _) = spelled_clock(text)?;
        Some((seconds, nanos))
    }

    /// Days since 1970-01-01.
    pub(crate) fn date(&self) -> Option<i64> {
        Some(self.days + self.seconds / DAY_SECONDS)
    }

    /// Seconds since 1970-01-01 as clocks show them, and nanoseconds.
    pub(crate) fn local(&self) -> Option<(i64, i64)> {
        let seconds = self.days.checked_mul(DAY_SECONDS)?;
        Some((seconds.checked_add(self.seconds)?, self.nanos))
    }
}

/// Seconds, nanoseconds and the zone behind them.
fn spelled_clock(text: &str) -> Option<(i64, i64, &str)> {
    let (hour, rest) = number(text, 1..=2)?;
    let (minute, mut rest) = number(rest.strip_prefix(':')?, 2..=2)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(seconds) = rest.strip_prefix(':') {
        (second, rest) = number(seconds, 2..=2)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(fraction.len());
            let mut digits = fraction[..end].bytes().map(|digit| i64::from(digit - b'0'));
            for _ in 0..9 {
                nanos = nanos * 10 + digits.next().unwrap_or(0);
            }
            nanos += i64::from(digits.next().is_some_and(|digit| digit >= 5));
            rest = &fraction[end..];
        }
    }
    let seconds = hour * 3_600 + minute * 60 + second;
    let is_time = minute <= 59 && second <= 60 && (seconds, nanos) <= (DAY_SECONDS, 0);
    let zone = rest.trim_start();
    let is_zone = zone.is_empty() || offset(zone.as_bytes()).is_ok() || Zone::find(zone).is_some();
    (is_time && is_zone).then_some((seconds, nanos, zone))
}

/// A number of so many digits, and what follows it.
fn number(text: &str, digits: RangeInclusive<usize>) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = digits.contains(&end).then(|| text[..end].parse().ok())??;
    Some((number, &text[end..]))
}

fn day(bytes: &[u8]) -> Result<(i32, &[u8]), Reason> {
    let (sign, digits) = match bytes {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (0, rest),
    };
    let count = digits
        .iter()
        .take(7)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let is_year = count == 4 || (sign != 0 && (5..=6).contains(&count));
    if !is_year {
        return Err(Reason::Syntax);
    }
    let (year, rest) = digits.split_at(count);
    let year = year
        .iter()
        .fold(0, |year, digit| year * 10 + i32::from(digit - b'0'));
    let (month, rest) = after(b'-', rest).ok_or(Reason::Syntax)?;
    let (day, rest) = after(b'-', rest).ok_or(Reason::Syntax)?;
    let year = if sign < 0 { -year } else { year };
    let date = NaiveDate::from_ymd_opt(year, month as u32, day as u32).ok_or(Reason::NoSuchTime)?;
    Ok((date.num_days_from_ce() - EPOCH_DAYS, rest))
}

/// Seconds east of UTC.
pub(crate) fn offset(bytes: &[u8]) -> Result<i64, Reason> {
    let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
    if matches!(bytes, b"Z" | b"z" | b"UTC") {
        return Ok(0);
    }
    let (sign, rest) = match bytes {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(Reason::Syntax),
    };
    let (hours, rest) = two_digits(rest).ok_or(Reason::Syntax)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        [b':', ..] => after(b':', rest).ok_or(Reason::Syntax)?,
        _ => two_digits(rest).ok_or(Reason::Syntax)?,
    };
    // Zones had offsets in seconds before railways.
    let (seconds, rest) = match rest {
        [b':', ..] => after(b':', rest).ok_or(Reason::Syntax)?,
        _ => (0, rest),
    };
    if !rest.is_empty() {
        return Err(Reason::Syntax);
    }
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(Reason::NoSuchTime);
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds))
}

fn after(separator: u8, bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    (*first == separator).then(|| two_digits(rest)).flatten()
}

fn two_digits(bytes: &[u8]) -> Option<(i64, &[u8])> {
    match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
            Some((i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};

    #[test]
    fn dates() {
        for (text, days) in [
            ("1970-01-01", Ok(0)),
            ("2024-02-29", Ok(19_782)),
            ("2024-02-29 00:00:00", Ok(19_782)),
            ("2024-02-29T00:00:00.000", Ok(19_782)),
            ("9999-12-31", Ok(2_932_896)),
            ("+12345-01-01", Ok(3_789_391)),
            ("2024-02-29 10:00:00", Err(Reason::TimeOfDay)),
            ("2024-02-29 00:00:00.0000000001", Err(Reason::TimeOfDay)),
            ("2024-02-29T00:00:00Z", Err(Reason::Offset)),
            ("2023-02-29", Err(Reason::NoSuchTime)),
            ("2024-13-01", Err(Reason::NoSuchTime)),
            ("2024-1-31", Err(Reason::Syntax)),
            ("12345-01-01", Err(Reason::Syntax)),
            ("20240131", Err(Reason::Syntax)),
            ("31.01.2024", Err(Reason::Syntax)),
            ("2024-01-31 ", Err(Reason::Syntax)),
            ("1706695200", Err(Reason::Syntax)),
            ("", Err(Reason::Syntax)),
        ] {
            assert_eq!(date(text), days, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time("10:00", Second), Ok(36_000));
        assert_eq!(time("23:59:59.5", Millisecond), Ok(86_399_500));
        assert_eq!(time("23:59:59.5", Second), Err(Reason::Subseconds));
        assert_eq!(time("24:00:00", Second), Err(Reason::NoSuchTime));
        assert_eq!(time("23:59:60", Second), Err(Reason::NoSuchTime));
        for text in ["", "1:00:00", "10:00:00.", "10:00:00Z", "10"] {
            assert_eq!(time(text, Microsecond), Err(Reason::Syntax), "{text}");
        }
    }

    #[test]
    fn timestamps() {
        let naive = |text| timestamp(text, Microsecond, false);
        let ten = 1_706_695_200_000_000;
        assert_eq!(naive("2024-01-31 10:00:00"), Ok(ten));
        assert_eq!(naive("2024-01-31T10:00"), Ok(ten));
        assert_eq!(naive("2024-01-31T10:00:00.000001"), Ok(ten + 1));
        assert_eq!(naive("2024-01-31T10:00:00.000001000000"), Ok(ten + 1));
        assert_eq!(naive("2024-01-31"), Ok(ten - 36_000_000_000));
        assert_eq!(naive("9999-12-31"), Ok(253_402_214_400_000_000));
        assert_eq!(naive("0001-01-01 00:00:00"), Ok(-62_135_596_800_000_000));
        assert_eq!(
            naive("2024-01-31 10:00:00.0000001"),
            Err(Reason::Subseconds)
        );
        assert_eq!(naive("2024-01-31 10:00:00+01:00"), Err(Reason::Offset));
        assert_eq!(naive("2016-12-31 23:59:60"), Err(Reason::NoSuchTime));
        assert_eq!(naive("2024-01-31 24:00:00"), Err(Reason::NoSuchTime));
        assert_eq!(naive("2024-01-31 10:00:00 PM"), Err(Reason::Syntax));
        assert_eq!(naive("2024-01-31x10:00:00"), Err(Reason::Syntax));
        assert_eq!(naive("1710037800000"), Err(Reason::Syntax));
        let nanos = |text| timestamp(text, Nanosecond, false);
        assert_eq!(nanos("2262-04-11 23:47:16.854775807"), Ok(i64::MAX));
        assert_eq!(nanos("1677-09-21 00:12:43.145224192"), Ok(i64::MIN));
        assert_eq!(nanos("9999-12-31 00:00:00"), Err(Reason::Range));
    }

    #[test]
    fn sql_reads_more_than_files() {
        let local = |text| Spelled::of(text).and_then(|spelled| spelled.local());
        let day = 1_704_412_800;
        for (text, seconds) in [
            ("2024-01-05", Some((day, 0))),
            ("2024-1-5", Some((day, 0))),
            ("20240105", Some((day, 0))),
            ("2024-01-04 24:00:00", Some((day, 0))),
            ("2024-01-04 23:59:60", Some((day, 0))),
            ("2024-01-05T00:00", Some((day, 0))),
            ("2024-01-05 0:00:00.1234567895", Some((day, 123_456_790))),
            ("2024-01-05 00:00:00-05:00", Some((day, 0))),
            ("2024-01-05 00:00:00 Europe/Berlin", Some((day, 0))),
            ("10000-01-01", Some((253_402_300_800, 0))),
            ("-0044-03-15", Some((-63_549_360_000, 0))),
            ("2024-02-30", None),
            ("2024-01-05 24:00:01", None),
            ("2024-01-05 10:00 PM", None),
            ("0044-01-01 BC", None),
            ("24-01-05", None),
            ("2024-001", None),
            ("Jan 5 2024", None),
            ("infinity", None),
            ("1704412800", None),
            ("", None),
        ] {
            assert_eq!(local(text), seconds, "{text}");
        }
        assert_eq!(Spelled::time("24:00:00"), Some((86_400, 0)));
        assert_eq!(Spelled::time("10:00:00+02"), Some((36_000, 0)));
        assert_eq!(Spelled::time("25:00:00"), None);
    }

    #[test]
    fn offsets_are_taken_off() {
        let zoned = |text| timestamp(text, Second, true);
        let ten = 1_706_695_200;
        for text in [
            "2024-01-31T10:00:00Z",
            "2024-01-31 10:00:00 UTC",
            "2024-01-31 10:00:00+00",
            "2024-01-31 11:00:00+01:00",
            "2024-01-31 11:00:00 +0100",
            "2024-01-31 04:30:00-05:30",
            "2024-01-31 10:34:08+00:34:08",
        ] {
            assert_eq!(zoned(text), Ok(ten), "{text}");
        }
        assert_eq!(zoned("2024-01-31 10:00:00"), Err(Reason::NoOffset));
        assert_eq!(zoned("2024-01-31"), Err(Reason::NoOffset));
        assert_eq!(zoned("2024-01-31 10:00:00 CET"), Err(Reason::Syntax));
        assert_eq!(zoned("2024-01-31 10:00:00+24:00"), Err(Reason::NoSuchTime));
        assert_eq!(zoned("2024-01-31 10:00:00+1"), Err(Reason::Syntax));
    }
}
