//! Compiling plugins for another machine than this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use super::{Checked, Compiled, MANIFEST, Machine, Manifest, WASMTIME};
use crate::cache::hex;
use crate::engine::{Runtime, config};
use crate::error::load_error;
use crate::error::{Error, Result};
use crate::plugin::Plugin;

/// The code of the runner for Python; no plugin's name has a dot.
const PYTHON_RUNNER: &str = "python.runner.cwasm";

/// Compiles plugins for a machine, into a folder that [`CompiledPlugins::open`](super::CompiledPlugins::open) takes. Each is given with
/// the component or archive that it was loaded from. The same plugins give the same bytes.
///
/// # Errors
/// If a file cannot be read or written, or this program cannot compile for that machine.
pub fn compile_ahead(
    runtime: &Runtime,
    plugins: &[(Arc<Plugin>, PathBuf)],
    machine: Machine,
    folder: &Path,
) -> Result<()> {
    let ahead = Ahead {
        engine: engine(machine)?,
        folder,
    };
    fs::create_dir_all(folder).map_err(failed(MANIFEST))?;
    let mut runner: Option<Checked> = None;
    let mut compiled = BTreeMap::new();
    for (plugin, path) in plugins {
        let built = read(path)?;
        if hex(&Sha256::digest(&built)) != plugin.digest() {
            let reason = format!("`{}` has changed since it was loaded", path.display());
            return Err(load_error(plugin.name(), reason, None));
        }
        let entry = match plugin.has_runner() {
            false => ahead.component(plugin, &built)?,
            true => {
                let runner = match &mut runner {
                    Some(runner) => runner,
                    runner => runner.insert(ahead.python_runner(runtime, plugin)?),
                };
                ahead.source(plugin, &built, runner.clone())?
            }
        };
        compiled.insert(plugin.name().to_owned(), entry);
    }
    let manifest = Manifest {
        transom: env!("CARGO_PKG_VERSION").to_owned(),
        wasmtime: WASMTIME.to_owned(),
        machine,
        plugins: compiled,
    };
    let text = serde_json::to_string_pretty(&manifest);
    let text = text.map_err(|error| failed(MANIFEST)(error.into()))?;
    ahead.write(MANIFEST, text.as_bytes()).map(drop)
}

struct Ahead<'a> {
    engine: Engine,
    folder: &'a Path,
}

impl Ahead<'_> {
    fn component(&self, plugin: &Plugin, wasm: &[u8]) -> Result<Compiled> {
        let file = format!("{}.cwasm", plugin.name());
        let code = self.write(&file, &self.compile(plugin.name(), wasm)?)?;
        Ok(entry(plugin, code))
    }

    /// A plugin of source: the runner's code, its archive, and what the runner has compiled that to.
    fn source(&self, plugin: &Plugin, archive: &[u8], runner: Checked) -> Result<Compiled> {
        let name = plugin.name();
        let archive = self.write(&format!("{name}.zip"), archive)?;
        let bytecode = plugin.bytecode();
        let bytecode = bytecode.map(|bytes| self.write(&format!("{name}.bytecode"), bytes));
        Ok(Compiled {
            archive: Some(archive),
            bytecode: bytecode.transpose()?,
            ..entry(plugin, runner)
        })
    }

    fn python_runner(&self, runtime: &Runtime, plugin: &Plugin) -> Result<Checked> {
        let Some(path) = &runtime.python_runner else {
            let reason = "there is no runner for Python".to_owned();
            return Err(load_error(plugin.name(), reason, None));
        };
        let code = self.compile(plugin.name(), &read(path)?)?;
        self.write(PYTHON_RUNNER, &code)
    }

    fn compile(&self, name: &str, wasm: &[u8]) -> Result<Vec<u8>> {
        let code = self.engine.precompile_component(wasm);
        code.map_err(|error| load_error(name, format!("{error:#}"), None))
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<Checked> {
        let path = self.folder.join(file);
        fs::write(&path, bytes).map_err(failed(file))?;
        Ok(Checked {
            file: file.to_owned(),
            sha256: hex(&Sha256::digest(bytes)),
        })
    }
}

fn entry(plugin: &Plugin, code: Checked) -> Compiled {
    Compiled {
        digest: plugin.digest().to_owned(),
        bytes: plugin.bytes(),
        code,
        archive: None,
        bytecode: None,
        description: plugin.description().clone(),
    }
}

/// A file that cannot be written.
fn failed(file: &str) -> impl Fn(std::io::Error) -> Error {
    let plugin = file.to_owned();
    move |source| Error::Host {
        plugin: plugin.clone(),
        source: source.into(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// An engine that compiles for a machine; nothing can be run in it, so it needs no pool.
fn engine(machine: Machine) -> Result<Engine> {
    let (triple, level) = match machine {
        Machine::X86_64 => ("x86_64-unknown-linux-gnu", Some("x86-64-v2")),
        Machine::Aarch64 => ("aarch64-unknown-linux-gnu", None),
    };
    let mut config = config(false);
    let engine = config.target(triple).and_then(|config| {
        if let Some(level) = level {
            // SAFETY: the code may use what processors of this level have; where one has not, wasmtime refuses to load it.
            unsafe { config.cranelift_flag_enable(level) };
        }
        Engine::new(config)
    });
    engine.map_err(|error| {
        let reason = format!("this program cannot compile for {machine}: {error:#}");
        let hint = "package on a machine of the function's architecture";
        load_error("(engine)", reason, Some(hint.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use wasmtime::ModuleVersionStrategy;
    use wasmtime::component::Component;

    use super::*;

    #[test]
    fn compiled_code_carries_the_release_of_wasmtime() {
        let machine = Machine::of_this_program().unwrap();
        // The shortest component there is: a preamble.
        let code = engine(machine)
            .unwrap()
            .precompile_component(b"\0asm\x0d\0\x01\0")
            .unwrap();
        let mut other = config(false);
        other
            .module_version(ModuleVersionStrategy::Custom("other".to_owned()))
            .unwrap();
        // SAFETY: this program has just compiled it.
        let error =
            unsafe { Component::deserialize(&Engine::new(&other).unwrap(), code) }.unwrap_err();
        assert!(
            error.to_string().contains(&format!("'{WASMTIME}'")),
            "{error}"
        );
    }

    #[test]
    fn code_is_not_for_this_processor_alone() {
        let machine = Machine::of_this_program().unwrap();
        let code = engine(machine)
            .unwrap()
            .precompile_component(b"\0asm\x0d\0\x01\0")
            .unwrap();
        for pooling in [true, false] {
            let mut config = config(pooling);
            // SAFETY: nothing is run. It plays a processor that has what the level asks for and nothing else.
            unsafe {
                config.detect_host_feature(|feature| {
                    let level = ["cmpxchg16b", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"];
                    Some(level.contains(&feature))
                });
            }
            // Without a compiler, which would look at the real processor.
            config.enable_compiler(false);
            let engine = Engine::new(&config).unwrap();
            // SAFETY: this program has just compiled it.
            unsafe { Component::deserialize(&engine, &code) }.unwrap();
        }
    }
}
