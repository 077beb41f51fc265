//! Types as SQL and catalogs write them.

use datafusion::sql::sqlparser::ast::{
    BinaryLength, CharacterLength, DataType as Sql, ExactNumberInfo, TimezoneInfo,
};
use datafusion::sql::sqlparser::dialect::RedshiftSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::{MAX_CHAR, MAX_VARBYTE, MAX_VARCHAR, Type};
use crate::error::{self, Error, Result};

/// The type of a VARCHAR, TEXT or BPCHAR without a length.
const BARE_LENGTH: u32 = 256;
/// The precision of a NUMERIC that has none.
const BARE_PRECISION: u8 = 18;

/// The type that a name of a catalog stands for.
pub(crate) fn name(name: &str) -> Result<Type> {
    if name == "unknown" {
        return Ok(Type::Unknown);
    }
    // For sqlparser the type ends before the second word.
    if let Some(length) = name.strip_prefix("binary varying(") {
        let length = length.trim_end_matches(')').parse();
        return Ok(Type::Varbyte(length.unwrap_or(MAX_VARBYTE)));
    }
    let dialect = RedshiftSqlDialect {};
    let parsed = Parser::new(&dialect)
        .try_with_sql(name)
        .and_then(|mut parser| parser.parse_data_type());
    match parsed {
        Ok(parsed) => sql(&parsed, None),
        Err(_) => Err(Error::new(&error::UNDEFINED_TYPE, &[&name])),
    }
}

/// The type that SQL declares; `column` names who declares it, for errors.
pub(crate) fn sql(data_type: &Sql, column: Option<&str>) -> Result<Type> {
    let unsupported = || {
        let name = data_type.to_string().to_lowercase();
        match column {
            Some(column) => Error::new(&error::UNSUPPORTED_TYPE, &[&column, &name]),
            None => Error::new(&error::UNDEFINED_TYPE, &[&name]),
        }
    };
    Ok(match data_type {
        Sql::Bool | Sql::Boolean => Type::Bool,
        Sql::Int2(None) | Sql::SmallInt(None) => Type::Int2,
        Sql::Int4(None) | Sql::Int(None) | Sql::Integer(None) => Type::Int4,
        Sql::Int8(None) | Sql::BigInt(None) => Type::Int8,
        Sql::Real | Sql::Float4 => Type::Float4,
        Sql::Float8 | Sql::DoublePrecision => Type::Float8,
        Sql::Float(ExactNumberInfo::None) => Type::Float8,
        Sql::Float(ExactNumberInfo::Precision(bits)) => match bits {
            1..=24 => Type::Float4,
            25..=53 => Type::Float8,
            _ => return Err(Error::new(&error::TYPE_MODIFIER, &[&"float", &53])),
        },
        Sql::Numeric(info) | Sql::Decimal(info) | Sql::Dec(info) => numeric(*info)?,
        Sql::Char(length) | Sql::Character(length) => {
            Type::Char(self::length("character", length.as_ref(), 1, MAX_CHAR)?)
        }
        Sql::Varchar(length)
        | Sql::CharacterVarying(length)
        | Sql::CharVarying(length)
        | Sql::Nvarchar(length) => {
            let length = length.as_ref();
            Type::Varchar(self::length(
                "character varying",
                length,
                BARE_LENGTH,
                MAX_VARCHAR,
            )?)
        }
        Sql::Text => Type::Varchar(BARE_LENGTH),
        Sql::Date => Type::Date,
        Sql::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Type::Time,
        Sql::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Type::Timestamp,
        Sql::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Type::TimestampTz,
        Sql::Time(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            return Err(Error::not_yet("TIMETZ"));
        }
        Sql::Varbinary(length) => match length {
            None => Type::Varbyte(64_000),
            Some(BinaryLength::IntegerLength { length }) => varbyte(*length)?,
            Some(BinaryLength::Max) => Type::Varbyte(MAX_VARBYTE),
        },
        Sql::Regclass if column.is_some() => return Err(unsupported()),
        Sql::Regclass => return Err(Error::not_yet("the type regclass")),
        Sql::Interval { .. } => {
            return Err(Error::not_yet("columns of intervals"));
        }
        Sql::Custom(name, modifiers) => {
            let name = name.to_string().to_lowercase();
            let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
            match column {
                Some(_) if OF_CATALOGS.contains(&name) => return Err(unsupported()),
                _ => custom(name, modifiers, unsupported)?,
            }
        }
        _ => return Err(unsupported()),
    })
}

