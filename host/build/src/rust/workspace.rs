//! What `cargo metadata` knows of a plugin: its workspace, and the crates that it depends on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::compiler::Compiler;

/// What is needed of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    pub(super) workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    manifest_path: PathBuf,
    /// None for a package of the file system.
    source: Option<String>,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
}

impl Package {
    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl Workspace {
    /// The crates that come from no registry: the plugin, its workspace, what they depend on by path.
    pub(super) fn path_crates(&self) -> impl Iterator<Item = &Package> {
        let packages = self.packages.iter();
        packages.filter(|package| package.source.is_none())
    }

    /// Their folders, for the wrapper of the compiler.
    pub(super) fn path_folders(&self) -> Vec<&str> {
        // Cargo's report is JSON, so its paths are UTF-8.
        self.path_crates()
            .filter_map(|package| package.folder().to_str())
            .collect()
    }

    /// Where cargo starts the compiler of the crate in `folder`: paths in messages are relative to that.
    pub(super) fn compiled_in<'path>(&'path self, folder: &'path Path) -> &'path Path {
        match folder.starts_with(&self.workspace_root) {
            true => &self.workspace_root,
            false => folder,
        }
    }

    /// Flags for all crates: they map what is the same for every plugin on this machine.
    pub(super) fn remaps(&self, compiler: &Compiler) -> Vec<OsString> {
        let mut remaps = vec![remap(&compiler.sysroot, "/rust")];
        // `<registry>/<package>-<version>/Cargo.toml`; a set, so that the flags do not depend on cargo's order.
        let registries: BTreeSet<&Path> = self
            .packages
            .iter()
            .filter(|package| package.source.is_some())
            .filter_map(|package| package.folder().parent())
            .collect();
        remaps.extend(
            registries
                .into_iter()
                .map(|folder| remap(folder, "/crates")),
        );
        remaps
    }
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

#[cfg(test)]
mod tests {
    use super::super::compiler::StandardLibrary;
    use super::*;

    #[test]
    fn flags_for_all_crates_name_no_folder_of_the_plugin_or_its_path_dependencies() {
        let package = |folder: &str, source: Option<&str>| Package {
            name: String::new(),
            manifest_path: PathBuf::from(folder).join("Cargo.toml"),
            source: source.map(str::to_owned),
            targets: Vec::new(),
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
            workspace.path_folders(),
            ["/w/plugin", "/w/plugin/shared", "/w/sdk/macros", "/w/sdk"]
        );
        assert_eq!(
            workspace.compiled_in(Path::new("/w/plugin/shared")),
            Path::new("/w/plugin")
        );
        assert_eq!(
            workspace.compiled_in(Path::new("/w/sdk")),
            Path::new("/w/sdk")
        );
    }
}
