//! The author's modules: every `.py` file of the project but tests and what tools leave behind.

use std::path::Path;

use super::archive::{self, Files};
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
    archive::collect(&folder.join(root), root, &|entry| {
        Ok(if entry.is_folder {
            holds_modules(&entry.path, &entry.name)
        } else {
            is_module(&entry.name)
        })
    })
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
    use super::super::tests::{folder_of, names};
    use super::*;

    #[test]
    fn modules_are_taken_and_tests_environments_and_caches_left() {
        let folder = folder_of(&[
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
        ]);
        let files = collect(folder.path(), "").unwrap();
        let expected = ["rules/__init__.py", "rules/wind.py", "weather.py"];
        assert_eq!(names(&files), expected);
        assert_eq!(files["rules/wind.py"], b"rules/wind.py");

        let files = collect(folder.path(), "rules").unwrap();
        assert_eq!(names(&files), ["rules/__init__.py", "rules/wind.py"]);
    }
}
