//! Runs `go build` for a plugin.
//!
//! The build is made **reproducible**: paths are trimmed, and the caller's settings that change what comes out do not count.
//! What comes from the network is the user's matter (`GOPROXY`, `GOPRIVATE`), but for the toolchain, which is never
//! downloaded behind the user's back. Go keeps its own cache of compiled packages, which all plugins share already.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::OLDEST;
use crate::build::Module;
use crate::toolchain::first_line;
use crate::{BuildError, BuildOptions};

/// The caller's settings that would change what comes out.
const FORGOTTEN: &[&str] = &["GOEXPERIMENT", "GOWASM", "GO111MODULE", "GOFIPS140"];

/// Tags of every plugin. arrow-go has two JSON libraries; with Go's own a plugin is 3 MB smaller and compiles in a third of the
/// time.
const TAGS: &str = "arrow_json_stdlib";

/// Compiles the plugin in `folder` (an absolute path).
pub(crate) fn compile(folder: &Path, options: &BuildOptions) -> Result<Module, BuildError> {
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
    let as_of = SystemTime::now();
    let status = command.status().map_err(cannot_start)?;
    if !status.success() {
        return Err(BuildError::Compile {
            command: "go build",
            folder: folder.to_owned(),
            status: status.to_string(),
        });
    }
    Ok(Module {
        core: fs_err::read(module)?,
        as_of,
    })
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
    let output = go(folder)
        .args(["env", "GOVERSION"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(cannot_start)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        return Err(BuildError::Compile {
            command: "go env",
            folder: folder.to_owned(),
            status: output.status.to_string(),
        });
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
