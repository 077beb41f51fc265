//! What a Parquet file holds is what is read, or the error says where it is not.

use std::{fs, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array,
        LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray, StructArray,
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
        UInt16Array,
    },
    buffer::OffsetBuffer,
    datatypes::{
        DataType, Field, Fields, Float64Type, Int8Type, Int32Type, Schema, SchemaRef, TimeUnit,
    },
};
use parquet::{
    arrow::{
        ARROW_SCHEMA_META_KEY, ArrowWriter, arrow_writer::ArrowWriterOptions, encode_arrow_schema,
    },
    data_type::{
        self, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int96, Int96Type,
    },
    file::{
        metadata::{KeyValue, ParquetMetaDataReader, ParquetMetaDataWriter},
        properties::WriterProperties,
        statistics::Statistics,
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use tempfile::{TempDir, tempdir};
use transom_connect::{FileSource, Source as _, SourceError};
use transom_file::spec::{Format, Unknown};

use crate::support::{open, put, query, session, source};

pub(crate) fn write(root: &Path, path: &str, columns: &[(&str, ArrayRef)]) {
    let columns = columns
        .iter()
        .map(|(name, array)| (*name, Arc::clone(array), true));
    write_batch(
        root,
        path,
        &RecordBatch::try_from_iter_with_nullable(columns).unwrap(),
    );
}

fn write_batch(root: &Path, path: &str, batch: &RecordBatch) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(2))
        .build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn parquet(root: &TempDir) -> FileSource {
    source(root.path(), "data", Format::Parquet)
}

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields = fields
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

async fn table_error(source: &FileSource, locked: Option<SchemaRef>) -> SourceError {
    let state = session().state();
    open(source, locked, &state).await.unwrap_err()
}

/// The error of a run over the source with the lock's columns.
async fn run_error(source: &FileSource, locked: SchemaRef, sql: &str) -> String {
    let context = session();
    let table = open(source, Some(locked), &context.state()).await.unwrap();
    context.register_table("t", table).unwrap();
    let error = context.sql(sql).await.unwrap().collect().await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = inner.to_string();
        if inner.is::<Arc<SourceError>>() {
            break;
        }
        cause = inner.source();
    }
    text
}

async fn locked(source: &FileSource, locked: SchemaRef, sql: &str) -> String {
    let context = session();
    let table = open(source, Some(locked), &context.state()).await.unwrap();
    context.register_table("t", table).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let rows = arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string();
    rows.lines()
        .filter(|line| !line.starts_with('+'))
        .skip(1)
        .map(|line| {
            line.split('|')
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect::<Vec<_>>()
        .join("; ")
}

async fn rows(source: &FileSource, sql: &str) -> String {
    let schema = open(source, None, &session().state())
        .await
        .unwrap()
        .schema();
    locked(source, schema, sql).await
}

/// A file of one column of bytes, as Impala writes text.
fn bytes(root: &Path, path: &str, annotation: &str, values: &[&[u8]]) {
    let message = format!("message m {{ optional binary name{annotation}; }}");
    let file = create(root, path);
    let schema = Arc::new(parse_message_type(&message).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    let mut column = row_group.next_column().unwrap().unwrap();
    let values: Vec<ByteArray> = values.iter().map(|value| value.to_vec().into()).collect();
    let levels = vec![1; values.len()];
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, Some(&levels), None)
        .unwrap();
    column.close().unwrap();
    row_group.close().unwrap();
    writer.close().unwrap();
}

fn create(root: &Path, path: &str) -> fs::File {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap()
}

fn text() -> SchemaRef {
    schema(&[("name", DataType::Utf8)])
}

#[tokio::test]
async fn bytes_become_text_only_if_they_are_utf8() {
    for annotation in ["", " (UTF8)", " (JSON)", " (ENUM)", " (STRING)"] {
        let root = tempdir().unwrap();
        let values: [&[u8]; 3] = [b"Bern", b"Z\xfcrich", b"Caf\xe9"];
        bytes(root.path(), "data/a.parquet", annotation, &values);
        for sql in [
            "SELECT upper(name) FROM t",
            "SELECT name FROM t WHERE name > 'A'",
        ] {
            let error = run_error(&parquet(&root), text(), sql).await;
            assert!(
                error
                    .starts_with("source `flights`: `data/a.parquet` row 2: column `name` holds `"),
                "{annotation}: {error}"
            );
            assert!(error.ends_with("which is no value of type utf8"), "{error}");
        }
        bytes(
            root.path(),
            "data/a.parquet",
            annotation,
            &["Zürich".as_bytes(), b"b"],
        );
        let upper = locked(&parquet(&root), text(), "SELECT upper(name) FROM t").await;
        assert_eq!(upper, "ZÜRICH; B", "{annotation}");
        let one = locked(
            &parquet(&root),
            text(),
            "SELECT name FROM t WHERE name = 'b'",
        )
        .await;
        assert_eq!(one, "b", "{annotation}");
    }
}

#[tokio::test]
async fn what_the_writer_says_of_its_types_is_not_believed_for_text() {
    let root = tempdir().unwrap();
    // A BINARY column without annotation, which the Arrow schema in the file calls Utf8.
    for kind in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        let wanted = schema(&[("name", kind)]);
        let mut properties = WriterProperties::builder().build();
        parquet::arrow::add_encoded_arrow_schema_to_metadata(&wanted, &mut properties);
        let message = Arc::new(parse_message_type("message m { optional binary name; }").unwrap());
        let file = create(root.path(), "data/a.parquet");
        let mut writer = SerializedFileWriter::new(file, message, Arc::new(properties)).unwrap();
        let mut row_group = writer.next_row_group().unwrap();
        let mut column = row_group.next_column().unwrap().unwrap();
        let values = [ByteArray::from(vec![0xff, 0xfe])];
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&values, Some(&[1]), None).unwrap();
        column.close().unwrap();
        row_group.close().unwrap();
        writer.close().unwrap();
        let error = run_error(&parquet(&root), text(), "SELECT upper(name) FROM t").await;
        assert!(error.contains("row 1: column `name` holds"), "{error}");
    }
}

