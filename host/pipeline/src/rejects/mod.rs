//! Rows that transforms, and tables of Redshift, did not take.
//!
//! `dead_letters` keeps those of a run until they are published, `reasons` counts why; [`list`] reads what a step's last
//! published run left.

pub(crate) mod dead_letters;
pub(crate) mod reasons;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use serde::Serialize;
use transom_connect::{FileSource, ReadProgress, Sample, Source, table_exists};
use transom_file::ErrorPolicy;
use transom_file::spec::{Format, Place, S3Url, Unknown};
use transom_plugin::Cancel;
use transom_query::{Params, Session, SessionOptions};

use self::dead_letters::{FILE, PARTITION, REASON, ROW};
use self::reasons::NUMBER;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::preview::collect;
use transom_file::{OnReject, Pipeline, SinkKind, StepKind};

/// The rows that a step or a sink rejected.
#[derive(Debug, Clone, Serialize)]
pub struct Rejects {
    /// Name of the step, or of the sink's table.
    pub step: String,
    /// Where their table is; absolute.
    pub path: Place,
    /// How many there are; `None` if no run has published any, not even none.
    pub rows: Option<u64>,
    /// Why they were rejected, the most frequent reason first.
    pub reasons: Vec<RejectReason>,
}

/// Rows that were rejected for one reason. Reasons that differ in their numbers alone are one.
#[derive(Debug, Clone, Serialize)]
pub struct RejectReason {
    /// The plugin's words; with `#` in place of each number if the rows differ in it.
    pub reason: String,
    /// How many rows there are.
    pub rows: u64,
    /// The first of them.
    pub first: RejectedRow,
    /// The first ones, as many as were asked for: their own columns and those that say where they are from.
    #[serde(skip)]
    pub examples: RecordBatch,
}

/// Why a row was rejected and where it stands: in a file, or among those that a transform was given of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// The plugin's words.
    pub reason: String,
    /// The source's file, relative to the pipeline's folder.
    pub file: Option<String>,
    /// The partition, where no file is known.
    pub partition: Option<i32>,
    /// The number, from 1.
    pub row: i64,
}

/// The tables of dead letters by their names: those of the steps that keep rejected rows, then those of the sinks that do, `<sink>.sink`.
#[must_use]
pub fn tables(pipeline: &Pipeline) -> Vec<String> {
    let keeps = |kind: &StepKind| matches!(kind, StepKind::Transform(transform) if transform.on_reject == OnReject::DeadLetter);
    let steps = pipeline.steps.iter().filter(|step| keeps(&step.kind));
    let steps = steps.map(|step| step.name.value.clone());
    let keeps = |kind: &SinkKind| matches!(kind, SinkKind::Redshift { on_reject, .. } if *on_reject == OnReject::DeadLetter);
    let sinks = pipeline.sinks.iter().filter(|sink| keeps(&sink.kind));
    let sinks = sinks.map(|sink| dead_letters::of_sink(&sink.name.value));
    steps.chain(sinks).collect()
}

/// The dead letters of a step, with `examples` rows for each reason: of the last run that published, or of the last that `failed`
/// because the step rejected too many.
///
/// # Errors
/// If their table cannot be read, or lacks what this version writes.
pub async fn list(job: &Job, step: &str, failed: bool, examples: usize) -> Result<Rejects> {
    let folder = match failed {
        true => dead_letters::failed(step),
        false => step.to_owned(),
    };
    let path = job.pipeline.dead_letters.join(&folder);
    let mut rejects = Rejects {
        step: step.to_owned(),
        rows: None,
        reasons: Vec::new(),
        path,
    };
    if !table_exists(&rejects.path, &job.aws).await? {
        return Ok(rejects);
    }
    let found = read(job, step, folder, examples).await?;
    let count = found.num_rows();
    let mut begin = 0;
    while begin < count {
        let group = group(step, &found.slice(begin, count - begin), examples)?;
        begin += group.1;
        rejects.reasons.push(group.0);
    }
    rejects.rows = Some(rejects.reasons.iter().map(|reason| reason.rows).sum());
    Ok(rejects)
}

