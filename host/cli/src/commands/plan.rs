//! `transom plan`: what would run, as a list of tables or as the operators of one step.

use std::fmt::Write;

use arrow::datatypes::Schema;
use serde_json::{Value, json};
use transom_file::spec::{Incremental, LoadMode, SliceLimits};
use transom_file::{Check, Pipeline, Sink, SinkKind, StepKind, list};
use transom_pipeline::SessionOptions;
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Planned, Sources};
use transom_pipeline::report::{Bytes, counted};
use transom_pipeline::type_name;

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME, STRONG};

use crate::values::positive;

/// Show what a run would do, without doing it: each table, what it reads, and its columns.
///
/// A step that several others read runs once and is spooled to disk; one with a single reader streams into it. With a STEP, shows
/// the operators that would compute it, as DataFusion plans them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom plan
  transom plan daily                   the operators of one step
  transom plan --operators             those of all steps")]
pub(crate) struct PlanCommand {
    /// The step whose operators are shown.
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// Shows the operators of all steps.
    #[arg(long, conflicts_with = "step", visible_alias = "sql")]
    operators: bool,
    /// Partitions to plan for. [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = positive)]
    partitions: Option<usize>,
    /// Writes the tables as JSON to stdout.
    #[arg(long, conflicts_with_all = ["step", "operators"])]
    pub(crate) json: bool,
}

impl PlanCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        if let Some(step) = &self.step {
            check_step(&pipeline, step)?;
        }
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let plugins = context.plugins(&pipeline)?;
        let mut session = SessionOptions::default();
        session.partitions = self.partitions.unwrap_or(session.partitions);
        let text = context.block_on(async {
            let mut job = context.job(pipeline.clone(), plugins, lock).await?;
            job.session = session;
            let planned = job.plan(Sources::Open, &Part::default()).await?;
            match (&self.step, self.operators, self.json) {
                (Some(step), ..) => Ok(planned
                    .explain(step)
                    .await?
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned()),
                (None, true, _) => operators(&planned).await,
                (None, false, true) => Ok(format!("{:#}", to_json(&pipeline, &planned))),
                (None, false, false) => Ok(tables(&pipeline, &planned)),
            }
        })?;
        context.printer.data(text)
    }
}

/// That there is such a step.
pub(crate) fn check_step(pipeline: &Pipeline, step: &str) -> Result<(), Failure> {
    if pipeline.step(step).is_some() {
        return Ok(());
    }
    let steps = pipeline.steps.iter().map(|step| step.name.value.as_str());
    let message = format!("there is no step `{step}`");
    let hint = format!("the steps are {}", list(steps.clone()));
    Err(Failure::unknown(message, step, steps, hint))
}

