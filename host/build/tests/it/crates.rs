//! A plugin that is as small as a plugin can be, with an SDK of its own beside it.

use std::path::{Path, PathBuf};

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The exports of `transom:plugin/meta`, written by hand. `describe` returns a pointer to a `result` that is an error of the
/// kind 0 with an empty message: 64 zero bytes but for the discriminant.
const PLUGIN: &str = r#"
#[unsafe(link_section = "component-type:test")]
#[used]
static INTERFACE_TYPES: [u8; include_bytes!("types.bin").len()] = *include_bytes!("types.bin");

#[unsafe(export_name = "transom:plugin/meta@0.1.0#describe")]
extern "C" fn describe() -> *const u8 {
    static ERROR: [u32; 16] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    std::hint::black_box(("the plugin's mark", sdk::mark()));
    assert_ne!(sdk::sum(&std::collections::HashMap::<u32, u64>::new()), 7, "in {}", file!());
    ERROR.as_ptr().cast()
}

#[unsafe(export_name = "cabi_realloc")]
extern "C" fn realloc(_: *mut u8, _: usize, _: usize, size: usize) -> *mut u8 {
    Vec::leak(vec![0_u128; size / 16 + 1]).as_mut_ptr().cast()
}
"#;

/// Generic, so that it is compiled within the plugin; with a panic, so that its path is in the module.
const SDK: &str = r#"
pub fn sum<K: std::hash::Hash + Eq>(values: &std::collections::HashMap<K, u64>) -> u64 {
    values.values().copied().reduce(|a, b| a.checked_add(b).expect("the sum fits")).unwrap_or_default()
}

pub fn mark() -> &'static str {
    "the mark of the SDK"
}

pub fn first(values: &[u64]) -> u64 {
    assert!(!values.is_empty(), "no value in {}", file!());
    values[0]
}
"#;

/// Writes the plugin to `root/plugin` and its SDK to `root/sdk`; returns the plugin's folder.
pub(crate) fn write_plugin(root: &Path) -> PathBuf {
    let plugin = root.join("plugin");
    fs_err::create_dir_all(plugin.join("src")).unwrap();
    fs_err::create_dir_all(root.join("sdk/src")).unwrap();
    let manifest = "[package]\nname = \"tiny-plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                    [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nsdk = { path = \"../sdk\" }\n[workspace]\n";
    fs_err::write(plugin.join("Cargo.toml"), manifest).unwrap();
    fs_err::write(plugin.join("src/lib.rs"), PLUGIN).unwrap();
    fs_err::write(plugin.join("src/types.bin"), interface_types()).unwrap();
    let manifest = "[package]\nname = \"sdk\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs_err::write(root.join("sdk/Cargo.toml"), manifest).unwrap();
    fs_err::write(root.join("sdk/src/lib.rs"), SDK).unwrap();
    plugin
}

fn interface_types() -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"))
        .unwrap();
    let world = "package test:test; world test { export transom:plugin/meta@0.1.0; }";
    let package = resolve.push_str("test.wit", world).unwrap();
    let world = resolve.select_world(&[package], Some("test")).unwrap();
    wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).unwrap()
}