#[tokio::test]
async fn bytes_without_annotation_are_binary_until_text_is_declared() {
    let root = tempdir().unwrap();
    bytes(root.path(), "data/a.parquet", "", &[b"Ann"]);
    let source = parquet(&root);
    let inferred = open(&source, None, &session().state())
        .await
        .unwrap()
        .schema();
    assert_eq!(inferred.field(0).data_type(), &DataType::Binary);
    let declared = FileSource {
        columns: Some(text()),
        ..source
    };
    assert_eq!(rows(&declared, "SELECT name = 'Ann' FROM t").await, "true");
}

#[tokio::test]
async fn nan_is_read_beside_statistics() {
    let root = tempdir().unwrap();
    for (path, x) in [
        ("data/a.parquet", vec![1.0, f64::NAN]),
        ("data/b.parquet", vec![f64::INFINITY, f64::NAN, -0.0]),
    ] {
        let f: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let nested = StructArray::from(vec![(
            Arc::new(Field::new("x", DataType::Float64, true)),
            Arc::new(Float64Array::from(x.clone())) as ArrayRef,
        )]);
        write(
            root.path(),
            path,
            &[
                ("x", Arc::new(Float64Array::from(x))),
                ("f", Arc::new(Float32Array::from(f))),
                ("s", Arc::new(nested)),
            ],
        );
    }
    let source = parquet(&root);
    for column in ["x", "f", "s['x']"] {
        for (sql, expected) in [
            ("count(*) FROM t WHERE isnan(C)", "2"),
            ("count(*) FROM t WHERE C > 5", "3"),
            ("count(*) FROM t WHERE C = 0.0", "1"),
            ("max(C), max(C + 0) FROM t", "NaN NaN"),
            ("count(DISTINCT C) FROM t", "4"),
        ] {
            let sql = format!("SELECT {}", sql.replace('C', column));
            let sql = sql
                .replace(&format!("{column}OUNT"), "COUNT")
                .replace(&format!("DISTIN{column}T"), "DISTINCT");
            assert_eq!(rows(&source, &sql).await, expected, "{sql}");
        }
    }
    let joined = rows(
        &source,
        "SELECT count(*) FROM t a JOIN t b ON a.x = b.x WHERE isnan(b.x)",
    )
    .await;
    assert_eq!(joined, "4");
}

#[tokio::test]
async fn every_nan_of_a_file_is_the_same_one() {
    let root = tempdir().unwrap();
    // numpy's 0.0 / 0.0 on x86.
    let values: ArrayRef = Arc::new(Float64Array::from(vec![-f64::NAN, f64::NAN, 1.0]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(-f64::NAN)]),
        Some(vec![Some(f64::NAN)]),
        None,
    ]));
    write(
        root.path(),
        "data/a.parquet",
        &[("x", values), ("l", lists)],
    );
    let source = parquet(&root);
    for (sql, expected) in [
        ("count(*) FROM t WHERE x = CAST('NaN' AS DOUBLE)", "2"),
        ("count(*) FROM t WHERE x > CAST('inf' AS DOUBLE)", "2"),
        ("count(DISTINCT x) FROM t", "2"),
        ("max(x), min(x) FROM t", "NaN 1.0"),
        (
            "count(*) FILTER (WHERE c) FROM (SELECT x > 5 AS c FROM t)",
            "2",
        ),
        ("count(DISTINCT l[1]) FROM t", "1"),
        ("count(*) FROM t", "3"),
    ] {
        let found = rows(&source, &format!("SELECT {sql}")).await;
        assert_eq!(found, expected, "{sql}");
    }
}

#[tokio::test]
async fn statistics_do_not_become_values() {
    // A file whose statistics are those of another.
    let root = tempdir().unwrap();
    let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    write(root.path(), "one/a.parquet", &[("n", column(vec![7, 7]))]);
    write(root.path(), "data/a.parquet", &[("n", column(vec![7, 9]))]);
    let right = fs::read(root.path().join("data/a.parquet")).unwrap();
    let wrong: Vec<u8> = {
        // The largest value is written as eight bytes, in the footer and in the index of the pages.
        let mut bytes = right.clone();
        let nine = 9_i64.to_le_bytes();
        let data = bytes.windows(8).position(|window| window == nine).unwrap();
        let mut at = data + 8;
        while let Some(found) = bytes[at..].windows(8).position(|window| window == nine) {
            bytes[at + found..at + found + 8].copy_from_slice(&7_i64.to_le_bytes());
            at += found + 8;
        }
        bytes
    };
    assert_ne!(right, wrong);
    put(root.path(), "data/a.parquet", wrong);
    let source = parquet(&root);
    assert_eq!(rows(&source, "SELECT n FROM t ORDER BY n").await, "7; 9");
    assert_eq!(
        rows(&source, "SELECT min(n), max(n), count(n), count(*) FROM t").await,
        "7 9 2 2"
    );
}

