//! Finding files, telling columns, reading tables.

use std::{io::Write, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema};
use tempfile::tempdir;
use transom_connect::{FileSource, Source as _, SourceError};
use transom_file::spec::{CsvOptions, Format, SinkFormat, Unknown};

use crate::support::{CSV, open, publish, put, query, session, shown, sink, source, table};

#[tokio::test]
async fn a_pattern_is_a_file_a_folder_or_a_glob() {
    let root = tempdir().unwrap();
    for path in [
        "data/a.csv",
        "data/b.csv",
        "data/deep/er/c.csv",
        "data/[x]/d.csv",
    ] {
        put(root.path(), path, "id\n1\n");
    }
    for path in ["data/readme.md", "data/_tmp/e.csv", "data/.f.csv"] {
        put(root.path(), path, "not data");
    }
    let found = async |pattern: &str| {
        let files = source(root.path(), pattern, CSV()).list().await.unwrap();
        let paths = files
            .pieces
            .iter()
            .map(|file| file.path.to_str().unwrap().to_owned());
        paths.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("data/a.csv").await, "data/a.csv");
    assert_eq!(
        found("data").await,
        "data/[x]/d.csv data/a.csv data/b.csv data/deep/er/c.csv"
    );
    assert_eq!(found("data/*.csv").await, "data/a.csv data/b.csv");
    assert_eq!(found("./data/d*").await, "data/deep/er/c.csv");
    assert_eq!(
        found("data/**/[bc].csv").await,
        "data/b.csv data/deep/er/c.csv"
    );
    assert_eq!(found("data/[x]/*.csv").await, "data/[x]/d.csv");
}

