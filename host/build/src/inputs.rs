//! What a component was built from, by content: whether it has to be built again.
//!
//! Beside a component lies a *record*: the digest of all that went into it, and where that is. Times of files say nothing: an older
//! source may be copied over a newer one, a file may be deleted, a checkout gives every file the time of now. So all sources are read
//! and hashed; they are small. A component whose record is missing or names another component is stale.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::output::relative;
use crate::{BuildError, Language, build, component_path, detect, go, python, rust};

/// Version of a record's format.
const VERSION: u32 = 1;

/// Folders in which no source of any language lives.
const NO_SOURCE: &[&str] = &[
    ".transom",
    ".git",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    "node_modules",
];

/// Where cargo writes to, beside a manifest of its own. Elsewhere the name has no special meaning.
const CARGO_OUTPUT: &str = "target";

/// Where pip writes to, in the folder of a package that it installs. Elsewhere the name has no special meaning.
const PIP_OUTPUT: &str = "build";

/// Whether the component of the plugin in `folder` is missing or was built from something else than what is there now.
///
/// Sources are all files of the folder and of what it depends on by path, in any manner that its tools know, the compiler's settings
/// and its version; but not folders where no source lives (`.transom`, `.git`, Python's caches, cargo's `target`).
///
/// # Errors
/// Those of [`component_path`], and [`BuildError::Io`] when a file cannot be read.
pub fn is_stale(folder: &Path) -> Result<bool, BuildError> {
    let component = component_path(folder)?;
    let Some(record) = Record::read(&component) else {
        return Ok(true);
    };
    let built = match fs_err::read(&component) {
        Ok(bytes) => hex(&Sha256::digest(&bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    if record.component.as_ref() != Some(&built) {
        return Ok(true);
    }
    let folder = fs_err::canonicalize(folder)?;
    let language = detect(&folder)?;
    Ok(record.sources.digest(&folder, language)? != record.inputs
        || record.tool.as_ref().is_some_and(Tool::is_another))
}

/// The files that [`is_stale`] looks at, for callers that wait until one is saved: those that are missing too, but none that is
/// hidden, as editors write them beside what they edit. Where the manifest is wrong it is the folder's own files.
#[must_use]
pub fn source_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs_err::canonicalize(folder) else {
        return Vec::new();
    };
    let record = component_path(&folder).ok();
    let record = record.and_then(|component| Record::read(&component));
    let sources = match (record, detect(&folder)) {
        (Some(record), _) => Ok(record.sources),
        (None, Ok(language)) => Sources::of(&folder, language),
        (None, Err(error)) => Err(error),
    };
    let sources = sources.unwrap_or_default();
    let mut files = sources.files(&folder).unwrap_or_default();
    files.retain(|source| {
        let name = source.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b".")
    });
    files.into_iter().collect()
}

/// Where the sources of a plugin are. Paths are relative to the plugin's folder, so that a checkout can be moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    /// Folders with all that is in them, and single files, beside the plugin's own folder.
    roots: BTreeSet<PathBuf>,
    /// Those of `roots` that pip installs from.
    of_pip: BTreeSet<PathBuf>,
    /// Variables that the source reads while it is compiled.
    variables: BTreeSet<String>,
}

impl Sources {
    /// What can be known of a plugin without a compiler.
    pub(crate) fn of(folder: &Path, language: Language) -> Result<Self, BuildError> {
        let mut sources = Self::default();
        match language {
            // Cargo knows; see `rust::compile`.
            Language::Rust => {}
            Language::Go => {
                for path in go::Manifest::read(folder)?.replacements {
                    sources.add(folder, &folder.join(path));
                }
            }
            Language::Python => {
                for path in python::Lists::read(folder)?.files {
                    let path = sources.add(folder, &path);
                    sources.of_pip.insert(path);
                }
            }
        }
        Ok(sources)
    }

    /// Adds a file, or a folder with all that is in it.
    pub(crate) fn add(&mut self, folder: &Path, path: &Path) -> PathBuf {
        let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let path = relative(&path, folder);
        self.roots.insert(path.clone());
        path
    }

    /// Adds what only the compiler knew: files that it read elsewhere, and variables.
    pub(crate) fn add_read(
        &mut self,
        folder: &Path,
        files: impl IntoIterator<Item = PathBuf>,
        variables: impl IntoIterator<Item = String>,
    ) -> Result<(), BuildError> {
        let known = self.files(folder)?;
        for file in files {
            let file = fs_err::canonicalize(&file).unwrap_or(file);
            if !known.contains(&file) {
                self.add(folder, &file);
            }
        }
        self.variables.extend(variables);
        Ok(())
    }

    /// SHA-256 of all that a build of the plugin in `folder` (an absolute path) depends on.
    pub(crate) fn digest(&self, folder: &Path, language: Language) -> Result<String, BuildError> {
        let mut hasher = Sha256::new();
        let mut part = |label: &[u8], content: &[u8]| {
            hasher.update((label.len() as u64).to_le_bytes());
            hasher.update(label);
            hasher.update((content.len() as u64).to_le_bytes());
            hasher.update(content);
        };
        part(b"program", build::program(language).as_bytes());
        let mut files = self.files(folder)?;
        if language == Language::Rust {
            files.extend(rust::settings(folder));
        }
        for file in files {
            let label = relative(&file, folder);
            let label = label.as_os_str().as_encoded_bytes();
            match fs_err::read(&file) {
                Ok(content) => part(label, &Sha256::digest(content)),
                // One that is missing is not the same as one that is empty.
                Err(error) if error.kind() == ErrorKind::NotFound => part(label, b"missing"),
                Err(error) => return Err(error.into()),
            }
        }
        for name in &self.variables {
            let value = std::env::var_os(name).unwrap_or_default();
            part(name.as_bytes(), value.as_encoded_bytes());
        }
        Ok(hex(&hasher.finalize()))
    }

