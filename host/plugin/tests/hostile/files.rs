//! Files that are no plugins, or plugins whose form is the trouble: other imports, other versions, too many instances, code that
//! takes too long to compile.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use crate::Case;
use crate::guest::Guest;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TEXTS
        .iter()
        .map(|(name, text)| Case::new(*name, move || wat::parse_str(text).unwrap()))
        .collect();
    cases.extend(bytes());
    cases.extend(large());
    cases
}

/// Components in the text format.
const TEXTS: [(&str, &str); 9] = [
    ("a_core_module", "(module)"),
    ("a_component_without_exports", "(component)"),
    (
        "a_component_of_another_version",
        r#"(component (instance (export "transom:plugin/meta@0.2.0")))"#,
    ),
    (
        "a_component_that_imports_files",
        r#"(component (import "wasi:filesystem/types@0.2.0" (instance))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ),
    (
        "a_component_that_imports_sockets",
        r#"(component (import "wasi:sockets/tcp@0.2.0" (instance))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ),
    (
        "a_component_that_imports_the_environment",
        r#"(component (import "wasi:cli/environment@0.2.0" (instance))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ),
    (
        "a_component_that_imports_clocks",
        r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ),
    (
        "a_component_that_imports_more_of_the_host",
        r#"(component (import "transom:plugin/host@0.1.0" (instance (export "exec" (func (param "command" string)))))
            (instance (export "transom:plugin/meta@0.1.0")))"#,
    ),
    (
        "a_component_whose_describe_takes_arguments",
        r#"(component
            (core module $m (func (export "describe") (param i32)))
            (core instance $i (instantiate $m))
            (func $d (param "a" u32) (canon lift (core func $i "describe")))
            (instance (export "transom:plugin/meta@0.1.0") (export "describe" (func $d))))"#,
    ),
];

fn bytes() -> Vec<Case> {
    let name = |text: &str| {
        format!(
            r#"(component (import "{text}" (func)) (instance (export "transom:plugin/meta@0.1.0")))"#
        )
    };
    let long = name(&format!("a{}", "-b".repeat(40_000)));
    vec![
        Case::new("an_empty_file", Vec::new),
        Case::new("a_script", || b"#!/bin/sh\nrm -rf /\n".to_vec()),
        Case::new("zeros", || vec![0; 4 << 20]),
        Case::new("200_megabytes_of_zeros", || vec![0; 200 << 20]),
        Case::new("a_component_cut_in_half", || {
            let mut component = Guest::new().component();
            component.truncate(component.len() / 2);
            component
        }),
        Case::new("a_component_with_a_byte_changed", || {
            let mut component = Guest::new().component();
            let middle = component.len() / 2;
            component[middle] ^= 0x55;
            component
        }),
        Case::new("a_component_of_an_unknown_version", || {
            b"\0asm\x0e\0\x02\0".to_vec()
        }),
        Case::new("compiled_code", || b"\x7fELF\x02\x01\x01\0".to_vec()),
        Case::new(
            "a_component_that_imports_a_name_of_80_kilobytes",
            move || wat::parse_str(long).unwrap(),
        ),
        Case::new("an_archive_that_is_torn", || {
            b"PK\x03\x04 and nothing else".to_vec()
        }),
        Case::new("an_archive_of_zeros_without_end", || {
            archive(&vec![0; 16 << 20], 1)
        }),
        Case::new("an_archive_of_20000_files", || archive(b"", 20_000)),
    ]
}

fn archive(content: &[u8], files: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..files {
        archive
            .start_file(format!("{number}.py"), SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Components that stand for much more than their size.
fn large() -> Vec<Case> {
    let mut slow = Case::new("code_that_takes_long_to_compile", || with(&tangled(5_000)));
    slow.limits.compile_time = std::time::Duration::from_millis(10);
    vec![
        Case::new("a_component_of_900_instances", || {
            with(&many("(core module $m)", 900))
        }),
        Case::new("a_component_of_100_memories", || {
            with(&many("(core module $m (memory 1))", 100))
        }),
        Case::new("a_component_of_100_tables", || {
            with(&many("(core module $m (table 1 funcref))", 100))
        }),
        Case::new("a_module_of_300000_globals", || {
            let globals = "(global i64 (i64.const 0))".repeat(300_000);
            with(&many(&format!("(core module $m {globals})"), 1))
        }),
        slow,
    ]
}

/// A component with a module `$m` and many instances of it.
fn many(module: &str, instances: usize) -> String {
    let instances = "(core instance (instantiate $m))".repeat(instances);
    format!("(component {module} {instances})")
}

/// The guest that does right, with another component in it that is instantiated beside it.
fn with(text: &str) -> Vec<u8> {
    const COMPONENT: u8 = 4;
    const INSTANCE: u8 = 5;
    let mut component = Guest::new().component();
    // Index of the component that is put behind those that are there.
    let index = sections(&component).filter(|&id| id == COMPONENT).count() as u8;
    let inner = wat::parse_str(text).unwrap();
    component.push(COMPONENT);
    component.extend(leb128(inner.len()));
    component.extend(inner);
    // One instance, made from that component, without arguments.
    component.extend([INSTANCE, 4, 1, 0, index, 0]);
    component
}

/// Kinds of the sections of a component, the outermost alone.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = &component[8..];
    std::iter::from_fn(move || {
        let (&id, after) = rest.split_first()?;
        let digits = after.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let size = after[..digits]
            .iter()
            .rev()
            .fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        rest = &after[digits + size..];
        Some(id)
    })
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// One function with so many values alive at once, in so many blocks, that allocating registers takes long. It is another one each
/// time: what is compiled in the background comes to its end, and would be in the cache the next time.
fn tangled(blocks: usize) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut body = format!("(drop (i64.const {now}))");
    for number in 0..blocks {
        let (one, other) = (number * 7 % 200, number * 13 % 200);
        body += &format!(
            "(if (local.get {one}) (then (local.set {other} (i32.add (local.get {one}) (local.get {})))))",
            number % 200
        );
    }
    let locals = "(local i32)".repeat(200);
    many(
        &format!("(core module $m (func (export \"f\") {locals} {body}))"),
        1,
    )
}
