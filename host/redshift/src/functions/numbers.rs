//! `TO_NUMBER`, and the bits of whole numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Decimal128Array};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{Arguments, by_row, scalar};
use crate::error::{self, Error, Result};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);
/// Digits of a decimal at most.
const MOST_DIGITS: usize = 38;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar("redshift_to_number", to_number_types, to_number),
        scalar("redshift_bitwise_not", not_types, bitwise_not),
    ]
}

/// What stands at a place of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Digit,
    Point,
    Group,
    Currency,
    Sign,
    /// Around a negative number are angle brackets.
    Brackets,
    Blank,
}

/// A format of numbers, and its digits before and behind the point.
struct Format {
    places: Vec<Place>,
    before: usize,
    behind: usize,
}

impl Format {
    fn read(format: &str) -> Result<Self> {
        let refused = || Error::new(&error::INVALID_ARGUMENT, &[&"to_number", &format]);
        let upper = format.to_uppercase();
        let mut rest = upper.as_str();
        let mut places = Vec::new();
        while let Some(letter) = rest.chars().next() {
            let two = rest.get(..2).unwrap_or_default();
            let (place, length) = match (letter, two) {
                // Blanks are left out in any case.
                (_, "FM") => (None, 2),
                (_, "MI" | "PL" | "SG") => (Some(Place::Sign), 2),
                (_, "PR") => (Some(Place::Brackets), 2),
                ('9' | '0', _) => (Some(Place::Digit), 1),
                ('.' | 'D', _) => (Some(Place::Point), 1),
                (',' | 'G', _) => (Some(Place::Group), 1),
                ('L', _) => (Some(Place::Currency), 1),
                ('S', _) => (Some(Place::Sign), 1),
                (' ', _) => (Some(Place::Blank), 1),
                _ => {
                    let what = format!("{letter:?} in a format of numbers");
                    return Err(Error::not_yet(what));
                }
            };
            places.extend(place);
            rest = &rest[length..];
        }
        let point = places.iter().position(|place| *place == Place::Point);
        let (before, behind) = places.split_at(point.unwrap_or(places.len()));
        let digits = |places: &[Place]| {
            let digits = places.iter().filter(|place| **place == Place::Digit);
            digits.count()
        };
        let (before, behind) = (digits(before), digits(behind));
        let points = places.iter().filter(|place| **place == Place::Point);
        let fits = (1..=MOST_DIGITS).contains(&(before + behind)) && behind < MOST_DIGITS;
        match points.count() <= 1 && fits {
            true => Ok(Self {
                places,
                before,
                behind,
            }),
            false => Err(refused()),
        }
    }

    /// The digits of a text, as many behind the point as the format has.
    fn number(&self, text: &str) -> Result<i128> {
        let mut rest = text.trim();
        let in_brackets = self.places.contains(&Place::Brackets) && taken(&mut rest, "<").is_some();
        let mut sign = in_brackets.then_some('-');
        let mut digits = String::new();
        // How many digits there are behind the point, once it was there.
        let mut behind = None;
        let mut is_over = false;
        for place in &self.places {
            // A sign may also stand before the first digit, whatever the format has there.
            let is_first = digits.is_empty() && behind.is_none();
            if sign.is_none() && (*place == Place::Sign || *place == Place::Digit && is_first) {
                sign = taken(&mut rest, "+-");
            }
            match place {
                Place::Digit if !is_over => {
                    if let Some(digit) = taken(&mut rest, "0123456789") {
                        digits.push(digit);
                        behind = behind.map(|count: usize| count + 1);
                    }
                }
                Place::Point => match taken(&mut rest, ".") {
                    Some(_) => behind = Some(0),
                    None => is_over = true,
                },
                Place::Group => {
                    taken(&mut rest, ",");
                }
                Place::Currency => {
                    taken(&mut rest, "$");
                }
                Place::Blank => {
                    taken(&mut rest, " ");
                }
                Place::Brackets if in_brackets => {
                    taken(&mut rest, ">");
                }
                Place::Digit | Place::Sign | Place::Brackets => {}
            }
        }
        let rest = rest.trim_start();
        if digits.is_empty() || !rest.is_empty() {
            let is_longer = rest
                .chars()
                .all(|letter| letter.is_ascii_digit() || letter == '.' || letter == ',');
            return Err(match is_longer && !digits.is_empty() {
                true => Error::not_yet("TO_NUMBER of a text with more digits than its format"),
                false => Error::new(&error::INVALID_TEXT, &[&"numeric", &text]),
            });
        }
        let missing = self.behind.saturating_sub(behind.unwrap_or(0));
        digits.extend(std::iter::repeat_n('0', missing));
        let number: i128 = digits.parse().map_err(Error::internal)?;
        Ok(match sign {
            Some('-') => -number,
            _ => number,
        })
    }

    /// A decimal with as many digits as the format has.
    fn data_type(&self) -> Result<Type> {
        let digits = [self.before + self.behind, self.behind];
        let [precision, scale] = digits.map(u8::try_from);
        Ok(Type::Numeric(
            precision.map_err(Error::internal)?,
            scale.map_err(Error::internal)?,
        ))
    }
}

/// The next letter of a text, if it is one of these; the text goes on behind it.
fn taken(rest: &mut &str, letters: &str) -> Option<char> {
    let letter = rest
        .chars()
        .next()
        .filter(|letter| letters.contains(*letter))?;
    *rest = &rest[letter.len_utf8()..];
    Some(letter)
}

fn to_number_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let Some(format) = arguments.text(1) else {
        return Err(Error::not_yet("a format of TO_NUMBER that is computed"));
    };
    Ok((vec![TEXT, TEXT], Format::read(format)?.data_type()?))
}

fn to_number(columns: &[ArrayRef], _: &[Type], result: Type) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let formats = columns[1].as_string::<i32>();
    let mut known: Option<(String, Format)> = None;
    let numbers = by_row::<_, Decimal128Array>(columns, |row| {
        let format = formats.value(row);
        let (_, format) = match known.take() {
            Some(read) if read.0 == format => known.insert(read),
            _ => known.insert((format.to_owned(), Format::read(format)?)),
        };
        format.number(texts.value(row)).map(Some)
    })?;
    Ok(Arc::new(numbers.with_data_type(result.arrow())))
}

fn not_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    match arguments.types[0] {
        own @ (Type::Int2 | Type::Int4 | Type::Int8 | Type::Varbyte(_)) => Ok((vec![own], own)),
        other => {
            let name = other.base_name();
            Err(Error::new(&error::UNDEFINED_OPERATOR, &[&"~", &name, &""]))
        }
    }
}

fn bitwise_not(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let column = &columns[0];
    Ok(match types[0] {
        Type::Int2 => Arc::new(
            column
                .as_primitive::<Int16Type>()
                .unary::<_, Int16Type>(|value| !value),
        ),
        Type::Int4 => Arc::new(
            column
                .as_primitive::<Int32Type>()
                .unary::<_, Int32Type>(|value| !value),
        ),
        Type::Int8 => Arc::new(
            column
                .as_primitive::<Int64Type>()
                .unary::<_, Int64Type>(|value| !value),
        ),
        _ => {
            let values = column.as_binary::<i32>().iter();
            let values = values.map(|value| {
                value.map(|bytes| bytes.iter().map(|byte| !byte).collect::<Vec<u8>>())
            });
            Arc::new(values.collect::<BinaryArray>())
        }
    })
}
