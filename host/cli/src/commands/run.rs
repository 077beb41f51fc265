//! `transom run`: builds what is stale, plans, runs, publishes, and shows the first rows of each result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use transom_file::{Pipeline, list};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::report::{SinkReport, counted};
use transom_pipeline::run::RunOptions;
use transom_pipeline::slices::{Backfill, Others, SliceOptions, SliceReport, SlicesReport};
use transom_pipeline::{Error, Job, SessionOptions};
use transom_plugin::{Cancel, LogicalTime, Plugin, bytes as in_bytes};

use crate::context::Context;
use crate::failure::Failure;
use crate::memory;
use crate::printer::{NAME, Printer};
use crate::progress::Progress;
use crate::signals;
use crate::table;
use crate::values::{bytes, clock, positive, time};

/// What makes a pipeline run in slices.
pub(super) const SLICED_BY: &str = "a source with `incremental`, a sink with `mode: append` or `overwrite_partitions`, or one in Redshift makes it one";

/// The index that AWS Batch gives the children of an array of jobs.
const ARRAY_INDEX: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
/// How long a job may go on after a SIGTERM: AWS Batch kills it after 30 seconds, and does not repeat what was killed.
const PATIENCE_OF_JOB: Duration = Duration::from_secs(20);

/// Rows of each result that a run shows by default.
pub(super) const HEAD: usize = 5;

/// Run the pipeline and publish its results.
///
/// Plugins whose source has changed are built first. All results appear together at the end: a run that
/// fails or is stopped leaves those of earlier runs as they were.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom run                                    the pipeline here, for its default target
  transom run --target prod --var late_minutes=30
  transom run --memory 2GB --partitions 4        bounded memory: sorts spill to disk
  transom run --json | jq .sinks[].rows          a report for programs
  transom run --select daily                     only what this step or sink needs
  transom run --locked                           in CI: nothing but what was locked")]
