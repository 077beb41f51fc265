//! Functions of VARBYTE: to texts and back, and its bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int32Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{by_row, by_text, scalar};
use crate::error::{self, Error, Result};
use crate::types::{MAX_VARBYTE, MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);
const BYTES: Type = Type::Varbyte(MAX_VARBYTE);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_from_hex",
            |_| Ok((vec![TEXT], BYTES)),
            |columns, _, _| {
                by_text::<_, BinaryArray>(columns, |values| {
                    let bytes = Format::Hex.bytes(values[0]);
                    bytes
                        .map(Some)
                        .ok_or_else(|| refused("from_hex", values[0]))
                })
            },
        ),
        scalar(
            "redshift_to_varbyte",
            |_| Ok((vec![TEXT, TEXT], BYTES)),
            |columns, _, _| {
                by_text::<_, BinaryArray>(columns, |values| {
                    let bytes = Format::read("to_varbyte", values[1])?.bytes(values[0]);
                    bytes
                        .map(Some)
                        .ok_or_else(|| refused("to_varbyte", values[0]))
                })
            },
        ),
        scalar(
            "redshift_from_varbyte",
            |_| Ok((vec![BYTES, TEXT], TEXT)),
            |columns, _, _| {
                let values = columns[0].as_binary::<i32>();
                let formats = columns[1].as_string::<i32>();
                let texts = by_row::<_, StringArray>(columns, |row| {
                    let format = Format::read("from_varbyte", formats.value(row))?;
                    let text = format.text(values.value(row));
                    let text = text.filter(|text| text.len() <= MAX_VARCHAR as usize);
                    let what = "bytes that make no text of the format";
                    text.map(Some).ok_or_else(|| refused("from_varbyte", what))
                })?;
                Ok(Arc::new(texts))
            },
        ),
        scalar(
            "redshift_getbit",
            |_| Ok((vec![BYTES, Type::Int8], Type::Int4)),
            bit,
        ),
    ]
}

fn refused(function: &str, what: &str) -> Error {
    Error::new(&error::INVALID_ARGUMENT, &[&function, &what])
}

/// How bytes are written as a text.
#[derive(Debug, Clone, Copy)]
enum Format {
    Hex,
    Binary,
    Utf8,
}

impl Format {
    fn read(function: &str, name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "binary" => Ok(Self::Binary),
            "utf8" | "utf-8" => Ok(Self::Utf8),
            _ => Err(refused(function, name)),
        }
    }

    /// Digits of a byte, and their base.
    fn digits(self) -> (usize, u32) {
        match self {
            Self::Binary => (8, 2),
            _ => (2, 16),
        }
    }

    /// The bytes of a text; none if it is not of the format. An odd number of hexadecimal digits begins with a 0.
    fn bytes(self, text: &str) -> Option<Vec<u8>> {
        let (width, base) = self.digits();
        let text = match self {
            Self::Utf8 => return Some(text.as_bytes().to_vec()),
            Self::Hex if text.len() % 2 == 1 => format!("0{text}"),
            _ => text.to_owned(),
        };
        if text.len() % width != 0 || !text.chars().all(|digit| digit.is_digit(base)) {
            return None;
        }
        let bytes = text.as_bytes().chunks(width).map(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, base).ok()
        });
        bytes.collect()
    }

    /// The text of bytes; none if they make none.
    fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Hex => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            Self::Binary => Some(bytes.iter().map(|byte| format!("{byte:08b}")).collect()),
            Self::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
        }
    }
}

/// A bit by its number, from 0 at the right.
fn bit(columns: &[ArrayRef], _: &[Type], _: Type) -> Result<ArrayRef> {
    let values = columns[0].as_binary::<i32>();
    let numbers = columns[1].as_primitive::<Int64Type>();
    let bits = by_row::<_, Int32Array>(columns, |row| {
        let (bytes, number) = (values.value(row), numbers.value(row));
        let place = usize::try_from(number).ok();
        let byte = place.and_then(|place| bytes.iter().rev().nth(place / 8));
        let bit = byte.map(|byte| i32::from(byte >> (number % 8) & 1));
        bit.map(Some)
            .ok_or_else(|| refused("getbit", &number.to_string()))
    })?;
    Ok(Arc::new(bits))
}
