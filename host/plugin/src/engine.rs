//! One Wasm engine per process: its settings, its clock, and the way from a file to a plugin.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fs_err as fs;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::host;
use crate::cache::{CompiledCache, hex};
use crate::compiler;
use crate::error::{Error, Result, load_error};
use crate::instance::Instance;
use crate::limits::{
    Exceeded, Limits, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES, WASM_STACK,
};
use crate::packed;
use crate::plugin::{Loaded, Plugin, Source};
use crate::stamp::Sum;
use crate::state::State;
use crate::wasi;

/// How often running guests look up: a limit on time or a cancelled query takes effect within one tick.
const TICK: Duration = Duration::from_millis(10);

/// Memories and tables that the pool holds; beyond it instances fail to start, so it is far more than partitions times
/// plugins of any pipeline on one machine.
const POOL: u32 = 1000;

/// Core instances that the pool holds. They take memory only when they are there.
const CORE_INSTANCES: u32 = 100_000;

/// Once this many slots are idle, an instance takes the oldest of them, whatever component used it last, and not a fresh one. So
/// about this many more slots are ever touched than there were instances at once.
const WARM_SLOTS: u32 = 16;

/// How much of its memory a slot keeps when its instance has ended, in bytes.
const WARM_MEMORY: usize = 2 << 20;

/// Stack of the thread that compiles: Cranelift recurses where code is nested.
const COMPILER_STACK: usize = 16 << 20;

/// Settings of a [`Runtime`].
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// Folder for compiled code; `None` compiles every time.
    pub cache: Option<PathBuf>,
    /// The component that runs plugins of Python source. Without it they cannot be compiled.
    pub python_runner: Option<PathBuf>,
    /// What the file `<runner>.digest` must hold, asked for when a plugin of Python source is loaded: another release's runner may
    /// compute something else. `None` takes any.
    pub python_runner_digest: Option<fn() -> String>,
}

