//! Slices that are computed and staged now, and loaded later by who has looked at them.
//!
//! `staged/<attempt>.json`, beside the log, is what the attempt wants to append. It can be loaded as long as nothing else was: what it has
//! read would be loaded twice otherwise.

use transom_commit::{Attempt, StagedAttempt, Store, keys};

use crate::error::{Error, Result};

/// Keeps an attempt for later.
pub(super) async fn keep(store: &dyn Store, staged: &StagedAttempt) -> Result<()> {
    let bytes = staged.to_bytes().map_err(|error| Error::State {
        message: format!("what was staged cannot be written down: {error}"),
        hint: None,
    })?;
    Ok(store
        .put(&keys::staged(staged.attempt), bytes.into())
        .await?)
}

/// The attempt with this name.
pub(super) async fn find(store: &dyn Store, name: &str) -> Result<StagedAttempt> {
    let unknown = || Error::State {
        message: format!("no slice is staged as `{name}`"),
        hint: Some("`transom run --stage-only` stages one and prints its attempt".to_owned()),
    };
    let attempt: Attempt = name.parse().map_err(|_| unknown())?;
    let key = keys::staged(attempt);
    let bytes = store.get(&key).await?.ok_or_else(unknown)?;
    StagedAttempt::parse(&key, &bytes).map_err(|error| Error::State {
        message: error.to_string(),
        hint: None,
    })
}
