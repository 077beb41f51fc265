//! The types and values of variables.
//!
//! A variable becomes a typed parameter of a query, never a piece of its text, so its value is parsed here, once, in the
//! same way for a default, for a target's value and for one from the command line.

use std::fmt;

use chrono::{NaiveDate, NaiveDateTime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use transom_types::parse_field;

use super::node::{Node, Yaml};
use super::problem::Problem;
use super::reader::{Read, Reader};

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int64,
    /// A floating-point number of 64 bits.
    Float64,
    /// Text.
    Utf8,
    /// A day, `2024-01-31`.
    Date,
    /// A date and time of day to the microsecond, without a time zone: `2024-01-31 10:00:00.5`.
    Timestamp,
    /// A decimal number of at most `precision` digits (1 to 38), `scale` of them after the point.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
}

/// What a type may be called, for messages.
pub(crate) const TYPE_NAMES: [&str; 7] = [
    "int64",
    "float64",
    "utf8",
    "bool",
    "date",
    "timestamp",
    "decimal(p,s)",
];

impl ValueType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "utf8" => Self::Utf8,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            _ => {
                let arguments = name.strip_prefix("decimal(")?.strip_suffix(')')?;
                let (precision, scale) = arguments.split_once(',')?;
                let (precision, scale) =
                    (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                if !(1..=38).contains(&precision) || scale > precision {
                    return None;
                }
                Self::Decimal { precision, scale }
            }
        })
    }

    /// What a value of this type looks like, for messages.
    #[must_use]
    pub fn looks_like(self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Int64 => "a whole number of 64 bits".to_owned(),
            Self::Float64 => "a finite number that a float64 keeps".to_owned(),
            Self::Utf8 => "a text".to_owned(),
            Self::Date => "a date like `2024-01-31`".to_owned(),
            Self::Timestamp => {
                "a time like `2024-01-31 10:00:00` or `2024-01-31`, without a time zone".to_owned()
            }
            Self::Decimal { precision, scale } => format!(
                "a decimal number with at most {} digits before the point and {scale} after it",
                precision - scale
            ),
        }
    }

    /// Parses a value of this type from text, as it stands on a command line; `None` if it is not one.
    #[must_use]
    pub fn parse_value(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Bool => Value::Bool(text.parse().ok()?),
            Self::Int64 => Value::Int64(text.parse().ok()?),
            Self::Float64 => Value::Float64(float(text)?),
            Self::Utf8 => Value::Utf8(text.to_owned()),
            Self::Date => Value::Date(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?),
            Self::Timestamp => {
                let parse = |format| NaiveDateTime::parse_from_str(text, format).ok();
                let midnight = || {
                    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
                    date.and_hms_opt(0, 0, 0)
                };
                let time = parse("%Y-%m-%d %H:%M:%S%.f")
                    .or_else(|| parse("%Y-%m-%dT%H:%M:%S%.f"))
                    .or_else(midnight)?;
                // Anything finer than the type's microseconds would be silently lost.
                (time.and_utc().timestamp_subsec_nanos() % 1000 == 0)
                    .then_some(Value::Timestamp(time))?
            }
            Self::Decimal { precision, scale } => Value::Decimal {
                unscaled: unscaled(text, precision, scale)?,
                precision,
                scale,
            },
        })
    }

    /// Takes the value of this type from a YAML scalar; a number is no text, and a text is no number.
    pub fn value_of(self, scalar: &Scalar) -> Option<Value> {
        let fits = match self {
            Self::Bool => scalar.kind == ScalarKind::Bool,
            Self::Int64 => scalar.kind == ScalarKind::Int,
            Self::Float64 => matches!(scalar.kind, ScalarKind::Int | ScalarKind::Float),
            Self::Utf8 | Self::Date | Self::Timestamp => scalar.kind == ScalarKind::Text,
            Self::Decimal { .. } => scalar.kind != ScalarKind::Bool,
        };
        let text = if scalar.kind == ScalarKind::Bool {
            scalar.text.to_lowercase()
        } else {
            scalar.text.clone()
        };
        fits.then(|| self.parse_value(&text)).flatten()
    }
}

