//! Runs `go build` for a plugin.
//!
//! The build is made **reproducible**: paths are trimmed, and the caller's settings that change what comes out do not count.
//! What comes from the network is the user's matter (`GOPROXY`, `GOPRIVATE`), but for the toolchain, which is never
//! downloaded behind the user's back. Go keeps its own cache of compiled packages, which all plugins share already.

use std::path::Path;
use std::process::{Command, Stdio};

use super::OLDEST;
use crate::inputs::Tool;
use crate::output::{self, Said};
use crate::toolchain::first_line;
use crate::{BuildError, BuildOptions};

/// The caller's settings that would change what comes out.
const FORGOTTEN: &[&str] = &["GOEXPERIMENT", "GOWASM", "GO111MODULE", "GOFIPS140"];

/// Tags of every plugin. arrow-go has two JSON libraries; with Go's own a plugin is 3 MB smaller and compiles in a third of the
/// time. A plugin has no files, so the table of time zones (0.4 MB) is part of it.
const TAGS: &str = "arrow_json_stdlib,timetzdata";

/// Compiles the plugin in `folder` (an absolute path).
pub(crate) fn compile(folder: &Path, options: &BuildOptions) -> Result<Vec<u8>, BuildError> {
    check_version(folder)?;
    let out = tempfile::tempdir()?;
    let module = out.path().join("plugin.wasm");
    let mut command = go(folder);
    command
        // A library that is initialised and then called, not a program that runs once.
        .args([
            "build",
            "-buildmode=c-shared",
            "-trimpath",
            "-buildvcs=false",
        ])
        // No symbol table and no DWARF; panics still know their file and line.
        .args(["-ldflags=-s -w", "-tags", TAGS, "-o"])
        .arg(&module)
        .arg(".")
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .stdout(Stdio::null());
    if options.offline {
        command.env("GOPROXY", "off");
    }
    let base = folder.to_owned();
    let (mut child, stderr) = output::start(&mut command, move |line| with_shown_path(line, &base))
        .map_err(cannot_start)?;
    let status = child.wait()?;
    let said = stderr.join().unwrap_or_default();
    if !status.success() {
        return Err(failed("go build", folder, status, &said));
    }
    Ok(fs_err::read(module)?)
}

fn failed(
    command: &'static str,
    folder: &Path,
    status: std::process::ExitStatus,
    said: &Said,
) -> BuildError {
    BuildError::Compile {
        command,
        folder: folder.to_owned(),
        status: status.to_string(),
        output: said.text(),
    }
}

/// Go's messages begin with a place: `./main.go:7:2: undefined: x`.
fn with_shown_path(line: &str, folder: &Path) -> String {
    let place = line.split_once(".go:").filter(|(path, _)| {
        !path.is_empty() && !path.contains([' ', ':']) && !path.starts_with('/')
    });
    match place {
        Some((path, rest)) => format!("{}:{rest}", output::shown(folder, &format!("{path}.go"))),
        None => line.to_owned(),
    }
}

/// The compiler, and its version.
pub(crate) fn tool(folder: &Path) -> Option<Tool> {
    Tool::ask(Path::new("go"), &["env", "GOVERSION"], folder)
}

/// `go` with an environment that does not depend on the caller's.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("GOTOOLCHAIN", "local")
        // What a plugin is made of stands in its own `go.mod`.
        .env("GOWORK", "off")
        // Not empty: then the user's file of settings would count.
        .env("GOFLAGS", "-mod=readonly")
        .env("CGO_ENABLED", "0");
    for name in FORGOTTEN {
        command.env_remove(name);
    }
    if folder.join("vendor/modules.txt").is_file() {
        command.env("GOFLAGS", "-mod=vendor");
    }
    command
}

/// What Go there is, in words.
pub(crate) fn toolchain(folder: &Path) -> Result<String, BuildError> {
    check_version(folder)?;
    first_line("go", &["version"])
}

/// Says so before the compiler does, which would only not know what to do with the SDK's exports.
fn check_version(folder: &Path) -> Result<(), BuildError> {
    let mut command = go(folder);
    command.args(["env", "GOVERSION"]).stdout(Stdio::piped());
    let (child, stderr) = output::start(&mut command, str::to_owned).map_err(cannot_start)?;
    let output = child.wait_with_output()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let said = stderr.join().unwrap_or_default();
        return Err(failed("go env", folder, output.status, &said));
    }
    if is_new_enough(&version) {
        return Ok(());
    }
    Err(BuildError::UnfitGo { version })
}

/// Whether a version such as `go1.26.8` is one that plugins can be built with. What is not understood is (`devel ...`).
fn is_new_enough(version: &str) -> bool {
    let Some(numbers) = version.strip_prefix("go") else {
        return true;
    };
    let mut parts = numbers.split('.').map(|part| {
        let digits = part.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse::<u32>().ok())
    });
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => true,
    }
}

fn cannot_start(source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: "go".to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_messages_are_those_of_the_users_shell() {
        let here = std::env::current_dir().unwrap().join("plugins/one");
        for (line, shown) in [
            (
                "./main.go:7:2: undefined: x\n",
                "plugins/one/main.go:7:2: undefined: x\n",
            ),
            (
                "main.go:7: undefined: x\n",
                "plugins/one/main.go:7: undefined: x\n",
            ),
            ("../lib/lib.go:1:1: no\n", "plugins/lib/lib.go:1:1: no\n"),
            (
                "/usr/local/go/src/a.go:1:1: no\n",
                "/usr/local/go/src/a.go:1:1: no\n",
            ),
            ("# example.com/one\n", "# example.com/one\n"),
            ("go: see main.go:1\n", "go: see main.go:1\n"),
        ] {
            assert_eq!(with_shown_path(line, &here).replace("one/../", ""), shown);
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_new_enough("go1.24"));
        assert!(is_new_enough("go1.26.8"));
        assert!(is_new_enough("go1.100rc1"));
        assert!(is_new_enough("devel go1.28-abcdef"));
        assert!(!is_new_enough("go1.23.4"));
        assert!(!is_new_enough("go1.9"));
    }

    #[test]
    fn a_go_that_is_too_old_is_named_with_the_one_that_is_needed() {
        let error = BuildError::UnfitGo {
            version: "go1.21.3".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "the Go compiler here is go1.21.3; plugins need Go 1.24 or newer"
        );
        assert!(error.hint().unwrap().contains("https://go.dev/dl"));
        assert_eq!(error.kind(), crate::BuildErrorKind::Toolchain);
    }
}
