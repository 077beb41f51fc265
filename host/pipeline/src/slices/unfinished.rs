//! `hints/slice.json`: how large the slices are that a run computes, also ahead of the log. Who finds such a size of an earlier run takes less:
//! that run did not come to the end of its slice, since it was killed or lacked room, and so would the next one. Of a run that is at work on
//! this machine nothing is concluded; whether one on another machine is cannot be seen.
//!
//! It may be lost or wrong, which costs time.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use transom_commit::Store;

use super::by;
use super::choose::Bounds;
use super::hints;
use super::others::is_alive;

const KEY: &str = "hints/slice.json";

/// A slice that is under way; without files, none is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UnderWay {
    files: u64,
    bytes: u64,
    /// Who computes it; nobody if it was left.
    process: Option<Process>,
}

/// A process of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    host: String,
    pid: u32,
    /// Its own: a machine that begins anew, as a container does, gives the same numbers again.
    id: String,
}

static THIS: LazyLock<Process> = LazyLock::new(|| {
    let by = by(None);
    Process {
        host: by.host,
        pid: by.pid,
        id: by.run,
    }
});

impl Process {
    /// Whether it is this one, or another one that is at work on this machine, as far as can be seen from here.
    fn is_here(&self) -> bool {
        let here = &*THIS;
        let is_beside = !self.host.is_empty() && self.host == here.host && self.pid != here.pid;
        self == here || (is_beside && is_alive(self.pid))
    }
}

/// The sizes of a run's slices, as the next run can see them.
#[derive(Debug)]
pub(super) struct Sizes {
    process: Process,
    /// Whether this run has looked for what an earlier one has left.
    has_looked: bool,
    /// What stands there of this run.
    said: Option<Bounds>,
    /// It stays there when the run ends.
    stays: bool,
}

impl Default for Sizes {
    fn default() -> Self {
        Self::of(THIS.clone())
    }
}

impl Sizes {
    fn of(process: Process) -> Self {
        Self {
            process,
            has_looked: false,
            said: None,
            stays: false,
        }
    }

    /// The size of a slice to whose end an earlier run did not come. It is looked for once.
    pub(super) async fn left(&mut self, store: &dyn Store) -> Option<Bounds> {
        if std::mem::replace(&mut self.has_looked, true) {
            return None;
        }
        let found: UnderWay = hints::read(store, KEY).await?;
        let UnderWay { files, bytes, .. } = found;
        let is_under_way = found.process.is_some_and(|process| process.is_here());
        (files > 0 && !is_under_way).then_some(Bounds { files, bytes })
    }

    /// Says that a slice of this size is begun, unless a larger one of this run is said already.
    pub(super) fn begin(
        &mut self,
        store: &Arc<dyn Store>,
        size: Bounds,
    ) -> impl Future<Output = ()> + use<> {
        let said = self.said.unwrap_or(Bounds { files: 0, bytes: 0 });
        let most = said.around(size);
        let news = (most != said).then_some(most);
        self.said = news.or(self.said);
        let (store, process) = (Arc::clone(store), self.process.clone());
        async move {
            if let Some(most) = news {
                say(store.as_ref(), most, Some(process)).await;
            }
        }
    }

    /// Leaves the size of a slice for the next run.
    pub(super) async fn leave(&mut self, store: &dyn Store, size: Bounds) {
        self.stays = true;
        say(store, size, None).await;
    }

    /// Says that no slice is under way any more.
    pub(super) async fn end(&mut self, store: &dyn Store) {
        if self.said.take().is_some() && !self.stays {
            say(store, Bounds { files: 0, bytes: 0 }, None).await;
        }
    }
}

async fn say(store: &dyn Store, Bounds { files, bytes }: Bounds, process: Option<Process>) {
    let said = UnderWay {
        files,
        bytes,
        process,
    };
    hints::write(store, KEY, &said).await;
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

    /// The sizes of a run whose process is over: this one's number is another one's now.
    fn of_earlier() -> Sizes {
        let id = "earlier".to_owned();
        Sizes::of(Process { id, ..THIS.clone() })
    }

    #[tokio::test]
    async fn what_is_computed_on_this_machine_is_no_reason_to_take_less() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut beside = Sizes::default();
        beside.begin(&store, size(8)).await;
        assert_eq!(Sizes::default().left(store.as_ref()).await, None);
        // But if it has lacked room.
        beside.leave(store.as_ref(), size(8)).await;
        assert_eq!(Sizes::default().left(store.as_ref()).await, Some(size(8)));

        let elsewhere = Process {
            host: "elsewhere".to_owned(),
            ..THIS.clone()
        };
        Sizes::of(elsewhere).begin(&store, size(4)).await;
        assert_eq!(Sizes::default().left(store.as_ref()).await, Some(size(4)));
    }

    #[tokio::test]
    async fn what_did_not_come_to_its_end_is_there_for_the_next_run() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let left = async || Sizes::default().left(store.as_ref()).await;
        assert_eq!(left().await, None);

        // A run that is killed has said what it was at; the largest counts.
        let mut killed = of_earlier();
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

        let mut lacking = of_earlier();
        lacking.begin(&store, size(8)).await;
        lacking.leave(store.as_ref(), size(4)).await;
        lacking.end(store.as_ref()).await;
        assert_eq!(left().await, Some(size(4)));
    }
}
