//! The author's modules: every `.py` file of the project but tests and what tools leave behind.

use std::path::Path;

use super::archive::Files;
use crate::BuildError;

/// Folders that hold no module of the plugin. Those whose name begins with a dot are left out as well.
const NO_MODULES: &[&str] = &[
    "__pycache__",
    "build",
    "dist",
    "env",
    "node_modules",
    "target",
    "test",
    "tests",
    "venv",
];

/// Files that are for tools.
const NO_MODULE_FILES: &[&str] = &["conftest.py", "noxfile.py", "setup.py", "tasks.py"];

/// Collects the modules below `root` of `folder`, by their path in `folder`.
pub(super) fn collect(folder: &Path, root: &str) -> Result<Files, BuildError> {
    let mut files = Files::new();
    let prefix = if root.is_empty() {
        String::new()
    } else {
        format!("{root}/")
    };
    walk(&folder.join(root), &prefix, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), BuildError> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        // A name that is not UTF-8 is none of a module.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        // A link to a file is taken as the file, one to a folder is not followed: it could run in circles.
        if entry.file_type()?.is_dir() {
            if holds_modules(&path, &name) {
                walk(&path, &format!("{prefix}{name}/"), files)?;
            }
        } else if is_module(&name) && path.is_file() {
            files.insert(format!("{prefix}{name}"), fs_err::read(&path)?);
        }
    }
    Ok(())
}

fn holds_modules(path: &Path, name: &str) -> bool {
    // The last: a virtual environment of any name.
    !name.starts_with('.') && !NO_MODULES.contains(&name) && !path.join("pyvenv.cfg").is_file()
}

fn is_module(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".py") else {
        return false;
    };
    let is_test = stem.starts_with("test_") || stem.ends_with("_test");
    !is_test && !name.starts_with('.') && !NO_MODULE_FILES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_taken_and_tests_environments_and_caches_left() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "weather.py",
            "rules/__init__.py",
            "rules/wind.py",
            "rules/wind_test.py",
            "rules/table.csv",
            "test_weather.py",
            "tests/test_wind.py",
            "setup.py",
            "__pycache__/weather.py",
            ".venv/lib/x.py",
            "my-env/pyvenv.cfg",
            "my-env/lib/y.py",
        ] {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, file).unwrap();
        }
        let files = collect(folder.path(), "").unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["rules/__init__.py", "rules/wind.py", "weather.py"]);
        assert_eq!(files["rules/wind.py"], b"rules/wind.py");

        let files = collect(folder.path(), "rules").unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["rules/__init__.py", "rules/wind.py"]);
    }
}
