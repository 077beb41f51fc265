//! `transom runs`: what runs of a pipeline that loads in slices did.

use transom_pipeline::report::{Count, counted};
use transom_pipeline::slices::{KeptRun, KeptSlice, RunOutcome};

use super::state::sliced;
use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME, Printer};

/// Runs that are shown unless more are asked for.
const RUNS: usize = 20;

/// See what runs did: when, how they ended, how much they loaded.
///
/// A pipeline that runs in slices keeps a report of each run beside its log, also of those in Lambda and Batch.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom runs list                                   the last 20 runs
  transom runs show                                   the last one
  transom runs list --target prod --last 1000 --json | jq '.[] | select(.outcome == \"failed\")'")]
pub(crate) struct RunsCommand {
    #[command(subcommand)]
    command: RunsOf,
}

#[derive(Debug, clap::Subcommand)]
enum RunsOf {
    List(ListCommand),
    Show(ShowCommand),
}

/// List the last runs, the last one first.
#[derive(Debug, clap::Args)]
struct ListCommand {
    /// Runs to list.
    #[arg(long, value_name = "N", default_value_t = RUNS)]
    last: usize,
    /// Writes their reports as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Show the report of a run: its slices, its error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom runs show                                the last run
  transom runs show 20240131T080000123Z-2a0b1c")]
struct ShowCommand {
    /// The run, as `transom runs list` names it. [default: the last one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Writes its report as JSON to stdout.
    #[arg(long)]
    json: bool,
}

impl RunsCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = sliced(context)?;
        let (last, id) = match &self.command {
            RunsOf::List(list) => (list.last, None),
            RunsOf::Show(show) => (1, show.run.as_ref()),
        };
        let runs = context.block_on(async {
            let job = context.job(pipeline, Vec::new(), None).await?;
            Ok(match id {
                Some(id) => vec![job.kept_run(id).await?],
                None => job.runs(last).await?,
            })
        })?;
        let printer = &context.printer;
        match (&self.command, runs.as_slice()) {
            (RunsOf::List(ListCommand { json: true, .. }), runs) => printer.json(&runs),
            (_, []) => match self.is_json() {
                true => printer.json(&None::<KeptRun>),
                false => {
                    printer.say("there are no reports of runs");
                    Ok(())
                }
            },
            (RunsOf::List(_), runs) => runs.iter().try_for_each(|run| list(run, printer)),
            (RunsOf::Show(ShowCommand { json: true, .. }), [run, ..]) => printer.json(run),
            (RunsOf::Show(_), [run, ..]) => show(run, printer),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            RunsOf::List(list) => list.json,
            RunsOf::Show(show) => show.json,
        }
    }
}

fn outcome(run: &KeptRun) -> &'static str {
    match run.outcome {
        RunOutcome::Unfinished => "unfinished",
        RunOutcome::Done => "done",
        RunOutcome::More => "more to load",
        RunOutcome::Failed => "failed",
    }
}

/// How long it took; nothing of one that has not said that it ended.
fn took(run: &KeptRun) -> String {
    let took = run.seconds().map(|seconds| format!("{seconds:.1} s"));
    took.unwrap_or_else(|| "-".to_owned())
}

/// What it was at.
fn work(run: &KeptRun) -> String {
    match (run.share, run.backfill) {
        (Some(share), Some(backfill)) => format!("share {share} of backfill {backfill}"),
        (Some(share), None) => format!("share {share}"),
        (None, Some(backfill)) => format!("backfill {backfill}"),
        (None, None) => counted(run.slices, "slice"),
    }
}

/// Whether it has opened a backfill, and computed nothing.
fn is_plan(run: &KeptRun) -> bool {
    run.backfill.is_some() && run.share.is_none()
}

fn list(run: &KeptRun, printer: &Printer) -> Result<(), Failure> {
    let what = match &run.error {
        Some(error) => error.message.lines().next().unwrap_or_default().to_owned(),
        None if is_plan(run) => "opened".to_owned(),
        None => counted(run.total.rows_written, "row"),
    };
    printer.data(format_args!(
        "{NAME}{}{NAME:#} {} {:<12} {:>9}  {}, {what}",
        run.id,
        run.began.format("%Y-%m-%d %H:%M:%S"),
        outcome(run),
        took(run),
        work(run),
    ))
}

fn show(run: &KeptRun, printer: &Printer) -> Result<(), Failure> {
    let line = |key: &str, text: std::fmt::Arguments<'_>| {
        printer.data(format_args!("{NAME}{key:<10}{NAME:#} {text}"))
    };
    line("report", format_args!("{}", run.id))?;
    line("run", format_args!("{}", run.run))?;
    line(
        "began",
        format_args!(
            "{} UTC {FAINT}on {}, process {}, Transom {}{FAINT:#}",
            run.began.format("%Y-%m-%d %H:%M:%S"),
            run.host,
            run.pid,
            run.transom
        ),
    )?;
    let hint = match run.outcome {
        RunOutcome::Unfinished => ": it works still, or was killed",
        _ => "",
    };
    line("outcome", format_args!("{}{hint}", outcome(run)))?;
    line("took", format_args!("{}", took(run)))?;
    if let Some(error) = &run.error {
        line("error", format_args!("{}: {}", error.kind, error.message))?;
    }
    if !run.finished.is_empty() {
        let entries: Vec<String> = run.finished.iter().map(u64::to_string).collect();
        let entries = entries.join(", ");
        line(
            "finished",
            format_args!("entries of an earlier run: {entries}"),
        )?;
    }
    if is_plan(run) {
        return line("opened", format_args!("{}", work(run)));
    }
    let total = run.total;
    let done = match run.share {
        Some(_) => "staged",
        None => "loaded",
    };
    line(
        done,
        format_args!(
            "{}, {}; rows: {} read, {} written, {} rejected",
            work(run),
            counted(total.files, "file"),
            Count(total.rows_read),
            Count(total.rows_written),
            Count(total.rows_rejected)
        ),
    )?;
    let left_out = run.slices.saturating_sub(run.last_slices.len() as u64);
    if left_out > 0 {
        line(
            "slices",
            format_args!("{} before these", counted(left_out, "slice")),
        )?;
    }
    for KeptSlice {
        entry,
        seconds,
        amounts,
    } in &run.last_slices
    {
        let (files, rows) = (
            counted(amounts.files, "file"),
            counted(amounts.rows_written, "row"),
        );
        line(
            "slice",
            format_args!("{entry}: {files}, {rows} in {seconds:.2} s"),
        )?;
    }
    Ok(())
}
