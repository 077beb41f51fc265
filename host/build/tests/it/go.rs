//! Go plugins, against the project's own SDK. A machine without Go has nothing to test here.

use std::path::{Path, PathBuf};

use transom_build::{BuildError, BuildErrorKind, BuildOptions, Built, Language, build, is_stale};
use wit_component::DecodedWasm;

const PLUGIN: &str = r#"// A plugin that prints, reads the clock and opens files, so that all of WASI is imported that Go knows.
package main

import (
	"fmt"
	"os"
	"time"

	transom "example.com/sdk"
)

func init() {
	transom.Plugin("tiny", "0.1.0")
	transom.Function("shout(text)", "In capitals.", transom.Func1(func(text string) string {
		_, err := os.ReadFile(text)
		return fmt.Sprint(text, time.Now(), err)
	}))
}

func main() {}
"#;

/// Writes a plugin to `root/plugin` and a copy of the SDK to `root/sdk`; returns the plugin's folder.
fn write_plugin(root: &Path) -> PathBuf {
    let sdk = root.join("sdk");
    fs_err::create_dir_all(&sdk).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk/go");
    for entry in fs_err::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "go") {
            fs_err::copy(&path, sdk.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs_err::write(sdk.join("go.mod"), "module example.com/sdk\n\ngo 1.24\n").unwrap();
    let plugin = root.join("plugin");
    fs_err::create_dir_all(&plugin).unwrap();
    let manifest = "module example.com/team/tiny/v2\n\ngo 1.24\n\nrequire example.com/sdk v0.0.0\n\n\
                    replace example.com/sdk => ../sdk\n";
    fs_err::write(plugin.join("go.mod"), manifest).unwrap();
    fs_err::write(plugin.join("main.go"), PLUGIN).unwrap();
    plugin
}

/// Builds, or says why there is nothing to test here.
fn build_if_possible(folder: &Path) -> Option<Built> {
    match build(folder, &BuildOptions::default()) {
        Ok(built) => Some(built),
        Err(error @ (BuildError::Start { .. } | BuildError::UnfitGo { .. }))
            if std::env::var_os("CI").is_none() =>
        {
            eprintln!("skipped: {error}\n{}", error.hint().unwrap());
            None
        }
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

#[test]
fn a_module_becomes_a_component_with_the_same_digest_in_any_folder() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plugin = write_plugin(first.path());
    assert!(is_stale(&plugin).unwrap());
    let Some(built) = build_if_possible(&plugin) else {
        return;
    };

    assert_eq!(
        (built.name.as_str(), built.language),
        ("tiny", Language::Go)
    );
    assert_eq!(
        built.component,
        plugin.canonicalize().unwrap().join(".transom/tiny.wasm")
    );
    assert!(!is_stale(&plugin).unwrap());

    // A longer path, so that nothing hangs on its length either.
    let other = write_plugin(&second.path().join("a/second/checkout"));
    let again = build_if_possible(&other).unwrap();
    assert_eq!(again.digest, built.digest);

    // No path of this machine is in it.
    let bytes = fs_err::read(&built.component).unwrap();
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
fn the_component_imports_nothing_but_the_host() {
    let root = tempfile::tempdir().unwrap();
    let Some(built) = build_if_possible(&write_plugin(root.path())) else {
        return;
    };
    let bytes = fs_err::read(&built.component).unwrap();
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes).unwrap() else {
        panic!("it is no component");
    };
    let imports: Vec<String> = resolve.worlds[world]
        .imports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    // `types` holds no function: it is there because `host` and `meta` use its types.
    assert!(
        imports.iter().all(|name| {
            name == "transom:plugin/host@0.1.0" || name == "transom:plugin/types@0.1.0"
        }),
        "{imports:?}"
    );
}

#[test]
fn source_that_does_not_compile_fails_and_leaves_the_old_component() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    let Some(built) = build_if_possible(&plugin) else {
        return;
    };
    let before = fs_err::read(&built.component).unwrap();
    fs_err::write(plugin.join("main.go"), "package main\n\nfunc broken( {").unwrap();
    let error = build(&plugin, &BuildOptions::default()).unwrap_err();
    assert!(
        matches!(
            &error,
            BuildError::Compile {
                command: "go build",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.kind(), BuildErrorKind::Source);
    assert_eq!(fs_err::read(&built.component).unwrap(), before);
    assert!(is_stale(&plugin).unwrap());
}

#[test]
fn a_program_without_the_sdk_is_no_plugin() {
    let root = tempfile::tempdir().unwrap();
    let plugin = write_plugin(root.path());
    fs_err::write(plugin.join("main.go"), "package main\n\nfunc main() {}\n").unwrap();
    let error = match build(&plugin, &BuildOptions::default()) {
        Err(BuildError::Start { .. } | BuildError::UnfitGo { .. }) => return,
        other => other.unwrap_err(),
    };
    assert!(matches!(error, BuildError::NoMeta { .. }), "{error}");
    assert!(error.hint().unwrap().contains("`transom.Function`"));
}