pub(crate) struct RunCommand {
    /// Publishes only these sinks, or the sinks of these steps, and runs only the steps that they need. May be repeated.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    select: Vec<String>,
    #[command(flatten)]
    session: SessionArgs,
    /// Rows of each result to show; 0 shows none. [default: 5]
    #[arg(long, value_name = "N")]
    head: Option<usize>,
    /// Of a pipeline that runs in slices: ends after so many of them.
    #[arg(long, value_name = "N")]
    max_slices: Option<u64>,
    /// Of a pipeline that runs in slices: begins none that would probably not be over by then, like `10m`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    deadline: Option<Duration>,
    /// Of a pipeline that runs in slices: computes and stages one, which `transom load` loads after a look at it.
    #[arg(long)]
    stage_only: bool,
    /// In a job of AWS Batch: a child of an array computes its share of the open backfill (`AWS_BATCH_JOB_ARRAY_INDEX`); a job without an
    /// index loads all shares, and computes those that are missing. Three quarters of the container's memory are for queries and plugins,
    /// unless `--memory` says how much.
    #[arg(long, conflicts_with_all = ["stage_only", "select"])]
    batch: bool,
    /// With `--batch`: the share to compute, from 0, whatever the index of the job.
    #[arg(long, value_name = "N", requires = "batch")]
    share: Option<u32>,
    /// Of a pipeline that runs in slices: goes on although another run works on it.
    #[arg(long)]
    force: bool,
    /// Requires a lock file that knows these sources and has these plugins' digests.
    #[arg(long)]
    locked: bool,
    /// Shows the values of the row that a plugin failed on with its error; they may be personal data.
    #[arg(long)]
    pub(crate) show_row: bool,
    /// Writes a report as JSON to stdout and no rows; after a failure, `{"error": ..}`.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a plan is executed.
#[derive(Debug, clap::Args)]
pub(super) struct SessionArgs {
    /// The time that SQL's `now()` and plugins see, like `2024-01-31` or `2024-01-31T10:00:00+01:00`. [default: now]
    #[arg(long, value_name = "TIMESTAMP", value_parser = clock)]
    clock: Option<std::time::SystemTime>,
    /// Memory for queries and plugins, like `256MB` or `2GiB`; beyond it, sorts and aggregates spill to disk. [default: no
    /// limit]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory: Option<usize>,
    /// Partitions of a plan, which run at the same time. [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = positive)]
    partitions: Option<usize>,
    /// Rows of a batch. [default: 8192; with `--memory` below 1GB: 2048]
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_rows: Option<usize>,
}

impl SessionArgs {
    pub(super) fn options(&self) -> SessionOptions {
        let defaults = SessionOptions::default();
        SessionOptions {
            partitions: self.partitions.unwrap_or(defaults.partitions),
            memory: self.memory.or(defaults.memory),
            batch_rows: self.batch_rows,
            time: LogicalTime {
                now: self.clock.unwrap_or(defaults.time.now),
                ..defaults.time
            },
            ..defaults
        }
    }
}

impl RunCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        let part = Part {
            sinks: selected(&pipeline, &self.select)?,
            ..Part::default()
        };
        let lock_path = Lock::path_of(&pipeline);
        let lock = Lock::read(&lock_path)?;
        if self.locked && lock.is_none() {
            return Err(unlocked(format!(
                "there is no lock file at `{}`",
                lock_path.display()
            )));
        }
        let plugins = context.plugins(&pipeline)?;
        if let (true, Some(lock)) = (self.locked, &lock) {
            check_locked(lock, &pipeline, &plugins)?;
        }
        if self.batch {
            signals::give_up_after(PATIENCE_OF_JOB);
        }
        let begun = Instant::now();
        let head = match (self.head, self.json, context.global.quiet) {
            (_, true, _) => 0,
            (Some(head), ..) => head,
            (None, _, true) => 0,
            (None, ..) => HEAD,
        };
        let mut session = self.session.options();
        if self.batch
            && session.memory.is_none()
            && let Some(whole) = memory::limit()
        {
            // Beyond what it has, a container is killed; within it, what is large is spilled.
            let own = SessionOptions::memory_within(whole);
            session.memory = Some(own);
            let memory = in_bytes(own);
            tracing::info!(target: "transom", memory, "three quarters of the container's memory are for queries and plugins");
        }
        if pipeline.is_sliced() {
            if !self.select.is_empty() {
                return Err(Failure::Usage {
                    message: "`--select` is for pipelines that do not run in slices".to_owned(),
                    hint: Some(
                        "a slice goes into all sinks: its inputs count as loaded afterwards"
                            .to_owned(),
                    ),
                });
            }
            let ready = Ready {
                pipeline,
                plugins,
                lock,
                session,
            };
            if let Some(share) = self.share_of_job()? {
                return stage_share(context, ready, share, self.json);
            }
            let options = SliceOptions {
                head,
                max_slices: self.max_slices,
                // A time that no clock reaches is none.
                deadline: self.deadline.and_then(|time| begun.checked_add(time)),
                compute_shares: self.batch,
                stage_only: self.stage_only,
                others: match self.force || self.batch {
                    true => Others::Overruled,
                    false => Others::Respected,
                },
                ..SliceOptions::default()
            };
            return load_slices(context, ready, async |_| Ok(()), &options, self.json);
        }
        if let Some(option) = self.of_slices() {
            return Err(Failure::Usage {
                message: format!(
                    "`{option}` is for pipelines that run in slices, and this one does not"
                ),
                hint: Some(SLICED_BY.to_owned()),
            });
        }
        let cancel = Cancel::new();
        let in_order = signals::in_order(&cancel);
        let report = context.block_on(async {
            let mut job = context.job(pipeline, plugins, lock).await?;
            job.session = session;
            job.cancel = cancel.clone();
            let progress = Progress::new(&context.printer);
            let mut planned = job.plan(Sources::Open, &part).await?;
            context.warn_of_unread(&planned);
            Ok(job
                .run(&mut planned, &RunOptions { head }, &progress)
                .await?)
        })?;
        drop(in_order);
        if self.json {
            return context.printer.json(&report).map_err(Failure::published);
        }
        for sink in &report.sinks {
            show(sink, head, &context.printer).map_err(Failure::published)?;
        }
        context.printer.say(&report);
        Ok(())
    }

    /// The option that only slices have, if one is given.
    fn of_slices(&self) -> Option<&'static str> {
        let given = [
            (self.max_slices.is_some(), "--max-slices"),
            (self.deadline.is_some(), "--deadline"),
            (self.stage_only, "--stage-only"),
            (self.force, "--force"),
            (self.share.is_some(), "--share"),
        ];
        given.iter().find(|(is, _)| *is).map(|(_, option)| *option)
    }

    /// The share of a backfill that this job computes.
    fn share_of_job(&self) -> Result<Option<u32>, Failure> {
        if self.share.is_some() || !self.batch {
            return Ok(self.share);
        }
        let Some(index) = std::env::var_os(ARRAY_INDEX) else {
            return Ok(None);
        };
        let index = index.to_str().and_then(|text| text.parse().ok());
        index.map(Some).ok_or_else(|| Failure::Usage {
            message: format!("`{ARRAY_INDEX}` is no number"),
            hint: Some("AWS Batch sets it in the children of an array of jobs".to_owned()),
        })
    }
}

