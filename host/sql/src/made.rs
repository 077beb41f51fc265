//! How many bytes a function would make, before it makes them: where an argument decides how often another is repeated.
//!
//! Functions whose results are no longer than a few times their arguments are not here: those are in memory already.

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use regex::Regex;

/// What is made of the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Made {
    /// A text so many times.
    Times,
    /// A text of so many characters.
    Length,
    /// A value so many times, in a list.
    Items,
    /// All texts behind one another.
    Together,
    /// The same, with the first one between them.
    Between,
    /// The items of a list, with a text between them.
    Joined,
    /// A text with another in the place of each that is found in it.
    Replaced,
    /// The same, of what a pattern matches.
    Matched,
    /// The values from one to another, in a list.
    Series,
}

/// Bytes of an item of a list that stands in the plan: there it is written out, and more than once.
const WRITTEN_OUT: u64 = 32;

impl Made {
    /// The bytes of all rows. What is surely at most `enough` may be said too high.
    pub(crate) fn bytes(
        self,
        arguments: &[ColumnarValue],
        rows: usize,
        enough: u64,
    ) -> Result<u64> {
        match self {
            Self::Times | Self::Length | Self::Items => self.counted(arguments, rows),
            Self::Together => {
                let texts: Vec<Texts<'_>> = arguments.iter().filter_map(Texts::of).collect();
                Ok(sum(rows, |row| lengths(&texts, row)))
            }
            Self::Between => {
                let Some((between, values)) = arguments.split_first() else {
                    return Ok(0);
                };
                let texts: Vec<Texts<'_>> = values.iter().filter_map(Texts::of).collect();
                let between = Texts::of(between);
                let gaps = values.len().saturating_sub(1) as u64;
                Ok(sum(rows, |row| {
                    let gap = length(between.as_ref(), row);
                    lengths(&texts, row).saturating_add(gap.saturating_mul(gaps))
                }))
            }
            Self::Joined => joined(arguments, rows),
            Self::Replaced => Ok(replaced(arguments, rows, enough)),
            Self::Matched => Ok(matched(arguments, rows, enough)),
            Self::Series => series(arguments, rows),
        }
    }

    fn counted(self, arguments: &[ColumnarValue], rows: usize) -> Result<u64> {
        let [value, count, ..] = arguments else {
            return Ok(0);
        };
        let counts = cast(&count.to_array(rows)?, &DataType::Int64)?;
        let counts = counts.as_primitive::<Int64Type>();
        let values = value.to_array(rows)?;
        let texts = Texts::of(value);
        let each = match self {
            Self::Items => {
                let bytes = values.get_array_memory_size() as u64;
                bytes.div_ceil(rows.max(1) as u64).max(1)
            }
            _ => 1,
        };
        Ok(sum(rows, |row| {
            if counts.is_null(row) || values.is_null(row) {
                return 0;
            }
            let count = u64::try_from(counts.value(row)).unwrap_or(0);
            let width = match self {
                Self::Times => length(texts.as_ref(), row),
                _ => each,
            };
            width.saturating_mul(count)
        }))
    }
}

fn sum(rows: usize, bytes: impl Fn(usize) -> u64) -> u64 {
    (0..rows).fold(0, |total, row| total.saturating_add(bytes(row)))
}

