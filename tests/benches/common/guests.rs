//! Plugins as the benchmarks need them: built from this repository, compiled once, loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transom_build::{BuildOptions, up_to_date};
use transom_plugin::{Limits, Plugin, Runtime, RuntimeOptions};
use transom_tests::runner::python_runner;

use super::Result;

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The component of the plugin in `folder`, relative to the repository; built if its source is newer.
pub(crate) fn component(folder: &str) -> Result<PathBuf> {
    let folder = repository().join(folder);
    Ok(up_to_date(&folder, &BuildOptions::default(), || ())?.component)
}

/// The absolute path of the plugin in `folder`, as a pipeline names it; its component is as new as its source.
pub(crate) fn folder(folder: &str) -> Result<PathBuf> {
    component(folder)?;
    Ok(repository().join(folder).canonicalize()?)
}

/// Languages that plugins are written in, by the folder of their conformance guest; the first is what others are compared with.
pub(crate) const LANGUAGES: [&str; 3] = ["rust", "go", "python"];

/// The folder of the conformance guest in `language`, relative to the repository.
pub(crate) fn conformance(language: &str) -> String {
    format!("tests/conformance/guests/{language}")
}

/// An engine that keeps compiled code beside the build's own results.
pub(crate) fn runtime() -> Result<Runtime> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Ok(Runtime::new(RuntimeOptions {
        cache: Some(cache),
        python_runner: Some(python_runner(env!("CARGO_TARGET_TMPDIR"))),
        python_runner_digest: Some(transom_build::python_runner_digest),
    })?)
}

/// Loads the plugin in `folder` under its folder's name.
pub(crate) fn load(runtime: &Runtime, folder: &str) -> Result<Arc<Plugin>> {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    Ok(runtime.load(name, &component(folder)?, Limits::default())?)
}
