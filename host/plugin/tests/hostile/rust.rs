//! Functions in Rust that misbehave: `plugins/hostile/rust`, built as `transom build` builds a plugin.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use transom_plugin::Limits;

use crate::{Case, attempt};

pub(crate) fn cases() -> Vec<Case> {
    let plugin = attempt::load(&component(), Limits::default()).expect("the guests are a plugin");
    let functions = &plugin.description().functions;
    let cases = functions.iter().map(|function| {
        let mut case = Case::new(format!("rust::{}", function.name), component);
        case.only = Some(function.name.clone());
        case
    });
    cases.collect()
}

/// The component of all of them.
fn component() -> Vec<u8> {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    let path = COMPONENT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/hostile/rust");
        let options = transom_build::BuildOptions {
            quiet: true,
            ..Default::default()
        };
        let built = transom_build::up_to_date(&folder, &options, || ());
        built.expect("the guests build").component
    });
    std::fs::read(path).expect("the component is read")
}

/// Lines and folders of the standard library differ between compilers: `library/std/src/thread.rs` stands for them.
pub(crate) fn without_lines_of_the_library(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let Some((_, file)) = word.split_once("/library/") else {
            return word.to_owned();
        };
        let file = file.trim_end_matches(|c: char| c == ':' || c.is_ascii_digit());
        format!("library/{file}:")
    });
    words.collect::<Vec<_>>().join(" ")
}
