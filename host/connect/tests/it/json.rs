//! JSON lines: in ranges and compressed, with the place of what is wrong.

use std::{fs, io::Write, path::Path, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use datafusion::error::DataFusionError;
use tempfile::tempdir;
use transom_connect::{FileSource, SourceError};
use transom_file::spec::{Format, SinkFormat, Unknown};

use crate::support::{open, publish, put, query, session, shown, sink, source, table};

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn of_source(error: &DataFusionError) -> &SourceError {
    let mut current: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<Arc<SourceError>>() {
            return found;
        }
        if let Some(found) = error.downcast_ref::<SourceError>() {
            return found;
        }
        current = error.source();
    }
    panic!("{error}");
}

/// What `SELECT *` says of the files; each is read plain and compressed, in any order of its partitions.
async fn refused(good: &str, bad: &str, declared: &[(&str, &str)]) -> String {
    let mut messages = Vec::new();
    for compressed in [false, true] {
        let root = tempdir().unwrap();
        let name = if compressed { "b.json.gz" } else { "b.json" };
        put(root.path(), "a.json", good);
        let bytes = if compressed {
            gzip(bad)
        } else {
            bad.as_bytes().to_vec()
        };
        put(root.path(), name, bytes);
        let mut source = source(root.path(), "*.json*", Format::Json);
        source.columns = columns(declared);
        let error = query(&source, "SELECT * FROM t").await.unwrap_err();
        messages.push(of_source(&error).to_string().replace(".json.gz", ".json"));
        let rows = query(&source, "SELECT count(*) FROM t").await;
        assert!(rows.is_ok() || messages[0].contains("key") || messages[0].contains("JSON"));
    }
    assert_eq!(messages[0], messages[1]);
    messages.swap_remove(0).replace("source `flights`: ", "")
}

