//! Whether the places of a pipeline that runs in slices do what its log and its tables stand on.

use transom_connect::{Unfit, probe_state, probe_table};
use transom_file::SinkKind;

use crate::job::Job;

/// What was tried, and what came of it.
#[derive(Debug)]
pub struct Probed {
    /// The place, and what it is for.
    pub what: String,
    /// What was found out; or what keeps it from being used.
    pub found: Result<String, Unfit>,
}

impl Job {
    /// Tries the place of the log, and those of all tables of files, with files of its own, which it removes.
    pub async fn probe(&self) -> Vec<Probed> {
        let state = &self.pipeline.state;
        let mut probed = vec![Probed {
            what: format!("state in `{state}`"),
            found: probe_state(&self.aws, state).await,
        }];
        for sink in &self.pipeline.sinks {
            if let SinkKind::Files(files) = &sink.kind {
                let table = &files.path.value;
                probed.push(Probed {
                    what: format!("sink `{}` in `{table}`", sink.name.value),
                    found: probe_table(&self.aws, table).await,
                });
            }
        }
        probed
    }
}
