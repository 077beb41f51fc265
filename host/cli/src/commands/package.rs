//! `transom package`: the pipeline as a Lambda function and as a container's image.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::json;
use transom_plugin::Machine;

use crate::context::Context;
use crate::failure::Failure;
use crate::package::program::{Glibc, Program};
use crate::package::template::write_templates;
use crate::package::{archive, image, pipeline, write_function};

/// Where packages are written.
const OUT: &str = ".transom/package";

/// What is written; nothing else in the folder is replaced.
const FUNCTION: &str = "lambda";
const ZIP: &str = "lambda.zip";
const IMAGE: &str = "batch";

/// A file that says that a folder was written by this command.
const MARKER: &str = ".transom-package";

/// Package the pipeline for AWS: a Lambda function, and what an image for Batch is built from.
///
/// Plugins are compiled to machine code, so that the function starts at once and needs no compiler. `lambda/` is the function's
/// folder, `lambda.zip` the same for upload, and `batch/` is built with docker or podman. `template.yaml` deploys them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom package --target prod
  transom package --target prod --out dist
  transom package --bootstrap dist/bootstrap")]
pub(crate) struct PackageCommand {
    /// The folder to write into. [default: .transom/package beside the pipeline]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The function's program. [default: the one that came with `transom`]
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
    /// Writes what was packaged as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl PackageCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        pipeline::check_reachable(&pipeline)?;
        let bootstrap = Program::bootstrap(self.bootstrap.as_deref())?;
        bootstrap.check_runs_with(Glibc::OF_LAMBDA, "Lambda")?;
        let out = self.out.unwrap_or_else(|| pipeline.root.join(OUT));
        prepare(&out)?;
        let (function, zip) = (out.join(FUNCTION), out.join(ZIP));
        write_function(context, &pipeline, &bootstrap, &function)?;
        let sizes = archive::zip(&function, &zip)?;
        // Batch takes what Lambda does not.
        let image = write_image(context, &function, bootstrap.machine, &out.join(IMAGE))?;
        sizes.check()?;
        write_templates(&pipeline, bootstrap.machine, &out)?;
        if self.json {
            return context.printer.json(&json!({
                "function": function,
                "zip": zip,
                "sizes": sizes,
                "image": image.then(|| out.join(IMAGE)),
            }));
        }
        context
            .printer
            .data(format_args!("{}: {sizes}", zip.display()))
    }
}

/// Empties the folder of what an earlier package has left there.
fn prepare(out: &Path) -> Result<(), Failure> {
    let io = |source| Failure::Io {
        what: "the package's folder cannot be prepared".to_owned(),
        source,
    };
    let ours = [FUNCTION, ZIP, IMAGE].map(|name| out.join(name));
    let there = ours.iter().find(|path| path.exists());
    if let (Some(there), false) = (there, out.join(MARKER).exists()) {
        return Err(Failure::Usage {
            message: format!("`{}` was not written by `transom package`", there.display()),
            hint: Some("name another folder with `--out`".to_owned()),
        });
    }
    for path in ours {
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false if path.exists() => fs::remove_file(&path),
            false => Ok(()),
        };
        removed.map_err(io)?;
    }
    let function = out.join(FUNCTION);
    let made = fs::create_dir_all(&function).and_then(|()| fs::write(out.join(MARKER), ""));
    made.map_err(io)
}

/// Writes what an image is built from, unless this program runs on other machines than the function; returns whether it did.
fn write_image(
    context: &Context,
    function: &Path,
    machine: Machine,
    folder: &Path,
) -> Result<bool, Failure> {
    let io = |source| Failure::Io {
        what: "this program cannot be read".to_owned(),
        source,
    };
    let program = Program::read(&std::env::current_exe().map_err(io)?)?;
    if program.machine != machine {
        context.printer.say(format_args!(
            "no image: this program is for {}, and the function for {machine}",
            program.machine
        ));
        return Ok(false);
    }
    image::write(&program, function, folder)?;
    Ok(true)
}
