//! What an invocation answers.

use serde::Serialize;
use transom_pipeline::report::RunReport;
use transom_pipeline::slices::SlicesReport;

use crate::time::Time;

/// What an invocation answers. Some hundred bytes, however much was loaded: a state machine passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether nothing is left to load; if not, invoke again.
    pub done: bool,
    /// The event's, or the request id of the invocation.
    pub run_id: String,
    /// Where the log is: a folder or an `s3://` URL. None if the pipeline does not run in slices.
    pub state_uri: Option<String>,
    /// Slices that this invocation has loaded; a pipeline that does not run in slices counts as one.
    pub slices: u64,
    /// Rows that this invocation has written to all sinks.
    pub rows: u64,
    /// The part of the invocation's time that went into these slices, from the plan of each until all sinks had it.
    pub work_percent: u64,
}

impl Answer {
    pub(crate) fn of_slices(run_id: &str, report: &SlicesReport, time: Time) -> Self {
        Self {
            done: report.done,
            run_id: run_id.to_owned(),
            state_uri: Some(report.state.to_string()),
            slices: report.slices.len() as u64,
            rows: report
                .slices
                .iter()
                .map(|slice| slice.report.rows_out())
                .sum(),
            work_percent: time.percent(report.slices.iter().map(|slice| slice.seconds).sum()),
        }
    }

    pub(crate) fn of_run(run_id: &str, report: &RunReport, time: Time) -> Self {
        Self {
            done: true,
            run_id: run_id.to_owned(),
            state_uri: None,
            slices: 1,
            rows: report.rows_out(),
            work_percent: time.percent(report.time.total),
        }
    }
}
