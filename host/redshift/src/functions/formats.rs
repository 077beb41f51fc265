//! Formats of dates, as `TO_CHAR`, `TO_DATE` and COPY's DATEFORMAT have them.

use chrono::{Datelike, NaiveDate, Timelike};

use super::dates::ordinal;
use crate::error::{self, Error, Result};
use crate::types::Type;
use crate::types::show::moment;

const DAY: i64 = 86_400_000_000;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The longest first.
const PATTERNS: &[&str] = &[
    "Y,YYY", "MONTH", "Month", "month", "HH24", "HH12", "IYYY", "YYYY", "SSSS", "IDDD", "A.M.",
    "P.M.", "a.m.", "p.m.", "B.C.", "A.D.", "b.c.", "a.d.", "IYY", "YYY", "DDD", "DAY", "Day",
    "day", "MON", "Mon", "mon", "AM", "PM", "am", "pm", "BC", "AD", "bc", "ad", "DD", "DY", "Dy",
    "dy", "FM", "HH", "IW", "IY", "MI", "MM", "MS", "RM", "rm", "SS", "US", "WW", "YY", "TZ", "OF",
    "CC", "ID", "D", "I", "Q", "W", "J", "Y",
];

/// Patterns that are written as what they show looks; others are written in any case.
const CASED: &[&str] = &[
    "MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "BC", "AD", "B.C.", "A.D.", "RM",
];

const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// How a text follows a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As `TO_DATE` does: what does not stand in the text or follows it is left out, days beyond a month count on.
    Lenient,
    /// As `TO_DATE` does that is strict: days are those of the calendar.
    Calendar,
    /// As COPY does: nothing is left out.
    Exact,
}

/// A piece of a format.
enum Piece<'a> {
    Pattern(&'static str),
    Text(&'a str),
}

/// The pieces of a format. Letters that are no pattern are an error, but for `T` and `Z`; those of COPY have no
/// ordinals, where `T` stands before a time.
fn pieces(format: &str, is_copy: bool) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            pieces.push(Piece::Text(&quoted[..end]));
            rest = quoted.get(end + 1..).unwrap_or("");
            continue;
        }
        let starts = |word: &str| {
            let start = rest.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let found = PATTERNS.iter().find(|pattern| {
            match CASED.contains(&pattern.to_uppercase().as_str()) {
                true => rest.starts_with(*pattern),
                false => starts(pattern),
            }
        });
        if let Some(pattern) = found {
            pieces.push(Piece::Pattern(pattern));
            rest = &rest[pattern.len()..];
            continue;
        }
        let is_ordinal =
            !is_copy && starts("th") && matches!(pieces.last(), Some(Piece::Pattern(_)));
        if is_ordinal || (first.is_ascii_alphabetic() && !"TZtz".contains(first)) {
            let what = format!("{rest:?} in a format of dates");
            return Err(Error::not_yet(what).hint("quotation marks keep letters as they are"));
        }
        pieces.push(Piece::Text(&rest[..first.len_utf8()]));
        rest = &rest[first.len_utf8()..];
    }
    Ok(pieces)
}

