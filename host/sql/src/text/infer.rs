//! The type of a column, from its texts.

use arrow::datatypes::{DataType, TimeUnit};

use super::{
    Origin, Reason, boolean, float64, integer,
    number::{Parts, has_leading},
    time::Moment,
};

/// What the texts of a column have in common, in whatever order they come.
///
/// | all texts are | type |
/// | --- | --- |
/// | `true`, `false` | `bool` |
/// | whole numbers of 64 bits, as they are written | `int64` |
/// | numbers with a point or a signed exponent, and whole numbers, all of whose digits a float keeps | `float64` |
/// | `YYYY-MM-DD` | `date` |
/// | timestamps without an offset, and dates | `timestamp`; `timestamp(ns)` if one has digits beyond microseconds |
/// | timestamps with an offset | `timestamptz`, turned to UTC |
/// | anything else, or a mixture | `utf8` |
///
/// What is not plainly a number stays text: `01220`, `+41`, `12E4`, numbers beyond 64 bits. Among plain floats, `12E4`, `-0` and long
/// whole numbers are floats as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inference(u16);

const BOOL: u16 = 1;
const INT: u16 = 1 << 1;
/// A whole number that a float64 does not keep.
const LONG_INT: u16 = 1 << 2;
const FLOAT: u16 = 1 << 3;
/// `NaN`, `inf`: no text among numbers.
const NAMED_FLOAT: u16 = 1 << 4;
/// A number among floats, and text otherwise.
const FLOAT_LIKE: u16 = 1 << 5;
const DATE: u16 = 1 << 6;
const NAIVE: u16 = 1 << 7;
const ZONED: u16 = 1 << 8;
/// A timestamp with more digits than microseconds have.
const NANOS: u16 = 1 << 9;
/// A date or timestamp that nanoseconds do not reach.
const FAR: u16 = 1 << 10;
const TEXT: u16 = 1 << 11;

impl Inference {
    /// Takes a text of the column into account.
    pub fn observe(&mut self, text: &str) {
        // Once text, always text.
        if self.0 & TEXT == 0 {
            self.0 |= class(text);
        }
    }

    /// Takes what was seen elsewhere into account.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The type that holds all texts without loss; `None` if there was none.
    #[must_use]
    pub fn data_type(self) -> Option<DataType> {
        let seen = self.0;
        let only = |allowed: u16| seen & !allowed == 0;
        let any = |flags: u16| seen & flags != 0;
        let unit = if any(NANOS) {
            TimeUnit::Nanosecond
        } else {
            TimeUnit::Microsecond
        };
        let in_reach = !(any(NANOS) && any(FAR));
        if seen == 0 {
            return None;
        }
        let is_float = any(FLOAT) || (any(NAMED_FLOAT) && any(INT) && !any(FLOAT_LIKE));
        Some(if only(BOOL) {
            DataType::Boolean
        } else if only(INT | LONG_INT) {
            DataType::Int64
        } else if only(INT | FLOAT | NAMED_FLOAT | FLOAT_LIKE) && is_float {
            DataType::Float64
        } else if only(DATE | FAR) {
            DataType::Date32
        } else if only(DATE | NAIVE | NANOS | FAR) && in_reach {
            DataType::Timestamp(unit, None)
        } else if only(ZONED | NANOS | FAR) && in_reach {
            DataType::Timestamp(unit, Some("UTC".into()))
        } else {
            DataType::Utf8
        })
    }
}

fn class(text: &str) -> u16 {
    match text.as_bytes() {
        [b't' | b'T' | b'f' | b'F', ..] if boolean(text, Origin::Inferred).is_ok() => BOOL,
        [b'0'..=b'9', _, _, b'0'..=b'9', b'-', ..] => moment(text),
        [b'0'..=b'9' | b'-' | b'.', ..] => number(text),
        _ if is_named_float(text) => NAMED_FLOAT,
        _ => TEXT,
    }
}

fn is_named_float(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    matches!(unsigned, "NaN" | "nan" | "inf" | "Infinity")
}

fn number(text: &str) -> u16 {
    let keeps_digits = || float64(text, Origin::Inferred).is_ok();
    match integer::<i64>(text, Origin::Inferred) {
        // Every whole number of so few digits is a float64 too.
        Ok(_) if text.len() <= f64::DIGITS as usize || keeps_digits() => return INT,
        Ok(_) => return INT | LONG_INT,
        Err(Reason::Syntax) if is_named_float(text) => return NAMED_FLOAT,
        Err(_) => {}
    }
    let Some(parts) = Parts::of(text) else {
        return TEXT;
    };
    if has_leading(text) || !keeps_digits() {
        TEXT
    } else if parts.has_point || parts.exponent_sign == Some(true) {
        FLOAT
    } else {
        FLOAT_LIKE
    }
}

