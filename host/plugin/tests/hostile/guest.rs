//! A guest in text that does right, and what is changed of it.
//!
//! The guest offers a function `f` and a transform `t` that return their input. A case replaces functions by others of the same
//! name (`$process`, `$realloc`), or the answers that they give.

use std::collections::BTreeMap;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::canonical::{Field, Image, Output};

/// The functions that a plugin exports, by their names in the text, with parameters and result as the canonical ABI has them.
const EXPORTS: [(&str, &str, &str); 12] = [
    ("describe", "meta#describe", "(result i32)"),
    (
        "open_function",
        "scalar#open",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
    ),
    (
        "call",
        "scalar#call",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
    ),
    ("close_function", "scalar#close", "(param i32)"),
    (
        "open_transform",
        "table#open",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
    ),
    (
        "process",
        "table#process",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
    ),
    ("pull", "table#pull", "(param i32) (result i32)"),
    ("finish", "table#finish", "(param i32 i32) (result i32)"),
    ("save", "table#save", "(param i32) (result i32)"),
    (
        "restore",
        "table#restore",
        "(param i32 i32 i32) (result i32)",
    ),
    ("close_transform", "table#close", "(param i32)"),
    ("realloc", "", "(param i32 i32 i32 i32) (result i32)"),
];

/// Takes memory where the last taking ended; nothing is given back.
const REALLOC: &str = "
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $fits
        (br_if $fits (i32.le_u (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
        (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16))))))
        unreachable)
    (local.get $at)";

/// Answers with what came, whose nodes and buffers lie in the guest's memory already. 64 = result, 128 = the only part.
const ECHO_CALL: &str = "
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get 1))
    (i32.store (i32.const 72) (local.get 2))
    (i32.store (i32.const 76) (local.get 3))
    (i32.store (i32.const 80) (local.get 4))
    (i32.store (i32.const 84) (local.get 5))
    (i64.store (i32.const 88) (i64.const 0))
    (i32.const 64)";
const ECHO_PROCESS: &str = "
    (i32.store (i32.const 128) (local.get 1))
    (i32.store (i32.const 132) (local.get 2))
    (i32.store (i32.const 136) (local.get 3))
    (i32.store (i32.const 140) (local.get 4))
    (i32.store (i32.const 144) (local.get 5))
    (i32.store (i32.const 148) (i32.const 0))
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (i32.const 128))
    (i32.store (i32.const 72) (i32.const 1))
    (i64.store (i32.const 76) (i64.const 0))
    (i32.store (i32.const 84) (i32.const 0))
    (i32.const 64)";

/// A guest in the making.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) image: Image,
    answers: BTreeMap<&'static str, u32>,
    text: String,
}

impl Guest {
    /// The guest that does right.
    pub(crate) fn new() -> Self {
        let mut image = Image::new();
        let int = [Field::new("a", "l")];
        let function = image.function("f", &int, &int);
        let transform = image.transform("t", "");
        let description = image.description("hostile", &[function], &[transform]);
        let opened_function = image.opened_function(0, &int);
        let opened_transform = image.opened_transform(&[0], &[Output::Computed(int.to_vec())]);
        let nothing = image.nothing(false);
        let empty = image.bytes(b"");
        let answers = [
            ("describe", image.ok(&description)),
            ("open_function", image.ok(&opened_function)),
            ("open_transform", image.ok(&opened_transform)),
            ("pull", image.ok(&nothing)),
            ("finish", image.ok(&nothing)),
            ("save", image.ok(&empty)),
            ("restore", image.ok(&[])),
        ];
        Self {
            image,
            answers: answers.into(),
            text: String::new(),
        }
    }

    /// The guest with functions of its own in place of those that have the same names.
    pub(crate) fn with_text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::new()
        }
    }

    /// Lets a function answer with `result::ok` of what `value` puts into the image.
    pub(crate) fn answering(
        mut self,
        function: &'static str,
        value: impl FnOnce(&mut Image) -> Vec<u8>,
    ) -> Self {
        let value = value(&mut self.image);
        let at = self.image.ok(&value);
        self.answers.insert(function, at);
        self
    }

    /// Lets a function answer with an error.
    pub(crate) fn failing(mut self, function: &'static str, kind: u32, message: &str) -> Self {
        let at = self.image.error(kind, message, Some(u32::MAX));
        self.answers.insert(function, at);
        self
    }

    fn defines(&self, what: &str) -> bool {
        let of = |end| self.text.contains(&format!("{what}{end}"));
        of(' ') || of('\n') || of(')')
    }

    /// The core module as text.
    fn module(&self) -> String {
        let mut module = String::from(
            r#"(module
            (import "transom:plugin/host@0.1.0" "log" (func $log (param i32 i32 i32)))
            (import "transom:plugin/host@0.1.0" "count" (func $count (param i32 i32 i64)))"#,
        );
        let end = self.image.end();
        if !self.defines("(memory $memory") {
            let pages = end / 65536 + 1;
            module += &format!("(memory $memory {pages})\n");
        }
        module += r#"(export "memory" (memory $memory))"#;
        module += &format!("(global $heap (mut i32) (i32.const {end}))\n");
        module += &format!(
            "(data (i32.const {}) \"{}\")\n",
            Image::BASE,
            self.image.text()
        );
        for (name, export, signature) in EXPORTS {
            let export = match export.split_once('#') {
                Some((interface, function)) => {
                    format!("transom:plugin/{interface}@0.1.0#{function}")
                }
                None => "cabi_realloc".to_owned(),
            };
            module += &format!("(export \"{export}\" (func ${name}))\n");
            if self.defines(&format!("(func ${name}")) {
                continue;
            }
            let body = match (name, self.answers.get(name)) {
                (_, Some(at)) => format!("(i32.const {at})"),
                ("realloc", _) => REALLOC.to_owned(),
                ("call", _) => ECHO_CALL.to_owned(),
                ("process", _) => ECHO_PROCESS.to_owned(),
                _ => String::new(),
            };
            module += &format!("(func ${name} {signature} {body})\n");
        }
        module + &self.text + ")"
    }

    /// The guest as a component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let text = self.module();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let mut resolve = Resolve::default();
        let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
        let (package, _) = resolve.push_path(contract).unwrap();
        let world = resolve.select_world(&[package], Some("plugin")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        transom_build::componentize(&module).unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// The functions that a guest may replace, with parameters and result.
pub(crate) fn exports() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXPORTS
        .iter()
        .map(|&(name, _, signature)| (name, signature))
}