/// Writes the footer of a file anew, in which no statistics say how many NULLs there are.
fn leave_out_null_counts(path: &Path) {
    let file = fs::File::open(path).unwrap();
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&file)
        .unwrap();
    let mut row_groups = metadata.row_groups().to_vec();
    for column in row_groups.iter_mut().flat_map(|group| group.columns_mut()) {
        let Some(Statistics::Int64(known)) = column.statistics() else {
            panic!("a column of whole numbers has statistics");
        };
        let (min, max) = (known.min_opt().copied(), known.max_opt().copied());
        let uncounted = Statistics::int64(min, max, None, None, false);
        let builder = column.clone().into_builder();
        *column = builder.set_statistics(uncounted).build().unwrap();
    }
    let metadata = metadata.into_builder().set_row_groups(row_groups).build();
    let mut bytes = fs::read(path).unwrap();
    // At the end: the length of the footer, and four letters.
    let length: [u8; 4] = bytes[bytes.len() - 8..][..4].try_into().unwrap();
    bytes.truncate(bytes.len() - 8 - u32::from_le_bytes(length) as usize);
    let mut footer = Vec::new();
    let writer = ParquetMetaDataWriter::new(&mut footer, &metadata);
    writer.finish().unwrap();
    bytes.extend(footer);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn nulls_that_no_statistics_count_are_there() {
    let root = tempdir().unwrap();
    let values = [
        Some(0),
        Some(1),
        None,
        Some(100),
        None,
        None,
        Some(200),
        Some(201),
    ];
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    write(root.path(), "data/a.parquet", &[("k", column)]);
    leave_out_null_counts(&root.path().join("data/a.parquet"));
    let source = parquet(&root);
    for (sql, expected) in [
        ("count(k), count(*) FROM t", "5 8"),
        ("count(*) FROM t WHERE k IS NULL", "3"),
        ("count(*) FROM t WHERE k IS NOT NULL", "5"),
        ("count(*) FROM t WHERE (k > 50) IS NOT TRUE", "5"),
        (
            "coalesce(k, -1) FROM t ORDER BY k NULLS FIRST LIMIT 4",
            "-1; -1; -1; 0",
        ),
        (
            "coalesce(k, -1) FROM t ORDER BY k DESC NULLS FIRST LIMIT 4",
            "-1; -1; -1; 201",
        ),
    ] {
        let found = rows(&source, &format!("SELECT {sql}")).await;
        assert_eq!(found, expected, "{sql}");
    }
}

#[tokio::test]
async fn files_that_differ_are_widened() {
    let pairs: Vec<(ArrayRef, ArrayRef, DataType, &str)> = vec![
        (
            Arc::new(Int32Array::from(vec![1])),
            Arc::new(Int64Array::from(vec![5_000_000_000])),
            DataType::Int64,
            "1; 5000000000",
        ),
        (
            Arc::new(Float32Array::from(vec![1.5])),
            Arc::new(Float64Array::from(vec![2.25])),
            DataType::Float64,
            "1.5; 2.25",
        ),
        (
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(Float64Array::from(vec![2.5])),
            DataType::Float64,
            "1.0; 2.5",
        ),
        (
            Arc::new(StringArray::from(vec!["a"])),
            Arc::new(LargeStringArray::from(vec!["b"])),
            DataType::Utf8,
            "a; b",
        ),
        (
            Arc::new(StringViewArray::from(vec!["a"])),
            Arc::new(
                vec!["b"]
                    .into_iter()
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
            DataType::Utf8,
            "a; b",
        ),
        (
            Arc::new(
                Decimal128Array::from(vec![150])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
            Arc::new(
                Decimal128Array::from(vec![12345])
                    .with_precision_and_scale(10, 4)
                    .unwrap(),
            ),
            DataType::Decimal128(12, 4),
            "1.2345; 1.5000",
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![1_000])),
            Arc::new(TimestampNanosecondArray::from(vec![1_000_000_001])),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None),
            "1970-01-01T00:00:01; 1970-01-01T00:00:01.000000001",
        ),
        (
            Arc::new(Date32Array::from(vec![1])),
            Arc::new(TimestampMicrosecondArray::from(vec![1])),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            "1970-01-01T00:00:00.000001; 1970-01-02T00:00:00",
        ),
    ];
    for (first, second, common, expected) in pairs {
        for swap in [false, true] {
            let root = tempdir().unwrap();
            let (a, b) = if swap {
                (&second, &first)
            } else {
                (&first, &second)
            };
            write(root.path(), "data/a.parquet", &[("a", Arc::clone(a))]);
            write(root.path(), "data/b.parquet", &[("a", Arc::clone(b))]);
            let source = parquet(&root);
            let inferred = open(&source, None, &session().state())
                .await
                .unwrap()
                .schema();
            assert_eq!(inferred.field(0).data_type(), &common);
            assert_eq!(rows(&source, "SELECT a FROM t ORDER BY a").await, expected);
            // Filters see the same values.
            assert_eq!(
                rows(
                    &source,
                    "SELECT count(*) FROM t WHERE a = (SELECT max(a) FROM t)"
                )
                .await,
                "1"
            );
        }
    }
}

