//! Faults of the Data API, on request: what a loading pipeline must survive.
//!
//! A fault waits for statements with a text and happens to as many of them as it says. `POST /_transom/faults` sets
//! them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fault that waits for a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// A text that the statement, or one of a batch, has in it. An empty one is in all.
    pub contains: String,
    /// What happens.
    pub what: FaultKind,
    /// To how many statements it happens.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// What happens to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It is carried out to its end, and the connection is closed without an answer to who submitted it. This counts
    /// requests, and SDKs try again by themselves.
    LoseReply,
    /// It commits, and is reported as FAILED.
    FailAfterCommit,
    /// It stays PICKED for so many milliseconds.
    StayPicked(u64),
    /// The process dies when all is done but the commit.
    DieBeforeCommit,
    /// The process dies after the commit, before the status changes.
    DieAfterCommit,
}

/// Faults that wait.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    fn waiting(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all of them.
    pub(super) fn set(&self, faults: Vec<Fault>) {
        *self.waiting() = faults;
    }

    fn take(&self, sqls: &[String], is_meant: fn(FaultKind) -> bool) -> Option<FaultKind> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|fault| {
            is_meant(fault.what) && sqls.iter().any(|sql| sql.contains(&fault.contains))
        })?;
        let fault = &mut waiting[at];
        fault.times = fault.times.saturating_sub(1);
        let what = fault.what;
        if fault.times == 0 {
            waiting.remove(at);
        }
        Some(what)
    }

    /// What happens to a statement that is submitted.
    pub(super) fn of_statement(&self, sqls: &[String]) -> Option<FaultKind> {
        self.take(sqls, |what| what != FaultKind::LoseReply)
    }

    /// Whether the answer to a request is lost.
    pub(super) fn loses_reply(&self, sqls: &[String]) -> bool {
        self.take(sqls, |what| what == FaultKind::LoseReply)
            .is_some()
    }
}

impl FaultKind {
    /// How long a statement waits before it starts.
    pub(super) fn picked(self) -> Option<Duration> {
        match self {
            Self::StayPicked(milliseconds) => Some(Duration::from_millis(milliseconds)),
            _ => None,
        }
    }
}
