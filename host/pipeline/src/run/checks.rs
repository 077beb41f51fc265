//! The checks of a run: after the steps with several readers, before any sink, so that bad rows cost no writing.
//!
//! A step that is checked has the check as one more reader, so that it runs once and its checks see the very rows that are
//! published. The failing rows are kept in tables beside the dead letters, a bounded number of each check.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::FormatOptions;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use super::Run;
use super::failing::{KEPT, Noted};
use super::stage::Staged;
use super::watch::watched;
use crate::error::{Error, Result};
use crate::plan::PlannedCheck;
use crate::rejects::reasons::short;
use crate::report::{CheckReport, EXAMPLES, counted, wrong};
use transom_connect::table_exists;
use transom_file::spec::Place;
use transom_file::{CheckKind, Pipeline, Severity};
use transom_sql::show;

/// The place, below that of the dead letters, for rows that fail a check. No step has such a name.
fn folder_of(dead_letters: &Place, table: &str, check: &str) -> Place {
    dead_letters.join(&format!("{table}.checks")).join(check)
}

/// What a check found.
struct Found {
    rows: u64,
    /// The first of the failing rows.
    kept: RecordBatch,
}

impl Run<'_> {
    /// Evaluates all checks, also after one has failed. Gives the tables of failing rows that are published with the results of the
    /// run: those of a slice, and of a run that fails, are published here.
    ///
    /// # Errors
    /// `Error::Checks` if a check of severity `error` fails, after its rows were kept.
    pub(super) async fn checks(
        &mut self,
        pipeline: &Pipeline,
    ) -> Result<(Vec<CheckReport>, Vec<Staged>)> {
        let (mut reports, mut kept) = (Vec::new(), Vec::new());
        let checks = self.planned.checks.clone();
        if checks.is_empty() {
            return Ok((reports, Vec::new()));
        }
        let begun = self.begin("checks");
        let mut failing = 0;
        for check in &checks {
            let what = format!("check `{}` of `{}`", check.check.name, check.table);
            let found = self.found(check, &what).await?;
            let report = report_of(check, &found);
            if !report.passed {
                failing += report.rows;
            }
            reports.push(report);
            kept.push(found.kept);
        }
        self.observer.end(failing, begun.elapsed());
        let fails = |report: &CheckReport| !report.passed && report.severity == Severity::Error;
        let is_failed = reports.iter().any(fails);
        let mut noted = self.failing.lock().await;
        let mut staged = Vec::new();
        for ((check, report), rows) in checks.iter().zip(&mut reports).zip(&kept) {
            let table = self.keep(pipeline, check, report, rows, &mut noted);
            if let Some(table) = table.await {
                if !report.passed {
                    report.failing_rows = Some(table.path);
                }
                staged.push(table.staged);
            }
        }
        if is_failed || pipeline.is_sliced() {
            Staged::show(std::mem::take(&mut staged)).await;
        }
        match is_failed {
            true => Err(Error::Checks(FailedChecks(reports))),
            false => Ok((reports, staged)),
        }
    }

    async fn found(&mut self, check: &PlannedCheck, what: &str) -> Result<Found> {
        let failed = |error| Error::of_query(what, error);
        let execution = self.planned.session.execute(check.plan.clone()).await;
        let mut execution = execution.map_err(failed)?;
        let schema = execution.schema();
        let streams = std::mem::take(&mut execution.streams);
        let seen = AtomicU64::new(0);
        let mut kept = Vec::new();
        let reading = async {
            let mut room = KEPT;
            for mut stream in streams {
                while let Some(batch) = stream.try_next().await? {
                    seen.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    let rows = batch.num_rows().min(room);
                    room -= rows;
                    if rows > 0 {
                        kept.push(batch.slice(0, rows));
                    }
                }
            }
            Ok(())
        };
        let rows = || seen.load(Ordering::Relaxed);
        let read: Result<(), DataFusionError> =
            watched(reading, rows, self.observer, &self.planned.cancel).await?;
        read.map_err(failed)?;
        self.add(execution.done())?;
        let kept = arrow::compute::concat_batches(&schema, &kept);
        Ok(Found {
            rows: rows(),
            kept: kept.map_err(|error| failed(error.into()))?,
        })
    }

    /// The table of the rows that fail a check; an empty one if an earlier run left some, but not in place of what an earlier slice of
    /// this run has found. What keeps it from being written is no reason to fail the run.
    async fn keep(
        &self,
        pipeline: &Pipeline,
        check: &PlannedCheck,
        report: &CheckReport,
        found: &RecordBatch,
        noted: &mut Noted,
    ) -> Option<Kept> {
        if matches!(check.check.kind, CheckKind::RowCount { .. }) {
            return None;
        }
        let path = folder_of(&pipeline.dead_letters, &check.table, &check.check.name);
        let name = format!("rows that fail the check {}", check.check.name);
        let staged = async {
            let rows = noted.add(&path, &self.attempt.id, found);
            let rows = rows.map_err(|error| Error::of_query(&name, error.into()))?;
            let is_wanted = match report.passed {
                true if rows.num_rows() > 0 => false,
                true => table_exists(&path, &self.planned.aws).await.unwrap_or(true),
                false => true,
            };
            if !is_wanted {
                return Ok(None);
            }
            let schema = rows.schema();
            let stream = futures::stream::iter([Ok(rows)]);
            let stream = Box::pin(RecordBatchStreamAdapter::new(schema, stream));
            let sink = self.table(&name, path.clone());
            self.stage_table(sink, stream).await.map(Some)
        };
        match staged.await {
            Ok(staged) => Some(Kept {
                path,
                staged: staged?,
            }),
            Err(error) => {
                let cause = crate::plan::error_chain(&error);
                tracing::warn!(target: "transom", "the {name} are not kept: {cause}");
                None
            }
        }
    }
}

