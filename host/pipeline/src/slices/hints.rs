//! `hints/`, beside the log: what runs tell those that come after them. A hint may be lost, damaged or out of date: nothing is wrong for that,
//! and no run fails because one cannot be read or written.

use serde::Serialize;
use serde::de::DeserializeOwned;
use transom_commit::Store;

/// A hint; none if there is none that can be understood.
pub(super) async fn read<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Option<T> {
    let found = store.get(key).await.ok()??;
    serde_json::from_slice(&found).ok()
}

/// Writes a hint, if that is possible.
pub(super) async fn write<T: Serialize>(store: &dyn Store, key: &str, hint: &T) {
    let bytes = serde_json::to_vec(hint).expect("hints have text for keys");
    if let Err(error) = store.put(key, bytes.into()).await {
        tracing::debug!(%error, "`{key}` was not written");
    }
}
