//! `transom load`: brings a slice into the log and into all sinks that `transom run --stage-only` has staged.

use transom_pipeline::slices::Command;

use super::state::{execute, report};
use crate::context::Context;
use crate::failure::Failure;

/// Load a slice that `transom run --stage-only` has staged.
///
/// It can be loaded as long as nothing else was loaded, rewound or backfilled since it was computed.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadCommand {
    /// The attempt, as `transom run --stage-only` has printed it.
    #[arg(value_name = "ATTEMPT")]
    attempt: String,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl LoadCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let load = Command::Load {
            attempt: self.attempt,
        };
        let done = execute(context, &load)?;
        report(context, &done, self.json)
    }
}
