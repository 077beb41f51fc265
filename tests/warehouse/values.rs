//! Values arrive as they are, or are refused before anything is decided, with the row and the way out.

use std::sync::{Arc, Mutex};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryArray, Date32Array, Float32Array, Float64Array,
    Int64Array, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use transom_commit::Attempt;
use transom_connect::{RedshiftSink, Refused, RefusedRows, Sink};
use transom_file::spec::LoadMode;

use crate::world::{World, chain, rows, stage, stage_as};

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

async fn refused(sink: &RedshiftSink, rows: RecordBatch) -> String {
    let error = stage(sink, Attempt::random(), rows).await.unwrap_err();
    format!("{} -> {}", chain(&error), error.hint().unwrap_or_default())
}

/// Rows that were set apart: partition, number from 0, and why.
#[derive(Debug, Default)]
struct Apart(Mutex<Vec<(i64, u64, String)>>);

impl RefusedRows for Apart {
    fn put(&self, refused: Refused) -> Result<(), ArrowError> {
        let ids = refused.rows.column(0).as_primitive::<Int64Type>().clone();
        let numbers = refused.numbers.into_iter().zip(refused.reasons);
        let of = |(row, (number, why))| {
            (
                if ids.is_valid(row) {
                    ids.value(row)
                } else {
                    -1
                },
                number,
                why,
            )
        };
        self.0.lock().unwrap().extend(numbers.enumerate().map(of));
        Ok(())
    }
}

#[tokio::test]
async fn all_rows_that_the_table_cannot_hold_are_set_apart_and_no_others() {
    let world = World::new().await;
    world
        .sql("CREATE TABLE public.daily (id INTEGER NOT NULL, t VARCHAR(4), _transom_seq BIGINT)")
        .await;
    let apart = Arc::new(Apart::default());
    let sink = RedshiftSink {
        refused: Some(Arc::clone(&apart) as _),
        ..world.sink(LoadMode::Append)
    };
    // Misfits of several kinds, in both columns, next to each other and far apart; one row has two.
    let wrong = |row: i64| match row {
        3 | 999 => Some("`id`: the column is NOT NULL"),
        0 | 4 | 255 => Some("`id`: the column is integer"),
        5 | 6 | 700 => Some("`t`: it has a character NUL"),
        2 | 256 | 998 => Some("`t`: it has 6 bytes, and the column is varchar(4)"),
        _ => None,
    };
    let id = |row: i64| match wrong(row) {
        Some(why) if why.ends_with("NOT NULL") => None,
        Some(why) if why.ends_with("integer") => Some(row + (1 << 40)),
        _ => Some(row),
    };
    let text = |row: i64| match wrong(row) {
        Some(why) if why.ends_with("NUL") => "a\0b",
        Some(why) if why.starts_with("`t`") => "abcdef",
        Some(_) if row == 4 => "abcdef",
        _ => "abcd",
    };
    let ids = (0..1000).map(id).collect::<Int64Array>();
    let texts = StringArray::from_iter_values((0..1000).map(text));
    let rows = table(vec![("id", Arc::new(ids)), ("t", Arc::new(texts))]);
    world.load(&sink, [rows]).await.unwrap();
    let counted = world.sql("SELECT count(*), count(DISTINCT id) FROM public.daily");
    assert_eq!(counted.await, "989 989");
    let mut apart = apart.0.lock().unwrap().clone();
    apart.sort();
    // Two streams load half of the rows each, and count their own.
    let expected = (0..1000_i64).filter_map(|row| {
        let number = row.unsigned_abs() % 500;
        Some((id(row).unwrap_or(-1), number, wrong(row)?.to_owned()))
    });
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    assert_eq!(apart, expected);
    // Nothing but such rows.
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["abcdef"]));
    let rows = table(vec![
        ("id", Arc::new(Int64Array::from(vec![7]))),
        ("t", texts),
    ]);
    world.load(&sink, [rows]).await.unwrap();
    let counted = world.sql("SELECT count(*) FROM public.daily");
    assert_eq!(counted.await, "989");
}