/// A pipeline that runs in slices, and what its job needs.
pub(super) struct Ready {
    pub(super) pipeline: Pipeline,
    pub(super) plugins: Vec<Arc<Plugin>>,
    pub(super) lock: Option<Lock>,
    pub(super) session: SessionOptions,
}

/// Loads what is new, slice after slice, after what is to be done before.
pub(super) fn load_slices(
    context: &Context,
    ready: Ready,
    before: impl AsyncFnOnce(&Job) -> Result<(), Failure>,
    options: &SliceOptions,
    json: bool,
) -> Result<(), Failure> {
    let in_order = signals::in_order(&options.after_slice);
    let report = context.block_on(async {
        let mut job = context
            .job(ready.pipeline, ready.plugins, ready.lock)
            .await?;
        job.session = ready.session;
        before(&job).await?;
        let progress = Progress::new(&context.printer);
        Ok(job.run_slices(options, &progress).await)
    })?;
    drop(in_order);
    let printer = &context.printer;
    let report = match report {
        Ok(report) => report,
        Err(failure) => {
            let report = &failure.report;
            let has_loaded = !report.slices.is_empty() || !report.finished.is_empty();
            if has_loaded && !json {
                say_slices(report, printer);
            }
            return Err(failure.into());
        }
    };
    if let Some(backfill) = report.backfill {
        printer.warn_always(format_args!("{backfill}; {}", Backfill::HINT));
    }
    if json {
        printer.json(&report).map_err(Failure::published)?;
    } else {
        let staged = report.staged.as_ref().map(|staged| &staged.report);
        let last = report.slices.last().map(|slice| &slice.report);
        if let Some(last) = staged.or(last) {
            for sink in &last.sinks {
                show(sink, options.head, printer).map_err(Failure::published)?;
            }
        }
        say_slices(&report, printer);
        // A quiet program says nothing, and without its name a slice cannot be loaded.
        if let (true, Some(staged)) = (context.global.quiet, &report.staged) {
            printer.data(&staged.attempt)?;
        }
    }
    match options.after_slice.is_cancelled() && !report.done {
        true => Err(Failure::Stopped {
            loaded: report.slices.len(),
        }),
        false => Ok(()),
    }
}

/// Computes a share of the open backfill, and leaves it to the loader.
fn stage_share(context: &Context, ready: Ready, share: u32, json: bool) -> Result<(), Failure> {
    let staged = context.block_on(async {
        let mut job = context
            .job(ready.pipeline, ready.plugins, ready.lock)
            .await?;
        job.session = ready.session;
        let cancel = job.cancel.clone();
        let in_order = signals::in_order(&cancel);
        let progress = Progress::new(&context.printer);
        let staged = job.stage_share(share, &progress).await;
        drop(in_order);
        Ok(staged)
    })??;
    if json {
        return context.printer.json(&staged);
    }
    let backfill = staged.backfill;
    context.printer.say(format_args!(
        "share {share} of {} of backfill {} {}",
        backfill.shares,
        backfill.entry,
        if staged.computed {
            "is staged"
        } else {
            "was staged before"
        }
    ));
    Ok(())
}

