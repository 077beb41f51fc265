//! `hints/runner.json`: who runs the pipeline. A second run leaves the work to the first, since both would compute the same.
//!
//! It is politeness and nothing else: two runs that do not see each other's are harmless.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use transom_commit::{By, Store};

use super::hints;
use crate::error::{Error, Result};

const KEY: &str = "hints/runner.json";
/// How often a run says that it still works.
const BEAT: Duration = Duration::from_secs(20);
/// When a run that says nothing counts as gone.
const SILENCE: Duration = Duration::from_secs(90);

/// What a run does about others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// It does not look for them, nor say that it works.
    #[default]
    Ignored,
    /// It leaves the work to one that is there.
    Respected,
    /// It goes on whoever is there.
    Overruled,
}

/// A run that works, or has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Runner {
    by: By,
    since: DateTime<Utc>,
    /// When it last said that it works.
    seen: DateTime<Utc>,
    has_ended: bool,
}

impl Runner {
    pub(super) fn new(by: By) -> Self {
        let now = Utc::now();
        Self {
            by,
            since: now,
            seen: now,
            has_ended: false,
        }
    }

    /// Whether it works still, as far as can be seen from here.
    fn is_there(&self, here: &By) -> bool {
        let silent = (Utc::now() - self.seen).to_std().unwrap_or_default();
        let is_here = self.by.host == here.host && !here.host.is_empty();
        !self.has_ended
            && silent < SILENCE
            && (!is_here || (self.by.pid != here.pid && is_alive(self.by.pid)))
    }

    /// Looks for another run, and says that this one works.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is one, and it is respected. That the hint cannot be read or written is no matter.
    pub(super) async fn enter(&self, store: &dyn Store, others: Others) -> Result<()> {
        if others == Others::Respected
            && let Some(other) = hints::read::<Self>(store, KEY).await
            && other.is_there(&self.by)
        {
            return Err(Error::Busy {
                run: other.by.run,
                host: other.by.host,
                pid: other.by.pid,
                since: other.since,
            });
        }
        if others != Others::Ignored {
            self.say(store, false).await;
        }
        Ok(())
    }

    /// Says again and again that it works; never ends.
    pub(super) async fn beat(&self, store: &dyn Store, others: Others) {
        loop {
            tokio::time::sleep(BEAT).await;
            if others != Others::Ignored {
                self.say(store, false).await;
            }
        }
    }

    /// Says that it has ended.
    pub(super) async fn leave(&self, store: &dyn Store, others: Others) {
        if others != Others::Ignored {
            self.say(store, true).await;
        }
    }

    async fn say(&self, store: &dyn Store, has_ended: bool) {
        let runner = Self {
            seen: Utc::now(),
            has_ended,
            ..self.clone()
        };
        hints::write(store, KEY, &runner).await;
    }
}

/// Whether a process of this machine is alive; it is taken to be where that cannot be seen.
pub(super) fn is_alive(pid: u32) -> bool {
    let processes = std::path::Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}
