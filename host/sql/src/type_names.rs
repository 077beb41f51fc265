//! What a type's name in SQL means where DataFusion has it otherwise.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    CharacterLength, DataType as SqlType, ExactNumberInfo, TimezoneInfo,
};

use crate::dialects;
use crate::error::ValueError;

/// Says on the way from the name of a type to its cast how many characters a text may have.
const LENGTH: &str = "length";

/// `VARCHAR(length)`: a text, with its length beside it.
fn varchar(length: &CharacterLength) -> Result<FieldRef> {
    let CharacterLength::IntegerLength { length, .. } = length else {
        return Ok(Arc::new(Field::new("", DataType::Utf8, true)));
    };
    if *length == 0 {
        return Err(ValueError::refused("VARCHAR(0) holds no character").into());
    }
    let length = [(LENGTH.to_owned(), length.to_string())];
    Ok(Arc::new(
        Field::new("", DataType::Utf8, true).with_metadata(length.into()),
    ))
}

/// How many characters a cast keeps of a text: those of `VARCHAR(length)`.
pub(crate) fn length(field: &Field) -> Result<Option<usize>> {
    if let DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) =
        field.data_type()
        && length(item)?.is_some()
    {
        return Err(ValueError::refused("VARCHAR has no length inside a list")
            .hint("write VARCHAR[], and left(text, 10) where a text is made")
            .into());
    }
    Ok(field
        .metadata()
        .get(LENGTH)
        .and_then(|length| length.parse().ok()))
}

/// `TIMESTAMP` counts microseconds, as in Redshift and PostgreSQL: DataFusion's nanoseconds end in 2262, and Python's `datetime` does
/// not hold them. `TIMESTAMP(9)` counts nanoseconds. `TIMESTAMPTZ` is a moment, kept in UTC.
#[derive(Debug)]
pub(crate) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
            | SqlType::Datetime(None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            SqlType::Varchar(Some(length))
            | SqlType::CharacterVarying(Some(length))
            | SqlType::CharVarying(Some(length))
            | SqlType::Nvarchar(Some(length)) => return varchar(length).map(Some),
            SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, _))
            | SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, _))
            | SqlType::Decimal(ExactNumberInfo::Precision(precision))
            | SqlType::Numeric(ExactNumberInfo::Precision(precision))
                if *precision > DECIMAL128_MAX_PRECISION.into() =>
            {
                return Err(ValueError::refused(format!(
                    "{sql_type} has more than {DECIMAL128_MAX_PRECISION} digits, which most readers of files take for a float"
                ))
                .hint("write DECIMAL(38, 10), or keep the number as text")
                .into());
            }
            SqlType::Char(length) | SqlType::Character(length) => {
                let length = length.as_ref().map_or("1".to_owned(), ToString::to_string);
                return Err(ValueError::refused(format!(
                    "{sql_type} would fill texts up with blanks, which only some comparisons see"
                ))
                .hint(format!("write VARCHAR({length}), or rpad(text, {length})"))
                .into());
            }
            SqlType::Custom(..)
            | SqlType::JSON
            | SqlType::JSONB
            | SqlType::Uuid
            | SqlType::Bit(_)
            | SqlType::Blob(_)
            | SqlType::Binary(_)
            | SqlType::Varbinary(_)
            | SqlType::Signed
            | SqlType::SignedInteger
            | SqlType::Unsigned
            | SqlType::UnsignedInteger
            | SqlType::TimestampNtz(_)
            | SqlType::Int16
            | SqlType::Int32
            | SqlType::Int64
            | SqlType::UInt8
            | SqlType::UInt16
            | SqlType::UInt32
            | SqlType::UInt64
            | SqlType::Float32
            | SqlType::Float64 => named(sql_type)?,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

/// A type by the name that messages and files have for it. `INT8` is none of these: it has 8 bytes in PostgreSQL and Redshift, and
/// the `int8` of files has 8 bits.
fn named(sql_type: &SqlType) -> Result<DataType> {
    let written = sql_type.to_string();
    let name = written.to_lowercase();
    Ok(match name.as_str() {
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "utf8" => DataType::Utf8,
        "binary" => DataType::Binary,
        name => {
            let plain = name.split('(').next().unwrap_or(name).trim();
            return Err(ValueError::refused(format!("there is no type `{written}`"))
                .hint(dialects::instead_of_type(plain))
                .into());
        }
    })
}
