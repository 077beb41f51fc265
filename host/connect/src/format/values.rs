//! Values that a text format has no way to write, though it has their type.

use std::collections::HashSet;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        ArrowTimestampType, DataType, Date32Type, Float32Type, Float64Type, Time32MillisecondType,
        Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
    temporal_conversions::{as_datetime, date32_to_datetime},
    util::display::FormatOptions,
};

use super::unwritable::{Unwritable, sql_name};
use transom_file::spec::SinkFormat;
use transom_sql::{lossless::Loss, show};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Longest piece of a value that a message shows, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// Whether the type, which is one that a sink stores, has values that the format cannot hold.
pub(super) fn may_be_unwritable(format: &SinkFormat, data_type: &DataType) -> bool {
    let is_json = match format {
        SinkFormat::Parquet { .. } => return false,
        SinkFormat::Csv(_) => false,
        SinkFormat::Json => true,
    };
    match data_type {
        DataType::Float32 | DataType::Float64 => is_json,
        // A key may come twice.
        DataType::Map(..) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            may_be_unwritable(format, item.data_type())
        }
        DataType::Struct(fields) => {
            let mut fields = fields.iter();
            fields.any(|field| may_be_unwritable(format, field.data_type()))
        }
        other => other.is_temporal(),
    }
}

/// Whether all values of a column can be written as text: a column that [`may_be_unwritable`].
///
/// # Errors
/// The first that cannot.
pub(super) fn check(
    format: &SinkFormat,
    column: &str,
    array: &dyn Array,
) -> Result<(), Unwritable> {
    let is_json = matches!(format, SinkFormat::Json);
    let bad = (0..array.len()).find_map(|row| Some((row, find(is_json, array, row)?)));
    let Some((row, Bad { part, value, fault })) = bad else {
        return Ok(());
    };
    let (why, hint) = fault.explain(column, &part);
    Err(Unwritable::Value {
        value: match part.as_str() {
            "" => value,
            part => format!("{value} (in `{column}{part}`)"),
        },
        column: column.to_owned(),
        row: row as u64 + 1,
        format: format.name().shown(),
        why: why.to_owned(),
        hint,
    })
}

struct Bad {
    /// Of a nested column the way to the value.
    part: String,
    value: String,
    fault: Fault,
}

impl Bad {
    fn within(self, part: &str) -> Self {
        let part = format!("{part}{}", self.part);
        Self { part, ..self }
    }
}

#[derive(Clone, Copy)]
enum Fault {
    NotFinite,
    NoDate,
    NoTime,
    KeyTwice,
}

impl Fault {
    fn explain(self, column: &str, part: &str) -> (&'static str, String) {
        let elsewhere = "leave such rows out, or write Parquet".to_owned();
        match self {
            Self::NotFinite if part.is_empty() => {
                let column = sql_name(column);
                let hint = format!(
                    "write Parquet, or NULL: `CASE WHEN abs({column}) < CAST('inf' AS DOUBLE) THEN {column} END`"
                );
                ("its numbers are finite", hint)
            }
            Self::NotFinite => ("its numbers are finite", elsewhere),
            Self::NoDate => ("it is beyond the calendar", elsewhere),
            Self::NoTime => ("a time of day is before 24:00", elsewhere),
            Self::KeyTwice => ("keys of an object are different", elsewhere),
        }
    }
}