#[tokio::test]
async fn files_that_have_nothing_in_common_are_named() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        "data/a.parquet",
        &[("a", Arc::new(Int64Array::from(vec![1])))],
    );
    write(
        root.path(),
        "data/b.parquet",
        &[("a", Arc::new(StringArray::from(vec!["x"])))],
    );
    let error = table_error(&parquet(&root), None).await;
    assert_eq!(
        error.to_string(),
        "source `flights`: column `a` is int64 in `data/a.parquet` and utf8 in `data/b.parquet`"
    );
    assert!(error.hint().unwrap().contains("columns: { a: "));

    // A zone is not a matter of writing.
    let zoned = TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC");
    write(
        root.path(),
        "data/a.parquet",
        &[("a", Arc::new(TimestampMicrosecondArray::from(vec![1])))],
    );
    write(root.path(), "data/b.parquet", &[("a", Arc::new(zoned))]);
    let error = table_error(&parquet(&root), None).await;
    assert!(matches!(error, SourceError::MixedTypes { .. }), "{error}");
}

#[tokio::test]
async fn a_file_beside_the_lock_is_read_without_loss_or_not_at_all() {
    let float = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let decimal = |values: Vec<i128>, scale| {
        let array = Decimal128Array::from(values).with_precision_and_scale(10, scale);
        Arc::new(array.unwrap()) as ArrayRef
    };
    let micros = |values: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(values)) as ArrayRef;
    const DAY: i64 = 86_400_000_000;
    for (fits, loses, to, value) in [
        (
            float(vec![1.0, 2.0, 3.0]),
            float(vec![1.0, 2.0, 2.75]),
            DataType::Int64,
            "`2.75` (float64)",
        ),
        (
            decimal(vec![10_000; 3], 4),
            decimal(vec![10_000, 10_000, 12_345], 4),
            DataType::Decimal128(10, 2),
            "`1.2345` (decimal(10,4))",
        ),
        (
            decimal(vec![100; 3], 2),
            decimal(vec![100, 100, 150], 2),
            DataType::Int64,
            "`1.50` (decimal(10,2))",
        ),
        (
            micros(vec![DAY; 3]),
            micros(vec![DAY, DAY, DAY + 1]),
            DataType::Date32,
            "`1970-01-02T00:00:00.000001` (timestamp)",
        ),
        (
            float(vec![1.5; 3]),
            float(vec![1.5, 1.5, 1e300]),
            DataType::Float32,
            "`1e300` (float64)",
        ),
        (
            Arc::new(Int64Array::from(vec![1; 3])) as ArrayRef,
            Arc::new(Int64Array::from(vec![1, 1, 9_007_199_254_740_993])),
            DataType::Float64,
            "`9007199254740993` (int64)",
        ),
    ] {
        let root = tempdir().unwrap();
        let lock = schema(&[("a", to.clone())]);
        write(root.path(), "data/b.parquet", &[("a", fits)]);
        assert_eq!(
            locked(&parquet(&root), Arc::clone(&lock), "SELECT count(a) FROM t").await,
            "3"
        );
        write(root.path(), "data/b.parquet", &[("a", loses)]);
        for sql in [
            "SELECT * FROM t",
            "SELECT count(a) FROM t",
            "SELECT a FROM t WHERE a IS NOT NULL",
        ] {
            let error = run_error(&parquet(&root), Arc::clone(&lock), sql).await;
            // The second row group.
            let start =
                format!("source `flights`: `data/b.parquet` row 3: column `a` holds {value}");
            assert!(error.starts_with(&start), "{sql}: {error}");
        }
    }
}

