//! CSV: what a value is, and what is said of a file that is wrong.

use std::{error::Error, fs, io::Write, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use tempfile::{TempDir, tempdir};
use transom_connect::{FileSource, Sample, Source as _, SourceError};
use transom_file::spec::{CsvOptions, Encoding, Format, Unknown};

use crate::support::{CSV, open, put, query, session, shown, source};

/// A source over one file.
fn file(text: impl AsRef<[u8]>, options: CsvOptions) -> (TempDir, FileSource) {
    let root = tempdir().unwrap();
    put(root.path(), "a.csv", text);
    let source = source(root.path(), "a.csv", Format::Csv(options));
    (root, source)
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The error of a source, wherever it arises, with its hint.
async fn failure(source: &FileSource) -> String {
    let error = query(source, "SELECT * FROM t").await.unwrap_err();
    let mut cause: &(dyn Error + 'static) = &error;
    loop {
        let placed = cause.downcast_ref::<SourceError>();
        let shared = cause.downcast_ref::<Arc<SourceError>>();
        if let Some(error) = placed.or(shared.map(AsRef::as_ref)) {
            let hint = error.hint().unwrap_or_default();
            return format!("{error}; {hint}").replace("source `flights`: ", "");
        }
        cause = cause
            .source()
            .unwrap_or_else(|| panic!("without a place: {error}"));
    }
}

async fn failure_of(text: impl AsRef<[u8]>) -> String {
    let (_root, source) = file(text, CsvOptions::default());
    failure(&source).await
}

async fn types(source: &FileSource) -> Vec<String> {
    let schema = open(source, None, &session().state())
        .await
        .unwrap()
        .schema();
    let fields = schema.fields().iter();
    fields
        .map(|field| transom_sql::type_name(field.data_type()))
        .collect()
}

/// Rows as one text: `1|x;NULL|y`.
/// Rows of several files come in any order, unless one is asked for.
async fn rows(source: &FileSource) -> String {
    rows_of(source, "SELECT * FROM t").await
}

async fn rows_of(source: &FileSource, sql: &str) -> String {
    let batches = query(source, sql).await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                if column.is_null(row) {
                    return "NULL".to_owned();
                }
                arrow::util::display::array_value_to_string(column, row).unwrap()
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows.join(";")
}

#[tokio::test]
async fn values_that_do_not_fit_have_file_line_and_column() {
    let columns = [
        ("id", DataType::Int64),
        ("delay", DataType::Float64),
        ("day", DataType::Date32),
    ];
    for (text, expected) in [
        (
            "1,1.5,\n2,late,2024-01-01\nx,2,\n",
            "`b.csv` line 3: column `delay` holds `late`, expected float64; fix the file, or declare column `delay` as `utf8` and convert it in SQL with `try_cast`",
        ),
        (
            "1,1.5,2024-13-01\n",
            "`b.csv` line 2: column `day` holds `2024-13-01`, expected date: there is no such day or time",
        ),
        (
            "1,1.5,2024-01-31 10:00:00\n",
            "`b.csv` line 2: column `day` holds `2024-01-31 10:00:00`, expected date: its time of day would be lost; fix the file, or declare column `day` as `timestamp`",
        ),
        (
            "007,1.5,\n",
            "`b.csv` line 2: column `id` holds `007`, expected int64: its leading zeros or sign would be lost",
        ),
        (
            "2.75,1.5,\n",
            "column `id` holds `2.75`, expected int64: it is not written as a whole number; fix the file, or declare column `id` as `float64`",
        ),
        ("1,1.5,\n2,1\n", "`b.csv` line 3 has 2 fields, expected 3"),
        ("1,1.5,,,\n", "`b.csv` line 2 has 5 fields, expected 3"),
        (
            "1,1.5,\r\n\r\n\r\n\"2\",\"1\",\"2024-01-01\"\r\n3,x,\r\n",
            "`b.csv` line 6: column `delay` holds `x`, expected float64",
        ),
    ] {
        let root = tempdir().unwrap();
        put(root.path(), "a.csv", "id,delay,day\n1,1.5,2024-01-01\n");
        put(root.path(), "b.csv", format!("id,delay,day\n{text}"));
        let source = source(root.path(), "*.csv", CSV());
        let context = session();
        let table = open(&source, Some(schema(&columns)), &context.state()).await;
        context.register_table("t", table.unwrap()).unwrap();
        let run = context.sql("SELECT * FROM t").await.unwrap();
        let error = run.collect().await.unwrap_err();
        let found = placed(&error);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}

fn placed(error: &DataFusionError) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(error) = cause.downcast_ref::<Arc<SourceError>>() {
            return format!("{error}; {}", error.hint().unwrap_or_default());
        }
        cause = cause.source().expect("without a place");
    }
}

#[tokio::test]
async fn a_row_far_into_a_large_file_is_found() {
    let mut text = String::from("id,delay\n");
    for row in 0..10_000 {
        let delay = if row == 9_000 { "?" } else { "1.5" };
        text.push_str(&format!("{row},{delay}\n"));
    }
    let found = failure_of(text).await;
    assert!(
        found.starts_with("`a.csv` line 9002: column `delay` holds `?`, expected float64"),
        "{found}"
    );
}

#[tokio::test]
async fn a_value_that_may_not_be_missing() {
    let (_root, mut source) = file("a,b\n1,2\n\n3,\n", CsvOptions::default());
    let fields = vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Int64, false),
    ];
    source.columns = Some(Arc::new(Schema::new(fields)));
    let found = failure(&source).await;
    assert!(
        found.starts_with("`a.csv` line 4: column `b` holds no value, expected int64"),
        "{found}"
    );
}

