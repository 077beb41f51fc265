//! The value that a text stands for, exactly, or why it is none.
//!
//! CSV, the names of partition folders and texts in JSON are read with these rules, and no others:
//!
//! - nothing is cut, rounded, wrapped or trimmed; a text that the type cannot hold as it is written is a [`Reason`],
//! - a float is the nearest one, never an infinity or a zero that the text does not name,
//! - in a column whose type was [inferred](Origin::Inferred) the digits have to survive too: `01220` may be a post code and
//!   `101E010031` a part number, which were not declared to be numbers.

mod column;
mod infer;
mod number;
mod time;

use arrow::datatypes::{DataType, TimeUnit};

pub use self::column::{Misfit, column};
pub use self::infer::Inference;
pub use self::number::{decimal128, decimal256, float32, float64, integer};
pub use self::time::{date, time, timestamp};
pub(crate) use self::{
    number::digits,
    time::{Spelled, offset},
};
use crate::type_name;

/// Who said of which type a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The pipeline: `007` is the number 7.
    Declared,
    /// The texts seen so far: a text that a number would not be written as is none.
    Inferred,
}

/// Why a text is not a value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is written in no way that the type knows.
    #[error("it is not written as a value of this type")]
    Syntax,
    /// A number, but beyond the largest or the smallest of the type.
    #[error("it is out of range")]
    Range,
    /// A number with a point or an exponent, for a type of whole numbers.
    #[error("it is not written as a whole number")]
    Fraction,
    /// `007`, `+7`, `-0`: an inferred whole number would lose how it is written.
    #[error("its leading zeros or sign would be lost")]
    Leading,
    /// More digits than a float keeps, in an inferred column.
    #[error("it has more digits than a float keeps")]
    Digits,
    /// More digits after the point than the decimal has.
    #[error("it has too many digits after the point")]
    Scale,
    /// More digits than the decimal has.
    #[error("it has too many digits")]
    Precision,
    /// A time of day, for a date.
    #[error("its time of day would be lost")]
    TimeOfDay,
    /// Fractions of a second that are finer than the type's unit.
    #[error("its fractions of a second are too fine")]
    Subseconds,
    /// No such day, or no such time of day: leap seconds and `24:00` have no place in Arrow's timestamps.
    #[error("there is no such day or time")]
    NoSuchTime,
    /// An offset from UTC, for a type without a zone.
    #[error("its offset from UTC would be lost")]
    Offset,
    /// No offset from UTC, for a type with a zone.
    #[error("it has no offset from UTC")]
    NoOffset,
    /// No value of this type is read from text.
    #[error("this type cannot be read from text")]
    Unsupported,
}

impl Reason {
    /// The type that holds a text which another does not hold for this reason, as the pipeline file writes it; `utf8` holds all.
    #[must_use]
    pub fn fitting(self, text: &str) -> &'static str {
        let is_timestamp = |unit, zoned| timestamp(text, unit, zoned).is_ok();
        match self {
            Self::Fraction if float64(text, Origin::Declared).is_ok() => "float64",
            Self::TimeOfDay | Self::NoOffset | Self::Offset => {
                let types = [
                    ("timestamp", TimeUnit::Microsecond, false),
                    ("timestamptz", TimeUnit::Microsecond, true),
                    ("timestamp(ns)", TimeUnit::Nanosecond, false),
                    ("timestamptz(ns)", TimeUnit::Nanosecond, true),
                ];
                let fitting = types
                    .iter()
                    .find(|(_, unit, zoned)| is_timestamp(*unit, *zoned));
                fitting.map_or("utf8", |(name, ..)| name)
            }
            _ => "utf8",
        }
    }

    /// The reason, if it says more than that the text is not of the type.
    #[must_use]
    pub fn detail(self) -> Option<String> {
        (self != Self::Syntax).then(|| self.to_string())
    }
}

/// `true` or `false` in any case; in a declared column also `t`, `f`, `yes`, `no`, `y`, `n`, `on`, `off`, `1` and `0`, as in PostgreSQL.
///
/// # Errors
/// If it is none of them.
pub fn boolean(text: &str, origin: Origin) -> Result<bool, Reason> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if is(&"true") {
        Ok(true)
    } else if is(&"false") {
        Ok(false)
    } else if origin == Origin::Inferred {
        Err(Reason::Syntax)
    } else if ["t", "yes", "y", "on", "1"].iter().any(is) {
        Ok(true)
    } else if ["f", "no", "n", "off", "0"].iter().any(is) {
        Ok(false)
    } else {
        Err(Reason::Syntax)
    }
}

/// Bytes as pairs of hexadecimal digits, which is how sinks write them; `\x` may stand in front, as PostgreSQL has it.
///
/// # Errors
/// If it is something else.
pub fn binary(text: &str) -> Result<Vec<u8>, Reason> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Reason::Syntax);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Reason::Syntax);
    }
    let pairs = pairs.iter();
    pairs
        .map(|&[high, low]| Ok((digit(high)? * 16 + digit(low)?) as u8))
        .collect()
}

/// How many of a unit are in a second.
const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// `int64: it is out of range`, for the end of a message.
fn expected(data_type: &DataType, reason: Reason) -> String {
    let name = type_name(data_type);
    match reason.detail() {
        Some(detail) => format!("{name}: {detail}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for (text, declared, inferred) in [
            ("true", Some(true), Some(true)),
            ("False", Some(false), Some(false)),
            ("1", Some(true), None),
            ("no", Some(false), None),
            ("2", None, None),
            (" true", None, None),
            ("", None, None),
        ] {
            assert_eq!(boolean(text, Origin::Declared).ok(), declared, "{text}");
            assert_eq!(boolean(text, Origin::Inferred).ok(), inferred, "{text}");
        }
    }

    #[test]
    fn bytes() {
        assert_eq!(binary("").unwrap(), b"");
        assert_eq!(binary("00fFa1").unwrap(), [0, 255, 161]);
        assert_eq!(binary("\\x0a").unwrap(), [10]);
        for text in ["0", "zz", "0 ", "0x00", "é"] {
            assert_eq!(binary(text), Err(Reason::Syntax), "{text}");
        }
    }
}
