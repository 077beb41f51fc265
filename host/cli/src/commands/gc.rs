//! `transom gc`: what a pipeline that runs in slices has left, and no entry of its log needs.

use std::sync::Arc;
use std::time::Duration;

use transom_pipeline::lock::Lock;
use transom_pipeline::report::{Bytes, counted};
use transom_pipeline::slices::{Garbage, Gc, GcOptions, Why};

use super::state::sliced;
use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME, Printer};
use crate::values::time;

/// Delete what a pipeline that runs in slices needs no more.
///
/// That is what killed and overtaken runs have left; staged files of slices that all sinks have; versions of tables that no entry shows
/// which can still be gone back to; files without rows that rewinds have put into tables; notes of closed backfills; and reports of runs
/// that are old or more than 1,000. Without `--yes` it is only said. A rewind to an entry that was not kept is refused afterwards;
/// `transom reset` always works. It is safe while runs work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom gc                                   says what it would delete
  transom gc --yes                             deletes it
  transom gc --older-than 2d --keep-slices 3 --yes")]
pub(crate) struct GcCommand {
    /// Keeps what is newer, and what is needed to go back to any entry since.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "14d")]
    older_than: Duration,
    /// Keeps what is needed to take back so many slices, however old they are.
    #[arg(long, value_name = "N", default_value_t = 10)]
    keep_slices: u64,
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Writes what was found or deleted as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl GcCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = sliced(context)?;
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let options = GcOptions {
            older_than: self.older_than,
            keep_slices: self.keep_slices,
        };
        let gc = context.block_on(async {
            let mut job = context.job(pipeline, Vec::new(), None).await?;
            job.lock = lock.map(Arc::new);
            Ok(match self.yes {
                true => job.gc(&options).await?,
                false => job.garbage(&options).await?,
            })
        })?;
        let printer = &context.printer;
        if self.json {
            return printer.json(&gc);
        }
        gc.garbage
            .iter()
            .try_for_each(|garbage| show(garbage, printer))?;
        printer.say(summary(&gc, self.yes));
        Ok(())
    }
}

fn show(garbage: &Garbage, printer: &Printer) -> Result<(), Failure> {
    let Garbage {
        why,
        attempt,
        entry,
        sink,
        files,
        bytes,
        ..
    } = garbage;
    let entry = entry.map(|entry| entry.to_string()).unwrap_or_default();
    let why = match why {
        Why::Dead => "of an attempt that never came into the log",
        Why::Loaded => "staged; the table has the rows",
        Why::Superseded => "a version that is not shown any more",
        Why::Unreachable => "documents that no entry needs",
        Why::Emptied => "without rows, which were taken back",
    };
    let place = sink.as_deref().unwrap_or("beside the log");
    printer.data(format_args!(
        "{NAME}{entry:>6}{NAME:#} {place}: {}, {}: {why} {FAINT}{attempt}{FAINT:#}",
        counted(*files, "file"),
        Bytes(*bytes)
    ))
}

fn summary(gc: &Gc, yes: bool) -> String {
    let files: u64 = gc.garbage.iter().map(|garbage| garbage.files).sum();
    let bytes: u64 = gc.garbage.iter().map(|garbage| garbage.bytes).sum();
    let mut amount = format!("{}, {}", counted(files, "file"), Bytes(bytes));
    for (count, what) in [(gc.runs, "report"), (gc.spent, "note")] {
        if count > 0 {
            amount = format!("{amount} and {}", counted(count, what));
        }
    }
    let back = match gc.keeps {
        0 | 1 => "a rewind can go back to any entry".to_owned(),
        keeps => format!("a rewind can go back to entry {keeps}, to later ones, and to 0"),
    };
    match (files + gc.runs + gc.spent, yes) {
        (0, _) => format!("nothing to delete; {back}"),
        (_, true) => format!("deleted {amount}; {back}"),
        (_, false) => format!("would delete {amount}; then {back}; say `--yes` to do it"),
    }
}