#[tokio::test]
async fn types_hold_every_value_as_it_is_written() {
    for (text, expected) in [
        ("zip,city\n94107,SF\n01220,Adams\n", "utf8 utf8"),
        ("id\n101E010031\n5\n", "utf8"),
        ("a,b\n1,2.5\n2,3\n", "int64 float64"),
        ("t\n2024-01-31 10:00:00\n", "timestamp"),
        ("t\n2024-01-31T10:00:00Z\n", "timestamptz"),
        (
            "t\n2024-03-10 08:30:00\n2024-03-10T02:30:00-05:00\n",
            "utf8",
        ),
        ("a\n\n", "utf8"),
    ] {
        let (_root, source) = file(text, CsvOptions::default());
        assert_eq!(types(&source).await.join(" "), expected, "{text}");
    }
}

#[tokio::test]
async fn all_files_are_looked_at_for_types() {
    let root = tempdir().unwrap();
    let numbers: String = (0..2000).map(|row| format!("{row}\n")).collect();
    put(root.path(), "a.csv", format!("v\n{numbers}"));
    put(root.path(), "b.csv", "v\nx\n");
    put(root.path(), "c.csv", format!("v\n{numbers}y\n"));
    let mut source = source(root.path(), "*.csv", CSV());
    assert_eq!(types(&source).await, ["utf8"]);
    source.pattern = "c.csv".to_owned();
    assert_eq!(types(&source).await, ["int64"]);
    let found = failure(&source).await;
    assert!(
        found.starts_with("`c.csv` line 2002: column `v` holds `y`"),
        "{found}"
    );
    source.sample = Sample::All;
    assert_eq!(types(&source).await, ["utf8"]);
}

#[tokio::test]
async fn declared_columns_are_exact() {
    let text = "amt,d,z\n1.990,2024-01-31 00:00:00,007\n";
    let (root, mut source) = file(text, CsvOptions::default());
    source.columns = Some(schema(&[
        ("amt", DataType::Decimal128(10, 2)),
        ("d", DataType::Date32),
        ("z", DataType::Int64),
    ]));
    assert_eq!(rows(&source).await, "1.99|2024-01-31|7");
    put(root.path(), "a.csv", "amt,d,z\n1.999,2024-01-31,7\n");
    let found = failure(&source).await;
    assert!(
        found.starts_with("`a.csv` line 2: column `amt` holds `1.999`, expected decimal(10,2): it has too many digits after the point"),
        "{found}"
    );
}

#[tokio::test]
async fn columns_that_are_declared_as_json_hold_json() {
    let text = "k,doc\n1,\"{\"\"a\"\": [1]}\"\n2,\n3,{a\n";
    let (_root, mut source) = file(text, CsvOptions::default());
    source.columns = Some(Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        transom_sql::json_field("doc"),
    ])));
    let found = failure(&source).await;
    assert!(
        found.starts_with("`a.csv` line 4: column `doc` holds `{a`, which is not JSON"),
        "{found}"
    );
    assert_eq!(rows_of(&source, "SELECT k FROM t").await, "1;2;3");
}

