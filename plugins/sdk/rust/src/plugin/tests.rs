//! The host's calls on a whole plugin, natively.

use super::Handles;
use crate::bindings::exports::transom::plugin::{meta, table};
use crate::bindings::transom::plugin::types::{Batch, ErrorKind, Field as WireField, Node};
use crate::prelude::*;

/// Sum of both.
#[function]
fn plus(a: i64, b: i64) -> i64 {
    a + b
}

/// Passes rows on, and fails on demand.
#[transform(partition_by = ["a"], order_by = [desc("b")])]
struct Moody;

#[options]
struct Mood {
    /// Fails on the first row.
    fails: bool,
}

impl Transform for Moody {
    type Options = Mood;
    type State = ();

    fn open(_input: &Schema, options: Mood) -> Result<Opened<Self>, Error> {
        if options.fails {
            return Err(Error::config("in no mood").column("b"));
        }
        Ok(Opened::new(Moody)
            .reads(["b"])
            .passes_all()
            .computes(Field::new("c", DataType::Int64, true)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        if batch.column(0).is_null(0) {
            return Err(Error::bad_data("no").row(0).column("b"));
        }
        output.emit_rows([batch.column(0).slice(1, 1)], vec![1])
    }
}

plugin! { functions: [plus], transforms: [Moody] }

fn int64(name: &str) -> WireField {
    WireField {
        name: name.to_owned(),
        format: "l".to_owned(),
        nullable: true,
        metadata: Vec::new(),
        children: 0,
    }
}

fn column(values: &[i64]) -> Batch {
    Batch {
        rows: values.len() as u32,
        nodes: vec![Node {
            length: values.len() as u32,
            null_count: 0,
        }],
        buffers: vec![
            Vec::new(),
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ],
    }
}

#[test]
fn a_plugin_describes_itself() {
    let described = PLUGIN.describe().unwrap();
    assert_eq!(
        (described.name.as_str(), described.version.as_str()),
        ("transom-sdk", env!("CARGO_PKG_VERSION"))
    );
    let function = &described.functions[0];
    assert_eq!(
        (function.name.as_str(), function.doc.as_str()),
        ("plus", "Sum of both.")
    );
    assert_eq!(function.arguments[1].name, "b");
    assert_eq!(
        function.arguments[1].accepts,
        meta::ArgumentType::Exact(vec![int64("b")])
    );
    assert_eq!(function.output, [int64("plus")]);
    let transform = &described.transforms[0];
    assert_eq!(
        (transform.name.as_str(), transform.stateful),
        ("moody", false)
    );
    assert_eq!(transform.partition_by, ["a"]);
    assert_eq!(
        transform.order_by,
        [meta::SortKey {
            column: "b".to_owned(),
            descending: true
        }]
    );
    let schema: serde_json::Value = serde_json::from_str(&transform.options).unwrap();
    assert_eq!(
        schema["properties"]["fails"]["description"],
        "Fails on the first row."
    );
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_function_is_called_by_its_handle() {
    let mut handles = Handles::default();
    let opened = handles
        .open_function(&PLUGIN, "plus", vec![int64("x"), int64("y")], "{}")
        .unwrap();
    let mut arguments = column(&[1, 2]);
    arguments.nodes.extend(column(&[30, 40]).nodes);
    arguments.buffers.extend(column(&[30, 40]).buffers);
    let outcome = handles.call_function(opened.handle, arguments).unwrap();
    assert_eq!(outcome.column, column(&[31, 42]));
    handles.close_function(opened.handle);
    let error = handles
        .call_function(opened.handle, column(&[]))
        .unwrap_err();
    assert_eq!(error.to_string(), "the handle 1 is not open");
}

#[test]
fn a_transform_reads_only_its_columns_and_says_which_rows_it_kept() {
    let mut handles = Handles::default();
    let opened = handles
        .open_table(
            &PLUGIN,
            "moody",
            vec![int64("a"), int64("b")],
            r#"{"fails": false}"#,
        )
        .unwrap();
    assert_eq!(opened.reads, [1]);
    assert!(matches!(
        opened.output.as_slice(),
        [
            table::Output::Input(0),
            table::Output::Input(1),
            table::Output::Computed(_)
        ]
    ));
    let outcome = handles.process(opened.handle, column(&[1, 2])).unwrap();
    assert_eq!(outcome.parts[0].batch, column(&[2]));
    assert_eq!(
        outcome.parts[0].source_rows.as_deref(),
        Some([1, 0, 0, 0].as_slice())
    );
    assert_eq!(handles.save(opened.handle).unwrap(), [0; 0]);
    handles.restore(opened.handle, &[]).unwrap();
}

#[test]
fn an_error_names_the_column_by_its_place_in_the_input() {
    let mut handles = Handles::default();
    let input = || vec![int64("a"), int64("b")];
    let error = handles
        .open_table(&PLUGIN, "moody", input(), r#"{"fails": true}"#)
        .unwrap_err();
    assert_eq!((error.kind, error.column), (ErrorKind::Config, Some(1)));
    let opened = handles
        .open_table(&PLUGIN, "moody", input(), r#"{"fails": false}"#)
        .unwrap();
    let mut batch = column(&[0]);
    batch.nodes[0].null_count = 1;
    batch.buffers[0] = vec![0];
    let error = handles.process(opened.handle, batch).unwrap_err();
    assert_eq!(
        (error.kind, error.row, error.column),
        (ErrorKind::BadData, Some(0), Some(1))
    );
}

#[test]
fn unknown_names_and_handles_are_errors() {
    let mut handles = Handles::default();
    let error = handles
        .open_function(&PLUGIN, "minus", Vec::new(), "")
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the plugin `transom-sdk` has no function `minus`; it has `plus`"
    );
    let error = handles
        .open_table(&PLUGIN, "happy", Vec::new(), "{}")
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    let error = handles.pull(7).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Internal, "the handle 7 is not open")
    );
    handles.close_table(7);
}