#[tokio::test]
async fn names_that_are_not_utf8_are_an_error_where_files_have_them() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, os::unix::fs::symlink};
    let raw = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    let said = async |path: &[u8], pattern: &str| {
        let root = tempdir().unwrap();
        put(root.path(), "data/k=b/a.csv", "id\n1\n");
        let path = root.path().join(raw(path));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "id\n1\n").unwrap();
        match source(root.path(), pattern, CSV()).list().await {
            Ok(inputs) => format!("{} files", inputs.pieces.len()),
            Err(error) => error.to_string(),
        }
    };
    let folder = "source `flights`: `k=\\xff` on the way to `data/k=\u{fffd}/a.csv` is not UTF-8";
    assert_eq!(said(b"data/k=\xff/a.csv", "data").await, folder);
    assert_eq!(said(b"data/k=\xff/a.csv", "data/*/a.csv").await, folder);
    assert_eq!(said(b"data/k=\xff/a.csv", "data/k=*").await, folder);
    let file = "source `flights`: `\\xfe.csv` on the way to `data/\u{fffd}.csv` is not UTF-8";
    assert_eq!(said(b"data/\xfe.csv", "data").await, file);
    assert_eq!(said(b"data/k=\xff/notes.txt", "data").await, "1 files");
    assert_eq!(
        said(b"data/k=\xff/a.csv", "data/k=b/*.csv").await,
        "1 files"
    );

    let root = tempdir().unwrap();
    put(root.path(), "data/k=b/a.csv", "id\n1\n");
    let folder = root.path().join(raw(b"\xff"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.csv"), "id\n1\n").unwrap();
    symlink(folder.join("a.csv"), root.path().join("data/b.csv")).unwrap();
    let error = source(root.path(), "data", CSV()).list().await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("`\\xff` on the way to `data/b.csv`"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_named_as_a_file_and_is_none_is_an_error() {
    let root = tempdir().unwrap();
    put(root.path(), "data/a.csv", "id\n1\n");
    let other = |path: &str| root.path().join(path);
    std::os::unix::fs::symlink("nowhere", other("data/notes.txt")).unwrap();
    std::os::unix::fs::symlink("nowhere", other("data/.b.csv")).unwrap();
    let listed = async || source(root.path(), "data", CSV()).list().await;
    assert_eq!(listed().await.unwrap().pieces.len(), 1);

    for path in ["data/day=2", "data/more"] {
        std::os::unix::fs::symlink("nowhere", other(path)).unwrap();
        let error = listed().await.unwrap_err().to_string();
        assert!(error.contains(path), "{error}");
        std::fs::remove_file(other(path)).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", other("data/b.csv")).unwrap();
    let error = listed().await.unwrap_err().to_string();
    assert!(error.contains("data/b.csv"), "{error}");
    std::fs::remove_file(other("data/b.csv")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(other("data/c.csv")).unwrap();
    let error = listed().await.unwrap_err().to_string();
    assert!(error.contains("data/c.csv"), "{error}");
}

#[tokio::test]
async fn a_pattern_without_files_says_what_is_there_instead() {
    let root = tempdir().unwrap();
    put(root.path(), "data/a.txt", "");
    put(root.path(), "data/raw/b.csv", "");
    let error = source(root.path(), "data/2024/*.csv", CSV())
        .list()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "source `flights`: no CSV file matches `data/2024/*.csv` under `{}`; \
             the nearest existing folder `data` holds `a.txt`, `raw/`",
            root.path().display()
        )
    );
    assert!(error.hint().unwrap().contains("glob"));
}

#[tokio::test]
async fn a_pattern_that_is_no_glob_is_refused() {
    let root = tempdir().unwrap();
    let error = source(root.path(), "data/a**b", CSV())
        .list()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights` has an invalid pattern `data/a**b`"
    );
}

#[tokio::test]
async fn parquet_strings_are_read_without_views() {
    let root = tempdir().unwrap();
    publish(
        &sink(root.path(), SinkFormat::default(), &[]),
        vec![table(&[Some(1)], &[Some("x")])],
    )
    .await;
    let source = source(root.path(), "out/daily", Format::Parquet);
    let context = session();
    assert!(
        context
            .state()
            .config()
            .options()
            .execution
            .parquet
            .schema_force_view_types
    );
    let schema = open(&source, None, &context.state())
        .await
        .unwrap()
        .schema();
    assert_eq!(schema.field(1).data_type(), &DataType::Utf8);
    let batches = query(&source, "SELECT text FROM t").await.unwrap();
    assert_eq!(batches[0].schema().field(0).data_type(), &DataType::Utf8);
}

#[tokio::test]
async fn line_breaks_within_quotes_do_not_tear_rows() {
    let root = tempdir().unwrap();
    let mut text = String::from("id,text\n");
    for row in 0..5_000 {
        text.push_str(&format!("{row},\"a\n{row},b\n\"\n"));
    }
    put(root.path(), "a.csv", text);
    let source = source(root.path(), "a.csv", CSV());
    let sql = "SELECT count(*) AS n, sum(id) AS s, min(length(text)) AS l FROM t";
    assert_eq!(
        shown(&source, sql).await,
        "\
+------+----------+---+
| n    | s        | l |
+------+----------+---+
| 5000 | 12497500 | 6 |
+------+----------+---+"
    );
}

#[tokio::test]
async fn compressed_csv_is_read_by_its_ending() {
    let root = tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"id;text\n1;'a;b'\n2;NA\n").unwrap();
    put(root.path(), "data/a.csv.gz", gzip.finish().unwrap());
    let options = CsvOptions {
        delimiter: b';',
        quote: b'\'',
        null: vec!["NA".to_owned()],
        ..CsvOptions::default()
    };
    let source = source(root.path(), "data", Format::Csv(options));
    assert_eq!(
        shown(
            &source,
            "SELECT id, text, text IS NULL AS n FROM t ORDER BY id"
        )
        .await,
        "\
+----+------+-------+
| id | text | n     |
+----+------+-------+
| 1  | a;b  | false |
| 2  |      | true  |
+----+------+-------+"
    );
    // Compressed and plain files may be mixed, and JSON be compressed too.
    put(root.path(), "data/b.csv", "id;text\n3;\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"id\":4,\"more\":[1]}\n").unwrap();
    put(root.path(), "data/c.json.gz", gzip.finish().unwrap());
    put(root.path(), "data/d.json", "{\"id\":5}\n");
    assert_eq!(
        shown(&source, "SELECT count(*) AS n FROM t").await,
        "\
+---+
| n |
+---+
| 3 |
+---+"
    );
    let json = FileSource {
        format: Format::Json,
        ..source
    };
    assert_eq!(
        shown(&json, "SELECT more, id FROM t ORDER BY id").await,
        "\
+------+----+
| more | id |
+------+----+
| [1]  | 4  |
|      | 5  |
+------+----+"
    );
}

#[tokio::test]
async fn folders_of_partitions_become_columns() {
    let root = tempdir().unwrap();
    put(
        root.path(),
        "t/day=2024-01-31/zip=01234/k=1/a.csv",
        "id\n1\n",
    );
    put(
        root.path(),
        "t/day=2024-02-01/zip=a%2Fb/k=2/a.csv",
        "id\n2\n",
    );
    put(
        root.path(),
        "t/day=__HIVE_DEFAULT_PARTITION__/zip=c/k=3/a.csv",
        "id\n3\n",
    );
    let source = source(root.path(), "t", CSV());
    let schema = open(&source, None, &session().state())
        .await
        .unwrap()
        .schema();
    let types: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(
        types,
        [
            DataType::Int64,
            DataType::Date32,
            DataType::Utf8,
            DataType::Int64
        ]
    );
    assert_eq!(
        shown(&source, "SELECT * FROM t ORDER BY id").await,
        "\
+----+------------+-------+---+
| id | day        | zip   | k |
+----+------------+-------+---+
| 1  | 2024-01-31 | 01234 | 1 |
| 2  | 2024-02-01 | a/b   | 2 |
| 3  |            | c     | 3 |
+----+------------+-------+---+"
    );
    assert_eq!(
        shown(
            &source,
            "SELECT id FROM t WHERE day IS NULL OR k = 1 ORDER BY id"
        )
        .await,
        "\
+----+
| id |
+----+
| 1  |
| 3  |
+----+"
    );
}

#[tokio::test]
async fn folders_that_no_row_can_pass_from_are_not_opened() {
    let root = tempdir().unwrap();
    let null = "__HIVE_DEFAULT_PARTITION__";
    for (good, filter) in [("0", "k < 1"), (null, "k IS NULL")] {
        for k in ["0", "1", null] {
            let text = if k == good { "{\"id\":7}\n" } else { "broken" };
            put(root.path(), &format!("t/k={k}/a.json"), text);
        }
        let id = Field::new("id", DataType::Int64, true);
        let k = Field::new("k", DataType::Int64, true);
        let source = source(root.path(), "t", Format::Json);
        let context = session();
        let schema = Arc::new(Schema::new(vec![id, k]));
        let table = open(&source, Some(schema), &context.state()).await.unwrap();
        context.register_table("t", table).unwrap();
        let sql = async |sql: String| context.sql(&sql).await.unwrap().collect().await;
        let rows = sql(format!("SELECT id FROM t WHERE {filter}")).await;
        assert_eq!(rows.unwrap()[0].num_rows(), 1);
        assert!(sql("SELECT id FROM t".to_owned()).await.is_err());
    }
}

#[tokio::test]
async fn the_lock_file_decides_the_type_of_a_partition() {
    let root = tempdir().unwrap();
    put(root.path(), "t/k=1/a.csv", "id\n1\n");
    let source = source(root.path(), "t", CSV());
    let locked = |data_type| {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("k", data_type, true),
        ]))
    };
    let state = session().state();
    let table = open(&source, Some(locked(DataType::Utf8)), &state)
        .await
        .unwrap();
    assert_eq!(table.schema(), locked(DataType::Utf8));
    put(root.path(), "t/k=x/a.csv", "id\n1\n");
    let error = open(&source, Some(locked(DataType::Int64)), &state)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights`: partition `k=x` of `t/k=x/a.csv` is not a valid value of type int64"
    );
}

#[tokio::test]
async fn files_partitioned_in_different_ways_are_refused() {
    let root = tempdir().unwrap();
    put(root.path(), "t/k=1/a.csv", "id\n1\n");
    put(root.path(), "t/b.csv", "id\n1\n");
    let error = open(&source(root.path(), "t", CSV()), None, &session().state()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "source `flights` mixes partitions: `t/b.csv` is partitioned by nothing, `t/k=1/a.csv` by `k`"
    );
}

#[tokio::test]
async fn a_column_in_file_and_path_is_refused_unless_unknown_keys_are_ignored() {
    let root = tempdir().unwrap();
    put(root.path(), "t/k=1/a.csv", "id,k\n1,7\n");
    put(root.path(), "t/k=1/a.json", "{\"id\":1,\"k\":7}\n");
    let error = open(&source(root.path(), "t", CSV()), None, &session().state()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "source `flights`: column `k` is both in the file `t/k=1/a.csv` and a partition of its path"
    );
    let mut json = source(root.path(), "t", Format::Json);
    json.unknown = Unknown::Ignore;
    assert_eq!(
        shown(&json, "SELECT * FROM t").await,
        "\
+----+---+
| id | k |
+----+---+
| 1  | 1 |
+----+---+"
    );
}

#[tokio::test]
async fn empty_files_have_no_rows() {
    let root = tempdir().unwrap();
    put(root.path(), "a.json", "{\"id\":1,\"gone\":null}\n");
    put(root.path(), "b.json", "");
    let mut source = source(root.path(), "*.json", Format::Json);
    let schema = open(&source, None, &session().state())
        .await
        .unwrap()
        .schema();
    assert_eq!(
        schema.field_with_name("gone").unwrap().data_type(),
        &DataType::Utf8
    );
    assert_eq!(
        query(&source, "SELECT id FROM t").await.unwrap()[0].num_rows(),
        1
    );
    source.pattern = "b.json".to_owned();
    let error = open(&source, None, &session().state()).await.unwrap_err();
    assert!(matches!(error, SourceError::NoColumns { .. }), "{error}");
    source.columns = Some(schema);
    let rows: usize = query(&source, "SELECT id FROM t")
        .await
        .unwrap()
        .iter()
        .map(|batch| batch.num_rows())
        .sum();
    assert_eq!(rows, 0);
}
