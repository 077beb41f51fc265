//! Rust plugins.

use std::path::{Path, PathBuf};

use transom_build::{BuildError, BuildErrorKind, BuildOptions, Built, build, is_stale};

use crate::crates::write_plugin;

/// Builds, or says why there is nothing to test here.
fn build_if_possible(folder: &Path, options: &BuildOptions) -> Option<Built> {
    match build(folder, options) {
        Ok(built) => Some(built),
        Err(error @ BuildError::NoCompiler { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}\n{}", error.hint().unwrap());
            None
        }
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

/// Kept between runs: compiling the standard library takes most of a minute.
fn options() -> BuildOptions {
    let target_dir = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests"));
    BuildOptions {
        target_dir,
        ..BuildOptions::default()
    }
}

#[test]
fn a_crate_becomes_a_component_with_the_same_digest_in_any_folder() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plugin = write_plugin(first.path());
    assert!(is_stale(&plugin).unwrap());
    let Some(built) = build_if_possible(&plugin, &options()) else {
        return;
    };

    assert_eq!(built.name, "tiny-plugin");
    assert_eq!(
        built.component,
        plugin
            .canonicalize()
            .unwrap()
            .join(".transom/tiny-plugin.wasm")
    );
    let bytes = fs_err::read(&built.component).unwrap();
    assert_eq!(built.bytes, bytes.len() as u64);
    assert_eq!(built.digest.len(), 64);
    assert!(!is_stale(&plugin).unwrap());
    let decoded = wit_component::decode(&bytes).unwrap();
    assert!(matches!(decoded, wit_component::DecodedWasm::Component(..)));

    // A longer path, so that nothing hangs on its length either.
    let other = write_plugin(&second.path().join("a/second/checkout"));
    let again = build_if_possible(&other, &options()).unwrap();
    assert_eq!(again.digest, built.digest);

    // No path of this machine is in it.
    let text = String::from_utf8_lossy(&bytes);
    for path in [
        first.path(),
        second.path(),
        Path::new(env!("CARGO_MANIFEST_DIR")),
    ] {
        assert!(!text.contains(path.to_str().unwrap()), "{}", path.display());
    }
}

#[test]
fn the_component_goes_where_it_is_asked_to_and_leaves_the_folder_alone() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    let out = root.path().join("out/other.wasm");
    let options = BuildOptions {
        out: Some(out.clone()),
        ..options()
    };
    let Some(built) = build_if_possible(&plugin, &options) else {
        return;
    };
    assert_eq!(built.component, out);
    assert!(out.is_file());
    assert!(!plugin.join(".transom").is_dir());
}

#[test]
fn source_that_does_not_compile_fails_and_leaves_the_old_component() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    let Some(built) = build_if_possible(&plugin, &options()) else {
        return;
    };
    let before = fs_err::read(&built.component).unwrap();
    fs_err::write(plugin.join("src/lib.rs"), "fn broken( {").unwrap();
    let error = build(&plugin, &options()).unwrap_err();
    assert!(matches!(error, BuildError::Compile { .. }), "{error}");
    assert_eq!(error.kind(), BuildErrorKind::Source);
    assert_eq!(fs_err::read(&built.component).unwrap(), before);
    assert!(is_stale(&plugin).unwrap());
}
