//! What sinks write, and what they refuse to.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float64Array,
        Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampSecondArray,
    },
    datatypes::{DataType, Field, Fields, Int32Type, IntervalUnit, Schema, TimeUnit},
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use tempfile::tempdir;
use transom_connect::{
    FileSink, FileSource, Sink as _, SinkError, SinkLimits, Source as _, WriteProgress,
};
use transom_file::spec::{Compression, CsvOptions, Format, SinkFormat};

use crate::support::{
    CSV, begin, failing, files, names, path_of, publish, publish_staged, query, shown, sink,
    source, stream, table,
};

/// Values that formats tend to lose.
fn difficult() -> RecordBatch {
    let texts = [
        Some("plain"),
        None,
        Some("a,\"b\"\nc;é漢"),
        Some(" spaces "),
    ];
    RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            Arc::new(Int64Array::from(vec![i64::MIN, 2, 3, i64::MAX])) as ArrayRef,
            true,
        ),
        ("text", Arc::new(StringArray::from(texts.to_vec())), true),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                None,
                Some(false),
                None,
            ])),
            true,
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![
                Some(0),
                None,
                Some(-1),
                Some(20_000),
            ])),
            true,
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1),
                None,
                Some(-1),
                Some(1 << 50),
            ])),
            true,
        ),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(-105), None, Some(0), Some(99_999)])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
            true,
        ),
    ])
    .unwrap()
}

async fn assert_round_trip(format: SinkFormat, read_as: Format) {
    let root = tempdir().unwrap();
    let batch = difficult();
    let committed = publish(&sink(root.path(), format, &[]), vec![batch.clone()]).await;
    assert_eq!(committed.written.rows, 4);
    let mut source = source(root.path(), "out/daily", read_as);
    source.columns = Some(batch.schema());
    let read = query(&source, "SELECT * FROM t ORDER BY id").await.unwrap();
    let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(read.columns(), batch.columns());
}

#[tokio::test]
async fn every_format_gives_back_what_was_written() {
    for compression in [
        Compression::default(),
        Compression::Snappy,
        Compression::None,
    ] {
        assert_round_trip(SinkFormat::Parquet { compression }, Format::Parquet).await;
    }
    assert_round_trip(SinkFormat::Json, Format::Json).await;
    assert_round_trip(SinkFormat::Csv(CsvOptions::default()), CSV()).await;
    let options = CsvOptions {
        delimiter: b';',
        quote: b'\'',
        header: false,
        null: vec!["\\N".to_owned()],
        ..CsvOptions::default()
    };
    assert_round_trip(SinkFormat::Csv(options.clone()), Format::Csv(options)).await;
}

#[tokio::test]
async fn csv_keeps_empty_strings_apart_from_null() {
    let root = tempdir().unwrap();
    let batch = table(&[Some(1), Some(2)], &[Some(""), None]);
    let nulls = async |null: Option<&str>| {
        let options = CsvOptions {
            null: null.map(str::to_owned).into_iter().collect(),
            ..CsvOptions::default()
        };
        publish(
            &sink(root.path(), SinkFormat::Csv(options.clone()), &[]),
            vec![batch.clone()],
        )
        .await;
        let mut source = source(root.path(), "out/daily", Format::Csv(options));
        source.columns = Some(batch.schema());
        query(&source, "SELECT text FROM t").await.unwrap()[0]
            .column(0)
            .null_count()
    };
    assert_eq!(nulls(None).await, 1);
    assert_eq!(nulls(Some("NULL")).await, 1);
}

