//! Texts as intervals, read as PostgreSQL does: `1 year 2 mons 3 days 04:05:06.7`, `3 4:05:06`, `1-2`, `1.5 hours ago`, `P1Y2M3DT4H5M6S`.
//!
//! Arrow reads amounts with units alone, and cuts the fraction of a month to whole days.

use arrow::datatypes::IntervalMonthDayNano;

const MICROS_A_SECOND: i128 = 1_000_000;
const MICROS_A_DAY: i128 = 86_400 * MICROS_A_SECOND;
const DAYS_A_MONTH: i128 = 30;

/// `None` if the text is no interval, or one that is out of range.
pub(crate) fn interval(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim();
    let sum = match text.strip_prefix('P') {
        Some(text) => of_iso(text)?,
        None => of_fields(text)?,
    };
    Some(IntervalMonthDayNano::new(
        sum.months.try_into().ok()?,
        sum.days.try_into().ok()?,
        sum.nanos.try_into().ok()?,
    ))
}

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Years,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Decades,
    Centuries,
    Millennia,
}

impl Unit {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "y" | "yr" | "yrs" | "year" | "years" => Self::Years,
            "mon" | "mons" | "month" | "months" => Self::Months,
            "w" | "week" | "weeks" => Self::Weeks,
            "d" | "day" | "days" => Self::Days,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hours,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minutes,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Seconds,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => {
                Self::Milliseconds
            }
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => {
                Self::Microseconds
            }
            "ns" | "nanosecond" | "nanoseconds" => Self::Nanoseconds,
            "dec" | "decs" | "decade" | "decades" => Self::Decades,
            "c" | "cent" | "century" | "centuries" => Self::Centuries,
            "mil" | "mils" | "millennium" | "millennia" => Self::Millennia,
            _ => return None,
        })
    }

    /// In ISO 8601, whose months stand before the `T` and minutes behind it.
    fn of_iso(letter: char, is_time: bool) -> Option<Self> {
        Some(match (letter, is_time) {
            ('Y', false) => Self::Years,
            ('M', false) => Self::Months,
            ('W', false) => Self::Weeks,
            ('D', false) => Self::Days,
            ('H', true) => Self::Hours,
            ('M', true) => Self::Minutes,
            ('S', true) => Self::Seconds,
            _ => return None,
        })
    }
}

/// The parts that were read so far; each unit counts once.
#[derive(Debug, Default)]
struct Sum {
    months: i128,
    days: i128,
    nanos: i128,
    units: Vec<Unit>,
}

impl Sum {
    /// Parts of a year become months, parts of a month days of which it has 30, parts of a day time, which is rounded to microseconds.
    fn add(&mut self, amount: Amount, unit: Unit) -> Option<()> {
        if self.units.contains(&unit) {
            return None;
        }
        self.units.push(unit);
        let in_nanos = |amount: Amount, micros: i128| {
            let micros = amount.times(micros)?.rounded()?;
            micros.checked_mul(1_000)
        };
        let (mut months, mut days, mut nanos) = (0, 0, 0);
        match unit {
            Unit::Millennia => months = amount.times(12_000)?.rounded()?,
            Unit::Centuries => months = amount.times(1_200)?.rounded()?,
            Unit::Decades => months = amount.times(120)?.rounded()?,
            Unit::Years => months = amount.times(12)?.rounded()?,
            Unit::Months | Unit::Weeks | Unit::Days => {
                let (of_month, of_days) = match unit {
                    Unit::Months => (amount.whole, amount.fraction().times(DAYS_A_MONTH)?),
                    Unit::Weeks => (0, amount.times(7)?),
                    _ => (0, amount),
                };
                (months, days) = (of_month, of_days.whole);
                nanos = in_nanos(of_days.fraction(), MICROS_A_DAY)?;
            }
            Unit::Hours => nanos = in_nanos(amount, 3_600 * MICROS_A_SECOND)?,
            Unit::Minutes => nanos = in_nanos(amount, 60 * MICROS_A_SECOND)?,
            Unit::Seconds => nanos = in_nanos(amount, MICROS_A_SECOND)?,
            Unit::Milliseconds => nanos = in_nanos(amount, 1_000)?,
            Unit::Microseconds => nanos = in_nanos(amount, 1)?,
            Unit::Nanoseconds => nanos = amount.rounded()?,
        }
        self.months = self.months.checked_add(months)?;
        self.days = self.days.checked_add(days)?;
        self.nanos = self.nanos.checked_add(nanos)?;
        Some(())
    }

    /// `04:05:06.7`, `4:05`, or `05:06.7`, whose point says that they are minutes and seconds.
    fn add_time(&mut self, is_negative: bool, time: &str) -> Option<()> {
        let mut parts: Vec<&str> = time.split(':').collect();
        let has_point = parts.last().is_some_and(|part| part.contains('.'));
        match (parts.len(), has_point) {
            (2, true) => parts.insert(0, "0"),
            (2, false) => parts.push("0"),
            (3, _) => {}
            _ => return None,
        }
        let units = [Unit::Hours, Unit::Minutes, Unit::Seconds];
        for ((part, unit), most) in parts.into_iter().zip(units).zip([i128::MAX, 59, 60]) {
            let amount = Amount::of(false, part)?;
            let is_whole = amount.fraction == 0 || unit == Unit::Seconds;
            if !is_whole || amount.whole > most {
                return None;
            }
            self.add(amount.signed(is_negative), unit)?;
        }
        Some(())
    }

