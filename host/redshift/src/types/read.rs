//! Texts as values, the way PostgreSQL reads literals.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

use super::zones::Zone;
use super::{Type, show};
use crate::error::{self, Error, Result};

const DAY: i64 = 86_400_000_000;

fn invalid(data_type: Type, text: &str) -> Error {
    Error::new(&error::INVALID_TEXT, &[&data_type.base_name(), &text])
}

pub(crate) fn boolean(text: &str) -> Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "1" | "on" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "0" | "off" => Ok(false),
        _ => Err(invalid(Type::Bool, text)),
    }
}

pub(crate) fn whole(text: &str, data_type: Type) -> Result<i64> {
    let digits = text.trim();
    let value: i128 = digits.parse().map_err(|_| {
        let is_number = digits.trim_start_matches(['-', '+']).len() > 18
            && digits
                .trim_start_matches(['-', '+'])
                .bytes()
                .all(|digit| digit.is_ascii_digit());
        match is_number {
            true => out_of_range(data_type),
            false => invalid(data_type, text),
        }
    })?;
    in_range(value, data_type)
}

pub(crate) fn out_of_range(data_type: Type) -> Error {
    Error::new(&error::INTEGER_RANGE, &[&data_type.base_name()])
}

/// The value, if a whole number of the type can hold it.
pub(crate) fn in_range(value: i128, data_type: Type) -> Result<i64> {
    let fits = match data_type {
        Type::Int2 => i16::try_from(value).is_ok(),
        Type::Int4 => i32::try_from(value).is_ok(),
        _ => true,
    };
    match i64::try_from(value) {
        Ok(value) if fits => Ok(value),
        _ => Err(out_of_range(data_type)),
    }
}

pub(crate) fn float(text: &str, data_type: Type) -> Result<f64> {
    let trimmed = text.trim();
    let is_plain = trimmed
        .bytes()
        .all(|letter| letter.is_ascii_digit() || b"+-.eE".contains(&letter));
    let lowered = trimmed.to_ascii_lowercase();
    match lowered.trim_start_matches(['-', '+']) {
        "nan" => return Ok(f64::NAN),
        "infinity" | "inf" if lowered.starts_with('-') => return Ok(f64::NEG_INFINITY),
        "infinity" | "inf" => return Ok(f64::INFINITY),
        _ => {}
    }
    let value: f64 = match trimmed.parse() {
        Ok(value) if is_plain => value,
        _ => return Err(invalid(data_type, text)),
    };
    let fits = match data_type {
        Type::Float4 => (value as f32).is_finite(),
        _ => value.is_finite(),
    };
    match fits {
        true => Ok(value),
        false => Err(out_of_range(data_type)),
    }
}

/// The digits of a number that a decimal of a precision and scale holds, rounded half away from zero.
pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128> {
    let data_type = Type::Numeric(precision, scale);
    let bad = || invalid(data_type, text);
    let trimmed = text.trim();
    let (is_negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| bad())?),
        None => (unsigned, 0),
    };
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{before}{after}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(bad());
    }
    // The digits that stay, then those that are rounded.
    let point = before.len() as i64 + i64::from(exponent) + i64::from(scale);
    let digits = digits.as_bytes();
    let mut value: i128 = 0;
    for place in 0..point.clamp(0, 200) {
        let digit = digits.get(place as usize).map_or(0, |digit| digit - b'0');
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit)))
            .ok_or_else(overflow)?;
    }
    let next = usize::try_from(point)
        .ok()
        .and_then(|point| digits.get(point));
    if next.is_some_and(|digit| *digit >= b'5') {
        value = value.checked_add(1).ok_or_else(overflow)?;
    }
    fits(if is_negative { -value } else { value }, precision)
}

pub(crate) fn overflow() -> Error {
    Error::new(&error::NUMERIC_RANGE, &[])
}

/// The value, if a decimal of so many digits can hold it.
pub(crate) fn fits(value: i128, precision: u8) -> Result<i128> {
    match value.unsigned_abs() < 10u128.pow(u32::from(precision)) {
        true => Ok(value),
        false => Err(overflow()),
    }
}

/// The bytes that hexadecimal digits say, two of them each; `None` if there is anything else.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

/// Days since 1970; a time of day and a zone are left out.
pub(crate) fn date(text: &str) -> Result<i32> {
    let (day, _, _) = moment(text, Type::Date)?;
    Ok(days(day))
}

fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// Microseconds since 1970 as the text shows them; a zone is left out.
pub(crate) fn timestamp(text: &str) -> Result<i64> {
    let (day, time, _) = moment(text, Type::Timestamp)?;
    Ok(i64::from(days(day)) * DAY + time)
}

