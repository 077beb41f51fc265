//! Whether a component has to be built again, told from the times of files: a matter of a millisecond, with no compiler run.
//!
//! It may say "stale" too often (a compiler then finds nothing to do), never "fresh" for a source that was edited.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{BuildError, Language, component_path, detect, go, rust};

/// Folders in which no source lives.
const NO_SOURCE: &[&str] = &[
    "target",
    ".transom",
    ".git",
    "__pycache__",
    ".pytest_cache",
    ".venv",
];

/// Whether the component of the plugin in `folder` is missing or older than a source of it.
///
/// Sources are all files of the folder and of the folders that its manifest depends on by path (the SDK within this
/// repository), except those in which no source
/// lives (`target`, `.transom`, `.git`, Python's caches).
///
/// # Errors
/// Those of [`component_path`], and [`BuildError::Io`] when a file cannot be looked at.
pub fn is_stale(folder: &Path) -> Result<bool, BuildError> {
    let built = match fs_err::metadata(component_path(folder)?) {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let folders = match detect(folder)? {
        Language::Rust => with_path_dependencies(folder)?,
        Language::Go => with_replacements(folder)?,
        Language::Python => BTreeSet::from([folder.to_owned()]),
    };
    for folder in folders {
        if holds_newer(&folder, built, Depth::Root)? {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Root,
    Below,
}

fn holds_newer(folder: &Path, than: SystemTime, depth: Depth) -> Result<bool, BuildError> {
    // A folder's own time tells of deleted and renamed files. Not the plugin's own: making `.transom` or `target` changes it.
    if depth == Depth::Below && fs_err::metadata(folder)?.modified()? > than {
        return Ok(true);
    }
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let skipped = NO_SOURCE.iter().any(|name| entry.file_name() == *name);
            if !skipped && holds_newer(&entry.path(), than, Depth::Below)? {
                return Ok(true);
            }
        } else {
            // Links are followed for their time, but not into folders, where they could run in circles.
            match fs_err::metadata(entry.path()) {
                Ok(metadata) if metadata.modified()? > than => return Ok(true),
                Ok(_) => {}
                // A dangling link or a file that an editor has just taken away.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(false)
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

    #[test]
    fn an_edited_folder_that_replaces_a_go_module_makes_it_stale() {
        let root = tempfile::tempdir().unwrap();
        let plugin = root.path().join("plugin");
        fs_err::create_dir_all(&plugin).unwrap();
        fs_err::create_dir_all(root.path().join("sdk")).unwrap();
        let manifest = "module carriers\nreplace example.com/sdk => ../sdk\n";
        fs_err::write(plugin.join("go.mod"), manifest).unwrap();
        fs_err::write(root.path().join("sdk/sdk.go"), "").unwrap();
        let component = component_path(&plugin).unwrap();
        fs_err::create_dir_all(component.parent().unwrap()).unwrap();
        fs_err::write(&component, "").unwrap();
        for path in ["plugin/go.mod", "sdk/sdk.go", "sdk"] {
            set_age(&root.path().join(path), 60);
        }
        set_age(&component, 30);
        assert!(!stale(&root));
        set_age(&root.path().join("sdk/sdk.go"), 10);
        assert!(stale(&root));
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
