//! A plugin counts as built from what it was built from, whatever the times of its files say.

use std::time::{Duration, SystemTime};

use super::*;

const MANIFEST: &str = "[package]\nname = \"carriers\"\n[lib]\ncrate-type = [\"cdylib\"]\n";
const PROJECT: &str = "[project]\nname = \"carriers\"\nversion = \"1\"\n";

/// A plugin in `plugin` of `files`, as if it had just been built; `also` lists what its compiler found elsewhere.
fn built(files: &[(&str, &str)], also: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(&root, path, text);
    }
    let folder = fs_err::canonicalize(root.path().join("plugin")).unwrap();
    let language = detect(&folder).unwrap();
    let mut sources = Sources::of(&folder, language).unwrap();
    for path in also {
        sources.add(&folder, &root.path().join(path));
    }
    let component = component_path(&folder).unwrap();
    let mut record = Record::new(sources.digest(&folder, language).unwrap(), sources, None);
    record.component = Some(hex(&Sha256::digest("component")));
    record.write(&component).unwrap();
    fs_err::write(&component, "component").unwrap();
    assert!(!stale(&root), "as it was built");
    root
}

fn built_crate() -> tempfile::TempDir {
    let files = [
        ("plugin/Cargo.toml", MANIFEST),
        ("plugin/src/lib.rs", "mod a;"),
        ("plugin/src/a.rs", "1"),
        ("sdk/src/lib.rs", "2"),
        ("Cargo.toml", "[workspace]\n"),
        ("Cargo.lock", ""),
    ];
    built(&files, &["sdk", "Cargo.toml", "Cargo.lock", "rules.csv"])
}

fn write(root: &tempfile::TempDir, path: &str, text: &str) {
    let path = root.path().join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

fn remove(root: &tempfile::TempDir, path: &str) {
    fs_err::remove_file(root.path().join(path)).unwrap();
}

fn stale(root: &tempfile::TempDir) -> bool {
    is_stale(&root.path().join("plugin")).unwrap()
}

/// As `cp -p` does it: another text, an older time.
fn replace_by_older(root: &tempfile::TempDir, path: &str) {
    write(root, path, "another text");
    let file = std::fs::File::options()
        .write(true)
        .open(root.path().join(path))
        .unwrap();
    let old = SystemTime::now() - Duration::from_secs(86_400 * 365);
    file.set_modified(old).unwrap();
}

#[test]
fn a_source_with_another_text_makes_it_stale_however_old_it_is() {
    for path in [
        "plugin/src/a.rs",
        "sdk/src/lib.rs",
        "Cargo.lock",
        "rules.csv",
    ] {
        let root = built_crate();
        replace_by_older(&root, path);
        assert!(stale(&root), "{path}");
    }
}

#[test]
fn a_source_that_is_new_or_gone_makes_it_stale_even_right_below_the_folder() {
    let go = [
        ("plugin/go.mod", "module example.com/carriers\n"),
        ("plugin/main.go", ""),
        ("plugin/init.go", ""),
    ];
    let root = built(&go, &[]);
    remove(&root, "plugin/init.go");
    assert!(stale(&root));
    let root = built(&go, &[]);
    write(&root, "plugin/rules.txt", "embedded");
    assert!(stale(&root));
    let python = [
        ("plugin/pyproject.toml", PROJECT),
        ("plugin/carriers.py", ""),
        ("plugin/helper.py", ""),
    ];
    let root = built(&python, &[]);
    remove(&root, "plugin/helper.py");
    assert!(stale(&root));
}

#[test]
fn a_source_that_is_saved_again_as_it_was_or_that_only_became_newer_changes_nothing() {
    let root = built_crate();
    write(&root, "plugin/src/a.rs", "another text");
    write(&root, "plugin/src/a.rs", "1");
    assert!(!stale(&root));
}

#[test]
fn settings_of_the_tools_count_where_they_are_found() {
    for path in [
        "plugin/.cargo/config.toml",
        ".cargo/config.toml",
        "rust-toolchain.toml",
    ] {
        let root = built_crate();
        write(&root, path, "");
        assert!(stale(&root), "{path}");
    }
}

#[test]
fn the_manifest_of_a_workspace_above_counts() {
    let root = built_crate();
    write(
        &root,
        "Cargo.toml",
        "[workspace]\n[profile.release]\nopt-level = 1\n",
    );
    assert!(stale(&root));
}

#[test]
fn a_variable_that_the_source_reads_counts() {
    let mut sources = Sources::default();
    let root = built_crate();
    let folder = fs_err::canonicalize(root.path().join("plugin")).unwrap();
    let before = sources.digest(&folder, Language::Rust).unwrap();
    sources.add_read(&folder, [], ["HOME".to_owned()]).unwrap();
    assert_ne!(sources.digest(&folder, Language::Rust).unwrap(), before);
}

#[test]
fn what_was_not_built_from_this_source_is_stale() {
    let root = built_crate();
    write(&root, "plugin/.transom/carriers.wasm", "another component");
    assert!(stale(&root));
    let root = built_crate();
    remove(&root, "plugin/.transom/carriers.wasm");
    assert!(stale(&root));
    let root = built_crate();
    remove(&root, "plugin/.transom/carriers.inputs.json");
    assert!(stale(&root));
}

#[test]
fn a_build_that_failed_leaves_it_stale() {
    let root = built_crate();
    let component = component_path(&root.path().join("plugin")).unwrap();
    let mut record = Record::read(&component).unwrap();
    record.component = None;
    record.write(&component).unwrap();
    assert!(stale(&root));
}

#[test]
fn a_checkout_that_is_moved_as_a_whole_is_what_it_was() {
    let root = built_crate();
    let moved = tempfile::tempdir().unwrap();
    let to = moved.path().join("elsewhere");
    fs_err::rename(root.path(), &to).unwrap();
    assert!(!is_stale(&to.join("plugin")).unwrap());
    fs_err::write(to.join("sdk/src/lib.rs"), "3").unwrap();
    assert!(is_stale(&to.join("plugin")).unwrap());
    fs_err::create_dir(root.path()).unwrap();
}

#[test]
fn another_compiler_makes_it_stale_and_a_missing_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let tool = |program: &str, says: &str| Tool {
        program: program.into(),
        arguments: vec!["1.96".to_owned()],
        says: says.to_owned(),
        folder: folder.path().to_owned(),
    };
    assert!(!tool("echo", "1.96").is_another());
    assert!(tool("echo", "1.95").is_another());
    assert!(!tool("/no/such/rustc", "1.95").is_another());
}