/// The sinks of these names, and those that write the steps of these names; `None` for all, if nothing is selected.
fn selected(pipeline: &Pipeline, names: &[String]) -> Result<Option<Vec<String>>, Failure> {
    if names.is_empty() {
        return Ok(None);
    }
    let sinks = || pipeline.sinks.iter().map(|sink| sink.name.value.as_str());
    let steps = || pipeline.steps.iter().map(|step| step.name.value.as_str());
    let mut selected = Vec::new();
    for name in names {
        let writes =
            |sink: &&transom_file::Sink| sink.name.value == *name || sink.from.value == *name;
        let before = selected.len();
        let found = pipeline.sinks.iter().filter(writes);
        selected.extend(found.map(|sink| sink.name.value.clone()));
        if selected.len() > before {
            continue;
        }
        if pipeline.step(name).is_some() || pipeline.source(name).is_some() {
            return Err(Failure::Usage {
                message: format!("no sink writes `{name}`, so there is nothing to publish"),
                hint: Some(format!(
                    "the sinks are {}; `transom preview {name}` shows the rows",
                    list(sinks())
                )),
            });
        }
        let hint = format!(
            "the sinks are {}; the steps are {}",
            list(sinks()),
            list(steps())
        );
        let message = format!("there is no step or sink `{name}`");
        return Err(Failure::unknown(
            message,
            name,
            sinks().chain(steps()),
            hint,
        ));
    }
    Ok(Some(selected))
}

/// What a run of slices has loaded.
fn say_slices(report: &SlicesReport, printer: &Printer) {
    for entry in &report.finished {
        printer.say(format_args!(
            "finished entry {entry}, which an earlier run had left"
        ));
    }
    if let [slice] = report.slices.as_slice() {
        printer.say(&slice.report);
    } else {
        for SliceReport {
            entry,
            files,
            seconds,
            report,
        } in &report.slices
        {
            let sinks = report.sinks.iter();
            let sinks: Vec<String> = sinks
                .map(|sink| format!("{} {}", sink.name, counted(sink.rows, "row")))
                .collect();
            printer.say(format_args!(
                "slice {entry}: {}, {} in {seconds:.2} s",
                counted(*files, "file"),
                sinks.join(", "),
            ));
        }
        for note in report.notes() {
            printer.say(note);
        }
    }
    if let Some(staged) = &report.staged {
        printer.say(&staged.report);
        return printer.say(format_args!(
            "staged as {0}; `transom load {0}` loads it",
            staged.attempt
        ));
    }
    match (report.slices.len(), report.done) {
        (0, false) if report.backfill.is_some() => {}
        (0, true) => printer.say("nothing new"),
        (slices, done) => printer.say(format_args!(
            "loaded {}{}",
            counted(slices as u64, "slice"),
            if done { "" } else { "; there is more to load" }
        )),
    }
}

fn check_locked(
    lock: &Lock,
    pipeline: &transom_file::Pipeline,
    plugins: &[std::sync::Arc<transom_plugin::Plugin>],
) -> Result<(), Failure> {
    let names = |names: &[String]| {
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let changed = lock.changed_plugins(plugins);
    if !changed.is_empty() {
        return Err(unlocked(format!(
            "these plugins are not the ones in the lock file: {}",
            names(&changed)
        )));
    }
    let sources = pipeline
        .sources
        .iter()
        .filter(|source| lock.schema(source).is_none());
    let unknown: Vec<String> = sources.map(|source| source.name.value.clone()).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(unlocked(format!(
            "these sources are not in the lock file as they are read now: {}",
            names(&unknown)
        ))),
    }
}

fn unlocked(message: String) -> Failure {
    Error::Lock {
        message,
        hint: "lock what is there now with `transom lock`, and commit the file".to_owned(),
    }
    .into()
}

fn show(sink: &SinkReport, head: usize, printer: &Printer) -> Result<(), Failure> {
    let SinkReport {
        name,
        rows,
        head: batches,
        ..
    } = sink;
    if head == 0 {
        return Ok(());
    }
    let shown: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let of = match *rows {
        0 => "no rows".to_owned(),
        rows if rows == shown as u64 => counted(rows, "row"),
        rows => format!("the first {shown} of {}", counted(rows, "row")),
    };
    printer.data(format_args!("{NAME}{name}{NAME:#}: {of}"))?;
    match table::rows(batches, printer.width()) {
        Ok(Some(table)) => printer.data(table),
        Ok(None) => Ok(()),
        Err(error) => {
            printer.warn(format_args!("rows of `{name}` cannot be shown: {error}"));
            Ok(())
        }
    }
}
