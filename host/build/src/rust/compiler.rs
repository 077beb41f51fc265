//! Finds a Rust compiler that can make WebAssembly.
//!
//! Two kinds will do. Either the compiler's sysroot holds the target's compiled standard library: what
//! `rustup target add` gives. Or it holds the standard library's *source*, and there is a linker for WebAssembly: then cargo
//! compiles the library along (`-Zbuild-std`, which cargo allows under `RUSTC_BOOTSTRAP=1`): what Debian's packages give,
//! on machines that can reach a package mirror but not rustup's downloads.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::TARGET;
use crate::BuildError;
use crate::toolchain::first_line;

/// The variable by which a user names the compiler.
const VARIABLE: &str = "TRANSOM_WASM_RUSTC";

/// Oldest compiler that the SDK's dependencies take.
const OLDEST: (u32, u32) = (1, 85);

/// A compiler that can make WebAssembly, and how.
#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) rustc: PathBuf,
    pub(super) sysroot: PathBuf,
    pub(super) standard_library: StandardLibrary,
}

/// Where the target's standard library comes from.
#[derive(Debug)]
pub(super) enum StandardLibrary {
    /// Compiled, beside the compiler.
    Installed,
    /// Compiled with the plugin from source.
    FromSource {
        /// The linker to name to cargo; none when the compiler brings its own.
        linker: Option<PathBuf>,
    },
}

/// What compilers there are, in words.
pub(crate) fn toolchain(folder: &Path) -> Result<String, BuildError> {
    let cargo = first_line("cargo", &["--version"])?;
    let compiler = Compiler::find(folder)?;
    let library = match compiler.standard_library {
        StandardLibrary::Installed => "with the standard library for WebAssembly",
        StandardLibrary::FromSource { .. } => "compiles the standard library from source",
    };
    Ok(format!("{cargo}; {} ({library})", compiler.rustc.display()))
}

impl Compiler {
    /// Looks for a compiler, as the user's tools would find it from `folder` (a toolchain file there counts).
    ///
    /// # Errors
    /// [`BuildError::UnfitCompiler`] when `TRANSOM_WASM_RUSTC` names one that cannot; [`BuildError::NoCompiler`] when none can.
    pub(super) fn find(folder: &Path) -> Result<Self, BuildError> {
        if let Some(rustc) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            let named = PathBuf::from(&rustc);
            let outcome = match on_path(&named) {
                Some(rustc) => Probe::of(rustc, folder).and_then(|probe| {
                    let source = probe.with_source();
                    probe.with_installed().or(source)
                }),
                None => Err("there is no such program".to_owned()),
            };
            return outcome.map_err(|lacks| BuildError::UnfitCompiler {
                rustc: named.display().to_string(),
                lacks,
            });
        }
        Self::find_among(&candidates(), folder)
    }

    fn find_among(candidates: &[PathBuf], folder: &Path) -> Result<Self, BuildError> {
        let mut probes = Vec::new();
        let mut tried = Vec::new();
        for rustc in candidates {
            match Probe::of(rustc.clone(), folder) {
                // An installed library first, whichever compiler has it: compiling one takes most of a minute.
                Ok(probe) => match probe.with_installed() {
                    Ok(compiler) => return Ok(compiler),
                    Err(_) => probes.push(probe),
                },
                Err(lacks) => tried.push(format!("`{}`: {lacks}", rustc.display())),
            }
        }
        for probe in probes {
            match probe.with_source() {
                Ok(compiler) => return Ok(compiler),
                Err(lacks) => tried.push(format!("`{}`: {lacks}", probe.rustc.display())),
            }
        }
        if tried.is_empty() {
            tried.push("`rustc`: there is no such program".to_owned());
        }
        Err(BuildError::NoCompiler { tried })
    }
}

/// What a compiler says of itself.
#[derive(Debug)]
struct Probe {
    rustc: PathBuf,
    sysroot: PathBuf,
    target_libdir: PathBuf,
    verbose_version: String,
}

