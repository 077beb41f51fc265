//! `transom backfill`: loads much at once, in shares that processes compute side by side.

use transom_pipeline::Job;
use transom_pipeline::lock::Lock;
use transom_pipeline::report::counted;
use transom_pipeline::slices::{Backfill, BackfillOptions, Command, SliceOptions};

use super::run::{HEAD, Ready, SessionArgs, load_slices};
use super::state::{execute, report, sliced};
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;

/// Load a history, or partitions again, in shares that are computed side by side.
///
/// Without a subcommand, this process does everything: it opens a backfill, or goes on with the open one, computes its shares and loads
/// them, in order. In AWS Batch, an array of jobs computes the shares and one job loads them: both are `transom run --batch`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  transom backfill                                    all that is new
  transom backfill --from 2024-01-01 --to 2024-01-31  these partitions again, changed or not
  transom backfill plan --shares 20 --json            only says what the shares are
  transom run --batch --share 3                       computes one of them
  transom run --batch                                 loads them, in order"
)]
pub(crate) struct BackfillCommand {
    #[command(flatten)]
    all: AllCommand,
    #[command(subcommand)]
    command: Option<BackfillOf>,
}

#[derive(Debug, clap::Subcommand)]
enum BackfillOf {
    Plan(PlanCommand),
    End(EndCommand),
}

/// Which inputs, and how many shares.
#[derive(Debug, Clone, clap::Args)]
struct Which {
    /// The first partition, for a source with `incremental: { by: .. }`: it is loaded again, changed or not.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    from: Option<String>,
    /// The last partition.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    to: Option<String>,
    /// Shares at most, of about the same size. [default: as `slices` in the pipeline's file bounds them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shares: Option<u32>,
}

/// Open a backfill: write into the log what each of its shares reads. Nothing else is loaded until all of them are.
#[derive(Debug, clap::Args)]
struct PlanCommand {
    #[command(flatten)]
    which: Which,
    /// Writes the backfill as JSON to stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct AllCommand {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    session: SessionArgs,
    /// Writes a report as JSON to stdout and no rows; after a failure, `{"error": ..}`.
    #[arg(long)]
    json: bool,
}

/// Close the open backfill. What is loaded of it stays; the next run loads what is new.
#[derive(Debug, clap::Args)]
struct EndCommand {
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

impl BackfillCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => self.all.execute(context),
            Some(BackfillOf::Plan(command)) => command.execute(context),
            Some(BackfillOf::End(command)) => command.execute(context),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            None => self.all.json,
            Some(BackfillOf::Plan(plan)) => plan.json,
            Some(BackfillOf::End(end)) => end.json,
        }
    }
}

impl PlanCommand {
    fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = sliced(context)?;
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let planned = context.block_on(async {
            let job = context.job(pipeline, Vec::new(), lock).await?;
            let progress = Progress::new(&context.printer);
            Ok(job.plan_backfill(&self.which.into(), &progress).await?)
        })?;
        if self.json {
            return context.printer.json(&planned);
        }
        match planned {
            None => context.printer.say("nothing new"),
            Some(Backfill { entry, shares, .. }) => context.printer.say(format_args!(
                "backfill {entry} is open: {}; `transom run --batch --share N` computes one, `transom run --batch` loads them",
                counted(u64::from(shares), "share")
            )),
        }
        Ok(())
    }
}

impl EndCommand {
    fn execute(self, context: &Context) -> Result<(), Failure> {
        if self.yes {
            let done = execute(context, &Command::EndBackfill)?;
            return report(context, &done, self.json);
        }
        let pipeline = sliced(context)?;
        let open = context.block_on(async {
            let job = context.job(pipeline, Vec::new(), None).await?;
            Ok(job.check_backfill_end().await?)
        })?;
        if self.json {
            return context.printer.json(&open);
        }
        let Backfill {
            entry,
            shares,
            loaded,
            missing,
        } = open;
        let computed = (shares - loaded).saturating_sub(missing);
        context.printer.say(format_args!(
            "would close backfill {entry}: {loaded} of {} loaded, which stay; {computed} computed and not loaded, which are given up; \
             {missing} not computed; say `--yes` to do it",
            counted(u64::from(shares), "share")
        ));
        Ok(())
    }
}

impl AllCommand {
    fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = sliced(context)?;
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let ready = Ready {
            plugins: context.plugins(&pipeline)?,
            pipeline,
            lock,
            session: self.session.options(),
        };
        let options = SliceOptions {
            head: match self.json || context.global.quiet {
                true => 0,
                false => HEAD,
            },
            compute_shares: true,
            ..SliceOptions::default()
        };
        let (which, printer) = (self.which, &context.printer);
        let open = async |job: &Job| {
            let open = match job.open_backfill().await? {
                Some(open) if which.is_given() => return Err(is_open(open)),
                Some(open) => Some(open),
                None => {
                    let progress = Progress::new(printer);
                    job.plan_backfill(&which.into(), &progress).await?
                }
            };
            if let Some(open) = open {
                printer.say(format_args!(
                    "backfill {}: {} of {} loaded",
                    open.entry,
                    open.loaded,
                    counted(u64::from(open.shares), "share")
                ));
            }
            Ok(())
        };
        load_slices(context, ready, open, &options, self.json)
    }
}

fn is_open(open: Backfill) -> Failure {
    Failure::Usage {
        message: format!(
            "backfill {} is open, with {} of {} loaded: its shares are chosen",
            open.entry,
            open.loaded,
            counted(u64::from(open.shares), "share")
        ),
        hint: Some(
            "leave `--from`, `--to` and `--shares` away to go on with it, or close it with `transom backfill end`"
                .to_owned(),
        ),
    }
}

impl From<Which> for BackfillOptions {
    fn from(which: Which) -> Self {
        Self {
            from: which.from,
            to: which.to,
            shares: which.shares,
        }
    }
}

impl Which {
    fn is_given(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.shares.is_some()
    }
}
