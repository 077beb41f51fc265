//! Lines, the types that they are read as, and what comes of it.

use std::{fs, path::Path, time::SystemTime};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema},
    json::LineDelimitedWriter,
};
use std::sync::Arc;

use super::decode::Decoder;
use super::*;
use crate::aws::Aws;
use transom_file::spec::Format;

use crate::source::{
    FileSource, Location, ReadProgress, Sample, SourceError, Unknown,
    inputs::{Input, Inputs},
    partitions::Partitions,
};

pub(super) fn source(path: &Path) -> FileSource {
    FileSource {
        name: "events".to_owned(),
        root: path.parent().unwrap_or(path).into(),
        aws: Aws::default(),
        pattern: "*.json".to_owned(),
        format: Format::Json,
        columns: None,
        unknown: Unknown::Fail,
        sample: Sample::default(),
        read: ReadProgress::default(),
    }
}

pub(super) fn found(path: &Path) -> Input {
    Input {
        path: path.file_name().map(Into::into).unwrap_or_default(),
        location: Location::File(path.to_owned()),
        bytes: fs::metadata(path).map_or(0, |metadata| metadata.len()),
        modified: SystemTime::UNIX_EPOCH,
    }
}

fn schema(columns: &[(&str, &str)]) -> Schema {
    let fields = columns.iter();
    let fields = fields.map(|(name, kind)| transom_sql::parse_field(name, kind).unwrap());
    Schema::new(fields.collect::<Vec<Field>>())
}

/// The rows as JSON, or the message and the hint of the error.
fn read(
    columns: &[(&str, &str)],
    unknown: Unknown,
    text: &str,
) -> Result<String, (String, String)> {
    let schema = Arc::new(schema(columns));
    let all: Vec<usize> = (0..columns.len()).collect();
    let mut decoder = Decoder::try_new(&schema, &all, &[], None, unknown).unwrap();
    for (number, line) in text.lines().enumerate() {
        if let Err(refused) = decoder.decode(line) {
            let path = Path::new("a.json");
            let error = refused.at(&source(path), &found(path), number as u64 + 1, line);
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
            let message = format!("{error}{cause}");
            let message = message
                .strip_prefix("source `events`: `a.json` line ")
                .unwrap();
            return Err((message.to_owned(), error.hint().unwrap_or_default()));
        }
    }
    let batch = RecordBatch::try_new(schema, decoder.finish().unwrap()).unwrap();
    let mut json = LineDelimitedWriter::new(Vec::new());
    json.write(&batch).unwrap();
    json.finish().unwrap();
    Ok(String::from_utf8(json.into_inner())
        .unwrap()
        .trim()
        .to_owned())
}

/// One value of one column.
fn value(kind: &str, json: &str) -> Result<String, String> {
    let text = format!("{{\"v\":{json}}}");
    let rows = read(&[("v", kind)], Unknown::Fail, &text).map_err(|(message, _)| message)?;
    let value = rows
        .strip_prefix("{\"v\":")
        .and_then(|rest| rest.strip_suffix('}'));
    Ok(value.unwrap_or("NULL").to_owned())
}

