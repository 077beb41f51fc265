//! Runs cargo for a plugin.
//!
//! The build is made **reproducible**, so that a digest means something: absolute paths are mapped to names that are the same
//! everywhere (the sysroot, the registry's folders, path dependencies, the plugin itself), the caller's own compiler flags
//! do not count, and the one dependency that bakes a random number into the code gets a fixed seed.
//!
//! Flags for all crates are part of cargo's fingerprint: with one that names the plugin or the SDK's folder, every plugin would
//! compile arrow and the standard library again. So what differs between plugins goes only to the crates that it concerns, by a
//! wrapper around the compiler (`rustc-wrapper.sh`).

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::compiler::{Compiler, StandardLibrary};
use super::manifest::Profile;
use super::units::Units;
use super::workspace::Workspace;
use super::{Manifest, TARGET};
use crate::build::Module;
use crate::inputs::{Sources, Tool};
use crate::output::{self, Said};
use crate::{BuildError, BuildOptions, Language, cache};

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

/// Overflow is an error in SQL, and so it is in plugins. Unlike the rest of the profile it is no matter of taste: only a manifest that
/// says otherwise is heard.
const OVERFLOW_CHECKS: (&str, &str) = ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");

/// Is given the digest of the sources, the sources, and the compiler.
pub(crate) type Begin<'build> =
    dyn FnMut(&str, &Sources, Option<Tool>) -> Result<(), BuildError> + 'build;

/// Compiles the plugin in `folder` (an absolute path). `begin` gets the inputs before the compiler reads them.
pub(crate) fn compile(
    folder: &Path,
    manifest: &Manifest,
    options: &BuildOptions,
    begin: &mut Begin<'_>,
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

    // Cargo locks the target folder while it compiles; this lock lasts from the look at what cargo keeps until the module has been read.
    fs_err::create_dir_all(&target_dir)?;
    let lock = fs_err::File::create(target_dir.join(".transom-lock"))?;
    lock.file().lock()?;

    let units = Units::prepare(&target_dir, &workspace, folder)?;
    let mut sources = Sources::default();
    for crate_folder in units.folders() {
        sources.add(folder, crate_folder);
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        sources.add(folder, &workspace.workspace_root.join(file));
    }
    // Not earlier: resolving the dependencies, above, may have written `Cargo.lock`.
    let inputs = sources.digest(folder, Language::Rust)?;
    let tool = Tool::ask(&compiler.rustc, &["-vV"], folder);
    begin(&inputs, &sources, tool.clone())?;

    let profile = Profile::read(&workspace.workspace_root)?;
    let run = || {
        let mut command = cargo.command("build");
        command
            // The lock file was brought up to date above; from here on it is what is built.
            .arg("--locked")
            .arg("--release")
            .args(["--package", &manifest.package, "--lib", "--target", TARGET])
            .args(["--message-format", message_format()])
            .arg("--target-dir")
            .arg(&target_dir)
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                encode(&workspace.remaps(&compiler)),
            )
            .env("RUSTC_WRAPPER", write_wrapper(&target_dir)?)
            .env("TRANSOM_PATH_CRATES", workspace.path_folders().join(":"))
            // const-random, which arrow's hash maps depend on, puts a random number of build time into the code.
            .env("CONST_RANDOM_SEED", "0");
        if options.quiet {
            command.arg("--quiet");
        }
        if !profile.is_set {
            command.envs(DEFAULT_PROFILE.iter().copied());
        }
        if !profile.sets_overflow_checks {
            command.envs([OVERFLOW_CHECKS]);
        }
        if let StandardLibrary::FromSource { linker } = &compiler.standard_library {
            command
                .args(["-Z", "build-std=std,panic_abort"])
                .env("RUSTC_BOOTSTRAP", "1");
            if let Some(linker) = linker {
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
        cargo.build(command, &workspace, &units)
    };
    let path = match run()? {
        Outcome::Module(path) => path,
        // Cargo keeps its notes elsewhere than this program knows. It is slower, and it is certain.
        Outcome::Kept => {
            cargo.clean(&target_dir, &workspace)?;
            match run()? {
                Outcome::Module(path) => path,
                Outcome::Kept => {
                    return Err(cargo.report("cargo did not compile what has changed".into()));
                }
            }
        }
    };
    let edited = units.finish()?;
    let (files, variables) = units.read()?;
    let before = sources.clone();
    sources.add_read(folder, files, variables)?;
    let inputs = match sources == before {
        true => inputs,
        // What the compiler read elsewhere is known only now; it counts if nothing was edited meanwhile.
        false if !edited && before.digest(folder, Language::Rust)? == inputs => {
            sources.digest(folder, Language::Rust)?
        }
        false => inputs,
    };
    Ok(Module {
        core: fs_err::read(path)?,
        inputs,
        sources,
        tool,
    })
}

/// What came of a build.
enum Outcome {
    /// The plugin's module.
    Module(PathBuf),
    /// Cargo took something that it had kept for what has changed.
    Kept,
}

/// Cargo, as it is run for one plugin.
struct Cargo<'build> {
    folder: &'build Path,
    compiler: &'build Compiler,
    options: &'build BuildOptions,
}

