//! `transom reject`: the rows that transforms, and tables of Redshift, did not take.

use serde_json::{Value, json};
use transom_pipeline::lines;
use transom_pipeline::rejects::{self, RejectReason, RejectedRow, Rejects};
use transom_pipeline::report::{Count, counted};

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME, Printer};
use crate::table;

/// Reasons of a step that are shown; the others are counted.
const REASONS: usize = 20;

/// Look at the rows that transforms rejected and the pipeline kept.
#[derive(Debug, clap::Args)]
pub(crate) struct RejectCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListCommand),
}

/// Show the dead letters of the last run that published any, by reason, the most frequent first.
///
/// Reasons that differ in numbers alone are one, shown with `#` for each number. The values of rows are shown only with `--rows`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom reject list                       of all steps with `on_reject: dead_letter`
  transom reject list turnarounds --rows 3
  transom reject list --failed              after a run that `max_rejects` ended
  transom reject list --target prod --json")]
struct ListCommand {
    /// The step, or `SINK.sink` for a sink in Redshift. [default: all that keep rejected rows]
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// Of the last run that failed because the step rejected too many, in place of the last that published.
    #[arg(long)]
    failed: bool,
    /// Shows so many rows of each reason as well.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    rows: usize,
    /// Writes all reasons as JSON to stdout.
    #[arg(long)]
    json: bool,
}

impl RejectCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let Command::List(list) = self.command;
        list.execute(context)
    }

    pub(crate) fn is_json(&self) -> bool {
        let Command::List(list) = &self.command;
        list.json
    }
}

impl ListCommand {
    fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        let keeping = rejects::tables(&pipeline);
        let steps = self.steps(keeping.iter().map(String::as_str).collect())?;
        let found = context.block_on(async {
            let job = context.job(pipeline.clone(), Vec::new(), None).await?;
            let mut found = Vec::new();
            for step in steps {
                found.push(rejects::list(&job, step, self.failed, self.rows).await?);
            }
            Ok(found)
        })?;
        if self.json {
            let steps = found.iter().map(|rejects| self.to_json(rejects));
            let steps = steps.collect::<Result<Vec<_>, _>>()?;
            return context.printer.json(&json!({ "steps": steps }));
        }
        found
            .iter()
            .try_for_each(|rejects| self.show(rejects, &context.printer))
    }

    /// The steps that are meant, of those that keep what they reject.
    fn steps<'p>(&self, keeping: Vec<&'p str>) -> Result<Vec<&'p str>, Failure> {
        let failure = |message: &str, hint: String| Failure::Usage {
            message: message.to_owned(),
            hint: Some(hint),
        };
        if keeping.is_empty() {
            let hint =
                "a transform or a sink in Redshift with `on_reject: dead_letter` does".to_owned();
            return Err(failure(
                "no step or sink of the pipeline keeps rejected rows",
                hint,
            ));
        }
        let Some(wanted) = &self.step else {
            return Ok(keeping);
        };
        match keeping.iter().find(|step| *step == wanted) {
            Some(step) => Ok(vec![step]),
            None => Err(failure(
                &format!("no step or sink `{wanted}` keeps rejected rows"),
                format!("these do: `{}`", keeping.join("`, `")),
            )),
        }
    }

    fn show(&self, rejects: &Rejects, printer: &Printer) -> Result<(), Failure> {
        let Rejects {
            step,
            rows,
            reasons,
            ..
        } = rejects;
        let summary = match rows {
            None if self.failed => "no run has failed because it rejected too many".to_owned(),
            None => "no run has published its dead letters yet".to_owned(),
            Some(0) => "no rows".to_owned(),
            Some(rows) => {
                let reasons = counted(reasons.len() as u64, "reason");
                format!("{}, {reasons}", counted(*rows, "row"))
            }
        };
        printer.data(format_args!("{NAME}{step}{NAME:#}: {summary}"))?;
        let widest = |reason: &RejectReason| Count(reason.rows).to_string().len();
        let width = reasons.first().map_or(0, widest);
        for reason in reasons.iter().take(REASONS) {
            let place = format!("(first: {})", shown(&reason.first));
            let count = Count(reason.rows).to_string();
            let room = printer.width().saturating_sub(width + 8 + place.len());
            let text = table::cut(&reason.reason, room.max(20));
            printer.data(format_args!(
                "  {count:>width$}  {text}  {FAINT}{place}{FAINT:#}"
            ))?;
            let rows = table::rows(std::slice::from_ref(&reason.examples), printer.width());
            let rows = rows.map_err(|error| unreadable(step, std::io::Error::other(error)))?;
            if let (Some(rows), true) = (rows, self.rows > 0) {
                printer.data(rows)?;
            }
        }
        match reasons.len().saturating_sub(REASONS) {
            0 => Ok(()),
            more => printer.data(format_args!(
                "  and {}; `--json` lists all",
                counted(more as u64, "more reason")
            )),
        }
    }

    fn to_json(&self, rejects: &Rejects) -> Result<Value, Failure> {
        let mut value = json!(rejects);
        if self.rows == 0 {
            return Ok(value);
        }
        for (index, reason) in rejects.reasons.iter().enumerate() {
            let failed = |error| unreadable(&rejects.step, error);
            let lines = lines(&reason.examples).map_err(failed)?;
            let rows = serde_json::Deserializer::from_slice(&lines).into_iter::<Value>();
            let rows = rows.collect::<Result<Vec<_>, _>>();
            let rows = rows.map_err(|error| failed(error.into()))?;
            value["reasons"][index]["examples"] = rows.into();
        }
        Ok(value)
    }
}

/// Where a row is, in words.
fn shown(place: &RejectedRow) -> String {
    let row = Count(place.row.unsigned_abs());
    match (&place.file, place.partition) {
        (Some(file), _) => format!("row {row} of {}", table::cut_left(file, 60)),
        (None, Some(partition)) => format!("row {row} of partition {partition}"),
        (None, None) => format!("row {row}"),
    }
}

fn unreadable(step: &str, source: std::io::Error) -> Failure {
    Failure::Io {
        what: format!("the dead letters of `{step}` cannot be shown"),
        source,
    }
}