/// A moment as a format shows it.
pub(crate) fn show(micros: i64, format: &str) -> Result<String> {
    let out_of_range = || Error::new(&error::DATE_RANGE, &[&micros]);
    let moment = moment(micros).ok_or_else(out_of_range)?;
    let mut shown = String::new();
    let mut fill = true;
    let cased = |pattern: &str, name: &str| match pattern {
        pattern if pattern == pattern.to_uppercase() => name.to_uppercase(),
        pattern if pattern == pattern.to_lowercase() => name.to_lowercase(),
        _ => name.to_owned(),
    };
    for piece in pieces(format, false)? {
        let pattern = match piece {
            Piece::Text(text) => {
                shown.push_str(text);
                continue;
            }
            Piece::Pattern(pattern) => pattern,
        };
        let number = |value: i64, width: usize| match fill {
            true => format!("{value:0width$}"),
            false => value.to_string(),
        };
        let name = |name: String, width: usize| match fill {
            true => format!("{name:<width$}"),
            false => name,
        };
        let hour12 = i64::from(moment.hour() % 12);
        let hour12 = if hour12 == 0 { 12 } else { hour12 };
        let month = MONTHS[moment.month0() as usize];
        let day = DAYS[moment.weekday().num_days_from_sunday() as usize];
        let iso = moment.iso_week();
        // In their era, which `BC` says.
        let [year, iso_year] = [moment.year(), iso.year()].map(|year| ordinal(year, 1).abs());
        // The last digits of a year.
        let last = |year: i32, width: u32| {
            number(i64::from(year).rem_euclid(10i64.pow(width)), width as usize)
        };
        let dotted = |pattern: &str, letters: [char; 2]| {
            let name = match pattern.contains('.') {
                true => format!("{}.{}.", letters[0], letters[1]),
                false => letters.iter().collect(),
            };
            cased(pattern, &name)
        };
        let half = if moment.hour() < 12 { 'a' } else { 'p' };
        let text = match pattern {
            "FM" => {
                fill = false;
                continue;
            }
            "Y,YYY" => format!("{},{:03}", year / 1_000, year % 1_000),
            "YYY" => last(year, 3),
            "Y" => last(year, 1),
            "IYYY" => number(i64::from(iso_year), 4),
            "IYY" => last(iso_year, 3),
            "IY" => last(iso_year, 2),
            "I" => last(iso_year, 1),
            "IDDD" => {
                let day = (iso.week() - 1) * 7 + moment.weekday().number_from_monday();
                number(i64::from(day), 3)
            }
            "RM" | "rm" => name(cased(pattern, ROMAN[moment.month0() as usize]), 4),
            "BC" | "AD" | "bc" | "ad" | "B.C." | "A.D." | "b.c." | "a.d." => dotted(
                pattern,
                if moment.year() > 0 {
                    ['a', 'd']
                } else {
                    ['b', 'c']
                },
            ),
            "YYYY" => number(i64::from(year), 4),
            "YY" => last(year, 2),
            "CC" => number(i64::from(ordinal(moment.year(), 100)), 2),
            "Q" => (moment.month0() / 3 + 1).to_string(),
            "MM" => number(i64::from(moment.month()), 2),
            "MONTH" | "Month" | "month" => name(cased(pattern, month), 9),
            "MON" | "Mon" | "mon" => cased(pattern, &month[..3]),
            "DDD" => number(i64::from(moment.ordinal()), 3),
            "DD" => number(i64::from(moment.day()), 2),
            "DAY" | "Day" | "day" => name(cased(pattern, day), 9),
            "DY" | "Dy" | "dy" => cased(pattern, &day[..3]),
            "D" => (moment.weekday().num_days_from_sunday() + 1).to_string(),
            "ID" => moment.weekday().number_from_monday().to_string(),
            "IW" => number(i64::from(moment.iso_week().week()), 2),
            "WW" => number(i64::from(moment.ordinal0() / 7 + 1), 2),
            "W" => (moment.day0() / 7 + 1).to_string(),
            "J" => (i64::from(moment.num_days_from_ce()) + 1_721_425).to_string(),
            "HH24" => number(i64::from(moment.hour()), 2),
            "HH" | "HH12" => number(hour12, 2),
            "MI" => number(i64::from(moment.minute()), 2),
            "SS" => number(i64::from(moment.second()), 2),
            "MS" => number(i64::from(moment.nanosecond() / 1_000_000), 3),
            "US" => number(i64::from(moment.nanosecond() / 1_000), 6),
            "SSSS" => number(i64::from(moment.num_seconds_from_midnight()), 1),
            "AM" | "PM" | "am" | "pm" | "A.M." | "P.M." | "a.m." | "p.m." => {
                dotted(pattern, [half, 'm'])
            }
            "TZ" => "UTC".to_owned(),
            _ => "+00".to_owned(),
        };
        shown.push_str(&text);
        // It is a matter of the next pattern alone.
        fill = true;
    }
    Ok(shown)
}

/// What a pattern reads.
#[derive(Debug, Clone, Copy)]
enum Part {
    Year,
    YearOfCentury,
    Month,
    MonthName,
    ShortMonthName,
    Day,
    Hour,
    Minute,
    Second,
    Milliseconds,
    Microseconds,
    Half,
    /// It is a matter of what is shown.
    Nothing,
}

impl Part {
    fn of(pattern: &str) -> Result<Self> {
        Ok(match pattern {
            "FM" => Self::Nothing,
            "YYYY" => Self::Year,
            "YY" => Self::YearOfCentury,
            "MM" => Self::Month,
            "MONTH" | "Month" | "month" => Self::MonthName,
            "MON" | "Mon" | "mon" => Self::ShortMonthName,
            "DD" => Self::Day,
            "HH24" | "HH" | "HH12" => Self::Hour,
            "MI" => Self::Minute,
            "SS" => Self::Second,
            "MS" => Self::Milliseconds,
            "US" => Self::Microseconds,
            "AM" | "PM" | "am" | "pm" => Self::Half,
            "TZ" | "OF" => {
                let what = format!("{pattern} in a format that is read");
                return Err(Error::new(&error::UNSUPPORTED, &[&what]));
            }
            other => {
                return Err(Error::not_yet(format_args!(
                    "{other} in a format that is read"
                )));
            }
        })
    }
}

