//! `transom schema`: what editors need to complete and check `transom.yaml`.

use transom_pipeline::file;

use crate::context::Context;
use crate::failure::Failure;

/// Print the JSON Schema of `transom.yaml`, for editors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom schema > transom.schema.json

  # First line of a transom.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=transom.schema.json")]
pub(crate) struct SchemaCommand {}

impl SchemaCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        context.printer.json(&file::json_schema())
    }
}