#[tokio::test]
async fn every_type_arrives_as_it_is() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let time = DataType::Time64(TimeUnit::Nanosecond);
    let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Berlin".into()));
    let load = rows(
        &[
            ("i8", DataType::Int8),
            ("u16", DataType::UInt16),
            ("u32", DataType::UInt32),
            ("u64", DataType::UInt64),
            ("f", DataType::Float32),
            ("d", DataType::Float64),
            ("dec", DataType::Decimal128(20, 4)),
            ("b", DataType::Boolean),
            ("t", DataType::LargeUtf8),
            ("day", DataType::Date64),
            ("at", DataType::Timestamp(TimeUnit::Second, None)),
            ("zoned", zoned),
            ("time", time),
        ],
        &[
            &[
                "-128",
                "65535",
                "4294967295",
                "18446744073709551615",
                "1.5",
                "0.1",
                "-12345678901234.5678",
                "true",
                "ä 'x' \\ \"",
                "1969-12-31",
                "2026-11-01 10:00:00",
                "2026-11-01 10:00:00.5+00:00",
                "23:59:59.000001",
            ],
            &["-"; 13],
        ],
    );
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world
            .sql(
                "SELECT i8, u16, u32, u64, f, d, dec, b, t, day, at, zoned, \"time\" FROM public.daily ORDER BY i8 NULLS LAST"
            )
            .await,
        format!(
            "-128 65535 4294967295 18446744073709551615 1.5 0.1 -12345678901234.5678 true ä 'x' \\ \" 1969-12-31 \
             2026-11-01 10:00:00 2026-11-01 10:00:00.5+00 23:59:59.000001; {}",
            ["NULL"; 13].join(" ")
        )
    );
    let types = "SELECT column_name, data_type FROM svv_columns WHERE table_name = 'daily' ORDER BY ordinal_position";
    assert_eq!(
        world.sql(types).await,
        "i8 smallint; u16 integer; u32 bigint; u64 numeric; f real; d double precision; dec numeric; b boolean; \
         t character varying; day date; at timestamp without time zone; zoned timestamp with time zone; \
         time time without time zone; _transom_seq bigint"
    );
}

#[tokio::test]
async fn nested_values_become_super() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None, Some(3)])]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a \"b\""]));
    let field = Arc::new(Field::new("Name", DataType::Utf8, true));
    let load = table(vec![
        ("list", Arc::new(list)),
        ("record", Arc::new(StructArray::from(vec![(field, text)]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]]))),
    ]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT json_serialize(list), json_serialize(record), to_hex(bytes) FROM public.daily")
            .await,
        r#"[1,null,3] {"Name":"a \"b\""} 00ff"#
    );
}

#[tokio::test]
async fn what_is_too_large_for_a_super_is_refused() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let records = |lengths: [usize; 4]| {
        let texts = lengths.map(|length| "a".repeat(length));
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let field = Arc::new(Field::new("Name", DataType::Utf8, true));
        let records: ArrayRef = Arc::new(StructArray::from(vec![(field, texts)]));
        table(vec![("record", records)])
    };
    assert_eq!(
        refused(&sink, records([1, 1, 1, 65_536])).await,
        format!(
            "sink `mart`: column `record` holds `{{Name: {}…` in row 2, which the table cannot hold: its `.Name` has 65536 bytes, and \
             a text in a SUPER has 65535 at most -> shorten it in the last step; or leave such rows out, or write NULL in its place",
            "a".repeat(60 - "{Name: ".len())
        )
    );
    // Texts that are short enough, and too many of them.
    let long = vec![Some("a".repeat(60_000)); 300];
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value(long);
    let large = refused(&sink, table(vec![("list", Arc::new(lists.finish()))])).await;
    let said = "it has 18000901 bytes as JSON, and a SUPER has 16000000 at most";
    assert!(large.contains(said), "{large}");
    world
        .load(&sink, [records([1, 1, 1, 65_535])])
        .await
        .unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM public.daily").await, "4");
}