/// Loads plugins. One per process: engines do not share compiled code.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) engine: Engine,
    cache: Option<CompiledCache>,
    pub(crate) python_runner: Option<PathBuf>,
    python_runner_digest: Option<fn() -> String>,
    /// Loaded when the first plugin needs it, for all plugins of its language; with its SHA-256.
    runner: Arc<Mutex<Option<(Component, Sum)>>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("cache", &self.cache)
            .field("python_runner", &self.python_runner)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Makes the engine and starts its clock.
    pub fn new(options: RuntimeOptions) -> Result<Self> {
        let host_error = |source: wasmtime::Error| Error::Host {
            plugin: "(engine)".into(),
            source: source.into(),
        };
        // A pool makes instances cheap but reserves address space that containers with a limit on it do not give.
        let engine = match Engine::new(&config(true)) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::debug!(%error, "no room for an instance pool; instances are allocated on demand");
                Engine::new(&config(false)).map_err(host_error)?
            }
        };
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("transom-epoch".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|error| host_error(error.into()))?;
        Ok(Self {
            engine,
            cache: options.cache.map(CompiledCache::new),
            python_runner: options.python_runner,
            python_runner_digest: options.python_runner_digest,
            runner: Arc::default(),
        })
    }

    /// Loads the component or the archive of source files in `path`. `name` is what errors call it.
    pub fn load(&self, name: &str, path: &Path, limits: Limits) -> Result<Arc<Plugin>> {
        let read_error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let size = fs::metadata(path).map_err(read_error)?.len();
        check_size(name, size, &limits)?;
        // A pipe or a device has no size, and a file may grow while it is read.
        let mut wasm = Vec::new();
        fs::File::open(path)
            .and_then(|file| {
                file.take(limits.component as u64 + 1)
                    .read_to_end(&mut wasm)
            })
            .map_err(read_error)?;
        self.load_bytes(name, &wasm, limits)
    }

    /// Loads a component, or an archive of source files, from memory.
    pub fn load_bytes(&self, name: &str, bytes: &[u8], limits: Limits) -> Result<Arc<Plugin>> {
        check_size(name, bytes.len() as u64, &limits)?;
        let digest: Sum = Sha256::digest(bytes).into();
        if bytes.starts_with(packed::MAGIC) {
            return self.load_source(name, bytes, digest, limits);
        }
        check_is_component(name, bytes)?;
        let loaded = Loaded {
            component: self.compile_in_time(name, bytes, digest, &limits)?,
            source: None,
            description: None,
            digest: hex(&digest),
            bytes: bytes.len(),
        };
        self.link(name, loaded, limits)
    }

    /// Loads an archive of source files, with what the runner has compiled them to if that is known.
    fn load_source(
        &self,
        name: &str,
        bytes: &[u8],
        digest: Sum,
        limits: Limits,
    ) -> Result<Arc<Plugin>> {
        let files = packed::unpack(bytes, limits.component);
        let files = files.map_err(|reason| load_error(name, reason, None))?;
        let (component, runner) = self.runner(name)?;
        let cache = self.cache.as_ref();
        let bytecode = cache.and_then(|cache| cache.find_bytecode(&runner, &digest));
        let is_known = bytecode.is_some();
        let loaded = Loaded {
            component,
            source: Some(Source { files, bytecode }),
            description: None,
            digest: hex(&digest),
            bytes: bytes.len(),
        };
        let plugin = self.link(name, loaded, limits)?;
        if let (Some(cache), Some(bytecode), false) = (cache, plugin.bytecode(), is_known) {
            cache.keep_bytecode(&runner, &digest, bytecode);
        }
        Ok(plugin)
    }

    /// Makes a plugin of what was loaded.
    pub(crate) fn link(
        &self,
        name: &str,
        mut loaded: Loaded,
        limits: Limits,
    ) -> Result<Arc<Plugin>> {
        let host_error = |error: wasmtime::Error| Error::Host {
            plugin: name.to_owned(),
            source: error.into(),
        };
        let mut linker = Linker::<State>::new(&self.engine);
        host::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(host_error)?;
        if loaded.source.is_some() {
            wasi::add_to_linker(&mut linker, &self.engine, &loaded.component)
                .map_err(host_error)?;
        }
        let known = loaded.description.take();
        let mut plugin = Plugin::new(name, loaded, &linker, limits)?;
        match known {
            Some(description) => plugin.describe_as(description, None),
            None => {
                let (description, bytecode) = Instance::describe(&plugin)?;
                plugin.describe_as(description, bytecode);
            }
        }
        Ok(Arc::new(plugin))
    }

    fn cached(&self, digest: &Sum) -> Option<Component> {
        self.cache.as_ref()?.find(&self.engine, digest)
    }

    fn compile(&self, wasm: &[u8], digest: &Sum) -> wasmtime::Result<Component> {
        match &self.cache {
            Some(cache) => cache.compile(&self.engine, wasm, digest),
            None => compiler::compile(&self.engine, wasm),
        }
    }

    /// Compiles what others wrote: for as long as the limits say, whatever the compiler is at then.
    fn compile_in_time(
        &self,
        name: &str,
        wasm: &[u8],
        digest: Sum,
        limits: &Limits,
    ) -> Result<Component> {
        if let Some(component) = self.cached(&digest) {
            return Ok(component);
        }
        let refused = |reason: String| load_error(name, reason, None);
        let (runtime, wasm) = (self.clone(), wasm.to_owned());
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("transom-compile".into())
            .stack_size(COMPILER_STACK)
            .spawn(move || {
                // The receiver is gone if it took too long.
                let _ = sender.send(runtime.compile(&wasm, &digest));
            })
            .map_err(|error| Error::Host {
                plugin: name.to_owned(),
                source: error.into(),
            })?;
        match receiver.recv_timeout(limits.compile_time) {
            Ok(compiled) => compiled.map_err(|error| refused(format!("{error:#}"))),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(refused("the compiler crashed over it".to_owned()))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::Limit {
                plugin: name.to_owned(),
                exceeded: Exceeded::CompileTime(limits.compile_time),
            }),
        }
    }

    /// The component that runs Python and its SHA-256, for the plugin `name`.
    fn runner(&self, name: &str) -> Result<(Component, Sum)> {
        let mut runner = self.runner.lock();
        if let Some(loaded) = &*runner {
            return Ok(loaded.clone());
        }
        let Some(path) = &self.python_runner else {
            return Err(load_error(
                name,
                "it is Python source, and there is no runner for Python".to_owned(),
                Some("name the runner's file in `TRANSOM_PYTHON_RUNNER`".to_owned()),
            ));
        };
        if let Some(expected) = self.python_runner_digest {
            let mut beside = path.clone().into_os_string();
            beside.push(".digest");
            let found = fs::read_to_string(PathBuf::from(beside)).unwrap_or_default();
            let wrong = match path.is_file() {
                false => Some("does not exist"),
                true if found.trim() != expected() => Some("is not of this program's release"),
                true => None,
            };
            if let Some(wrong) = wrong {
                return Err(load_error(
                    name,
                    format!("the Python runner `{}` {wrong}", path.display()),
                    Some(
                        "install program and runner together, or build it with `./dev python-runner` in a checkout of Transom"
                            .to_owned(),
                    ),
                ));
            }
        }
        let loaded = self.compiled_runner(name, path)?;
        *runner = Some(loaded.clone());
        Ok(loaded)
    }

    fn compiled_runner(&self, name: &str, path: &Path) -> Result<(Component, Sum)> {
        let read_error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        // Its 30 MB are not read if they were before.
        if let Some(cache) = &self.cache {
            let digest = cache.digest_of(path).map_err(read_error)?;
            if let Some(component) = cache.find(&self.engine, &digest) {
                return Ok((component, digest));
            }
        }
        let wasm = fs::read(path).map_err(read_error)?;
        tracing::warn!(target: "transom", "compiling the Python runner, once: this takes some seconds");
        let digest: Sum = Sha256::digest(&wasm).into();
        let component = self.compile(&wasm, &digest).map_err(|error| {
            let reason = format!("the runner `{}`: {error:#}", path.display());
            load_error(name, reason, None)
        })?;
        Ok((component, digest))
    }
}