#[tokio::test]
async fn partitions_are_folders_and_come_back_as_columns() {
    let root = tempdir().unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "place",
            Arc::new(StringArray::from(vec![
                Some("a/b=c%"),
                None,
                Some("a/b=c%"),
                Some("é ."),
            ])) as ArrayRef,
            true,
        ),
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4])), true),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(0), Some(1), Some(0), None])),
            true,
        ),
        (
            "open",
            Arc::new(BooleanArray::from(vec![true, false, true, true])),
            true,
        ),
    ])
    .unwrap();
    for (format, read_as) in [
        (SinkFormat::default(), Format::Parquet),
        (SinkFormat::Json, Format::Json),
        (SinkFormat::Csv(CsvOptions::default()), CSV()),
    ] {
        let extension = match read_as {
            Format::Parquet => "parquet",
            Format::Json => "json",
            Format::Csv(_) => "csv",
        };
        let sink = sink(root.path(), format, &["day", "place", "open"]);
        let committed = publish(&sink, vec![batch.clone()]).await;
        assert_eq!(
            names(&committed.path),
            [
                "day=1970-01-01/place=a%2Fb%3Dc%25/open=true",
                "day=1970-01-02/place=__HIVE_DEFAULT_PARTITION__/open=false",
                "day=__HIVE_DEFAULT_PARTITION__/place=é ./open=true",
            ]
            .map(|folder| format!("{folder}/part-00000-00000.{extension}"))
        );
        let first = &committed.written.files[0];
        assert_eq!(
            (first.rows, first.partition[1].1.as_deref()),
            (2, Some("a/b=c%"))
        );
        assert_eq!(
            shown(
                &source(root.path(), "out/daily", read_as),
                "SELECT * FROM t ORDER BY id"
            )
            .await,
            "\
+----+------------+--------+-------+
| id | day        | place  | open  |
+----+------------+--------+-------+
| 1  | 1970-01-01 | a/b=c% | true  |
| 2  | 1970-01-02 |        | false |
| 3  | 1970-01-01 | a/b=c% | true  |
| 4  |            | é .    | true  |
+----+------------+--------+-------+"
        );
    }
}

#[tokio::test]
async fn an_empty_result_is_a_table_that_can_be_read() {
    let empty = RecordBatch::new_empty(table(&[], &[]).schema());
    for (format, read_as) in [
        (SinkFormat::default(), Format::Parquet),
        (SinkFormat::Csv(CsvOptions::default()), CSV()),
    ] {
        for partition_by in [&[][..], &["id"]] {
            let root = tempdir().unwrap();
            let sink = sink(root.path(), format.clone(), partition_by);
            let committed = publish(&sink, vec![empty.clone()]).await;
            assert_eq!(
                (committed.written.rows, committed.written.files.len()),
                (0, 1)
            );
            let source = source(root.path(), "out/daily", read_as.clone());
            let sql = "SELECT count(id) AS ids, count(text) AS texts FROM t";
            assert_eq!(
                shown(&source, sql).await,
                "\
+-----+-------+
| ids | texts |
+-----+-------+
| 0   | 0     |
+-----+-------+"
            );
        }
    }
}

#[tokio::test]
async fn the_least_recently_used_file_is_closed_and_its_partition_goes_on_in_another() {
    let root = tempdir().unwrap();
    let mut sink = sink(root.path(), SinkFormat::default(), &["id"]);
    sink.limits = SinkLimits {
        open_files: 2,
        ..SinkLimits::default()
    };
    let ids = [Some(1), Some(2), Some(1), Some(3), Some(1), Some(2)];
    let batches: Vec<_> = ids.iter().map(|id| table(&[*id], &[Some("x")])).collect();
    let committed = publish(&sink, batches).await;
    // 3 drives out 2, since 1 was used after it; the second 2 drives out 3.
    assert_eq!(
        names(&committed.path),
        [
            "id=1/part-00000-00000.parquet",
            "id=2/part-00000-00000.parquet",
            "id=2/part-00000-00001.parquet",
            "id=3/part-00000-00000.parquet",
        ]
    );
    let rows: Vec<_> = committed
        .written
        .files
        .iter()
        .map(|file| file.rows)
        .collect();
    assert_eq!(rows, [3, 1, 1, 1]);
}

