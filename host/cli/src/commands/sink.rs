//! `transom sink`: tables of a warehouse that are behind the log, since they were restored or dropped.

use std::sync::Arc;

use transom_pipeline::lock::Lock;
use transom_pipeline::report::counted;
use transom_pipeline::slices::Behind;

use super::state::sliced;
use crate::context::Context;
use crate::failure::Failure;
use crate::printer::NAME;

/// Bring a table of a warehouse and its log together, after one of them was restored.
#[derive(Debug, clap::Args)]
pub(crate) struct SinkCommand {
    #[command(subcommand)]
    command: SinkOf,
}

#[derive(Debug, clap::Subcommand)]
enum SinkOf {
    Replay(ReplayCommand),
    Adopt(AdoptCommand),
}

/// Load again what a table lacks: its ledger is behind the log, since both were restored from a backup, or dropped.
///
/// The entries that it lacks are applied in order, from what they have staged. A gc deletes that after a while.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom sink replay mart             says what it would load
  transom sink replay mart --yes       loads it")]
struct ReplayCommand {
    #[command(flatten)]
    of: Of,
}

/// Declare a table right: its ledger is set to where the log is, and nothing is loaded.
///
/// For a table whose ledger was dropped or changed, or which someone has repaired by hand. Rows that it lacks are never loaded then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom sink adopt mart              says from where to where
  transom sink adopt mart --yes        does it")]
struct AdoptCommand {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The sink.
    #[arg(value_name = "SINK")]
    sink: String,
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Writes what was found or done as JSON to stdout.
    #[arg(long)]
    json: bool,
}

impl SinkCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let (of, is_replay) = match self.command {
            SinkOf::Replay(ReplayCommand { of }) => (of, true),
            SinkOf::Adopt(AdoptCommand { of }) => (of, false),
        };
        let Of { sink, yes, json } = of;
        let pipeline = sliced(context)?;
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let behind = context.block_on(async {
            let mut job = context.job(pipeline, Vec::new(), None).await?;
            job.lock = lock.map(Arc::new);
            Ok(match is_replay {
                true => job.replay(&sink, yes).await?,
                false => job.adopt(&sink, yes).await?,
            })
        })?;
        let printer = &context.printer;
        if json {
            return printer.json(&behind);
        }
        for entry in &behind.entries {
            let rows = match entry.kind {
                "slice" => counted(entry.rows, "row"),
                _ => String::new(),
            };
            printer.data(format_args!(
                "{NAME}{:>6}{NAME:#} {:<12} {rows}",
                entry.entry, entry.kind
            ))?;
        }
        printer.say(said(&behind, is_replay, yes));
        Ok(())
    }

    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            SinkOf::Replay(replay) => replay.of.json,
            SinkOf::Adopt(adopt) => adopt.of.json,
        }
    }
}

fn said(behind: &Behind, is_replay: bool, yes: bool) -> String {
    let Behind {
        sink,
        at,
        expected,
        entries,
    } = behind;
    let at = match at {
        Some(at) => format!("is at entry {at}"),
        None => "is not there, or has not one row".to_owned(),
    };
    let todo = match is_replay {
        true if entries.is_empty() => {
            return format!("the ledger of sink `{sink}` {at}: nothing is missing");
        }
        true => format!(
            "apply {} to the table",
            match entries.len() {
                1 => "1 entry".to_owned(),
                many => format!("{many} entries"),
            }
        ),
        false => format!("set it to entry {expected}"),
    };
    match (yes, is_replay) {
        (false, _) => {
            format!("the ledger of sink `{sink}` {at}; would {todo}; say `--yes` to do it")
        }
        (true, true) => format!("the table of sink `{sink}` is at entry {expected} now"),
        (true, false) => format!("the ledger of sink `{sink}` is at entry {expected} now"),
    }
}
