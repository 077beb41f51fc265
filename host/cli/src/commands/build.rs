//! `transom build`: plugins' folders to components.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use transom_build::{BuildOptions, Built, Language};
use transom_pipeline::report::Bytes;
use transom_plugin::Limits;

use crate::context::{Context, python_runner};
use crate::failure::{FailedRow, Failure};
use crate::printer::{FAINT, NAME};
use crate::watch::{self, Seen};

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
  transom build --watch                  again whenever a file of one is saved
  transom build plugins/* --json")]
pub(crate) struct BuildCommand {
    /// Folders of plugins. [default: those of the pipeline, or this folder]
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Asks no package registry for anything.
    #[arg(long)]
    offline: bool,
    /// Builds what a saved file belongs to, again and again until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
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
        let folders = self.folders(context)?;
        if self.watch && !folders.is_empty() {
            return watch(context, &folders, &options);
        }
        let mut all = Vec::new();
        for folder in &folders {
            let built = build(context, folder, &options)?;
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

/// Builds a plugin and loads it: packing looks at no line of Python, and no compiler looks at what a plugin says that it offers. Such a
/// mistake is reported now, and not when a pipeline is run.
fn build(context: &Context, folder: &Path, options: &BuildOptions) -> Result<Built, Failure> {
    let built = transom_build::build(folder, options).map_err(|source| Failure::Build {
        folder: folder.to_owned(),
        source,
    })?;
    if built.language != Language::Python || python_runner().is_some() {
        let runtime = context.plugin_runtime()?;
        runtime.load(&built.name, &built.component, Limits::default())?;
    }
    Ok(built)
}

/// A folder of a plugin that is watched.
struct Watched {
    folder: PathBuf,
    /// All files that were ever a source of it: one that is gone, or that a mistake in the manifest hides, is still looked at.
    files: BTreeSet<PathBuf>,
    is_stale: bool,
}

/// Builds all plugins, then rebuilds each one whose files change, until Ctrl-C. Reports an error and waits for the next save.
fn watch(context: &Context, folders: &[PathBuf], options: &BuildOptions) -> Result<(), Failure> {
    let mut all: Vec<Watched> = folders
        .iter()
        .map(|folder| Watched {
            folder: folder.clone(),
            files: BTreeSet::new(),
            is_stale: true,
        })
        .collect();
    loop {
        let mut seen = Seen::now(look(&mut all));
        for plugin in all.iter().filter(|plugin| plugin.is_stale) {
            match build(context, &plugin.folder, options) {
                Ok(built) => context.printer.data(line(&built))?,
                Err(failure) => context.printer.failure(&failure, FailedRow::Untold),
            }
        }
        // What a build writes for the first time, such as `Cargo.lock`, was not saved by the author.
        seen.add(look(&mut all));
        let saved = watch::changes(&context.printer, &seen, || look(&mut all));
        for plugin in &mut all {
            plugin.is_stale = saved.iter().any(|file| plugin.files.contains(file));
        }
    }
}

/// The files of all plugins, with those that are new.
fn look(all: &mut [Watched]) -> Vec<PathBuf> {
    for plugin in all.iter_mut() {
        plugin
            .files
            .extend(transom_build::source_files(&plugin.folder));
    }
    all.iter().flat_map(|plugin| plugin.files.clone()).collect()
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