/// Types of catalogs' columns, which no other column has.
const OF_CATALOGS: &[&str] = &["name", "oid", "regclass", "regproc"];

fn custom(name: &str, modifiers: &[String], unsupported: impl Fn() -> Error) -> Result<Type> {
    match name {
        // As catalogs show them.
        "oid" | "regproc" if modifiers.is_empty() => Ok(Type::Int8),
        "name" if modifiers.is_empty() => Ok(Type::Varchar(128)),
        "text" if modifiers.is_empty() => Ok(Type::Varchar(MAX_VARCHAR)),
        "regclass" => Err(Error::not_yet("the type regclass")),
        "super" if modifiers.is_empty() => Ok(Type::Super),
        "bpchar" if modifiers.is_empty() => Ok(Type::Char(BARE_LENGTH)),
        "nchar" => match modifiers {
            [] => Ok(Type::Char(1)),
            [length] => match length.parse::<u32>() {
                Ok(length @ 1..=MAX_CHAR) => Ok(Type::Char(length)),
                _ => Err(Error::new(
                    &error::TYPE_MODIFIER,
                    &[&"character", &MAX_CHAR],
                )),
            },
            _ => Err(unsupported()),
        },
        "varbyte" => match modifiers {
            [] => Ok(Type::Varbyte(64_000)),
            [length] => match length.parse() {
                Ok(length) => varbyte(length),
                Err(_) => Err(unsupported()),
            },
            _ => Err(unsupported()),
        },
        name @ ("geometry" | "geography" | "hllsketch" | "timetz") => Err(Error::not_yet(
            format_args!("the type {}", name.to_uppercase()),
        )),
        _ => Err(unsupported()),
    }
}

fn varbyte(length: u64) -> Result<Type> {
    match u32::try_from(length) {
        Ok(length @ 1..=MAX_VARBYTE) => Ok(Type::Varbyte(length)),
        _ => Err(Error::new(
            &error::TYPE_MODIFIER,
            &[&"varbyte", &MAX_VARBYTE],
        )),
    }
}

fn length(name: &str, length: Option<&CharacterLength>, bare: u32, most: u32) -> Result<u32> {
    match length {
        None => Ok(bare),
        Some(CharacterLength::Max) => Ok(most),
        Some(CharacterLength::IntegerLength { length, unit: None }) => {
            match u32::try_from(*length) {
                Ok(length) if (1..=most).contains(&length) => Ok(length),
                _ => Err(Error::new(&error::TYPE_MODIFIER, &[&name, &most])),
            }
        }
        Some(CharacterLength::IntegerLength { .. }) => {
            Err(Error::new(&error::SYNTAX_ERROR, &[&"characters"]))
        }
    }
}

fn numeric(info: ExactNumberInfo) -> Result<Type> {
    let refused = || Error::new(&error::TYPE_MODIFIER, &[&"numeric", &"(38,37)"]);
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(Type::Numeric(BARE_PRECISION, 0)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let precision = u8::try_from(precision).map_err(|_| refused())?;
    let scale = u8::try_from(scale).map_err(|_| refused())?;
    match (1..=38).contains(&precision) && scale <= precision && scale <= 37 {
        true => Ok(Type::Numeric(precision, scale)),
        false => Err(refused()),
    }
}