#[tokio::test]
async fn rows_beyond_the_memory_limit_end_row_groups() {
    let root = tempdir().unwrap();
    let mut sink = sink(root.path(), SinkFormat::default(), &[]);
    let batches = vec![table(&[Some(1)], &[Some("x")]); 3];
    let groups = async |sink: &FileSink| {
        let committed = publish(sink, batches.clone()).await;
        let file = std::fs::File::open(committed.path.join("part-00000-00000.parquet")).unwrap();
        SerializedFileReader::new(file)
            .unwrap()
            .metadata()
            .num_row_groups()
    };
    assert_eq!(groups(&sink).await, 1);
    sink.limits.buffered_bytes = 0;
    assert_eq!(groups(&sink).await, 3);
}

#[tokio::test]
async fn several_streams_are_written_at_once_and_counted() {
    let root = tempdir().unwrap();
    let sink = sink(root.path(), SinkFormat::Csv(CsvOptions::default()), &[]);
    let schema = table(&[], &[]).schema();
    let streams = (0..5)
        .map(|n| match n {
            3 => stream(Arc::clone(&schema), vec![]),
            _ => stream(
                Arc::clone(&schema),
                vec![table(&[Some(n)], &[Some("x")]); 2],
            ),
        })
        .collect();
    let progress = Arc::new(WriteProgress::default());
    let staged = begin(&sink, "run").await.unwrap();
    let written = staged.write(streams, &progress).await.unwrap();
    assert_eq!((written.rows, progress.rows()), (8, 8));
    assert_eq!(written.bytes, progress.bytes());
    let committed = publish_staged(&sink, staged.finish().await.unwrap()).await;
    // A stream without rows leaves no file where others have some.
    assert_eq!(
        names(&committed.path),
        [0, 1, 2, 4].map(|n| format!("part-0000{n}-00000.csv"))
    );
    let sizes: u64 = files(&committed.path)
        .iter()
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert_eq!(sizes, committed.written.bytes);
}

#[tokio::test]
async fn the_same_rows_give_the_same_bytes() {
    let schema_with_metadata = || {
        // Maps of several entries, which Rust orders differently each time.
        let metadata = (0..20)
            .map(|n| (format!("key{n}"), format!("{n}")))
            .collect();
        Arc::new(
            difficult()
                .schema()
                .as_ref()
                .clone()
                .with_metadata(metadata),
        )
    };
    for format in [
        SinkFormat::default(),
        SinkFormat::Json,
        SinkFormat::Csv(CsvOptions::default()),
    ] {
        let mut seen = None;
        for _ in 0..2 {
            let root = tempdir().unwrap();
            let batch =
                RecordBatch::try_new(schema_with_metadata(), difficult().columns().to_vec());
            let sink = sink(root.path(), format.clone(), &["flag"]);
            let committed = publish(&sink, vec![batch.unwrap(); 3]).await;
            let files = files(&committed.path);
            assert_eq!(seen.get_or_insert_with(|| files.clone()), &files);
        }
    }
}

#[tokio::test]
async fn parquet_says_who_wrote_it() {
    let root = tempdir().unwrap();
    let committed = publish(
        &sink(root.path(), SinkFormat::default(), &[]),
        vec![table(&[Some(1)], &[None])],
    )
    .await;
    let file = std::fs::File::open(committed.path.join("part-00000-00000.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let metadata = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    let created_by = metadata
        .iter()
        .find(|entry| entry.key == "created_by")
        .unwrap();
    let version = format!("transom {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(created_by.value.as_deref(), Some(version.as_str()));
}

#[tokio::test]
async fn a_text_that_means_null_in_folder_names_is_refused_and_the_old_result_stays() {
    let root = tempdir().unwrap();
    let places = |places: Vec<&str>| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..places.len() as i64));
        let places: ArrayRef = Arc::new(StringArray::from(places));
        RecordBatch::try_from_iter([("place", places), ("id", ids)]).unwrap()
    };
    let sink = sink(root.path(), SinkFormat::default(), &["place"]);
    let committed = publish(&sink, vec![places(vec!["LGA"])]).await;
    let staged = begin(&sink, "second").await.unwrap();
    let batch = places(vec!["LGA", "__HIVE_DEFAULT_PARTITION__"]);
    let batches = stream(batch.schema(), vec![batch]);
    let error = staged
        .write(vec![batches], &Arc::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "sink `daily`: column `place` holds `__HIVE_DEFAULT_PARTITION__`, which cannot be a partition: it means NULL in the \
         name of a partition's folder"
    );
    assert!(error.hint().unwrap().contains("NULLIF(place, "));
    drop(staged);
    assert_eq!(
        names(&committed.path),
        ["place=LGA/part-00000-00000.parquet"]
    );
}

