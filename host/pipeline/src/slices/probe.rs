//! Whether the places of a pipeline that runs in slices do what its log and its tables stand on.

use transom_commit as commit;
use transom_connect::{Fit, Unfit, probe_state};

use super::work::sinks;
use crate::job::Job;
use crate::plan::DEAD_LETTERS;
use crate::rejects::dead_letters::keeper;

/// What was tried, and what came of it.
#[derive(Debug)]
pub struct Probed {
    /// The place, and what it is for.
    pub what: String,
    /// What was found out; or what keeps it from being used.
    pub found: Result<Fit, Unfit>,
}

impl Job {
    /// Tries the place of the log, those of all tables of files, and those in which rows wait for warehouses, with files of its own, which it
    /// removes.
    pub async fn probe(&self) -> Vec<Probed> {
        let state = &self.pipeline.state;
        let mut probed = vec![Probed {
            what: format!("state in `{state}`"),
            found: probe_state(&self.aws, state).await,
        }];
        for (name, sink) in sinks(self) {
            let Some((place, found)) = sink.probe().await else {
                continue;
            };
            let who = match (name.strip_prefix(DEAD_LETTERS), sink.committed()) {
                (Some(table), _) => format!("dead letters of {}", keeper(table).0),
                (None, Some(commit::Sink::Warehouse(_))) => format!("staging of sink `{name}`"),
                (None, _) => format!("sink `{name}`"),
            };
            probed.push(Probed {
                what: format!("{who} in `{place}`"),
                found,
            });
        }
        probed
    }
}
