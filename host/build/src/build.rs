//! The build of one plugin, whatever its language: compile, wrap, write.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::inputs::{Record, Sources, Tool};
use crate::sdk::{self, place_if_used};
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

/// What a language's compiler made, and from what.
pub(crate) struct Module {
    /// The core module; the zip of a plugin in Python.
    pub(crate) core: Vec<u8>,
    /// The digest of `sources` when the compiler began to read them.
    pub(crate) inputs: String,
    pub(crate) sources: Sources,
    pub(crate) tool: Option<Tool>,
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
    let name = package_name(&folder, language)?;
    let path = match &options.out {
        Some(out) => std::path::absolute(out)?,
        None => default_path(&folder, &name, language),
    };
    // Until the component is there, nothing else counts as built from what is there now.
    let mut begin = |inputs: &str, sources: &Sources, tool: Option<Tool>| match options.out {
        None => Record::new(inputs.to_owned(), sources.clone(), tool).write(&path),
        Some(_) => Ok(()),
    };
    let module = match language {
        Language::Rust => {
            let manifest = rust::Manifest::read(&folder)?;
            rust::compile(&folder, &manifest, options, &mut begin)?
        }
        Language::Go | Language::Python => {
            let sources = Sources::of(&folder, language)?;
            let inputs = sources.digest(&folder, language)?;
            let tool = match language {
                Language::Go => go::tool(&folder),
                _ => None,
            };
            begin(&inputs, &sources, tool.clone())?;
            let core = match language {
                Language::Go => go::compile(&folder, options)?,
                _ => python::pack(&folder, &python::Project::read(&folder)?, options)?,
            };
            Module {
                core,
                inputs,
                sources,
                tool,
            }
        }
    };
    let component = match language {
        Language::Rust => componentize(&module.core)?,
        Language::Go => go::wrap(module.core)?,
        Language::Python => module.core,
    };
    write_atomically(&path, &component)?;
    let digest = format!("{:x}", Sha256::digest(&component));
    if options.out.is_none() {
        let mut record = Record::new(module.inputs, module.sources, module.tool);
        record.component = Some(digest.clone());
        record.write(&path)?;
        keep_out_of_version_control(&folder)?;
    }
    Ok(Built {
        component: path,
        name,
        bytes: component.len() as u64,
        digest,
        language,
        took: started.elapsed(),
    })
}

/// The component of the plugin in `folder`, built first if [`is_stale`] says so; `building` is called before.
///
/// # Errors
/// Those of [`is_stale`] and [`build`].
pub fn up_to_date(
    folder: &Path,
    options: &BuildOptions,
    building: impl FnOnce(),
) -> Result<Built, BuildError> {
    let started = Instant::now();
    if is_stale(folder)? {
        building();
        return build(folder, options);
    }
    let language = detect(folder)?;
    let folder = fs_err::canonicalize(folder)?;
    let name = package_name(&folder, language)?;
    let component = default_path(&folder, &name, language);
    let bytes = fs_err::read(&component)?;
    Ok(Built {
        component,
        name,
        bytes: bytes.len() as u64,
        digest: format!("{:x}", Sha256::digest(&bytes)),
        language,
        took: started.elapsed(),
    })
}

/// Whether [`build`] takes no time worth mentioning: source that is packed, with no package to be installed. A caller that runs no compiler
/// may still do this.
///
/// # Errors
/// Those of [`detect`], and [`BuildError::Io`] when a list of requirements cannot be read.
pub fn is_packed_at_once(folder: &Path) -> Result<bool, BuildError> {
    Ok(detect(folder)? == Language::Python && python::Lists::read(folder)?.asks_for_nothing())
}

/// Where [`build`] puts the component of the plugin in `folder` unless another place is given: `.transom/<package>.wasm` in it,
/// `.transom/<package>.zip` for Python. The file need not be there.
///
/// # Errors
/// Those of [`detect`], and [`BuildError::Manifest`] when the manifest does not name the package.
pub fn component_path(folder: &Path) -> Result<PathBuf, BuildError> {
    let language = detect(folder)?;
    Ok(default_path(
        folder,
        &package_name(folder, language)?,
        language,
    ))
}

fn package_name(folder: &Path, language: Language) -> Result<String, BuildError> {
    Ok(match language {
        Language::Rust => rust::Manifest::read(folder)?.package,
        Language::Go => go::Manifest::read(folder)?.package,
        Language::Python => python::Project::read(folder)?.name,
    })
}

/// What of this program goes into every component of a language.
pub(crate) fn program(language: Language) -> String {
    let (version, sdk) = (env!("CARGO_PKG_VERSION"), sdk::digest_of(language));
    format!("transom {version} {sdk}")
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

/// Writes beside the final name and renames: a reader sees the old file or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = new_file(folder)?;
    file.write_all(bytes)?;
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
