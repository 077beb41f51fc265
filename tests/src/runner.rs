//! Where tests and benchmarks find the component that runs plugins in Python.

use std::path::{Path, PathBuf};

/// The runner in the target folder that holds `target_tmpdir`, which is `env!("CARGO_TARGET_TMPDIR")` of the caller.
///
/// # Panics
/// If it has not been built: `just python-runner` does, and so do the recipes that run tests.
pub fn python_runner(target_tmpdir: &str) -> PathBuf {
    let runner = Path::new(target_tmpdir).join("../lib/transom/python-runner.wasm");
    assert!(
        runner.is_file(),
        "there is no `{}`: build it with `just python-runner`",
        runner.display()
    );
    runner
}
