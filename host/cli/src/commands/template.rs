//! `transom template`: what deploys the pipeline on AWS, written without building anything.

use std::path::PathBuf;

use transom_plugin::Machine;

use crate::context::Context;
use crate::failure::Failure;
use crate::package::pipeline::check_reachable;
use crate::package::template::write_templates;

/// Write the template that deploys the pipeline on AWS, with its state machines.
///
/// `transom package` writes the same beside the function; this command builds nothing.
/// The template has a role that may do what the pipeline needs and no more; each permission says why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom template --target prod                 template.yaml, states.json and backfill.json here
  transom template --target prod --out deploy")]
pub(crate) struct TemplateCommand {
    /// The folder to write to, which is made if there is none. Files that are there are overwritten.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

impl TemplateCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        check_reachable(&pipeline)?;
        std::fs::create_dir_all(&self.out).map_err(|source| Failure::Io {
            what: format!("`{}` cannot be made", self.out.display()),
            source,
        })?;
        let machine = Machine::of_this_program().unwrap_or(Machine::X86_64);
        write_templates(&pipeline, &context.variables(), machine, &self.out)?;
        context.printer.say(format_args!(
            "wrote template.yaml, states.json and backfill.json to {}",
            self.out.display()
        ));
        Ok(())
    }
}