#[tokio::test]
async fn nulls_are_texts_out_of_quotes() {
    let options = |nulls: &[&str]| CsvOptions {
        null: nulls.iter().map(|text| (*text).to_owned()).collect(),
        ..CsvOptions::default()
    };
    let text = "a,n\nNA,1\n\"NA\",NA\n,-\n\"\",\n-,2\n";
    let (_root, source) = file(text, options(&["NA", "-"]));
    assert_eq!(rows(&source).await, "NULL|1;NA|NULL;NULL|NULL;|NULL;NULL|2");
    let (_root, source) = file("a,n\n\"\",1\nNA,2\n", options(&[]));
    assert_eq!(rows(&source).await, "|1;NA|2");
    let (_root, source) = file("v\n\"0\"\n0\n\"\"\n1\n", options(&["0"]));
    assert_eq!(rows(&source).await, "0;NULL;NULL;1");
}

#[tokio::test]
async fn an_empty_line_is_a_missing_value_of_a_single_column() {
    let (_root, source) = file("name\nx\n\ny\n", CsvOptions::default());
    assert_eq!(rows(&source).await, "x;NULL;y");
    let (_root, source) = file("\na,b\n1,2\n\n3,4\n", CsvOptions::default());
    assert_eq!(rows(&source).await, "1|2;3|4");
}

#[tokio::test]
async fn quotes_that_do_not_close_are_errors() {
    let found = failure_of("id,desc\n1,\"open\n2,x\n3,y\n").await;
    assert!(
        found.starts_with("`a.csv` line 2: the quote that opens here never closes"),
        "{found}"
    );
    let found = failure_of("id,desc\n1,\"open\n2,\"x\"\n").await;
    assert!(
        found
            .starts_with("`a.csv` line 3: text follows a closing quote; the quote opens in line 2"),
        "{found}"
    );
}

