//! What a run did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use arrow::array::RecordBatch;
use serde::Serialize;
use transom_connect::TableAt;
use transom_plugin::Plugin;

use crate::rejects::reasons::short;
use transom_file::spec::Place;
use transom_file::{CheckKind, Pipeline, Severity, list};

/// Examples that are named with a failed check.
pub(crate) const EXAMPLES: usize = 3;

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Name of the pipeline.
    pub pipeline: String,
    /// The target.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Names this run in the versions of its results.
    pub run: String,
    /// The plugins that took part.
    pub plugins: Vec<PluginReport>,
    /// What was read.
    pub sources: Vec<SourceReport>,
    /// Rows of the sources that were read, each counted once; of Parquet those left after filters that were pushed into the scan.
    pub rows_read: u64,
    /// What the transforms did.
    pub transforms: Vec<TransformReport>,
    /// What was written.
    pub sinks: Vec<SinkReport>,
    /// Rejected rows that were kept.
    pub dead_letters: Vec<SinkReport>,
    /// What the checks found.
    pub checks: Vec<CheckReport>,
    /// Rows that transforms and tables in Redshift did not take, kept or not.
    pub rows_rejected: u64,
    /// What plugins counted: by plugin, then by the plugin's own names.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// Functions that failed for rows where `on_error` makes the value null.
    pub function_failures: Vec<FailureReport>,
    /// Where the time went.
    pub time: TimeReport,
}

impl RunReport {
    /// The report of a run that failed before it had read anything.
    pub(crate) fn nothing(pipeline: &Pipeline) -> Self {
        Self {
            pipeline: pipeline.name.clone(),
            target: pipeline.target.clone(),
            outcome: Outcome::Failed,
            run: String::new(),
            plugins: vec![],
            sources: vec![],
            rows_read: 0,
            transforms: vec![],
            sinks: vec![],
            dead_letters: vec![],
            checks: vec![],
            rows_rejected: 0,
            counters: BTreeMap::new(),
            function_failures: vec![],
            time: TimeReport::new(
                Duration::ZERO,
                Duration::ZERO,
                Duration::ZERO,
                Duration::ZERO,
            ),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All results are visible.
    Published,
    /// Something stopped it. The results of earlier runs are visible, unless the error says another thing.
    Failed,
}

/// A plugin, as it was loaded.
#[derive(Debug, Clone, Serialize)]
pub struct PluginReport {
    /// What the pipeline calls it.
    pub name: String,
    /// What it calls itself.
    pub package: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of its component, hexadecimal, as in `transom.lock`.
    pub digest: String,
}

impl PluginReport {
    pub(crate) fn of(plugin: &Plugin) -> Self {
        let description = plugin.description();
        Self {
            name: plugin.name().to_owned(),
            package: description.name.clone(),
            version: description.version.clone(),
            digest: plugin.digest().to_owned(),
        }
    }
}

/// A source's files.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    /// Its name.
    pub name: String,
    /// Number of files.
    pub files: usize,
    /// Their size on the disk.
    pub bytes: u64,
    /// Files of its folder that were passed over, since their names do not end as the format's do.
    pub files_passed_over: usize,
    /// Columns or keys that the source does not have, with the number of rows that had them (`unknown: warn` or `ignore`).
    pub unknown: BTreeMap<String, u64>,
    /// Whether the pipeline asks to be warned of them.
    #[serde(skip)]
    pub warn_of_unknown: bool,
}

impl SourceReport {
    /// The columns that it does not have, in one line.
    pub(crate) fn unknown(&self) -> String {
        let columns = self.unknown.iter();
        let columns =
            columns.map(|(column, rows)| format!("`{column}` in {}", counted(*rows, "row")));
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("{}: the source does not have {columns}", self.name)
    }
}

/// A transform's rows.
#[derive(Debug, Clone, Serialize)]
pub struct TransformReport {
    /// Name of the step.
    pub step: String,
    /// Rows in.
    pub rows_in: u64,
    /// Rows out.
    pub rows_out: u64,
    /// Rows not taken.
    pub rows_rejected: u64,
}

/// `late: 6 rows in, 3 out, 3 rejected`.
impl fmt::Display for TransformReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, rows_in) = (&self.step, counted(self.rows_in, "row"));
        let (out, rejected) = (Count(self.rows_out), Count(self.rows_rejected));
        write!(f, "{step}: {rows_in} in, {out} out, {rejected} rejected")
    }
}