#[tokio::test]
async fn values_that_a_column_does_not_take_are_refused_with_their_row() {
    let world = World::new().await;
    world
        .sql(
            "CREATE TABLE public.daily (small smallint, dec numeric(5,2), c char(2), must int not null, f real, at timestamp, day date, \
             _transom_seq bigint)",
        )
        .await;
    let sink = world.sink(LoadMode::Append);
    let columns = [
        ("small", DataType::Int64),
        ("dec", DataType::Decimal128(10, 3)),
        ("c", DataType::Utf8),
        ("must", DataType::Int32),
        ("f", DataType::Float64),
        ("at", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("day", DataType::Date32),
    ];
    let good = [
        "1",
        "1.500",
        "ab",
        "1",
        "1.5",
        "2026-11-01 10:00:00",
        "2026-11-01",
    ];
    let with = |at: usize, value: &'static str| {
        let mut bad = good;
        bad[at] = value;
        rows(&columns, &[&good, &good, &good, &bad])
    };
    let leave = "leave such rows out, convert the column in the last step, or give the table's column another type";
    for (at, value, expected) in [
        (0, "40000", format!("column `small` holds 40000 in row 2, which the table cannot hold: the column is smallint -> {leave}")),
        (1, "1.234", format!("column `dec` holds 1.234 in row 2, which the table cannot hold: the column is numeric(5,2) -> {leave}")),
        (1, "1000.00", format!("column `dec` holds 1000.000 in row 2, which the table cannot hold: the column is numeric(5,2) -> {leave}")),
        (2, "abc", "column `c` holds `abc` in row 2, which the table cannot hold: it has 3 bytes, and the column is char(2) -> \
             make the column longer: `schema: widen`, or `ALTER TABLE public.daily ALTER COLUMN \"c\" TYPE VARCHAR(..)`".to_owned()),
        (2, "ä", "column `c` holds `ä` in row 2, which the table cannot hold: the column is char(2), which holds single bytes and no \
             blanks at the end -> make it a VARCHAR column".to_owned()),
        (3, "-", "column `must` holds NULL in row 2, which the table cannot hold: the column is NOT NULL -> \
             leave such rows out: `WHERE must IS NOT NULL`".to_owned()),
        (4, "0.1", format!("column `f` holds 0.1 in row 2, which the table cannot hold: the column is real -> {leave}")),
        (5, "2026-11-01 10:00:00.000000001", format!(
            "column `at` holds 2026-11-01T10:00:00.000000001 in row 2, which the table cannot hold: the column is timestamp -> {leave}"
        )),
    ] {
        assert_eq!(refused(&sink, with(at, value)).await, format!("sink `mart`: {expected}"));
    }
    world.load(&sink, [rows(&columns, &[&good])]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT small, dec, c, must, f, at, day FROM public.daily")
            .await,
        "1 1.50 ab 1 1.5 2026-11-01 10:00:00 2026-11-01"
    );
}

#[tokio::test]
async fn values_that_redshift_has_not_are_refused() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let nul = table(vec![("text", Arc::new(StringArray::from(vec!["a\0b"])))]);
    assert_eq!(
        refused(&sink, nul).await,
        "sink `mart`: column `text` holds `a\\u{0}b` in row 1, which the table cannot hold: it has a character NUL -> \
         take it out: `regexp_replace(text, '\\x00', '', 'g')`"
    );
    let date = table(vec![("day", Arc::new(Date32Array::from(vec![i32::MAX])))]);
    assert!(
        refused(&sink, date)
            .await
            .contains("dates reach from 4713 BC")
    );
    let at = Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN]));
    assert!(
        refused(&sink, table(vec![("at", at)]))
            .await
            .contains("timestamps reach from 4713 BC")
    );
    // NaN and infinity are numbers of Redshift.
    let numbers = table(vec![
        ("f", Arc::new(Float32Array::from(vec![f32::NAN, 1.0]))),
        ("d", Arc::new(Float64Array::from(vec![f64::INFINITY, 1.0]))),
    ]);
    world.load(&sink, [numbers]).await.unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM public.daily").await, "2");
}

#[tokio::test]
async fn keys_are_never_null_or_nan() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Merge);
    let load = |id: Option<f64>, at: Option<i64>| {
        table(vec![
            ("id", Arc::new(Float64Array::from(vec![id])) as ArrayRef),
            ("at", Arc::new(Int64Array::from(vec![at]))),
        ])
    };
    assert!(
        refused(&sink, load(None, Some(1)))
            .await
            .contains("column `id` holds NULL in row 1")
    );
    assert!(
        refused(&sink, load(Some(1.0), None))
            .await
            .contains("column `at` holds NULL in row 1")
    );
    let nan = refused(&sink, load(Some(f64::NAN), Some(1))).await;
    assert!(
        nan.ends_with(
            "rows are found by the column, and NaN is equal to nothing -> leave such rows out: `WHERE NOT isnan(id)`; or name another column"
        ),
        "{nan}"
    );
    world.load(&sink, [load(Some(1.0), Some(1))]).await.unwrap();
}

