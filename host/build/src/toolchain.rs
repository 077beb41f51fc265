//! What there is on this machine to build plugins with: what `transom doctor` shows.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{BuildError, Language, go, rust};

/// A language's tools.
#[derive(Debug)]
pub struct Toolchain {
    /// The language.
    pub language: Language,
    /// What was found, in words; or what is missing, whose [`hint`](BuildError::hint) says how to get it.
    pub found: Result<String, BuildError>,
}

/// The tools of every language, as they would be found from `folder`.
#[must_use]
pub fn toolchains(folder: &Path) -> Vec<Toolchain> {
    Language::ALL
        .iter()
        .map(|&language| Toolchain {
            language,
            found: match language {
                Language::Rust => rust::toolchain(folder),
                Language::Go => go::toolchain(folder),
                Language::Python => python(),
            },
        })
        .collect()
}

/// Python is needed by authors' own tests and by plugins with a `requirements.txt`; packing source needs nothing.
fn python() -> Result<String, BuildError> {
    first_line("python3", &["--version"])
}

/// What a program says of itself.
pub(crate) fn first_line(program: &str, arguments: &[&str]) -> Result<String, BuildError> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BuildError::Start {
            program: program.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it said nothing");
            Err(BuildError::Start {
                program: program.to_owned(),
                source: std::io::Error::other(format!("{}: {said}", output.status)),
            })
        }
    }
}
