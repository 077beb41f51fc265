//! The guest `echo` as a component; taken into the tests of each crate of the host with `#[path]`, since none of these crates may
//! depend on another's tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Its component, built once in each process if its source is newer.
pub(crate) fn component() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        // The host's crates lie two folders deep.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/echo");
        let options = transom_build::BuildOptions {
            quiet: true,
            ..Default::default()
        };
        let built = transom_build::up_to_date(&folder, &options, || ());
        built.expect("the echo guest builds").component
    })
}