#[derive(Debug, Clone)]
enum Step {
    Part(Part),
    Text(String),
}

/// A format by which texts are read. That its patterns can be read is known before there is a text.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat {
    text: String,
    steps: Vec<Step>,
    reading: Reading,
}

/// A number of so many digits at most, and how many it has.
fn digits(rest: &mut &str, most: usize) -> Option<(i64, u32)> {
    let start = rest.trim_start();
    let count = start
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let value = start[..count].parse().ok()?;
    *rest = &start[count..];
    Some((value, count as u32))
}

/// The digits after a point, so many at most, as microseconds.
fn fraction(rest: &mut &str, most: usize) -> Option<i64> {
    let (value, count) = digits(rest, most)?;
    Some(value * 10i64.pow(6 - count))
}

/// Days since 1970, and microseconds of the day, that a text says by a format.
pub(crate) fn read(
    text: &str,
    format: &str,
    data_type: Type,
    reading: Reading,
) -> Result<(i32, i64)> {
    DateFormat::new(format, reading)?.read(text, data_type)
}

impl DateFormat {
    pub(crate) fn new(format: &str, reading: Reading) -> Result<Self> {
        let pieces = pieces(format, reading == Reading::Exact)?.into_iter();
        let steps = pieces.map(|piece| {
            Ok(match piece {
                Piece::Pattern(pattern) => Step::Part(Part::of(pattern)?),
                Piece::Text(text) => Step::Text(text.to_owned()),
            })
        });
        Ok(Self {
            text: format.to_owned(),
            steps: steps.collect::<Result<_>>()?,
            reading,
        })
    }

