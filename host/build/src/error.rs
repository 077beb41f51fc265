//! What can go wrong between a folder and a component, and the advice that goes with it.
//!
//! The message says what failed on which object; the cause is the error's source; what to do about it is
//! [`BuildError::hint`]. What the compiler itself had to say has gone to stderr already and is not repeated here.

use std::error::Error;
use std::path::PathBuf;

use crate::Language;

/// Why a plugin could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The path of the plugin is no folder.
    #[error("no folder at `{}`", folder.display())]
    NoFolder {
        /// The path that was given.
        folder: PathBuf,
    },

    /// The folder holds no file that tells a language.
    #[error("no plugin source in `{}`: expected {}", folder.display(), markers())]
    UnknownLanguage {
        /// The folder that was looked into.
        folder: PathBuf,
    },

    /// The folder holds a plugin in a language that cannot be built yet.
    #[error(
        "`{}` holds `{marker}`: plugins in {language} are not yet supported, only in {}",
        folder.display(),
        languages()
    )]
    UnsupportedLanguage {
        /// The folder that was looked into.
        folder: PathBuf,
        /// The language that was recognised.
        language: &'static str,
        /// The file that says so.
        marker: &'static str,
    },

    /// The manifest is not what a plugin's manifest looks like.
    #[error("`{}` is not a valid plugin manifest: {problem}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },

    /// The manifest could not be parsed.
    #[error("could not parse `{}`", path.display())]
    ManifestSyntax {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },

    /// The crate's library is no `cdylib`, so no module would come out of it.
    #[error("the library of `{}` is no `cdylib`, so it compiles to no WebAssembly module", path.display())]
    NotCdylib {
        /// The crate's manifest.
        path: PathBuf,
        /// Whether the manifest has a `[lib]` table already.
        has_lib: bool,
    },

    /// No compiler on this machine makes WebAssembly.
    #[error("no Rust compiler here can compile for `wasm32-unknown-unknown` (tried {})", tried.join(", "))]
    NoCompiler {
        /// Each compiler that was looked at, with what it lacks.
        tried: Vec<String>,
    },

    /// The compiler that the user asked for cannot do it.
    #[error(
        "`TRANSOM_WASM_RUSTC` names `{rustc}`, which cannot compile for `wasm32-unknown-unknown`: {lacks}"
    )]
    UnfitCompiler {
        /// The value of the variable.
        rustc: String,
        /// What the compiler lacks.
        lacks: String,
    },

    /// The Go compiler on the `PATH` is too old.
    #[error("the Go compiler here is {version}; plugins need Go 1.24 or newer")]
    UnfitGo {
        /// What it says of itself.
        version: String,
    },

    /// A tool could not be started.
    #[error("could not start `{program}`")]
    Start {
        /// The tool.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// The compiler ran and failed; its words are on stderr.
    #[error("`{command}` failed in `{}` ({status})", folder.display())]
    Compile {
        /// The command, without its arguments.
        command: &'static str,
        /// The plugin's folder.
        folder: PathBuf,
        /// The exit status, in words.
        status: String,
        /// What it said, without colours; it was shown already.
        output: String,
    },

    /// The compiler said something that is not understood, or left nothing behind.
    #[error("could not read what `{command}` reported for `{}`", folder.display())]
    Report {
        /// The command, without its arguments.
        command: &'static str,
        /// The plugin's folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },

    /// A package that a plugin in Python asks for is not Python alone.
    #[error("`{package}` contains native code, which a plugin in Python cannot run")]
    NativeCode {
        /// The package.
        package: String,
    },

    /// The bytes are no core module.
    #[error("the compiler's output is no WebAssembly module")]
    NotAModule(#[source] Box<dyn Error + Send + Sync>),

    /// The module carries no description of its interfaces.
    #[error("the module carries no interface types (no `component-type` section): it is no plugin")]
    NoInterfaceTypes,

    /// The module asks for something that no plugin gets.
    #[error(
        "the module imports `{name}` from `{module}`; a plugin may import from `transom:plugin/host` only"
    )]
    ForbiddenImport {
        /// Where the module wants it from.
        module: String,
        /// What it wants.
        name: String,
    },

    /// The component does not say what it offers.
    #[error("the component exports no `transom:plugin/meta`, only {exports}")]
    NoMeta {
        /// What it exports, in words.
        exports: String,
    },

    /// The module does not fit the interfaces that it claims.
    #[error("could not wrap the module into a component")]
    Componentize(#[source] Box<dyn Error + Send + Sync>),

    /// No folder for compiled dependencies is known.
    #[error("no cache folder: none of `TRANSOM_CACHE_DIR`, `XDG_CACHE_HOME` and `HOME` is set")]
    NoCache,

    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildErrorKind {
    /// The plugin's source or manifest is wrong.
    Source,
    /// The machine lacks a tool: installing it helps.
    Toolchain,
    /// The file system or an unexpected answer of a tool.
    Environment,
}

impl BuildError {
    /// Who has to act.
    #[must_use]
    pub const fn kind(&self) -> BuildErrorKind {
        match self {
            Self::NoFolder { .. }
            | Self::UnknownLanguage { .. }
            | Self::UnsupportedLanguage { .. }
            | Self::Manifest { .. }
            | Self::ManifestSyntax { .. }
            | Self::NotCdylib { .. }
            | Self::Compile { .. }
            | Self::NativeCode { .. }
            | Self::NoInterfaceTypes
            | Self::ForbiddenImport { .. }
            | Self::NoMeta { .. }
            | Self::Componentize(_) => BuildErrorKind::Source,
            Self::NoCompiler { .. }
            | Self::UnfitCompiler { .. }
            | Self::UnfitGo { .. }
            | Self::Start { .. } => BuildErrorKind::Toolchain,
            Self::NotAModule(_) | Self::Report { .. } | Self::NoCache | Self::Io(_) => {
                BuildErrorKind::Environment
            }
        }
    }

    /// What the compiler said: its words have gone to stderr already, where not everybody looks.
    #[must_use]
    pub fn compiler_output(&self) -> Option<&str> {
        match self {
            Self::Compile { output, .. } => Some(output.as_str()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// What to do about it, if there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotCdylib { has_lib: false, .. } => {
                "add to the manifest:\n[lib]\ncrate-type = [\"cdylib\"]".to_owned()
            }
            Self::NotCdylib { has_lib: true, .. } => {
                "add to the `[lib]` table of the manifest:\ncrate-type = [\"cdylib\"]".to_owned()
            }
            Self::NoCompiler { .. } | Self::UnfitCompiler { .. } => INSTALL_COMPILER.to_owned(),
            Self::Start { program, .. } if program.ends_with("cargo") => {
                "install Rust: https://rustup.rs".to_owned()
            }
            Self::UnfitGo { .. } => INSTALL_GO.to_owned(),
            Self::Start { program, .. } if program == "go" => INSTALL_GO.to_owned(),
            Self::Start { program, .. } if program.ends_with("python3") => {
                "the plugin asks for packages, which needs Python 3 with pip here: https://www.python.org/downloads"
                    .to_owned()
            }
            Self::NativeCode { .. } => {
                "only packages of pure Python go into a plugin; leave it out of `dependencies` and requirements.txt and compute in SQL, or \
                 write this plugin in Rust"
                    .to_owned()
            }
            Self::NoInterfaceTypes => {
                "a plugin declares what it offers with the macros of the `transom-sdk` crate"
                    .to_owned()
            }
            Self::NoMeta { .. } => {
                "a plugin declares what it offers with its SDK: the macros of `transom-sdk` in Rust, `transom.Function` \
                 and the like in Go"
                    .to_owned()
            }
            Self::ForbiddenImport { module, .. } => hint_of_import(module)?.to_owned(),
            _ => return None,
        })
    }
}

const INSTALL_COMPILER: &str = "one of these installs such a compiler:\n\
    rustup target add wasm32-unknown-unknown\n\
    apt-get install --no-install-recommends rustc-web rust-web-src lld-22    (Debian 12)";

const INSTALL_GO: &str = "install Go 1.24 or newer and put it on the `PATH`: https://go.dev/dl";

/// Imports that are met in practice, and where they come from.
fn hint_of_import(module: &str) -> Option<&'static str> {
    if module.starts_with("wasi") {
        return Some(
            "a plugin has no files, network, clock or environment: compile for `wasm32-unknown-unknown` and leave out \
             the dependency that asks for them",
        );
    }
    match module {
        "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => Some(
            "a dependency takes the plugin for a web page: turn off its `js` or `wasmbind` feature (often `chrono`, \
             `getrandom` or `uuid`)",
        ),
        "env" => Some("an `extern` function is declared but linked from nowhere"),
        _ => None,
    }
}

fn markers() -> String {
    let each = Language::ALL
        .iter()
        .map(|language| format!("`{}` ({language})", language.marker()));
    each.collect::<Vec<_>>().join(" or ")
}

fn languages() -> String {
    Language::ALL
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
