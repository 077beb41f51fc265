//! Writes a test from real data: the first rows of what a step reads, and what the step makes of them.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};

use super::anonymize::Anonymous;
use super::run::{Given, Tester, table_of};
use super::yaml;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::plan::{Part, Sources};

impl Tester {
    /// The first `rows` rows of a source or step, of the real data.
    async fn real_rows(&self, table: &str, rows: usize) -> Result<RecordBatch> {
        let job = self.job();
        let planned = job.plan(Sources::Open, &Part::of(table)).await?;
        planned.preview(&job.pipeline, table, None, rows).await
    }
}

/// A file with one test of `step`: given are the first `rows` rows of each table that it reads, of these the columns that matter to
/// it; expected is what it makes of them. Values of the columns `anonymize` are replaced before the step sees them.
///
/// # Errors
/// If a source is not in the lock file, without which the types of given rows are not known; a column of `anonymize` that no table
/// has; whatever reading or running ends with.
pub async fn create(
    tester: &Tester,
    step: &str,
    rows: usize,
    anonymize: &[String],
) -> Result<String> {
    let mut anonymous = Anonymous::new(anonymize);
    let job = tester.job();
    let pipeline = job.pipeline.as_ref();
    let unlocked = |message: String| Error::Lock {
        message,
        hint: "lock the sources with `transom lock`".to_owned(),
    };
    if job.lock.is_none() {
        return Err(unlocked(
            "a test from real data needs the lock file, which says their types".to_owned(),
        ));
    }
    let clock = midnight(SystemTime::now());
    let options = super::run::options(Some(clock), 0);
    let timed = Job {
        session: options.clone(),
        ..job.clone()
    };
    let planned = timed.plan(Sources::FromLock, &Part::of(step)).await?;
    let mut given = Given::new();
    let mut text = format!(
        "# Made by `transom test --create {step} --rows {rows}`. Cut it down to what it is about.\ntests:\n  {step}_of_real_rows:\n"
    );
    let clock_at = text.len();
    let tables = planned.columns_read(step)?;
    // A step of constants reads nothing.
    if !tables.is_empty() {
        text.push_str("    given:\n");
    }
    for (table, columns) in tables {
        let batch = tester.real_rows(&table, rows).await?;
        let batch = anonymous.replace(&batch)?;
        // In the order of the table. What is not given is NULL, which the step does not see.
        let schema = batch.schema();
        let read: Vec<usize> = (0..schema.fields().len())
            .filter(|&at| columns.contains(schema.field(at).name()))
            .collect();
        let failed = |error: ArrowError| Error::of_query("choosing columns", error.into());
        write_rows(&mut text, &table, &batch.project(&read).map_err(failed)?)?;
        given.insert(table, table_of(batch)?);
    }
    let computed = tester.compute(pipeline, step, &given, &options, false);
    let (computed, _) = match computed.await {
        Ok(computed) => computed,
        Err(error) => return Err(in_source(job, step, error).await),
    };
    anonymous.all_found()?;
    text.push_str("    expect:\n");
    write_rows(&mut text, step, &computed.rows)?;
    // Rows that another day changes need a clock to stay as they are.
    let other = super::run::options(Some(clock + 400 * DAY), 0);
    let (other, _) = tester
        .compute(pipeline, step, &given, &other, false)
        .await?;
    if other.rows != computed.rows {
        let line = format!(
            "    clock: {}\n",
            DateTime::<Utc>::from(clock).format("%Y-%m-%d")
        );
        text.insert_str(clock_at, &line);
    }
    Ok(text)
}

/// The error with the place in a source of the row that a plugin failed on: the rows that are given have no places.
async fn in_source(job: &Job, step: &str, error: Error) -> Error {
    match job.plan(Sources::Open, &Part::of(step)).await {
        Ok(planned) => planned.located(&job.pipeline, error).await,
        // What is wrong with that plan is not what went wrong.
        Err(_) => error,
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The beginning of a day in UTC.
fn midnight(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs() / DAY.as_secs() * DAY.as_secs())
}

fn write_rows(text: &mut String, table: &str, batch: &RecordBatch) -> Result<()> {
    let order: Vec<usize> = (0..batch.num_rows()).collect();
    let lines = yaml::items(batch, &order, 8);
    let lines = lines.map_err(|error| Error::of_query("writing rows", error.into()))?;
    // Writing to a string does not fail.
    let _ = match lines.is_empty() {
        true => writeln!(text, "      {table}: []"),
        false => writeln!(text, "      {table}:\n{}", lines.join("\n")),
    };
    Ok(())
}
