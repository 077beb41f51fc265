//! Format strings of the Arrow C data interface for the types that have no children.
//!
//! Types with children (`+l`, `+s`, ...) need their fields and are put together in [`super::schema`].

use crate::Error;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

/// The format of a type. Views, dictionaries, run-end encoded arrays and unions have none here: they do not cross.
pub fn format_of(data_type: &DataType) -> Option<String> {
    use DataType as T;
    let format = match data_type {
        T::Null => "n",
        T::Boolean => "b",
        T::Int8 => "c",
        T::UInt8 => "C",
        T::Int16 => "s",
        T::UInt16 => "S",
        T::Int32 => "i",
        T::UInt32 => "I",
        T::Int64 => "l",
        T::UInt64 => "L",
        T::Float16 => "e",
        T::Float32 => "f",
        T::Float64 => "g",
        T::Binary => "z",
        T::LargeBinary => "Z",
        T::Utf8 => "u",
        T::LargeUtf8 => "U",
        T::Date32 => "tdD",
        T::Date64 => "tdm",
        T::Interval(IntervalUnit::YearMonth) => "tiM",
        T::Interval(IntervalUnit::DayTime) => "tiD",
        T::Interval(IntervalUnit::MonthDayNano) => "tin",
        T::List(_) => "+l",
        T::LargeList(_) => "+L",
        T::Struct(_) => "+s",
        T::Map(_, _) => "+m",
        T::FixedSizeBinary(width) => return Some(format!("w:{width}")),
        T::FixedSizeList(_, length) => return Some(format!("+w:{length}")),
        T::Time32(unit) | T::Time64(unit) => return Some(format!("tt{}", letter(*unit))),
        T::Duration(unit) => return Some(format!("tD{}", letter(*unit))),
        T::Timestamp(unit, zone) => {
            let zone = zone.as_deref().unwrap_or_default();
            return Some(format!("ts{}:{zone}", letter(*unit)));
        }
        T::Decimal32(precision, scale) => return Some(format!("d:{precision},{scale},32")),
        T::Decimal64(precision, scale) => return Some(format!("d:{precision},{scale},64")),
        T::Decimal128(precision, scale) => return Some(format!("d:{precision},{scale}")),
        T::Decimal256(precision, scale) => return Some(format!("d:{precision},{scale},256")),
        _ => return None,
    };
    Some(format.to_owned())
}

/// The type of a format without children.
///
/// # Errors
///
/// Internal, naming the format, when the host sends what the contract does not have.
pub fn type_of(format: &str) -> Result<DataType, Error> {
    let data_type = match format {
        "n" => DataType::Null,
        "b" => DataType::Boolean,
        "c" => DataType::Int8,
        "C" => DataType::UInt8,
        "s" => DataType::Int16,
        "S" => DataType::UInt16,
        "i" => DataType::Int32,
        "I" => DataType::UInt32,
        "l" => DataType::Int64,
        "L" => DataType::UInt64,
        "e" => DataType::Float16,
        "f" => DataType::Float32,
        "g" => DataType::Float64,
        "z" => DataType::Binary,
        "Z" => DataType::LargeBinary,
        "u" => DataType::Utf8,
        "U" => DataType::LargeUtf8,
        "tdD" => DataType::Date32,
        "tdm" => DataType::Date64,
        "tts" => DataType::Time32(TimeUnit::Second),
        "ttm" => DataType::Time32(TimeUnit::Millisecond),
        "ttu" => DataType::Time64(TimeUnit::Microsecond),
        "ttn" => DataType::Time64(TimeUnit::Nanosecond),
        "tDs" => DataType::Duration(TimeUnit::Second),
        "tDm" => DataType::Duration(TimeUnit::Millisecond),
        "tDu" => DataType::Duration(TimeUnit::Microsecond),
        "tDn" => DataType::Duration(TimeUnit::Nanosecond),
        "tiM" => DataType::Interval(IntervalUnit::YearMonth),
        "tiD" => DataType::Interval(IntervalUnit::DayTime),
        "tin" => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return parameterised(format).ok_or_else(|| unknown(format)),
    };
    Ok(data_type)
}

/// The error for a format that the contract does not have.
pub fn unknown(format: &str) -> Error {
    Error::internal(format!(
        "the host sent the format `{format}`, which is not in the contract"
    ))
}

fn parameterised(format: &str) -> Option<DataType> {
    if let Some(width) = format.strip_prefix("w:") {
        return width.parse().ok().map(DataType::FixedSizeBinary);
    }
    if let Some(decimal) = format.strip_prefix("d:") {
        let mut parts = decimal.split(',');
        let precision = parts.next()?.parse().ok()?;
        let scale = parts.next()?.parse().ok()?;
        return match parts.next() {
            None | Some("128") => Some(DataType::Decimal128(precision, scale)),
            Some("32") => Some(DataType::Decimal32(precision, scale)),
            Some("64") => Some(DataType::Decimal64(precision, scale)),
            Some("256") => Some(DataType::Decimal256(precision, scale)),
            Some(_) => None,
        };
    }
    let (unit, zone) = format.strip_prefix("ts")?.split_once(':')?;
    let unit = match unit {
        "s" => TimeUnit::Second,
        "m" => TimeUnit::Millisecond,
        "u" => TimeUnit::Microsecond,
        "n" => TimeUnit::Nanosecond,
        _ => return None,
    };
    let zone = (!zone.is_empty()).then(|| zone.into());
    Some(DataType::Timestamp(unit, zone))
}

fn letter(unit: TimeUnit) -> char {
    match unit {
        TimeUnit::Second => 's',
        TimeUnit::Millisecond => 'm',
        TimeUnit::Microsecond => 'u',
        TimeUnit::Nanosecond => 'n',
    }
}
