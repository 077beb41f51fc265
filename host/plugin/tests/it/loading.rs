//! Files that are no plugins, or plugins that ask for more than they are granted.

use std::path::Path;

use transom_plugin::{Accepts, Error, Limits, Volatility};

use crate::support::{component, plugin, runtime};

fn refused(wasm: &[u8]) -> (String, Option<String>) {
    let error = runtime()
        .load_bytes("odd", wasm, Limits::default())
        .unwrap_err();
    assert!(
        matches!(error, Error::Load { ref plugin, .. } if plugin == "odd"),
        "{error:?}"
    );
    (error.to_string(), error.hint())
}

fn component_of(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

#[test]
fn the_guest_says_what_it_offers() {
    let plugin = plugin();
    let description = plugin.description();
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("echo", "0.1.0")
    );
    let gcd = description.function("gcd").unwrap();
    assert_eq!(gcd.doc, "Greatest common divisor.");
    let arguments: Vec<(&str, &Accepts)> = gcd
        .arguments
        .iter()
        .map(|argument| (argument.name.as_str(), &argument.accepts))
        .collect();
    let int64 = Accepts::Exact(arrow::datatypes::DataType::Int64);
    assert_eq!(arguments, [("a", &int64), ("b", &int64)]);
    assert_eq!(gcd.output.as_deref(), Some("Int64"));
    assert_eq!(gcd.volatility, Volatility::Immutable);
    assert_eq!(
        description.function("roll_call").unwrap().volatility,
        Volatility::Volatile
    );
    assert_eq!(description.function("any_identity").unwrap().output, None);
    let running = description.transform("running").unwrap();
    assert!(running.stateful);
    assert!(running.options["properties"]["column"].is_object());
    assert!(!description.transform("echo").unwrap().stateful);
    assert_eq!(
        plugin.imports(),
        ["transom:plugin/host@0.1.0", "transom:plugin/types@0.1.0"]
    );
    assert_eq!(plugin.digest().len(), 64);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = runtime()
        .load("odd", Path::new("/nowhere/odd.wasm"), Limits::default())
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot read plugin `/nowhere/odd.wasm`");
}

#[test]
fn a_text_file_is_no_webassembly() {
    let (text, hint) = refused(b"fn main() {}");
    assert_eq!(
        text,
        "plugin `odd` cannot be loaded: it is not a WebAssembly file"
    );
    assert!(hint.unwrap().contains("transom build"));
    assert!(refused(b"").0.contains("not a WebAssembly file"));
}

#[test]
fn a_core_module_is_no_component() {
    let (text, hint) = refused(&component_of("(module)"));
    assert!(
        text.ends_with("it is a core WebAssembly module, not a component"),
        "{text}"
    );
    assert!(hint.unwrap().contains("transom build"));
}

#[test]
fn a_component_of_an_unknown_version_is_refused() {
    let (text, _) = refused(b"\0asm\x0e\0\x02\0");
    assert!(
        text.ends_with("it is not a WebAssembly component of a known version"),
        "{text}"
    );
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let whole = std::fs::read(component()).unwrap();
    for length in [8, 9, 100, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length]);
    }
}

#[test]
fn a_component_without_the_contract_is_no_plugin() {
    let (text, hint) = refused(&component_of("(component)"));
    assert!(
        text.contains("it does not export `transom:plugin/meta@0.1.0`, so it is no Transom plugin"),
        "{text}"
    );
    assert!(hint.unwrap().contains("build the plugin again"));
}

#[test]
fn a_plugin_of_another_version_of_the_contract_is_told_so() {
    let (text, hint) = refused(&component_of(
        r#"(component (instance (export "transom:plugin/meta@9.0.0")))"#,
    ));
    assert!(
        text.contains("another version of the contract (`transom:plugin/meta@9.0.0`)"),
        "{text}"
    );
    assert!(hint.unwrap().contains("transom:plugin@0.1.0"));
}

#[test]
fn a_component_that_asks_for_wasi_is_refused_by_the_name_of_the_interface() {
    let (text, hint) = refused(&component_of(
        r#"(component
            (import "wasi:filesystem/types@0.2.0" (instance))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ));
    assert!(
        text.contains("it imports `wasi:filesystem/types@0.2.0`"),
        "{text}"
    );
    assert!(hint.unwrap().contains("files, network"));
}

#[test]
fn an_interface_with_other_functions_than_the_contract_is_refused() {
    let (text, _) = refused(&component_of(
        r#"(component (instance (export "transom:plugin/meta@0.1.0")))"#,
    ));
    assert!(text.contains("describe"), "{text}");
}

#[test]
fn a_component_over_the_size_limit_is_not_compiled() {
    let limits = Limits {
        component: 1000,
        ..Limits::default()
    };
    let error = runtime().load("echo", component(), limits).unwrap_err();
    assert!(
        error.to_string().contains("; 1000 B are allowed"),
        "{error:?}"
    );
}
