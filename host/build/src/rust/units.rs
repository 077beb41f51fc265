//! What cargo keeps of the crates of the file system between builds.
//!
//! All plugins share one target folder, so that arrow and the standard library are compiled once. Crates of a registry cannot be
//! mixed up there: their sources never change. Those of the file system can. Cargo names what it keeps by the crate's name and its
//! place *within its workspace*, and tells by the times of files whether it still fits: two plugins named `privacy`, each the root of
//! its workspace, are one and the same to it, and a source that became another without becoming newer is unchanged.
//!
//! So nothing is left to cargo's times. For each crate of the file system the digest is kept of what it was compiled from, files that it
//! embeds from elsewhere among them; where that is another one, cargo is made to forget the crate. The plugin's own crate it forgets every time: its module has no hash in its name, and
//! two of one name, with different dependencies or profiles, would replace each other's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::TARGET;
use super::workspace::{Package, Workspace};
use crate::BuildError;
use crate::inputs::folder_digest;

/// Holds a file for each name of a crate, with the digest of its source.
const KEPT: &str = ".transom-crates";

/// Variables that cargo sets for a compiler.
const OF_CARGO: &[&str] = &["CARGO", "OUT_DIR", "CLIPPY_ARGS", "CLIPPY_CONF_DIR"];

/// Files and variables that a compiler read.
type Read = (BTreeSet<PathBuf>, BTreeSet<String>);

/// The crates of the file system in one target folder. Its holder holds the folder's lock.
pub(super) struct Units<'build> {
    target_dir: &'build Path,
    workspace: &'build Workspace,
    /// The plugin's folder.
    plugin: &'build Path,
    /// Folders of crates that cargo has to compile now.
    forgotten: BTreeSet<PathBuf>,
    /// Those of `forgotten`, with the digest of their folder when the compiler began.
    folders: Vec<(&'build Package, String)>,
    begun: SystemTime,
}

impl<'build> Units<'build> {
    /// Makes cargo forget each crate that is not what it compiled last.
    pub(super) fn prepare(
        target_dir: &'build Path,
        workspace: &'build Workspace,
        plugin: &'build Path,
    ) -> Result<Self, BuildError> {
        let mut units = Self {
            target_dir,
            workspace,
            plugin,
            forgotten: BTreeSet::new(),
            folders: Vec::new(),
            begun: SystemTime::now(),
        };
        fs_err::create_dir_all(target_dir.join(KEPT))?;
        for package in workspace.path_crates() {
            let folder = folder_digest(package.folder())?;
            let known = fs_err::read_to_string(units.kept(package)).ok();
            if package.folder() != plugin && known == Some(units.digest(package, &folder)?) {
                continue;
            }
            units.forget(package)?;
            units.folders.push((package, folder));
        }
        Ok(units)
    }

    /// The digest of all that a crate was compiled from, as far as the last compilation says.
    fn digest(&self, package: &Package, folder: &str) -> Result<String, BuildError> {
        let mut hasher = Sha256::new();
        hasher.update(folder);
        for file in self.read_by(package)?.0 {
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update(Sha256::digest(fs_err::read(&file).unwrap_or_default()));
        }
        Ok(format!("{:x}", hasher.finalize()))
    }

    /// Whether cargo was to compile the crate of this manifest.
    pub(super) fn must_compile(&self, manifest: &Path) -> bool {
        manifest
            .parent()
            .is_some_and(|folder| self.forgotten.contains(folder))
    }

    /// Keeps the digests of what was compiled. A source that was edited *while* it was compiled may be in it or not: such a crate is
    /// compiled again next time. Returns whether there was one.
    pub(super) fn finish(&self) -> Result<bool, BuildError> {
        let mut edited = false;
        for (package, folder) in &self.folders {
            let is_same = folder_digest(package.folder())? == *folder
                // Files elsewhere are known only now.
                && !self.read_by(package)?.0.iter().any(|file| self.is_newer(file));
            match is_same {
                true => fs_err::write(self.kept(package), self.digest(package, folder)?)?,
                false => edited = true,
            }
        }
        Ok(edited)
    }

