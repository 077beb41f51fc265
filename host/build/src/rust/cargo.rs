//! Runs cargo for a plugin.
//!
//! The build is made **reproducible**, so that a digest means something: absolute paths are mapped to names that are the same
//! everywhere (the sysroot, the registry's folders, path dependencies, the plugin itself), the caller's own compiler flags
//! do not count, and the one dependency that bakes a random number into the code gets a fixed seed.
//!
//! Flags for all crates are part of cargo's fingerprint: with one that names the plugin or the SDK's folder, every plugin would
//! compile arrow and the standard library anew. So what differs between plugins goes only to the crates that it concerns, by a
//! wrapper around the compiler (`rustc-wrapper.sh`).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::SystemTime;

use serde::Deserialize;

use super::compiler::{Compiler, StandardLibrary};
use super::{Manifest, TARGET};
use crate::build::Module;
use crate::{BuildError, BuildOptions, cache};

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// The caller's settings that would change what comes out, or where it goes: those of a host build that this runs under, or
/// of the user's shell.
const FORGOTTEN: &[&str] = &[
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// Called in place of the compiler; see there.
const WRAPPER: &str = include_str!("rustc-wrapper.sh");

/// How plugins are optimised whose manifest has no `[profile.release]`.
///
/// Measured on a guest that reads and writes Arrow: against `opt-level = 3`, `s` costs 8 % of speed and saves 35 % of the
/// code, and so a third of the time to compile it when it is first loaded.
const DEFAULT_PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
];

/// Compiles the plugin in `folder` (an absolute path).
pub(crate) fn compile(
    folder: &Path,
    manifest: &Manifest,
    options: &BuildOptions,
) -> Result<Module, BuildError> {
    let compiler = Compiler::find(folder)?;
    tracing::debug!(rustc = %compiler.rustc.display(), standard_library = ?compiler.standard_library, "guest compiler");
    let target_dir = match &options.target_dir {
        Some(target_dir) => std::path::absolute(target_dir)?,
        None => cache::guests()?,
    };
    let cargo = Cargo {
        folder,
        compiler: &compiler,
        options,
    };
    let workspace = cargo.workspace()?;

    // Cargo locks the target folder while it compiles; this lock lasts until the module has been read as well, since another
    // plugin with the same package name would put its own module there.
    fs_err::create_dir_all(&target_dir)?;
    let lock = fs_err::File::create(target_dir.join(".transom-lock"))?;
    lock.file().lock()?;

    let mut command = cargo.command("build", workspace.is_locked());
    command
        .arg("--release")
        .args(["--package", &manifest.package, "--lib", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(&target_dir)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            encode(&workspace.remaps(&compiler)),
        )
        .env("RUSTC_WRAPPER", write_wrapper(&target_dir)?)
        .env("TRANSOM_PATH_CRATES", workspace.path_crates().join(":"))
        // const-random, which arrow's hash maps depend on, puts a random number of build time into the code.
        .env("CONST_RANDOM_SEED", "0");
    if options.quiet {
        command.arg("--quiet");
    }
    if !manifest.has_release_profile {
        command.envs(DEFAULT_PROFILE.iter().copied());
    }
    if let StandardLibrary::FromSource { linker } = &compiler.standard_library {
        command
            .args(["-Z", "build-std=std,panic_abort"])
            .env("RUSTC_BOOTSTRAP", "1");
        if let Some(linker) = linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
    // Not earlier: resolving the dependencies, above, may have written `Cargo.lock`, which counts as source.
    let as_of = SystemTime::now();
    let path = cargo.run(command, &workspace)?;
    Ok(Module {
        core: fs_err::read(path)?,
        as_of,
    })
}

/// Cargo, as it is run for one plugin.
struct Cargo<'build> {
    folder: &'build Path,
    compiler: &'build Compiler,
    options: &'build BuildOptions,
}

impl Cargo<'_> {
    /// What cargo knows of the crate and all that it depends on.
    fn workspace(&self) -> Result<Workspace, BuildError> {
        let root: Workspace = self.metadata(&["--no-deps"], false)?;
        let lock = root.is_locked();
        self.metadata(&["--filter-platform", TARGET], lock)
    }

    fn metadata(&self, arguments: &[&str], locked: bool) -> Result<Workspace, BuildError> {
        let mut command = self.command("metadata", locked);
        command.args(["--format-version", "1"]).args(arguments);
        if self.options.quiet {
            command.arg("--quiet");
        }
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(cannot_start)?;
        self.check("cargo metadata", output.status)?;
        serde_json::from_slice(&output.stdout).map_err(|error| BuildError::Report {
            command: "cargo metadata",
            folder: self.folder.to_owned(),
            source: Box::new(error),
        })
    }

    /// Cargo with an environment that does not depend on the caller's.
    fn command(&self, subcommand: &str, locked: bool) -> Command {
        let mut command = Command::new("cargo");
        command
            .arg(subcommand)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .env("RUSTC", &self.compiler.rustc)
            // Empty rather than unset: it also switches off the wrapper of a configuration file.
            .env("RUSTC_WRAPPER", "");
        for name in FORGOTTEN {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PROFILE_"))
            {
                command.env_remove(name);
            }
        }
        if locked {
            command.arg("--locked");
        }
        if self.options.offline {
            command.arg("--offline");
        }
        command
    }

    /// Runs a build and returns the path of the module. Cargo's stdout, which is for programs, is read here; its stderr is the
    /// user's.
    fn run(&self, mut command: Command, workspace: &Workspace) -> Result<PathBuf, BuildError> {
        const NAME: &str = "cargo build";
        let report = |source: Box<dyn std::error::Error + Send + Sync>| BuildError::Report {
            command: NAME,
            folder: self.folder.to_owned(),
            source,
        };
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot_start)?;
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        let manifest = self.folder.join("Cargo.toml");
        let mut module = None;
        let mut unreadable = None;
        for line in BufReader::new(stdout).lines() {
            // Read to the end even after a failure: a child whose pipe is closed dies in the middle of its work.
            match line.map(|line| module_in(&line, &manifest)) {
                Ok(Some(path)) => module = Some(path),
                Ok(None) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        let status = child.wait()?;
        self.check(NAME, status)?;
        if let Some(error) = unreadable {
            return Err(report(Box::new(error)));
        }
        module.ok_or_else(|| {
            let root = workspace.workspace_root.display();
            report(
                format!(
                    "no module of `{}` in workspace `{root}`",
                    manifest.display()
                )
                .into(),
            )
        })
    }

    fn check(&self, command: &'static str, status: ExitStatus) -> Result<(), BuildError> {
        if status.success() {
            return Ok(());
        }
        let (folder, status) = (self.folder.to_owned(), status.to_string());
        Err(BuildError::Compile {
            command,
            folder,
            status,
        })
    }
}

fn cannot_start(source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: "cargo".to_owned(),
        source,
    }
}

