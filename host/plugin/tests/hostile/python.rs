//! Plugins in Python that misbehave: `plugins/hostile/python`, each packed as `transom build` packs a plugin.
//!
//! The runner is granted the WASI interfaces that an interpreter cannot start without, all of them empty. What a program may reach
//! through them is what these guests try.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use transom_plugin::{Limits, Plugin, RuntimeOptions};
use zip::write::SimpleFileOptions;

use crate::Case;
use crate::attempt;

pub(crate) const TESTS: &[(&str, fn())] =
    &[("python::a_plugin_that_does_right_has_no_error", || {
        attempt::assert_well(&good());
    })];

/// The interpreter and its snapshot take 40 MB before the first call, and seconds to be started by a host that was built
/// without optimisation.
fn limits() -> Limits {
    Limits {
        memory: 96 << 20,
        call_time: Duration::from_secs(2),
        ..crate::limits()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/hostile/python");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let cases = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut case = Case::new(format!("python::{name}"), move || {
            // Loaded before memory is looked at: the interpreter stays with the engine.
            good();
            pack(&std::fs::read(path).unwrap())
        });
        case.limits = limits();
        case
    });
    cases.collect()
}

/// A zip of one module with its manifest; see host/build/src/python.
fn pack(source: &[u8]) -> Vec<u8> {
    let manifest = br#"{"format": 1, "name": "hostile", "version": "1.0.0", "entry": "hostile", "roots": [""]}"#;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in [("hostile.py", source), ("transom.json", manifest)] {
        archive
            .start_file(path, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A plugin of Python that was there before.
fn good() -> Arc<Plugin> {
    static GOOD: OnceLock<Arc<Plugin>> = OnceLock::new();
    let source = b"import transom\n\n\n@transom.function\ndef f(a: int) -> int:\n    return a\n";
    Arc::clone(GOOD.get_or_init(|| attempt::load(&pack(source), Limits::default()).unwrap()))
}

/// Settings of an engine that runs Python. `just test` builds the runner before it runs the tests.
pub(crate) fn options() -> RuntimeOptions {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    RuntimeOptions {
        // Compiling the interpreter takes minutes without optimisation.
        cache: Some(target.join("compiled")),
        python_runner: Some(target.join("../lib/transom/python-runner.wasm")),
        python_runner_digest: Some(transom_build::python_runner_digest),
    }
}