/// Microseconds since 1970 in UTC.
pub(crate) fn timestamp_tz(text: &str) -> Result<i64> {
    let (day, time, zone) = moment(text, Type::TimestampTz)?;
    let local = i64::from(days(day)) * DAY + time;
    let Some(zone) = zone else {
        return Ok(local);
    };
    let utc = show::moment(local).and_then(|local| zone.utc_of(local));
    let utc = utc.ok_or_else(|| Error::new(&error::DATE_RANGE, &[&text]))?;
    Ok(utc.and_utc().timestamp_micros())
}

/// Microseconds since midnight.
pub(crate) fn time(text: &str) -> Result<i64> {
    let bad = || Error::new(&error::INVALID_DATE, &[&Type::Time.base_name(), &text]);
    let (clock, _) = zone(text.trim()).unwrap_or((text.trim(), None));
    let micros = self::clock(clock).filter(|micros| *micros <= DAY);
    micros.ok_or_else(bad)
}

/// A day, microseconds of it, and the zone that is named.
fn moment(text: &str, data_type: Type) -> Result<(NaiveDate, i64, Option<Zone>)> {
    let bad = || Error::new(&error::INVALID_DATE, &[&data_type.base_name(), &text]);
    let out_of_range = || Error::new(&error::DATE_RANGE, &[&text]);
    let trimmed = text.trim();
    match trimmed.to_ascii_lowercase().as_str() {
        "epoch" => return Ok((NaiveDate::default(), 0, Some(Zone::UTC))),
        name @ ("now" | "today" | "tomorrow" | "yesterday" | "infinity" | "-infinity") => {
            return Err(Error::not_yet(format_args!("the moment '{name}'")));
        }
        _ => {}
    }
    let (words, is_bc) = words(trimmed);
    let words = words.join(" ");
    let (day_text, rest) = split(&words);
    let day = day_parts(day_text, is_bc).ok_or_else(bad)?;
    let day = day.date(is_bc).ok_or_else(out_of_range)?;
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok((day, 0, None));
    }
    let (clock_text, zone) = zone(rest).ok_or_else(bad)?;
    let micros = match clock_text.is_empty() {
        true => 0,
        false => clock(clock_text).ok_or_else(bad)?,
    };
    Ok((day, micros, zone))
}