/// What is needed of `cargo metadata`.
#[derive(Debug, Deserialize)]
struct Workspace {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    manifest_path: PathBuf,
    /// None for a package of the file system.
    source: Option<String>,
}

impl Workspace {
    fn is_locked(&self) -> bool {
        self.workspace_root.join("Cargo.lock").is_file()
    }

    /// Folders of the crates that come from no registry: the plugin, its workspace, what they depend on by path.
    fn path_crates(&self) -> Vec<&str> {
        let local = self
            .packages
            .iter()
            .filter(|package| package.source.is_none());
        local
            .filter_map(|package| package.manifest_path.parent())
            // Cargo's report is JSON, so its paths are UTF-8.
            .filter_map(Path::to_str)
            .collect()
    }

    /// Flags for all crates: they map what is the same for every plugin on this machine.
    fn remaps(&self, compiler: &Compiler) -> Vec<OsString> {
        let mut remaps = vec![remap(&compiler.sysroot, "/rust")];
        // `<registry>/<package>-<version>/Cargo.toml`; a set, so that the flags do not depend on cargo's order.
        let registries: BTreeSet<&Path> = self
            .packages
            .iter()
            .filter(|package| package.source.is_some())
            .filter_map(|package| package.manifest_path.parent()?.parent())
            .collect();
        remaps.extend(
            registries
                .into_iter()
                .map(|folder| remap(folder, "/crates")),
        );
        remaps
    }
}

/// Puts the wrapper into the target folder, if it is not there.
fn write_wrapper(target_dir: &Path) -> Result<PathBuf, BuildError> {
    let path = target_dir.join(".transom-rustc");
    // Not rewritten when it is the same: cargo asks the compiler for its version again whenever the file's time changes.
    if fs_err::read_to_string(&path).is_ok_and(|text| text == WRAPPER) {
        return Ok(path);
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o777));
    }
    let mut file = builder.tempfile_in(target_dir)?;
    file.write_all(WRAPPER.as_bytes())?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

fn encode(flags: &[OsString]) -> OsString {
    flags.join(OsStr::new(FLAG_SEPARATOR))
}

/// The line that cargo prints for each thing that it has compiled.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module that `line` reports, if it reports the plugin's.
fn module_in(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" || message.manifest_path.as_deref() != Some(manifest) {
        return None;
    }
    message.filenames.into_iter().find(|file| {
        file.extension()
            .is_some_and(|extension| extension == "wasm")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plugins_own_module_is_taken_from_cargos_report() {
        let line = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"kind":["cdylib"]}},"filenames":["{file}"]}}"#
            )
        };
        let manifest = Path::new("/w/plugin/Cargo.toml");
        let own = line("/w/plugin/Cargo.toml", "/t/plugin.wasm");
        assert_eq!(
            module_in(&own, manifest),
            Some(PathBuf::from("/t/plugin.wasm"))
        );
        let build_script = line("/w/plugin/Cargo.toml", "/t/build-script-build");
        assert_eq!(module_in(&build_script, manifest), None);
        let other = line("/w/other/Cargo.toml", "/t/other.wasm");
        assert_eq!(module_in(&other, manifest), None);
        assert_eq!(module_in("what a build script prints", manifest), None);
    }

    #[test]
    fn flags_for_all_crates_name_no_folder_of_the_plugin_or_its_path_dependencies() {
        let package = |folder: &str, source: Option<&str>| Package {
            manifest_path: PathBuf::from(folder).join("Cargo.toml"),
            source: source.map(str::to_owned),
        };
        let workspace = Workspace {
            workspace_root: PathBuf::from("/w/plugin"),
            packages: vec![
                package("/w/plugin", None),
                package("/w/plugin/shared", None),
                package("/w/sdk/macros", None),
                package("/w/sdk", None),
                package("/home/registry/src/index/serde-1", Some("registry+index")),
                package("/home/registry/src/index/bytes-1", Some("registry+index")),
            ],
        };
        let compiler = Compiler {
            rustc: PathBuf::from("rustc"),
            sysroot: PathBuf::from("/usr"),
            standard_library: StandardLibrary::Installed,
        };
        assert_eq!(
            workspace.remaps(&compiler),
            [
                "--remap-path-prefix=/usr=/rust",
                "--remap-path-prefix=/home/registry/src/index=/crates",
            ]
        );
        assert_eq!(
            workspace.path_crates(),
            ["/w/plugin", "/w/plugin/shared", "/w/sdk/macros", "/w/sdk"]
        );
    }
}
