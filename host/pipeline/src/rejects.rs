//! The dead letters that a step's last published run left, by reason.

use std::path::PathBuf;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use serde::Serialize;
use transom_connect::{FileSource, Format, ReadProgress};
use transom_plugin::Cancel;
use transom_query::{OnError, Params, Session, SessionOptions};

use crate::dead_letters::{self, FILE, PARTITION, REASON, ROW};
use crate::error::{Error, Result};
use crate::file::{OnReject, Pipeline, StepKind};
use crate::preview::collect;

/// The rows that a step rejected.
#[derive(Debug, Clone, Serialize)]
pub struct Rejects {
    /// Name of the step.
    pub step: String,
    /// Where their table is; absolute.
    pub path: PathBuf,
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

/// Names of the steps that keep rejected rows.
#[must_use]
pub fn steps(pipeline: &Pipeline) -> Vec<&str> {
    let keeps = |kind: &StepKind| matches!(kind, StepKind::Transform(transform) if transform.on_reject == OnReject::DeadLetter);
    let steps = pipeline.steps.iter().filter(|step| keeps(&step.kind));
    steps.map(|step| step.name.value.as_str()).collect()
}

/// The dead letters of a step, with `examples` rows for each reason.
///
/// # Errors
/// If their table cannot be read.
pub async fn list(pipeline: &Pipeline, step: &str, examples: usize) -> Result<Rejects> {
    let path = pipeline.dead_letters.join(step);
    let mut rejects = Rejects {
        step: step.to_owned(),
        rows: None,
        reasons: Vec::new(),
        path,
    };
    if !rejects.path.exists() {
        return Ok(rejects);
    }
    let found = read(pipeline, step, examples).await?;
    let count = found.num_rows();
    let mut begin = 0;
    while begin < count {
        let group = group(&found.slice(begin, count - begin), examples)?;
        begin += group.1;
        rejects.reasons.push(group.0);
    }
    rejects.rows = Some(rejects.reasons.iter().map(|reason| reason.rows).sum());
    Ok(rejects)
}

/// The first rows of each reason, one reason after another, with four columns more.
async fn read(pipeline: &Pipeline, step: &str, examples: usize) -> Result<RecordBatch> {
    let source = FileSource {
        name: format!("dead letters of {step}"),
        root: pipeline.dead_letters.clone(),
        pattern: step.to_owned(),
        format: Format::Parquet,
        columns: None,
        read: ReadProgress::default(),
    };
    let what = format!("reading the dead letters of `{step}`");
    let failed = |error| Error::of_query(&what, error);
    let session = Session::new(&SessionOptions::default(), Cancel::new()).map_err(failed)?;
    let table = source.table(&session.context().state(), None).await?;
    session.add_table("dead_letters", table).map_err(failed)?;
    let first = examples.max(1);
    let columns = match examples {
        0 => [REASON, FILE, PARTITION, ROW].join(", "),
        _ => "*".to_owned(),
    };
    // `1,048`, `10:35` and `1.5` are a number each.
    let number = "[0-9]+([.,:][0-9]+)*";
    let query = format!(
        r#"WITH rejected AS (
            SELECT {columns}, regexp_replace({REASON}, '{number}', '#', 'g') AS "{PATTERN}" FROM dead_letters
        ), numbered AS (
            SELECT *, count(*) OVER pattern AS "{ROWS}",
                min({REASON}) OVER pattern = max({REASON}) OVER pattern AS "{ONE}",
                row_number() OVER (PARTITION BY "{PATTERN}" ORDER BY {FILE}, {PARTITION}, {ROW}) AS "{NUMBER}"
            FROM rejected WINDOW pattern AS (PARTITION BY "{PATTERN}")
        )
        SELECT * FROM numbered WHERE "{NUMBER}" <= {first} ORDER BY "{ROWS}" DESC, "{PATTERN}", "{NUMBER}""#
    );
    let params = Params::default();
    let plan = session.plan_sql(&query, &params, |_| OnError::Fail);
    let plan = plan.await.map_err(failed)?;
    collect(&session, plan).await.map_err(failed)
}

// No column of a pipeline is called so.
/// The reason without its numbers.
const PATTERN: &str = "pattern of the reason";
/// How many rows have it.
const ROWS: &str = "rows of the pattern";
/// Whether their reasons are the same with the numbers.
const ONE: &str = "one reason";
/// The row's number among them.
const NUMBER: &str = "number in the pattern";

/// The reason that the rows begin with, and how many of them have it.
fn group(rows: &RecordBatch, examples: usize) -> Result<(RejectReason, usize)> {
    let missing = |name: &str| Error::Io {
        what: format!("dead letters have no column `{name}` of its type"),
        source: std::io::ErrorKind::InvalidData.into(),
    };
    let column = |name: &str| rows.column_by_name(name).ok_or_else(|| missing(name));
    let text = |name: &str| {
        let column = column(name)?.as_string_opt::<i32>();
        column.ok_or_else(|| missing(name))
    };
    let (reasons, patterns, files) = (text(REASON)?, text(PATTERN)?, text(FILE)?);
    let one = column(ONE)?.as_boolean_opt();
    let one = one.ok_or_else(|| missing(ONE))?.value(0);
    let number = |name: &str| {
        let column = column(name)?.as_primitive_opt::<Int64Type>();
        column
            .map(|column| column.value(0))
            .ok_or_else(|| missing(name))
    };
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
        PATTERN | ROWS | ONE | NUMBER => false,
        name => !dead_letters::is_added(name),
    });
    let shown: Vec<usize> = shown.map(|(at, _)| at).collect();
    let examples = rows.slice(0, length.min(examples)).project(&shown);
    let reason = RejectReason {
        reason: if one { reasons } else { patterns }.value(0).to_owned(),
        rows: number(ROWS)? as u64,
        first: RejectedRow {
            reason: reasons.value(0).to_owned(),
            file: files.is_valid(0).then(|| files.value(0).to_owned()),
            partition: partitions.is_valid(0).then(|| partitions.value(0)),
            row: number(ROW)?,
        },
        examples: examples
            .map_err(|error| Error::of_query("reading dead letters", error.into()))?,
    };
    Ok((reason, length))
}
