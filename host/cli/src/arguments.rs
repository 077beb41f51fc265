//! What can be asked for on the command line: the options of all commands, and the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::commands::{
    backfill, bench, build, cache, check, completions, doctor, gc, init, inspect, invoke, load,
    local, lock, package, plan, preview, reject, run, runs, schema, sink, state, template, test,
    verify, version,
};
use crate::context::Context;
use crate::failure::{EXIT_CODES, FailedRow, Failure};
use crate::values::variable;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

/// Data transforms in any language, compiled to WebAssembly, over Arrow batches and SQL.
#[derive(Debug, Parser)]
#[command(name = "transom", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
#[command(propagate_version = false, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// The pipeline's file.
    #[arg(
        short,
        long,
        global = true,
        value_name = "PATH",
        default_value = "transom.yaml"
    )]
    pub(crate) file: PathBuf,
    /// The environment to work for, one of the file's `targets`. [default: the file's `default_target`]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Sets a variable, stronger than the file and the target do. May be repeated.
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,
    /// Says nothing but errors; a run shows no rows unless `--head` asks for them.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Shows the program's log; twice for more of it. `TRANSOM_LOG` chooses finer (`plugin=debug`).
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colors; `auto` also looks at `NO_COLOR`.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    // No doc comments: each would take a line in the help of every command.
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::InitCommand),
    Run(run::RunCommand),
    Invoke(invoke::InvokeCommand),
    Template(template::TemplateCommand),
    Check(check::CheckCommand),
    Test(test::TestCommand),
    Preview(preview::PreviewCommand),
    Bench(bench::BenchCommand),
    Reject(reject::RejectCommand),
    Backfill(backfill::BackfillCommand),
    Load(load::LoadCommand),
    State(state::StateCommand),
    Runs(runs::RunsCommand),
    Rewind(state::RewindCommand),
    Reset(state::ResetCommand),
    Slice(state::SliceCommand),
    Gc(gc::GcCommand),
    Verify(verify::VerifyCommand),
    Sink(sink::SinkCommand),
    Plan(plan::PlanCommand),
    Lock(lock::LockCommand),
    Build(build::BuildCommand),
    Package(package::PackageCommand),
    Inspect(inspect::InspectCommand),
    Cache(cache::CacheCommand),
    Local(local::LocalCommand),
    Doctor(doctor::DoctorCommand),
    Schema(schema::SchemaCommand),
    Version(version::VersionCommand),
    Completions(completions::CompletionsCommand),
}

impl Command {
    /// Executes the command and says how it ended, also with words where it failed.
    pub(crate) fn execute(self, context: &Context) -> ExitCode {
        let (json, row) = (self.is_json(), self.failed_row());
        let result = match self {
            Self::Init(command) => command.execute(context),
            Self::Run(command) => command.execute(context),
            Self::Invoke(command) => command.execute(context),
            Self::Template(command) => command.execute(context),
            Self::Check(command) => command.execute(context),
            Self::Test(command) => command.execute(context),
            Self::Preview(command) => command.execute(context),
            Self::Bench(command) => command.execute(context),
            Self::Reject(command) => command.execute(context),
            Self::Backfill(command) => command.execute(context),
            Self::Load(command) => command.execute(context),
            Self::State(command) => command.execute(context),
            Self::Runs(command) => command.execute(context),
            Self::Rewind(command) => command.execute(context),
            Self::Reset(command) => command.execute(context),
            Self::Slice(command) => command.execute(context),
            Self::Gc(command) => command.execute(context),
            Self::Verify(command) => command.execute(context),
            Self::Sink(command) => command.execute(context),
            Self::Plan(command) => command.execute(context),
            Self::Lock(command) => command.execute(context),
            Self::Build(command) => command.execute(context),
            Self::Package(command) => command.execute(context),
            Self::Inspect(command) => command.execute(context),
            Self::Cache(command) => command.execute(context),
            Self::Local(command) => command.execute(context),
            Self::Doctor(command) => command.execute(context),
            Self::Schema(command) => command.execute(context),
            Self::Version(command) => command.execute(context),
            Self::Completions(command) => command.execute(context),
        };
        let Err(failure) = result else {
            return ExitCode::SUCCESS;
        };
        if let Failure::Closed = failure {
            return ExitCode::SUCCESS;
        }
        context.printer.failure(&failure, row);
        if json {
            // The exit code tells the failure also to a reader who is gone.
            let _ = context.printer.json(&failure.to_json(row));
        }
        ExitCode::from(failure.exit_code())
    }

    /// What is shown of a row that a plugin failed on.
    fn failed_row(&self) -> FailedRow {
        match self {
            Self::Run(command) => FailedRow::on_request(command.show_row),
            Self::Preview(command) => FailedRow::on_request(command.show_row),
            Self::Test(command) if command.create.is_some() => {
                FailedRow::on_request(command.show_row)
            }
            _ => FailedRow::Untold,
        }
    }

    /// Whether stdout is to hold one JSON value and nothing else.
    fn is_json(&self) -> bool {
        match self {
            Self::Run(command) => command.json,
            Self::Invoke(command) => command.is_json(),
            Self::Check(command) => command.json,
            Self::Test(command) => command.json,
            Self::Bench(command) => command.json,
            Self::Reject(command) => command.is_json(),
            Self::Backfill(command) => command.is_json(),
            Self::Load(command) => command.json,
            Self::State(command) => command.is_json(),
            Self::Runs(command) => command.is_json(),
            Self::Rewind(command) => command.is_json(),
            Self::Reset(command) => command.is_json(),
            Self::Slice(command) => command.is_json(),
            Self::Gc(command) => command.json,
            Self::Verify(command) => command.json,
            Self::Sink(command) => command.is_json(),
            Self::Plan(command) => command.json,
            Self::Lock(command) => command.json,
            Self::Build(command) => command.json,
            Self::Package(command) => command.json,
            Self::Inspect(command) => command.json,
            Self::Cache(command) => command.is_json(),
            Self::Local(command) => command.is_json(),
            Self::Doctor(command) => command.json,
            Self::Version(command) => command.json,
            Self::Init(_)
            | Self::Preview(_)
            | Self::Template(_)
            | Self::Schema(_)
            | Self::Completions(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn verify_cli() {
        Arguments::command().debug_assert();
    }
}
