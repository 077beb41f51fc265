//! The compilers of this machine, as what builds a pipeline's plugins.

use std::path::{Path, PathBuf};

use transom_build::{BuildError, BuildOptions};
use transom_pipeline::{BuildFailure, Builder, Found};

/// Builds with what is installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compilers;

impl Builder for Compilers {
    fn component(&self, folder: &Path, building: &dyn Fn()) -> Result<PathBuf, BuildFailure> {
        let built = transom_build::up_to_date(folder, &BuildOptions::default(), building);
        Ok(built.map_err(failure)?.component)
    }

    fn find(&self, folder: &Path) -> Result<Found, BuildFailure> {
        if transom_build::is_packed_at_once(folder).map_err(failure)? {
            let options = BuildOptions {
                offline: true,
                quiet: true,
                ..BuildOptions::default()
            };
            let built = transom_build::up_to_date(folder, &options, || ());
            return Ok(Found::UpToDate(built.map_err(failure)?.component));
        }
        let component = transom_build::component_path(folder).map_err(failure)?;
        Ok(match component.is_file() {
            false => Found::Missing,
            true if transom_build::is_stale(folder).map_err(failure)? => Found::Stale,
            true => Found::UpToDate(component),
        })
    }
}

fn failure(error: BuildError) -> BuildFailure {
    BuildFailure {
        hint: error.hint(),
        compiler_output: error.compiler_output().map(str::to_owned),
        error: Box::new(error),
    }
}