#[tokio::test]
async fn a_field_that_is_in_no_file_is_an_error() {
    let root = tempdir().unwrap();
    let of = |names: &[&str]| {
        let fields = names
            .iter()
            .map(|name| Field::new(*name, DataType::Int64, true));
        Fields::from(fields.collect::<Vec<_>>())
    };
    let user = |names: &[&str]| {
        let columns = names
            .iter()
            .map(|_| Arc::new(Int64Array::from(vec![1])) as ArrayRef);
        let user = StructArray::new(of(names), columns.collect(), None);
        let item = Arc::new(Field::new("item", user.data_type().clone(), true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([1]), Arc::new(user), None);
        Arc::new(list) as ArrayRef
    };
    let item = Field::new("item", DataType::Struct(of(&["a", "b"])), true);
    let lock = schema(&[("u", DataType::List(Arc::new(item)))]);
    write(root.path(), "data/a.parquet", &[("u", user(&["a"]))]);
    let error = table_error(&parquet(&root), Some(Arc::clone(&lock))).await;
    assert_eq!(
        error.to_string(),
        "source `flights`: no file has column `u.b`"
    );
    // In one file it is.
    write(root.path(), "data/b.parquet", &[("u", user(&["a", "b"]))]);
    let found = locked(
        &parquet(&root),
        lock,
        "SELECT count(u[1]['b']), count(*) FROM t",
    )
    .await;
    assert_eq!(found, "1 2");
}

#[tokio::test]
async fn columns_that_are_gone_new_or_doubled_are_errors() {
    let root = tempdir().unwrap();
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let lock = schema(&[("a", DataType::Int64), ("b", DataType::Int64)]);
    write(root.path(), "data/a.parquet", &[("a", one()), ("B", one())]);
    let error = table_error(&parquet(&root), Some(Arc::clone(&lock))).await;
    assert_eq!(
        error.to_string(),
        "source `flights`: `data/a.parquet` has the column `B`, and not `b`"
    );
    assert!(error.hint().unwrap().contains("call it `b` in the file"));

    // A slice may consist of files that lack what others have, but not have it in other letters.
    let files = parquet(&root);
    let inputs = files.list().await.unwrap();
    let slice = inputs.with_pieces(inputs.pieces.clone());
    let ignoring = FileSource {
        unknown: Unknown::Ignore,
        ..parquet(&root)
    };
    let state = session().state();
    assert!(
        ignoring
            .table(&slice, Some(Arc::clone(&lock)), &state)
            .await
            .is_err()
    );
    let only_a = schema(&[("a", DataType::Int64), ("c", DataType::Int64)]);
    write(root.path(), "data/a.parquet", &[("a", one())]);
    let files = parquet(&root);
    let inputs = files.list().await.unwrap();
    let whole = files.table(&inputs, Some(Arc::clone(&only_a)), &state);
    assert!(whole.await.is_err());
    let slice = inputs.with_pieces(inputs.pieces.clone());
    assert!(files.table(&slice, Some(only_a), &state).await.is_ok());

    // In some file it is: missing elsewhere is NULL, even if the lock says that it is never NULL.
    write(root.path(), "data/a.parquet", &[("a", one())]);
    write(root.path(), "data/b.parquet", &[("a", one()), ("b", one())]);
    let required = Schema::new(vec![
        Field::new("a", DataType::Int64, false),
        Field::new("b", DataType::Int64, false),
    ]);
    let found = locked(
        &parquet(&root),
        Arc::new(required),
        "SELECT count(b), count(*) FROM t",
    )
    .await;
    assert_eq!(found, "1 2");

    write(
        root.path(),
        "data/b.parquet",
        &[("a", one()), ("b", one()), ("refund", one())],
    );
    let error = table_error(&parquet(&root), Some(Arc::clone(&lock))).await;
    assert_eq!(
        error.to_string(),
        "source `flights`: `data/b.parquet` has a column `refund`, which the source does not have"
    );
    assert!(error.hint().unwrap().contains("lock again"));
    let lenient = FileSource {
        unknown: Unknown::Warn,
        ..parquet(&root)
    };
    assert_eq!(locked(&lenient, lock, "SELECT sum(a) FROM t").await, "2");
    assert_eq!(lenient.read.unknown(), [("refund".to_owned(), 1)].into());

    let twice = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("a", DataType::Int64, true),
    ]);
    let twice = RecordBatch::try_new(Arc::new(twice), vec![one(), one()]).unwrap();
    write_batch(root.path(), "data/b.parquet", &twice);
    let error = table_error(&parquet(&root), None).await;
    assert_eq!(
        error.to_string(),
        "source `flights`: `data/b.parquet` has two columns named `a`"
    );
}

#[tokio::test]
async fn declared_types_win_and_the_others_are_inferred() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        "data/a.parquet",
        &[
            ("a", Arc::new(Float64Array::from(vec![1.0]))),
            ("b", Arc::new(StringArray::from(vec!["x"]))),
        ],
    );
    let declared = FileSource {
        columns: Some(schema(&[("a", DataType::Int64)])),
        ..parquet(&root)
    };
    let inferred = open(&declared, None, &session().state())
        .await
        .unwrap()
        .schema();
    let types: Vec<_> = inferred
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(types, [DataType::Int64, DataType::Utf8]);
    assert_eq!(rows(&declared, "SELECT a, b FROM t").await, "1 x");
    let wrong = FileSource {
        columns: Some(schema(&[("aa", DataType::Int64)])),
        ..parquet(&root)
    };
    let error = table_error(&wrong, None).await;
    assert!(
        error.hint().unwrap().contains("did you mean `a`"),
        "{error}"
    );
}

