//! Why a value could not be computed.

use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

/// What is wrong, for those who say it in words of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueErrorKind {
    /// What is written is not computed here, whatever the values are.
    Refused,
    /// A value that a type does not hold.
    Overflow(DataType),
    /// A division by zero.
    DivisionByZero,
    /// More memory than the run has for it.
    Memory,
    /// Something else.
    Other,
}

/// A computation whose result is none: an overflow, a division by zero, a value that its new type cannot hold; or one that is not done here.
///
/// It can be cloned, as DataFusion hands one error to every partition that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// What happened, with the values and the types.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// What kind of error it is.
    pub kind: ValueErrorKind,
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::of(ValueErrorKind::Other, message)
    }

    fn of(kind: ValueErrorKind, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            kind,
        }
    }

    /// Of what is written in a way that is not computed here.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::of(ValueErrorKind::Refused, message)
    }

    /// Of a value that a type does not hold.
    pub(crate) fn overflow(to: &DataType, message: impl Into<String>) -> Self {
        Self::of(ValueErrorKind::Overflow(to.clone()), message)
    }

    pub(crate) fn division_by_zero(message: impl Into<String>) -> Self {
        Self::of(ValueErrorKind::DivisionByZero, message)
    }

    pub(crate) fn memory(message: impl Into<String>) -> Self {
        Self::of(ValueErrorKind::Memory, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What Arrow says of a whole number that does not fit a narrower type, as our casts say it; `None` of another message.
    #[must_use]
    pub fn of_cast(message: &str) -> Option<Self> {
        let said = message.strip_prefix("Can't cast value ")?;
        let (value, to) = said.split_once(" to type ")?;
        let to = crate::readable(to);
        Some(Self::new(format!("{value} does not fit {to}")).hint("TRY_CAST gives NULL instead"))
    }

    /// What DataFusion calls an internal error, for those who wrote the query; `None` of another error.
    #[must_use]
    pub fn of_internal(error: &DataFusionError) -> Option<Self> {
        match error.find_root() {
            DataFusionError::Internal(message) => {
                let message = crate::readable(message.trim_end_matches('.'));
                let message = format!("a part of the query cannot be carried out: {message}");
                Some(Self::new(message).hint(concat!(
                    "write it in another way, and report the query, which is not at fault: ",
                    env!("CARGO_PKG_REPOSITORY"),
                    "/issues"
                )))
            }
            _ => None,
        }
    }

    /// A message without what DataFusion adds to internal errors: whom to tell.
    #[must_use]
    pub fn without_report(message: &str) -> String {
        const REPORT: &str = "This issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug report in our issue tracker: https://github.com/apache/datafusion/issues";
        match message.contains(REPORT) {
            true => message.replace(REPORT, "").trim_end().to_owned(),
            false => message.to_owned(),
        }
    }

    /// The error in an error of DataFusion, however deep: contexts, diagnostics and shared errors wrap it.
    #[must_use]
    pub fn find(error: &DataFusionError) -> Option<&Self> {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = source {
            if let Some(found) = cause.downcast_ref::<Self>() {
                return Some(found);
            }
            source = cause.source();
        }
        None
    }
}

impl From<ValueError> for DataFusionError {
    fn from(error: ValueError) -> Self {
        Self::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn internal_errors_are_told_as_ours() {
        let inner = DataFusionError::Internal("no Int64 here".to_owned());
        // DataFusion still asks for a report to it.
        assert!(inner.message().ends_with("apache/datafusion/issues"));
        let plain = ValueError::without_report(&inner.message());
        assert_eq!(plain, "no Int64 here.");
        let outer = DataFusionError::Shared(Arc::new(inner.context("a rule")));
        let found = ValueError::of_internal(&outer).unwrap();
        assert_eq!(
            found.message,
            "a part of the query cannot be carried out: no int64 here"
        );
        assert!(found.hint.unwrap().ends_with("transom/issues"));
        let other = DataFusionError::Plan("no such column".to_owned());
        assert_eq!(ValueError::of_internal(&other), None);
    }
}