const BUILD: &str = "cargo build";

impl Cargo<'_> {
    /// What cargo knows of the crate and all that it depends on. This is where a crate that the manifest asks for since the last build
    /// comes into `Cargo.lock`; all others stay as they are there.
    fn workspace(&self) -> Result<Workspace, BuildError> {
        const NAME: &str = "cargo metadata";
        let mut command = self.command("metadata");
        command.args(["--format-version", "1", "--filter-platform", TARGET]);
        if self.options.quiet {
            command.arg("--quiet");
        }
        command.stdout(Stdio::piped());
        let (child, stderr) = output::start(&mut command, str::to_owned).map_err(cannot_start)?;
        let output = child.wait_with_output()?;
        let said = stderr.join().unwrap_or_default();
        self.check(NAME, output.status, &said)?;
        serde_json::from_slice(&output.stdout).map_err(|error| BuildError::Report {
            command: NAME,
            folder: self.folder.to_owned(),
            source: Box::new(error),
        })
    }

    /// Cargo with an environment that does not depend on the caller's.
    fn command(&self, subcommand: &str) -> Command {
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
        if output::is_coloured() {
            // Its stderr is read here, where it sees no terminal.
            command.env("CARGO_TERM_COLOR", "always");
        }
        if self.options.offline {
            command.arg("--offline");
        }
        command
    }

    /// Runs a build. Cargo's stdout, which is for programs, is read here: what the compiler says of the source is shown with paths as seen
    /// from where this program runs.
    fn build(
        &self,
        mut command: Command,
        workspace: &Workspace,
        units: &Units<'_>,
    ) -> Result<Outcome, BuildError> {
        command.stdout(Stdio::piped());
        let (mut child, stderr) =
            output::start(&mut command, str::to_owned).map_err(cannot_start)?;
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        let manifest = self.folder.join("Cargo.toml");
        let (mut module, mut kept, mut unreadable) = (None, false, None);
        let mut said = Said::default();
        for line in BufReader::new(stdout).lines() {
            // Read to the end even after a failure: a child whose pipe is closed dies in the middle of its work.
            match line.map(|line| serde_json::from_str::<Message>(&line)) {
                Ok(Ok(message)) => {
                    if let Some(text) = message.shown(workspace) {
                        said.say(text.as_bytes());
                    }
                    kept |= message.is_kept(units);
                    if let Some(path) = message.module(&manifest) {
                        module = Some(path);
                    }
                }
                // What a build script prints.
                Ok(Err(_)) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        let status = child.wait()?;
        said.extend(&stderr.join().unwrap_or_default());
        self.check(BUILD, status, &said)?;
        if let Some(error) = unreadable {
            return Err(self.report(Box::new(error)));
        }
        if kept {
            return Ok(Outcome::Kept);
        }
        module.map(Outcome::Module).ok_or_else(|| {
            let root = workspace.workspace_root.display();
            let manifest = manifest.display();
            self.report(format!("no module of `{manifest}` in workspace `{root}`").into())
        })
    }

    /// Has cargo itself forget all crates of the file system.
    fn clean(&self, target_dir: &Path, workspace: &Workspace) -> Result<(), BuildError> {
        const NAME: &str = "cargo clean";
        let mut command = self.command("clean");
        command.args(["--locked", "--quiet", "--release", "--target", TARGET]);
        command.arg("--target-dir").arg(target_dir);
        for package in workspace.path_crates() {
            command.args(["--package", &package.name]);
        }
        let (mut child, stderr) =
            output::start(&mut command, str::to_owned).map_err(cannot_start)?;
        let status = child.wait()?;
        self.check(NAME, status, &stderr.join().unwrap_or_default())
    }

    fn report(&self, source: Box<dyn std::error::Error + Send + Sync>) -> BuildError {
        BuildError::Report {
            command: BUILD,
            folder: self.folder.to_owned(),
            source,
        }
    }

    fn check(
        &self,
        command: &'static str,
        status: std::process::ExitStatus,
        said: &Said,
    ) -> Result<(), BuildError> {
        if status.success() {
            return Ok(());
        }
        Err(BuildError::Compile {
            command,
            folder: self.folder.to_owned(),
            status: status.to_string(),
            output: said.text(),
        })
    }
}

fn cannot_start(source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: "cargo".to_owned(),
        source,
    }
}

