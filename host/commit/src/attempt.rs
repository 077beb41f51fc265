//! Documents beside the log: what an attempt has staged, and objects named by their content.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::entry::{Draft, EntryError, FORMAT};
use crate::id::{Attempt, Digest, Object};
use crate::keys;
use crate::store::{Store, StoreError, StoreErrorKind};

/// An attempt that is complete and not in the log yet: what `run --stage-only` leaves for `load`, and what stands for a
/// share of a backfill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagedAttempt {
    /// The format of this document, [`FORMAT`].
    pub format: u32,
    /// The attempt.
    pub attempt: Attempt,
    /// The log's last entry when it was planned.
    pub planned: u64,
    /// What it wants to append.
    pub draft: Draft,
}

impl StagedAttempt {
    /// An attempt that was planned after entry `planned`.
    pub fn new(attempt: Attempt, planned: u64, draft: Draft) -> Self {
        Self {
            format: FORMAT,
            attempt,
            planned,
            draft,
        }
    }

    /// Reads the document. `object` is its name, for errors.
    ///
    /// # Errors
    ///
    /// If it is of another format, or not exactly such a document.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, EntryError> {
        crate::entry::parse(object, bytes)
    }

    /// The document as it is written.
    ///
    /// # Errors
    ///
    /// If what was staged has keys that are not text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Makes this the attempt that stands for its share of a backfill, unless another one does already. Says whether
    /// it is this one; either way the share is computed.
    ///
    /// # Errors
    ///
    /// If the store fails, or the attempt is not one at a share.
    pub async fn stand_for_share(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let refused = |key: &str, why: String| {
            StoreError::new(StoreErrorKind::Refused, "create", key).because(why)
        };
        let text = self.attempt.to_string();
        let share = self.attempt.share();
        let share = share
            .ok_or_else(|| refused(&text, format!("attempt `{text}` is not one at a share")))?;
        let key = keys::share(share);
        let content = Bytes::from(
            self.to_bytes()
                .map_err(|error| refused(&key, error.to_string()))?,
        );
        loop {
            let outcome = store.create(&key, content.clone()).await;
            match outcome {
                Ok(()) => {
                    crate::fault::at("backfill.result_put");
                    return Ok(true);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        StoreErrorKind::Exists | StoreErrorKind::Unclear
                    ) =>
                {
                    match store.get(&key).await? {
                        Some(found) => return Ok(found == content),
                        // Nothing landed, whatever the answer said: the caller may try again.
                        None if error.kind() == StoreErrorKind::Unclear => return Err(error),
                        None => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Object {
    /// The name of a document.
    pub fn of(attempt: Option<Attempt>, content: &[u8]) -> Self {
        Self {
            attempt,
            digest: Digest::of(content),
        }
    }

    /// Puts a document beside the log under the name of its content, and of the attempt that it is deleted with.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn put(
        store: &dyn Store,
        attempt: Option<Attempt>,
        content: Bytes,
    ) -> Result<Self, StoreError> {
        let object = Self::of(attempt, &content);
        // One of the same content may be there: writing it again changes nothing.
        store.put(&object.to_string(), content).await?;
        Ok(object)
    }

    /// The document's content; none if there is no such document.
    ///
    /// # Errors
    ///
    /// If the store fails, or what lies there has another content.
    pub async fn get(self, store: &dyn Store) -> Result<Option<Bytes>, StoreError> {
        let key = self.to_string();
        let Some(content) = store.get(&key).await? else {
            return Ok(None);
        };
        if Digest::of(&content) == self.digest {
            return Ok(Some(content));
        }
        let error = StoreError::new(StoreErrorKind::Refused, "get", &key);
        Err(error.because("what lies there was changed: it has another digest than its name"))
    }
}