/// The words with the date before the time, and whether they name a year before our era.
fn words(text: &str) -> (Vec<&str>, bool) {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let is_era = |word: &&str| word.eq_ignore_ascii_case("bc") || word.eq_ignore_ascii_case("ad");
    let era = words.iter().position(is_era).map(|at| words.remove(at));
    // `17 Dec 07:37:16 1997` has the year behind the time.
    let is_year = |word: &&str| word.len() == 4 && is_digits(word);
    if words.iter().position(|word| word.contains(':')) == Some(2)
        && words.get(3).is_some_and(is_year)
    {
        words.swap(2, 3);
    }
    (words, era.is_some_and(|era| era.eq_ignore_ascii_case("bc")))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// The part that is a date, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    // An ISO date is followed by T or blanks; others have blanks inside.
    let is_iso = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
        >= 4;
    if is_iso {
        // A T within a name, as in `2000-Oct-31`, ends no date.
        let ends = |at: usize| match bytes[at] {
            b' ' => true,
            b'T' | b't' => bytes[at - 1].is_ascii_digit(),
            _ => false,
        };
        let end = (4..bytes.len()).find(|at| ends(*at));
        let end = end.unwrap_or(text.len());
        return (
            &text[..end],
            text[end..].trim_start_matches(['T', 't', ' ']),
        );
    }
    let Some(colon) = text.find(':') else {
        return match text.rsplit_once(' ') {
            Some((date, time)) if time.len() == 6 && is_digits(time) => (date, time),
            _ => (text, ""),
        };
    };
    match text[..colon].trim_end().rfind([' ', 'T']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// The Julian day that comes before the first of the year 1.
const JULIAN: i32 = 1_721_425;

/// A date as a text has it.
enum Day {
    /// Year, month and day.
    Calendar(i32, u32, u32),
    /// Year and day of the year.
    Ordinal(i32, u32),
    /// Days by Julian's count.
    Julian(i32),
}

impl Day {
    /// `None` if the calendar does not have it.
    fn date(self, is_bc: bool) -> Option<NaiveDate> {
        // There is no year 0.
        let counted = |year: i32| match is_bc {
            _ if year < 1 => None,
            true => Some(1 - year),
            false => Some(year),
        };
        match self {
            Self::Calendar(year, month, day) => NaiveDate::from_ymd_opt(counted(year)?, month, day),
            Self::Ordinal(year, day) => NaiveDate::from_yo_opt(counted(year)?, day),
            Self::Julian(day) => NaiveDate::from_num_days_from_ce_opt(day.checked_sub(JULIAN)?),
        }
    }
}

fn day_parts(text: &str, is_bc: bool) -> Option<Day> {
    let text = text.trim();
    if let Some(day) = text.strip_prefix(['J', 'j'])
        && is_digits(day)
    {
        return day.parse().ok().map(Day::Julian);
    }
    let parts: Vec<&str> = text
        .split(['-', '/', '.', ' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let month = |name: &str| -> Option<u32> {
        const NAMES: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let name = name.to_ascii_lowercase();
        if name.len() < 3 {
            return None;
        }
        let at = NAMES.iter().position(|full| full.starts_with(&name))?;
        u32::try_from(at + 1).ok()
    };
    let calendar = |year: &str, month: u32, day: &str| {
        Some(Day::Calendar(self::year(year, is_bc)?, month, number(day)?))
    };
    match parts.as_slice() {
        [whole] if is_digits(whole) && matches!(whole.len(), 6 | 8) => {
            let (year, rest) = whole.split_at(whole.len() - 4);
            let (month, day) = rest.split_at(2);
            calendar(year, number(month)?, day)
        }
        [of, day] if of.len() == 4 && day.len() == 3 && text.contains('.') => {
            Some(Day::Ordinal(year(of, is_bc)?, number(day)?))
        }
        [first, second, third] => {
            if let Some(month) = month(first) {
                return calendar(third, month, second);
            }
            if let Some(month) = month(second) {
                return match first.len() {
                    3.. => calendar(first, month, third),
                    _ => calendar(third, month, first),
                };
            }
            // `17.12.1997` begins with the day, since it can be no month.
            let begins_with_day = text.contains('.') && number(first)? > 12;
            match first.len() {
                3.. => calendar(first, number(second)?, third),
                _ if begins_with_day => calendar(third, number(second)?, first),
                _ => calendar(third, number(first)?, second),
            }
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<u32> {
    match is_digits(text) {
        true => text.parse().ok(),
        false => None,
    }
}

/// Two digits are a year of the 20th or the 21st century, in our era.
fn year(text: &str, is_bc: bool) -> Option<i32> {
    let value = i32::try_from(number(text)?).ok()?;
    Some(match text.len() {
        1 | 2 if is_bc => value,
        1 | 2 if value < 70 => value + 2000,
        1 | 2 => value + 1900,
        _ => value,
    })
}

/// Where the name of a zone begins: at the first letters that are neither AM nor PM.
fn name_of_zone(text: &str) -> Option<usize> {
    let first = text.find(char::is_alphabetic)?;
    let rest = text[first..].trim_start_matches(char::is_alphabetic);
    let word = &text[first..text.len() - rest.len()];
    match word.eq_ignore_ascii_case("am") || word.eq_ignore_ascii_case("pm") {
        true => rest
            .find(char::is_alphabetic)
            .map(|at| text.len() - rest.len() + at),
        false => Some(first),
    }
}

/// The text before a zone, and the zone.
fn zone(text: &str) -> Option<(&str, Option<Zone>)> {
    let text = text.trim();
    if let Some(at) = name_of_zone(text) {
        let zone = Zone::find(&text[at..])?;
        return Some((text[..at].trim_end(), Some(zone)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    let digits = &text[at + 1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let hours: i64 = hours
        .parse()
        .ok()
        .filter(|hours| (0..=15).contains(hours))?;
    let minutes: i64 = minutes
        .parse()
        .ok()
        .filter(|minutes| (0..60).contains(minutes))?;
    Some((
        text[..at].trim_end(),
        Some(Zone::Fixed(sign * (hours * 3600 + minutes * 60))),
    ))
}

/// `HHMMSS` with colons.
fn spread(text: &str) -> Option<String> {
    let (digits, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let is_time = digits.len() == 6 && is_digits(digits);
    is_time.then(|| {
        let (hour, rest) = digits.split_at(2);
        let (minute, second) = rest.split_at(2);
        format!("{hour}:{minute}:{second}{fraction}")
    })
}

/// Microseconds of `HH:MM[:SS[.fraction]] [AM|PM]` or of `HHMMSS`.
fn clock(text: &str) -> Option<i64> {
    let lowered = text.trim().to_ascii_lowercase();
    let (text, half) = match (lowered.strip_suffix("am"), lowered.strip_suffix("pm")) {
        (Some(text), _) => (text.trim_end(), Some(0)),
        (_, Some(text)) => (text.trim_end(), Some(12)),
        _ => (lowered.as_str(), None),
    };
    let spread = spread(text);
    let mut parts = spread.as_deref().unwrap_or(text).split(':');
    let number = |part: &str| -> Option<u32> {
        match (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit()) {
            true => part.parse().ok(),
            false => None,
        }
    };
    let mut hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(second) => match second.split_once('.') {
            None => (number(second)?, 0),
            Some((second, digits)) => {
                if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                    return None;
                }
                let kept: i64 = format!("{digits:0<7}")[..7].parse().ok()?;
                (number(second)?, (kept + 5) / 10)
            }
        },
    };
    if parts.next().is_some() {
        return None;
    }
    if let Some(half) = half {
        hour = match hour {
            1..=12 => hour % 12 + half,
            _ => return None,
        };
    }
    if (hour, minute, second, fraction) == (24, 0, 0, 0) {
        return Some(DAY);
    }
    // The second 60 is the first of the next minute.
    let time = NaiveTime::from_hms_opt(hour, minute, second.min(59))?;
    let seconds = match second {
        0..60 => time.num_seconds_from_midnight(),
        60 => time.num_seconds_from_midnight() + 1,
        _ => return None,
    };
    Some(i64::from(seconds) * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_pairs_of_digits() {
        assert_eq!(hexadecimal("6aFf"), Some(vec![0x6a, 0xff]));
        assert_eq!(hexadecimal(""), Some(Vec::new()));
        for text in ["6", "6a6", "zz", "6 ", "é"] {
            assert_eq!(hexadecimal(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_the_usual_forms() {
        for text in [
            "2020-01-02",
            "20200102",
            "1/2/2020",
            "Jan 2, 2020",
            "02 Jan 2020",
            "2020-Jan-02",
            "200102",
            "2020.002",
            "J2458851",
            "20200102 040506",
        ] {
            assert_eq!(date(text).map(show::date).unwrap(), "2020-01-02", "{text}");
        }
        assert_eq!(date("2000-Oct-31").map(show::date).unwrap(), "2000-10-31");
        assert_eq!(date("J2345678").map(show::date).unwrap(), "1710-02-23");
        assert_eq!(
            date("Jan-08-95 BC").map(show::date).unwrap(),
            "0095-01-08 BC"
        );
        assert_eq!(date("2019.366").unwrap_err().sqlstate(), "22008");
        assert_eq!(date("foo").unwrap_err().sqlstate(), "22007");
        assert_eq!(date("2020-02-30").unwrap_err().sqlstate(), "22008");
    }

    #[test]
    fn timestamps_are_read_with_and_without_a_zone() {
        let shown = |text: &str| timestamp(text).map(show::timestamp).unwrap();
        assert_eq!(
            shown("2020-01-02 03:04:05.123456789"),
            "2020-01-02 03:04:05.123457"
        );
        assert_eq!(shown("2020-01-02T03:04"), "2020-01-02 03:04:00");
        assert_eq!(shown("2020-01-02 03:04:05+02"), "2020-01-02 03:04:05");
        assert_eq!(shown("Jan 2, 2020 3:04 PM"), "2020-01-02 15:04:00");
        let utc = |text: &str| timestamp_tz(text).map(show::timestamp).unwrap();
        assert_eq!(utc("2020-01-02 03:04:05+02:30"), "2020-01-02 00:34:05");
        for text in [
            "17 Dec 07:37:16 1997 PST",
            "12/17/1997 07:37:16.00 US/Pacific",
            "1997-12-17 07:37:16-08",
            "17.12.1997 07:37:16.00 PST",
            "12/17/1997 07:37:16 AM PST",
            "19971217 073716PST",
        ] {
            assert_eq!(utc(text), "1997-12-17 15:37:16", "{text}");
        }
        assert_eq!(
            timestamp_tz("2020-01-02 03:04 XYZ").unwrap_err().sqlstate(),
            "22007"
        );
    }

    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        assert_eq!(decimal("1.005", 10, 2).unwrap(), 101);
        assert_eq!(decimal("-1.005", 10, 2).unwrap(), -101);
        assert_eq!(decimal("1.5e2", 10, 1).unwrap(), 1500);
        assert_eq!(decimal("0.00005", 10, 2).unwrap(), 0);
        assert_eq!(decimal("9.999", 3, 2).unwrap_err().sqlstate(), "22003");
        assert_eq!(decimal("1,5", 3, 2).unwrap_err().sqlstate(), "22P02");
    }
}
