//! The contract's types and exports, generated from `wit/`.
//!
//! They are used natively too: what crosses the border can then be tested without Wasm, and there is no second set of
//! structs to keep in step. Only the exported symbols are left to the Wasm target (see [`crate::component`]).

#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the contract, which documents itself"
)]

wit_bindgen::generate!({
    world: "plugin",
    path: "wit",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "transom_sdk::bindings",
    additional_derives: [PartialEq],
    generate_unused_types: true,
});
