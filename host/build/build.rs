//! Puts the SDKs into this crate, so that a program and the SDK it hands out cannot disagree: `OUT_DIR/sdk.rs` lists their
//! files with what is in them (see `src/sdk.rs`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Tests and what tools leave behind are of no use to a plugin.
const LEFT_OUT: &[&str] = &[
    "target",
    "tests",
    "native",
    "runner",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".gitignore",
];

fn main() -> io::Result<()> {
    let sdks = manifest_folder().join("../../plugins/sdk");
    let mut code = String::new();
    for language in ["rust", "go", "python"] {
        let root = sdks.join(language);
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        let constant = language.to_uppercase();
        let _ = writeln!(code, "const {constant}: &[(&str, &[u8])] = &[");
        for file in files {
            let name = file.strip_prefix(&root).unwrap_or(&file);
            // The link from the SDK in Rust to the contract is followed.
            let path = file.canonicalize()?;
            let _ = writeln!(code, "    ({name:?}, include_bytes!({path:?})),");
        }
        code.push_str("];\n");
    }
    let _ = writeln!(code, "const RUNNER: &[(&str, &[u8])] = &[");
    for (name, path) in runner_sources(&sdks)? {
        let _ = writeln!(code, "    ({name:?}, include_bytes!({path:?})),");
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::write(out.join("sdk.rs"), code)
}

/// What the Python runner is made of, in the order of `plugins/sdk/python/runner/build`: names within the repository, and paths.
fn runner_sources(sdks: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let root = sdks.join("../..").canonicalize()?;
    let python = root.join("plugins/sdk/python");
    let files = |folders: &[&str], kind: &str| -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for folder in folders {
            collect(&python.join(folder), &mut files)?;
        }
        files.retain(|path| path.extension().is_some_and(|extension| extension == kind));
        files.sort();
        Ok(files)
    };
    let first = [
        "plugins/sdk/python/runner/build",
        "plugins/sdk/python/runner/requirements.txt",
        "wit/transom.wit",
        "plugins/sdk/python/native/build",
        "plugins/sdk/python/native/Cargo.lock",
        "plugins/sdk/python/native/Cargo.toml",
    ];
    let first = first.map(|name| root.join(name)).into_iter();
    first
        .chain(files(&["native/src"], "rs")?)
        .chain(files(&["transom", "runner"], "py")?)
        .map(|path| {
            let name = path.strip_prefix(&root).map_err(io::Error::other)?;
            Ok((name.to_string_lossy().into_owned(), path))
        })
        .collect()
}

fn manifest_folder() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) || name.ends_with("_test.go") {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
