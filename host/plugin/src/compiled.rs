//! Plugins that were compiled ahead of time, for a program without a compiler that must start at once.
//!
//! They are a folder: machine code (`.cwasm`), one file for each component; of plugins of source, the archive and its bytecode; and
//! `plugins.json`, which says what each file is, what each plugin offers, and what the code was compiled with and for.
//!
//! Loading machine code is as unsafe as running it. A digest that does not match finds what was torn or mixed up on its way to the
//! machine. It stops no attacker, who would write another digest; but whoever can write to the folder of a program can replace the
//! program as well.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use crate::cache::hex;
use crate::description::Description;
use crate::engine::Runtime;
use crate::error::load_error;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::packed;
use crate::plugin::{Loaded, Plugin, Source};
use crate::stamp::Stamp;

#[cfg(feature = "compiler")]
mod ahead;

#[cfg(feature = "compiler")]
pub use self::ahead::compile_ahead;

/// The file that says what is in the folder.
const MANIFEST: &str = "plugins.json";

/// The release of wasmtime, as far as compiled code depends on it.
const WASMTIME: &str = "48";

/// What machine code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Machine {
    /// x86-64 of the level v2, which every such processor since 2009 has. Neither Lambda nor Batch say on which processor they run
    /// something, so the code must not depend on the one of the machine that packages. Of v3,
    /// plugins would use little: WebAssembly's vectors have 128 bits.
    #[serde(rename = "x86-64-v2")]
    X86_64,
    /// ARM of 64 bits, with nothing that is optional.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Machine {
    /// The machine that this program was compiled for, if it is one of these.
    #[must_use]
    pub fn of_this_program() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Release of this crate that has compiled them.
    transom: String,
    /// Release of wasmtime.
    wasmtime: String,
    machine: Machine,
    plugins: BTreeMap<String, Compiled>,
}

/// A plugin.
#[derive(Debug, Serialize, Deserialize)]
struct Compiled {
    /// SHA-256 of what the author built, hexadecimal.
    digest: String,
    /// Size of it.
    bytes: usize,
    code: Checked,
    /// What the author wrote, if the code is a language runner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<Checked>,
    /// What the runner has compiled it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytecode: Option<Checked>,
    description: Description,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checked {
    file: String,
    sha256: String,
}

impl Checked {
    /// Where the file is, if it is what was written.
    fn path(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(&self.file);
        let found = Stamp::of(&path, None).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        match hex(&found.digest) == self.sha256 {
            true => Ok(path),
            false => Err(again(&self.file, "its content is not what was compiled")),
        }
    }

    fn read(&self, folder: &Path) -> Result<Vec<u8>> {
        let path = self.path(folder)?;
        fs::read(&path).map_err(|source| Error::Read { path, source })
    }
}

/// An error of which the way out is to compile again.
fn again(plugin: &str, reason: impl Into<String>) -> Error {
    let hint = "make the package again, with `transom package` of this program's release";
    load_error(plugin, reason.into(), Some(hint.to_owned()))
}

/// Plugins that were compiled ahead of time.
#[derive(Clone)]
pub struct CompiledPlugins {
    runtime: Runtime,
    folder: PathBuf,
    manifest: Arc<Manifest>,
    /// By file.
    components: BTreeMap<String, Component>,
}

impl fmt::Debug for CompiledPlugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledPlugins")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl CompiledPlugins {
    /// Whether a folder has compiled plugins.
    #[must_use]
    pub fn are_in(folder: &Path) -> bool {
        folder.join(MANIFEST).is_file()
    }

    /// Takes the machine code of a folder into this process.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the code is for another machine, or of another release than this program.
    pub fn open(runtime: &Runtime, folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(&folder.join(MANIFEST))?;
        let mut components = BTreeMap::new();
        for (name, plugin) in &manifest.plugins {
            let code = &plugin.code;
            if components.contains_key(&code.file) {
                continue;
            }
            let path = code.path(folder)?;
            // SAFETY: the file has the digest that `compile_ahead` wrote with it, and belongs to the program's own folder;
            // wasmtime itself refuses code of another release or with other settings, and code for features that this processor has
            // not.
            let component = unsafe { Component::deserialize_file(&runtime.engine, &path) };
            let component = component.map_err(|error| {
                let machine = manifest.machine;
                again(
                    name,
                    format!("its code is for {machine}, and this machine cannot run it: {error:#}"),
                )
            })?;
            components.insert(code.file.clone(), component);
        }
        Ok(Self {
            runtime: runtime.clone(),
            folder: folder.to_owned(),
            manifest: Arc::new(manifest),
            components,
        })
    }

    /// The plugin of a name. Cheap: nothing is compiled, and the plugin is not asked what it offers.
    ///
    /// # Errors
    /// If there is none of this name, or its source cannot be read.
    pub fn load(&self, name: &str, limits: Limits) -> Result<Arc<Plugin>> {
        let plugin = self.manifest.plugins.get(name);
        let plugin = plugin.ok_or_else(|| again(name, "it is not among the compiled plugins"))?;
        let Some(component) = self.components.get(&plugin.code.file) else {
            return Err(again(name, "there is no code of it"));
        };
        let source = match &plugin.archive {
            None => None,
            Some(archive) => {
                let files = packed::unpack(&archive.read(&self.folder)?, limits.component);
                let bytecode = plugin.bytecode.as_ref();
                Some(Source {
                    files: files.map_err(|reason| load_error(name, reason, None))?,
                    bytecode: bytecode.map(|file| file.read(&self.folder)).transpose()?,
                })
            }
        };
        let loaded = Loaded {
            component: component.clone(),
            source,
            description: Some(plugin.description.clone()),
            digest: plugin.digest.clone(),
            bytes: plugin.bytes,
        };
        self.runtime.link(name, loaded, limits)
    }
}

impl Manifest {
    fn read(path: &Path) -> Result<Self> {
        /// What all releases write.
        #[derive(Deserialize)]
        struct Releases {
            transom: String,
            wasmtime: String,
            machine: String,
        }
        let text = fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let shown = path.display().to_string();
        let unreadable = |error| again(&shown, format!("it cannot be read: {error}"));
        let found: Releases = serde_json::from_slice(&text).map_err(unreadable)?;
        let (transom, wasmtime) = (env!("CARGO_PKG_VERSION"), WASMTIME);
        if (found.transom.as_str(), found.wasmtime.as_str()) != (transom, wasmtime) {
            return Err(again(
                &shown,
                format!(
                    "it was compiled by transom {} with wasmtime {}, and this is transom {transom} with wasmtime {wasmtime}",
                    found.transom, found.wasmtime
                ),
            ));
        }
        let this = Machine::of_this_program();
        if this.is_none_or(|this| this.to_string() != found.machine) {
            return Err(again(
                &shown,
                format!(
                    "it was compiled for {}, and this program runs on {}",
                    found.machine,
                    this.map_or(std::env::consts::ARCH.to_owned(), |this| this.to_string())
                ),
            ));
        }
        serde_json::from_slice(&text).map_err(unreadable)
    }
}
