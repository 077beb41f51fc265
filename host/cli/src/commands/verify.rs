//! `transom verify`: whether the log and the tables of a pipeline that runs in slices agree.

use serde_json::json;
use transom_pipeline::report::{Count, counted};
use transom_pipeline::slices::{Finding, Verification};

use super::state::sliced;
use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME};

/// Compare the log with the tables, of a pipeline that runs in slices.
///
/// Looks at each entry of the log, at the files of each table, at pointers, and at ledgers and numbers of rows in Redshift. Says what is
/// wrong and what to do, and changes nothing. Ends with 1 if something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom verify                 whether all files are there, with their sizes
  transom verify --deep          reads them, and compares their checksums
  transom verify --json | jq '.findings[]'")]
pub(crate) struct VerifyCommand {
    /// Reads the files of all tables.
    #[arg(long)]
    deep: bool,
    /// Writes what was found as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl VerifyCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = sliced(context)?;
        let verification = context.block_on(async {
            let job = context.job(pipeline, Vec::new(), None).await?;
            Ok(job.verify(self.deep).await?)
        })?;
        let printer = &context.printer;
        if self.json && verification.findings.is_empty() {
            return printer.json(&verification);
        }
        if !self.json {
            for Finding {
                sink,
                problem,
                hint,
            } in &verification.findings
            {
                let what = sink
                    .as_deref()
                    .map_or("log".to_owned(), |sink| format!("sink {sink}"));
                printer.data(format_args!(
                    "{NAME}{what}{NAME:#}: {problem}\n  {FAINT}{hint}{FAINT:#}"
                ))?;
            }
            printer.say(summary(&verification));
        }
        match verification.findings.len() {
            0 => Ok(()),
            found => Err(Failure::Damaged {
                found,
                report: json!(verification),
            }),
        }
    }
}

fn summary(verification: &Verification) -> String {
    let Verification {
        entries,
        unfinished,
        sinks,
        files,
        rows,
        deep,
        findings: _,
    } = verification;
    let how = if *deep { "read" } else { "looked at" };
    let mut text = format!(
        "{how} {} of the log, {}, {}",
        match entries {
            1 => "1 entry".to_owned(),
            entries => format!("{} entries", Count(*entries)),
        },
        counted(*sinks, "table"),
        counted(*files, "file"),
    );
    if *rows > 0 {
        text += &format!(", counted {}", counted(*rows, "row"));
    }
    if let Some(entry) = unfinished {
        text += &format!("; entry {entry} is not in all sinks yet: `transom run` completes it");
    }
    text
}
