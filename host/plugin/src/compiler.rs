//! The compiler from WebAssembly to machine code; without the feature `compiler`, there is none.

use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(feature = "compiler")]
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
    Component::new(engine, wasm)
}

#[cfg(not(feature = "compiler"))]
pub(crate) fn compile(_: &Engine, _: &[u8]) -> wasmtime::Result<Component> {
    Err(wasmtime::Error::msg(
        "this program has no compiler; it runs the plugins that `transom package` has compiled",
    ))
}

/// What compiled code depends on beside its source: wasmtime's version, the target, CPU features and every setting that changes code.
#[cfg(feature = "compiler")]
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Nothing is compiled that could be found again.
#[cfg(not(feature = "compiler"))]
pub(crate) fn compatibility(_: &Engine) -> u64 {
    0
}