/// The float nearest to a finite number; `None` for a whole number that no float is, and for one that would become 0.
pub(crate) fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let digits = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_kept = match is_whole {
        true => format!("{:.0}", value.abs()).trim_start_matches('0') == digits,
        false => value != 0.0 || !mantissa.contains(|digit| matches!(digit, '1'..='9')),
    };
    (value.is_finite() && is_kept).then_some(value)
}

/// The digits of a decimal number without its point, with `scale` of them after where it stood.
fn unscaled(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let scale = usize::from(scale);
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > scale {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    (number < 10_i128.pow(u32::from(precision))).then_some(if negative { -number } else { number })
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => formatter.write_str("bool"),
            Self::Int64 => formatter.write_str("int64"),
            Self::Float64 => formatter.write_str("float64"),
            Self::Utf8 => formatter.write_str("utf8"),
            Self::Date => formatter.write_str("date"),
            Self::Timestamp => formatter.write_str("timestamp"),
            Self::Decimal { precision, scale } => write!(formatter, "decimal({precision},{scale})"),
        }
    }
}

impl Serialize for ValueType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Read for ValueType {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let name = String::read(reader, node)?;
        let value_type = Self::parse(&name);
        if value_type.is_none() {
            let message = match parse_field("", &name) {
                Ok(_) => format!(
                    "{} cannot be of type `{name}`, which columns alone have",
                    reader.here()
                ),
                Err(_) => format!("unknown type `{name}` of {}", reader.here()),
            };
            let problem = Problem::new(message)
                .at(reader.place(node.span))
                .with_label(format!("allowed: {}", super::problem::list(TYPE_NAMES)))
                .with_near_name(&name, TYPE_NAMES);
            let problem = if name.starts_with("decimal") {
                problem.with_hint(
                    "write `decimal(10,2)`: at most 38 digits, 2 of the 10 after the point",
                )
            } else {
                problem
            };
            reader.report(problem);
        }
        value_type
    }
}

impl JsonSchema for ValueType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ValueType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let plain: Vec<&str> = TYPE_NAMES
            .into_iter()
            .filter(|name| !name.contains('('))
            .collect();
        json_schema!({
            "description": "A type: int64, float64, utf8, bool, date, timestamp or decimal(p,s).",
            "anyOf": [
                { "enum": plain },
                { "type": "string", "pattern": r"^decimal\(\s*[0-9]+\s*,\s*[0-9]+\s*\)$" },
            ],
        })
    }
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int64(i64),
    /// A finite floating-point number.
    Float64(f64),
    /// Text.
    Utf8(String),
    /// A day.
    Date(NaiveDate),
    /// A date and time of day without a time zone, in whole microseconds.
    Timestamp(NaiveDateTime),
    /// `unscaled` / 10^`scale`, of at most `precision` digits.
    Decimal {
        /// All digits as one whole number.
        #[serde(serialize_with = "as_text")]
        unscaled: i128,
        /// The digits that the type holds.
        precision: u8,
        /// The digits after the point.
        scale: u8,
    },
}

impl Value {
    /// The type that the value is of.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match *self {
            Self::Bool(_) => ValueType::Bool,
            Self::Int64(_) => ValueType::Int64,
            Self::Float64(_) => ValueType::Float64,
            Self::Utf8(_) => ValueType::Utf8,
            Self::Date(_) => ValueType::Date,
            Self::Timestamp(_) => ValueType::Timestamp,
            Self::Decimal {
                precision, scale, ..
            } => ValueType::Decimal { precision, scale },
        }
    }
}

/// JSON numbers hold 53 bits for many readers.
fn as_text<S: Serializer>(number: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// A YAML scalar whose type is known only when the variable's type is.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// As it is written.
    pub text: String,
    pub(crate) kind: ScalarKind,
    /// The value as messages name it.
    pub shown: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Bool,
    Int,
    Float,
    Text,
}

impl Read for Scalar {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let (text, kind) = match &node.value {
            Yaml::Bool(_, text) => (text, ScalarKind::Bool),
            Yaml::Int(text) => (text, ScalarKind::Int),
            Yaml::Float(_, text) => (text, ScalarKind::Float),
            Yaml::Text(text, _) => (text, ScalarKind::Text),
            _ => {
                reader.wrong_type(node, "a single value");
                return None;
            }
        };
        Some(Self {
            text: text.clone(),
            kind,
            shown: node.value.kind(),
        })
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "number", "string"] })
    }
}
