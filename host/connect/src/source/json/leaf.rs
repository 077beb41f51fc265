//! Columns of single values: from the text of a JSON value to an Arrow array.

use std::{borrow::Cow, num::ParseIntError, str::FromStr, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder,
        types::{
            ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float32Type,
            Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
            Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
            TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
            TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
        },
    },
    datatypes::{DataType, Field, TimeUnit},
};
use transom_sql::{
    is_json,
    text::{self, Origin, Reason},
};

use crate::format::json::in_one_line;

/// Longest text of a number all of whose digits every float64 keeps.
const PLAIN_FLOAT64: usize = 15;
const PLAIN_FLOAT32: usize = 6;

/// Why a JSON value is not a value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A value of another kind: a number in a column of dates.
    Kind,
    /// A text or number that the type does not hold as it is written.
    Text(Reason),
    /// NULL, or a key that is missing, in a column without NULL.
    Missing,
    /// More than one array of Arrow can hold.
    TooLong,
    /// An escape that stands for half of a character: `\ud800`.
    Surrogate,
}

impl From<Reason> for Misfit {
    fn from(reason: Reason) -> Self {
        Self::Text(reason)
    }
}

/// Values of one column, in the making.
pub(super) trait Leaf: Send {
    /// Adds a value that is not `null`, as it is written in JSON.
    fn append(&mut self, json: &str) -> Result<(), Misfit>;

    /// Adds a text, as a key of a map is one.
    fn append_text(&mut self, text: &str) -> Result<(), Misfit>;

    fn append_null(&mut self);

    fn finish(&mut self) -> ArrayRef;
}

/// `None` if the type has no single values, or none that JSON holds.
pub(super) fn leaf(field: &Field, origin: Origin) -> Option<Box<dyn Leaf>> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let data_type = field.data_type();
    macro_rules! whole {
        ($type:ty) => {
            numbers::<$type>(data_type, whole)
        };
    }
    macro_rules! time {
        ($type:ty, $unit:expr) => {
            texts::<$type>(data_type, |text| {
                // A day has fewer milliseconds than 32 bits hold.
                text::time(text, $unit)?
                    .try_into()
                    .map_err(|_| Reason::Range)
            })
        };
    }
    macro_rules! timestamp {
        ($type:ty, $unit:expr, $zone:expr) => {{
            let zoned = $zone.is_some();
            texts::<$type>(data_type, move |text| text::timestamp(text, $unit, zoned))
        }};
    }
    Some(match data_type {
        DataType::Boolean => Box::new(Booleans(BooleanBuilder::new())),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float32 => numbers::<Float32Type>(data_type, move |text| float32(text, origin)),
        DataType::Float64 => numbers::<Float64Type>(data_type, move |text| float64(text, origin)),
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            numbers::<Decimal128Type>(data_type, move |text| {
                text::decimal128(text, precision, scale)
            })
        }
        DataType::Decimal256(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            numbers::<Decimal256Type>(data_type, move |text| {
                text::decimal256(text, precision, scale)
            })
        }
        DataType::Date32 => texts::<Date32Type>(data_type, text::date),
        DataType::Time32(Second) => time!(Time32SecondType, Second),
        DataType::Time32(Millisecond) => time!(Time32MillisecondType, Millisecond),
        DataType::Time64(Microsecond) => time!(Time64MicrosecondType, Microsecond),
        DataType::Time64(Nanosecond) => time!(Time64NanosecondType, Nanosecond),
        DataType::Timestamp(Second, zone) => timestamp!(TimestampSecondType, Second, zone),
        DataType::Timestamp(Millisecond, zone) => {
            timestamp!(TimestampMillisecondType, Millisecond, zone)
        }
        DataType::Timestamp(Microsecond, zone) => {
            timestamp!(TimestampMicrosecondType, Microsecond, zone)
        }
        DataType::Timestamp(Nanosecond, zone) => {
            timestamp!(TimestampNanosecondType, Nanosecond, zone)
        }
        DataType::Binary => Box::new(Bytes(BinaryBuilder::new())),
        DataType::Utf8 => Box::new(Strings {
            values: StringBuilder::new(),
            json: is_json(field),
        }),
        _ => return None,
    })
}

/// The text that a JSON string stands for.
fn unescaped(json: &str) -> Result<Cow<'_, str>, Misfit> {
    let inner = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(Misfit::Kind)?;
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    // All other escapes have been checked with the form of the line.
    let text = serde_json::from_str(json).map_err(|_| Misfit::Surrogate)?;
    Ok(Cow::Owned(text))
}

/// A number as it is written; `Kind` for anything else.
fn number(json: &str) -> Result<&str, Misfit> {
    match json.as_bytes() {
        [b'0'..=b'9' | b'-', ..] => Ok(json),
        _ => Err(Misfit::Kind),
    }
}

