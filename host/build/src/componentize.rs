//! A core module -> a component.
//!
//! A Rust module, compiled for `wasm32-unknown-unknown`, has no WASI in it, so nothing has to be adapted or stubbed: the module's
//! imports are the component's imports. They are checked *before* wrapping, because that is where the import can still be
//! named as the author's linker named it, and because a plugin that cannot reach anything is a promise of the project. Go's
//! modules, which need an adapter, are wrapped in `go/wrap.rs`.

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::BuildError;

/// The only instance that a plugin may import from; a version follows as `@0.1.0`.
const HOST: &str = "transom:plugin/host";
/// The interface that every plugin exports; a version follows.
const META: &str = "transom:plugin/meta";

/// Wraps a core module that carries its interface types (wit-bindgen puts them into a `component-type` section).
///
/// The result is validated. The same module gives the same bytes.
///
/// # Errors
/// [`BuildError::ForbiddenImport`] when the module imports anything but `transom:plugin/host`;
/// [`BuildError::NoInterfaceTypes`] and [`BuildError::NoMeta`] when it is no plugin; [`BuildError::NotAModule`] and
/// [`BuildError::Componentize`] when it is malformed or does not fit its own interface types.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, BuildError> {
    check_module(core)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::Componentize(error.into()))?;
    check_exports(&component)?;
    Ok(component)
}

fn check_module(core: &[u8]) -> Result<(), BuildError> {
    let malformed = |error: wasmparser::BinaryReaderError| BuildError::NotAModule(Box::new(error));
    let mut has_interface_types = false;
    let mut forbidden = None;
    for payload in Parser::new(0).parse_all(core) {
        match payload.map_err(malformed)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(malformed)?;
                    if forbidden.is_none() && !is_interface(import.module, HOST) {
                        forbidden = Some((import.module.to_owned(), import.name.to_owned()));
                    }
                }
            }
            Payload::CustomSection(section) => {
                has_interface_types |= section.name().starts_with("component-type");
            }
            _ => {}
        }
    }
    // The import first: a module that was compiled for WASI usually lacks the interface types too.
    if let Some((module, name)) = forbidden {
        return Err(BuildError::ForbiddenImport { module, name });
    }
    if has_interface_types {
        Ok(())
    } else {
        Err(BuildError::NoInterfaceTypes)
    }
}

fn check_exports(component: &[u8]) -> Result<(), BuildError> {
    let unreadable =
        |error: wasmparser::BinaryReaderError| BuildError::Componentize(Box::new(error));
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(unreadable)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Components inside are wit-component's own shims.
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(unreadable)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    if exports.iter().any(|name| is_interface(name, META)) {
        return Ok(());
    }
    let named = exports
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    Err(BuildError::NoMeta {
        exports: if named.is_empty() {
            "nothing".into()
        } else {
            named
        },
    })
}

/// Whether a module that is imported from is the host.
pub(crate) fn is_host(module: &str) -> bool {
    is_interface(module, HOST)
}

/// Whether an export of a core module is a function of `meta`: `transom:plugin/meta@0.1.0#describe`.
pub(crate) fn is_meta(export: &str) -> bool {
    is_interface(export.split('#').next().unwrap_or_default(), META)
}

/// Whether `name` is the interface `wanted`, in any version: which versions the host speaks is the host's matter.
fn is_interface(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{ManglingAndAbi, Resolve, WorldId};

    use super::*;

    /// The project's own contract, with a world of the test beside it.
    fn world(source: &str) -> (Resolve, WorldId) {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut resolve = Resolve::default();
        resolve.push_path(wit).unwrap();
        let package = resolve
            .push_str(
                "test.wit",
                &format!("package test:test; world test {{ {source} }}"),
            )
            .unwrap();
        let world = resolve.select_world(&[package], Some("test")).unwrap();
        (resolve, world)
    }

    const PLUGIN: &str = "import transom:plugin/host@0.1.0; export transom:plugin/meta@0.1.0; export transom:plugin/table@0.1.0;";

    /// A module that exports (and imports) what `source` says, each function a trap.
    fn module_of(source: &str) -> Vec<u8> {
        let (resolve, world) = world(source);
        let mut module = dummy_module(
            &resolve,
            world,
            ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync),
        );
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    /// A module in text, with the interface types of `source`.
    fn module_from_text(text: &str, source: &str) -> Vec<u8> {
        let (resolve, world) = world(source);
        let mut module = wat::parse_str(text).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    #[test]
    fn a_module_with_interface_types_becomes_a_component_that_imports_the_host_only() {
        let component = componentize(&module_of(PLUGIN)).unwrap();
        let decoded = wit_component::decode(&component).unwrap();
        let resolve = decoded.resolve();
        let (_, world) = resolve
            .worlds
            .iter()
            .find(|(_, world)| world.name == "root")
            .unwrap();
        let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, wit_parser::WorldItem>| {
            items
                .keys()
                .map(|key| resolve.name_world_key(key))
                .collect::<Vec<_>>()
        };
        // `types` holds no function: it is there because `host` and `meta` use its types.
        let imports = names(&world.imports);
        assert!(
            imports.iter().all(|name| {
                name == "transom:plugin/host@0.1.0" || name == "transom:plugin/types@0.1.0"
            }),
            "{imports:?}"
        );
        assert_eq!(
            names(&world.exports),
            ["transom:plugin/meta@0.1.0", "transom:plugin/table@0.1.0"]
        );
    }

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        let module = module_of(PLUGIN);
        assert_eq!(
            componentize(&module).unwrap(),
            componentize(&module).unwrap()
        );
    }

    #[test]
    fn an_import_of_wasi_is_refused_and_named() {
        let text = r#"(module
            (import "transom:plugin/host@0.1.0" "count" (func (param i32 i32 i64)))
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1))"#;
        let error = componentize(&module_from_text(text, PLUGIN)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the module imports `fd_write` from `wasi_snapshot_preview1`; a plugin may import from `transom:plugin/host` only"
        );
        assert!(
            error.hint().unwrap().contains("no files"),
            "{:?}",
            error.hint()
        );
    }

    #[test]
    fn an_instance_that_only_starts_like_the_host_is_refused() {
        let text = r#"(module (import "transom:plugin/hostile@0.1.0" "log" (func)))"#;
        let error = componentize(&module_from_text(text, PLUGIN)).unwrap_err();
        assert!(
            matches!(&error, BuildError::ForbiddenImport { module, .. } if module == "transom:plugin/hostile@0.1.0"),
            "{error}"
        );
    }

    #[test]
    fn a_module_without_interface_types_is_no_plugin() {
        let error = componentize(&wat::parse_str("(module)").unwrap()).unwrap_err();
        assert!(matches!(error, BuildError::NoInterfaceTypes), "{error}");
    }

    #[test]
    fn a_component_without_meta_is_no_plugin() {
        let error = componentize(&module_of("export transom:plugin/table@0.1.0;")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the component exports no `transom:plugin/meta`, only `transom:plugin/table@0.1.0`"
        );
    }

    #[test]
    fn a_module_that_lacks_a_function_of_its_interface_is_refused_with_the_functions_name() {
        let text = r#"(module (memory (export "memory") 1))"#;
        let error = componentize(&module_from_text(text, PLUGIN)).unwrap_err();
        let mut chain = String::new();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        assert!(chain.contains("describe"), "{chain}");
    }

    #[test]
    fn bytes_that_are_no_module_are_refused() {
        let error = componentize(b"#!/bin/sh\n").unwrap_err();
        assert!(matches!(error, BuildError::NotAModule(_)), "{error}");
    }
}
