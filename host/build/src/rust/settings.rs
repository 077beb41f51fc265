//! Files outside of a crate that decide how cargo and rustup treat it.

use std::path::{Path, PathBuf};

/// Settings of cargo and the choice of a toolchain, which count in a folder and in all below it.
const SETTINGS: &[&str] = &[
    ".cargo/config.toml",
    ".cargo/config",
    "rust-toolchain.toml",
    "rust-toolchain",
];

/// Those that are there for the plugin in `folder` (an absolute path).
pub(crate) fn settings(folder: &Path) -> Vec<PathBuf> {
    let above = folder
        .ancestors()
        .flat_map(|folder| SETTINGS.iter().map(move |name| folder.join(name)));
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let of_user = home
        .into_iter()
        .flat_map(|home| ["config.toml", "config"].map(|name| home.join(name)));
    let mut settings: Vec<PathBuf> = above.chain(of_user).filter(|path| path.is_file()).collect();
    settings.extend(workspace_above(folder));
    settings
}

/// The manifest that makes the plugin a member of a workspace or leaves it out; none where the plugin's own says that it is one.
fn workspace_above(folder: &Path) -> Option<PathBuf> {
    let declares = |manifest: &Path| {
        fs_err::read_to_string(manifest).is_ok_and(|text| text.contains("[workspace"))
    };
    if declares(&folder.join("Cargo.toml")) {
        return None;
    }
    folder
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("Cargo.toml"))
        .find(|manifest| declares(manifest))
}