/// A whole number, however it is written: `5`, `5.0`, `1e2`.
fn whole<T: FromStr<Err = ParseIntError> + TryFrom<i128>>(text: &str) -> Result<T, Reason> {
    let written = text::integer(text, Origin::Declared);
    if written.is_ok() || !text.contains(['.', 'e', 'E']) {
        return written;
    }
    let value = text::decimal128(text, 38, 0).map_err(|reason| match reason {
        Reason::Scale => Reason::Fraction,
        Reason::Precision => Reason::Range,
        other => other,
    })?;
    value.try_into().map_err(|_| Reason::Range)
}

/// A number as the nearest float64; an inferred one keeps all its digits.
pub(super) fn float64(text: &str, origin: Origin) -> Result<f64, Reason> {
    if text.len() <= PLAIN_FLOAT64 {
        return text::float64(text, Origin::Declared);
    }
    let value = text::float64(text, origin)?;
    check_whole(text, &value.to_string(), || format!("{value:.0}"))?;
    Ok(value)
}

fn float32(text: &str, origin: Origin) -> Result<f32, Reason> {
    if text.len() <= PLAIN_FLOAT32 {
        return text::float32(text, Origin::Declared);
    }
    let value = text::float32(text, origin)?;
    check_whole(text, &value.to_string(), || format!("{value:.0}"))?;
    Ok(value)
}

/// A whole number that is written out with all its digits keeps them: it is the float exactly, or what the float is written as.
/// Fractions and exponents are what floats are for.
fn check_whole(text: &str, shortest: &str, exact: impl FnOnce() -> String) -> Result<(), Reason> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_whole = fraction.bytes().all(|digit| digit == b'0') && !digits.contains(['e', 'E']);
    if is_whole && digits != shortest && digits != exact() {
        return Err(Reason::Digits);
    }
    Ok(())
}

struct Booleans(BooleanBuilder);

impl Leaf for Booleans {
    fn append(&mut self, json: &str) -> Result<(), Misfit> {
        match json {
            "true" => self.0.append_value(true),
            "false" => self.0.append_value(false),
            _ => return Err(Misfit::Kind),
        }
        Ok(())
    }

    fn append_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(text::boolean(text, Origin::Inferred)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Values of one fixed width, all written as numbers or all as texts.
struct Primitive<T: ArrowPrimitiveType, F> {
    data_type: DataType,
    values: PrimitiveBuilder<T>,
    numbers: bool,
    parse: F,
}

fn numbers<T: ArrowPrimitiveType>(
    data_type: &DataType,
    parse: impl Fn(&str) -> Result<T::Native, Reason> + Send + 'static,
) -> Box<dyn Leaf> {
    primitive::<T>(data_type, true, parse)
}

fn texts<T: ArrowPrimitiveType>(
    data_type: &DataType,
    parse: impl Fn(&str) -> Result<T::Native, Reason> + Send + 'static,
) -> Box<dyn Leaf> {
    primitive::<T>(data_type, false, parse)
}

fn primitive<T: ArrowPrimitiveType>(
    data_type: &DataType,
    numbers: bool,
    parse: impl Fn(&str) -> Result<T::Native, Reason> + Send + 'static,
) -> Box<dyn Leaf> {
    Box::new(Primitive {
        data_type: data_type.clone(),
        values: PrimitiveBuilder::<T>::new(),
        numbers,
        parse,
    })
}

impl<T, F> Leaf for Primitive<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(&str) -> Result<T::Native, Reason> + Send,
{
    fn append(&mut self, json: &str) -> Result<(), Misfit> {
        if self.numbers {
            let value = (self.parse)(number(json)?)?;
            self.values.append_value(value);
            Ok(())
        } else {
            self.append_text(&unescaped(json)?)
        }
    }

    fn append_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.values.append_value((self.parse)(text)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.values.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        let values = self.values.finish();
        Arc::new(values.with_data_type(self.data_type.clone()))
    }
}

/// Texts, and for lack of another type numbers and truth values as they are written; or the text of any JSON value.
struct Strings {
    values: StringBuilder,
    json: bool,
}

impl Leaf for Strings {
    fn append(&mut self, json: &str) -> Result<(), Misfit> {
        match json.as_bytes() {
            // As a sink writes it, so that what is read again is the same.
            _ if self.json => self.values.append_value(in_one_line(json)),
            [b'{' | b'[', ..] => return Err(Misfit::Kind),
            [b'"', ..] => self.values.append_value(unescaped(json)?),
            _ => self.values.append_value(json),
        }
        Ok(())
    }

    fn append_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.values.append_value(text);
        Ok(())
    }

    fn append_null(&mut self) {
        self.values.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}

/// Bytes, written as pairs of hexadecimal digits.
struct Bytes(BinaryBuilder);

impl Leaf for Bytes {
    fn append(&mut self, json: &str) -> Result<(), Misfit> {
        self.append_text(&unescaped(json)?)
    }

    fn append_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(text::binary(text)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}