/// The texts of an argument, as they are stored.
enum Texts<'a> {
    One(Option<&'a str>),
    Short(&'a StringArray),
    Long(&'a LargeStringArray),
    Views(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    /// None of what is no text.
    fn of(value: &'a ColumnarValue) -> Option<Self> {
        Some(match value {
            ColumnarValue::Scalar(value) => Self::One(value.try_as_str()?),
            ColumnarValue::Array(values) => match values.data_type() {
                DataType::Utf8 => Self::Short(values.as_string()),
                DataType::LargeUtf8 => Self::Long(values.as_string()),
                DataType::Utf8View => Self::Views(values.as_string_view()),
                _ => return None,
            },
        })
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::One(text) => *text,
            Self::Short(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Long(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Views(texts) => texts.is_valid(row).then(|| texts.value(row)),
        }
    }
}

/// The bytes of a text; 0 of what is none.
fn length(texts: Option<&Texts<'_>>, row: usize) -> u64 {
    let text = texts.and_then(|texts| texts.get(row));
    text.map_or(0, |text| text.len() as u64)
}

fn lengths(texts: &[Texts<'_>], row: usize) -> u64 {
    texts.iter().map(|texts| length(Some(texts), row)).sum()
}

fn joined(arguments: &[ColumnarValue], rows: usize) -> Result<u64> {
    let [list, between, missing @ ..] = arguments else {
        return Ok(0);
    };
    // One list stays one: it may be long.
    let (lists, is_one) = match list {
        ColumnarValue::Scalar(_) => (list.to_array(1)?, true),
        ColumnarValue::Array(lists) => (ArrayRef::clone(lists), false),
    };
    let items = |row: usize| {
        let row = if is_one { 0 } else { row };
        match lists.data_type() {
            _ if lists.is_null(row) => 0,
            DataType::List(_) => lists.as_list::<i32>().value_length(row) as u64,
            DataType::LargeList(_) => lists.as_list::<i64>().value_length(row) as u64,
            DataType::FixedSizeList(_, length) => *length as u64,
            _ => 0,
        }
    };
    let between = Texts::of(between);
    let missing = missing.first().and_then(Texts::of);
    Ok(sum(rows, |row| {
        length(between.as_ref(), row)
            .saturating_add(length(missing.as_ref(), row))
            .saturating_mul(items(row))
    }))
}

fn replaced(arguments: &[ColumnarValue], rows: usize, enough: u64) -> u64 {
    let [text, from, to] = arguments else {
        return 0;
    };
    let (Some(texts), Some(from), Some(to)) = (Texts::of(text), Texts::of(from), Texts::of(to))
    else {
        return 0;
    };
    let bytes = |row: usize, places: &dyn Fn(&str, &str) -> usize| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row))
        else {
            return 0;
        };
        let added = (to.len() as u64).saturating_mul(places(text, from) as u64);
        (text.len() as u64).saturating_add(added)
    };
    let most = sum(rows, |row| {
        bytes(row, &|text, from| text.len() / from.len().max(1) + 1)
    });
    match most <= enough {
        true => most,
        false => sum(rows, |row| {
            bytes(row, &|text, from| text.matches(from).count())
        }),
    }
}

fn matched(arguments: &[ColumnarValue], rows: usize, enough: u64) -> u64 {
    let [text, pattern, to, flags @ ..] = arguments else {
        return 0;
    };
    let (Some(texts), Some(patterns), Some(to)) =
        (Texts::of(text), Texts::of(pattern), Texts::of(to))
    else {
        return 0;
    };
    let flags = flags.first().and_then(Texts::of);
    let flags = |row: usize| {
        flags
            .as_ref()
            .and_then(|flags| flags.get(row))
            .unwrap_or("")
    };
    let given = |row: usize| Some((texts.get(row)?, patterns.get(row)?, to.get(row)?));
    // A group is within its match, and matches do not overlap: it is no longer in all of them than these are.
    let bytes = |stays: usize, matched: usize, places: usize, to: &str| {
        let groups = to.matches(['\\', '$']).count() as u64;
        let of_groups = (matched as u64).saturating_mul(groups);
        let added = (to.len() as u64).saturating_mul(places as u64);
        (stays as u64)
            .saturating_add(of_groups)
            .saturating_add(added)
    };
    let places = |row: usize| match flags(row).contains('g') {
        true => usize::MAX,
        false => 1,
    };
    let most = sum(rows, |row| {
        given(row).map_or(0, |(text, _, to)| {
            let places = places(row).min(text.len() + 1);
            bytes(text.len(), text.len(), places, to)
        })
    });
    if most <= enough {
        return most;
    }
    let mut last: Option<((&str, &str), Option<Regex>)> = None;
    let mut total = 0u64;
    for row in 0..rows {
        let Some((text, pattern, to)) = given(row) else {
            continue;
        };
        let own = (pattern, flags(row));
        if last.as_ref().is_none_or(|(known, _)| *known != own) {
            last = Some((own, compiled(pattern, flags(row))));
        }
        let regex = last.as_ref().and_then(|(_, regex)| regex.as_ref());
        let found = regex.into_iter().flat_map(|regex| regex.find_iter(text));
        let (mut matched, mut count) = (0, 0);
        for found in found.take(places(row)) {
            matched += found.len();
            count += 1;
        }
        total = total.saturating_add(bytes(text.len() - matched, matched, count, to));
    }
    total
}

/// The pattern with its flags. What is no pattern is the function's to say.
fn compiled(pattern: &str, flags: &str) -> Option<Regex> {
    let flags: String = flags.chars().filter(|flag| *flag != 'g').collect();
    match flags.is_empty() {
        true => Regex::new(pattern).ok(),
        false => Regex::new(&format!("(?{flags}){pattern}")).ok(),
    }
}

fn series(arguments: &[ColumnarValue], rows: usize) -> Result<u64> {
    let arrays = arguments
        .iter()
        .map(|argument| argument.to_array(rows))
        .collect::<Result<Vec<_>>>()?;
    let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
    let width = match arguments.iter().all(is_constant) {
        true => WRITTEN_OUT,
        false => 8,
    };
    let (start, stop, step) = match arrays.as_slice() {
        [stop] => (None, stop, None),
        [start, stop] => (Some(start), stop, None),
        [start, stop, step] => (Some(start), stop, Some(step)),
        _ => return Ok(0),
    };
    let start = start.map(numbers).transpose()?;
    let stop = numbers(stop)?;
    let step = step.map(numbers).transpose()?;
    Ok(sum(rows, |row| {
        let start = start.as_ref().map_or(Some(0), |start| start[row]);
        let step = step.as_ref().map_or(Some(1), |step| step[row]);
        let (Some(start), Some(stop), Some(step)) = (start, stop[row], step) else {
            return 0;
        };
        let span = stop - start;
        if step == 0 || (span != 0 && (span < 0) != (step < 0)) {
            return 0;
        }
        let items = span.unsigned_abs() / step.unsigned_abs() + 1;
        u64::try_from(items)
            .unwrap_or(u64::MAX)
            .saturating_mul(width)
    }))
}

/// Whole numbers as they are; moments and intervals in nanoseconds, with months as short as they come.
fn numbers(values: &ArrayRef) -> Result<Vec<Option<i128>>> {
    const SECOND: i128 = 1_000_000_000;
    const DAY: i128 = 86_400 * SECOND;
    let nanos = match values.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let intervals = values.as_primitive::<IntervalMonthDayNanoType>().iter();
            let nanos = intervals.map(|interval| {
                interval.map(|interval| {
                    let days = i128::from(interval.months) * 28 + i128::from(interval.days);
                    days * DAY + i128::from(interval.nanoseconds)
                })
            });
            return Ok(nanos.collect());
        }
        data_type if data_type.is_integer() => 1,
        DataType::Date32 => DAY,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => SECOND / 1_000,
        DataType::Timestamp(TimeUnit::Second, _) => SECOND,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        _ => return Ok(vec![None; values.len()]),
    };
    let counts = cast(values, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>().iter();
    Ok(counts
        .map(|count| count.map(|count| i128::from(count) * nanos))
        .collect())
}
