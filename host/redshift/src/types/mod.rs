//! Redshift's types, and what holds their values.
//!
//! Arrow has no length of texts and no SUPER. A field keeps the name of its Redshift type in its metadata, which
//! DataFusion hands on with columns; where it does not, the type follows from Arrow's.

pub(crate) mod cast;
mod common;
pub(crate) mod json;
pub(crate) mod parse;
pub(crate) mod read;
pub(crate) mod show;
pub(crate) mod zones;

pub(crate) use common::common;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

/// Where a field says its type.
const KEY: &str = "redshift";

/// Bytes that a VARCHAR holds at most.
pub(crate) const MAX_VARCHAR: u32 = 65_535;
/// Bytes that a CHAR holds at most.
pub(crate) const MAX_CHAR: u32 = 4_096;
/// Bytes that a VARBYTE holds at most.
pub(crate) const MAX_VARBYTE: u32 = 16_777_216;

/// A type of Redshift's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// BOOLEAN.
    Bool,
    /// SMALLINT.
    Int2,
    /// INTEGER.
    Int4,
    /// BIGINT.
    Int8,
    /// REAL.
    Float4,
    /// DOUBLE PRECISION.
    Float8,
    /// NUMERIC with its precision and scale.
    Numeric(u8, u8),
    /// CHAR with its length in bytes.
    Char(u32),
    /// VARCHAR with its length in bytes.
    Varchar(u32),
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// TIMESTAMP.
    Timestamp,
    /// TIMESTAMPTZ.
    TimestampTz,
    /// VARBYTE with its length.
    Varbyte(u32),
    /// SUPER: JSON.
    Super,
    /// An interval.
    Interval,
    /// A literal of text or NULL whose type was not decided.
    Unknown,
}

/// A column of a result: its name, its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name; several columns may have the same.
    pub name: String,
    /// The type.
    pub data_type: Type,
}

