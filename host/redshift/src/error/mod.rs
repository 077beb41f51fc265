//! Errors: what Redshift would say, with its codes, or that the local Redshift cannot do it yet.

mod refused;
mod rules;

use std::fmt;

use datafusion::common::{DataFusionError, SchemaError};
use transom_sql::{ValueError, ValueErrorKind};

pub(crate) use rules::*;

use crate::types::Type;

/// How the room `sql` ends what it says of moments.
const OUT_OF_RANGE: &str = " is out of range";

/// Characters of an error of DataFusion's that are shown.
const MOST_OF_PLANS: usize = 200;

/// Where a rule comes from. A rule of common knowledge is one that was not found in a document or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Amazon's documentation.
    Documented,
    /// Seen on a real Redshift.
    Measured,
    /// An issue of a tool that met it.
    Reported,
    /// Common knowledge, not looked up.
    Known,
    /// A limit of the local Redshift; Redshift itself can do it.
    Local,
}

/// One reason for an error.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in tests and in the documentation.
    pub name: &'static str,
    /// Five letters that clients compare.
    pub sqlstate: &'static str,
    /// The number that Redshift puts beside it; 0 for none.
    pub code: u16,
    /// The message, with `{}` for each argument.
    pub text: &'static str,
    /// Where the rule comes from.
    pub source: Source,
    /// What it is about, in a few words.
    pub about: &'static str,
}

/// An error of a statement.
#[derive(Debug, Clone)]
pub struct Error {
    rule: &'static Rule,
    text: String,
    hint: Option<String>,
}

impl Error {
    /// An error by a rule; the arguments are put into its text in order.
    pub(crate) fn new(rule: &'static Rule, arguments: &[&dyn fmt::Display]) -> Self {
        let mut text = String::new();
        let mut arguments = arguments.iter();
        let mut pieces = rule.text.split("{}");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            if let Some(argument) = arguments.next() {
                text.push_str(&argument.to_string());
            }
            text.push_str(piece);
        }
        Self {
            rule,
            text,
            hint: None,
        }
    }

    /// What Redshift can do and this crate cannot.
    pub(crate) fn not_yet(what: impl fmt::Display) -> Self {
        Self::new(&NOT_YET, &[&what])
    }

    /// A fault of this crate, or of the disk below it.
    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        tracing::error!(%error, "the local Redshift failed");
        Self::new(&INTERNAL, &[&error])
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The rule that it follows.
    pub fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// The five letters that clients compare.
    pub fn sqlstate(&self) -> &'static str {
        self.rule.sqlstate
    }

    /// The message.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What to do instead, if that is known.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// What the room of values says, which Redshift says in its own words.
    fn of_value(error: &ValueError) -> Self {
        match &error.kind {
            ValueErrorKind::Refused => {
                let refused = Self::not_yet(error);
                match &error.hint {
                    Some(hint) => refused.hint(hint),
                    None => refused,
                }
            }
            ValueErrorKind::DivisionByZero => Self::new(&DIVISION_BY_ZERO, &[]),
            ValueErrorKind::Overflow(to) if to.is_decimal() => Self::new(&NUMERIC_RANGE, &[]),
            ValueErrorKind::Overflow(to) if to.is_floating() => Self::new(&FLOAT_RANGE, &[]),
            ValueErrorKind::Overflow(to) => match Type::of_arrow(to) {
                Some(to) if to.is_whole() => Self::new(&INTEGER_RANGE, &[&to.base_name()]),
                Some(to) if to.is_moment() => Self::new(&MOMENT_RANGE, &[&to.base_name()]),
                _ => Self::new(&DATA_EXCEPTION, &[error]),
            },
            // Moments and intervals alone are said to be so.
            ValueErrorKind::Other if error.message.ends_with(OUT_OF_RANGE) => {
                let sum = error.message.trim_end_matches(OUT_OF_RANGE);
                Self::new(&MOMENT_RANGE, &[&sum])
            }
            ValueErrorKind::Memory | ValueErrorKind::Other => Self::new(&DATA_EXCEPTION, &[error]),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    /// DataFusion wraps errors of functions in contexts of its optimizer; the root says what happened.
    fn from(error: DataFusionError) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            if let Some(found) = cause.downcast_ref::<Self>() {
                return found.clone();
            }
            if let Some(SchemaError::FieldNotFound { field, .. }) = cause.downcast_ref() {
                return Self::new(&UNDEFINED_COLUMN, &[&field.name()]);
            }
            if let Some(SchemaError::AmbiguousReference { field }) = cause.downcast_ref() {
                return Self::new(&AMBIGUOUS_COLUMN, &[&field.name()]);
            }
            source = cause.source();
        }
        if let Some(found) = ValueError::find(&error) {
            return Self::of_value(found);
        }
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, .. } => {
                    Self::new(&UNDEFINED_COLUMN, &[&field.name()])
                }
                SchemaError::AmbiguousReference { field } => {
                    Self::new(&AMBIGUOUS_COLUMN, &[&field.name()])
                }
                other => Self::not_yet(other),
            },
            DataFusionError::ArrowError(of_arrow, _)
                if matches!(of_arrow.as_ref(), arrow::error::ArrowError::DivideByZero) =>
            {
                Self::new(&DIVISION_BY_ZERO, &[])
            }
            other => {
                let text = other.strip_backtrace();
                if let Some(known) = refused::known(&error, &text) {
                    return known;
                }
                let text = text.lines().next().unwrap_or_default();
                let text: String = text.chars().take(MOST_OF_PLANS).collect();
                Self::not_yet(format_args!("this statement ({text})"))
            }
        }
    }
}

/// A result of a statement.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Every rule, in the order of the table.
pub fn rules() -> &'static [&'static Rule] {
    ALL
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn what_an_error_of_values_is_says_its_rule() {
        let rule = |kind| {
            // Whatever words it has.
            let error = ValueError {
                message: "1 does not fit int64".to_owned(),
                hint: None,
                kind,
            };
            let error = Error::from(DataFusionError::from(error));
            (error.rule().name, error.text().to_owned())
        };
        for (kind, name, text) in [
            (
                ValueErrorKind::Overflow(DataType::Int16),
                "INTEGER_RANGE",
                "smallint out of range",
            ),
            (
                ValueErrorKind::Overflow(DataType::Int64),
                "INTEGER_RANGE",
                "bigint out of range",
            ),
            (
                ValueErrorKind::Overflow(DataType::Decimal256(76, 0)),
                "NUMERIC_RANGE",
                "Numeric data overflow (result precision)",
            ),
            (
                ValueErrorKind::Overflow(DataType::Float64),
                "FLOAT_RANGE",
                "value out of range: overflow",
            ),
            (
                ValueErrorKind::Overflow(DataType::Date32),
                "MOMENT_RANGE",
                "date out of range",
            ),
            (
                ValueErrorKind::DivisionByZero,
                "DIVISION_BY_ZERO",
                "division by zero",
            ),
            (
                ValueErrorKind::Other,
                "DATA_EXCEPTION",
                "1 does not fit int64",
            ),
        ] {
            assert_eq!(rule(kind), (name, text.to_owned()));
        }
    }
}
