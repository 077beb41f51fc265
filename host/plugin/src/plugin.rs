//! A loaded component: which interfaces it has, what it says it offers, and instances of it.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::bindings::{meta, runner, scalar, table};
use crate::description::Description;
use crate::error::{Result, load_error};
use crate::limits::Limits;
use crate::state::State;
use crate::wasi;

/// The contract's package; a plugin of another version is refused by name.
const PACKAGE: &str = "transom:plugin";
const VERSION: &str = "0.1.0";

/// The contract between host and plugins that this crate speaks, with its version: `transom:plugin@0.1.0`.
pub fn contract() -> String {
    format!("{PACKAGE}@{VERSION}")
}

/// A component that implements the contract, compiled and checked.
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) pre: InstancePre<State>,
    pub(crate) meta: meta::GuestIndices,
    pub(crate) scalar: Option<scalar::GuestIndices>,
    pub(crate) table: Option<table::GuestIndices>,
    pub(crate) runner: Option<Runner>,
    description: Description,
    digest: String,
    bytes: usize,
    imports: Vec<String>,
}

/// What a plugin of source files adds to the component that runs them.
pub(crate) struct Runner {
    pub(crate) indices: runner::GuestIndices,
    pub(crate) source: Source,
}

/// What a language runner is handed.
pub(crate) struct Source {
    /// Paths within the plugin, with what is in them.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// What an instance compiled them to; only the runner knows what it means.
    pub(crate) bytecode: Option<Vec<u8>>,
}

impl Source {
    /// Bytes of bytecode that are taken from the runner. The plugin has a say in what is in it, and the user's disk and every instance
    /// hold it. Compilers make about as much of it as there is source.
    pub(crate) fn max_bytecode(&self, limits: &Limits) -> usize {
        let source: usize = self.files.iter().map(|(_, bytes)| bytes.len()).sum();
        let max = source.saturating_mul(8).saturating_add(1 << 20);
        max.min(limits.component)
    }
}

/// What a plugin was loaded from.
pub(crate) struct Loaded {
    pub(crate) component: Component,
    /// What the author wrote, if the component is a language runner.
    pub(crate) source: Option<Source>,
    /// What it offers, if that is known.
    pub(crate) description: Option<Description>,
    /// SHA-256 of what the author built, hexadecimal.
    pub(crate) digest: String,
    /// Size of it.
    pub(crate) bytes: usize,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// A plugin that has not said yet what it offers: see [`describe_as`](Self::describe_as).
    pub(crate) fn new(
        name: &str,
        loaded: Loaded,
        linker: &Linker<State>,
        limits: Limits,
    ) -> Result<Self> {
        let Loaded {
            component,
            source,
            description: _,
            digest,
            bytes,
        } = loaded;
        let component_type = component.component_type();
        let engine = component.engine();
        let imports: Vec<String> = component_type
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        let exports: Vec<String> = component_type
            .exports(engine)
            .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)))
            .map(|(name, _)| name.to_owned())
            .collect();
        check_contract(name, &imports, &exports, source.is_some())?;
        let contract = |error: wasmtime::Error| load_error(name, format!("{error:#}"), None);
        let pre = linker.instantiate_pre(&component).map_err(contract)?;
        let has = |interface: &str| exports.contains(&format!("{PACKAGE}/{interface}@{VERSION}"));
        let meta = meta::GuestIndices::new(&pre).map_err(contract)?;
        let scalar = has("scalar")
            .then(|| scalar::GuestIndices::new(&pre))
            .transpose()
            .map_err(contract)?;
        let table = has("table")
            .then(|| table::GuestIndices::new(&pre))
            .transpose()
            .map_err(contract)?;
        let runner = source
            .map(|source| {
                let indices = runner::GuestIndices::new(&pre).map_err(contract)?;
                Ok(Runner { indices, source })
            })
            .transpose()?;
        Ok(Self {
            name: name.to_owned(),
            limits,
            pre,
            meta,
            scalar,
            table,
            runner,
            description: Description::default(),
            digest,
            bytes,
            // What the interpreter asks of WASI is answered with nothing, so it is nothing that the plugin has.
            imports: imports
                .into_iter()
                .filter(|import| !import.starts_with(wasi::PACKAGE))
                .collect(),
        })
    }

    /// Keeps what the plugin says it offers, and what its runner compiled its files to.
    pub(crate) fn describe_as(&mut self, description: Description, bytecode: Option<Vec<u8>>) {
        self.description = description;
        if let (Some(runner), Some(_)) = (&mut self.runner, &bytecode) {
            runner.source.bytecode = bytecode;
        }
    }

    /// What the pipeline calls the plugin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the plugin says it offers.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// SHA-256 of the component, or of the archive of source files; hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Size of the component or archive in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a language runner runs it: then its transforms move to new instances in long runs.
    pub fn has_runner(&self) -> bool {
        self.runner.is_some()
    }

    /// What a runner has compiled the plugin's files to.
    pub(crate) fn bytecode(&self) -> Option<&[u8]> {
        self.runner.as_ref()?.source.bytecode.as_deref()
    }

    /// Interfaces that the component asks of the host.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What an instance may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn check_contract(name: &str, imports: &[String], exports: &[String], is_run: bool) -> Result<()> {
    let of_package = |item: &&String| item.split('/').next() == Some(PACKAGE);
    let rebuild = || {
        Some(format!(
            "this transom speaks {PACKAGE}@{VERSION}: build the plugin again with its SDK"
        ))
    };
    let meta = format!("{PACKAGE}/meta@{VERSION}");
    if !exports.contains(&meta) {
        return Err(match exports.iter().chain(imports).find(of_package) {
            Some(other) => load_error(
                name,
                format!("it was built for another version of the contract (`{other}`)"),
                rebuild(),
            ),
            None => load_error(
                name,
                format!("it does not export `{meta}`, so it is no Transom plugin"),
                rebuild(),
            ),
        });
    }
    let host = format!("{PACKAGE}/host@{VERSION}");
    let types = format!("{PACKAGE}/types@{VERSION}");
    // What a language's interpreter needs to start is answered with nothing: crate::wasi.
    let answered = |import: &str| is_run && import.starts_with(wasi::PACKAGE);
    let other = |import: &&String| **import != host && **import != types && !answered(import);
    match imports.iter().find(other) {
        None => Ok(()),
        Some(other) => Err(load_error(
            name,
            format!("it imports `{other}`; a plugin is granted nothing but `{host}`"),
            Some("remove the code that needs files, network, clocks or randomness, or build with the plugin SDK".to_owned()),
        )),
    }
}