#[test]
fn a_folder_that_replaces_a_go_module_counts() {
    let manifest = "module carriers\nreplace example.com/sdk => ../sdk\n";
    let root = built(&[("plugin/go.mod", manifest), ("sdk/sdk.go", "")], &[]);
    replace_by_older(&root, "sdk/sdk.go");
    assert!(stale(&root));
}

#[test]
fn packages_named_as_folders_of_tools_count() {
    for (manifest, text, source) in [
        (
            "plugin/go.mod",
            "module carriers\n",
            "plugin/target/target.go",
        ),
        ("plugin/Cargo.toml", MANIFEST, "plugin/src/target/mod.rs"),
        ("plugin/pyproject.toml", PROJECT, "plugin/build/main.py"),
    ] {
        let root = built(&[(manifest, text), (source, "")], &[]);
        replace_by_older(&root, source);
        assert!(stale(&root), "{source}");
    }
}

#[test]
fn what_a_list_of_requirements_names_counts() {
    let files = [
        ("plugin/pyproject.toml", PROJECT),
        (
            "plugin/requirements.txt",
            "-r ../common.txt\n-e ../lib\n../tiny.whl\n",
        ),
        ("common.txt", "six\n"),
        ("lib/lib/names.py", ""),
        ("tiny.whl", ""),
    ];
    for (edited, _) in &files[2..] {
        let root = built(&files, &[]);
        replace_by_older(&root, edited);
        assert!(stale(&root), "{edited}");
        let root = built(&files, &[]);
        remove(&root, edited);
        assert!(stale(&root), "{edited}");
    }
    // What pip leaves behind.
    let root = built(&files, &[]);
    for folder in ["lib/build", "lib/lib.egg-info"] {
        write(&root, &format!("{folder}/names.py"), "");
    }
    assert!(!stale(&root));
}

#[test]
fn what_tools_and_editors_leave_behind_does_not_count() {
    let root = built_crate();
    for path in [
        "plugin/target/debug/a.d",
        "plugin/.git/HEAD",
        "plugin/.transom/sdk/x",
        "plugin/src/.lib.rs.swp",
        "plugin/src/lib.rs~",
    ] {
        write(&root, path, "");
    }
    assert!(!stale(&root));
}

#[test]
fn source_files_are_those_that_count_but_for_hidden_ones() {
    let root = built_crate();
    write(&root, "plugin/.cargo/config.toml", "");
    write(&root, "plugin/src/.lib.rs.swp", "");
    let base = root.path().canonicalize().unwrap();
    let files = || {
        source_files(&root.path().join("plugin"))
            .iter()
            .map(|file| file.strip_prefix(&base).unwrap_or(file))
            .map(|file| file.to_str().unwrap().replace('\\', "/"))
            .collect::<Vec<_>>()
    };
    let own = [
        "plugin/.cargo/config.toml",
        "plugin/Cargo.toml",
        "plugin/src/a.rs",
        "plugin/src/lib.rs",
    ];
    let all = [
        &["Cargo.lock", "Cargo.toml"][..],
        &own,
        &["rules.csv", "sdk/src/lib.rs"],
    ];
    assert_eq!(files(), all.concat());
    // A manifest with a mistake is a file to be saved again.
    fs_err::write(root.path().join("plugin/Cargo.toml"), "[package").unwrap();
    assert_eq!(files(), own);
}
