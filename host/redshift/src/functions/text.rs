//! Functions of texts that DataFusion lacks, or that Redshift has in another way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int32Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use super::formats;
use super::scalar::{Arguments, by_row, by_text, by_text_and_flag, scalar};
use crate::error::{self, Error, Result};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(crate::types::MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_md5",
            |_| Ok((vec![TEXT], Type::Varchar(32))),
            |columns, _, _| hashed(columns, "md5"),
        ),
        scalar(
            "redshift_sha2",
            |_| Ok((vec![TEXT, Type::Int8], Type::Varchar(128))),
            sha2,
        ),
        scalar(
            "redshift_quote_ident",
            |_| Ok((vec![TEXT], TEXT)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| Ok(Some(quoted(values[0]))))
            },
        ),
        scalar(
            "redshift_quote_literal",
            |_| Ok((vec![TEXT], TEXT)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let text = values[0].replace('\\', "\\\\").replace('\'', "''");
                    Ok(Some(format!("'{text}'")))
                })
            },
        ),
        scalar(
            "redshift_strtol",
            |_| Ok((vec![TEXT, Type::Int8], Type::Int8)),
            strtol,
        ),
        scalar(
            "redshift_to_hex",
            |arguments| {
                Ok(match arguments.types[0] {
                    Type::Varbyte(length) => {
                        let digits = length.saturating_mul(2).min(MAX_VARCHAR);
                        (vec![Type::Varbyte(length)], Type::Varchar(digits))
                    }
                    // What is negative has the digits of its type.
                    Type::Int2 | Type::Int4 => (vec![Type::Int4], Type::Varchar(16)),
                    _ => (vec![Type::Int8], Type::Varchar(16)),
                })
            },
            |columns, _, _| {
                if let Some(values) = columns[0].as_binary_opt::<i32>() {
                    let hex = |bytes: &[u8]| {
                        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                        digits.collect::<String>()
                    };
                    let texts = values.iter().map(|value| value.map(hex));
                    return Ok(Arc::new(texts.collect::<StringArray>()));
                }
                let texts: StringArray = match columns[0].as_primitive_opt::<Int32Type>() {
                    Some(values) => {
                        let values = values.iter();
                        let texts = values.map(|value| value.map(|value| format!("{value:x}")));
                        texts.collect()
                    }
                    None => {
                        let values = columns[0].as_primitive::<Int64Type>().iter();
                        let texts = values.map(|value| value.map(|value| format!("{value:x}")));
                        texts.collect()
                    }
                };
                Ok(Arc::new(texts))
            },
        ),
        scalar(
            "redshift_chr",
            |_| Ok((vec![Type::Int8], TEXT)),
            |columns, _, _| {
                let numbers = columns[0].as_primitive::<Int64Type>();
                let letters = numbers.iter().map(|number| number.map_or(Ok(None), letter));
                Ok(Arc::new(letters.collect::<Result<StringArray>>()?))
            },
        ),
        // Counted in bytes.
        scalar(
            "redshift_octetindex",
            |_| Ok((vec![TEXT, TEXT], Type::Int4)),
            |columns, _, _| {
                by_text::<_, Int32Array>(columns, |values| {
                    let place = values[1].find(values[0]).map_or(0, |at| at + 1);
                    i32::try_from(place).map(Some).map_err(Error::internal)
                })
            },
        ),
        scalar("redshift_sign", sign_types, sign),
        scalar("redshift_scaled", scaled_types, |columns, _, _| {
            Ok(Arc::clone(&columns[0]))
        }),
        scalar(
            "redshift_split_part",
            |_| Ok((vec![TEXT, TEXT, Type::Int8], TEXT)),
            split_part,
        ),
        scalar("redshift_to_char", to_char_types, to_char),
        scalar(
            "redshift_to_date",
            |arguments| Ok((texts_then_flag(arguments), Type::Date)),
            |columns, _, _| {
                by_text_and_flag::<_, arrow::array::Date32Array>(
                    &columns[..2],
                    columns.get(2),
                    |values, is_strict| {
                        let reading = reading(is_strict);
                        let (day, _) = formats::read(values[0], values[1], Type::Date, reading)?;
                        Ok(Some(day))
                    },
                )
            },
        ),
        scalar(
            "redshift_to_timestamp",
            |arguments| Ok((texts_then_flag(arguments), Type::TimestampTz)),
            |columns, _, result| {
                let column = by_text_and_flag::<_, arrow::array::TimestampMicrosecondArray>(
                    &columns[..2],
                    columns.get(2),
                    |values, is_strict| {
                        let reading = reading(is_strict);
                        let (day, micros) =
                            formats::read(values[0], values[1], Type::TimestampTz, reading)?;
                        Ok(Some(i64::from(day) * 86_400_000_000 + micros))
                    },
                )?;
                let column = column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
                Ok(Arc::new(column.clone().with_data_type(result.arrow())))
            },
        ),
    ]
}

