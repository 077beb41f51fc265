//! Where a row comes from: the file and the number of the row in it.

use arrow::util::pretty::pretty_format_batches;
use tempfile::tempdir;
use transom_connect::{FileSource, origin_line, with_origin};
use transom_file::spec::{CsvOptions, Format, SinkFormat};

use crate::support::{CSV, open, publish, put, session, sink, source, table};

async fn shown(source: &FileSource, sql: &str) -> String {
    let context = session();
    let table = open(source, None, &context.state()).await.unwrap();
    let table = with_origin(&table).unwrap();
    context.register_table("t", table).unwrap();
    let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

#[tokio::test]
async fn rows_of_csv_and_json_are_numbered_within_their_files() {
    let root = tempdir().unwrap();
    put(root.path(), "csv/day=1/a.csv", "id,text\n1,\"x\ny\"\n2,z\n");
    put(root.path(), "csv/day=2/b.csv", "id,text\n3,x\n");
    put(root.path(), "json/a.json", "{\"id\": 1}\n{\"id\": 2}\n");
    put(root.path(), "json/b.json", "{\"id\": 3}\n");
    let csv = source(root.path(), "csv", CSV());
    let text = shown(&csv, "SELECT id, day, _file, _row FROM t ORDER BY id").await;
    assert_eq!(
        text,
        "\
+----+-----+-----------------+------+
| id | day | _file           | _row |
+----+-----+-----------------+------+
| 1  | 1   | csv/day=1/a.csv | 0    |
| 2  | 1   | csv/day=1/a.csv | 1    |
| 3  | 2   | csv/day=2/b.csv | 0    |
+----+-----+-----------------+------+"
    );
    let json = source(root.path(), "json", Format::Json);
    let text = shown(
        &json,
        "SELECT _row, id, _file FROM t WHERE id > 1 ORDER BY id",
    )
    .await;
    assert_eq!(
        text,
        "\
+------+----+-------------+
| _row | id | _file       |
+------+----+-------------+
| 1    | 2  | json/a.json |
| 0    | 3  | json/b.json |
+------+----+-------------+"
    );
}

#[tokio::test]
async fn rows_of_text_have_the_lines_in_which_they_begin() {
    let root = tempdir().unwrap();
    let rows: String = (0..10_000).map(|id| format!("{id},x\n")).collect();
    put(
        root.path(),
        "a.csv",
        format!("# exported\nid,text\n\"1\",\"x\n\ny\"\n{rows}"),
    );
    put(root.path(), "a.json", "\n{\"id\": 1}\n \n\n{\"id\": 2}\n");
    let options = CsvOptions {
        comment: Some(b'#'),
        ..CsvOptions::default()
    };
    let cases = [
        (
            Format::Csv(options),
            "a.csv",
            vec![
                (0, Some(3)),
                (1, Some(6)),
                (10_000, Some(10_005)),
                (10_001, None),
            ],
        ),
        (
            Format::Json,
            "a.json",
            vec![(0, Some(2)), (1, Some(5)), (2, None)],
        ),
    ];
    for (format, file, lines) in cases {
        let source = source(root.path(), file, format);
        let table = open(&source, None, &session().state()).await.unwrap();
        for (row, line) in lines {
            assert_eq!(origin_line(&table, file, row), line, "{file} {row}");
        }
        assert_eq!(origin_line(&table, "b", 0), None);
    }
}

#[tokio::test]
async fn rows_of_parquet_keep_their_numbers_in_ranges_and_behind_filters() {
    let root = tempdir().unwrap();
    let parquet = SinkFormat::Parquet {
        compression: transom_file::spec::Compression::None,
    };
    let mut sink = sink(root.path(), parquet, &[]);
    // Less than one batch, so that each of the ten is a row group.
    sink.limits.row_group_bytes = 1000;
    let batch = |first: i64| {
        let ids: Vec<Option<i64>> = (first..first + 300).map(Some).collect();
        table(&ids, &vec![Some("x"); ids.len()])
    };
    publish(&sink, (0..3000).step_by(300).map(batch).collect()).await;
    let source = source(root.path(), "out/daily", Format::Parquet);
    let sql = "SELECT count(*) AS rows, count(DISTINCT _file) AS files FROM t WHERE id = _row";
    let text = shown(&source, sql).await;
    assert!(text.contains("| 3000 | 1     |"), "{text}");
    let sql = "SELECT _row, text FROM t WHERE id = 2100";
    let text = shown(&source, sql).await;
    assert!(text.contains("| 2100 | x    |"), "{text}");
    let text = shown(&source, &format!("EXPLAIN ANALYZE {sql}")).await;
    for expected in [
        "4 groups",
        "row_groups_pruned_statistics=10 total → 1 matched",
    ] {
        assert!(text.contains(expected), "no {expected}: {text}");
    }
}

#[tokio::test]
async fn a_table_with_such_columns_of_its_own_has_no_origin() {
    let root = tempdir().unwrap();
    put(root.path(), "a.csv", "_row\n1\n");
    let source = source(root.path(), "a.csv", CSV());
    let table = open(&source, None, &session().state()).await.unwrap();
    assert!(with_origin(&table).is_none());
}
