//! Plugins that are compiled ahead of time, into a folder.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type};
use transom_plugin::{
    CompiledPlugins, InstanceOptions, Limits, Machine, Runtime, RuntimeOptions, compile_ahead,
};

use crate::support::{component, plugin, runtime, whole};

fn machine() -> Machine {
    Machine::of_this_program().unwrap()
}

fn compile(folder: &Path) {
    let plugins = [(plugin(), component().to_owned())];
    compile_ahead(runtime(), &plugins, machine(), folder).unwrap();
}

/// Another process.
fn open(folder: &Path) -> transom_plugin::Result<CompiledPlugins> {
    let runtime = Runtime::new(RuntimeOptions::default()).unwrap();
    CompiledPlugins::open(&runtime, folder)
}

#[test]
fn a_compiled_plugin_is_the_same_plugin() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!CompiledPlugins::are_in(folder.path()));
    compile(folder.path());
    assert!(CompiledPlugins::are_in(folder.path()));
    let compiled = open(folder.path())
        .unwrap()
        .load("echo", Limits::default())
        .unwrap();
    assert_eq!(compiled.description(), plugin().description());
    assert_eq!(compiled.digest(), plugin().digest());
    assert_eq!(compiled.bytes(), plugin().bytes());
    assert_eq!(compiled.describe().unwrap(), *plugin().description());

    let mut instance = compiled.instantiate(InstanceOptions::default()).unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![12, 18]));
    let field = Arc::new(Field::new("", DataType::Int64, true));
    let function = instance
        .open_function("gcd", &[Arc::clone(&field), field])
        .unwrap();
    let columns = [
        Arc::clone(&numbers),
        Arc::new(Int64Array::from(vec![8, 27])),
    ];
    let outcome = instance
        .call_function(&function, &columns, numbers.len())
        .unwrap();
    assert_eq!(outcome.column.as_primitive::<Int64Type>().values(), &[4, 9]);
}

#[test]
fn the_same_plugins_give_the_same_bytes() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    folders.iter().for_each(|folder| compile(folder.path()));
    for file in ["plugins.json", "echo.cwasm"] {
        let [one, two] = folders
            .each_ref()
            .map(|folder| std::fs::read(folder.path().join(file)).unwrap());
        assert!(one == two, "{file}");
    }
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |said: &str| {
        let error = open(folder.path()).unwrap_err();
        assert!(whole(&error).contains(said), "{}", whole(&error));
    };
    refused("plugins.json");
    compile(folder.path());
    let missing = open(folder.path())
        .unwrap()
        .load("other", Limits::default());
    let missing = missing.unwrap_err().to_string();
    assert!(
        missing.contains("`other`") && missing.contains("not among the compiled"),
        "{missing}"
    );

    let code = folder.path().join("echo.cwasm");
    let mut bytes = std::fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&code, bytes).unwrap();
    refused("`echo.cwasm` cannot be loaded: its content is not what was compiled");
    std::fs::remove_file(&code).unwrap();
    refused("echo.cwasm");
    std::fs::write(folder.path().join("plugins.json"), "{}").unwrap();
    refused("it cannot be read");
}
