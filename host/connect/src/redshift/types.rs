//! Types of Redshift: how the catalog and SQL write them, which a column of Arrow's gets, and what stands for them in
//! Parquet.
//!
//! COPY compares types strictly: a file must have exactly the type of the column, and of a decimal the very digits.
//! So files are written in the types of the table, not in those of the rows.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use transom_sql::{lossless, type_name};

use crate::format::{Unwritable, sql_name};

/// Bytes of a VARCHAR at most.
pub(super) const MOST_VARCHAR: u32 = 65_535;
/// Bytes of a VARBYTE at most.
pub(super) const MOST_VARBYTE: u32 = 1_024_000;
/// Digits of a NUMERIC at most, and those behind its point.
const MOST_DIGITS: u8 = 38;
const MOST_SCALE: i8 = 37;
/// Bytes of a time of day as text, with microseconds. Parquet's times cannot be loaded, so they are loaded as text.
const TIME_TEXT: u32 = 15;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Type {
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Numeric(u8, u8),
    Boolean,
    Char(u32),
    Varchar(u32),
    Varbyte(u32),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Super,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallInt => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::BigInt => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double precision"),
            Self::Numeric(precision, scale) => write!(f, "numeric({precision},{scale})"),
            Self::Boolean => f.write_str("boolean"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::Varchar(length) => write!(f, "varchar({length})"),
            Self::Varbyte(length) => write!(f, "varbyte({length})"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampTz => f.write_str("timestamptz"),
            Self::Super => f.write_str("super"),
        }
    }
}

impl From<Type> for String {
    fn from(data_type: Type) -> Self {
        data_type.to_string()
    }
}

impl TryFrom<String> for Type {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// As [`Type`] is written, and as the catalog writes names.
impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || format!("`{text}` is not a type that can be loaded");
        let (name, modifiers) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(unknown)?),
            None => (text, ""),
        };
        let numbers = modifiers.split(',').filter(|number| !number.is_empty());
        let numbers = numbers.map(|number| number.trim().parse::<u32>());
        let numbers: Vec<u32> = numbers.collect::<Result<_, _>>().map_err(|_| unknown())?;
        let small = |number: &u32| u8::try_from(*number).map_err(|_| unknown());
        Ok(match (name.trim(), numbers.as_slice()) {
            ("smallint", []) => Self::SmallInt,
            ("integer", []) => Self::Integer,
            ("bigint", []) => Self::BigInt,
            ("real", []) => Self::Real,
            ("double precision", []) => Self::Double,
            ("numeric", [precision, scale]) => Self::Numeric(small(precision)?, small(scale)?),
            ("boolean", []) => Self::Boolean,
            ("char" | "character", [length]) => Self::Char(*length),
            ("varchar" | "character varying", [length]) => Self::Varchar(*length),
            ("varbyte" | "binary varying", [length]) => Self::Varbyte(*length),
            // The catalog does not give its length.
            ("varbyte" | "binary varying", []) => Self::Varbyte(MOST_VARBYTE),
            ("date", []) => Self::Date,
            ("time" | "time without time zone", []) => Self::Time,
            ("timestamp" | "timestamp without time zone", []) => Self::Timestamp,
            ("timestamptz" | "timestamp with time zone", []) => Self::TimestampTz,
            ("super", []) => Self::Super,
            _ => return Err(unknown()),
        })
    }
}

