//! The author's modules: every `.py` file that can be imported as part of the plugin.
//!
//! A name alone does not tell a test or a build's output from a module (`test_scores.py`, a package `build`). So names count
//! only at the top of the project's folder, and not for what the entry module is part of.

use std::path::Path;

use super::archive::{self, Entry, Files};
use crate::BuildError;

/// Folders at the top that are the author's tests.
const TESTS: &[&str] = &["test", "tests"];

/// Folders at the top that tools write into, unless they are packages.
const OUTPUT: &[&str] = &["build", "dist", "node_modules", "target"];

/// Files that make a folder an environment, of `venv` and of conda.
const ENVIRONMENT: &[&str] = &["pyvenv.cfg", "conda-meta"];

/// Collects the modules below `root` of `folder`, by their path in `folder`; `entry` is the module that is imported.
pub(super) fn collect(folder: &Path, root: &str, entry: &str) -> Result<Files, BuildError> {
    let entry = entry.split('.').next().unwrap_or(entry);
    archive::collect(&folder.join(root), root, &|found| {
        let is_left_out = found.name.starts_with('.')
            || if found.is_folder {
                found.name == "__pycache__" || is_environment(found)
            } else {
                !found.name.ends_with(".py")
            };
        // `src` holds nothing but modules.
        let is_top = root.is_empty() && !found.inside.contains('/');
        let is_entry = found.name.strip_suffix(".py").unwrap_or(&found.name) == entry;
        Ok(!is_left_out && (!is_top || is_entry || !is_for_tools(found)))
    })
}

fn is_environment(folder: &Entry) -> bool {
    let mut files = ENVIRONMENT.iter();
    files.any(|file| fs_err::metadata(folder.path.join(file)).is_ok())
}

/// Whether something at the top of a project is a test, or what a tool wrote.
fn is_for_tools(found: &Entry) -> bool {
    let name = found.name.as_str();
    if found.is_folder {
        let is_package = found.path.join("__init__.py").is_file();
        TESTS.contains(&name) || (OUTPUT.contains(&name) && !is_package)
    } else {
        name.starts_with("test_") || name == "conftest.py"
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder_of, names};
    use super::*;

    fn collected(files: &[&str], root: &str, entry: &str) -> Vec<String> {
        let files = collect(folder_of(files).path(), root, entry).unwrap();
        names(&files).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn modules_are_taken_and_tests_environments_and_caches_left() {
        let files = [
            "weather.py",
            "rules/__init__.py",
            "rules/wind.py",
            "rules/table.csv",
            "conftest.py",
            "test_weather.py",
            "tests/__init__.py",
            "tests/test_wind.py",
            "build/lib/weather.py",
            "__pycache__/weather.py",
            "rules/__pycache__/wind.py",
            ".venv/lib/x.py",
            "my-env/pyvenv.cfg",
            "my-env/lib/y.py",
            "env/conda-meta/history",
            "env/lib/z.py",
        ];
        let expected = ["rules/__init__.py", "rules/wind.py", "weather.py"];
        assert_eq!(collected(&files, "", "weather"), expected);

        let files = collect(folder_of(&files).path(), "rules", "wind").unwrap();
        assert_eq!(names(&files), ["rules/__init__.py", "rules/wind.py"]);
        assert_eq!(files["rules/wind.py"], b"rules/wind.py");
    }

    #[test]
    fn modules_with_the_names_of_tests_and_tools_are_taken_where_they_can_be_imported() {
        let below = [
            "build/__init__.py",
            "build/dist/steps.py",
            "env/settings.py",
            "rules/test/scores.py",
            "rules/test_scores.py",
            "rules/tests/__init__.py",
            "setup.py",
            "t_test.py",
            "tasks.py",
        ];
        assert_eq!(collected(&below, "", "rules"), below);

        let in_src = ["src/test_scores.py", "src/tests/scores.py"];
        assert_eq!(collected(&in_src, "src", "x"), in_src);
    }

    #[test]
    fn the_entry_module_is_taken_whatever_its_name() {
        let files = ["test_scores.py", "test_weather.py", "tests/main.py"];
        assert_eq!(collected(&files, "", "test_scores"), files[..1]);
        assert_eq!(collected(&files, "", "tests.main"), files[2..]);
        assert_eq!(
            collected(&["build/main.py"], "", "build.main"),
            ["build/main.py"]
        );
    }
}