fn texts_then_flag(arguments: &Arguments<'_>) -> Vec<Type> {
    let mut types = vec![TEXT, TEXT];
    types.extend(arguments.types.get(2).map(|_| Type::Bool));
    types
}

/// How a text is read.
fn reading(is_strict: bool) -> formats::Reading {
    match is_strict {
        true => formats::Reading::Calendar,
        false => formats::Reading::Lenient,
    }
}

fn hashed(columns: &[ArrayRef], name: &str) -> Result<ArrayRef> {
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    let arguments = ScalarFunctionArgs {
        args: vec![
            ColumnarValue::Array(Arc::clone(&columns[0])),
            ColumnarValue::Scalar(ScalarValue::from(name)),
        ],
        arg_fields: vec![
            field("value", DataType::Utf8),
            field("name", DataType::Utf8),
        ],
        number_rows: columns[0].len(),
        return_field: field("digest", DataType::Binary),
        config_options: Arc::default(),
    };
    let digest = datafusion::functions::crypto::digest().invoke_with_args(arguments)?;
    let digest = digest.to_array(columns[0].len())?;
    let digest = crate::types::cast::plain(&digest)?;
    let digest = digest.as_binary::<i32>();
    let texts = digest.iter().map(|bytes| {
        bytes.map(|bytes| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        })
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// The digest of so many bits; an empty text where there is none.
fn sha2(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let bits = columns[1].as_primitive::<Int64Type>();
    let mut digests: BTreeMap<&str, ArrayRef> = BTreeMap::new();
    for name in bits.iter().flatten().filter_map(sha2_name) {
        if let Entry::Vacant(entry) = digests.entry(name) {
            entry.insert(hashed(&columns[..1], name)?);
        }
    }
    let computed = (0..bits.len()).map(|row| {
        if columns.iter().any(|column| column.is_null(row)) {
            return None;
        }
        let digest = sha2_name(bits.value(row)).and_then(|name| digests.get(name));
        Some(digest.map_or("", |digest| digest.as_string::<i32>().value(row)))
    });
    Ok(Arc::new(computed.collect::<StringArray>()))
}

fn sha2_name(bits: i64) -> Option<&'static str> {
    match bits {
        0 | 256 => Some("sha256"),
        224 => Some("sha224"),
        384 => Some("sha384"),
        512 => Some("sha512"),
        _ => None,
    }
}

/// The letter of ASCII that a number stands for; none beyond them.
fn letter(number: i64) -> Result<Option<String>> {
    match u8::try_from(number) {
        Ok(0) => Err(Error::not_yet("the character 0 in a text")),
        Ok(byte) if byte.is_ascii() => Ok(Some(char::from(byte).to_string())),
        _ => Ok(None),
    }
}

fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let is_plain = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn strtol(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let bases = columns[1].as_primitive::<Int64Type>();
    let column = by_row::<_, Int64Array>(columns, |row| {
        let text = texts.value(row).trim();
        let base = u32::try_from(bases.value(row)).ok();
        let base = base.filter(|base| (2..=36).contains(base));
        let value = base.and_then(|base| whole(text, base));
        let bad = || Error::new(&error::INVALID_ARGUMENT, &[&"strtol", &text]);
        value.map(Some).ok_or_else(bad)
    })?;
    Ok(Arc::new(column))
}

/// The number that a text is in a base: a sign, `0x` in base 16, and digits; nothing is 0.
fn whole(text: &str, base: u32) -> Option<i64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let of_hexadecimal = || {
        let digits = unsigned.strip_prefix("0x");
        digits.or_else(|| unsigned.strip_prefix("0X"))
    };
    let digits = match base {
        16 => of_hexadecimal().unwrap_or(unsigned),
        _ => unsigned,
    };
    match text.is_empty() {
        true => Some(0),
        // A second sign is no digit.
        false if digits.chars().all(|digit| digit.is_digit(base)) => {
            i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
        }
        false => None,
    }
}