impl Probe {
    /// Asks the compiler; the error says what it lacks.
    fn of(rustc: PathBuf, folder: &Path) -> Result<Self, String> {
        let ask = |arguments: &[&str]| {
            let output = Command::new(&rustc)
                .args(arguments)
                .current_dir(folder)
                // Of a debugging session of the user, not for us.
                .env_remove("RUSTC_LOG")
                .output()
                .map_err(|error| format!("it does not start ({error})"))?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout)
                    .trim_end()
                    .to_owned())
            } else {
                Err(format!("`rustc {}` fails", arguments.join(" ")))
            }
        };
        let verbose_version = ask(&["-vV"])?;
        let release = field(&verbose_version, "release").unwrap_or_default();
        if !is_new_enough(release) {
            return Err(format!(
                "it is {release}, {}.{} is needed",
                OLDEST.0, OLDEST.1
            ));
        }
        // One run for both: a rustup proxy takes 30 ms to start.
        let printed = ask(&[
            "--print",
            "sysroot",
            "--print",
            "target-libdir",
            "--target",
            TARGET,
        ])?;
        let mut lines = printed.lines().map(PathBuf::from);
        match (lines.next(), lines.next()) {
            (Some(sysroot), Some(target_libdir)) => Ok(Self {
                rustc,
                sysroot,
                target_libdir,
                verbose_version,
            }),
            _ => Err("it does not tell its folders".to_owned()),
        }
    }

    fn with_installed(&self) -> Result<Compiler, String> {
        let is_library = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
        let installed = std::fs::read_dir(&self.target_libdir).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_str().is_some_and(is_library))
        });
        if installed {
            Ok(self.compiler(StandardLibrary::Installed))
        } else {
            Err(format!("it has no standard library for `{TARGET}`"))
        }
    }

    fn with_source(&self) -> Result<Compiler, String> {
        if !self
            .sysroot
            .join("lib/rustlib/src/rust/library/Cargo.lock")
            .is_file()
        {
            return Err(format!(
                "it has neither the standard library for `{TARGET}` nor its source"
            ));
        }
        let host = field(&self.verbose_version, "host").unwrap_or_default();
        if self
            .sysroot
            .join("lib/rustlib")
            .join(host)
            .join("bin/rust-lld")
            .is_file()
        {
            return Ok(self.compiler(StandardLibrary::FromSource { linker: None }));
        }
        let llvm = field(&self.verbose_version, "LLVM version").unwrap_or_default();
        match linkers(&self.sysroot, llvm).iter().find_map(|name| on_path(name)) {
            Some(linker) => Ok(self.compiler(StandardLibrary::FromSource { linker: Some(linker) })),
            None => Err("it has the standard library's source, but there is no linker for WebAssembly (`wasm-ld`)".to_owned()),
        }
    }

    fn compiler(&self, standard_library: StandardLibrary) -> Compiler {
        Compiler {
            rustc: self.rustc.clone(),
            sysroot: self.sysroot.clone(),
            standard_library,
        }
    }
}

/// Compilers to look at, best first: the user's own, then the system's.
fn candidates() -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = on_path(Path::new("rustc")).into_iter().collect();
    candidates.push(PathBuf::from("/usr/bin/rustc"));
    // Debian's versioned packages.
    if let Ok(entries) = std::fs::read_dir("/usr/lib") {
        let mut versioned: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("rust-"))
            .map(|entry| entry.path().join("bin/rustc"))
            .collect();
        versioned.sort();
        candidates.extend(versioned.into_iter().rev());
    }
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|candidate| candidate.is_file() && seen.insert(candidate.clone()));
    candidates
}

/// Linkers to look for, the compiler's own LLVM first: objects of a newer LLVM may be unreadable to an older linker.
fn linkers(sysroot: &Path, llvm: &str) -> Vec<PathBuf> {
    let major = llvm.split('.').next().unwrap_or_default();
    vec![
        sysroot.join("bin/rust-lld"),
        PathBuf::from(format!("wasm-ld-{major}")),
        PathBuf::from("rust-lld"),
        PathBuf::from("wasm-ld"),
    ]
}

