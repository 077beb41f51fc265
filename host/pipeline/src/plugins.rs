//! A pipeline's plugins: built if need be, loaded, described.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transom_build::BuildOptions;
use transom_plugin::{Limits, Plugin, Runtime};

use crate::error::{Error, Result};
use crate::file::{self, Pipeline, Problem, Problems};

/// What to do about a plugin whose component is missing or older than its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Build it.
    IfStale,
    /// Say so: checking runs no compiler.
    Never,
}

/// Loads all plugins of a pipeline, in its order. `building` is told the name of each plugin that is being built.
pub fn load(
    pipeline: &Pipeline,
    runtime: &Runtime,
    build: Build,
    building: impl Fn(&str),
) -> Result<Vec<Arc<Plugin>>> {
    let mut plugins = Vec::new();
    let mut problems = Vec::new();
    for plugin in &pipeline.plugins {
        let name = &plugin.name.value;
        let component = match component(pipeline, plugin, build, &building)? {
            Ok(component) => component,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match runtime.load(name, &component, limits(&plugin.limits)) {
            Ok(loaded) => plugins.push(loaded),
            Err(
                error @ (transom_plugin::Error::Load { .. } | transom_plugin::Error::Read { .. }),
            ) => {
                let mut problem = pipeline.problem_at(plugin.path.span, error.to_string());
                problem.hint = error.hint();
                problems.push(problem);
            }
            Err(source) => {
                return Err(Error::Plugin {
                    what: format!("loading plugin `{name}` failed"),
                    source: Arc::new(source),
                    row: None,
                });
            }
        }
    }
    match problems.is_empty() {
        true => Ok(plugins),
        false => Err(Problems(problems).into()),
    }
}

/// The component of a plugin: the file itself, or what its folder is built to.
fn component(
    pipeline: &Pipeline,
    plugin: &file::Plugin,
    build: Build,
    building: &impl Fn(&str),
) -> Result<Result<PathBuf, Problem>> {
    let path = &plugin.path.value;
    if path.is_file() {
        return Ok(Ok(path.clone()));
    }
    let name = &plugin.name.value;
    let failed = |source| Error::Build {
        plugin: name.clone(),
        source,
    };
    match build {
        Build::IfStale => {
            let options = BuildOptions::default();
            let built = transom_build::up_to_date(path, &options, || building(name));
            Ok(Ok(built.map_err(failed)?.component))
        }
        Build::Never => {
            let component = transom_build::component_path(path).map_err(failed)?;
            let message = match component.is_file() {
                false => format!("plugin `{name}` has not been built"),
                // What it offers may be something else by now.
                true if transom_build::is_stale(path).map_err(failed)? => {
                    format!("plugin `{name}` has changed since it was built")
                }
                true => return Ok(Ok(component)),
            };
            let shown = shown(&pipeline.root, path);
            let problem = pipeline.problem_at(plugin.path.span, message);
            Ok(Err(problem.with_hint(format!(
                "build it with `transom build {shown}`"
            ))))
        }
    }
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The limits that the file sets, over the defaults.
fn limits(file: &file::Limits) -> Limits {
    let file::Limits {
        memory_bytes,
        call_time,
        output_bytes,
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
        call_time: call_time.unwrap_or(defaults.call_time),
        ..defaults
    }
}
