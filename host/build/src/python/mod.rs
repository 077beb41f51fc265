//! Plugins in Python: a folder -> a zip of source, which the Python runner loads. Nothing is compiled.
//!
//! The zip holds the author's modules (tests left out), the packages that `requirements.txt` asks for, and a manifest that
//! says what to import. Which project it is, [`project`] reads; what goes in, [`sources`] and [`requirements`] collect; how it
//! is written, [`archive`] decides: the same files give the same bytes.

mod archive;
mod lists;
mod project;
mod requirements;
mod sources;

use std::path::Path;

use serde::Serialize;

pub(crate) use lists::Lists;
pub(crate) use project::Project;

use crate::{BuildError, BuildOptions};

/// Version of what the archive looks like, which the runner checks.
const FORMAT: u32 = 1;
/// Version of the contract that the runner speaks: the package of `wit/transom.wit`.
const CONTRACT: &str = "0.1.0";
/// The manifest's place in the archive.
const MANIFEST: &str = "transom.json";
/// Folder of the archive for packages of others.
const VENDOR: &str = "vendor";

/// What the runner reads first.
#[derive(Serialize)]
struct Manifest<'project> {
    format: u32,
    language: &'static str,
    contract: &'static str,
    name: &'project str,
    version: &'project str,
    /// The module to import.
    entry: &'project str,
    /// Folders of the archive that imports start from, the author's first.
    roots: Vec<&'project str>,
}

/// Packs the plugin in `folder` (an absolute path).
///
/// # Errors
/// [`BuildError::Manifest`] when there is no module to import, [`BuildError::NativeCode`] and the other errors of installing
/// what `requirements.txt` asks for.
pub(crate) fn pack(
    folder: &Path,
    project: &Project,
    options: &BuildOptions,
) -> Result<Vec<u8>, BuildError> {
    let root = project.root(folder)?;
    let mut files = sources::collect(folder, root, &project.entry)?;
    let vendored = requirements::vendor(folder, options)?;
    let mut roots = vec![root];
    if !vendored.is_empty() {
        roots.push(VENDOR);
        files.extend(vendored);
    }
    let manifest = Manifest {
        format: FORMAT,
        language: "python",
        contract: CONTRACT,
        name: &project.name,
        version: &project.version,
        entry: &project.entry,
        roots,
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::from)?;
    files.insert(MANIFEST.to_owned(), manifest);
    archive::write(&files)
}

#[cfg(test)]
mod tests {
    use super::archive::Files;

    /// A folder in which each of `files` holds its own path.
    pub(super) fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, file).unwrap();
        }
        folder
    }

    pub(super) fn names(files: &Files) -> Vec<&str> {
        files.keys().map(String::as_str).collect()
    }
}
