//! The checks of the contract: their names, and what becomes of one. `docs/testing.md` has the same table for authors.

use serde::Serialize;
use transom_plugin::{Error, GuestErrorKind};

/// What is checked of a plugin, of each of its functions and of each of its transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::commands::test) enum Check {
    /// It loads, and describes itself the same each time.
    Describe,
    /// It opens for the types that it declares, or for the input that the pipeline gives, and gives the declared type.
    Open,
    /// It takes no rows.
    Empty,
    /// It takes NULL in every argument or column.
    Nulls,
    /// It gives the same rows whatever the batches that they come in.
    Batches,
    /// It gives the same when it is called again, here and in another instance.
    Again,
    /// Two openings in one instance do not know of each other.
    Together,
    /// It gives the same rows when it moves to a new instance after each batch.
    Move,
    /// It gives the same rows when its state is saved and restored after each batch.
    Save,
}

impl Check {
    /// All of them, in the order in which they run.
    #[cfg(test)]
    pub(in crate::commands::test) const ALL: &[Self] = &[
        Self::Describe,
        Self::Open,
        Self::Empty,
        Self::Nulls,
        Self::Batches,
        Self::Again,
        Self::Together,
        Self::Move,
        Self::Save,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Open => "open",
            Self::Empty => "empty",
            Self::Nulls => "nulls",
            Self::Batches => "batches",
            Self::Again => "again",
            Self::Together => "together",
            Self::Move => "move",
            Self::Save => "save",
        }
    }
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(super) enum Verdict {
    Passed,
    Failed {
        /// What was not as the contract says.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It does not apply, or there is nothing to call with.
    Skipped {
        reason: String,
    },
}

impl Verdict {
    pub(super) fn failed(message: impl Into<String>, hint: &str) -> Self {
        Self::Failed {
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped {
            reason: reason.into(),
        }
    }

    /// Passed unless something differs.
    pub(super) fn of_difference(difference: Option<String>, what: &str, hint: &str) -> Self {
        match difference {
            None => Self::Passed,
            Some(difference) => Self::failed(format!("{what}: {difference}"), hint),
        }
    }
}

/// One check of a function or a transform, or of the plugin itself.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    /// `plugin` or `plugin.name`.
    pub(super) subject: String,
    pub(super) check: Check,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
}

/// What a call gave, or why the plugin refused its values: made-up ones need not make sense to it.
pub(super) type Given<T> = Result<T, String>;

/// Tells a refusal, which any function and transform may make, from a call that broke.
pub(super) fn given<T>(result: transom_plugin::Result<T>) -> Result<Given<T>, Verdict> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Guest { error, .. }) if error.kind != GuestErrorKind::Internal => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(Verdict::Failed {
            message: error.to_string(),
            hint: Some(
                "this is a mistake in the plugin; where a value is to blame, reject its row"
                    .to_owned(),
            )
            .filter(|_| !matches!(error, Error::Invalid { .. })),
        }),
    }
}

/// The checks of one subject, one after the other.
pub(super) struct Checks {
    subject: String,
    pub(super) done: Vec<Checked>,
}

impl Checks {
    pub(super) fn of(subject: String) -> Self {
        Self {
            subject,
            done: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, check: Check, verdict: Verdict) {
        self.done.push(Checked {
            subject: self.subject.clone(),
            check,
            verdict,
        });
    }

    pub(super) fn skip(&mut self, checks: &[Check], reason: &str) {
        for &check in checks {
            self.add(check, Verdict::skipped(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_authors_has_every_check() {
        let page = include_str!("../../../../../../docs/testing.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let named: Vec<&str> = rows
            .filter_map(|row| row.split_once('`').map(|(name, _)| name))
            .filter(|name| Check::ALL.iter().any(|check| check.name() == *name))
            .collect();
        let all: Vec<&str> = Check::ALL.iter().map(|check| check.name()).collect();
        assert_eq!(named, all);
    }
}
