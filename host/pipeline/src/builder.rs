//! What makes a component of a plugin's source. Whoever runs pipelines gives it: compilers have no business in a function in the cloud.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Makes components of plugins' folders.
pub trait Builder {
    /// The component of a folder, built if its source is not what it was built from. `building` is called if that takes a while.
    ///
    /// # Errors
    /// If it is not the folder of a plugin, or cannot be built.
    fn component(&self, folder: &Path, building: &dyn Fn()) -> Result<PathBuf, BuildFailure>;

    /// The component of a folder as far as it is there without running a compiler.
    ///
    /// # Errors
    /// If it is not the folder of a plugin.
    fn find(&self, folder: &Path) -> Result<Found, BuildFailure>;
}

/// What is there of a plugin's component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is that of the source.
    UpToDate(PathBuf),
    /// The source has changed since.
    Stale,
    /// It was never built.
    Missing,
}

/// Why a plugin could not be built.
#[derive(Debug)]
pub struct BuildFailure {
    /// What went wrong.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What a compiler wrote.
    pub compiler_output: Option<String>,
}

impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for BuildFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
