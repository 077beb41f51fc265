//! `transom init`: the first files of a plugin, or of a pipeline with a plugin.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use transom_build::{Language, place_sdk, sdk_folder};

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::NAME;
use crate::reserved;

/// Begin a plugin, or a pipeline with one.
///
/// What is written builds and runs as it is: a function with its unit tests and, with `--pipeline`, some data, a query that calls
/// the function, and a result. The plugin's SDK comes out of this program. A folder that holds anything is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom init privacy --lang python           a plugin in the new folder `privacy`
  transom init --pipeline customers            a pipeline with a plugin in Python
  transom init --pipeline customers --lang go")]
pub(crate) struct InitCommand {
    /// The folder, new or empty; its last name is the plugin's or the pipeline's. [default: this folder]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    folder: PathBuf,
    /// Language of the plugin. [default with `--pipeline`: python]
    #[arg(long, value_name = "LANGUAGE", required_unless_present = "pipeline")]
    lang: Option<Lang>,
    /// Begins a pipeline with a plugin in it.
    #[arg(long)]
    pipeline: bool,
}

/// A language as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    // No doc comments: each would take a line in the help.
    Rust,
    Go,
    Python,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Go => Self::Go,
            Lang::Python => Self::Python,
        }
    }
}

/// The plugin within a new pipeline.
const PLUGIN: &str = "privacy";

impl InitCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let folder = self.folder.as_path();
        let name = name_of(folder)?;
        must_be_empty(folder)?;
        let lang = self.lang.unwrap_or(Lang::Python);
        if !self.pipeline {
            must_be_free(&name, lang.into())?;
        }
        let shown = folder.display();
        let enter = match folder == Path::new(".") {
            true => String::new(),
            false => format!("  cd {shown}\n"),
        };
        if !self.pipeline {
            write_plugin(folder, &name, lang)?;
            context.printer.say(format_args!(
                "began plugin {NAME}{name}{NAME:#} in {shown}\n\nTest it, then look at what it offers:\n{enter}  transom test\n  transom inspect ."
            ));
            let file = &context.global.file;
            if let Some(path) = within(file, folder) {
                context.printer.say(format_args!(
                    "\nFor the pipeline, below `plugins:` of {}:\n  {name}: {{ path: {} }}",
                    file.display(),
                    path
                ));
            }
            return Ok(());
        }
        let plugin = folder.join("plugins").join(PLUGIN);
        for (path, text) in PIPELINE {
            write(&folder.join(path), &text.replace("{name}", &name))?;
        }
        write_plugin(&plugin, PLUGIN, lang)?;
        context.printer.say(format_args!(
            "began pipeline {NAME}{name}{NAME:#} in {shown}\n\nTest it, then run it:\n{enter}  transom test\n  transom run\n\nIts plugin is in plugins/{PLUGIN}, with unit tests of its own:\n  transom test plugins/{PLUGIN}\n\n`transom lock` remembers the columns of the sources; from then on `transom check` finds mistakes without data."
        ));
        Ok(())
    }
}

const PIPELINE: &[(&str, &str)] = &[
    (
        "transom.yaml",
        include_str!("../../templates/pipeline/transom.yaml"),
    ),
    (
        "sql/masked.sql",
        include_str!("../../templates/pipeline/masked.sql"),
    ),
    (
        "tests/masked.yaml",
        include_str!("../../templates/pipeline/masked.yaml"),
    ),
    (
        "data/customers.csv",
        include_str!("../../templates/pipeline/customers.csv"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/pipeline/gitignore"),
    ),
];

const RUST: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        include_str!("../../templates/rust/Cargo.toml"),
    ),
    ("src/lib.rs", include_str!("../../templates/rust/lib.rs")),
];

const GO: &[(&str, &str)] = &[
    ("go.mod", include_str!("../../templates/go/go.mod")),
    ("main.go", include_str!("../../templates/go/main.go")),
    (
        "main_test.go",
        include_str!("../../templates/go/main_test.go"),
    ),
];

const PYTHON: &[(&str, &str)] = &[
    (
        "pyproject.toml",
        include_str!("../../templates/python/pyproject.toml"),
    ),
    (
        "{name}.py",
        include_str!("../../templates/python/plugin.py"),
    ),
    (
        "test_{name}.py",
        include_str!("../../templates/python/test_plugin.py"),
    ),
];

fn write_plugin(folder: &Path, name: &str, lang: Lang) -> Result<(), Failure> {
    let language = lang.into();
    let files = match lang {
        Lang::Rust => RUST,
        Lang::Go => GO,
        Lang::Python => PYTHON,
    };
    let sdk = sdk_folder(language).display().to_string();
    for (path, text) in files {
        let text = text.replace("{name}", name).replace("{sdk}", &sdk);
        write(&folder.join(path.replace("{name}", name)), &text)?;
    }
    place_sdk(folder, language).map_err(|source| Failure::Build {
        folder: folder.to_owned(),
        source,
    })
}

/// The folder's last name, if it will do as a name in SQL and in every language.
fn name_of(folder: &Path) -> Result<String, Failure> {
    let whole = std::path::absolute(folder).map_err(|source| Failure::Io {
        what: format!("`{}` is no path", folder.display()),
        source,
    })?;
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match fits {
        true => Ok(name),
        false => Err(Failure::Usage {
            message: format!("the folder's name `{name}` cannot be a plugin's or a pipeline's"),
            hint: Some(
                "a name begins with a lowercase letter and goes on with lowercase letters, digits and `_`"
                    .to_owned(),
            ),
        }),
    }
}

/// A folder's path as the pipeline's file names it, if both are there and the folder is in the file's.
fn within(file: &Path, folder: &Path) -> Option<String> {
    let (file, folder) = (file.canonicalize().ok()?, folder.canonicalize().ok()?);
    let path = folder.strip_prefix(file.parent()?).ok()?.to_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    Some(match path.chars().all(is_plain) {
        true => path.to_owned(),
        // What JSON quotes, YAML reads.
        false => serde_json::json!(path).to_string(),
    })
}

fn must_be_free(name: &str, language: Language) -> Result<(), Failure> {
    reserved::reason(name, language).map_or(Ok(()), |reason| {
        Err(Failure::Usage {
            message: format!("a plugin in {language} cannot be named `{name}`: {reason}"),
            hint: Some(format!("name the folder otherwise, such as `my_{name}`")),
        })
    })
}

fn must_be_empty(folder: &Path) -> Result<(), Failure> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Failure::Io {
                what: format!("`{}` cannot be looked into", folder.display()),
                source,
            });
        }
    };
    // A repository may have been begun before.
    let other = entries.find(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.file_name() != ".git")
    });
    match other {
        None => Ok(()),
        Some(_) => Err(Failure::Usage {
            message: format!("the folder `{}` is not empty", folder.display()),
            hint: Some("name a new folder, or an empty one".to_owned()),
        }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| std::fs::write(path, text));
    written.map_err(|source| Failure::Io {
        what: format!("`{}` cannot be written", path.display()),
        source,
    })
}