fn moment(text: &str) -> u16 {
    let Ok(moment) = Moment::of(text) else {
        return TEXT;
    };
    let kind = match (moment.clock, moment.offset) {
        (None, _) => DATE,
        (Some(_), None) => NAIVE,
        (Some(_), Some(_)) => ZONED,
    };
    let (micros, nanos) = (
        moment.since_epoch(TimeUnit::Microsecond),
        moment.since_epoch(TimeUnit::Nanosecond),
    );
    match (micros, nanos) {
        (Ok(_), Ok(_)) => kind,
        (Ok(_), Err(_)) => kind | FAR,
        (Err(_), Ok(_)) => kind | NANOS,
        (Err(_), Err(_)) => TEXT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_name;

    fn inferred(texts: &[&str]) -> String {
        let mut forward = Inference::default();
        texts.iter().for_each(|text| forward.observe(text));
        let mut backward = Inference::default();
        for text in texts.iter().rev() {
            let mut one = Inference::default();
            one.observe(text);
            backward.merge(one);
        }
        assert_eq!(forward.data_type(), backward.data_type(), "{texts:?}");
        forward
            .data_type()
            .map_or_else(|| "none".to_owned(), |data_type| type_name(&data_type))
    }

    #[test]
    fn a_type_holds_every_text_as_it_is_written() {
        for (texts, expected) in [
            (&[][..], "none"),
            (&["true", "FALSE"], "bool"),
            (&["true", "1"], "utf8"),
            (&["t"], "utf8"),
            (&["1", "-2", "0"], "int64"),
            (&["9223372036854775807"], "int64"),
            (&["1", "2.5"], "float64"),
            (&["9007199254740993", "2.5"], "utf8"),
            (&["9007199254740992", "2.5"], "float64"),
            (&["9223372036854775808"], "utf8"),
            (&["100000000000000000000", "0.5"], "float64"),
            (&["94107", "01220"], "utf8"),
            (&["-007"], "utf8"),
            (&["008.45"], "utf8"),
            (&["00"], "utf8"),
            (&["0.5", ".5", "-.5", "5."], "float64"),
            (&["101E010031"], "utf8"),
            (&["12E4"], "utf8"),
            (&["12E4", "7"], "utf8"),
            (&["12E4", "0.5"], "float64"),
            (&["1e-05", "1E+20", "1.5e3"], "float64"),
            (&["+41791234567"], "utf8"),
            (&["+1.5"], "utf8"),
            (&["-0"], "utf8"),
            (&["-0", "-0.5"], "float64"),
            (&["3.14159265358979323846"], "utf8"),
            (&["1.5", "NaN", "-inf"], "float64"),
            (&["1", "NaN"], "float64"),
            (&["NaN"], "utf8"),
            (&["1.5", "n/a"], "utf8"),
            (&["-"], "utf8"),
            (&["."], "utf8"),
            (&["1 "], "utf8"),
            (&["1,000"], "utf8"),
            (&["2024-01-31"], "date"),
            (&["2024-1-31"], "utf8"),
            (&["2024-02-30"], "utf8"),
            (&["2024-01-31", "2024-01-31 10:00:00"], "timestamp"),
            (&["2024-01-31T10:00:00.123456"], "timestamp"),
            (&["2024-01-31T10:00:00.123456789"], "timestamp(ns)"),
            (&["2024-01-31T10:00:00.123456000"], "timestamp"),
            (
                &["2024-01-31T10:00:00.123456789", "9999-12-31 00:00:00"],
                "utf8",
            ),
            (&["9999-12-31 00:00:00", "0001-01-01"], "timestamp"),
            (
                &["2024-01-31T10:00:00Z", "2024-01-31 10:00:00+01:00"],
                "timestamptz",
            ),
            (&["2024-01-31T10:00:00Z", "2024-01-31 10:00:00"], "utf8"),
            (&["2024-01-31T10:00:00Z", "2024-01-31"], "utf8"),
            (&["2024-01-31 24:00:00"], "utf8"),
            (&["2024", "2024-01-31"], "utf8"),
            (&["10:00:00"], "utf8"),
            (&["true", "2024-01-31"], "utf8"),
        ] {
            assert_eq!(inferred(texts), expected, "{texts:?}");
        }
    }
}