/// A part of a text by its number, from 1; of an empty delimiter there is one part.
fn split_part(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let delimiters = columns[1].as_string::<i32>();
    let numbers = columns[2].as_primitive::<Int64Type>();
    let column = by_row::<_, StringArray>(columns, |row| {
        let number = numbers.value(row);
        let place = number.checked_sub(1).map(usize::try_from);
        let Some(Ok(place)) = place else {
            return Err(Error::new(
                &error::INVALID_ARGUMENT,
                &[&"split_part", &number],
            ));
        };
        let (text, delimiter) = (texts.value(row), delimiters.value(row));
        let part = match delimiter.is_empty() {
            true => (place == 0).then_some(text),
            false => text.split(delimiter).nth(place),
        };
        Ok(Some(part.unwrap_or_default()))
    })?;
    Ok(Arc::new(column))
}

fn sign_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        data_type if data_type.is_whole() => Ok((vec![Type::Int8], Type::Int8)),
        Type::Numeric(precision, scale) => {
            let own = Type::Numeric(precision, scale);
            Ok((vec![own], Type::Numeric(1, 0)))
        }
        data_type if data_type.is_number() || data_type == Type::Unknown => {
            Ok((vec![Type::Float8], Type::Float8))
        }
        _ => Err(arguments.refused()),
    }
}

fn sign(columns: &[ArrayRef], types: &[Type], result: Type) -> Result<ArrayRef> {
    let column = &columns[0];
    Ok(match types[0] {
        Type::Int8 => {
            let values = column.as_primitive::<Int64Type>();
            Arc::new(values.unary::<_, Int64Type>(i64::signum))
        }
        Type::Numeric(..) => {
            let values = column.as_primitive::<Decimal128Type>();
            let signs = values.unary::<_, Decimal128Type>(i128::signum);
            Arc::new(signs.with_data_type(result.arrow()))
        }
        _ => {
            let values = column.as_primitive::<Float64Type>();
            let sign = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
            let signs = values.iter().map(|value| value.map(sign));
            Arc::new(signs.collect::<Float64Array>())
        }
    })
}

/// A decimal that has nothing but zeros behind so many digits, without them.
fn scaled_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let own = arguments.types[0];
    let result = match (own, arguments.number(1)) {
        (Type::Numeric(precision, scale), Some(digits)) => {
            let kept = u8::try_from(digits.clamp(0, i64::from(scale))).unwrap_or(scale);
            let whole = precision.saturating_sub(scale);
            Type::Numeric((whole + kept).max(1), kept)
        }
        _ => own,
    };
    Ok((vec![result, Type::Int8], result))
}

fn to_char_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        data_type if data_type.is_moment() => Ok((vec![Type::Timestamp, TEXT], TEXT)),
        data_type if data_type.is_number() => {
            Err(Error::not_yet("TO_CHAR of numbers").hint("cast to VARCHAR"))
        }
        _ => Err(arguments.refused()),
    }
}

fn to_char(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    let patterns = columns[1].as_string::<i32>();
    let column = by_row::<_, StringArray>(columns, |row| {
        formats::show(values.value(row), patterns.value(row)).map(Some)
    })?;
    Ok(Arc::new(column))
}
