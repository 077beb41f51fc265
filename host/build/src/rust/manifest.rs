//! What has to be known of a crate before any tool runs: read from `Cargo.toml` itself, since asking cargo costs 50 ms and
//! more per plugin, and a pipeline asks for every plugin at every run.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::BuildError;

/// A crate that is a plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// `package.name`.
    pub(crate) package: String,
}

#[derive(Deserialize)]
struct File {
    package: Option<Package>,
    lib: Option<Lib>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lib {
    // Cargo still takes the old spelling.
    #[serde(default, alias = "crate_type")]
    crate_type: Vec<String>,
}

impl Manifest {
    /// Reads the manifest of the plugin in `folder`.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::ManifestSyntax`], [`BuildError::Manifest`] when it describes no package, and
    /// [`BuildError::NotCdylib`].
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let (path, file): (_, File) = parse(folder)?;
        let has_lib = file.lib.is_some();
        let is_cdylib = file
            .lib
            .as_ref()
            .is_some_and(|lib| lib.crate_type.iter().any(|kind| kind == "cdylib"));
        let manifest = Self::from_file(&path, file)?;
        if is_cdylib {
            Ok(manifest)
        } else {
            Err(BuildError::NotCdylib { path, has_lib })
        }
    }

    fn from_file(path: &Path, file: File) -> Result<Self, BuildError> {
        let File { package, lib: _ } = file;
        let Some(Package { name }) = package else {
            return Err(BuildError::Manifest {
                path: path.to_owned(),
                problem: "it has no `[package]`; name the folder of the crate itself, not of its workspace".to_owned(),
            });
        };
        Ok(Self { package: name })
    }
}

/// What a workspace's manifest says of `[profile.release]`; that of a member is not heard by cargo.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// Whether there is one: then the author has decided how to optimise.
    pub(super) is_set: bool,
    /// Whether it decides about overflow.
    pub(super) sets_overflow_checks: bool,
}

impl Profile {
    /// Reads it from the manifest in `root`.
    ///
    /// # Errors
    /// [`BuildError::Io`] and [`BuildError::ManifestSyntax`].
    pub(super) fn read(root: &Path) -> Result<Self, BuildError> {
        let (_, file): (_, toml::Table) = parse(root)?;
        let profile = file
            .get("profile")
            .and_then(|profile| profile.get("release"));
        Ok(Self {
            is_set: profile.is_some(),
            sets_overflow_checks: profile
                .is_some_and(|profile| profile.get("overflow-checks").is_some()),
        })
    }
}

fn parse<T: DeserializeOwned>(folder: &Path) -> Result<(PathBuf, T), BuildError> {
    let path = folder.join("Cargo.toml");
    let text = fs_err::read_to_string(&path)?;
    match toml::from_str(&text) {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(BuildError::ManifestSyntax {
            path,
            source: Box::new(source),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, BuildError> {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("Cargo.toml"), text).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn the_package_is_read() {
        let manifest = read(
            r#"
            [package]
            name = "carriers"
            edition = "2024"
            [lib]
            name = "other"
            crate-type = ["lib", "cdylib"]
            [dependencies]
            serde = "1"
            shared.workspace = true
            "#,
        );
        assert_eq!(manifest.unwrap().package, "carriers");
    }

    #[test]
    fn a_profile_may_leave_overflow_checks_to_this_program() {
        let profile = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs_err::write(folder.path().join("Cargo.toml"), text).unwrap();
            let found = Profile::read(folder.path()).unwrap();
            (found.is_set, found.sets_overflow_checks)
        };
        assert_eq!(profile("[workspace]\n"), (false, false));
        assert_eq!(profile("[profile.release]\nlto = true\n"), (true, false));
        assert_eq!(
            profile("[profile.release]\noverflow-checks = false\n"),
            (true, true)
        );
    }

    #[test]
    fn a_crate_that_is_no_cdylib_is_told_the_lines_to_add() {
        let error = read("[package]\nname = \"carriers\"\n").unwrap_err();
        assert!(error.to_string().contains("is no `cdylib`"), "{error}");
        assert_eq!(
            error.hint().unwrap(),
            "add to the manifest:\n[lib]\ncrate-type = [\"cdylib\"]"
        );
        let error = read("[package]\nname = \"c\"\n[lib]\ncrate-type = [\"rlib\"]\n").unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "add to the `[lib]` table of the manifest:\ncrate-type = [\"cdylib\"]"
        );
    }

    #[test]
    fn a_workspace_without_a_package_is_refused() {
        let error = read("[workspace]\nmembers = [\"a\"]\n").unwrap_err();
        assert!(error.to_string().contains("no `[package]`"), "{error}");
    }

    #[test]
    fn a_manifest_that_is_no_toml_is_refused_with_the_place() {
        let error = read("[package\n").unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("line 1"), "{cause}");
    }
}
