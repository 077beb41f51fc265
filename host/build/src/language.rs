//! Which language a plugin's folder holds: seen from the file that the language's own tools put there.
//!
//! A language that Transom is asked about but cannot build yet gets an error of its own, so that "wrong folder" and "not
//! yet" are distinguished.

use std::fmt;
use std::path::Path;

use crate::BuildError;

/// A language that plugins can be built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// A crate with a `cdylib` library, compiled for `wasm32-unknown-unknown`.
    Rust,
    /// A module with a main package, compiled for `wasip1` and linked with an adapter that leaves nothing of it.
    Go,
    /// A project whose source is packed into a zip, which the Python runner loads.
    Python,
}

impl Language {
    /// Every language that [`crate::build`] takes, in the order in which [`detect`] looks.
    pub const ALL: &[Self] = &[Self::Rust, Self::Go, Self::Python];

    /// The file that tells that a folder holds a plugin in this language.
    #[must_use]
    pub const fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Go => "go.mod",
            Self::Python => "pyproject.toml",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rust => "Rust",
            Self::Go => "Go",
            Self::Python => "Python",
        })
    }
}

/// Files of languages that plugins cannot be built from yet.
const UNSUPPORTED: &[(&str, &str)] = &[("package.json", "JavaScript")];

/// Tells which language the plugin in `folder` is written in.
///
/// # Errors
/// [`BuildError::NoFolder`], [`BuildError::UnsupportedLanguage`] when the folder is another language's, and
/// [`BuildError::UnknownLanguage`] when it is none's.
pub fn detect(folder: &Path) -> Result<Language, BuildError> {
    if !folder.is_dir() {
        return Err(BuildError::NoFolder {
            folder: folder.to_owned(),
        });
    }
    if let Some(language) = Language::ALL
        .iter()
        .find(|language| folder.join(language.marker()).is_file())
    {
        return Ok(*language);
    }
    match UNSUPPORTED
        .iter()
        .find(|(marker, _)| folder.join(marker).is_file())
    {
        Some(&(marker, language)) => Err(BuildError::UnsupportedLanguage {
            folder: folder.to_owned(),
            language,
            marker,
        }),
        None => Err(BuildError::UnknownLanguage {
            folder: folder.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(file: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join(file), "").unwrap();
        folder
    }

    #[test]
    fn a_folder_with_a_cargo_manifest_is_rust() {
        assert_eq!(
            detect(folder_with("Cargo.toml").path()).unwrap(),
            Language::Rust
        );
    }

    #[test]
    fn a_folder_with_a_go_module_is_go() {
        assert_eq!(detect(folder_with("go.mod").path()).unwrap(), Language::Go);
    }

    #[test]
    fn a_folder_with_a_python_project_is_python() {
        assert_eq!(
            detect(folder_with("pyproject.toml").path()).unwrap(),
            Language::Python
        );
    }

    #[test]
    fn a_language_that_cannot_be_built_yet_is_named_with_those_that_can() {
        let (marker, language) = ("package.json", "JavaScript");
        let error = detect(folder_with(marker).path()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("`{marker}`")), "{message}");
        assert!(
            message.contains(&format!("{language} are not yet supported")),
            "{message}"
        );
        assert!(message.contains("Rust"), "{message}");
    }

    #[test]
    fn a_folder_without_source_and_a_missing_folder_are_different_errors() {
        let unknown = detect(folder_with("notes.txt").path()).unwrap_err();
        assert!(
            matches!(unknown, BuildError::UnknownLanguage { .. }),
            "{unknown}"
        );
        let missing = detect(Path::new("no/such/folder")).unwrap_err();
        assert!(matches!(missing, BuildError::NoFolder { .. }), "{missing}");
    }
}