fn refused(format: SinkFormat, partition_by: &[&str], fields: Vec<Field>) -> SinkError {
    let root = tempdir().unwrap();
    let sink = sink(root.path(), format, partition_by);
    let error = sink.check(&Arc::new(Schema::new(fields))).unwrap_err();
    assert!(!root.path().join("out").exists());
    error
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_runs() {
    let id = || Field::new("id", DataType::Int64, true);
    let month = || Field::new("month", DataType::Int8, true);
    let price = || Field::new("price", DataType::Float64, true);
    let parquet = SinkFormat::default;

    let error = refused(parquet(), &["mnth"], vec![id(), month()]);
    assert_eq!(
        error.to_string(),
        "sink `daily` is partitioned by `mnth`, which is not among its columns: `id`, `month`"
    );
    assert_eq!(error.hint().unwrap(), "did you mean `month`?");
    assert_eq!(refused(parquet(), &["zzz"], vec![id()]).hint(), None);

    let error = refused(parquet(), &["price"], vec![id(), price()]);
    assert_eq!(
        error.to_string(),
        "sink `daily` is partitioned by `price` of type float64; integers, text, booleans and dates can be"
    );
    assert_eq!(
        refused(parquet(), &["id", "month"], vec![id(), month()]).to_string(),
        "sink `daily` is partitioned by all of its columns"
    );
    assert_eq!(
        refused(parquet(), &["month", "month"], vec![id(), month()]).to_string(),
        "sink `daily` is partitioned by `month` twice"
    );
    assert_eq!(
        refused(parquet(), &[], vec![id(), month(), id()]).to_string(),
        "sink `daily` has two columns named `id`"
    );
    assert_eq!(
        refused(parquet(), &[], vec![]).to_string(),
        "sink `daily` has no columns"
    );

    let list = Field::new("legs", DataType::new_list(DataType::Int32, true), true);
    let csv = || SinkFormat::Csv(CsvOptions::default());
    assert_eq!(
        refused(csv(), &[], vec![id(), list]).to_string(),
        "sink `daily`: column `legs` of type list<int32> cannot be written as CSV: CSV has no nested values"
    );
    for name in ["", ".k", "_k", "a=b", "a/b", "a:b"] {
        let field = Field::new(name, DataType::Utf8, true);
        let error = refused(parquet(), &[name], vec![id(), field]);
        assert!(matches!(error, SinkError::PartitionName { .. }), "{name}");
    }
}

/// Types that a format has no word for, and what is said of them.
#[test]
fn types_that_a_format_cannot_hold_are_refused_by_name() {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let csv = || SinkFormat::Csv(CsvOptions::default());
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let duration = DataType::Duration(TimeUnit::Second);
    let numbered = DataType::Map(
        Arc::new(Field::new(
            "entries",
            DataType::Struct(
                vec![
                    Field::new("key", DataType::Int64, false),
                    Field::new("value", DataType::Utf8, true),
                ]
                .into(),
            ),
            false,
        )),
        false,
    );
    let nested = |inner| DataType::new_list(inner, true);
    let twice =
        DataType::Struct(vec![field("a", DataType::Int64), field("a", DataType::Utf8)].into());
    let empty = DataType::Struct(Fields::empty());
    for (format, data_type, says) in [
        (
            SinkFormat::default(),
            interval.clone(),
            "CAST(x AS VARCHAR)",
        ),
        (
            SinkFormat::default(),
            duration.clone(),
            "CAST(x AS VARCHAR)",
        ),
        (
            SinkFormat::default(),
            nested(interval.clone()),
            "convert the values",
        ),
        (SinkFormat::default(), empty.clone(), "leave `x` out"),
        (SinkFormat::default(), twice.clone(), "different names"),
        (SinkFormat::Json, interval.clone(), "CAST(x AS VARCHAR)"),
        (SinkFormat::Json, duration.clone(), "CAST(x AS VARCHAR)"),
        (SinkFormat::Json, DataType::Binary, "encode(x, 'hex')"),
        (SinkFormat::Json, numbered, "keys to text"),
        (SinkFormat::Json, twice, "different names"),
        (csv(), interval, "CAST(x AS VARCHAR)"),
        (csv(), duration, "CAST(x AS VARCHAR)"),
        (csv(), DataType::FixedSizeBinary(16), "encode(x, 'hex')"),
        (csv(), nested(DataType::Int64), "Parquet or JSON"),
        (csv(), empty, "Parquet or JSON"),
    ] {
        let error = refused(format, &[], vec![field("x", data_type)]);
        assert!(matches!(error, SinkError::Unwritable { .. }), "{error}");
        assert!(
            error.hint().unwrap().contains(says),
            "{error}: {:?}",
            error.hint()
        );
    }
}

/// What becomes of a table of one column: its error, after which nothing is there.
async fn failed(format: SinkFormat, partition_by: &[&str], column: ArrayRef) -> SinkError {
    let root = tempdir().unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..column.len() as i64));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("x", column, true)]);
    let batch = batch.unwrap();
    let sink = sink(root.path(), format, partition_by);
    let staged = begin(&sink, "run").await.unwrap();
    let batches = stream(batch.schema(), vec![batch.slice(0, 1), batch]);
    let error = staged
        .write(vec![batches], &Arc::default())
        .await
        .unwrap_err();
    drop(staged);
    assert!(!path_of(&sink).exists());
    error
}