/// A file of one column of bytes of a fixed size.
fn fixed(root: &Path, path: &str, column: &str, values: &[Vec<u8>]) {
    let message = format!("message m {{ optional fixed_len_byte_array {column}; }}");
    let schema = Arc::new(parse_message_type(&message).unwrap());
    let file = create(root, path);
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    let mut column = row_group.next_column().unwrap().unwrap();
    let values: Vec<FixedLenByteArray> = values
        .iter()
        .map(|value| ByteArray::from(value.clone()).into())
        .collect();
    column
        .typed::<FixedLenByteArrayType>()
        .write_batch(&values, Some(&vec![1; values.len()]), None)
        .unwrap();
    column.close().unwrap();
    row_group.close().unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn uuids_are_text_and_intervals_keep_their_months() {
    let root = tempdir().unwrap();
    let uuid: Vec<u8> = (0..16).map(|byte| byte * 16 + 1).collect();
    fixed(
        root.path(),
        "data/a.parquet",
        "(16) u (UUID)",
        std::slice::from_ref(&uuid),
    );
    let written = "01112131-4151-6171-8191-a1b1c1d1e1f1";
    assert_eq!(rows(&parquet(&root), "SELECT u FROM t").await, written);
    let found = rows(
        &parquet(&root),
        &format!("SELECT count(*) FROM t WHERE u = '{written}'"),
    )
    .await;
    assert_eq!(found, "1");

    let mut interval = Vec::new();
    for number in [25_i32, 3, 4_000] {
        interval.extend(number.to_le_bytes());
    }
    fixed(
        root.path(),
        "data/a.parquet",
        "(12) i (INTERVAL)",
        &[interval],
    );
    assert_eq!(
        rows(&parquet(&root), "SELECT i FROM t").await,
        "25 mons 3 days 4.000000000 secs"
    );

    // Bytes of that size that are not called a UUID.
    fixed(root.path(), "data/a.parquet", "(16) u", &[uuid]);
    let error = table_error(&parquet(&root), Some(schema(&[("u", DataType::Utf8)]))).await;
    assert!(
        error
            .to_string()
            .contains("binary(16), which cannot be read as utf8"),
        "{error}"
    );
}

/// A file of one column `v` of values as they are stored, whatever their annotation says.
fn stored<T: data_type::DataType>(root: &Path, column: &str, values: &[T::T]) {
    let message = format!("message m {{ {column}; }}");
    let schema = Arc::new(parse_message_type(&message).unwrap());
    let file = create(root, "data/a.parquet");
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    let mut column = row_group.next_column().unwrap().unwrap();
    let (levels, starts) = (vec![1; values.len()], vec![0; values.len()]);
    column
        .typed::<T>()
        .write_batch(values, Some(&levels), Some(&starts))
        .unwrap();
    column.close().unwrap();
    row_group.close().unwrap();
    writer.close().unwrap();
}

/// Every query over column `v` says that its second row holds `wrong`.
async fn assert_beyond(root: &TempDir, wrong: &str) {
    let table = open(&parquet(root), None, &session().state()).await;
    let lock = table.unwrap().schema();
    for sql in [
        "SELECT * FROM t",
        "SELECT count(v) FROM t",
        "SELECT v FROM t WHERE v IS NOT NULL",
    ] {
        let error = run_error(&parquet(root), Arc::clone(&lock), sql).await;
        let expected = format!("source `flights`: `data/a.parquet` row 2: column `{wrong}");
        assert_eq!(error, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_value_that_its_type_does_not_have_is_no_other_value() {
    let root = tempdir().unwrap();
    for (column, values, wrong) in [
        (
            "optional int32 v (INTEGER(8, true))",
            [1, 300],
            "v` holds `300` (int32), which is no value of type int8",
        ),
        (
            "optional int32 v (INTEGER(8, false))",
            [1, -1],
            "v` holds `-1` (int32), which is no value of type uint8",
        ),
        (
            "optional int32 v (INT_16)",
            [1, -32_769],
            "v` holds `-32769` (int32), which is no value of type int16",
        ),
        (
            "optional int32 v (UINT_16)",
            [1, 65_536],
            "v` holds `65536` (int32), which is no value of type uint16",
        ),
        (
            "repeated int32 v (INTEGER(8, true))",
            [1, 300],
            "v[0]` holds `300` (int32), which is no value of type int8",
        ),
        (
            "optional int32 v (DECIMAL(5, 2))",
            [100, 123_456_789],
            "v` holds `1234567.89` (decimal(38,2)), which is no value of type decimal(5,2)",
        ),
        (
            "optional int32 v (TIME(MILLIS, true))",
            [0, 86_400_000],
            "v` holds `86400000 milliseconds after midnight` (time(ms)), which is no value of type time(ms)",
        ),
        (
            "repeated int32 v (TIME(MILLIS, true))",
            [0, -1],
            "v[0]` holds `-1 milliseconds after midnight` (time(ms)), which is no value of type time(ms)",
        ),
    ] {
        stored::<data_type::Int32Type>(root.path(), column, &values);
        assert_beyond(&root, wrong).await;
    }
    for (column, values, wrong) in [
        (
            "optional int64 v (DECIMAL(12, 2))",
            [100, 12_345_678_901_234_567],
            "v` holds `123456789012345.67` (decimal(38,2)), which is no value of type decimal(12,2)",
        ),
        (
            "optional int64 v (TIME(MICROS, true))",
            [0, 86_400_000_000],
            "v` holds `86400000000 microseconds after midnight` (time), which is no value of type time",
        ),
    ] {
        stored::<data_type::Int64Type>(root.path(), column, &values);
        assert_beyond(&root, wrong).await;
    }
}

#[tokio::test]
async fn a_wider_type_holds_what_the_type_of_the_file_does_not() {
    let root = tempdir().unwrap();
    for (column, declared, expected) in [
        (
            "optional int32 v (INTEGER(8, true))",
            DataType::Int32,
            "1; 300",
        ),
        (
            "optional int32 v (DECIMAL(2, 1))",
            DataType::Decimal128(5, 1),
            "0.1; 30.0",
        ),
        ("optional int32 v (UNKNOWN)", DataType::Int64, "1; 300"),
    ] {
        stored::<data_type::Int32Type>(root.path(), column, &[1, 300]);
        let mut source = parquet(&root);
        source.columns = Some(schema(&[("v", declared)]));
        assert_eq!(rows(&source, "SELECT v FROM t").await, expected, "{column}");
    }
    // Without a declaration a column of no type is one of text, in which there is nothing.
    let error = query(&parquet(&root), "SELECT v FROM t").await.unwrap_err();
    let expected = "`data/a.parquet` row 1: column `v` holds `1` (int32)";
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn small_whole_numbers_are_read_as_what_they_are() {
    let root = tempdir().unwrap();
    let small = Int8Array::from(vec![-128, 0, 127]);
    let keys = Int32Array::from(vec![2, 1, 0]);
    let columns: [(&str, ArrayRef); 4] = [
        ("a", Arc::new(small.clone())),
        ("b", Arc::new(UInt16Array::from(vec![0, 1, 65_535]))),
        (
            "c",
            Arc::new(ListArray::from_iter_primitive::<Int8Type, _, _>([
                Some(vec![Some(-1), None]),
                None,
                Some(vec![]),
            ])),
        ),
        (
            "d",
            Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(small))),
        ),
    ];
    write(root.path(), "data/a.parquet", &columns);
    let source = parquet(&root);
    let table = open(&source, None, &session().state()).await.unwrap();
    let types: Vec<_> = table
        .schema()
        .fields()
        .iter()
        .map(|field| transom_sql::type_name(field.data_type()))
        .collect();
    assert_eq!(types, ["int8", "uint16", "list<int8>", "int8"]);
    assert_eq!(
        rows(&source, "SELECT a, b, c, d FROM t ORDER BY a").await,
        "-128 0 [-1, ] 127; 0 1 0; 127 65535 [] -128"
    );
    assert_eq!(
        rows(&source, "SELECT b FROM t WHERE a = 127 AND d < 0").await,
        "65535"
    );
}

/// What a writer says of itself: that its columns had these types.
fn of_schema(schema: &Schema) -> WriterProperties {
    let encoded = encode_arrow_schema(schema);
    let pair = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encoded);
    WriterProperties::builder()
        .set_key_value_metadata(Some(vec![pair]))
        .build()
}

#[tokio::test]
async fn dictionaries_of_any_type_are_read_as_their_values() {
    let root = tempdir().unwrap();
    let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    let decimals = Decimal128Array::from(vec![Some(15), None, Some(25)]);
    let decimals = decimals.with_precision_and_scale(38, 1).unwrap();
    let bytes = [Some(b"abc"), None, Some(b"abd")].into_iter();
    let bytes = FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 3).unwrap();
    let floats = Float32Array::from(vec![Some(1.5), None, Some(2.5)]);
    let floats = arrow::compute::cast(&floats, &DataType::Float16).unwrap();
    let item = Arc::new(Field::new_list_field(DataType::Boolean, true));
    let offsets = OffsetBuffer::from_lengths([2, 0, 1]);
    let lists = ListArray::new(item, offsets, Arc::clone(&booleans), None);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("b", booleans, true),
        ("d", Arc::new(decimals) as ArrayRef, true),
        ("f", Arc::new(bytes), true),
        ("h", floats, true),
        ("l", Arc::new(lists), true),
    ])
    .unwrap();
    let dictionary = |values: &DataType| {
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(values.clone()))
    };
    let written = batch.schema();
    let fields = written.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::List(item) => {
                let values = dictionary(item.data_type());
                DataType::List(Arc::new(item.as_ref().clone().with_data_type(values)))
            }
            other => dictionary(other),
        };
        field.as_ref().clone().with_data_type(data_type)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let options = ArrowWriterOptions::new()
        .with_properties(of_schema(&schema))
        .with_skip_arrow_metadata(true);
    let file = create(root.path(), "data/a.parquet");
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let sql = "SELECT b, d, encode(f, 'hex') AS f, h, l FROM t";
    assert_eq!(
        rows(&parquet(&root), sql).await,
        "true 1.5 616263 1.5 [true, ]; []; false 2.5 616264 2.5 [false]"
    );
}