struct Kept {
    path: Place,
    staged: Staged,
}

fn report_of(check: &PlannedCheck, found: &Found) -> CheckReport {
    let PlannedCheck { table, check, .. } = check;
    let (rows, wrong, shown) = match &check.kind {
        CheckKind::RowCount { min, max } => {
            let rows = count_in(&found.kept);
            let has = counted(rows, "row");
            let wrong = match (min, max) {
                (Some(min), _) if rows < *min => Some(format!("has {has}, fewer than {min}")),
                (_, Some(max)) if rows > *max => Some(format!("has {has}, more than {max}")),
                _ => None,
            };
            (rows, wrong, vec![])
        }
        kind => {
            let wrong = (found.rows > 0).then(|| wrong(kind, found.rows));
            (found.rows, wrong, shown(kind, &found.kept))
        }
    };
    CheckReport {
        table: table.clone(),
        name: check.name.clone(),
        severity: check.severity,
        kind: check.kind.clone(),
        passed: wrong.is_none(),
        rows,
        message: wrong,
        examples: examples(&found.kept, &shown),
        failing_rows: None,
    }
}

/// The columns that show what is wrong with the rows that were found.
fn shown(kind: &CheckKind, rows: &RecordBatch) -> Vec<String> {
    let schema = rows.schema();
    let names = schema.fields().iter().map(|field| field.name());
    match kind {
        CheckKind::NotNull { column } => {
            let others = names.filter(|name| **name != column.value);
            others.take(EXAMPLES).cloned().collect()
        }
        CheckKind::Unique { columns } => {
            let columns = columns.iter().map(|column| column.value.clone());
            columns.collect()
        }
        CheckKind::AcceptedValues { column, .. } | CheckKind::Relationships { column, .. } => {
            vec![column.value.clone()]
        }
        CheckKind::Sql(_) | CheckKind::RowCount { .. } => names.take(EXAMPLES).cloned().collect(),
    }
}

/// The one number of a count.
fn count_in(rows: &RecordBatch) -> u64 {
    let counts = rows.columns().first();
    let counts = counts.and_then(|counts| counts.as_primitive_opt::<Int64Type>());
    let counts = counts.filter(|counts| !counts.is_empty());
    counts.map_or(0, |counts| counts.value(0).unsigned_abs())
}

/// The first different values of some columns: `id = 1, day = 2024-01-31`.
fn examples(rows: &RecordBatch, columns: &[String]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = columns
        .iter()
        .filter_map(|name| {
            let values = rows.column_by_name(name)?;
            let formatter = show::formatter(values, &options).ok()?;
            Some((name, formatter))
        })
        .collect();
    let mut examples: Vec<String> = Vec::new();
    for row in 0..rows.num_rows() {
        let cells = columns.iter().map(|(name, values)| {
            let value = values.value(row).try_to_string().unwrap_or_default();
            format!("{name} = {}", short(&value))
        });
        let example = cells.collect::<Vec<_>>().join(", ");
        if examples.len() == EXAMPLES {
            break;
        }
        if !example.is_empty() && !examples.contains(&example) {
            examples.push(example);
        }
    }
    examples
}

/// The checks of a run of which some failed.
#[derive(Debug)]
pub struct FailedChecks(pub Vec<CheckReport>);

impl FailedChecks {
    /// Those that fail the run.
    pub fn errors(&self) -> impl Iterator<Item = &CheckReport> {
        let failed = self.0.iter().filter(|report| !report.passed);
        failed.filter(|report| report.severity == Severity::Error)
    }
}

impl fmt::Display for FailedChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows that fail:")?;
        for report in self.0.iter().filter(|report| !report.passed) {
            write!(f, "\n{report}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FailedChecks {}
