//! `transom schema`: what editors need to complete and check `transom.yaml` and files of tests.

use clap::ValueEnum;
use transom_file::test_file;

use crate::context::Context;
use crate::failure::Failure;

/// Print the JSON Schema of `transom.yaml` or of a file of tests, for editors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom schema > transom.schema.json
  transom schema tests > tests.schema.json

  # First line of a transom.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=transom.schema.json")]
pub(crate) struct SchemaCommand {
    /// Which file is described: `transom.yaml`, or those in the folder `tests`.
    #[arg(value_name = "FILE", default_value = "pipeline")]
    described: Described,
}

/// A file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Described {
    // No doc comments: each would make the help of all options long.
    Pipeline,
    Tests,
}

impl SchemaCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        context.printer.json(&match self.described {
            Described::Pipeline => transom_file::json_schema(),
            Described::Tests => test_file::json_schema(),
        })
    }
}