/// What is wrong with one value, if anything is.
fn find(is_json: bool, array: &dyn Array, row: usize) -> Option<Bad> {
    if array.is_null(row) {
        return None;
    }
    let unless = |fine: bool, fault: Fault| {
        (!fine).then(|| Bad {
            part: String::new(),
            value: raw(array, row),
            fault,
        })
    };
    let finite = |finite: bool| unless(finite || !is_json, Fault::NotFinite);
    let dated = |known: bool| unless(known, Fault::NoDate);
    let timed =
        |value: i64, per_milli: i64| unless((0..DAY * per_milli).contains(&value), Fault::NoTime);
    match array.data_type() {
        DataType::Float32 => finite(array.as_primitive::<Float32Type>().value(row).is_finite()),
        DataType::Float64 => finite(array.as_primitive::<Float64Type>().value(row).is_finite()),
        DataType::Date32 => {
            dated(date32_to_datetime(array.as_primitive::<Date32Type>().value(row)).is_some())
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            dated(is_moment::<TimestampMillisecondType>(array, row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            dated(is_moment::<TimestampMicrosecondType>(array, row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            dated(is_moment::<TimestampNanosecondType>(array, row))
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            let values = array.as_primitive::<Time32MillisecondType>();
            timed(i64::from(values.value(row)), 1)
        }
        DataType::Time64(TimeUnit::Microsecond) => timed(
            array.as_primitive::<Time64MicrosecondType>().value(row),
            1_000,
        ),
        DataType::Time64(TimeUnit::Nanosecond) => timed(
            array.as_primitive::<Time64NanosecondType>().value(row),
            1_000_000,
        ),
        DataType::List(_) => in_all(is_json, &array.as_list::<i32>().value(row), "[]"),
        DataType::LargeList(_) => in_all(is_json, &array.as_list::<i64>().value(row), "[]"),
        DataType::FixedSizeList(..) => {
            in_all(is_json, &array.as_fixed_size_list().value(row), "[]")
        }
        DataType::Struct(fields) => {
            let mut parts = fields.iter().zip(array.as_struct().columns());
            parts.find_map(|(field, values)| {
                let bad = find(is_json, values.as_ref(), row)?;
                Some(bad.within(&format!(".{}", field.name())))
            })
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = entries.column(0);
            let mut seen = HashSet::new();
            let mut keys = (0..keys.len()).map(|key| shown(keys, key));
            match keys.find(|key| !seen.insert(key.clone())) {
                Some(twice) => Some(Bad {
                    part: String::new(),
                    value: format!("the key `{twice}` twice"),
                    fault: Fault::KeyTwice,
                }),
                None => in_all(is_json, entries.column(1), ".value"),
            }
        }
        _ => None,
    }
}

fn is_moment<T: ArrowTimestampType>(array: &dyn Array, row: usize) -> bool {
    as_datetime::<T>(array.as_primitive::<T>().value(row)).is_some()
}

fn in_all(is_json: bool, array: &ArrayRef, part: &str) -> Option<Bad> {
    let bad = (0..array.len()).find_map(|row| find(is_json, array.as_ref(), row))?;
    Some(bad.within(part))
}

/// A value for a message.
pub(crate) fn shown(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_display_error(false);
    let formatter = show::formatter(array, &options);
    let text = formatter.and_then(|values| values.value(row).try_to_string());
    text.unwrap_or_else(|_| raw(array, row))
}

/// A text for a message: in backticks, on one line, cut if long.
pub(crate) fn quoted(value: &str) -> String {
    let mut characters = value.chars();
    let mut text: String = characters
        .by_ref()
        .take(SHOWN_CHARACTERS)
        .flat_map(|character| {
            let control = character.is_control();
            let escaped = control.then(|| character.escape_default());
            let plain = (!control).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if characters.next().is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

/// A value that would be lost, for a message.
pub(crate) fn lost(loss: &Loss) -> String {
    match loss.from {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => quoted(&loss.value),
        _ => loss.value.clone(),
    }
}

/// A value that has no text, by its number.
fn raw(array: &dyn Array, row: usize) -> String {
    let since = |number: i64, unit: &str| format!("{number} {unit} after 1970-01-01");
    let moment = |number, unit: TimeUnit| {
        let unit = match unit {
            TimeUnit::Second => "seconds",
            TimeUnit::Millisecond => "milliseconds",
            TimeUnit::Microsecond => "microseconds",
            TimeUnit::Nanosecond => "nanoseconds",
        };
        since(number, unit)
    };
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Date32 => since(
            i64::from(array.as_primitive::<Date32Type>().value(row)),
            "days",
        ),
        DataType::Time32(TimeUnit::Millisecond) => {
            let values = array.as_primitive::<Time32MillisecondType>();
            format!("{} milliseconds after midnight", values.value(row))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let values = array.as_primitive::<Time64MicrosecondType>();
            format!("{} microseconds after midnight", values.value(row))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let values = array.as_primitive::<Time64NanosecondType>();
            format!("{} nanoseconds after midnight", values.value(row))
        }
        DataType::Timestamp(unit, _) => {
            let number = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
                TimeUnit::Millisecond => {
                    array.as_primitive::<TimestampMillisecondType>().value(row)
                }
                TimeUnit::Microsecond => {
                    array.as_primitive::<TimestampMicrosecondType>().value(row)
                }
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
            };
            moment(number, *unit)
        }
        other => format!("a value of type {}", transom_sql::type_name(other)),
    }
}
