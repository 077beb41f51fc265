//! `transom version`: the program's version and those of what decides what it can run.

use serde::Serialize;

use crate::context::Context;
use crate::failure::Failure;

/// Print the versions of the program, the plugin contract and the engines.
#[derive(Debug, clap::Args)]
pub(crate) struct VersionCommand {
    /// Writes the versions as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Versions {
    transom: &'static str,
    contract: String,
    wasmtime: &'static str,
    datafusion: &'static str,
}

impl VersionCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let versions = Versions {
            transom: env!("CARGO_PKG_VERSION"),
            contract: transom_plugin::contract(),
            wasmtime: env!("WASMTIME_VERSION"),
            datafusion: datafusion::DATAFUSION_VERSION,
        };
        if self.json {
            return context.printer.json(&versions);
        }
        let Versions {
            transom,
            contract,
            wasmtime,
            datafusion,
        } = versions;
        context.printer.data(format_args!(
            "transom {transom}\ncontract {contract}\nwasmtime {wasmtime}\ndatafusion {datafusion}"
        ))
    }
}