/// A function that failed for rows where `on_error` makes the value null.
#[derive(Debug, Clone, Serialize)]
pub struct FailureReport {
    /// `plugin.function`.
    pub function: String,
    /// How often; a value that the plan computes twice counts twice, a call with nothing but constants once for all rows.
    pub count: u64,
    /// Why once, in the plugin's words.
    pub reason: String,
}

/// `dates.parse: failed 2 times and gave null, for example: ..`, in one line.
impl fmt::Display for FailureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, times) = (&self.function, counted(self.count, "time"));
        let reason = short(&self.reason);
        write!(
            f,
            "{function}: failed {times} and gave null, for example: {reason}"
        )
    }
}

/// A table that was written.
#[derive(Debug, Clone, Serialize)]
pub struct SinkReport {
    /// Name of the sink; for dead letters of the step, or of the sink with `.sink` behind it.
    pub name: String,
    /// Where the table is: `path` or `table`.
    #[serde(flatten)]
    pub at: TableAt,
    /// Its rows.
    pub rows: u64,
    /// Its files.
    pub files: usize,
    /// Their size on the disk.
    pub bytes: u64,
    /// Rows that its table in Redshift cannot hold, kept or not; none if such a row would end the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_rejected: Option<u64>,
    /// Its first rows, as many as were asked for.
    #[serde(skip)]
    pub head: Vec<RecordBatch>,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The source or step that was checked.
    pub table: String,
    /// Name of the check.
    pub name: String,
    /// What happens if it fails.
    pub severity: Severity,
    /// What must hold.
    #[serde(skip)]
    pub(crate) kind: CheckKind,
    /// Whether it holds.
    pub passed: bool,
    /// Rows that fail it; of `row_count` the rows that the table has.
    pub rows: u64,
    /// What is wrong; `None` if nothing is.
    pub message: Option<String>,
    /// Values of the first rows that fail it.
    pub examples: Vec<String>,
    /// The table of the rows that fail it, the first 1,000 of them; of a slice, with those of earlier slices of the run.
    pub failing_rows: Option<Place>,
}

/// `orders: not_null_id: ..`, in one line.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.name)?;
        if self.severity == Severity::Warn {
            f.write_str(" (warning)")?;
        }
        let message = self.message.as_deref().unwrap_or("passed");
        write!(f, ": {message}")?;
        if !self.examples.is_empty() {
            write!(f, ", for example: {}", self.examples.join("; "))?;
        }
        match &self.failing_rows {
            Some(path) => write!(f, " -> {}", shown(path)),
            None => Ok(()),
        }
    }
}

/// What is wrong if so many rows fail a check. Of `row_count` none do: it is the table that fails.
pub(crate) fn wrong(kind: &CheckKind, failing: u64) -> String {
    let rows = counted(failing, "row");
    let have = if failing == 1 { "has" } else { "have" };
    match kind {
        CheckKind::NotNull { column } => format!("`{}` is NULL in {rows}", column.value),
        CheckKind::Unique { columns } => {
            let keys = list(columns.iter().map(|column| column.value.as_str()));
            format!("{rows} {have} values of {keys} that other rows have too")
        }
        CheckKind::AcceptedValues { column, .. } => format!(
            "{rows} {have} a value of `{}` that is not accepted",
            column.value
        ),
        CheckKind::Relationships { column, to, field } => format!(
            "{rows} {have} a value of `{}` that is not in `{}.{}`",
            column.value, to.value, field.value
        ),
        CheckKind::Sql(_) | CheckKind::RowCount { .. } => format!("the query gives {rows}"),
    }
}

/// Where the time went, in seconds. All but `total` is processor time summed over partitions, so it may exceed `total`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct TimeReport {
    /// Wall time from the first plan to the published results.
    pub total: f64,
    /// In the code of plugins.
    pub plugins: f64,
    /// In passing batches to plugins and back.
    pub border: f64,
    /// In DataFusion's operators.
    pub sql: f64,
}