    /// All files, sorted.
    fn files(&self, folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
        let of_pip = self.of_pip.iter().map(|path| absolute(folder, path));
        let of_pip: BTreeSet<PathBuf> = of_pip.collect();
        let mut files = BTreeSet::new();
        walk(folder, &of_pip, &mut files)?;
        for root in &self.roots {
            let root = absolute(folder, root);
            match root.is_dir() {
                true => walk(&root, &of_pip, &mut files)?,
                false => {
                    files.insert(root);
                }
            }
        }
        Ok(files)
    }
}

/// `folder` joined with `path`, without `..`; links are followed where there is something.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    if let Ok(path) = fs_err::canonicalize(&joined) {
        return path;
    }
    let mut plain = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The digest of all files of one folder, by their path in it.
pub(crate) fn folder_digest(folder: &Path) -> Result<String, BuildError> {
    let mut files = BTreeSet::new();
    walk(folder, &BTreeSet::new(), &mut files)?;
    let mut contents = BTreeMap::new();
    for file in files {
        // A file that an editor has just taken away is no file.
        if let Ok(content) = fs_err::read(&file) {
            contents.insert(relative(&file, folder), Sha256::digest(content));
        }
    }
    let mut hasher = Sha256::new();
    for (path, content) in contents {
        let path = path.as_os_str().as_encoded_bytes();
        hasher.update((path.len() as u64).to_le_bytes());
        hasher.update(path);
        hasher.update(content);
    }
    Ok(hex(&hasher.finalize()))
}

fn walk(
    folder: &Path,
    of_pip: &BTreeSet<PathBuf>,
    files: &mut BTreeSet<PathBuf>,
) -> Result<(), BuildError> {
    let entries = match fs_err::read_dir(folder) {
        // It was deleted after its parent was read.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !is_output(folder, &path, of_pip) {
                walk(&path, of_pip, files)?;
            }
        } else if !is_of_editor(&path) && path.is_file() {
            // Links to files are followed; links to folders are not, they could run in circles.
            files.insert(path);
        }
    }
    Ok(())
}

/// Whether no source lives in the folder `path` of `parent`.
fn is_output(parent: &Path, path: &Path, of_pip: &BTreeSet<PathBuf>) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_named = |other: &str| name == other;
    let is_of_tool = (is_named(CARGO_OUTPUT) && parent.join("Cargo.toml").is_file())
        || (is_named(PIP_OUTPUT) && of_pip.contains(parent));
    NO_SOURCE.iter().any(|other| is_named(other))
        || name.to_string_lossy().ends_with(".egg-info")
        || (is_of_tool && !path.join("__init__.py").is_file())
}

/// Whether an editor or a file manager put the file beside what it shows, as long as it shows it.
fn is_of_editor(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_swap = || {
        let end = name.rsplit_once('.').map(|(_, end)| end);
        name.starts_with('.') && end.is_some_and(|end| end.len() == 3 && end.starts_with("sw"))
    };
    name == ".DS_Store" || name.ends_with('~') || name.starts_with(".#") || is_swap()
}

/// A compiler, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) says: String,
    /// Where it was started: a toolchain file there chooses the compiler.
    pub(crate) folder: PathBuf,
}

impl Tool {
    /// Asks a compiler for its version.
    pub(crate) fn ask(program: &Path, arguments: &[&str], folder: &Path) -> Option<Self> {
        let says = says(program, arguments, folder)?;
        Some(Self {
            program: program.to_owned(),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            says,
            folder: folder.to_owned(),
        })
    }

    /// Whether it says something else now. Where it is gone nothing can be built, and what was built is as good as it was.
    fn is_another(&self) -> bool {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        says(&self.program, &arguments, &self.folder).is_some_and(|says| says != self.says)
    }
}

fn says(program: &Path, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// What lies beside a component.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// SHA-256 of the component; none while it is being built, and after a build that failed.
    pub(crate) component: Option<String>,
    /// SHA-256 of all that it was built from.
    pub(crate) inputs: String,
    pub(crate) sources: Sources,
    pub(crate) tool: Option<Tool>,
}

impl Record {
    pub(crate) fn new(inputs: String, sources: Sources, tool: Option<Tool>) -> Self {
        Self {
            version: VERSION,
            component: None,
            inputs,
            sources,
            tool,
        }
    }

    /// The record of a component; none if there is none that can be read.
    pub(crate) fn read(component: &Path) -> Option<Self> {
        let text = fs_err::read(Self::path(component)).ok()?;
        let record: Self = serde_json::from_slice(&text).ok()?;
        (record.version == VERSION).then_some(record)
    }

    pub(crate) fn write(&self, component: &Path) -> Result<(), BuildError> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        build::write_atomically(&Self::path(component), &text)
    }

    fn path(component: &Path) -> PathBuf {
        component.with_extension("inputs.json")
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "inputs/tests.rs"]
mod tests;
