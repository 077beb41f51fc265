//! A plugin's own unit tests, run natively as its author runs them: `cargo test`, `go test`, pytest or unittest.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sdk::{place_sdk, sdk_folder};
use crate::{BuildError, Language, detect, output, python};

/// What became of a plugin's own unit tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTests {
    /// The command, as it is typed in the plugin's folder: `go test ./...`.
    pub command: &'static str,
    /// Whether the command ended well. Without a test it does.
    pub passed: bool,
    /// All that the command wrote, without colours.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

/// What pytest and unittest (since Python 3.12) end with when they find no test.
const NO_TESTS: i32 = 5;

/// Runs the unit tests of the plugin in `folder` with its language's own tool, and the SDK where the tests find it.
///
/// Python's tests are run by pytest where it is installed and the project configures it, otherwise by unittest.
///
/// # Errors
/// Those of [`detect`], [`BuildError::Start`] when the tool is not there, [`BuildError::Manifest`] and [`BuildError::Io`].
/// Tests that fail are no error.
pub fn unit_tests(folder: &Path) -> Result<UnitTests, BuildError> {
    let language = detect(folder)?;
    let folder = fs_err::canonicalize(folder)?;
    let (command, mut process) = match language {
        Language::Rust => cargo(&folder)?,
        Language::Go => go(&folder)?,
        Language::Python => python(&folder)?,
    };
    let started = Instant::now();
    let ran = process
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BuildError::Start {
            program: process.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    let found_none = language == Language::Python && ran.status.code() == Some(NO_TESTS);
    let said = [ran.stderr, ran.stdout].concat();
    Ok(UnitTests {
        command,
        passed: ran.status.success() || found_none,
        output: output::plain(&String::from_utf8_lossy(&said))
            .trim()
            .to_owned(),
        took: started.elapsed(),
    })
}

fn cargo(folder: &Path) -> Result<(&'static str, Command), BuildError> {
    crate::sdk::place_if_used(folder, Language::Rust)?;
    let mut cargo = Command::new("cargo");
    cargo.arg("test");
    Ok(("cargo test", cargo))
}

fn go(folder: &Path) -> Result<(&'static str, Command), BuildError> {
    crate::sdk::place_if_used(folder, Language::Go)?;
    let mut go = Command::new("go");
    go.args(["test", "./..."]);
    // The tests run here: a target that the caller has set for something else is not theirs.
    go.env_remove("GOOS").env_remove("GOARCH");
    Ok(("go test ./...", go))
}

fn python(folder: &Path) -> Result<(&'static str, Command), BuildError> {
    // Whatever the project file says: an author who installed the SDK has the same one first on his path.
    place_sdk(folder, Language::Python)?;
    let project = python::Project::read(folder)?;
    let mut paths = vec![
        folder.join(project.root(folder)?),
        folder.join(sdk_folder(Language::Python)),
    ];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PYTHONPATH").unwrap_or_default(),
    ));
    let path: OsString = std::env::join_paths(paths)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    let mut process = Command::new("python3");
    process
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if is_for_pytest(folder) && has_pytest(folder) {
        process.args(["-m", "pytest", "-q"]);
        return Ok(("python3 -m pytest -q", process));
    }
    process.args(["-m", "unittest", "discover", "--start-directory"]);
    process.arg(start_directory(folder));
    Ok(("python3 -m unittest discover", process))
}

/// Whether the project configures pytest.
fn is_for_pytest(folder: &Path) -> bool {
    let manifest = fs_err::read_to_string(folder.join(Language::Python.marker()));
    let has = |file: &str| folder.join(file).is_file();
    manifest.is_ok_and(|text| text.contains("[tool.pytest"))
        || has("pytest.ini")
        || has("conftest.py")
        || has("tests/conftest.py")
}

fn has_pytest(folder: &Path) -> bool {
    let mut python = Command::new("python3");
    python
        .args(["-c", "import pytest"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// unittest looks into packages alone, and `tests` mostly is none.
fn start_directory(folder: &Path) -> PathBuf {
    let tests = folder.join("tests");
    match tests.is_dir() {
        true => tests,
        false => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "[project]\nname = \"sums\"\nversion = \"1\"\n";
        let module =
            "import transom\n\n\n@transom.function\ndef twice(x: int) -> int:\n    return 2 * x\n";
        for (file, text) in [("pyproject.toml", manifest), ("src/sums.py", module)]
            .iter()
            .chain(files)
        {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        folder
    }

    fn test(expected: i64) -> String {
        format!(
            "import unittest\nfrom sums import twice\n\n\nclass Twice(unittest.TestCase):\n    def test_it(self):\n        \
             self.assertEqual(twice(2), {expected})\n"
        )
    }

    #[test]
    fn unit_tests_find_the_module_and_the_sdk() {
        let folder = project(&[("tests/test_sums.py", &test(4))]);
        let ran = unit_tests(folder.path()).unwrap();
        assert!(ran.passed, "{}", ran.output);
        assert_eq!(ran.command, "python3 -m unittest discover");
        assert!(ran.output.contains("Ran 1 test"), "{}", ran.output);
    }

    #[test]
    fn unit_tests_that_fail_are_told_with_what_they_wrote() {
        let folder = project(&[("test_sums.py", &test(5))]);
        let ran = unit_tests(folder.path()).unwrap();
        assert!(!ran.passed);
        assert!(ran.output.contains("4 != 5"), "{}", ran.output);
    }

    #[test]
    fn each_language_has_its_own_tool() {
        let folder = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (file, text) in files {
                fs_err::write(folder.path().join(file), text).unwrap();
            }
            folder
        };
        let manifest = "[package]\nname = \"sums\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";
        let rust = "#[test]\nfn it() {\n    assert_eq!(2 + 2, 4);\n}\n";
        let go =
            "package main\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) { t.Fatal(\"no\") }\n";
        let rust = folder(&[("Cargo.toml", manifest), ("lib.rs", rust)]);
        let go = folder(&[("go.mod", "module sums\n\ngo 1.24\n"), ("it_test.go", go)]);
        let ran = unit_tests(rust.path()).unwrap();
        assert!(
            ran.passed && ran.output.contains("1 passed"),
            "{}",
            ran.output
        );
        let ran = unit_tests(go.path()).unwrap();
        assert!(
            !ran.passed && ran.output.contains("it_test.go:5: no"),
            "{}",
            ran.output
        );
    }

    #[test]
    fn a_plugin_without_unit_tests_passes() {
        let ran = unit_tests(project(&[]).path()).unwrap();
        assert!(ran.passed, "{}", ran.output);
    }
}