impl Type {
    /// The type of a column that is created for values of `data_type`. Texts and bytes get the longest there is.
    ///
    /// # Errors
    /// If Redshift has none.
    pub(super) fn of(column: &str, data_type: &DataType) -> Result<Self, Unwritable> {
        let refuse = |why: &str, hint: String| {
            Err(Unwritable::Type {
                column: column.to_owned(),
                data_type: type_name(data_type),
                format: "a column of Redshift",
                why: why.to_owned(),
                hint,
            })
        };
        let as_text = || {
            let column = sql_name(column);
            format!("write it as text in the last step: `CAST({column} AS VARCHAR)`")
        };
        Ok(match data_type {
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::SmallInt,
            DataType::Int32 | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 => Self::BigInt,
            DataType::UInt64 => Self::Numeric(20, 0),
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Boolean => Self::Boolean,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Varchar(MOST_VARCHAR)
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Varbyte(MOST_VARBYTE),
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                // Without the zeros that a negative scale leaves out.
                let digits = i16::from(*precision) - i16::from(*scale).min(0);
                match u8::try_from(digits) {
                    Ok(digits @ 1..=MOST_DIGITS) if *scale <= MOST_SCALE => {
                        Self::Numeric(digits, (*scale).max(0).cast_unsigned())
                    }
                    _ => {
                        return refuse(
                            "a NUMERIC has 38 digits, 37 of them behind the point",
                            as_text(),
                        );
                    }
                }
            }
            DataType::Dictionary(_, values) => return Self::of(column, values),
            DataType::RunEndEncoded(_, values) => return Self::of(column, values.data_type()),
            DataType::Null => {
                let hint = format!("give it a type: `CAST({} AS VARCHAR)`", sql_name(column));
                return refuse("it has no type", hint);
            }
            nested if nested.is_nested() => match unfit_for_super(nested) {
                None => Self::Super,
                Some(part) => {
                    let why = format!("a SUPER has no values of type {part}");
                    let hint = "convert the values within it in the last step, or leave them out";
                    return refuse(&why, hint.to_owned());
                }
            },
            _ => return refuse("", as_text()),
        })
    }

    /// The type in which files hold values of a column; of SUPER, the type of the rows.
    pub(super) fn stored(self, from: &DataType) -> DataType {
        match self {
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric(precision, scale) => DataType::Decimal128(precision, scale.cast_signed()),
            Self::Boolean => DataType::Boolean,
            Self::Char(_) | Self::Varchar(_) | Self::Time => DataType::Utf8,
            Self::Varbyte(_) => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Super => from.clone(),
        }
    }

    /// The type of the column that COPY fills.
    pub(super) fn copied(self) -> Self {
        match self {
            Self::Time => Self::Varchar(TIME_TEXT),
            other => other,
        }
    }

    /// Whether values of an Arrow type may be values of this type, each unchanged.
    pub(super) fn takes(self, from: &DataType) -> bool {
        match (self, from) {
            (Self::Super, from) => from.is_nested() && unfit_for_super(from).is_none(),
            (Self::Time, DataType::Time32(_) | DataType::Time64(_) | DataType::Null) => true,
            (Self::Time, DataType::Dictionary(_, values)) => self.takes(values),
            (Self::Time, _) => false,
            (_, from) => lossless::fit(from, &self.stored(from)).is_some(),
        }
    }

    /// Whether rows can be compared by values of this type.
    pub(super) fn is_comparable(self) -> bool {
        !matches!(self, Self::Super)
    }
}

/// The first type within a nested one that has no counterpart in a SUPER: JSON has texts, numbers and truth values.
fn unfit_for_super(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            unfit_for_super(item.data_type())
        }
        DataType::Struct(fields) if fields.is_empty() => Some(type_name(data_type)),
        DataType::Struct(fields) => {
            let mut fields = fields.iter();
            fields.find_map(|field| unfit_for_super(field.data_type()))
        }
        DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => None,
        other => Some(type_name(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_as_it_is_written() {
        for data_type in [
            Type::SmallInt,
            Type::Double,
            Type::Numeric(18, 2),
            Type::Char(3),
            Type::Varchar(256),
            Type::Varbyte(64),
            Type::Time,
            Type::TimestampTz,
            Type::Super,
        ] {
            assert_eq!(data_type.to_string().parse(), Ok(data_type));
        }
        assert!("geometry".parse::<Type>().is_err());
        assert!("numeric(400,2)".parse::<Type>().is_err());
    }

    #[test]
    fn decimals_keep_all_digits_or_are_refused() {
        let of = |data_type| Type::of("c", &data_type).ok();
        assert_eq!(
            of(DataType::Decimal128(38, 37)),
            Some(Type::Numeric(38, 37))
        );
        assert_eq!(of(DataType::Decimal128(38, 38)), None);
        assert_eq!(of(DataType::Decimal128(10, -2)), Some(Type::Numeric(12, 0)));
        assert_eq!(of(DataType::Decimal256(39, 0)), None);
        assert_eq!(of(DataType::UInt64), Some(Type::Numeric(20, 0)));
    }
}
