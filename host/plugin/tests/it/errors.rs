//! A guest that fails: what the caller gets, and what becomes of the instance.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use transom_plugin::{Error, GuestErrorKind, InstanceOptions, Limits};

use crate::support::{self, batch, plugin_with, process, runtime, whole};

fn rows() -> RecordBatch {
    batch(vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])
}

fn failing(kind: &str, at_open: bool) -> Error {
    let mut instance = support::instance();
    let options = format!(r#"{{"kind": "{kind}", "at_open": {at_open}}}"#);
    match instance.open_transform("fail", &rows().schema(), &options) {
        Ok(opened) => process(&mut instance, &opened, &rows()).unwrap_err(),
        Err(error) => error,
    }
}

#[test]
fn each_kind_of_error_arrives_as_that_kind() {
    for (kind, expected, text) in [
        (
            "bad-data",
            GuestErrorKind::BadData,
            "bad data: bad data, as asked",
        ),
        (
            "config",
            GuestErrorKind::Config,
            "configuration error: config, as asked",
        ),
        (
            "retryable",
            GuestErrorKind::Retryable,
            "temporary error: retryable, as asked",
        ),
        (
            "internal",
            GuestErrorKind::Internal,
            "internal error: internal, as asked",
        ),
    ] {
        for at_open in [false, true] {
            let error = failing(kind, at_open);
            match &error {
                Error::Guest { plugin, error } => {
                    assert_eq!((plugin.as_str(), error.kind), ("echo", expected));
                }
                other => panic!("{other:?}"),
            }
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("plugin `echo` reports {text}")),
                "{error}"
            );
            assert_eq!(error.is_retryable(), kind == "retryable");
        }
    }
}

#[test]
fn an_error_at_open_names_the_column_by_its_place() {
    match failing("bad-data", true) {
        Error::Guest { error, .. } => assert_eq!((error.row, error.column), (Some(1), Some(0))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_is_a_crash_with_message_file_and_line() {
    let source = include_str!("../../../../tests/guests/echo/src/failing.rs");
    let line = 1 + source
        .lines()
        .position(|line| line.contains(r#"panic!("panic, as asked")"#))
        .unwrap();
    for at_open in [false, true] {
        let error = failing("panic", at_open);
        assert!(matches!(error, Error::Crash { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.starts_with("plugin `echo` crashed: panicked at "),
            "{text}"
        );
        assert!(
            text.ends_with(&format!("src/failing.rs:{line}: panic, as asked")),
            "{text}"
        );
        assert!(error.hint().unwrap().contains("mistake in the plugin"));
    }
}

#[test]
fn an_error_leaves_the_instance_alive_and_a_crash_does_not() {
    let mut instance = support::instance();
    let open = |instance: &mut transom_plugin::Instance, kind: &str| {
        let options = format!(r#"{{"kind": "{kind}"}}"#);
        instance.open_transform("fail", &rows().schema(), &options)
    };
    let opened = open(&mut instance, "bad-data").unwrap();
    process(&mut instance, &opened, &rows()).unwrap_err();
    assert!(!instance.is_dead());
    process(&mut instance, &opened, &rows()).unwrap_err();

    let opened = open(&mut instance, "panic").unwrap();
    process(&mut instance, &opened, &rows()).unwrap_err();
    assert!(instance.is_dead());
    let error = process(&mut instance, &opened, &rows()).unwrap_err();
    let ended = "the instance has ended after an earlier error";
    assert!(whole(&error).contains(ended), "{error:?}");
    let error = open(&mut instance, "bad-data").unwrap_err();
    assert!(whole(&error).contains(ended), "{error:?}");
    // Another instance of the plugin knows nothing of it.
    open(&mut support::instance(), "bad-data").unwrap();
}

/// A component with the contract's `meta` in name, whose core module is `module`.
fn component(module: &str) -> Vec<u8> {
    let wat = format!(
        r#"(component
            (core module $m {module} (func (export "describe")))
            (core instance $i (instantiate $m))
            (func $d (canon lift (core func $i "describe")))
            (instance (export "transom:plugin/meta@0.1.0") (export "describe" (func $d))))"#
    );
    wat::parse_str(wat).unwrap()
}

fn loading(module: &str, limits: Limits) -> Error {
    runtime()
        .load_bytes("odd", &component(module), limits)
        .unwrap_err()
}

#[test]
fn a_recursion_without_end_is_a_crash() {
    let error = loading("(func $deep call $deep) (start $deep)", Limits::default());
    assert!(
        matches!(error, Error::Crash { ref message, .. } if message.contains("call stack exhausted")),
        "{error:?}"
    );
}

#[test]
fn an_access_outside_the_memory_is_a_crash() {
    let error = loading(
        "(memory 1) (func $f (drop (i32.load (i32.const 65536)))) (start $f)",
        Limits::default(),
    );
    assert!(
        matches!(error, Error::Crash { ref message, .. } if message.contains("out of bounds")),
        "{error:?}"
    );
}

#[test]
fn functions_unlike_those_of_the_contract_are_refused_when_the_plugin_is_loaded() {
    let error = loading("", Limits::default());
    assert!(matches!(error, Error::Load { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("its functions are not those of the contract"),
        "{error}"
    );
}

#[test]
fn a_result_larger_than_the_fields_allow_is_refused() {
    let columns = (0..90)
        .map(|_| Arc::new(Int64Array::from(vec![1])) as _)
        .collect();
    let limits = Limits {
        fields: 80,
        ..Limits::default()
    };
    let mut instance = plugin_with(limits)
        .instantiate(InstanceOptions::default())
        .unwrap();
    let error = instance
        .open_transform("echo", &batch(columns).schema(), r#"{"reads": "all"}"#)
        .unwrap_err();
    assert!(
        matches!(error, Error::Invalid { ref reason, .. }
            if reason == "opening `echo`: it reads 90 columns; allowed are 80"),
        "{error:?}"
    );
}
