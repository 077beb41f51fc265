//! `transom build`: plugins' folders to components.

use std::path::{Path, PathBuf};

use serde_json::json;
use transom_build::{BuildOptions, Built};
use transom_pipeline::report::Bytes;

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME};

/// Build plugins: their folders to WebAssembly components.
///
/// A component appears as `.transom/NAME.wasm` in the plugin's folder, the packed source of a Python plugin as `.transom/NAME.zip`.
/// The same source and compiler give the same digest on
/// every machine. `transom run` builds what is stale by itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom build                          all plugins of the pipeline here, or the plugin that is here
  transom build plugins/aviation
  transom build plugins/* --json")]
pub(crate) struct BuildCommand {
    /// Folders of plugins. [default: those of the pipeline, or this folder]
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Asks no package registry for anything.
    #[arg(long)]
    offline: bool,
    /// Writes what was built as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl BuildCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let options = BuildOptions {
            offline: self.offline,
            quiet: context.global.quiet,
            ..BuildOptions::default()
        };
        let mut all = Vec::new();
        for folder in self.folders(context)? {
            let failed = |source| Failure::Build {
                folder: folder.clone(),
                source,
            };
            let built = transom_build::build(&folder, &options).map_err(failed)?;
            if !self.json {
                context.printer.data(line(&built))?;
            }
            all.push(built);
        }
        if self.json {
            let all: Vec<_> = all.iter().map(to_json).collect();
            context.printer.json(&json!({ "plugins": all }))?;
        }
        Ok(())
    }

    fn folders(&self, context: &Context) -> Result<Vec<PathBuf>, Failure> {
        if !self.folders.is_empty() {
            return Ok(self.folders.clone());
        }
        let here = Path::new(".");
        if !context.global.file.exists() && transom_build::detect(here).is_ok() {
            return Ok(vec![here.to_owned()]);
        }
        let pipeline = context.pipeline()?;
        // A plugin that is given as a component has nothing to be built from.
        let folders: Vec<PathBuf> = pipeline
            .plugins
            .iter()
            .map(|plugin| plugin.path.value.clone())
            .filter(|path| path.is_dir())
            .collect();
        if folders.is_empty() {
            context
                .printer
                .say("no plugin of this pipeline is a folder: there is nothing to build");
        }
        Ok(folders)
    }
}

fn line(built: &Built) -> String {
    let Built {
        component,
        name,
        bytes,
        digest,
        language,
        took,
    } = built;
    let (bytes, took) = (Bytes(*bytes), took.as_secs_f64());
    let digest = digest.get(..12).unwrap_or(digest);
    let path = relative(component);
    format!(
        "{NAME}{name}{NAME:#}: {language}, {bytes}, sha256 {digest}, {took:.1} s {FAINT}->{FAINT:#} {}",
        path.display()
    )
}

/// Relative to the current folder where it is inside of it.
fn relative(path: &Path) -> &Path {
    let here = std::env::current_dir()
        .and_then(std::fs::canonicalize)
        .unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path)
}

fn to_json(built: &Built) -> serde_json::Value {
    let Built {
        component,
        name,
        bytes,
        digest,
        language,
        took,
    } = built;
    json!({
        "name": name,
        "component": component,
        "language": language.to_string(),
        "bytes": bytes,
        "digest": digest,
        "seconds": took.as_secs_f64(),
    })
}