/// The program as a path that does not depend on the current folder; none when there is no such program.
fn on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        let path = std::path::absolute(program).ok()?;
        return path.is_file().then_some(path);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn field<'text>(verbose_version: &'text str, name: &str) -> Option<&'text str> {
    verbose_version
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn is_new_enough(release: &str) -> bool {
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A machine in a folder: compilers that answer as `rustc` does.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// Adds a compiler; `files` are the files of its sysroot.
        fn compiler(&self, name: &str, release: &str, files: &[&str]) -> PathBuf {
            let sysroot = self.0.path().join(name);
            for file in files {
                let file = sysroot.join(file);
                fs_err::create_dir_all(file.parent().unwrap()).unwrap();
                fs_err::write(file, "").unwrap();
            }
            let rustc = self.0.path().join(format!("{name}-rustc"));
            let root = sysroot.display();
            let script = format!(
                "#!/bin/sh\ncase $1 in\n\
                 -vV) echo 'release: {release}'; echo 'host: test-host'; echo 'LLVM version: 22.1.2';;\n\
                 *) echo '{root}'; echo '{root}/lib/rustlib/{TARGET}/lib';;\nesac\n"
            );
            fs_err::write(&rustc, script).unwrap();
            fs_err::set_permissions(&rustc, std::fs::Permissions::from_mode(0o755)).unwrap();
            rustc
        }

        fn find(&self, candidates: &[PathBuf]) -> Result<Compiler, BuildError> {
            Compiler::find_among(candidates, self.0.path())
        }
    }

    const INSTALLED: &str = "lib/rustlib/wasm32-unknown-unknown/lib/libstd-0123.rlib";
    const SOURCE: &str = "lib/rustlib/src/rust/library/Cargo.lock";
    const LINKER: &str = "lib/rustlib/test-host/bin/rust-lld";

    #[test]
    fn an_installed_library_wins_over_a_source_that_comes_first() {
        let machine = Machine::new();
        let source = machine.compiler("source", "1.96.0", &[SOURCE, LINKER]);
        let installed = machine.compiler("installed", "1.95.0", &[INSTALLED]);
        let found = machine.find(&[source, installed.clone()]).unwrap();
        assert_eq!(found.rustc, installed);
        assert!(matches!(found.standard_library, StandardLibrary::Installed));
    }

    #[test]
    fn a_source_with_a_linker_will_do() {
        let machine = Machine::new();
        let native = machine.compiler("native", "1.95.0", &[LINKER]);
        let source = machine.compiler("source", "1.96.0", &[SOURCE, LINKER]);
        let found = machine.find(&[native, source.clone()]).unwrap();
        assert_eq!(found.rustc, source);
        assert!(matches!(
            found.standard_library,
            StandardLibrary::FromSource { linker: None }
        ));
    }

    #[test]
    fn without_a_fit_compiler_each_one_is_named_with_what_it_lacks_and_how_to_get_one() {
        let machine = Machine::new();
        let old = machine.compiler("old", "1.63.0", &[INSTALLED]);
        let native = machine.compiler("native", "1.95.0", &[LINKER]);
        let error = machine.find(&[old, native]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("old-rustc`: it is 1.63.0, 1.85 is needed"),
            "{message}"
        );
        assert!(
            message.contains("native-rustc`: it has neither"),
            "{message}"
        );
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("rustup target add wasm32-unknown-unknown"),
            "{hint}"
        );
        assert!(hint.contains("rustc-web rust-web-src lld-22"), "{hint}");
        assert_eq!(error.kind(), crate::BuildErrorKind::Toolchain);
    }

    #[test]
    fn the_linker_of_the_compilers_own_llvm_comes_before_any_other() {
        let names = linkers(Path::new("/usr"), "22.1.8");
        let position = |name: &str| {
            names
                .iter()
                .position(|path| path == Path::new(name))
                .unwrap()
        };
        assert!(position("wasm-ld-22") < position("wasm-ld"));
    }

    #[test]
    fn nightly_and_two_digit_releases_compare_as_numbers() {
        assert!(is_new_enough("1.97.0-nightly"));
        assert!(is_new_enough("1.100.0"));
        assert!(!is_new_enough("1.9.0"));
        assert!(!is_new_enough(""));
    }
}