#[tokio::test]
async fn a_dictionary_may_have_more_values_than_its_keys_count() {
    let root = tempdir().unwrap();
    let texts: StringArray = (0..300).map(|number| Some(format!("v{number}"))).collect();
    let batch = RecordBatch::try_from_iter([("s", Arc::new(texts) as ArrayRef)]).unwrap();
    let keyed = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let options = ArrowWriterOptions::new()
        .with_properties(of_schema(&schema(&[("s", keyed)])))
        .with_skip_arrow_metadata(true);
    let file = create(root.path(), "data/a.parquet");
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let sql = "SELECT count(DISTINCT s), max(s) FROM t";
    assert_eq!(rows(&parquet(&root), sql).await, "300 v99");
}

/// INT96 of Julian days and nanoseconds, as column `t` and as items of column `l`.
fn write_int96(root: &Path, values: &[(u32, u64)]) {
    write_int96_with(root, values, WriterProperties::default());
}

fn write_int96_with(root: &Path, values: &[(u32, u64)], properties: WriterProperties) {
    let message = "message m { optional int96 t; repeated int96 l; }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let file = create(root, "data/a.parquet");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    let values: Vec<Int96> = values
        .iter()
        .map(|(day, nanos)| {
            let mut value = Int96::new();
            value.set_data(*nanos as u32, (nanos >> 32) as u32, *day);
            value
        })
        .collect();
    let levels = vec![1; values.len()];
    let starts = vec![0; values.len()];
    while let Some(mut column) = row_group.next_column().unwrap() {
        column
            .typed::<Int96Type>()
            .write_batch(&values, Some(&levels), Some(&starts))
            .unwrap();
        column.close().unwrap();
    }
    row_group.close().unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn int96_reaches_beyond_the_range_of_nanoseconds() {
    let root = tempdir().unwrap();
    // 0001-01-01, 2024-02-29, 9999-12-31.
    let values = [
        (1_721_426, 0),
        (2_460_370, 1_000),
        (5_373_484, 86_399_999_999_000),
    ];
    write_int96(root.path(), &values);
    assert_eq!(
        rows(&parquet(&root), "SELECT t FROM t").await,
        "0001-01-01T00:00:00; 2024-02-29T00:00:00.000001; 9999-12-31T23:59:59.999999"
    );
    assert_eq!(
        rows(
            &parquet(&root),
            "SELECT t FROM t WHERE t = TIMESTAMP '2024-02-29 00:00:00.000001'"
        )
        .await,
        "2024-02-29T00:00:00.000001"
    );
    assert_eq!(
        rows(
            &parquet(&root),
            "SELECT l[1] FROM t WHERE date_part('year', t) < 1000"
        )
        .await,
        "0001-01-01T00:00:00"
    );
}

#[tokio::test]
async fn int96_has_the_zone_that_the_file_says() {
    let root = tempdir().unwrap();
    for unit in [TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        let moments = DataType::Timestamp(unit, Some("UTC".into()));
        let of_file = schema(&[
            ("t", moments.clone()),
            (
                "l",
                DataType::List(Arc::new(Field::new("l", moments, false))),
            ),
        ]);
        let values = [(2_460_370, 3_723_000_000_000), (5_373_484, 0)];
        write_int96_with(root.path(), &values, of_schema(&of_file));
        let source = parquet(&root);
        let sql = "SELECT t, arrow_typeof(t) AS k FROM t ORDER BY t LIMIT 1";
        assert_eq!(
            rows(&source, sql).await,
            "2024-02-29T01:02:03Z Timestamp(µs, \"UTC\")",
            "{unit:?}"
        );
        // As pipelines that have declared it.
        let declared = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let locked_as = schema(&[("t", declared)]);
        let source = FileSource {
            unknown: Unknown::Ignore,
            ..source
        };
        assert_eq!(
            locked(&source, locked_as, "SELECT t FROM t ORDER BY t").await,
            "2024-02-29T01:02:03Z; 9999-12-31T00:00:00Z"
        );
    }
    // Without it they are what clocks show, and no moments.
    write_int96(root.path(), &[(2_460_370, 0)]);
    let moments = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let error = table_error(&parquet(&root), Some(schema(&[("t", moments)]))).await;
    assert!(
        error
            .to_string()
            .contains("which cannot be read as timestamptz"),
        "{error}"
    );
}

#[tokio::test]
async fn nanoseconds_of_int96_are_not_cut() {
    let root = tempdir().unwrap();
    write_int96(root.path(), &[(2_460_370, 0), (2_460_370, 1)]);
    for column in ["t", "l"] {
        let sql = format!("SELECT {column} FROM t");
        let error = query(&parquet(&root), &sql).await.unwrap_err().to_string();
        let wrong = "`data/a.parquet` row 2";
        assert!(error.contains(wrong), "{error}");
        let wrong = "`2024-02-29T00:00:00.000000001`";
        assert!(error.contains(wrong), "{error}");
    }
    let mut source = parquet(&root);
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let columns = vec![Field::new("t", nanoseconds, true)];
    source.columns = Some(Arc::new(Schema::new(columns)));
    assert_eq!(
        rows(&source, "SELECT t FROM t").await,
        "2024-02-29T00:00:00; 2024-02-29T00:00:00.000000001"
    );
    write_int96(root.path(), &[(2_460_370, 1), (5_373_484, 0)]);
    let error = query(&source, "SELECT t FROM t").await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`data/a.parquet` row 2"), "{error}");
    assert!(error.contains("`9999-12-31T00:00:00`"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_replaced_after_the_plan_is_named() {
    let root = tempdir().unwrap();
    let column = |rows: i64| Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef;
    for (first, second) in [(1_000, 10), (10, 1_000)] {
        write(root.path(), "data/a.parquet", &[("n", column(first))]);
        let context = session();
        let table = open(&parquet(&root), None, &context.state()).await.unwrap();
        context.register_table("t", table).unwrap();
        let plan = context
            .sql("SELECT n FROM t")
            .await
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        write(root.path(), "data/a.parquet", &[("n", column(second))]);
        let read = datafusion::physical_plan::collect(plan, context.task_ctx()).await;
        let error = read.unwrap_err().to_string();
        assert!(
            error.contains("`data/a.parquet` was changed while it was read"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn damaged_files_give_an_error_or_their_values() {
    let root = tempdir().unwrap();
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Float64, true)),
        Arc::new(Float64Array::from_iter_values((0..50).map(f64::from))) as ArrayRef,
    )]);
    let texts: Vec<String> = (0..50).map(|row| format!("text {}", row % 7)).collect();
    let bytes_of: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    write(
        root.path(),
        "data/a.parquet",
        &[
            ("n", Arc::new(Int64Array::from_iter_values(0..50))),
            ("s", Arc::new(nested)),
            ("t", Arc::new(StringArray::from(texts.clone()))),
            ("b", Arc::new(BinaryArray::from(bytes_of))),
            (
                "f",
                Arc::new(
                    FixedSizeBinaryArray::try_from_iter((0..50).map(|row| [row as u8; 3])).unwrap(),
                ),
            ),
        ],
    );
    let whole = fs::read(root.path().join("data/a.parquet")).unwrap();
    // Same seed, same damage.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let source = parquet(&root);
    for round in 0..300 {
        let mut damaged = whole.clone();
        for _ in 0..=round % 4 {
            // Every other time in the footer, which is what readers trust.
            let from = if round % 2 == 0 {
                whole.len() * 2 / 3
            } else {
                4
            };
            let at = from + next() % (whole.len() - 4 - from);
            damaged[at] ^= 1 << (next() % 8);
        }
        put(root.path(), "data/a.parquet", &damaged);
        // An error names the file; a flipped value looks like any other.
        if let Err(error) = query(&source, "SELECT * FROM t").await {
            let error = error.to_string();
            assert!(
                error.contains("data/a.parquet") || error.contains("flights"),
                "{error}"
            );
        }
    }
}