impl Type {
    /// What Arrow calls the values.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            // Scales are at most 37.
            Self::Numeric(precision, scale) => DataType::Decimal128(precision, scale as i8),
            Self::Char(_) | Self::Varchar(_) | Self::Super | Self::Unknown => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Varbyte(_) => DataType::Binary,
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        }
    }

    /// A field of the type.
    pub(crate) fn field(self, name: impl Into<String>) -> FieldRef {
        let field = Field::new(name, self.arrow(), true);
        let is_plain = Self::of_arrow(field.data_type()) == Some(self);
        Arc::new(match is_plain {
            true => field,
            false => field.with_metadata(HashMap::from([(KEY.to_owned(), self.name())])),
        })
    }

    /// The type of a field; `None` if Redshift has none.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        Self::declared(field).or_else(|| Self::of_arrow(field.data_type()))
    }

    /// The type that a field was declared with.
    pub(crate) fn declared(field: &Field) -> Option<Self> {
        let named = parse::name(field.metadata().get(KEY)?).ok();
        // Functions hand on the metadata of their arguments, too.
        named.filter(|named| named.arrow() == *field.data_type())
    }

    /// The type of values without a declared one.
    pub(crate) fn of_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::Int2,
            DataType::UInt16 | DataType::Int32 => Self::Int4,
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Self::Int8,
            DataType::Float16 | DataType::Float32 => Self::Float4,
            DataType::Float64 => Self::Float8,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                Self::Numeric(*p, u8::try_from(*s).ok()?)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Varchar(MAX_VARCHAR),
            DataType::Date32 => Self::Date,
            DataType::Time64(_) | DataType::Time32(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Self::Varbyte(MAX_VARBYTE)
            }
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Null => Self::Unknown,
            _ => return None,
        })
    }

    /// Digits and scale of an exact number; those that a whole number has as a decimal.
    pub(crate) fn digits(self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Int2 => (5, 0),
            Self::Int4 => (10, 0),
            Self::Int8 => (19, 0),
            Self::Numeric(precision, scale) => (precision, scale),
            _ => return None,
        })
    }

    /// The name as catalogs show it, with its modifiers.
    pub fn name(self) -> String {
        match self {
            Self::Numeric(precision, scale) => format!("numeric({precision},{scale})"),
            Self::Char(length) => format!("character({length})"),
            Self::Varchar(length) => format!("character varying({length})"),
            Self::Varbyte(length) => format!("binary varying({length})"),
            other => other.base_name().to_owned(),
        }
    }

    /// The name without modifiers.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(..) => "numeric",
            Self::Char(_) => "character",
            Self::Varchar(_) => "character varying",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Varbyte(_) => "binary varying",
            Self::Super => "super",
            Self::Interval => "interval",
            Self::Unknown => "unknown",
        }
    }

    /// The short name, as the Data API gives it.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Numeric(..) => "numeric",
            Self::Char(_) => "bpchar",
            Self::Varchar(_) => "varchar",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Varbyte(_) => "varbyte",
            Self::Super => "super",
            Self::Interval => "interval",
            Self::Unknown => "unknown",
        }
    }

    /// The number by which the wire protocol knows it.
    pub fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Unknown => 705,
            Self::Char(_) => 1042,
            Self::Varchar(_) => 1043,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Interval => 1186,
            Self::Numeric(..) => 1700,
            Self::Super => 4000,
            Self::Varbyte(_) => 6551,
        }
    }

    /// The type of a number and a modifier, and whether the modifier says something.
    pub(crate) fn of_oid(oid: u32, modifier: i32) -> Option<(Self, bool)> {
        let plain = [
            Self::Bool,
            Self::Int8,
            Self::Int2,
            Self::Int4,
            Self::Float4,
            Self::Float8,
            Self::Unknown,
            Self::Date,
            Self::Time,
            Self::Timestamp,
            Self::TimestampTz,
            Self::Interval,
            Self::Super,
            Self::Varbyte(MAX_VARBYTE),
        ];
        let length = u32::try_from(i64::from(modifier) - 4).ok();
        let sized = length.unwrap_or(1);
        Some(match oid {
            1042 => (Self::Char(sized), length.is_some()),
            1043 => (Self::Varchar(sized), length.is_some()),
            1700 => {
                let (precision, scale) = (sized >> 16 & 0xff, sized & 0xff);
                (
                    Self::Numeric(precision as u8, scale as u8),
                    length.is_some(),
                )
            }
            oid => {
                let found = plain.into_iter().find(|known| known.oid() == oid)?;
                (found, false)
            }
        })
    }

    /// The modifier that goes with [`Type::oid`]; -1 for none.
    pub fn modifier(self) -> i32 {
        match self {
            Self::Char(length) | Self::Varchar(length) => length as i32 + 4,
            Self::Numeric(precision, scale) => (i32::from(precision) << 16 | i32::from(scale)) + 4,
            _ => -1,
        }
    }

    /// Bytes of a value in the wire protocol; -1 if they differ.
    pub fn size(self) -> i16 {
        match self {
            Self::Bool => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Float4 | Self::Date => 4,
            Self::Int8 | Self::Float8 | Self::Time | Self::Timestamp | Self::TimestampTz => 8,
            Self::Interval => 16,
            _ => -1,
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_) | Self::Unknown)
    }

    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Whether it holds the digits of numbers as they are written.
    pub(crate) fn is_exact(self) -> bool {
        self.is_whole() || matches!(self, Self::Numeric(..))
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_exact() || matches!(self, Self::Float4 | Self::Float8)
    }

    pub(crate) fn is_moment(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }
}

/// Microseconds since 1970 as a timestamp is shown; `None` beyond the calendar.
pub fn timestamp(micros: i64) -> Option<String> {
    show::moment(micros)?;
    Some(show::timestamp(micros))
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_keeps_its_type() {
        let types = [
            Type::Bool,
            Type::Numeric(18, 2),
            Type::Char(5),
            Type::Varchar(10),
            Type::TimestampTz,
            Type::Varbyte(9),
            Type::Super,
            Type::Interval,
            Type::Unknown,
        ];
        for data_type in types {
            let field = data_type.field("a");
            assert_eq!(Type::of(&field), Some(data_type), "{data_type}");
        }
    }
}
