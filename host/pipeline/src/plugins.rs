//! A pipeline's plugins: built if need be, loaded, described.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transom_plugin::{CompiledPlugins, Description, Limits, Plugin, Runtime};

use crate::builder::{BuildFailure, Builder, Found};
use crate::error::{Error, Result};
use crate::lock::Lock;
use transom_file::{Pipeline, Problem, Problems};

/// The folder beside a packaged pipeline in which its plugins are, compiled ahead of time.
pub const COMPILED: &str = "compiled";

/// A pipeline's plugins, as far as checking can have them without running a compiler.
#[derive(Debug, Default)]
pub struct Looked {
    /// Those whose component is that of their source.
    pub plugins: Vec<Arc<Plugin>>,
    /// What the lock file says of those that have to be built, by name: their functions can be planned.
    pub described: BTreeMap<String, Description>,
    /// That they have to be built.
    pub problems: Vec<Problem>,
}

impl Looked {
    /// What a plugin offers, as it is loaded or as the lock file says.
    pub fn described(&self, name: &str) -> Option<&Description> {
        let mut loaded = self.plugins.iter();
        loaded
            .find(|plugin| plugin.name() == name)
            .map(|plugin| plugin.description())
            .or_else(|| self.described.get(name))
    }

    /// Names of all plugins of which it is known what they offer.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let loaded = self.plugins.iter().map(|plugin| plugin.name());
        loaded.chain(self.described.keys().map(String::as_str))
    }
}

/// Loads all plugins of a pipeline, in its order, and builds those whose source is not what their component was built from. `building` is
/// called with the name of each plugin that is being built.
pub fn load(
    pipeline: &Pipeline,
    runtime: &Runtime,
    builder: &dyn Builder,
    building: impl Fn(&str),
) -> Result<Vec<Arc<Plugin>>> {
    let mut plugins = Vec::new();
    for plugin in &pipeline.plugins {
        let component = component(plugin, builder, &building)?;
        plugins.push(load_component(pipeline, plugin, runtime, &component)?);
    }
    all(plugins)
}

/// The component of a plugin, built if need be; `building` is called with the plugin's name if that takes a while.
///
/// # Errors
/// If it cannot be built.
pub fn component(
    plugin: &transom_file::Plugin,
    builder: &dyn Builder,
    building: &dyn Fn(&str),
) -> Result<PathBuf> {
    let (name, path) = (&plugin.name.value, &plugin.path.value);
    if path.is_file() {
        return Ok(path.clone());
    }
    let built = builder.component(path, &|| building(name));
    built.map_err(build_failed(name))
}

/// Loads all plugins of a pipeline, in its order, from those that were compiled ahead of time.
///
/// # Errors
/// All plugins that cannot be loaded.
pub fn load_compiled(pipeline: &Pipeline, compiled: &CompiledPlugins) -> Result<Vec<Arc<Plugin>>> {
    let plugins = pipeline.plugins.iter().map(|plugin| {
        let loaded = compiled.load(&plugin.name.value, limits(&plugin.limits));
        located(pipeline, plugin, loaded)
    });
    all(plugins.collect::<Result<_>>()?)
}

/// All plugins, or all that is wrong with them.
fn all(plugins: Vec<Result<Arc<Plugin>, Problem>>) -> Result<Vec<Arc<Plugin>>> {
    let mut problems = Vec::new();
    let plugins = plugins.into_iter();
    let plugins =
        plugins.filter_map(|plugin| plugin.map_err(|problem| problems.push(problem)).ok());
    let plugins = plugins.collect();
    match problems.is_empty() {
        true => Ok(plugins),
        false => Err(Problems(problems).into()),
    }
}

/// Loads the plugins that need no compiler: built ones, and source that is packed at once. Of the others it takes what the lock file says.
pub fn look(
    pipeline: &Pipeline,
    runtime: &Runtime,
    builder: &dyn Builder,
    lock: Option<&Lock>,
) -> Result<Looked> {
    let mut looked = Looked::default();
    for plugin in &pipeline.plugins {
        let name = &plugin.name.value;
        let component = match component_of(pipeline, plugin, builder)? {
            Ok(component) => component,
            Err(problem) => {
                looked.problems.push(problem);
                if let Some(locked) = lock.and_then(|lock| lock.plugins.get(name)) {
                    looked
                        .described
                        .insert(name.clone(), locked.description.clone());
                }
                continue;
            }
        };
        match load_component(pipeline, plugin, runtime, &component)? {
            Ok(loaded) => looked.plugins.push(loaded),
            Err(problem) => looked.problems.push(problem),
        }
    }
    Ok(looked)
}

fn load_component(
    pipeline: &Pipeline,
    plugin: &transom_file::Plugin,
    runtime: &Runtime,
    component: &Path,
) -> Result<Result<Arc<Plugin>, Problem>> {
    let loaded = runtime.load(&plugin.name.value, component, limits(&plugin.limits));
    located(pipeline, plugin, loaded)
}

/// What is wrong with a plugin is a problem of the pipeline, which names it.
fn located(
    pipeline: &Pipeline,
    plugin: &transom_file::Plugin,
    loaded: transom_plugin::Result<Arc<Plugin>>,
) -> Result<Result<Arc<Plugin>, Problem>> {
    let name = &plugin.name.value;
    match loaded {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(error @ (transom_plugin::Error::Load { .. } | transom_plugin::Error::Read { .. })) => {
            let mut problem = pipeline.problem_at(plugin.path.span, error.to_string());
            problem.hint = error.hint();
            Ok(Err(problem))
        }
        Err(source) => Err(Error::Plugin {
            what: format!("loading plugin `{name}` failed"),
            source: Arc::new(source),
            row: None,
        }),
    }
}

fn build_failed(plugin: &str) -> impl Fn(BuildFailure) -> Error {
    let plugin = plugin.to_owned();
    move |source| Error::Build {
        plugin: plugin.clone(),
        source,
    }
}

/// The component of a plugin, without a compiler: the file itself, what its folder was built to, what is packed at once.
fn component_of(
    pipeline: &Pipeline,
    plugin: &transom_file::Plugin,
    builder: &dyn Builder,
) -> Result<Result<PathBuf, Problem>> {
    let (name, path) = (&plugin.name.value, &plugin.path.value);
    if path.is_file() {
        return Ok(Ok(path.clone()));
    }
    let message = match builder.find(path).map_err(build_failed(name))? {
        Found::UpToDate(component) => return Ok(Ok(component)),
        Found::Missing => format!("plugin `{name}` has not been built"),
        // What it offers may be something else by now.
        Found::Stale => format!("plugin `{name}` has changed since it was built"),
    };
    let shown = shown(&pipeline.root, path);
    let problem = pipeline.problem_at(plugin.path.span, message);
    Ok(Err(problem.with_hint(format!(
        "build it with `transom build {shown}`"
    ))))
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The limits that the file sets, over the defaults.
fn limits(file: &transom_file::Limits) -> Limits {
    let transom_file::Limits {
        memory_bytes,
        call_time,
        output_bytes,
        state_bytes,
    } = file;
    let defaults = Limits::default();
    let size = |bytes: &Option<u64>, default| {
        bytes.map_or(default, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        })
    };
    Limits {
        memory: size(memory_bytes, defaults.memory),
        output: size(output_bytes, defaults.output),
        state: size(state_bytes, defaults.state),
        call_time: call_time.unwrap_or(defaults.call_time),
        ..defaults
    }
}