#[tokio::test]
async fn texts_by_which_rows_are_found_have_no_blanks_at_their_ends() {
    let world = World::new().await;
    // Redshift takes the two for one: a load of the one would delete rows of the other.
    assert_eq!(
        world.sql("SELECT CAST('a ' AS VARCHAR(8)) = 'a'").await,
        "true"
    );
    let columns = [
        ("id", DataType::Utf8),
        ("at", DataType::Int64),
        ("day", DataType::Utf8),
    ];
    let refusal = |column: &str| {
        format!(
            "sink `mart`: column `{column}` holds `a ` in row 1, which the table cannot hold: rows are found by the column, and Redshift \
             ignores blanks at the end: it would take the value for `a` -> cut the blanks, `rtrim({column})`, or write another text \
             in its place"
        )
    };
    let merge = world.sink(LoadMode::Merge);
    let key = rows(&columns, &[&["a ", "1", "a"]]);
    assert_eq!(refused(&merge, key).await, refusal("id"));
    let partitions = world.sink(LoadMode::OverwritePartitions);
    let day = rows(&columns, &[&["a", "1", "a "]]);
    assert_eq!(refused(&partitions, day).await, refusal("day"));
    // A partition of which no rows are left would be deleted, and the other one with it.
    let attempt = transom_connect::Attempt {
        replaces: Some(transom_connect::Replaces {
            column: "day".to_owned(),
            values: [Some("a ".to_owned())].into(),
        }),
        ..transom_connect::Attempt::new("0123456789abcdef0123456789abcdef".to_owned())
    };
    let none = rows(&columns, &[]);
    let error = stage_as(&partitions, attempt, none).await.unwrap_err();
    assert_eq!(
        format!("{error} -> {}", error.hint().unwrap_or_default()),
        refusal("day")
    );
    // In other columns, blanks are values.
    let padded = rows(&columns, &[&["b ", "1", "b"]]);
    world.load(&partitions, [padded]).await.unwrap();
    assert_eq!(
        world.sql("SELECT octet_length(id) FROM public.daily").await,
        "2"
    );
}

#[tokio::test]
async fn what_has_no_type_or_name_in_redshift_is_refused_before_anything_runs() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Merge);
    let check = |sink: &RedshiftSink, batch: &RecordBatch| {
        let error = sink.check(&batch.schema()).unwrap_err();
        format!("{error} -> {}", error.hint().unwrap_or_default())
    };
    let number = || Arc::new(UInt64Array::from(vec![1])) as ArrayRef;
    for (columns, expected) in [
        (
            vec![("id", number()), ("At", number()), ("ID", number())],
            "column `ID` cannot have this name in Redshift: another column has it, but for small and large letters, which Redshift \
             does not tell apart -> give it another name in the last step: `\"ID\" AS name`",
        ),
        (
            vec![
                ("id", number()),
                ("at", number()),
                ("_transom_seq", number()),
            ],
            "column `_transom_seq` cannot have this name in Redshift: tables have another column of this name -> \
             give it another name in the last step: `\"_transom_seq\" AS name`",
        ),
        (
            vec![("id", number()), ("att", number())],
            "`order_by` names `at`, which is not among the columns: `id`, `att` -> did you mean `att`?",
        ),
    ] {
        assert_eq!(
            check(&sink, &table(columns)),
            format!("sink `mart`: {expected}")
        );
    }
    sink.table.mode = LoadMode::Append;
    sink.table.keys.clear();
    sink.table.order_by.clear();
    let decimal = rows(&[("big", DataType::Decimal256(60, 2))], &[&["1"]]);
    assert_eq!(
        check(&sink, &decimal),
        "sink `mart`: column `big` of type decimal(60,2) cannot be written as a column of Redshift: a NUMERIC has 38 digits, \
         37 of them behind the point -> write it as text in the last step: `CAST(big AS VARCHAR)`"
    );
}
