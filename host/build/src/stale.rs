//! Whether a component has to be built again, told from the times of files: a matter of a millisecond, with no compiler run.
//!
//! It may say "stale" too often (a compiler then finds nothing to do), never "fresh" for a source that was edited.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{BuildError, Language, component_path, detect, go, python, rust};

/// Folders in which no source of any language lives.
const NO_SOURCE: &[&str] = &[".transom", ".git", "__pycache__", ".pytest_cache", ".venv"];

/// Where cargo writes to, beside a manifest of its own. Elsewhere it is a name as any.
const CARGO_OUTPUT: &str = "target";

/// Where pip writes to, in the folder of a package that it installs. Elsewhere it is a name as any.
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
    for source in Roots::of(folder)?.sources()? {
        // One that is missing was there when the component was built; otherwise the build will say what is missing.
        let is_older = match found(&source)? {
            Some(metadata) => metadata.modified()? <= built,
            None => false,
        };
        if !is_older {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files that [`is_stale`] looks at, for whoever waits until one is saved: those that are missing too, but none that is
/// hidden, as editors write them beside what they edit. Where the manifest is wrong it is the folder's own files.
#[must_use]
pub fn source_files(folder: &Path) -> Vec<PathBuf> {
    let roots = Roots::of(folder).unwrap_or_else(|_| Roots {
        all: fs_err::canonicalize(folder).into_iter().collect(),
        ..Roots::default()
    });
    let mut sources = roots.sources().unwrap_or_default();
    sources.retain(|source| {
        let name = source.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b".") && !source.is_dir()
    });
    sources
}

/// What a plugin is built from.
#[derive(Debug, Default)]
struct Roots {
    /// Folders with all that is in them, and files.
    all: BTreeSet<PathBuf>,
    /// Those that pip installs from.
    of_pip: BTreeSet<PathBuf>,
}

impl Roots {
    fn of(folder: &Path) -> Result<Self, BuildError> {
        let folder = fs_err::canonicalize(folder)?;
        let mut of_pip = BTreeSet::new();
        let mut all = match detect(&folder)? {
            Language::Rust => with_path_dependencies(&folder)?,
            Language::Go => replacements(&folder)?,
            Language::Python => {
                let named = python::Lists::read(&folder)?.files.into_iter();
                of_pip = named
                    .map(|path| fs_err::canonicalize(&path).unwrap_or(path))
                    .collect();
                of_pip.clone()
            }
        };
        all.insert(folder);
        Ok(Self { all, of_pip })
    }

    /// The files, and the folders below the roots: a folder's own time tells of deleted and renamed files. That of a root does
    /// not, since making `.transom` or `target` changes it.
    fn sources(&self) -> Result<Vec<PathBuf>, BuildError> {
        let mut sources = Vec::new();
        for root in &self.all {
            match root.is_dir() {
                true => self.add(root, &mut sources)?,
                false => sources.push(root.clone()),
            }
        }
        Ok(sources)
    }

    fn add(&self, folder: &Path, sources: &mut Vec<PathBuf>) -> Result<(), BuildError> {
        let entries = match fs_err::read_dir(folder) {
            // It was taken away after its parent was read, whose time tells so.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !self.is_output(folder, &path) {
                    self.add(&path, sources)?;
                    sources.push(path);
                }
            } else if found(&path)?.is_some() {
                // Links are followed for their time, but not into folders, where they could run in circles.
                sources.push(path);
            }
        }
        Ok(())
    }

    /// Whether no source lives in the folder `path` of `parent`.
    fn is_output(&self, parent: &Path, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        let is_named = |other: &str| name == other;
        let is_of_tool = (is_named(CARGO_OUTPUT) && parent.join("Cargo.toml").is_file())
            || (is_named(PIP_OUTPUT) && self.of_pip.contains(parent));
        NO_SOURCE.iter().any(|other| is_named(other))
            || name.to_string_lossy().ends_with(".egg-info")
            || (is_of_tool && !path.join("__init__.py").is_file())
    }
}

/// `folder`, the folders that its crate depends on by path, theirs, and so on.
fn with_path_dependencies(folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
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

/// The folders that the Go module in `folder` puts in place of others. Theirs do not count: Go asks the main module only.
fn replacements(folder: &Path) -> Result<BTreeSet<PathBuf>, BuildError> {
    let replacements = go::Manifest::read(folder)?.replacements.into_iter();
    // A folder that is not there is the compiler's to report.
    let found = replacements.filter_map(|path| fs_err::canonicalize(folder.join(path)).ok());
    Ok(found.collect())
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
    use std::time::{Duration, SystemTime};

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
    fn an_edited_module_of_a_plugin_whose_package_is_named_build_makes_it_stale() {
        let project = "[project]\nname = \"carriers\"\nversion = \"1\"\n\
                       [tool.transom]\nentry = \"build.main\"\n";
        let root = built_of(&[
            ("plugin/pyproject.toml", project),
            ("plugin/build/main.py", ""),
        ]);
        assert!(!stale(&root));
        set_age(&root.path().join("plugin/build/main.py"), 10);
        assert!(stale(&root));
    }

    #[test]
    fn what_pip_leaves_in_a_package_of_the_plugin_does_not_make_it_stale() {
        let project = "[project]\nname = \"carriers\"\nversion = \"1\"\n";
        let root = built_of(&[
            ("plugin/pyproject.toml", project),
            ("plugin/requirements.txt", "./lib\n"),
            ("plugin/lib/names.py", ""),
        ]);
        let output = root.path().join("plugin/lib/build");
        fs_err::create_dir(&output).unwrap();
        fs_err::write(output.join("names.py"), "").unwrap();
        set_age(&root.path().join("plugin/lib"), 60);
        assert!(!stale(&root));
    }

    #[test]
    fn source_files_are_those_that_make_it_stale_but_for_what_editors_write() {
        let root = built_plugin();
        let manifest = "[package]\nname = \"sdk\"\n";
        for (file, text) in [
            ("plugin/src/target/mod.rs", ""),
            ("plugin/src/.lib.rs.swp", ""),
            ("plugin/.cargo/config.toml", ""),
            ("plugin/target/debug/a.d", ""),
            ("sdk/Cargo.toml", manifest),
        ] {
            let path = root.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let base = root.path().canonicalize().unwrap();
        let files = || {
            let mut files: Vec<String> = source_files(&root.path().join("plugin"))
                .iter()
                .map(|file| file.strip_prefix(&base).unwrap_or(file))
                .map(|file| file.to_str().unwrap().replace('\\', "/"))
                .collect();
            files.sort();
            files
        };
        let own = [
            "plugin/.cargo/config.toml",
            "plugin/Cargo.toml",
            "plugin/src/lib.rs",
            "plugin/src/target/mod.rs",
        ];
        assert_eq!(
            files(),
            [&own[..], &["sdk/Cargo.toml", "sdk/src/lib.rs"]].concat()
        );
        // A manifest with a mistake is a file to be saved again.
        fs_err::write(root.path().join("plugin/Cargo.toml"), "[package").unwrap();
        assert_eq!(files(), own);
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
