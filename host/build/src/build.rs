//! The build of one plugin, whatever its language: compile, wrap, write.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::sdk::place_if_used;
use crate::{BuildError, Language, componentize, detect, go, is_stale, python, rust};

/// How to build. The default is what `transom build` does without options.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Where compiled dependencies of Rust plugins are kept between builds; Go has a cache of its own. Default: `guests` in
    /// `$TRANSOM_CACHE_DIR`, else in `transom` in `$XDG_CACHE_HOME` or `~/.cache`. Plugins share it, so that their
    /// dependencies are compiled once.
    pub target_dir: Option<PathBuf>,
    /// Where the component goes. Default: [`component_path`].
    pub out: Option<PathBuf>,
    /// Ask no package registry for anything.
    pub offline: bool,
    /// Leave the compiler's progress out; its warnings and errors are still shown.
    pub quiet: bool,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component's file; the zip of a plugin in Python.
    pub component: PathBuf,
    /// The plugin's package name.
    pub name: String,
    /// Size of the component.
    pub bytes: u64,
    /// SHA-256 of the component, in lowercase hexadecimal digits.
    pub digest: String,
    /// What it was built from.
    pub language: Language,
    /// How long it took.
    pub took: Duration,
}

/// What a language's compiler made.
pub(crate) struct Module {
    /// The core module.
    pub(crate) core: Vec<u8>,
    /// When the compiler began to read the source.
    pub(crate) as_of: SystemTime,
}

/// Builds the plugin in `folder`.
///
/// The compiler's own words go straight to stderr; nothing is written to stdout. The component appears under its final name
/// complete or not at all. Builds that share a target folder wait for each other.
///
/// # Errors
/// Any [`BuildError`]; its [`kind`](BuildError::kind) tells the author's mistakes from missing tools.
pub fn build(folder: &Path, options: &BuildOptions) -> Result<Built, BuildError> {
    let started = Instant::now();
    let language = detect(folder)?;
    let folder = fs_err::canonicalize(folder)?;
    place_if_used(&folder, language)?;
    let (name, component, as_of) = match language {
        Language::Rust => {
            let manifest = rust::Manifest::read(&folder)?;
            let module = rust::compile(&folder, &manifest, options)?;
            (manifest.package, componentize(&module.core)?, module.as_of)
        }
        Language::Go => {
            let manifest = go::Manifest::read(&folder)?;
            let module = go::compile(&folder, options)?;
            (manifest.package, go::wrap(module.core)?, module.as_of)
        }
        Language::Python => {
            let project = python::Project::read(&folder)?;
            let package = python::pack(&folder, &project, options)?;
            (project.name, package.bytes, package.as_of)
        }
    };
    let path = match &options.out {
        Some(out) => std::path::absolute(out)?,
        None => default_path(&folder, &name, language),
    };
    write_atomically(&path, &component, as_of)?;
    if options.out.is_none() {
        keep_out_of_version_control(&folder)?;
    }
    Ok(Built {
        component: path,
        name,
        bytes: component.len() as u64,
        digest: format!("{:x}", Sha256::digest(&component)),
        language,
        took: started.elapsed(),
    })
}

/// The component of the plugin in `folder`, built first if it is missing or older than its source; `building` is told so before.
///
/// # Errors
/// Those of [`is_stale`] and [`build`].
pub fn up_to_date(
    folder: &Path,
    options: &BuildOptions,
    building: impl FnOnce(),
) -> Result<PathBuf, BuildError> {
    if !is_stale(folder)? {
        return component_path(folder);
    }
    building();
    Ok(build(folder, options)?.component)
}

/// Where [`build`] puts the component of the plugin in `folder` unless told otherwise: `.transom/<package>.wasm` in it,
/// `.transom/<package>.zip` for Python. The file need not be there.
///
/// # Errors
/// Those of [`detect`], and [`BuildError::Manifest`] when the manifest does not name the package.
pub fn component_path(folder: &Path) -> Result<PathBuf, BuildError> {
    let language = detect(folder)?;
    let name = match language {
        Language::Rust => rust::Manifest::read(folder)?.package,
        Language::Go => go::Manifest::read(folder)?.package,
        Language::Python => python::Project::read(folder)?.name,
    };
    Ok(default_path(folder, &name, language))
}

fn default_path(folder: &Path, package: &str, language: Language) -> PathBuf {
    let extension = match language {
        Language::Rust | Language::Go => "wasm",
        Language::Python => "zip",
    };
    folder
        .join(".transom")
        .join(format!("{package}.{extension}"))
}

/// Writes beside the final name and renames: a reader sees the old component or the new one.
///
/// The file is dated `as_of`, the moment when the compiler began to read, so that a source edited *during* the build counts as
/// newer than the component.
fn write_atomically(path: &Path, bytes: &[u8], as_of: SystemTime) -> Result<(), BuildError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = new_file(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_modified(as_of)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A temporary file with the permissions of an ordinary one: a component may be read by another user's process.
fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".component-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask still applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// What is built is not to be committed by accident, in a repository whose `.gitignore` knows nothing of Transom.
pub(crate) fn keep_out_of_version_control(folder: &Path) -> Result<(), BuildError> {
    let ignore = folder.join(".transom/.gitignore");
    if !ignore.is_file() {
        fs_err::create_dir_all(folder.join(".transom"))?;
        fs_err::write(ignore, "*\n")?;
    }
    Ok(())
}