    /// The format as it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Days since 1970, and microseconds of the day, that a text says.
    pub(crate) fn read(&self, text: &str, data_type: Type) -> Result<(i32, i64)> {
        let is_exact = self.reading == Reading::Exact;
        let bad = || Error::new(&error::INVALID_DATE, &[&data_type.base_name(), &text]);
        let (mut year, mut month, mut day) = (1i32, 1u32, 1u32);
        let (mut hour, mut minute, mut second, mut micros) = (0i64, 0i64, 0i64, 0i64);
        let mut half = None;
        let mut rest = text.trim();
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let part = match step {
                Step::Text(separator) => {
                    if separator.trim().is_empty() {
                        rest = rest.trim_start();
                    } else if let Some(after) = rest.strip_prefix(separator.as_str()) {
                        rest = after;
                    } else if is_exact {
                        return Err(bad());
                    } else {
                        rest = rest.trim_start_matches(['-', '/', ':', '.', ',', ' ', 'T']);
                    }
                    continue;
                }
                Step::Part(part) => *part,
            };
            let mut number = |most: usize| {
                digits(&mut rest, most)
                    .ok_or_else(bad)
                    .map(|(value, _)| value)
            };
            match part {
                Part::Nothing => {}
                Part::Year => {
                    let (value, count) = digits(&mut rest, 4).ok_or_else(bad)?;
                    if is_exact && count < 4 {
                        return Err(bad());
                    }
                    year = i32::try_from(value).map_err(|_| bad())?;
                }
                Part::YearOfCentury => {
                    let value = i32::try_from(number(2)?).map_err(|_| bad())?;
                    year = if value < 70 {
                        value + 2000
                    } else {
                        value + 1900
                    };
                }
                Part::Month => month = u32::try_from(number(2)?).map_err(|_| bad())?,
                Part::Day => day = u32::try_from(number(2)?).map_err(|_| bad())?,
                Part::Hour => hour = number(2)?,
                Part::Minute => minute = number(2)?,
                Part::Second => {
                    second = number(2)?;
                    // COPY takes a fraction, too, where the format itself has no point.
                    let has_point =
                        matches!(steps.peek(), Some(Step::Text(next)) if next.starts_with('.'));
                    if is_exact
                        && !has_point
                        && let Some(after) = rest.strip_prefix('.')
                        && after.starts_with(|letter: char| letter.is_ascii_digit())
                    {
                        rest = after;
                        micros = fraction(&mut rest, 6).ok_or_else(bad)?;
                    }
                }
                Part::Milliseconds => micros = fraction(&mut rest, 3).ok_or_else(bad)?,
                Part::Microseconds => micros = fraction(&mut rest, 6).ok_or_else(bad)?,
                Part::Half => {
                    half = Some(
                        rest.get(..1)
                            .is_some_and(|first| first.eq_ignore_ascii_case("p")),
                    );
                    rest = rest.get(2..).unwrap_or("");
                }
                Part::MonthName | Part::ShortMonthName => {
                    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                    let name = rest[..letters].to_lowercase();
                    let is_short = matches!(part, Part::ShortMonthName);
                    let name = if is_short && letters > 3 {
                        &name[..3]
                    } else {
                        &name
                    };
                    let found = MONTHS.iter().position(|month| {
                        name.len() >= 3 && month.to_lowercase().starts_with(name)
                    });
                    month = found.ok_or_else(bad)? as u32 + 1;
                    rest = &rest[name.len()..];
                }
            }
        }
        if is_exact && !rest.is_empty() {
            return Err(bad());
        }
        if let Some(is_afternoon) = half {
            hour = hour % 12 + if is_afternoon { 12 } else { 0 };
        }
        let out_of_range = || Error::new(&error::DATE_RANGE, &[&text]);
        let micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
        let (first, later) = match self.reading {
            Reading::Lenient => (1, i64::from(day) - 1 + micros.div_euclid(DAY)),
            _ if hour > 23 || minute > 59 || second > 59 => return Err(out_of_range()),
            _ => (day, 0),
        };
        let date = NaiveDate::from_ymd_opt(year, month, first).ok_or_else(out_of_range)?;
        if day == 0 {
            return Err(out_of_range());
        }
        let days = i64::from(date.num_days_from_ce() - 719_163) + later;
        let days = i32::try_from(days).map_err(|_| out_of_range())?;
        Ok((days, micros.rem_euclid(DAY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_shows_and_reads() {
        let (day, micros) = read(
            "02 Jan 2020 15:04:05.120",
            "DD Mon YYYY HH24:MI:SS.MS",
            Type::Timestamp,
            Reading::Exact,
        )
        .unwrap();
        let moment = i64::from(day) * 86_400_000_000 + micros;
        assert_eq!(
            show(moment, "YYYY-MM-DD HH24:MI:SS.MS").unwrap(),
            "2020-01-02 15:04:05.120"
        );
        assert_eq!(
            show(moment, "FMDD \"of\" FMMonth, HH:MI am").unwrap(),
            "2 of January, 03:04 pm"
        );
        let day = |text, format, reading| read(text, format, Type::Date, reading).ok();
        assert_eq!(day("2020-13-01", "YYYY-MM-DD", Reading::Lenient), None);
        assert_eq!(
            day("20010631", "YYYYMMDD", Reading::Lenient),
            day("20010701", "YYYYMMDD", Reading::Calendar)
        );
        assert_eq!(day("20010631", "YYYYMMDD", Reading::Calendar), None);
        for text in ["02/01/2020", "2020-01-02x", "20-01-02"] {
            assert_eq!(day(text, "YYYY-MM-DD", Reading::Exact), None, "{text}");
        }
    }

    #[test]
    fn a_fraction_has_the_value_of_its_digits() {
        let micros = |text, format, reading| {
            let (_, micros) = read(text, format, Type::Timestamp, reading).ok()?;
            Some(micros)
        };
        for reading in [Reading::Exact, Reading::Lenient] {
            for (text, expected) in [("12.3", 300_000), ("12.03", 30_000), ("12.003", 3_000)] {
                assert_eq!(micros(text, "SS.MS", reading), Some(12_000_000 + expected));
                assert_eq!(micros(text, "SS.US", reading), Some(12_000_000 + expected));
            }
        }
        // COPY reads it without a pattern of its own, TO_TIMESTAMP leaves it out.
        let fractions = [
            ("12.5", "SS", Some(12_500_000)),
            ("12.000001", "SS", Some(12_000_001)),
            ("12.5 PM", "SS AM", Some(43_212_500_000)),
            ("12", "SS", Some(12_000_000)),
            ("12.", "SS", None),
            ("12.0000001", "SS", None),
            ("12.5", "SS.", None),
        ];
        for (text, format, expected) in fractions {
            assert_eq!(micros(text, format, Reading::Exact), expected, "{text}");
        }
        assert_eq!(micros("12.5", "SS", Reading::Lenient), Some(12_000_000));
    }

    #[test]
    fn patterns_that_are_not_read_are_errors_without_a_text() {
        let rule = |format| {
            let error = DateFormat::new(format, Reading::Exact).unwrap_err();
            error.rule().name
        };
        assert_eq!(rule("YYYY-DDD"), "NOT_YET");
        assert_eq!(rule("YYYY-MM-DD HH24:MI:SSOF"), "UNSUPPORTED");
        assert_eq!(rule("YYYY-MM-DD HH24:MI:SS tz"), "UNSUPPORTED");
        assert!(DateFormat::new("YYYY-MM-DDTHH24:MI:SSZ", Reading::Exact).is_ok());
    }
}
