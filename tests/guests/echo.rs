//! The guest `echo` as a component; taken into the tests of each crate of the host with `#[path]`, since none of these crates may
//! depend on another's tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Its component, built once in each process if its source is newer.
pub(crate) fn component() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut folders = above.map(|folder| folder.join("tests/guests/echo"));
        let folder = folders
            .find(|folder| folder.is_dir())
            .expect("the echo guest");
        let options = transom_build::BuildOptions {
            quiet: true,
            ..Default::default()
        };
        let built = transom_build::up_to_date(&folder, &options, || ());
        built.expect("the echo guest builds").component
    })
}