impl TimeReport {
    pub(crate) fn new(total: Duration, plugins: Duration, border: Duration, sql: Duration) -> Self {
        let [total, plugins, border, sql] =
            [total, plugins, border, sql].map(|time| time.as_secs_f64());
        Self {
            total,
            plugins,
            border,
            sql,
        }
    }
}

impl RunReport {
    /// Rows written by all sinks, dead letters not counted.
    pub fn rows_out(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.rows).sum()
    }
}

/// The summary of a run, a line each.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.sources.iter().map(|source| source.files).sum();
        let bytes: u64 = self.sources.iter().map(|source| source.bytes).sum();
        let rows = counted(self.rows_read, "row");
        let sources = counted(self.sources.len() as u64, "source");
        let files = counted(files as u64, "file");
        writeln!(
            f,
            "{:<10} {rows} from {sources}, {files}, {}",
            "read",
            Bytes(bytes)
        )?;
        for source in &self.sources {
            if source.files_passed_over > 0 {
                let files = counted(source.files_passed_over as u64, "file");
                let (what, name) = ("passed over", &source.name);
                writeln!(f, "{what} {name}: {files} with another ending")?;
            }
            if !source.unknown.is_empty() {
                let what = if source.warn_of_unknown {
                    "warning"
                } else {
                    "ignored"
                };
                writeln!(f, "{what:<10} {}", source.unknown())?;
            }
        }
        for transform in &self.transforms {
            writeln!(f, "{:<10} {transform}", "transform")?;
        }
        for (plugin, counters) in &self.counters {
            let counters = counters
                .iter()
                .map(|(name, value)| format!("{name} {}", Count(*value)));
            writeln!(
                f,
                "{:<10} {plugin}: {}",
                "counted",
                counters.collect::<Vec<_>>().join(", ")
            )?;
        }
        for failure in &self.function_failures {
            writeln!(f, "{:<10} {failure}", "on_error")?;
        }
        let failed = || self.checks.iter().filter(|check| !check.passed);
        let passed = self.checks.len() - failed().count();
        if passed > 0 {
            writeln!(f, "{:<10} {}", "passed", counted(passed as u64, "check"))?;
        }
        for check in failed() {
            writeln!(f, "{:<10} {check}", "check")?;
        }
        for (what, sinks) in [("wrote", &self.sinks), ("rejected", &self.dead_letters)] {
            for SinkReport {
                name,
                at,
                rows,
                files,
                bytes,
                rows_rejected,
                ..
            } in sinks
            {
                let (rows, files) = (counted(*rows, "row"), counted(*files as u64, "file"));
                write!(f, "{what:<10} {name}: {rows}, {files}, {}", Bytes(*bytes))?;
                if let Some(rejected) = rows_rejected {
                    write!(f, ", {} rejected", Count(*rejected))?;
                }
                match at {
                    TableAt::Path(path) => writeln!(f, " -> {}", shown(path))?,
                    TableAt::Table(table) => writeln!(f, " -> {table}")?,
                }
            }
        }
        let TimeReport {
            total,
            plugins,
            border,
            sql,
        } = self.time;
        write!(
            f,
            "{:<10} {total:.2} s (processor: plugins {plugins:.2} s, border {border:.2} s, sql {sql:.2} s)",
            "time"
        )
    }
}

/// Relative to the current folder where that is shorter.
fn shown(place: &Place) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = place.local().and_then(|path| path.strip_prefix(&here).ok());
    below.map_or_else(|| place.to_string(), |path| path.display().to_string())
}

/// A number with thousands set apart: `336,776`.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A number of things: `1 row`, `336,776 rows`.
pub fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", Count(count))
}

/// A size for people: `5.2 MB`, in powers of 1000 as disks and AWS have them.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 999.5 {
                return if unit == "B" {
                    write!(f, "{} B", self.0)
                } else {
                    write!(f, "{value:.1} {unit}")
                };
            }
            value /= 1000.0;
        }
        write!(f, "{value:.1} TB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(Count(336_776).to_string(), "336,776");
        assert_eq!(Count(12).to_string(), "12");
        assert_eq!(Count(1_000).to_string(), "1,000");
        assert_eq!(
            (counted(1, "row"), counted(0, "row")),
            ("1 row".to_owned(), "0 rows".to_owned())
        );
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(5_230_000).to_string(), "5.2 MB");
    }
}