    /// Whether a file was written since the compiler began. It is the only question here that a time answers, and only to doubt.
    fn is_newer(&self, file: &Path) -> bool {
        let modified = fs_err::metadata(file).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified >= self.begun)
    }

    fn kept(&self, package: &Package) -> PathBuf {
        self.target_dir.join(KEPT).join(&package.name)
    }

    /// Folders of the target folder for what runs in the guest, and for what runs here: macros, build scripts.
    fn profiles(&self) -> [PathBuf; 2] {
        [
            self.target_dir.join(TARGET).join("release"),
            self.target_dir.join("release"),
        ]
    }

    fn forget(&mut self, package: &Package) -> Result<(), BuildError> {
        match fs_err::remove_file(self.kept(package)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        for profile in self.profiles() {
            for path in named(&profile.join(".fingerprint"), &package.name, "")? {
                fs_err::remove_dir_all(path)?;
            }
            for target in &package.targets {
                let name = target.name.replace('-', "_");
                for path in named(&profile.join("deps"), &name, ".d")? {
                    fs_err::remove_file(path)?;
                }
            }
        }
        self.forgotten.insert(package.folder().to_owned());
        Ok(())
    }

    /// What the compiler read for all of these crates: files, wherever they are, and variables of the environment.
    pub(super) fn read(&self) -> Result<Read, BuildError> {
        let mut all = Read::default();
        for package in self.workspace.path_crates() {
            let (files, variables) = self.read_by(package)?;
            all.0.extend(files);
            all.1.extend(variables);
        }
        Ok(all)
    }

    fn read_by(&self, package: &Package) -> Result<Read, BuildError> {
        let (mut files, mut variables) = Read::default();
        let base = self.workspace.compiled_in(package.folder());
        for profile in self.profiles() {
            for target in &package.targets {
                let name = target.name.replace('-', "_");
                for path in named(&profile.join("deps"), &name, ".d")? {
                    let text = fs_err::read_to_string(path)?;
                    files.extend(dep_files(&text).map(|file| base.join(file)));
                    variables.extend(dep_variables(&text).map(str::to_owned));
                }
            }
            // A build script says what it reads.
            for path in named(&profile.join("build"), &package.name, "")? {
                let Ok(text) = fs_err::read_to_string(path.join("output")) else {
                    continue;
                };
                let changed = instructions(&text, "rerun-if-changed");
                files.extend(changed.map(|file| package.folder().join(file)));
                variables.extend(instructions(&text, "rerun-if-env-changed").map(str::to_owned));
            }
        }
        // What a build script wrote itself is made from what it read.
        files.retain(|file| !file.starts_with(self.target_dir));
        Ok((files, variables))
    }

    /// The plugin's folder and those of all crates of the file system below it.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        let folders = self.workspace.path_crates().map(Package::folder);
        folders.filter(|folder| *folder != self.plugin)
    }
}

/// What is called `<name><end>` or `<name>-<hash><end>` in `folder`.
fn named(folder: &Path, name: &str, end: &str) -> Result<Vec<PathBuf>, BuildError> {
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name();
        let hash = file.to_str().and_then(|file| {
            let file = file.strip_suffix(end)?;
            file.strip_prefix("lib")
                .and_then(|file| file.strip_prefix(name))
                .or_else(|| file.strip_prefix(name))
        });
        let is_hash = |hash: &str| {
            hash.is_empty()
                || hash.strip_prefix('-').is_some_and(|hash| {
                    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
        };
        if hash.is_some_and(is_hash) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The files that a compiler's list of dependencies names: each has a line of its own that ends in a colon.
fn dep_files(text: &str) -> impl Iterator<Item = PathBuf> {
    text.lines().filter_map(|line| {
        let file = line.strip_suffix(':')?;
        (!file.starts_with('#')).then(|| PathBuf::from(file.replace("\\ ", " ")))
    })
}

/// The variables that it names: `# env-dep:NAME=value`.
fn dep_variables(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines();
    let named = lines.filter_map(|line| line.strip_prefix("# env-dep:"));
    let names = named.map(|line| line.split('=').next().unwrap_or(line));
    names.filter(|name| !name.starts_with("CARGO_") && !OF_CARGO.contains(name))
}

/// The values of one instruction of a build script, in the old and the new spelling.
fn instructions<'text>(text: &'text str, name: &str) -> impl Iterator<Item = &'text str> {
    let name = format!("{name}=");
    text.lines().filter_map(move |line| {
        let line = line
            .strip_prefix("cargo::")
            .or_else(|| line.strip_prefix("cargo:"))?;
        line.strip_prefix(name.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_dependencies_is_read() {
        let text = "/t/deps/p.d: src/lib.rs ../my\\ rules.csv\n\nsrc/lib.rs:\n../my\\ rules.csv:\n\n\
                    # env-dep:CARGO_PKG_NAME=p\n# env-dep:REGION=eu\n# env-dep:UNSET\n";
        let files: Vec<PathBuf> = dep_files(text).collect();
        assert_eq!(
            files,
            [Path::new("src/lib.rs"), Path::new("../my rules.csv")]
        );
        assert_eq!(dep_variables(text).collect::<Vec<_>>(), ["REGION", "UNSET"]);
    }

    #[test]
    fn what_a_build_script_reads_is_found_in_what_it_says() {
        let text = "cargo:rerun-if-changed=a.csv\ncargo::rerun-if-changed=../b.csv\nother\n";
        let found: Vec<&str> = instructions(text, "rerun-if-changed").collect();
        assert_eq!(found, ["a.csv", "../b.csv"]);
    }

    #[test]
    fn only_what_has_exactly_the_name_of_a_crate_is_its() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "privacy.d",
            "privacy-0123456789abcdef.d",
            "libprivacy-0123456789abcdef.d",
            "privacy-rules-0123456789abcdef.d",
            "privacy-rules.d",
            "privacy-0123456789abcdef.rlib",
        ] {
            fs_err::write(folder.path().join(file), "").unwrap();
        }
        let mut found = named(folder.path(), "privacy", ".d").unwrap();
        found.sort();
        let names: Vec<&str> = found
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "libprivacy-0123456789abcdef.d",
                "privacy-0123456789abcdef.d",
                "privacy.d"
            ]
        );
    }
}
