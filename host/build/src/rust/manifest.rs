//! What has to be known of a crate before any tool runs: read from `Cargo.toml` itself, since asking cargo costs 50 ms and
//! more per plugin, and a pipeline asks for every plugin at every run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::BuildError;

/// A crate that is a plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// `package.name`.
    pub(crate) package: String,
    /// Folders of path dependencies, as written.
    pub(crate) path_dependencies: Vec<PathBuf>,
    /// Whether there is a `[profile.release]`: then the author has decided how to optimise.
    pub(crate) has_release_profile: bool,
}

#[derive(Deserialize)]
struct File {
    package: Option<Package>,
    lib: Option<Lib>,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    #[serde(default)]
    profile: BTreeMap<String, toml::Value>,
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

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Table { path: Option<PathBuf> },
    Version(#[expect(dead_code, reason = "only the shape matters")] String),
}

impl Manifest {
    /// Reads the manifest of the plugin in `folder`.
    ///
    /// # Errors
    /// [`BuildError::NotCdylib`] besides those of [`Self::read_any`].
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let (path, file) = parse(folder)?;
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

    /// Reads the manifest of a crate that need not be a plugin.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::ManifestSyntax`], and [`BuildError::Manifest`] when it describes no package.
    pub(crate) fn read_any(folder: &Path) -> Result<Self, BuildError> {
        let (path, file) = parse(folder)?;
        Self::from_file(&path, file)
    }

    fn from_file(path: &Path, file: File) -> Result<Self, BuildError> {
        let File {
            package,
            lib: _,
            dependencies,
            profile,
        } = file;
        let Some(Package { name }) = package else {
            return Err(BuildError::Manifest {
                path: path.to_owned(),
                problem: "it has no `[package]`; name the folder of the crate itself, not of its workspace".to_owned(),
            });
        };
        let path_dependencies = dependencies
            .into_values()
            .filter_map(|dependency| match dependency {
                Dependency::Table { path } => path,
                Dependency::Version(_) => None,
            })
            .collect();
        let has_release_profile = profile.contains_key("release");
        Ok(Self {
            package: name,
            path_dependencies,
            has_release_profile,
        })
    }
}

fn parse(folder: &Path) -> Result<(PathBuf, File), BuildError> {
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
    fn package_profile_and_path_dependencies_are_read() {
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
            arrow-array = { version = "59", default-features = false }
            transom-sdk = { path = "../sdk" }
            shared.workspace = true
            [profile.release]
            lto = true
            "#,
        )
        .unwrap();
        assert_eq!(
            manifest,
            Manifest {
                package: "carriers".to_owned(),
                path_dependencies: vec![PathBuf::from("../sdk")],
                has_release_profile: true,
            }
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
