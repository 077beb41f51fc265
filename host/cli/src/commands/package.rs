//! `transom package`: the pipeline as a Lambda function and as a container's image.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::json;
use transom_file::Pipeline;
use transom_plugin::Machine;

use crate::context::Context;
use crate::failure::Failure;
use crate::package::archive::{self, Sizes};
use crate::package::program::{Glibc, Program};
use crate::package::template::{TEMPLATES, write_templates};
use crate::package::{image, pipeline, write_function};

/// Where packages are written.
const OUT: &str = ".transom/package";

/// What is written; nothing else in the folder is replaced.
const FUNCTION: &str = "lambda";
const ZIP: &str = "lambda.zip";
const IMAGE: &str = "batch";

/// Where a package is written until it is complete.
const NEW: &str = ".new";

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
        pipeline::check_locked(&pipeline)?;
        let bootstrap = Program::bootstrap(self.bootstrap.as_deref())?;
        bootstrap.check_runs_with(Glibc::OF_LAMBDA, "Lambda")?;
        let out = self.out.unwrap_or_else(|| pipeline.root.join(OUT));
        let new = prepare(&out)?;
        let written = write(context, &pipeline, &bootstrap, &new);
        let (sizes, image) = match written {
            Ok(written) => written,
            Err(failure) => {
                // What is half written is of no use; the next package would delete it.
                let _ = fs::remove_dir_all(&new);
                return Err(failure);
            }
        };
        replace(&new, &out)?;
        // Batch takes what Lambda does not.
        sizes.check()?;
        let (function, zip) = (out.join(FUNCTION), out.join(ZIP));
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

/// Makes the folder in which a package is written; what an earlier one has left in `out` stays until this one is complete.
fn prepare(out: &Path) -> Result<PathBuf, Failure> {
    let ours = [FUNCTION, ZIP, IMAGE, NEW].map(|name| out.join(name));
    let there = ours.iter().find(|path| path.exists());
    if let (Some(there), false) = (there, out.join(MARKER).exists()) {
        return Err(Failure::Usage {
            message: format!("`{}` was not written by `transom package`", there.display()),
            hint: Some("name another folder with `--out`".to_owned()),
        });
    }
    let new = out.join(NEW);
    let made = remove(&new)
        .and_then(|()| fs::create_dir_all(new.join(FUNCTION)))
        .and_then(|()| fs::write(out.join(MARKER), ""));
    made.map(|()| new).map_err(not_prepared)
}

/// Writes a package, and says how large the function is and whether there is an image.
fn write(
    context: &Context,
    pipeline: &Pipeline,
    bootstrap: &Program,
    new: &Path,
) -> Result<(Sizes, bool), Failure> {
    let function = new.join(FUNCTION);
    write_templates(pipeline, &context.variables(), bootstrap.machine, new)?;
    write_function(context, pipeline, bootstrap, &function)?;
    let sizes = archive::zip(&function, &new.join(ZIP))?;
    let image = write_image(context, &function, bootstrap.machine, &new.join(IMAGE))?;
    Ok((sizes, image))
}

/// Puts a package in the place of an earlier one.
fn replace(new: &Path, out: &Path) -> Result<(), Failure> {
    let replaced = [FUNCTION, ZIP, IMAGE].into_iter().chain(TEMPLATES);
    let mut replaced = replaced.map(|name| (new.join(name), out.join(name)));
    replaced
        .try_for_each(|(from, to)| {
            remove(&to)?;
            match from.exists() {
                true => fs::rename(from, to),
                // An image is not always written.
                false => Ok(()),
            }
        })
        .and_then(|()| remove(new))
        .map_err(not_prepared)
}

/// Removes a folder or a file, if it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if path.exists() => fs::remove_file(path),
        false => Ok(()),
    }
}

fn not_prepared(source: std::io::Error) -> Failure {
    Failure::Io {
        what: "the package's folder cannot be prepared".to_owned(),
        source,
    }
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