/// The first rows of each reason, one reason after another, with [`BEFORE`] columns more.
async fn read(job: &Job, step: &str, folder: String, examples: usize) -> Result<RecordBatch> {
    let (root, pattern) = match job.pipeline.dead_letters.join(&folder) {
        Place::Local(_) => (job.pipeline.dead_letters.clone(), folder),
        Place::S3(S3Url { bucket, key }) => {
            let key_less = S3Url {
                bucket,
                key: String::new(),
            };
            (Place::S3(key_less), key)
        }
    };
    let source = FileSource {
        name: format!("dead letters of {step}"),
        root,
        aws: job.aws.clone(),
        pattern,
        format: Format::Parquet,
        columns: None,
        unknown: Unknown::default(),
        sample: Sample::default(),
        read: ReadProgress::default(),
    };
    let what = format!("reading the dead letters of `{step}`");
    let failed = |error| Error::of_query(&what, error);
    let session = Session::new(&SessionOptions::default(), Cancel::new()).map_err(failed)?;
    let state = session.context().state();
    let table = source.table(&source.list().await?, None, &state).await?;
    let columns = table.schema();
    let place = [REASON, FILE, PARTITION, ROW];
    if let Some(column) = place.iter().find(|name| columns.index_of(name).is_err()) {
        return Err(unusable(step, column));
    }
    session.add_table("dead_letters", table).map_err(failed)?;
    let first = examples.max(1);
    // The rows may be wide: what is only counted is read without them.
    let names: Vec<String> = match examples {
        0 => place.iter().map(|name| quoted(name)).collect(),
        _ => columns
            .fields()
            .iter()
            .map(|field| quoted(field.name()))
            .collect(),
    };
    let rejected = names.join(", ");
    // Columns of the rows may have any name but these: no name has a tilde before it by chance.
    let query = format!(
        "WITH reasons AS (
            SELECT {rejected}, regexp_replace({REASON}, '{NUMBER}', '#', 'g') AS \"~pattern\" FROM dead_letters
        ), numbered AS (
            SELECT *, count(*) OVER same AS \"~rows\", min({REASON}) OVER same = max({REASON}) OVER same AS \"~is_one\",
                row_number() OVER (PARTITION BY \"~pattern\" ORDER BY {FILE}, {PARTITION}, {ROW}) AS \"~number\"
            FROM reasons WINDOW same AS (PARTITION BY \"~pattern\")
        )
        SELECT \"~pattern\", \"~rows\", \"~is_one\", {rejected} FROM numbered WHERE \"~number\" <= {first}
        ORDER BY \"~rows\" DESC, \"~pattern\", \"~number\""
    );
    let params = Params::default();
    let plan = session.plan_sql(&query, &params, |_| ErrorPolicy::Fail);
    let plan = plan.await.map_err(failed)?;
    collect(&session, plan).await.map_err(failed)
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How many columns [`read`] puts before those of the dead letters: the reason without its numbers, how many rows have it, and
/// whether their reasons are the same with the numbers.
const BEFORE: usize = 3;

fn unusable(step: &str, column: &str) -> Error {
    Error::DeadLetters {
        step: step.to_owned(),
        column: column.to_owned(),
    }
}

/// The reason that the rows begin with, and how many of them have it.
fn group(step: &str, rows: &RecordBatch, examples: usize) -> Result<(RejectReason, usize)> {
    let missing = |name: &str| unusable(step, name);
    let (patterns, counts, one) = (rows.column(0), rows.column(1), rows.column(2));
    let patterns = patterns.as_string_opt::<i32>();
    let patterns = patterns.ok_or_else(|| missing(REASON))?;
    let count = counts.as_primitive::<Int64Type>().value(0);
    let one = one.as_boolean().value(0);
    let own: Vec<usize> = (BEFORE..rows.num_columns()).collect();
    let failed = |error: ArrowError| Error::of_query("reading dead letters", error.into());
    let rows = rows.project(&own).map_err(failed)?;
    let column = |name: &str| rows.column_by_name(name).ok_or_else(|| missing(name));
    let text = |name: &str| {
        let column = column(name)?.as_string_opt::<i32>();
        column.ok_or_else(|| missing(name))
    };
    let (reasons, files) = (text(REASON)?, text(FILE)?);
    let number = column(ROW)?.as_primitive_opt::<Int64Type>();
    let number = number.ok_or_else(|| missing(ROW))?.value(0);
    let partitions = column(PARTITION)?.as_primitive_opt::<Int32Type>();
    let partitions = partitions.ok_or_else(|| missing(PARTITION))?;
    let length = (0..rows.num_rows())
        .take_while(|row| patterns.value(*row) == patterns.value(0))
        .count();
    let schema = rows.schema();
    let fields = schema.fields().iter().enumerate();
    let shown = fields.filter(|(at, field)| match field.name().as_str() {
        FILE | PARTITION => rows.column(*at).is_valid(0),
        ROW => true,
        REASON => !one,
        name => !dead_letters::is_added(name),
    });
    let shown: Vec<usize> = shown.map(|(at, _)| at).collect();
    let examples = rows.slice(0, length.min(examples)).project(&shown);
    let reason = RejectReason {
        reason: if one { reasons } else { patterns }.value(0).to_owned(),
        rows: count as u64,
        first: RejectedRow {
            reason: reasons.value(0).to_owned(),
            file: files.is_valid(0).then(|| files.value(0).to_owned()),
            partition: partitions.is_valid(0).then(|| partitions.value(0)),
            row: number,
        },
        examples: examples.map_err(failed)?,
    };
    Ok((reason, length))
}
