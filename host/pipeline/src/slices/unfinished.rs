//! `hints/slice.json`: how large the slices are that a run computes. Who finds such a size of an earlier run takes less: that run did not come
//! to the end of its slice, since it was killed or lacked room, and so would the next one.
//!
//! It is a hint and nothing else: it may be lost or wrong, which costs time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use transom_commit::Store;

use super::choose::Bounds;

const KEY: &str = "hints/slice.json";

/// A slice that is under way; without files, none is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct UnderWay {
    files: u64,
    bytes: u64,
}

/// The sizes of a run's slices, as the next run can see them.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// Whether this run has looked for what an earlier one has left.
    has_looked: bool,
    /// What stands there of this run.
    said: Option<Bounds>,
    /// It stays there when the run ends.
    stays: bool,
}

impl Sizes {
    /// The size of a slice to whose end an earlier run did not come. It is looked for once.
    pub(super) async fn left(&mut self, store: &dyn Store) -> Option<Bounds> {
        if std::mem::replace(&mut self.has_looked, true) {
            return None;
        }
        let found = store.get(KEY).await.ok()??;
        let UnderWay { files, bytes } = serde_json::from_slice(&found).ok()?;
        (files > 0).then_some(Bounds { files, bytes })
    }

    /// Says that a slice of this size is begun, unless a larger one of this run is said already.
    pub(super) fn begin(
        &mut self,
        store: &Arc<dyn Store>,
        size: Bounds,
    ) -> impl Future<Output = ()> + use<> {
        let said = self.said.unwrap_or(Bounds { files: 0, bytes: 0 });
        let most = Bounds {
            files: said.files.max(size.files),
            bytes: said.bytes.max(size.bytes),
        };
        let news = (most != said).then_some(most);
        self.said = news.or(self.said);
        let store = Arc::clone(store);
        async move {
            if let Some(most) = news {
                say(store.as_ref(), most).await;
            }
        }
    }

    /// Leaves the size of a slice for the next run.
    pub(super) async fn leave(&mut self, store: &dyn Store, size: Bounds) {
        self.stays = true;
        say(store, size).await;
    }

    /// Says that no slice is under way any more.
    pub(super) async fn end(&mut self, store: &dyn Store) {
        if self.said.take().is_some() && !self.stays {
            say(store, Bounds { files: 0, bytes: 0 }).await;
        }
    }
}

async fn say(store: &dyn Store, Bounds { files, bytes }: Bounds) {
    let said = serde_json::to_vec(&UnderWay { files, bytes }).expect("it has text for keys");
    if let Err(error) = store.put(KEY, said.into()).await {
        tracing::debug!(%error, "the size of the slice was not written");
    }
}

#[cfg(test)]
mod tests {
    use transom_commit::MemoryStore;

    use super::*;

    fn size(files: u64) -> Bounds {
        Bounds {
            files,
            bytes: files * 10,
        }
    }

    #[tokio::test]
    async fn what_did_not_come_to_its_end_is_there_for_the_next_run() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let left = async || Sizes::default().left(store.as_ref()).await;
        assert_eq!(left().await, None);

        // A run that is killed has said what it was at; the largest counts.
        let mut killed = Sizes::default();
        for files in [2, 8, 4] {
            killed.begin(&store, size(files)).await;
        }
        assert_eq!(left().await, Some(size(8)));
        // Who looks twice has taken less already.
        assert_eq!(killed.left(store.as_ref()).await, Some(size(8)));
        assert_eq!(killed.left(store.as_ref()).await, None);

        // One that ends leaves nothing, and one that has computed nothing leaves what is there.
        Sizes::default().end(store.as_ref()).await;
        assert_eq!(left().await, Some(size(8)));
        killed.end(store.as_ref()).await;
        assert_eq!(left().await, None);

        let mut lacking = Sizes::default();
        lacking.begin(&store, size(8)).await;
        lacking.leave(store.as_ref(), size(4)).await;
        lacking.end(store.as_ref()).await;
        assert_eq!(left().await, Some(size(4)));
    }
}