#[tokio::test]
async fn values_that_a_format_cannot_hold_end_the_run_before_anything_is_published() {
    let csv = || SinkFormat::Csv(CsvOptions::default());
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 2_000_000_000]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.5, f64::NAN]));
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MAX]));
    let midnight: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![0, 86_400_000_000]));
    let halves: ArrayRef = Arc::new(Date64Array::from(vec![0, 43_200_000]));
    let file = "part-00000-00000";
    for (format, column, message) in [
        (
            SinkFormat::Json,
            &days,
            format!(
                "column `x` holds 2000000000 days after 1970-01-01 in row 3, which JSON cannot hold: it is beyond the calendar \
                 (writing `{file}.json`)"
            ),
        ),
        (
            csv(),
            &days,
            format!(
                "column `x` holds 2000000000 days after 1970-01-01 in row 3, which CSV cannot hold: it is beyond the calendar \
                 (writing `{file}.csv`)"
            ),
        ),
        (
            SinkFormat::Json,
            &floats,
            format!(
                "column `x` holds NaN in row 3, which JSON cannot hold: its numbers are finite (writing `{file}.json`)"
            ),
        ),
        (
            SinkFormat::default(),
            &seconds,
            "column `x` holds".to_owned(),
        ),
        (
            SinkFormat::default(),
            &halves,
            "does not fit date".to_owned(),
        ),
        (csv(), &midnight, "before 24:00".to_owned()),
        (SinkFormat::Json, &midnight, "before 24:00".to_owned()),
    ] {
        let error = failed(format, &[], Arc::clone(column)).await;
        assert!(error.to_string().contains(&message), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", ""]));
    let error = failed(SinkFormat::default(), &["x"], texts).await;
    assert_eq!(
        error.to_string(),
        "sink `daily`: column `x` holds an empty text, which cannot be a partition: a folder's name cannot tell it from NULL"
    );
    let error = failed(SinkFormat::default(), &["x"], days).await;
    assert!(error.to_string().contains("beyond the calendar"), "{error}");
    let long: ArrayRef = Arc::new(StringArray::from(vec!["a".to_owned(), "é".repeat(200)]));
    let error = failed(SinkFormat::default(), &["x"], long).await;
    let expected = format!(
        "sink `daily`: column `x` holds `{}…`, which cannot be a partition: the name of its folder would have more than 255 bytes",
        "é".repeat(60)
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("left(x, 50)"));
}

#[tokio::test]
async fn csv_quotes_what_would_be_read_as_something_else() {
    let root = tempdir().unwrap();
    let options = |null: Option<&str>| {
        SinkFormat::Csv(CsvOptions {
            null: null.map(str::to_owned).into_iter().collect(),
            ..CsvOptions::default()
        })
    };
    let batch = table(
        &[Some(0), None, Some(2), Some(3), Some(4), Some(5)],
        &[
            Some("NA"),
            None,
            Some(""),
            Some(" x"),
            Some("#y"),
            Some("a\rb"),
        ],
    );
    for (null, expected) in [
        (
            Some("NA"),
            "id,text\n0,\"NA\"\nNA,NA\n2,\"\"\n3,\" x\"\n4,\"#y\"\n5,\"a\rb\"\n",
        ),
        (
            Some("0"),
            "id,text\n\"0\",NA\n0,0\n2,\"\"\n3,\" x\"\n4,\"#y\"\n5,\"a\rb\"\n",
        ),
        (
            None,
            "id,text\n0,NA\n,\n2,\"\"\n3,\" x\"\n4,\"#y\"\n5,\"a\rb\"\n",
        ),
    ] {
        let committed = publish(&sink(root.path(), options(null), &[]), vec![batch.clone()]).await;
        let (_, bytes) = files(&committed.path).remove(0);
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}

#[tokio::test]
async fn nested_columns_go_through_parquet_and_json() {
    let legs = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef,
            true,
        ),
        ("legs", Arc::new(legs) as ArrayRef, true),
    ])
    .unwrap();
    for (format, read_as) in [
        (SinkFormat::default(), Format::Parquet),
        (SinkFormat::Json, Format::Json),
    ] {
        let root = tempdir().unwrap();
        publish(&sink(root.path(), format, &[]), vec![batch.clone()]).await;
        let source = FileSource {
            columns: Some(batch.schema()),
            ..source(root.path(), "out/daily", read_as)
        };
        let read = query(&source, "SELECT * FROM t ORDER BY id").await.unwrap();
        assert_eq!(read[0].columns(), batch.columns());
    }
}

