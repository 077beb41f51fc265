//! A plugin as people name it on the command line: a component, a folder, or a name of the pipeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transom_build::BuildOptions;
use transom_pipeline::plugins;
use transom_plugin::{Limits, Plugin, Runtime};

use crate::compilers::Compilers;
use crate::context::Context;
use crate::failure::Failure;

/// The plugin in the file or folder `named`, built if need be, or of that name in the pipeline.
pub(crate) fn plugin_named(
    named: &str,
    context: &Context,
    runtime: &Runtime,
) -> Result<Arc<Plugin>, Failure> {
    let path = Path::new(named);
    if path.exists() {
        let component = match path.is_dir() {
            true => component(path, context)?,
            false => path.to_owned(),
        };
        let name = component.file_stem().unwrap_or_default().to_string_lossy();
        return Ok(runtime.load(&name, &component, Limits::default())?);
    }
    if is_file_name(named) {
        return Err(Failure::Usage {
            message: format!("there is no file or folder `{named}`"),
            hint: None,
        });
    }
    let mut pipeline = context.pipeline()?;
    let plugins = pipeline.plugins.iter();
    let names: Vec<String> = plugins
        .map(|plugin| format!("`{}`", plugin.name.value))
        .collect();
    pipeline.plugins.retain(|plugin| plugin.name.value == named);
    let mut loaded = plugins::load(&pipeline, runtime, &Compilers, |name| {
        context.building(name);
    })?;
    loaded.pop().ok_or_else(|| Failure::Usage {
        message: format!("there is no file, folder or plugin `{named}`"),
        hint: Some(match names.is_empty() {
            true => "the pipeline has no plugins".to_owned(),
            false => format!("the pipeline has {}", names.join(", ")),
        }),
    })
}

/// Whether `named` can only mean a file or a folder.
fn is_file_name(named: &str) -> bool {
    let is_component = [".wasm", ".zip"].iter().any(|end| named.ends_with(end));
    is_component || named.contains(std::path::is_separator)
}

fn component(folder: &Path, context: &Context) -> Result<PathBuf, Failure> {
    let options = BuildOptions {
        quiet: context.global.quiet,
        ..BuildOptions::default()
    };
    let building = || context.building(&folder.display().to_string());
    let built = transom_build::up_to_date(folder, &options, building);
    let built = built.map_err(|source| Failure::Build {
        folder: folder.to_owned(),
        source,
    })?;
    Ok(built.component)
}
