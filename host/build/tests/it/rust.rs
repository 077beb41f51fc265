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

/// As `cp -p` does it: another text, with a time before all builds.
fn replace_by_older(path: &Path, text: &str) {
    fs_err::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400 * 365);
    file.set_modified(long_ago).unwrap();
}

#[test]
fn plugins_of_one_name_in_two_folders_are_never_mixed_up() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = write_plugin(first.path());
    let two = write_plugin(second.path());
    let source = fs_err::read_to_string(two.join("src/lib.rs")).unwrap();
    // The package, its path in the workspace and its size are the same; the text is not, and it is older than the first build.
    replace_by_older(
        &two.join("src/lib.rs"),
        &source.replace("plugin's mark", "plugin's sign"),
    );
    let sdk = second.path().join("sdk/src/lib.rs");
    let text = fs_err::read_to_string(&sdk).unwrap();
    replace_by_older(&sdk, &text.replace("the mark", "the sign"));
    let Some(built_one) = build_if_possible(&one, &options()) else {
        return;
    };
    let built_two = build_if_possible(&two, &options()).unwrap();
    let holds = |built: &Built, text: &str| {
        let module = fs_err::read(&built.component).unwrap();
        String::from_utf8_lossy(&module).contains(text)
    };
    assert!(holds(&built_one, "plugin's mark") && holds(&built_one, "the mark of the SDK"));
    assert!(holds(&built_two, "plugin's sign") && holds(&built_two, "the sign of the SDK"));
    assert!(!is_stale(&one).unwrap() && !is_stale(&two).unwrap());
    let again = build_if_possible(&one, &options()).unwrap();
    assert_eq!(again.digest, built_one.digest);
    let again = build_if_possible(&two, &options()).unwrap();
    assert_eq!(again.digest, built_two.digest);
}

/// A plugin that is a member of a workspace, which says how to compile and where the helper is.
fn write_workspace(root: &Path) -> PathBuf {
    let plugin = write_plugin(root);
    let edit = |path: &Path, from: &str, to: &str| {
        let text = fs_err::read_to_string(path).unwrap();
        assert!(text.contains(from), "{text}");
        fs_err::write(path, text.replace(from, to)).unwrap();
    };
    edit(&plugin.join("Cargo.toml"), "[workspace]\n", "");
    edit(
        &plugin.join("Cargo.toml"),
        "sdk = { path = \"../sdk\" }",
        "sdk.workspace = true",
    );
    let manifest = "[workspace]\nmembers = [\"plugin\"]\nresolver = \"3\"\n\
                    [workspace.dependencies]\nsdk = { path = \"sdk\" }\n";
    fs_err::write(root.join("Cargo.toml"), manifest).unwrap();
    plugin
}

#[test]
fn a_change_anywhere_in_a_workspace_is_compiled_whatever_its_time() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_workspace(root.path());
    let Some(built) = build_if_possible(&plugin, &options()) else {
        return;
    };
    assert!(!is_stale(&plugin).unwrap());
    let mut seen = vec![built.digest];
    let mut change = |path: &str, text: &str| {
        replace_by_older(&root.path().join(path), text);
        assert!(is_stale(&plugin).unwrap(), "{path}");
        let built = build_if_possible(&plugin, &options()).unwrap();
        assert!(!seen.contains(&built.digest), "{path} is not in the module");
        assert!(!is_stale(&plugin).unwrap(), "{path}");
        seen.push(built.digest);
    };
    let sdk = fs_err::read_to_string(root.path().join("sdk/src/lib.rs")).unwrap();
    change("sdk/src/lib.rs", &sdk.replace("the mark", "the sign"));
    // A file that is embedded from somewhere else.
    fs_err::write(root.path().join("rules.csv"), "rule 1").unwrap();
    let sdk = sdk.replace(
        "\"the mark of the SDK\"",
        "include_str!(\"../../rules.csv\")",
    );
    change("sdk/src/lib.rs", &sdk);
    change("rules.csv", "rule 2");
    let manifest = fs_err::read_to_string(root.path().join("Cargo.toml")).unwrap();
    change(
        "Cargo.toml",
        &(manifest + "[profile.release]\nopt-level = 0\n"),
    );
}

#[test]
fn a_crate_that_was_added_since_the_last_build_comes_into_the_lock_file() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    if build_if_possible(&plugin, &options()).is_none() {
        return;
    }
    fs_err::create_dir_all(root.path().join("more/src")).unwrap();
    let manifest = "[package]\nname = \"more\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs_err::write(root.path().join("more/Cargo.toml"), manifest).unwrap();
    fs_err::write(root.path().join("more/src/lib.rs"), "").unwrap();
    let manifest = fs_err::read_to_string(plugin.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("[workspace]", "more = { path = \"../more\" }\n[workspace]");
    fs_err::write(plugin.join("Cargo.toml"), manifest).unwrap();
    build_if_possible(&plugin, &options()).unwrap();
    let lock = fs_err::read_to_string(plugin.join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"more\""), "{lock}");
    assert!(!is_stale(&plugin).unwrap());
}

#[test]
fn overflow_is_checked_unless_the_manifest_says_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    let source = fs_err::read_to_string(plugin.join("src/lib.rs")).unwrap();
    let add = "#[unsafe(export_name = \"cabi_post_transom:plugin/meta@0.1.0#describe\")]\n\
               extern \"C\" fn post(pointer: i32) { std::hint::black_box(pointer + std::hint::black_box(1)); }\n";
    fs_err::write(plugin.join("src/lib.rs"), source + add).unwrap();
    let checks = |built: &Built| {
        let module = fs_err::read(&built.component).unwrap();
        String::from_utf8_lossy(&module).contains("attempt to add with overflow")
    };
    let Some(built) = build_if_possible(&plugin, &options()) else {
        return;
    };
    assert!(checks(&built));
    let manifest = fs_err::read_to_string(plugin.join("Cargo.toml")).unwrap();
    let profile = |lines: &str| {
        fs_err::write(plugin.join("Cargo.toml"), format!("{manifest}{lines}")).unwrap();
        build_if_possible(&plugin, &options()).unwrap()
    };
    assert!(checks(&profile("[profile.release]\nopt-level = 3\n")));
    assert!(!checks(&profile(
        "[profile.release]\noverflow-checks = false\n"
    )));
}

#[test]
fn an_error_has_the_compilers_words_with_paths_from_here() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plugin = write_plugin(root.path());
    fs_err::write(plugin.join("src/lib.rs"), "fn broken( {").unwrap();
    let error = match build(&plugin, &options()) {
        Err(BuildError::NoCompiler { .. }) => return,
        other => other.unwrap_err(),
    };
    let output = error.compiler_output().unwrap();
    let place = output
        .lines()
        .find_map(|line| line.trim().strip_prefix("--> "))
        .unwrap();
    let file = place.split(':').next().unwrap();
    assert!(place.ends_with("lib.rs:1:13"), "{place}");
    let file = std::env::current_dir().unwrap().join(file);
    assert_eq!(
        file.canonicalize().unwrap(),
        plugin.join("src/lib.rs").canonicalize().unwrap()
    );
}
