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