#[test]
fn values_are_exact() {
    let mut wrong = Vec::new();
    for (kind, json, expected) in [
        ("int64", "5", "5"),
        ("int64", "5.0", "5"),
        ("int64", "1e2", "100"),
        ("int64", "-9223372036854775808", "-9223372036854775808"),
        ("int64", "9007199254740993.0", "9007199254740993"),
        ("int64", "9223372036854775.807e3", "9223372036854775807"),
        ("uint64", "18446744073709551615", "18446744073709551615"),
        ("int8", "-128", "-128"),
        ("float64", "9007199254740992", "9.007199254740992e15"),
        ("float64", "2.5e-3", "0.0025"),
        ("decimal(10,2)", "1.5", "1.50"),
        (
            "decimal(38,0)",
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
        ("bool", "true", "true"),
        ("date", "\"2024-02-29\"", "\"2024-02-29\""),
        (
            "timestamp",
            "\"2024-01-31T10:00:00.5\"",
            "\"2024-01-31T10:00:00.500\"",
        ),
        (
            "timestamptz",
            "\"2024-01-31T10:00:00+02:00\"",
            "\"2024-01-31T08:00:00Z\"",
        ),
        ("time", "\"23:59:59\"", "\"23:59:59\""),
        ("binary", "\"00ff\"", "\"00ff\""),
        ("utf8", "\"a\\u00e9\\n\"", "\"aé\\n\""),
        ("utf8", "5", "\"5\""),
        ("utf8", "1.50", "\"1.50\""),
        ("utf8", "true", "\"true\""),
        ("json", "{\"a\": [1, 1e999]}", "\"{\\\"a\\\": [1, 1e999]}\""),
        ("json", "\"x\"", "\"\\\"x\\\"\""),
        ("json", "null", "NULL"),
        ("list<int64>", "[1,null,2]", "[1,null,2]"),
        ("list<list<int64>>", "[[1],[],null]", "[[1],[],null]"),
        (
            "struct<a: int64, b: list<utf8>>",
            "{\"b\":[\"x\"]}",
            "{\"b\":[\"x\"]}",
        ),
        ("map<utf8, int64>", "{\"x\":1,\"y\":2}", "{\"x\":1,\"y\":2}"),
        (
            "list<struct<a: json>>",
            "[{\"a\":[]},{}]",
            "[{\"a\":\"[]\"},{}]",
        ),
    ] {
        let found = value(kind, json).unwrap_or_else(|error| error);
        if found != expected {
            wrong.push(format!("{kind} {json}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_does_not_fit_is_an_error() {
    for (kind, json, expected) in [
        (
            "int64",
            "2.75",
            "1: column `v` holds `2.75`, expected int64: it is not written as a whole number",
        ),
        (
            "int64",
            "9223372036854775808",
            "1: column `v` holds `9223372036854775808`, expected int64: it is out of range",
        ),
        (
            "int64",
            "1e999999999999",
            "1: column `v` holds `1e999999999999`, expected int64: it is out of range",
        ),
        (
            "int64",
            "\"5\"",
            "1: column `v` holds `\"5\"`, expected int64",
        ),
        (
            "int64",
            "true",
            "1: column `v` holds `true`, expected int64",
        ),
        ("int64", "[1]", "1: column `v` holds `[1]`, expected int64"),
        (
            "uint8",
            "256",
            "1: column `v` holds `256`, expected uint8: it is out of range",
        ),
        (
            "uint8",
            "-1",
            "1: column `v` holds `-1`, expected uint8: it is out of range",
        ),
        (
            "float64",
            "9007199254740993",
            "1: column `v` holds `9007199254740993`, expected float64: it has more digits than a float keeps",
        ),
        (
            "float64",
            "9007199254740993.0",
            "1: column `v` holds `9007199254740993.0`, expected float64: it has more digits than a float keeps",
        ),
        (
            "float64",
            "1e999",
            "1: column `v` holds `1e999`, expected float64: it is out of range",
        ),
        (
            "float64",
            "1e-999",
            "1: column `v` holds `1e-999`, expected float64: it is out of range",
        ),
        (
            "decimal(10,2)",
            "1.999",
            "1: column `v` holds `1.999`, expected decimal(10,2): it has too many digits after the point",
        ),
        ("bool", "1", "1: column `v` holds `1`, expected bool"),
        (
            "bool",
            "\"true\"",
            "1: column `v` holds `\"true\"`, expected bool",
        ),
        (
            "date",
            "19782",
            "1: column `v` holds `19782`, expected date",
        ),
        (
            "timestamp",
            "1710037800000",
            "1: column `v` holds `1710037800000`, expected timestamp",
        ),
        (
            "utf8",
            "{\"a\":1}",
            "1: column `v` holds `{\"a\":1}`, expected utf8",
        ),
        (
            "utf8",
            "\"\\ud800\"",
            "1: column `v` holds `\"\\ud800\"`, expected utf8: it holds half of a character",
        ),
        (
            "list<int64>",
            "[1,[2]]",
            "1: column `v[1]` holds `[2]`, expected int64",
        ),
        (
            "list<int64>",
            "5",
            "1: column `v` holds `5`, expected list<int64>",
        ),
        (
            "struct<a: int64>",
            "[]",
            "1: column `v` holds `[]`, expected struct<a: int64>",
        ),
        (
            "struct<a: struct<b: int64>>",
            "{\"a\":{\"b\":1.5}}",
            "1: column `v.a.b` holds `1.5`, expected int64: it is not written as a whole number",
        ),
        (
            "struct<a: int64>",
            "{\"a\":1,\"b\":2}",
            "1 has the unknown key `v.b`",
        ),
        (
            "list<struct<a: int64>>",
            "[{\"a\":1},{\"c\":2}]",
            "1 has the unknown key `v[1].c`",
        ),
        (
            "struct<a: int64>",
            "{\"a\":1,\"a\":2}",
            "1 has the key `v.a` twice in one object",
        ),
        (
            "map<utf8, int64>",
            "{\"a\":1,\"a\":2}",
            "1 has the key `v.a` twice in one object",
        ),
        (
            "map<utf8, int64>",
            "{\"a\":\"x\"}",
            "1: column `v.a` holds `\"x\"`, expected int64",
        ),
        (
            "float64",
            "NaN",
            "1, character 6 is not valid JSON, at the key `v`: expected value at line 1 column 6",
        ),
    ] {
        assert_eq!(value(kind, json).unwrap_err(), expected, "{kind} {json}");
    }
}

#[test]
fn hints_say_what_to_declare() {
    for (kind, json, expected) in [
        ("int64", "2.75", "declare column `v` as `float64`"),
        ("timestamp", "1710037800000", "to_timestamp_millis(v)"),
        ("utf8", "[1]", "declare column `v` as `json`"),
        (
            "int64",
            "\"x\"",
            "declare column `v` as `utf8`, or as `json`",
        ),
        ("float64", "NaN", "JSON has no `NaN`"),
    ] {
        let text = format!("{{\"v\":{json}}}");
        let (_, hint) = read(&[("v", kind)], Unknown::Fail, &text).unwrap_err();
        assert!(hint.contains(expected), "{kind} {json}: {hint}");
    }
}

#[test]
fn lines_that_are_no_objects_have_their_place() {
    let read = |text: &str| read(&[("v", "int64")], Unknown::Fail, text).unwrap_err().0;
    assert_eq!(read("{\"v\":1}\n[1]"), "2 is not a JSON object: `[1]`");
    assert_eq!(
        read("{\"v\":1} {\"v\":2}"),
        "1, character 9 is not valid JSON: trailing characters at line 1 column 9"
    );
    assert!(read("{\"v\":1").starts_with("1, character 6 is not valid JSON"));
    assert_eq!(read("{\"w\":1}"), "1 has the unknown key `w`");
    assert_eq!(
        read("{\"v\":1,\"v\":1}"),
        "1 has the key `v` twice in one object"
    );
    let deep = format!("{{\"v\":{}", "[".repeat(1_000_000));
    assert!(read(&deep).contains("is not valid JSON"));
}

#[test]
fn unknown_keys_are_counted_by_path() {
    // A row counts once, also if it has a key twice: in an object, or in the items of a list.
    let text = "{\"v\":1,\"w\":{\"x\":1},\"w\":3}\n{\"w\":2,\"s\":{\"a\":1,\"b\":[{\"c\":1}]},\"l\":[{\"y\":1},{\"y\":2}]}";
    let columns = [
        ("v", "int64"),
        ("s", "struct<a: int64>"),
        ("l", "list<struct<z: int64>>"),
    ];
    let rows = read(&columns, Unknown::Ignore, text).unwrap();
    assert_eq!(rows, "{\"v\":1}\n{\"s\":{\"a\":1},\"l\":[{},{}]}");
    let schema = Arc::new(schema(&columns));
    // Keys within columns that the query does not read count as well.
    for wanted in [&[][..], &[0], &[0, 1]] {
        let mut decoder = Decoder::try_new(&schema, wanted, &[], None, Unknown::Warn).unwrap();
        text.lines().for_each(|line| decoder.decode(line).unwrap());
        let counted: Vec<_> = decoder.take_passed_over().into_iter().collect();
        let expected = [("l[].y", 1), ("s.b", 1), ("w", 2)];
        assert_eq!(counted, expected.map(|(key, rows)| (key.to_owned(), rows)));
        assert_eq!(decoder.finish().unwrap().len(), wanted.len());
        assert_eq!(decoder.rows(), 0);
        let mut decoder = Decoder::try_new(&schema, wanted, &[], None, Unknown::Fail).unwrap();
        let line = "{\"s\":{\"a\":1,\"b\":2}}";
        assert!(decoder.decode(line).is_err());
    }
}

/// The inferred columns, or the error and its hint.
fn inferred(files: &[&str], declared: &[(&str, &str)]) -> Result<String, (String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut listing = Inputs::default();
    for (number, text) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.json"));
        fs::write(&path, text).unwrap();
        listing.pieces.push(found(&path));
    }
    let mut source = source(folder.path());
    source.columns = (!declared.is_empty()).then(|| Arc::new(schema(declared)));
    let schema =
        infer_schema(&source, &listing, &Partitions::default()).map_err(|error: SourceError| {
            let message = error.to_string();
            let message = message
                .strip_prefix("source `events`: ")
                .unwrap()
                .to_owned();
            (message, error.hint().unwrap_or_default())
        })?;
    let fields = schema.map_or_else(Vec::new, |schema| {
        let fields = schema.fields().iter();
        fields
            .map(|field| format!("{}: {}", field.name(), transom_sql::field_type_name(field)))
            .collect()
    });
    Ok(fields.join(", "))
}

#[test]
fn a_type_holds_all_sampled_values() {
    for (files, expected) in [
        (
            &["{\"a\":1}\n{\"b\":true}", "{\"c\":\"x\"}"][..],
            "a: int64, b: bool, c: utf8",
        ),
        (&["{\"a\":1}\n{\"a\":2.5}"], "a: float64"),
        (&["{\"a\":9007199254740993}\n{\"a\":2.5}"], "a: utf8"),
        (&["{\"a\":18446744073709551615}", "{\"a\":5}"], "a: utf8"),
        (&["{\"a\":null}"], "a: utf8"),
        (&["{\"a\":\"2024-01-31\"}"], "a: utf8"),
        (
            &["{\"a\":{\"b\":1}}\n{\"a\":{\"c\":[{}, {\"d\":null}]}}"],
            "a: struct<b: int64, c: list<struct<d: utf8>>>",
        ),
        (&["{\"a\":[]}\n{\"b\":{}}"], "a: list<utf8>, b: json"),
        (&["{\"a\":[[1],[2.5]]}"], "a: list<list<float64>>"),
        (&["{}\n\n{}"], ""),
        (&["", ""], ""),
    ] {
        assert_eq!(inferred(files, &[]).unwrap(), expected, "{files:?}");
    }
    let declared = [("v", "json"), ("w", "int64")];
    assert_eq!(
        inferred(&["{\"u\":1,\"v\":1}\n{\"v\":[]}"], &declared).unwrap(),
        "u: int64, v: json, w: int64"
    );
    assert_eq!(inferred(&[""], &declared).unwrap(), "v: json, w: int64");
}

#[test]
fn values_of_different_kinds_are_both_named() {
    let (message, hint) = inferred(&["{\"v\":5}", "{\"v\":6}\n{\"v\":\"abc\"}"], &[]).unwrap_err();
    assert_eq!(
        message,
        "`1.json` line 2: `v` is `\"abc\"`, and `5` in line 1 of `0.json`"
    );
    assert!(hint.contains("`json`") && hint.contains("`utf8`"), "{hint}");
    let (message, hint) =
        inferred(&["{\"v\":{\"a\":[1]}}\n{\"v\":{\"a\":[true]}}"], &[]).unwrap_err();
    assert_eq!(
        message,
        "`0.json` line 2: `v.a[0]` is `true`, and `1` in line 1"
    );
    assert!(hint.contains("column `v` as `json`"), "{hint}");
    let deep = format!("{{\"v\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(inferred(&[&deep], &[]).unwrap_err().0.contains("line 1"));
    let (message, _) = inferred(&["{\"v\":1}\n[]"], &[]).unwrap_err();
    assert_eq!(message, "`0.json` line 2 is not a JSON object: `[]`");
}
