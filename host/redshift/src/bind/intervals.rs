//! Interval literals: quantities of parts of dates, as Redshift reads them.

use datafusion::sql::sqlparser::ast::{Expr, Interval, Value};

use super::calls::part_of_date;
use super::syntax;
use crate::error::{self, Error, Result};

const DAY: i128 = 86_400_000_000;
/// Quantities are counted in millionths, since they may have fractions.
const MILLION: i128 = 1_000_000;

/// What a literal adds up to.
#[derive(Default)]
struct Span {
    months: i128,
    days: i128,
    micros: i128,
}

/// The literal in parts that DataFusion reads.
pub(super) fn literal(interval: Interval) -> Result<Expr> {
    let text = match *interval.value {
        Expr::Value(value) => match value.value {
            Value::SingleQuotedString(text) => text,
            other => return Err(syntax(&other.to_string())),
        },
        _ => return Err(syntax("interval")),
    };
    let has_range = interval.last_field.is_some()
        || interval.leading_precision.is_some()
        || interval.fractional_seconds_precision.is_some();
    if has_range {
        return Err(Error::not_yet("ranges and precisions of intervals"));
    }
    // A quantity without a part is in seconds.
    let bare = interval.leading_field.map(|field| field.to_string());
    let bare = bare.map_or_else(|| "second".to_owned(), |field| field.to_lowercase());
    let span = read(&text, &bare)?;
    let shown = shown(&span).ok_or_else(|| Error::new(&error::DATE_RANGE, &[&text]))?;
    Ok(Expr::Interval(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(shown))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

/// A text that is written where a function takes an interval; other expressions as they are.
pub(super) fn of_text(expr: Expr) -> Result<Expr> {
    let is_text =
        matches!(&expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    match is_text {
        true => literal(Interval {
            value: Box::new(expr),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        }),
        false => Ok(expr),
    }
}

/// `None` if the parts do not fit in those of Arrow's intervals.
fn shown(span: &Span) -> Option<String> {
    let months = i32::try_from(span.months).ok()?;
    let days = i32::try_from(span.days).ok()?;
    let nanos = i64::try_from(span.micros.checked_mul(1_000)?).ok()?;
    Some(format!("{months} months {days} days {nanos} nanoseconds"))
}

fn read(text: &str, bare: &str) -> Result<Span> {
    let invalid = || Error::new(&error::INVALID_DATE, &[&"interval", &text]);
    let lowered = text.to_lowercase();
    // `@ 1 day ago` is an old way to write it.
    let plain = lowered.trim().trim_start_matches('@');
    let (plain, is_ago) = match plain.strip_suffix(" ago") {
        Some(plain) => (plain, true),
        None => (plain, false),
    };
    let mut tokens = tokens(plain).into_iter().peekable();
    if tokens.peek().is_none() {
        return Err(invalid());
    }
    let mut span = Span::default();
    while let Some(token) = tokens.next() {
        if token.contains(':') {
            span.micros += clock(token).ok_or_else(invalid)?;
            continue;
        }
        if let Some(months) = months(token) {
            span.months += months;
            continue;
        }
        let quantity = quantity(token).ok_or_else(invalid)?;
        let part = match tokens.peek() {
            // `1 12:00:00` is a day and a half.
            Some(next) if next.contains(':') => "day",
            Some(next) if next.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
                tokens.next().unwrap_or_default()
            }
            _ => bare,
        };
        let part = part_of_date(part).ok_or_else(invalid)?;
        span.add(quantity, part).ok_or_else(invalid)?;
    }
    Ok(match is_ago {
        true => Span {
            months: -span.months,
            days: -span.days,
            micros: -span.micros,
        },
        false => span,
    })
}

/// Numbers and words, which commas and blanks separate, or nothing: `1w, 2 days`.
fn tokens(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == ',');
    let split = words.flat_map(|word| {
        let is_of_number = |letter: char| letter.is_ascii_digit() || "+-.:".contains(letter);
        let end = word.find(|letter: char| !is_of_number(letter));
        let (number, rest) = word.split_at(end.unwrap_or(word.len()));
        [number, rest]
    });
    split.filter(|token| !token.is_empty()).collect()
}

/// `1-2`: years and months.
fn months(text: &str) -> Option<i128> {
    let (sign, text) = signed(text);
    let (years, months) = text.split_once('-')?;
    let digits = |text: &str| text.parse::<u32>().ok().map(i128::from);
    let months = digits(months).filter(|months| *months < 12)?;
    Some(sign * (digits(years)? * 12 + months))
}

/// The sign of a number, and the number without it.
fn signed(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A number in millionths; what is less is left out.
fn quantity(text: &str) -> Option<i128> {
    let (sign, digits) = signed(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    // No more digits than can be multiplied.
    let is_short = (1..=18).contains(&(whole.len() + fraction.len().min(1))) && whole.len() <= 17;
    if !is_short || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digits = format!("{whole}{:0<6}", &fraction[..fraction.len().min(6)]);
    Some(sign * digits.parse::<i128>().ok()?)
}

/// Microseconds of `[-]HH:MM[:SS[.fraction]]`.
fn clock(text: &str) -> Option<i128> {
    let (sign, clock) = signed(text);
    let mut parts = clock.split(':').map(quantity);
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = match parts.next() {
        Some(seconds) => seconds?,
        None => 0,
    };
    let sixty = 0..60 * MILLION;
    if parts.next().is_some() || !sixty.contains(&minutes) || !sixty.contains(&seconds) {
        return None;
    }
    Some(sign * (hours * 3_600 + minutes * 60 + seconds))
}

impl Span {
    /// `None` if intervals do not have the part.
    fn add(&mut self, quantity: i128, part: &str) -> Option<()> {
        let seconds = match part {
            "millennium" => return self.add_months(quantity * 12_000),
            "century" => return self.add_months(quantity * 1_200),
            "decade" => return self.add_months(quantity * 120),
            "year" => return self.add_months(quantity * 12),
            "quarter" => return self.add_months(quantity * 3),
            "month" => return self.add_months(quantity),
            "week" => return self.add_days(quantity * 7),
            "day" => return self.add_days(quantity),
            "hour" => 3_600 * MILLION,
            "minute" => 60 * MILLION,
            "second" => MILLION,
            "millisecond" => 1_000,
            "microsecond" => 1,
            _ => return None,
        };
        self.micros += quantity * seconds / MILLION;
        Some(())
    }

    /// A fraction of a month is one of 30 days.
    fn add_months(&mut self, millionths: i128) -> Option<()> {
        self.months += millionths / MILLION;
        self.add_days(millionths % MILLION * 30)
    }

    /// A fraction of a day is hours.
    fn add_days(&mut self, millionths: i128) -> Option<()> {
        self.days += millionths / MILLION;
        self.micros += millionths % MILLION * (DAY / MILLION);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        read(text, "second").ok().and_then(|span| shown(&span))
    }

    #[test]
    fn quantities_are_added_up() {
        let is = |text: &str, months: i32, days: i32, seconds: i64| {
            let nanos = seconds * 1_000_000_000;
            let shown = format!("{months} months {days} days {nanos} nanoseconds");
            assert_eq!(of(text), Some(shown), "{text}");
        };
        is("3 hours, 35 minutes", 0, 0, 12_900);
        is("1w, 1h, 1m, 1s", 0, 7, 3_661);
        is("0.5 days", 0, 0, 43_200);
        is("1.5 months", 1, 15, 0);
        is("1 year -2 mons", 10, 0, 0);
        is("1 12:00:00", 0, 1, 43_200);
        is("-01:30", 0, 0, -5_400);
        is("5", 0, 0, 5);
        is("@ 1 day 2 hours ago", 0, -1, -7_200);
        is("-1-2", -14, 0, 0);
        assert_eq!(of("nonsense"), None);
        assert_eq!(of(""), None);
        assert_eq!(of("."), None);
    }
}
