//! Faults of the Data API, on request: what a loading pipeline must survive.
//!
//! A fault waits for statements with a text and happens to as many of them as it says. `POST /_transom/faults` sets
//! them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refused::Exception;

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

/// What happens to a statement, or to the request that submits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It is carried out to its end, and the connection is closed without an answer to who submitted it. This counts
    /// requests, and SDKs try again by themselves.
    LoseReply,
    /// The connection is closed at once without an answer, and the statement starts so many milliseconds later, when its
    /// client may have given up. This counts requests, too.
    RunLate(u64),
    /// The request is refused, and the statement is none. This counts requests, too.
    Refuse(Exception),
    /// It commits, and is reported as FAILED.
    FailAfterCommit,
    /// It is killed while it runs: nothing of its transaction stays, and it is reported as FAILED.
    FailWhileRunning,
    /// It is killed while it runs: nothing of its transaction stays, and it is reported as ABORTED.
    AbortWhileRunning,
    /// It stays PICKED for so many milliseconds.
    StayPicked(u64),
    /// The process dies when all is done but the commit.
    DieBeforeCommit,
    /// The process dies after the commit, before the status changes.
    DieAfterCommit,
}

/// A fault that has met a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) what: FaultKind,
    /// The place in its batch of the statement that has the text.
    pub(super) at: usize,
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

    fn take(&self, sqls: &[String], is_meant: fn(FaultKind) -> bool) -> Option<Met> {
        let mut waiting = self.waiting();
        let meets = |fault: &Fault| {
            let at = sqls.iter().position(|sql| sql.contains(&fault.contains));
            at.filter(|_| is_meant(fault.what))
        };
        let mut met = waiting.iter().enumerate();
        let (index, at) = met.find_map(|(index, fault)| Some((index, meets(fault)?)))?;
        let fault = &mut waiting[index];
        fault.times = fault.times.saturating_sub(1);
        let what = fault.what;
        if fault.times == 0 {
            waiting.remove(index);
        }
        Some(Met { what, at })
    }

    /// What happens to a statement that is submitted.
    pub(super) fn of_statement(&self, sqls: &[String]) -> Option<Met> {
        self.take(sqls, |what| !what.is_of_request())
    }

    /// What happens to a request that submits a statement.
    pub(super) fn of_request(&self, sqls: &[String]) -> Option<FaultKind> {
        self.take(sqls, FaultKind::is_of_request)
            .map(|met| met.what)
    }
}

impl FaultKind {
    fn is_of_request(self) -> bool {
        matches!(self, Self::LoseReply | Self::RunLate(_) | Self::Refuse(_))
    }

    /// How long a statement waits before it starts.
    pub(super) fn picked(self) -> Option<Duration> {
        match self {
            Self::StayPicked(milliseconds) => Some(Duration::from_millis(milliseconds)),
            _ => None,
        }
    }
}