    /// `1-2`: years and months.
    fn add_years(&mut self, is_negative: bool, years: &str) -> Option<()> {
        let (years, months) = years.split_once('-')?;
        let (years, months) = (digits(years)?, digits(months)?);
        if months >= 12 {
            return None;
        }
        self.add(Amount::whole(years).signed(is_negative), Unit::Years)?;
        self.add(Amount::whole(months).signed(is_negative), Unit::Months)
    }
}

/// Digits of a fraction that count; those of a microsecond of a month end before.
const FRACTION_DIGITS: usize = 18;
const ONE: i128 = 10_i128.pow(FRACTION_DIGITS as u32);

/// A number with a point, exact. Both parts have its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    whole: i128,
    /// In parts of [`ONE`].
    fraction: i128,
}

impl Amount {
    fn whole(whole: i128) -> Self {
        Self { whole, fraction: 0 }
    }

    /// `12`, `1.5`, `.5`, `5.`.
    fn of(is_negative: bool, text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let part = |text: &str| match text {
            "" => Some(0),
            text => digits(text),
        };
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let kept = &fraction[..fraction.len().min(FRACTION_DIGITS)];
        let missing = FRACTION_DIGITS - kept.len();
        let amount = Self {
            whole: part(whole)?,
            fraction: part(kept)? * 10_i128.pow(missing as u32),
        };
        Some(amount.signed(is_negative))
    }

    fn signed(self, is_negative: bool) -> Self {
        match is_negative {
            true => Self {
                whole: -self.whole,
                fraction: -self.fraction,
            },
            false => self,
        }
    }

    fn times(self, by: i128) -> Option<Self> {
        let fraction = self.fraction.checked_mul(by)?;
        let whole = self.whole.checked_mul(by)?.checked_add(fraction / ONE)?;
        Some(Self {
            whole,
            fraction: fraction % ONE,
        })
    }

    fn fraction(self) -> Self {
        Self { whole: 0, ..self }
    }

    /// Half to even; `None` if it is out of range.
    fn rounded(self) -> Option<i128> {
        let twice = self.fraction.abs() * 2;
        let is_up = twice > ONE || (twice == ONE && self.whole % 2 != 0);
        self.whole
            .checked_add(i128::from(is_up) * self.fraction.signum())
    }
}

fn digits(text: &str) -> Option<i128> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}

/// `3 days 04:05:06 ago` and what is like it.
fn of_fields(text: &str) -> Option<Sum> {
    let mut tokens = tokens(text)?;
    let is_ago = tokens
        .pop_if(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("ago")))
        .is_some();
    let mut sum = Sum::default();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let Token::Number { is_negative, text } = token else {
            return None;
        };
        if text.contains(':') {
            sum.add_time(is_negative, text)?;
            continue;
        }
        if text.contains('-') {
            sum.add_years(is_negative, text)?;
            continue;
        }
        let unit = match tokens.peek() {
            Some(Token::Word(word)) => {
                let unit = Unit::of(word)?;
                tokens.next();
                unit
            }
            Some(Token::Number { text, .. }) if text.contains(':') => Unit::Days,
            Some(Token::Number { .. }) => return None,
            None => Unit::Seconds,
        };
        sum.add(Amount::of(is_negative, text)?, unit)?;
    }
    if sum.units.is_empty() {
        return None;
    }
    if is_ago {
        (sum.months, sum.days, sum.nanos) = (-sum.months, -sum.days, -sum.nanos);
    }
    Some(sum)
}