async fn operators(planned: &Planned) -> Result<String, Failure> {
    let mut text = String::new();
    for (name, ..) in planned.steps() {
        let operators = planned.explain(name).await?.unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{STRONG}step{STRONG:#} {NAME}{name}{NAME:#}");
        operators.lines().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    Ok(text.trim_end().to_owned())
}

fn tables(pipeline: &Pipeline, planned: &Planned) -> String {
    let mut text = String::new();
    let mut entry = |kind: &str, name: &str, lines: &[String]| {
        let _ = writeln!(text, "{STRONG}{kind}{STRONG:#} {NAME}{name}{NAME:#}");
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    };
    let schemas = planned.source_schemas();
    for source in &pipeline.sources {
        let name = &source.name.value;
        let columns = schemas
            .get(name)
            .map(|schema| columns(schema))
            .unwrap_or_default();
        let mut lines = vec![labelled("files", &source.path.value), columns];
        lines.extend(source.incremental.as_ref().map(|said| {
            labelled(
                "slices",
                match &said.value {
                    Incremental::NewFiles { .. } => "of new files".to_owned(),
                    Incremental::By { column, .. } => format!("of whole partitions by {column}"),
                },
            )
        }));
        lines.extend(checks(&source.checks));
        entry("source", name, &lines);
    }
    for (name, readers, schema) in planned.steps() {
        let mut lines = vec![
            labelled("by", how(pipeline, name)),
            labelled("reads", planned.reads(name).join(", ")),
        ];
        match readers {
            0 => lines.push(labelled("readers", "none: it does not run")),
            1 => {}
            many => lines.push(labelled(
                "readers",
                format!("{many}: it runs once and is spooled"),
            )),
        }
        if let Some(keys) = planned.state_keys(name) {
            let by = match keys.as_slice() {
                [] => String::new(),
                keys => format!(", by {}", keys.join(", ")),
            };
            lines.push(labelled("state", format!("kept from slice to slice{by}")));
        }
        lines.push(columns(&schema));
        if let Some(step) = pipeline.step(name) {
            lines.extend(checks(&step.checks));
        }
        entry("step", name, &lines);
    }
    for sink in &pipeline.sinks {
        let target = match &sink.kind {
            SinkKind::Files(files) => {
                let place = &files.path.value;
                let below = place
                    .local()
                    .and_then(|path| path.strip_prefix(&pipeline.root).ok());
                let path =
                    below.map_or_else(|| place.to_string(), |path| path.display().to_string());
                labelled("files", path)
            }
            SinkKind::Redshift { redshift, .. } => labelled("table", &redshift.table),
        };
        let reads = labelled("reads", &sink.from.value);
        let mut lines = vec![reads, target];
        if pipeline.is_sliced() {
            lines.push(labelled("mode", mode(sink)));
        }
        entry("sink", &sink.name.value, &lines);
    }
    if pipeline.is_sliced() {
        let SliceLimits {
            files,
            bytes,
            rows,
            time,
        } = pipeline.slices;
        let mut most = format!("at most {} and {}", counted(files, "file"), Bytes(bytes));
        if let Some(rows) = rows {
            most = format!("{most}, about {}", counted(rows, "row"));
        }
        if let Some(time) = time {
            most = format!("{most}, about {time:?}");
        }
        entry(
            "slices",
            "",
            &[labelled("each", most), labelled("state", &pipeline.state)],
        );
    }
    text.trim_end().to_owned()
}

/// What a slice does to a table.
fn mode(sink: &Sink) -> LoadMode {
    match &sink.kind {
        SinkKind::Files(files) => files.mode.value,
        SinkKind::Redshift { redshift, .. } => redshift.mode,
    }
}

fn labelled(label: &str, text: impl std::fmt::Display) -> String {
    format!("{FAINT}{label:<8}{FAINT:#} {text}")
}

/// The names of a table's checks, if it has some.
fn checks(checks: &[Check]) -> Option<String> {
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    (!names.is_empty()).then(|| labelled("checks", names.join(", ")))
}

fn columns(schema: &Schema) -> String {
    let columns = schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), type_name(field.data_type())));
    labelled("columns", columns.collect::<Vec<_>>().join(", "))
}

fn how(pipeline: &Pipeline, step: &str) -> String {
    match pipeline.step(step).map(|step| &step.kind) {
        Some(StepKind::Transform(transform)) => {
            let keys = match transform.partition_by.is_empty() {
                true => String::new(),
                false => {
                    let keys: Vec<&str> = transform
                        .partition_by
                        .iter()
                        .map(|column| column.value.as_str())
                        .collect();
                    format!(" for each {}", keys.join(", "))
                }
            };
            format!(
                "transform {}.{}{keys}",
                transform.plugin, transform.transform.value
            )
        }
        _ => "SQL".to_owned(),
    }
}

fn to_json(pipeline: &Pipeline, planned: &Planned) -> Value {
    let columns = |schema: &Schema| -> Vec<Value> {
        let column = |field: &arrow::datatypes::FieldRef| json!({ "name": field.name(), "type": type_name(field.data_type()), "nullable": field.is_nullable() });
        schema.fields().iter().map(column).collect()
    };
    let schemas = planned.source_schemas();
    let sources = pipeline.sources.iter().map(|source| {
        let name = &source.name.value;
        let mut shown = json!({ "name": name, "path": source.path.value, "columns": schemas.get(name).map(|schema| columns(schema)), "checks": source.checks });
        if let Some(incremental) = &source.incremental {
            shown["incremental"] = json!(incremental.value);
        }
        shown
    });
    let steps = planned.steps().map(|(name, readers, schema)| {
        let checks = pipeline.step(name).map(|step| &step.checks);
        let mut shown = json!({ "name": name, "reads": planned.reads(name), "readers": readers, "columns": columns(&schema), "checks": checks });
        if let Some(keys) = planned.state_keys(name) {
            shown["state_by"] = json!(keys);
        }
        shown
    });
    let sinks = pipeline.sinks.iter().map(|sink| {
        let mut shown = json!({ "name": sink.name.value, "reads": [sink.from.value] });
        match &sink.kind {
            SinkKind::Files(files) => shown["path"] = json!(files.path.value),
            SinkKind::Redshift { redshift, .. } => shown["table"] = json!(redshift.table),
        }
        if pipeline.is_sliced() {
            shown["mode"] = json!(mode(sink));
        }
        shown
    });
    json!({
        "pipeline": pipeline.name,
        "target": pipeline.target,
        "sources": sources.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
        "sinks": sinks.collect::<Vec<_>>(),
    })
}