/// The settings that compiled code depends on are the same with a pool and without one.
pub(crate) fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Off, since the contract is synchronous and the bookkeeping slows every call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // For debuggers and profilers outside of this process; wasmtime finds its frames without.
        .native_unwind_info(false)
        // Guest stacks are shallow; `with_stack` sees to it that so much is there.
        .max_wasm_stack(WASM_STACK);
    if pooling {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(POOL)
            .total_core_instances(CORE_INSTANCES)
            .total_memories(POOL)
            .total_tables(POOL)
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(4 << 20)
            .max_core_instances_per_component(MAX_INSTANCES)
            .max_memories_per_component(MAX_MEMORIES)
            .max_tables_per_component(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .max_unused_warm_slots(WARM_SLOTS);
        // What an instance has written is put back by copying and not by giving its pages to the kernel: the next one in its place
        // would fault for each of them, which is half of what starting Go costs. Which pages those are, Linux says since 6.7;
        // elsewhere wasmtime would write the first 2 MiB of every place, used or not, and all of that would stay.
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.linear_memory_keep_resident(WARM_MEMORY)
                .pagemap_scan(Enabled::Auto);
        }
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn check_size(name: &str, size: u64, limits: &Limits) -> Result<()> {
    match usize::try_from(size) {
        Ok(size) if size <= limits.component => Ok(()),
        _ => Err(Error::Limit {
            plugin: name.to_owned(),
            exceeded: Exceeded::Component {
                allowed: limits.component,
                size: usize::try_from(size).unwrap_or(usize::MAX),
            },
        }),
    }
}

/// Tells the usual wrong files apart before wasmtime explains them in its own words.
fn check_is_component(name: &str, wasm: &[u8]) -> Result<()> {
    let build = Some("make a plugin from its folder with `transom build`".to_owned());
    match wasm {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(load_error(
            name,
            "it is a core WebAssembly module, not a component".into(),
            build,
        )),
        [b'\0', b'a', b's', b'm', ..] => Err(load_error(
            name,
            "it is not a WebAssembly component of a known version".into(),
            build,
        )),
        _ => Err(load_error(
            name,
            "it is not a WebAssembly file".into(),
            build,
        )),
    }
}