fn message_format() -> &'static str {
    match output::is_coloured() {
        true => "json-diagnostic-rendered-ansi",
        false => "json",
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

fn encode(flags: &[OsString]) -> OsString {
    flags.join(OsStr::new(FLAG_SEPARATOR))
}

/// A line that cargo prints: of something that it has compiled or kept, or what the compiler says.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    fresh: bool,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<DiagnosticSpan>,
    #[serde(default)]
    children: Vec<Diagnostic>,
}

#[derive(Deserialize)]
struct DiagnosticSpan {
    file_name: String,
}

impl Message {
    /// The module, if this is about the plugin's own.
    fn module(self, manifest: &Path) -> Option<PathBuf> {
        if self.reason != "compiler-artifact" || self.manifest_path.as_deref() != Some(manifest) {
            return None;
        }
        self.filenames.into_iter().find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
    }

    /// Whether cargo did not compile what it should have.
    fn is_kept(&self, units: &Units<'_>) -> bool {
        let manifest = self.manifest_path.as_deref();
        self.reason == "compiler-artifact"
            && self.fresh
            && manifest.is_some_and(|manifest| units.must_compile(manifest))
    }

    /// What the compiler says, for people.
    fn shown(&self, workspace: &Workspace) -> Option<String> {
        let message = self.message.as_ref()?;
        let rendered = message.rendered.as_ref()?;
        let folder = self.manifest_path.as_ref()?.parent()?;
        let base = workspace.compiled_in(folder);
        let mut files = std::collections::BTreeSet::new();
        message.files(&mut files);
        Some(with_shown_paths(rendered, &files, |file| {
            output::shown(base, file)
        }))
    }
}

impl Diagnostic {
    fn files<'message>(&'message self, files: &mut std::collections::BTreeSet<&'message str>) {
        files.extend(self.spans.iter().map(|span| span.file_name.as_str()));
        self.children.iter().for_each(|child| child.files(files));
    }
}

/// Replaces the names of `files` in the lines that say where something is: `  --> src/lib.rs:3:5`.
fn with_shown_paths(
    rendered: &str,
    files: &std::collections::BTreeSet<&str>,
    shown: impl Fn(&str) -> String,
) -> String {
    let lines = rendered.split_inclusive('\n').map(|line| {
        let plain = output::plain(line);
        let arrow = ["--> ", "::: "]
            .iter()
            .find_map(|arrow| plain.trim_start().strip_prefix(arrow));
        let file = arrow.and_then(|place| {
            files.iter().find(|file| {
                place
                    .strip_prefix(**file)
                    .is_some_and(|rest| rest.starts_with(':'))
            })
        });
        match file {
            Some(file) => line.replacen(file, &shown(file), 1),
            None => line.to_owned(),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plugins_own_module_is_taken_from_cargos_report() {
        let module = |manifest: &str, file: &str| {
            let line = format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"kind":["cdylib"]}},"filenames":["{file}"]}}"#
            );
            let message: Message = serde_json::from_str(&line).unwrap();
            message.module(Path::new("/w/plugin/Cargo.toml"))
        };
        assert_eq!(
            module("/w/plugin/Cargo.toml", "/t/plugin.wasm"),
            Some(PathBuf::from("/t/plugin.wasm"))
        );
        assert_eq!(
            module("/w/plugin/Cargo.toml", "/t/build-script-build"),
            None
        );
        assert_eq!(module("/w/other/Cargo.toml", "/t/other.wasm"), None);
    }

    #[test]
    fn paths_of_a_compilers_message_are_those_of_the_users_shell() {
        let rendered = "error: no `src/lib.rs:1:1`\n \u{1b}[94m--> \u{1b}[0msrc/lib.rs:3:5\n  |\n ::: src/lib.rs.in:1:1\n";
        let files = ["src/lib.rs"].into();
        assert_eq!(
            with_shown_paths(rendered, &files, |file| format!("plugins/one/{file}")),
            "error: no `src/lib.rs:1:1`\n \u{1b}[94m--> \u{1b}[0mplugins/one/src/lib.rs:3:5\n  |\n ::: src/lib.rs.in:1:1\n"
        );
    }
}