#[tokio::test]
async fn mistakes_of_layout_have_hints() {
    for (text, expected) in [
        (
            "a;b;c\n1;2;3\n",
            "has one column, named `a;b;c`; name the delimiter: `csv: { delimiter: \";\" }`",
        ),
        ("a;b\n1,5;2\n", "one column, named `a;b`"),
        ("a\tb\n1\t2\n", "delimiter: \"\\t\""),
        (
            "Report of 2024\n\nid,name\n1,x\n",
            "line 3 has 2 fields, expected 1; check the delimiter, and quotes around fields that hold it; if the lines above are no data, leave them out with `csv: { skip: 2 }`",
        ),
        ("a,b,c\n1, \"a, b\", 5\n", "take out the blank before it"),
        ("a,b\n# exported\n", "comment: \"#\""),
        ("a,b\n1,\"x \\\"y\\\", z\"\n", "escape: \"\\\\\""),
        (
            "id,name,name\n1,x,y\n",
            "`a.csv` has two columns `name`: columns 2 and 3 of its header",
        ),
        (",a\n1,2\n", "`a.csv` line 1: column 1 of 2 has no name"),
        ("a,b\n1,\u{fffd}\n", ""),
    ] {
        if expected.is_empty() {
            continue;
        }
        let found = failure_of(text).await;
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}

#[tokio::test]
async fn layouts_can_be_named() {
    let options = CsvOptions {
        skip: 2,
        comment: Some(b'#'),
        escape: Some(b'\\'),
        ..CsvOptions::default()
    };
    let text = "Report\n\nid,name\n# exported\n1,\"a \\\"b\\\", c\"\n";
    let (_root, source) = file(text, options);
    assert_eq!(rows(&source).await, "1|a \"b\", c");
}

#[tokio::test]
async fn encodings_are_recognised_and_read() {
    let found = failure_of(b"id,name\n1,Z\xfcrich\n").await;
    assert!(
        found.starts_with("`a.csv` line 2 is not valid UTF-8"),
        "{found}"
    );
    // Each half of a character, in a field of its own.
    let found = failure_of(b"a,b\n1,2\n\xc3,\xa9\n").await;
    assert!(
        found.starts_with("`a.csv` line 3 is not valid UTF-8"),
        "{found}"
    );
    let wide = |text: &str| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let utf16 = wide("id,name\n1,Zürich 😀\n");
    for bytes in [&utf16[..], &utf16[2..]] {
        let found = failure_of(bytes).await;
        assert!(found.contains("is UTF-16, not UTF-8; "), "{found}");
    }
    let encoded = |name: &str| CsvOptions {
        encoding: Encoding::named(name).unwrap(),
        ..CsvOptions::default()
    };
    let (_root, source) = file(&utf16, encoded("utf-16"));
    assert_eq!(rows(&source).await, "1|Zürich 😀");
    for name in ["latin-1", "windows-1252"] {
        let (_root, source) = file(b"id,name\n1,Z\xfcrich\n", encoded(name));
        assert_eq!(rows(&source).await, "1|Zürich");
    }
    let (_root, source) = file(b"id\n1\n\xff\n", encoded("shift_jis"));
    assert!(query(&source, "SELECT * FROM t").await.is_err());
    let (_root, source) = file("\u{feff}id\n1\n", CsvOptions::default());
    assert_eq!(rows(&source).await, "1");
    assert_eq!(Encoding::named("klingon"), None);
}

#[tokio::test]
async fn other_files_are_recognised_by_their_content() {
    for (bytes, kind) in [
        (&b"\x1f\x8b\x08\x00\x00\x00\x00\x00"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\x00\x00", "xz"),
        (b"PK\x03\x04\x00", "zip"),
    ] {
        let found = failure_of(bytes).await;
        assert!(
            found.starts_with(&format!("`a.csv` is {kind}, not plain text")),
            "{found}"
        );
    }
    let found = failure_of(b"\x1f\x8b\x08\x00\x00\x00\x00\x00").await;
    assert!(found.ends_with("let its name end in `.gz`"), "{found}");
}

#[tokio::test]
async fn columns_are_matched_by_name() {
    let root = tempdir().unwrap();
    put(root.path(), "a.csv", "id,text\n1,x\n");
    put(root.path(), "b.csv", "text,id\ny,2\n");
    let mut source = source(root.path(), "*.csv", CSV());
    let ordered = "SELECT * FROM t ORDER BY id";
    assert_eq!(rows_of(&source, ordered).await, "1|x;2|y");
    source.columns = Some(schema(&[("zipp", DataType::Utf8)]));
    for name in ["a.csv", "b.csv"] {
        put(root.path(), name, "zip,n\n1,x\n");
    }
    let found = failure(&source).await;
    assert_eq!(found, "`a.csv` has no column `zipp`; did you mean `zip`?");
}

#[tokio::test]
async fn a_column_more_is_an_error_or_left_out_and_counted() {
    let root = tempdir().unwrap();
    put(root.path(), "a.csv", "id,name\n1,x\n");
    put(root.path(), "b.csv", "id,name,new\n2,y,5\n3,z,\n");
    let mut source = source(root.path(), "*.csv", CSV());
    let found = failure(&source).await;
    assert!(
        found.starts_with(
            "the header of `b.csv` is `id`, `name`, `new`, that of `a.csv` is `id`, `name`"
        ),
        "{found}"
    );
    let locked = schema(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
    let table = open(&source, Some(Arc::clone(&locked)), &session().state()).await;
    assert_eq!(
        table.unwrap_err().to_string(),
        "source `flights`: `b.csv` has a column `new`, which the source does not have"
    );
    source.unknown = Unknown::Ignore;
    assert_eq!(
        rows_of(&source, "SELECT * FROM t ORDER BY id").await,
        "1|x;2|y;3|z"
    );
    let counted: Vec<_> = source.read.unknown().into_iter().collect();
    assert_eq!(counted, [("new".to_owned(), 2)]);
    put(root.path(), "b.csv", "id\n2\n");
    let table = open(&source, Some(locked), &session().state()).await;
    let error = table.unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights`: `b.csv` has no column `name`"
    );
}

#[tokio::test]
async fn files_without_rows() {
    let root = tempdir().unwrap();
    put(root.path(), "a.csv", "");
    put(root.path(), "b.csv", "\u{feff}");
    put(root.path(), "c.csv", "\n\n");
    let mut source = source(root.path(), "*.csv", CSV());
    let found = failure(&source).await;
    assert!(found.contains("so its columns are unknown"), "{found}");
    source.columns = Some(schema(&[("id", DataType::Int64)]));
    assert_eq!(rows(&source).await, "");
    put(root.path(), "d.csv", "id\n");
    assert_eq!(rows(&source).await, "");
}

#[tokio::test]
async fn files_with_another_ending_are_counted() {
    let root = tempdir().unwrap();
    for name in [
        "data/a.csv",
        "data/part-2",
        "data/b.parq",
        "data/_SUCCESS",
        "data/x/c.txt",
    ] {
        put(root.path(), name, "id\n1\n");
    }
    let found = source(root.path(), "data", CSV()).list().await.unwrap();
    assert_eq!((found.pieces.len(), found.passed_over), (1, 3));
    let found = source(root.path(), "data/*.csv", CSV())
        .list()
        .await
        .unwrap();
    assert_eq!((found.pieces.len(), found.passed_over), (1, 0));
}

#[tokio::test]
async fn another_delimiter_is_recognised_without_a_header() {
    let headless = |text: &str| {
        file(
            text,
            CsvOptions {
                header: false,
                ..CsvOptions::default()
            },
        )
    };
    for (text, held, delimiter) in [
        ("1;2;3\n4;5;6\n", "1;2;3", ";"),
        ("a b\tc\n", "a b\tc", "\\t"),
    ] {
        let (_root, source) = headless(text);
        let found = failure(&source).await;
        assert_eq!(
            found,
            format!(
                "`a.csv` has one column, which holds `{held}`; name the delimiter: `csv: {{ delimiter: \"{delimiter}\" }}`, \
                 or declare what it is: `columns: {{ column_1: utf8 }}`"
            )
        );
    }
    // Not in every row as often, in quotes, or declared.
    let (_root, source) = headless("a;b\nc\n");
    assert_eq!(rows(&source).await, "a;b;c");
    let (_root, source) = headless("\"a;b\"\n\"c;d\"\n");
    assert_eq!(rows(&source).await, "a;b;c;d");
    let (_root, mut source) = headless("a;b\nc;d\n");
    source.columns = Some(schema(&[("column_1", DataType::Utf8)]));
    assert_eq!(rows(&source).await, "a;b;c;d");
}

#[tokio::test]
async fn files_of_the_format_that_are_compressed_in_another_way_are_no_other_files() {
    for (name, bytes, kind) in [
        ("data/b.csv.zst", &b"\x28\xb5\x2f\xfd\x04\x00"[..], "zstd"),
        ("data/b.CSV.BZ2", b"BZh91AY&SY", "bzip2"),
        ("data/b.csv.xz", b"\xfd7zXZ\x00\x00", "xz"),
    ] {
        let root = tempdir().unwrap();
        put(root.path(), "data/a.csv", "id\n1\n");
        std::fs::write(root.path().join(name), bytes).unwrap();
        let source = source(root.path(), "data", CSV());
        let found = failure(&source).await;
        let expected = format!("`{name}` is {kind}, not plain text; unpack it");
        assert!(found.starts_with(&expected), "{found}");
    }
}

/// Changes a file between its listing and its reading.
async fn changed(root: &Path, path: &str, change: impl FnOnce(&Path)) -> Result<String, String> {
    let source = source(root, path, CSV());
    let context = session();
    let known = schema(&[("id", DataType::Int64)]);
    let table = open(&source, Some(known), &context.state()).await.unwrap();
    change(&root.join(path));
    context.register_table("t", table).unwrap();
    let run = context.sql("SELECT count(*) AS n FROM t").await.unwrap();
    match run.collect().await {
        Ok(batches) => {
            let count = batches[0].column(0);
            Ok(arrow::util::display::array_value_to_string(count, 0).unwrap())
        }
        Err(error) => Err(placed(&error)),
    }
}

#[tokio::test]
async fn files_that_change_while_they_are_read() {
    let root = tempdir().unwrap();
    let text = format!("id\n{}", "1\n".repeat(50_000));
    put(root.path(), "a.csv", &text);
    let cut = |path: &Path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(10_003).unwrap();
    };
    let found = changed(root.path(), "a.csv", cut).await.unwrap_err();
    assert!(
        found.contains("`a.csv` changed while it was read: it had 100003 bytes when it was listed and has 10003 now"),
        "{found}"
    );
    let append = |path: &Path| {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"2\n").unwrap();
    };
    put(root.path(), "a.csv", &text);
    assert_eq!(
        changed(root.path(), "a.csv", append).await,
        Ok("50000".to_owned())
    );
    put(root.path(), "a.csv", text.trim_end());
    let found = changed(root.path(), "a.csv", append).await.unwrap_err();
    assert!(found.contains("changed while it was read"), "{found}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(text.as_bytes()).unwrap();
    put(root.path(), "a.csv.gz", gzip.finish().unwrap());
    let found = changed(root.path(), "a.csv.gz", cut).await.unwrap_err();
    assert!(found.contains("changed while it was read"), "{found}");
}

#[tokio::test]
async fn only_the_columns_that_are_wanted_are_decoded() {
    let (_root, mut source) = file("a,b\n1,2\n3,4\n", CsvOptions::default());
    source.columns = Some(schema(&[("a", DataType::Int64), ("b", DataType::Int64)]));
    assert_eq!(
        shown(&source, "SELECT sum(b) AS s FROM t").await,
        "+---+\n| s |\n+---+\n| 6 |\n+---+"
    );
}
