//! `transom cache`: what Transom keeps between runs, and its removal.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use transom_build::cache_folder;
use transom_pipeline::report::Bytes;

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME};

/// Folders of the cache, and what is in them. All of it is made again when it is needed.
const PARTS: &[(&str, &str)] = &[
    ("guests", "compiled dependencies of plugins in Rust"),
    ("cwasm", "machine code of plugins"),
    ("python", "packages of plugins in Python"),
];

/// Show or remove what is kept between runs: compiled dependencies, machine code, packages.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom cache show
  transom cache clean             everything; the next build of a plugin in Rust takes a minute longer
  transom cache clean guests

The folder is `$TRANSOM_CACHE_DIR`, else `transom` in `$XDG_CACHE_HOME` or `~/.cache`.")]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the parts of the cache with their sizes.
    Show {
        /// Writes them as JSON to stdout.
        #[arg(long)]
        json: bool,
    },
    /// Remove the cache, or parts of it. Do not do it while a plugin is being built.
    Clean {
        /// Parts to remove. [default: all]
        #[arg(value_name = "PART", value_parser = ["guests", "cwasm", "python"])]
        parts: Vec<String>,
        /// Writes what was removed as JSON to stdout.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    path: PathBuf,
    bytes: u64,
    #[serde(skip)]
    what: &'static str,
}

impl CacheCommand {
    /// Whether stdout is to hold one JSON value and nothing else.
    pub(crate) fn is_json(&self) -> bool {
        match self.action {
            Action::Show { json } | Action::Clean { json, .. } => json,
        }
    }

    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let folder = cache_folder().map_err(|error| Failure::Usage {
            message: error.to_string(),
            hint: None,
        })?;
        let all = PARTS.iter().map(|&(name, what)| {
            let path = folder.join(name);
            Part {
                name,
                bytes: size(&path),
                path,
                what,
            }
        });
        let all: Vec<Part> = all.filter(|part| part.path.exists()).collect();
        match self.action {
            Action::Show { json: true } => context
                .printer
                .json(&json!({ "folder": folder, "parts": all })),
            Action::Show { json: false } => {
                for part in &all {
                    context.printer.data(line(part))?;
                }
                let total = all.iter().map(|part| part.bytes).sum();
                let folder = folder.display();
                context
                    .printer
                    .say(format_args!("{} in {folder}", Bytes(total)));
                Ok(())
            }
            Action::Clean { parts, json } => {
                let wanted = |part: &&Part| {
                    parts.is_empty() || parts.iter().any(|wanted| wanted == part.name)
                };
                let removed: Vec<&Part> = all.iter().filter(wanted).collect();
                for part in &removed {
                    std::fs::remove_dir_all(&part.path).map_err(|source| Failure::Io {
                        what: format!("the part `{}` of the cache cannot be removed", part.name),
                        source,
                    })?;
                }
                if json {
                    return context.printer.json(&json!({ "removed": removed }));
                }
                let total = removed.iter().map(|part| part.bytes).sum();
                context
                    .printer
                    .say(format_args!("removed {}", Bytes(total)));
                Ok(())
            }
        }
    }
}

fn line(part: &Part) -> String {
    let Part {
        name, bytes, what, ..
    } = part;
    format!(
        "{NAME}{name}{NAME:#}: {}, {FAINT}{what}{FAINT:#}",
        Bytes(*bytes)
    )
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