#[tokio::test]
async fn a_version_that_lacks_rows_is_never_published() {
    let root = tempdir().unwrap();
    let sink = sink(root.path(), SinkFormat::default(), &[]);
    let batch = table(&[Some(1)], &[Some("x")]);
    let progress = Arc::new(WriteProgress::default());

    let staged = begin(&sink, "run").await.unwrap();
    let error = staged
        .write(
            vec![failing(batch.schema(), vec![batch.clone()])],
            &progress,
        )
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "sink `daily` got no further rows");
    assert_eq!(
        staged.finish().await.unwrap_err().to_string(),
        "sink `daily` was not written to the end"
    );

    let staged = begin(&sink, "run").await.unwrap();
    let good = stream(batch.schema(), vec![batch.clone()]);
    let bad = failing(batch.schema(), vec![]);
    assert!(staged.write(vec![good, bad], &progress).await.is_err());
    assert!(matches!(
        staged.finish().await,
        Err(SinkError::Unfinished { .. })
    ));

    let staged = begin(&sink, "run").await.unwrap();
    let other = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new(
        "x",
        DataType::Int8,
        true,
    )])));
    staged
        .write(vec![stream(batch.schema(), vec![batch])], &progress)
        .await
        .unwrap();
    let error = staged
        .write(vec![stream(other.schema(), vec![other])], &progress)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "sink `daily`: stream 1 has other columns than the stream before it"
    );
    drop(staged);

    let staged = begin(&sink, "run").await.unwrap();
    assert!(matches!(
        staged.finish().await,
        Err(SinkError::NothingWritten { .. })
    ));
    assert!(!path_of(&sink).exists());
    assert!(
        source(root.path(), "out/daily", Format::Parquet)
            .list()
            .await
            .is_err()
    );
}
