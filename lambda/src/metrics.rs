//! What an invocation did, as metrics: a line of the log in CloudWatch's Embedded Metric Format, of which CloudWatch makes metrics by
//! itself.

use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use transom_pipeline::slices::Amounts;

/// Where CloudWatch shows them.
const NAMESPACE: &str = "Transom";

/// What an invocation did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics<'a> {
    /// Name of the pipeline: the one dimension.
    pub(crate) pipeline: &'a str,
    pub(crate) target: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) request_id: &'a str,
    /// Slices that were loaded; a pipeline that does not run in slices counts as one.
    pub(crate) slices: u64,
    pub(crate) amounts: Amounts,
    /// Of the invocation until now.
    pub(crate) took: Duration,
}

impl Metrics<'_> {
    /// Writes them to the log. That it cannot be written is no reason to fail.
    pub(crate) fn log(&self) {
        let _ = writeln!(io::stdout().lock(), "{}", self.line(SystemTime::now()));
    }

    fn line(&self, now: SystemTime) -> Value {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let Amounts {
            rows_read,
            rows_written,
            rows_rejected,
            ..
        } = self.amounts;
        let metric = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
        json!({
            "_aws": {
                "Timestamp": millis(since.unwrap_or_default()),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["pipeline"]],
                    "Metrics": [
                        metric("RowsRead", "Count"),
                        metric("RowsWritten", "Count"),
                        metric("RowsRejected", "Count"),
                        metric("Slices", "Count"),
                        metric("Duration", "Milliseconds"),
                    ],
                }],
            },
            "pipeline": self.pipeline,
            "target": self.target,
            "run": self.run_id,
            "requestId": self.request_id,
            "RowsRead": rows_read,
            "RowsWritten": rows_written,
            "RowsRejected": rows_rejected,
            "Slices": self.slices,
            "Duration": millis(self.took),
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_its_value_and_its_dimension() {
        let metrics = Metrics {
            pipeline: "orders",
            target: "prod",
            run_id: "load-17",
            request_id: "request-1",
            slices: 3,
            amounts: Amounts {
                files: 5,
                rows_read: 100,
                rows_written: 90,
                rows_rejected: 10,
            },
            took: Duration::from_millis(1234),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let line = metrics.line(at).to_string();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_000_u64);
        let described = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(described["Namespace"], "Transom");
        let values = described["Metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| {
                let name = metric["Name"].as_str().unwrap();
                (
                    name,
                    metric["Unit"].as_str().unwrap(),
                    line[name].as_u64().unwrap(),
                )
            });
        let expected = [
            ("RowsRead", "Count", 100),
            ("RowsWritten", "Count", 90),
            ("RowsRejected", "Count", 10),
            ("Slices", "Count", 3),
            ("Duration", "Milliseconds", 1234),
        ];
        assert_eq!(values.collect::<Vec<_>>(), expected);
        // A dimension is the name of a text beside them.
        assert_eq!(described["Dimensions"], json!([["pipeline"]]));
        assert_eq!(line["pipeline"], "orders");
    }
}