fn columns(declared: &[(&str, &str)]) -> Option<Arc<Schema>> {
    let fields = declared.iter();
    let fields = fields.map(|(name, kind)| transom_sql::parse_field(name, kind).unwrap());
    (!declared.is_empty()).then(|| Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

#[tokio::test]
async fn values_and_keys_after_the_sample_are_errors_with_their_line() {
    let good = "{\"v\":5,\"s\":{\"a\":1}}\n".repeat(1500);
    for (bad, expected) in [
        (
            "{\"v\":2.75}",
            "`b.json` line 1501: column `v` holds `2.75`, expected int64: it is not written as a whole number",
        ),
        (
            "{\"refund\":99}",
            "`b.json` line 1501 has the unknown key `refund`",
        ),
        (
            "{\"s\":{\"b\":1}}",
            "`b.json` line 1501 has the unknown key `s.b`",
        ),
        (
            "{\"s\":{\"a\":1.5}}",
            "`b.json` line 1501: column `s.a` holds `1.5`, expected int64: it is not written as a whole number",
        ),
        (
            "{\"v\":5",
            "`b.json` line 1501, character 6 is not valid JSON",
        ),
        ("5", "`b.json` line 1501 is not a JSON object: `5`"),
    ] {
        let bad = format!("{good}{bad}\n{good}");
        assert_eq!(refused(&good, &bad, &[]).await, expected);
    }
}

#[tokio::test]
async fn declared_types_hold_from_the_first_row() {
    for (kind, value, expected) in [
        (
            "int64",
            "2.75",
            "expected int64: it is not written as a whole number",
        ),
        ("timestamp", "1710037800000", "expected timestamp"),
        ("date", "19782", "expected date"),
        (
            "decimal(10,2)",
            "1.999",
            "expected decimal(10,2): it has too many digits after the point",
        ),
        ("utf8", "[5]", "expected utf8"),
    ] {
        let bad = format!("{{\"v\":{value}}}\n");
        let message = refused("{}", &bad, &[("v", kind)]).await;
        assert_eq!(
            message,
            format!("`b.json` line 1: column `v` holds `{value}`, {expected}")
        );
    }
}

#[tokio::test]
async fn mixed_types_are_read_as_text_or_json() {
    let root = tempdir().unwrap();
    put(root.path(), "a.json", "{\"v\":5}\n{\"v\":\"abc\"}\n");
    let mut source = source(root.path(), "a.json", Format::Json);
    let error = open(&source, None, &session().state()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights`: `a.json` line 2: `v` is `\"abc\"`, and `5` in line 1"
    );
    for (kind, expected) in [("utf8", ["abc", "5"]), ("json", ["5", "\"abc\""])] {
        source.columns = columns(&[("v", kind)]);
        let rows = query(&source, "SELECT v FROM t").await.unwrap();
        let texts = rows
            .iter()
            .flat_map(|batch| batch.column(0).as_string::<i32>().iter());
        let mut texts: Vec<_> = texts.flatten().collect();
        texts.sort_unstable();
        texts.reverse();
        assert_eq!(texts, expected);
    }
}

#[tokio::test]
async fn whole_numbers_beyond_64_bits_stay_as_they_are_written() {
    let root = tempdir().unwrap();
    put(
        root.path(),
        "a.json",
        "{\"id\":18446744073709551615}\n{\"id\":5}\n",
    );
    let source = source(root.path(), "a.json", Format::Json);
    assert_eq!(
        shown(
            &source,
            "SELECT id, arrow_typeof(id) AS t FROM t ORDER BY id"
        )
        .await,
        "\
+----------------------+------+
| id                   | t    |
+----------------------+------+
| 18446744073709551615 | Utf8 |
| 5                    | Utf8 |
+----------------------+------+"
    );
}

#[tokio::test]
async fn unknown_keys_are_left_out_and_counted_if_the_source_says_so() {
    let root = tempdir().unwrap();
    put(
        root.path(),
        "a.json",
        "{\"id\":1}\n".repeat(1500) + "{\"id\":2,\"more\":[1]}\n",
    );
    let mut source = source(root.path(), "a.json", Format::Json);
    source.unknown = Unknown::Warn;
    let rows = query(&source, "SELECT * FROM t WHERE id = 2")
        .await
        .unwrap();
    assert_eq!((rows[0].num_rows(), rows[0].num_columns()), (1, 1));
    assert_eq!(source.read.unknown(), [("more".to_owned(), 1)].into());
}

#[tokio::test]
async fn every_line_is_read_once_however_the_file_is_cut() {
    let root = tempdir().unwrap();
    let mut text = String::from("\u{feff}");
    for row in 0..20_000 {
        text.push_str(&format!(
            "{{\"id\":{row},\"t\":\"{}\"}}\r\n\n",
            "é".repeat(row % 50)
        ));
    }
    put(root.path(), "a.json", text.trim_end());
    put(root.path(), "b.json.gz", gzip(&text));
    put(root.path(), "c.json", "");
    let source = source(root.path(), "*.json*", Format::Json);
    assert_eq!(
        shown(&source, "SELECT count(*) AS n, sum(id) AS s, count(DISTINCT id) AS d, sum(character_length(t)) AS l FROM t").await,
        "\
+-------+-----------+-------+--------+
| n     | s         | d     | l      |
+-------+-----------+-------+--------+
| 40000 | 399980000 | 20000 | 980000 |
+-------+-----------+-------+--------+"
    );
    assert_eq!(source.read.rows(), 40_000);
    let plan = shown(&source, "EXPLAIN SELECT * FROM t").await;
    assert!(plan.contains("partition_sizes=4"), "{plan}");
}

/// The rows of a file that loses its end after it was listed.
async fn read_after(path: &Path, source: &FileSource, change: impl FnOnce(&Path)) -> String {
    let context = session();
    let table = open(source, None, &context.state()).await.unwrap();
    context.register_table("t", table).unwrap();
    change(path);
    let rows = context
        .sql("SELECT count(*), sum(id) FROM t")
        .await
        .unwrap()
        .collect()
        .await;
    of_source(&rows.unwrap_err()).to_string()
}

#[tokio::test]
async fn a_file_that_became_shorter_is_an_error() {
    let line = "{\"id\":1,\"t\":\"text 1\"}\n";
    for compressed in [false, true] {
        let root = tempdir().unwrap();
        let path = root
            .path()
            .join(if compressed { "a.json.gz" } else { "a.json" });
        let text = line.repeat(10_000);
        // Two members, so that the file ends well after the first.
        let (bytes, rest) = if compressed {
            (gzip(&text).repeat(2), gzip(&text).len())
        } else {
            (text.clone().into_bytes(), line.len() * 2_500)
        };
        fs::write(&path, &bytes).unwrap();
        let source = source(root.path(), "a.json*", Format::Json);
        let message = read_after(&path, &source, |path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(rest as u64)
                .unwrap();
        })
        .await;
        let expected = format!(
            "it had {} bytes when it was listed and has {rest} now",
            bytes.len()
        );
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[tokio::test]
async fn files_without_values_have_the_declared_columns() {
    let root = tempdir().unwrap();
    for (text, rows) in [("", 0), ("\n\n", 0), ("{}\n{}\n", 2)] {
        put(root.path(), "a.json", text);
        let mut source = source(root.path(), "a.json", Format::Json);
        let error = open(&source, None, &session().state()).await.unwrap_err();
        assert!(matches!(error, SourceError::NoColumns { .. }), "{error}");
        source.columns = columns(&[("id", "int64"), ("u", "struct<a: json>")]);
        let read = query(&source, "SELECT id, u FROM t").await.unwrap();
        let read: Vec<&RecordBatch> = read.iter().filter(|batch| batch.num_rows() > 0).collect();
        assert_eq!(
            read.iter().map(|batch| batch.num_rows()).sum::<usize>(),
            rows
        );
        for batch in read {
            assert_eq!(batch.column(0).null_count(), batch.num_rows());
            assert_eq!(batch.column(1).null_count(), batch.num_rows());
        }
    }
    // A table that a sink wrote without rows.
    publish(
        &sink(root.path(), SinkFormat::Json, &[]),
        vec![table(&[], &[])],
    )
    .await;
    let mut own = source(root.path(), "out/daily", Format::Json);
    own.columns = columns(&[("id", "int64"), ("text", "utf8")]);
    let read = query(&own, "SELECT count(*) AS n FROM t").await.unwrap();
    assert_eq!(read[0].column(0).as_primitive::<Int64Type>().value(0), 0);
}

#[tokio::test]
async fn other_encodings_and_compressions_are_named() {
    let root = tempdir().unwrap();
    for (bytes, expected) in [
        (b"\xff\xfe{\0}\0".to_vec(), "is UTF-16"),
        (gzip("{}"), "is gzip, not plain text"),
        (b"\x28\xb5\x2f\xfd\x00".to_vec(), "is zstd, not plain text"),
        (b"{\"a\":\"\xe9\"}".to_vec(), "line 1 is not valid UTF-8"),
    ] {
        put(root.path(), "a.json", bytes);
        let source = source(root.path(), "a.json", Format::Json);
        let error = open(&source, None, &session().state()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_type_that_json_does_not_hold_is_an_error_of_the_plan() {
    let root = tempdir().unwrap();
    put(root.path(), "a.json", "{\"v\":1}\n");
    let mut source = source(root.path(), "a.json", Format::Json);
    let interval = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);
    source.columns = Some(Arc::new(Schema::new(vec![Field::new("v", interval, true)])));
    let error = query(&source, "SELECT v FROM t").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is interval, which is not read from JSON"),
        "{error}"
    );
}
