//! Functions of texts that DataFusion lacks, or that Redshift has in another way.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use regex::Regex;

use super::formats;
use super::scalar::{Arguments, by_row, by_text, scalar};
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
            "redshift_sha1",
            |_| Ok((vec![TEXT], Type::Varchar(40))),
            |_, _, _| Err(Error::not_yet("SHA1")),
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
            "redshift_regexp_substr",
            |_| Ok((vec![TEXT, TEXT], TEXT)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let found = pattern(values[1])?.find(values[0]);
                    Ok(Some(found.map_or("", |found| found.as_str()).to_owned()))
                })
            },
        ),
        scalar(
            "redshift_regexp_replace",
            |arguments| Ok((vec![TEXT; arguments.types.len()], TEXT)),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let with = values.get(2).copied().unwrap_or("");
                    let with = dollars(with);
                    let replaced = pattern(values[1])?.replace_all(values[0], with.as_str());
                    Ok(Some(replaced.into_owned()))
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
                let values = columns[0].as_primitive::<Int64Type>();
                let texts = values
                    .iter()
                    .map(|value| value.map(|value| format!("{value:x}")));
                Ok(Arc::new(texts.collect::<StringArray>()))
            },
        ),
        scalar("redshift_sign", sign_types, sign),
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
                let reading = reading(columns.get(2));
                by_text::<_, arrow::array::Date32Array>(&columns[..2], |values| {
                    let (day, _) = formats::read(values[0], values[1], Type::Date, reading)?;
                    Ok(Some(day))
                })
            },
        ),
        scalar(
            "redshift_to_timestamp",
            |arguments| Ok((texts_then_flag(arguments), Type::TimestampTz)),
            |columns, _, result| {
                let reading = reading(columns.get(2));
                let column = by_text::<_, arrow::array::TimestampMicrosecondArray>(
                    &columns[..2],
                    |values| {
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

/// How a text is read, by the flag that says whether it is strict.
fn reading(flags: Option<&ArrayRef>) -> formats::Reading {
    let is_strict = flags.is_some_and(|flags| {
        let flags = flags.as_boolean();
        !flags.is_empty() && flags.is_valid(0) && flags.value(0)
    });
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

fn sha2(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let bits = columns[1].as_primitive::<Int64Type>();
    let bits = if bits.is_empty() || bits.is_null(0) {
        0
    } else {
        bits.value(0)
    };
    let name = match bits {
        0 | 256 => "sha256",
        224 => "sha224",
        384 => "sha384",
        512 => "sha512",
        other => return Err(Error::new(&error::INVALID_ARGUMENT, &[&"sha2", &other])),
    };
    hashed(&columns[..1], name)
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

fn pattern(pattern: &str) -> Result<Regex> {
    Regex::new(pattern)
        .map_err(|_| Error::new(&error::INVALID_ARGUMENT, &[&"regular expression", &pattern]))
}

/// `\1` names a group in SQL, `${1}` in Rust.
fn dollars(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str(&format!("${{{digit}}}"));
                letters.next();
            }
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str(&format!("${{{digit}}}"));
                letters.next();
            }
            ('$', _) => out.push_str("$$"),
            (letter, _) => out.push(letter),
        }
    }
    out
}

fn strtol(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let bases = columns[1].as_primitive::<Int64Type>();
    let column = by_row::<_, Int64Array>(columns, |row| {
        let text = texts.value(row).trim();
        let base = u32::try_from(bases.value(row))
            .ok()
            .filter(|base| (2..=36).contains(base));
        let bad = || Error::new(&error::INVALID_ARGUMENT, &[&"strtol", &text]);
        let digits = match base {
            Some(16) => text.trim_start_matches("0x").trim_start_matches("0X"),
            _ => text,
        };
        let value = i64::from_str_radix(digits, base.ok_or_else(bad)?).map_err(|_| bad())?;
        Ok(Some(value))
    })?;
    Ok(Arc::new(column))
}

/// A part of a text by its number, from 1; of an empty delimiter there is one part.
fn split_part(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let delimiters = columns[1].as_string::<i32>();
    let numbers = columns[2].as_primitive::<Int64Type>();
    let column = by_row::<_, StringArray>(columns, |row| {
        let number = numbers.value(row);
        let place = usize::try_from(number - 1);
        let place =
            place.map_err(|_| Error::new(&error::INVALID_ARGUMENT, &[&"split_part", &number]))?;
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
