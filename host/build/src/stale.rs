//! Whether a component has to be built again, told from the times of files: a matter of a millisecond, with no compiler run.
//!
//! It may say "stale" too often (a compiler then finds nothing to do), never "fresh" for a source that was edited.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err::DirEntry;

use crate::{BuildError, Language, component_path, detect, go, python, rust};

/// Folders in which no source of any language lives.
const NO_SOURCE: &[&str] = &[".transom", ".git", "__pycache__", ".pytest_cache", ".venv"];

/// Where cargo writes to, beside a manifest. Below, and in other languages, it is a name as any.
const CARGO_OUTPUT: &str = "target";

/// Where pip writes to, beside the manifest of a package that it installs from a folder.
const PIP_OUTPUT: &str = "build";

/// Whether the component of the plugin in `folder` is missing or older than a source of it.
///
/// Sources are all files of the folder and of what its manifest depends on by path (the SDK within this repository, what a
/// requirements.txt names), except in folders where no source lives (`.transom`, `.git`, Python's caches, cargo's `target`).
///
/// # Errors
/// Those of [`component_path`], and [`BuildError::Io`] when a file cannot be looked at.
pub fn is_stale(folder: &Path) -> Result<bool, BuildError> {
    let Some(built) = found(&component_path(folder)?)? else {
        return Ok(true);
    };
    let built = built.modified()?;
    let (sources, output) = match detect(folder)? {
        Language::Rust => (with_path_dependencies(folder)?, Some(CARGO_OUTPUT)),
        Language::Go => (with_replacements(folder)?, None),
        Language::Python => (with_requirements(folder)?, Some(PIP_OUTPUT)),
    };
    for source in sources {
        let Some(metadata) = found(&source)? else {
            // It was there when the component was built; otherwise the build will say what is missing.
            return Ok(true);
        };
        let is_newer = match metadata.is_dir() {
            true => holds_newer(&source, built, Depth::Root { output })?,
            false => metadata.modified()? > built,
        };
        if is_newer {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `folder`, the folders that its crate depends on by path, theirs, and so on.
fn with_path_dependencies(folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
    let mut found = BTreeSet::new();
    let mut open = vec![fs_err::canonicalize(folder)?];
    while let Some(folder) = open.pop() {
        let manifest = rust::Manifest::read_any(&folder)?;
        if found.insert(folder.clone()) {
            for path in manifest.path_dependencies {
                // A dependency that is not there is the compiler's to report.
                if let Ok(path) = fs_err::canonicalize(folder.join(path)) {
                    open.push(path);
                }
            }
        }
    }
    Ok(found)
}

/// `folder` and the folders that its Go module puts in place of others. Theirs do not count: Go asks the main module only.
fn with_replacements(folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
    let folder = fs_err::canonicalize(folder)?;
    let replacements = go::Manifest::read(&folder)?.replacements;
    // A folder that is not there is the compiler's to report.
    let mut found: BTreeSet<PathBuf> = replacements
        .into_iter()
        .filter_map(|path| fs_err::canonicalize(folder.join(path)).ok())
        .collect();
    found.insert(folder);
    Ok(found)
}

/// `folder` and what its requirements.txt names here: lists, packages, folders of packages.
fn with_requirements(folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
    let mut found = python::Lists::read(folder)?.files;
    found.insert(folder.to_owned());
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The folder of a plugin or dependency; `output` in it is what the compiler writes.
    Root {
        output: Option<&'static str>,
    },
    Below,
}

fn holds_newer(folder: &Path, than: SystemTime, depth: Depth) -> Result<bool, BuildError> {
    let output = match depth {
        // Making `.transom` or `target` changes its time.
        Depth::Root { output } => output,
        // A folder's own time tells of deleted and renamed files.
        Depth::Below if fs_err::metadata(folder)?.modified()? > than => return Ok(true),
        Depth::Below => None,
    };
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if !is_output(&entry, output) && holds_newer(&entry.path(), than, Depth::Below)? {
                return Ok(true);
            }
        } else if let Some(metadata) = found(&entry.path())? {
            // Links are followed for their time, but not into folders, where they could run in circles.
            if metadata.modified()? > than {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_output(folder: &DirEntry, output: Option<&str>) -> bool {
    let name = folder.file_name();
    NO_SOURCE.iter().any(|other| name == *other)
        || name.to_string_lossy().ends_with(".egg-info")
        || (output.is_some_and(|output| name == output)
            && !folder.path().join("__init__.py").is_file())
}

/// None of a dangling link or a file that an editor has just taken away.
fn found(path: &Path) -> Result<Option<Metadata>, BuildError> {
    match fs_err::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MANIFEST: &str = "[package]\nname = \"carriers\"\n[lib]\ncrate-type = [\"cdylib\"]\n";

    /// A plugin whose sources are an hour old, with a component that is half an hour old.
    fn built_plugin() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let plugin = root.path().join("plugin");
        fs_err::create_dir_all(plugin.join("src")).unwrap();
        fs_err::create_dir_all(root.path().join("sdk/src")).unwrap();
        let manifest = format!("{MANIFEST}[dependencies]\nsdk = {{ path = \"../sdk\" }}\n");
        fs_err::write(plugin.join("Cargo.toml"), manifest).unwrap();
        fs_err::write(plugin.join("src/lib.rs"), "").unwrap();
        fs_err::write(
            root.path().join("sdk/Cargo.toml"),
            "[package]\nname = \"sdk\"\n",
        )
        .unwrap();
        fs_err::write(root.path().join("sdk/src/lib.rs"), "").unwrap();
        for path in [
            "plugin/Cargo.toml",
            "plugin/src/lib.rs",
            "plugin/src",
            "sdk/Cargo.toml",
            "sdk/src/lib.rs",
            "sdk/src",
        ] {
            set_age(&root.path().join(path), 60);
        }
        let component = component_path(&plugin).unwrap();
        fs_err::create_dir_all(component.parent().unwrap()).unwrap();
        fs_err::write(&component, "").unwrap();
        set_age(&component, 30);
        root
    }

    fn set_age(path: &Path, minutes: u64) {
        let time = SystemTime::now() - Duration::from_secs(60 * minutes);
        std::fs::File::open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    fn stale(root: &tempfile::TempDir) -> bool {
        is_stale(&root.path().join("plugin")).unwrap()
    }

    #[test]
    fn a_component_newer_than_every_source_is_fresh() {
        assert!(!stale(&built_plugin()));
    }

    #[test]
    fn a_missing_component_is_stale() {
        let root = built_plugin();
        fs_err::remove_file(root.path().join("plugin/.transom/carriers.wasm")).unwrap();
        assert!(stale(&root));
    }

    #[test]
    fn an_edited_source_makes_it_stale() {
        let root = built_plugin();
        set_age(&root.path().join("plugin/src/lib.rs"), 10);
        assert!(stale(&root));
    }

    #[test]
    fn a_deleted_source_makes_it_stale() {
        let root = built_plugin();
        fs_err::remove_file(root.path().join("plugin/src/lib.rs")).unwrap();
        assert!(stale(&root));
    }

    #[test]
    fn an_edited_path_dependency_makes_it_stale() {
        let root = built_plugin();
        set_age(&root.path().join("sdk/src/lib.rs"), 10);
        assert!(stale(&root));
    }

    /// A plugin as `built_plugin`, of these files, by their path and text.
    fn built_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let mut made = BTreeSet::new();
        for (file, text) in files {
            let path = root.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, text).unwrap();
            made.extend(path.ancestors().map(Path::to_owned));
        }
        for path in made.iter().filter(|path| path.starts_with(&root)) {
            set_age(path, 60);
        }
        let component = component_path(&root.path().join("plugin")).unwrap();
        fs_err::create_dir_all(component.parent().unwrap()).unwrap();
        fs_err::write(&component, "").unwrap();
        set_age(&component, 30);
        root
    }

    #[test]
    fn an_edited_folder_that_replaces_a_go_module_makes_it_stale() {
        let manifest = "module carriers\nreplace example.com/sdk => ../sdk\n";
        let root = built_of(&[("plugin/go.mod", manifest), ("sdk/sdk.go", "")]);
        assert!(!stale(&root));
        set_age(&root.path().join("sdk/sdk.go"), 10);
        assert!(stale(&root));
    }

    #[test]
    fn an_edited_package_named_target_makes_it_stale() {
        let manifests = [
            (
                "plugin/go.mod",
                "module carriers\n",
                "plugin/target/target.go",
            ),
            ("plugin/Cargo.toml", MANIFEST, "plugin/src/target/mod.rs"),
        ];
        for (manifest, text, source) in manifests {
            let root = built_of(&[(manifest, text), (source, "")]);
            assert!(!stale(&root), "{source}");
            set_age(&root.path().join(source), 10);
            assert!(stale(&root), "{source}");
        }
    }

    #[test]
    fn what_a_list_of_requirements_names_makes_it_stale_when_it_is_edited_or_gone() {
        let files = [
            (
                "plugin/pyproject.toml",
                "[project]\nname = \"carriers\"\nversion = \"1\"\n",
            ),
            (
                "plugin/requirements.txt",
                "-r ../common.txt\n-e ../lib\n../tiny.whl\n",
            ),
            ("common.txt", "six\n"),
            ("lib/lib/names.py", ""),
            ("tiny.whl", ""),
        ];
        for (edited, _) in &files[2..] {
            let root = built_of(&files);
            assert!(!stale(&root), "{edited}");
            set_age(&root.path().join(edited), 10);
            assert!(stale(&root), "{edited}");
            let root = built_of(&files);
            fs_err::remove_file(root.path().join(edited)).unwrap();
            assert!(stale(&root), "{edited}");
        }
        // What pip leaves behind.
        let root = built_of(&files);
        for folder in ["lib/build", "lib/lib.egg-info"] {
            let folder = root.path().join(folder);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("names.py"), "").unwrap();
        }
        assert!(!stale(&root));
    }

    #[test]
    fn what_tools_leave_behind_does_not_make_it_stale() {
        let root = built_plugin();
        for folder in ["target", ".git", ".transom"] {
            let folder = root.path().join("plugin").join(folder);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("anything"), "").unwrap();
        }
        assert!(!stale(&root));
    }
}