#[derive(Debug)]
enum Token<'a> {
    /// Digits with points, colons and hyphens between them.
    Number {
        is_negative: bool,
        text: &'a str,
    },
    Word(&'a str),
}

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    // `@ 1 minute` is an old way to write it.
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_alphabetic() {
            let length = length_of(rest, |c| c.is_ascii_alphabetic());
            tokens.push(Token::Word(&rest[..length]));
            length
        } else {
            let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest).trim_start();
            let length = length_of(unsigned, |c| {
                c.is_ascii_digit() || matches!(c, '.' | ':' | '-')
            });
            if length == 0 {
                return None;
            }
            tokens.push(Token::Number {
                is_negative: first == '-',
                text: &unsigned[..length],
            });
            rest.len() - unsigned.len() + length
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// What follows the `P`: `1Y2M3DT4H5M6S`, or `0001-02-03T04:05:06`.
fn of_iso(text: &str) -> Option<Sum> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut sum = Sum::default();
    if date
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
        && date.contains('-')
        && !date.starts_with('-')
    {
        let mut parts = date.splitn(3, '-');
        for unit in [Unit::Years, Unit::Months, Unit::Days] {
            if let Some(part) = parts.next() {
                sum.add(Amount::whole(digits(part)?), unit)?;
            }
        }
        if let Some(time) = time {
            sum.add_time(false, time)?;
        }
        return Some(sum);
    }
    for (part, is_time) in [(Some(date), false), (time, true)] {
        let mut rest = part.unwrap_or("");
        if part == Some("") && is_time {
            return None;
        }
        while !rest.is_empty() {
            let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            let length = length_of(unsigned, |c| c.is_ascii_digit() || c == '.');
            let amount = Amount::of(rest.starts_with('-'), &unsigned[..length])?;
            let letter = unsigned[length..].chars().next()?;
            sum.add(amount, Unit::of_iso(letter, is_time)?)?;
            rest = &unsigned[length + letter.len_utf8()..];
        }
    }
    (!sum.units.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i32, i32, i64)> {
        interval(text).map(|read| (read.months, read.days, read.nanoseconds))
    }

    const A_SECOND: i64 = 1_000_000_000;

    /// What PostgreSQL 15 has for each.
    #[test]
    fn texts_are_read_as_in_postgresql() {
        let time = |hours: i64, minutes: i64, millis: i64| {
            (hours * 3_600 + minutes * 60) * A_SECOND + millis * 1_000_000
        };
        for (text, value) in [
            (
                "1 year 2 mons 3 days 04:05:06.7",
                (14, 3, time(4, 5, 6_700)),
            ),
            ("3 days 04:05:06", (0, 3, time(4, 5, 6_000))),
            ("3 4:05:06", (0, 3, time(4, 5, 6_000))),
            ("1-2 3 4:05:06", (14, 3, time(4, 5, 6_000))),
            ("1-2", (14, 0, 0)),
            ("-1-2", (-14, 0, 0)),
            ("-1 day", (0, -1, 0)),
            ("- 1 day", (0, -1, 0)),
            ("-1 days +02:03:00", (0, -1, time(2, 3, 0))),
            ("1 day -04:05:06", (0, 1, -time(4, 5, 6_000))),
            ("-1 2:03:04", (0, -1, time(2, 3, 4_000))),
            ("1 day 2 hours ago", (0, -1, -time(2, 0, 0))),
            ("@ 1 minute", (0, 0, time(0, 1, 0))),
            ("90", (0, 0, time(0, 0, 90_000))),
            ("1.5", (0, 0, time(0, 0, 1_500))),
            ("1 day 30", (0, 1, time(0, 0, 30_000))),
            ("4:05", (0, 0, time(4, 5, 0))),
            ("4:05.5", (0, 0, time(0, 4, 5_500))),
            ("100:00:00", (0, 0, time(100, 0, 0))),
            ("1y2mon3d4h5m6s", (14, 3, time(4, 5, 6_000))),
            ("1 WEEK", (0, 7, 0)),
            ("1.5 days", (0, 1, time(12, 0, 0))),
            ("-1.5 days", (0, -1, -time(12, 0, 0))),
            ("1.5 weeks", (0, 10, time(12, 0, 0))),
            ("1.5 months", (1, 15, 0)),
            ("1.05 months", (1, 1, time(12, 0, 0))),
            ("0.1 month", (0, 3, 0)),
            ("1.5 years", (18, 0, 0)),
            ("0.99 years", (12, 0, 0)),
            ("1 decade", (120, 0, 0)),
            ("1 century", (1_200, 0, 0)),
            (".5 hours", (0, 0, time(0, 30, 0))),
            ("250 milliseconds", (0, 0, time(0, 0, 250))),
            ("P1Y2M3DT4H5M6S", (14, 3, time(4, 5, 6_000))),
            ("P1Y2M", (14, 0, 0)),
            ("P1W", (0, 7, 0)),
            ("PT36H", (0, 0, time(36, 0, 0))),
            ("PT1.5S", (0, 0, time(0, 0, 1_500))),
            ("P-1Y-2M3DT-4H", (-14, 3, -time(4, 0, 0))),
            ("P0001-02-03T04:05:06", (14, 3, time(4, 5, 6_000))),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
    }

    #[test]
    fn time_is_rounded_to_microseconds_unless_it_names_nanoseconds() {
        for (text, nanos) in [
            ("0.0000016 seconds", 2_000),
            ("0.0000024 seconds", 2_000),
            ("-0.0000016 seconds", -2_000),
            ("1.6 microseconds", 2_000),
            ("0.0000001 seconds", 0),
            ("1 nanosecond", 1),
        ] {
            assert_eq!(read(text), Some((0, 0, nanos)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_intervals() {
        for text in [
            "",
            " ",
            "day",
            "ago",
            "1 dey",
            "1 day 2 days",
            "1 2",
            "1 day hour",
            "1-13",
            "1:60",
            "1:2:61",
            "1 quarter",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "P1YT",
            "1 day,",
            "é",
            "1 é",
            "--1 day",
            "1.2.3 days",
            "1:2:3:4",
            "1-2-3",
            "170141183460469231731687303715884105727.9 nanoseconds",
            "99999999999 days",
            "99999999999999999999999999999999999999999 days",
            "infinity",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
