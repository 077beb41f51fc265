//! Why a value could not be computed.

use datafusion::error::DataFusionError;

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
    /// Whether it is what was written that is not computed here, whatever the values are.
    pub is_refusal: bool,
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            is_refusal: false,
        }
    }

    /// Of what is written in a way that is not computed here.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            is_refusal: true,
            ..Self::new(message)
        }
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
