//! A Go module -> a component: the world is embedded and WASI answered by the deny adapter.
//!
//! A Go program carries no interface types, since no wit-bindgen made it: the SDK's exports are written for the project's own
//! world, which is embedded here.

use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::BuildError;

/// The contract, as this program was built with it.
const CONTRACT: &str = include_str!("../../../../wit/transom.wit");
/// The world of plugins in it.
const WORLD: &str = "plugin";
/// Answers what Go's runtime asks of WASI; see there.
const ADAPTER: &str = include_str!("deny.wat");
/// The module that Go's runtime imports from.
const WASI: &str = "wasi_snapshot_preview1";

/// Wraps a core module that `go build` made.
///
/// # Errors
/// [`BuildError::NoMeta`] when it does not use the SDK; [`BuildError::ForbiddenImport`] when it imports anything but WASI and
/// the host; [`BuildError::NotAModule`] and [`BuildError::Componentize`] when it does not fit the world.
pub(crate) fn wrap(mut core: Vec<u8>) -> Result<Vec<u8>, BuildError> {
    check(&core)?;
    embed(&mut core, "", WORLD)?;
    let mut adapter = wat::parse_str(ADAPTER).expect("the adapter is valid text");
    let world = "package transom:deny; world adapter { import transom:plugin/host@0.1.0; }";
    embed(&mut adapter, world, "adapter")?;
    ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(|encoder| encoder.adapter(WASI, &adapter))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::Componentize(error.into()))
}

/// Embeds a world of `source`, or of the contract when that is empty.
fn embed(module: &mut Vec<u8>, source: &str, world: &str) -> Result<(), BuildError> {
    let mut resolve = Resolve::default();
    let parsed = resolve.push_str("transom.wit", CONTRACT);
    let parsed = match source {
        "" => parsed,
        source => parsed.and_then(|_| resolve.push_str("adapter.wit", source)),
    };
    parsed
        .and_then(|package| resolve.select_world(&[package], Some(world)))
        .and_then(|world| embed_component_metadata(module, &resolve, world, StringEncoding::UTF8))
        .map_err(|error| BuildError::Componentize(error.into()))
}

/// Names what is wrong as the author's linker named it.
fn check(core: &[u8]) -> Result<(), BuildError> {
    let malformed = |error: wasmparser::BinaryReaderError| BuildError::NotAModule(Box::new(error));
    let mut has_meta = false;
    for payload in Parser::new(0).parse_all(core) {
        match payload.map_err(malformed)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(malformed)?;
                    if import.module != WASI && !crate::componentize::is_host(import.module) {
                        return Err(BuildError::ForbiddenImport {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                        });
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    has_meta |= crate::componentize::is_meta(export.map_err(malformed)?.name);
                }
            }
            _ => {}
        }
    }
    if has_meta {
        return Ok(());
    }
    Err(BuildError::NoMeta {
        exports: "nothing".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap_text(text: &str) -> BuildError {
        wrap(wat::parse_str(text).unwrap()).unwrap_err()
    }

    #[test]
    fn the_adapter_is_a_valid_module_that_imports_the_host_only() {
        let adapter = wat::parse_str(ADAPTER).unwrap();
        wasmparser::Validator::new().validate_all(&adapter).unwrap();
        let imports: Vec<String> = Parser::new(0)
            .parse_all(&adapter)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ImportSection(imports) => Some(imports),
                _ => None,
            })
            .flat_map(wasmparser::ImportSectionReader::into_imports)
            .map(|import| import.unwrap().module.to_owned())
            .collect();
        assert_eq!(imports, ["env", "transom:plugin/host@0.1.0"]);
    }

    #[test]
    fn an_import_of_anything_but_wasi_and_the_host_is_refused_and_named() {
        let error = wrap_text(
            r#"(module
                (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
                (import "env" "query" (func)))"#,
        );
        assert_eq!(
            error.to_string(),
            "the module imports `query` from `env`; a plugin may import from `transom:plugin/host` only"
        );
    }

    #[test]
    fn a_module_without_the_sdks_exports_is_no_plugin() {
        let error = wrap_text(r#"(module (memory (export "memory") 1))"#);
        assert!(matches!(error, BuildError::NoMeta { .. }), "{error}");
    }

    #[test]
    fn a_module_that_lacks_a_function_of_the_contract_is_refused_with_the_functions_name() {
        let error = wrap_text(
            r#"(module
                (memory (export "memory") 1)
                (func (export "transom:plugin/meta@0.1.0#describe") (result i32) unreachable))"#,
        );
        let BuildError::Componentize(cause) = error else {
            panic!("{error}");
        };
        assert!(format!("{cause:?}").contains("scalar"), "{cause:?}");
    }
}
