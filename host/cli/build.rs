//! Tells `transom version` which wasmtime was built in: the crate itself does not say.

use std::path::Path;

fn main() {
    // Asked when it runs: clones that share a target folder share this program.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = Path::new(&folder).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    let version = text.split("[[package]]").find_map(|package| {
        package
            .trim_start()
            .strip_prefix("name = \"wasmtime\"\nversion = \"")?
            .split('"')
            .next()
    });
    println!(
        "cargo::rustc-env=WASMTIME_VERSION={}",
        version.unwrap_or("unknown")
    );
}
