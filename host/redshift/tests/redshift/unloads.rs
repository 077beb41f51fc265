//! What UNLOAD writes, and what it leaves as it was.

use bytes::Bytes;
use parquet::basic::{Repetition, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use transom_redshift::{Isolation, Objects, Session};

use crate::{Fresh, OneBucket, fresh, run};

async fn keys(bucket: &OneBucket, prefix: &str) -> Vec<String> {
    let objects = bucket.list("bucket", prefix).await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

async fn text(bucket: &OneBucket, key: &str) -> String {
    let bytes = bucket.get("bucket", key).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn table() -> (Fresh, Session) {
    let fresh = fresh(Isolation::Snapshot);
    let session = fresh.engine.session("transom");
    let create = "create table u as select 1 as day, true as b, 'x|y'::varchar(10) as \"a|b\", 2.5::decimal(8, 2) as m";
    run(&session, &[create]).await;
    (fresh, session)
}

#[tokio::test]
async fn cleaning_leaves_other_partitions_and_paths() {
    let (fresh, session) = table().await;
    let bucket = &fresh.bucket;
    let old = [
        "daily/day=1/old",
        "daily/day=10/old",
        "daily/day=2/old",
        "daily2/old",
    ];
    for key in old {
        bucket
            .put("bucket", key, Bytes::from_static(b"old"))
            .await
            .unwrap();
    }
    let unload = |query: &str| {
        format!(
            "unload ('{query}') to 's3://bucket/daily' iam_role default csv partition by (day) cleanpath manifest"
        )
    };
    run(&session, &[&unload("select day, m from u where day > 5")]).await;
    assert_eq!(keys(bucket, "daily").await, old);
    run(&session, &[&unload("select day, m from u")]).await;
    assert_eq!(
        keys(bucket, "daily").await,
        [
            "daily/day=1/0000_part_00",
            "daily/day=10/old",
            "daily/day=2/old",
            "daily/manifest",
            "daily2/old",
        ]
    );
    // Without partitions a path is what keys begin with.
    run(
        &session,
        &["unload ('select day from u') to 's3://bucket/daily2' iam_role default csv cleanpath"],
    )
    .await;
    assert_eq!(keys(bucket, "daily2").await, ["daily20000_part_00"]);
}

#[tokio::test]
async fn names_are_written_as_values_are() {
    let (fresh, session) = table().await;
    run(
        &session,
        &[
            "unload ('select day, \"a|b\" from u') to 's3://bucket/a/' iam_role default header addquotes escape",
            "unload ('select day as \"q,r\", \"a|b\" as \"s\"\"t\" from u') to 's3://bucket/b/' iam_role default csv header",
            "unload ('select day, b, null::boolean as c from u') to 's3://bucket/c/' iam_role default json",
        ],
    )
    .await;
    let bucket = &fresh.bucket;
    assert_eq!(
        text(bucket, "a/0000_part_00").await,
        "\"day\"|\"a\\|b\"\n\"1\"|\"x\\|y\"\n"
    );
    assert_eq!(
        text(bucket, "b/0000_part_00").await,
        "\"q,r\",\"s\"\"t\"\n1,x|y\n"
    );
    assert_eq!(
        text(bucket, "c/0000_part_00.json").await,
        "{\"day\":1,\"b\":\"t\",\"c\":null}\n"
    );
}

#[tokio::test]
async fn a_verbose_manifest_has_sizes_of_types_and_lines_of_headers() {
    let (fresh, session) = table().await;
    run(
        &session,
        &["unload ('select day, \"a|b\", m from u') to 's3://bucket/v/' iam_role default csv header manifest verbose"],
    )
    .await;
    let manifest = text(&fresh.bucket, "v/manifest").await;
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let length = text(&fresh.bucket, "v/0000_part_00").await.len();
    let counts = serde_json::json!({ "content_length": length, "record_count": 2 });
    let elements = serde_json::json!([
        { "name": "day", "type": { "base": "integer" } },
        { "name": "a|b", "type": { "base": "character varying", "max_length": 10 } },
        { "name": "m", "type": { "base": "numeric", "precision": 8, "scale": 2 } },
    ]);
    let expected = serde_json::json!({
        "entries": [{ "url": "s3://bucket/v/0000_part_00", "meta": counts }],
        "schema": { "elements": elements },
        "meta": counts,
        "author": { "name": "Amazon Redshift", "version": "1.0.0" },
    });
    assert_eq!(manifest, expected);
}

#[tokio::test]
async fn files_have_as_many_bytes_as_they_may() {
    let fresh = fresh(Isolation::Snapshot);
    let session = fresh.engine.session("transom");
    // Quotes take twice their bytes in JSON and CSV: 128 rows of 120 kB each, of which 43 are less than 5 MB.
    run(
        &session,
        &["create table wide as select repeat('\"', 60000) as t"],
    )
    .await;
    run(&session, &["insert into wide select t from wide"; 7]).await;
    let formats = [
        ("json", vec![43, 43, 42]),
        ("csv", vec![43, 43, 42]),
        // What is written counts, not what it is made of.
        ("csv zstd", vec![128]),
        ("parquet", vec![128]),
    ];
    for (format, expected) in formats {
        let unload = format!(
            "unload ('select t from wide') to 's3://bucket/{format}/' iam_role default {format} manifest verbose maxfilesize 5 mb"
        );
        run(&session, &[&unload]).await;
        let manifest = text(&fresh.bucket, &format!("{format}/manifest")).await;
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let entries = manifest["entries"].as_array().unwrap();
        let rows: Vec<u64> = entries
            .iter()
            .map(|entry| entry["meta"]["record_count"].as_u64().unwrap())
            .collect();
        assert_eq!(rows, expected, "{format}");
        for entry in entries {
            let bytes = entry["meta"]["content_length"].as_u64().unwrap();
            assert!(bytes <= 5 << 20, "{format}: {bytes} bytes");
        }
    }
}

#[tokio::test]
async fn packed_files_have_a_limit_too() {
    let fresh = fresh(Isolation::Snapshot);
    let session = fresh.engine.session("transom");
    // Digits of hashes, which cannot be packed to less than half of their bytes.
    run(
        &session,
        &[
            "create table n as select 1 as n",
            "insert into n select n + 1 from n",
            "insert into n select n + 2 from n",
            "insert into n select n + 4 from n",
            "insert into n select n + 8 from n",
            "create table h as select sha2(cast(a.n * 4096 + b.n * 256 + c.n * 16 + d.n as varchar(20)), 512) as t \
             from n a, n b, n c, n d",
            "create table m as select t as a, reverse(t) as b from h",
        ],
    )
    .await;
    run(
        &session,
        &["unload ('select a, b from m') to 's3://bucket/m/' iam_role default zstd maxfilesize 5 mb"],
    )
    .await;
    let objects = fresh.bucket.list("bucket", "m/").await.unwrap();
    assert!(objects.len() > 1, "{objects:?}");
    for object in objects {
        assert!(object.size <= 5 << 20, "{object:?}");
    }
}

#[tokio::test]
async fn columns_of_parquet_are_optional_and_timestamps_have_twelve_bytes() {
    let (fresh, session) = table().await;
    run(
        &session,
        &[
            "create table n (id int not null, at timestamp not null, zoned timestamptz, m decimal(18, 2))",
            "insert into n values (1, '2020-01-02 03:04:05.000006', '2020-01-02 03:04:05+00', 1.5)",
            "unload ('select * from n') to 's3://bucket/p/' iam_role default parquet parallel off",
        ],
    )
    .await;
    assert_eq!(keys(&fresh.bucket, "p/").await, ["p/000.parquet"]);
    let bytes = fresh.bucket.get("bucket", "p/000.parquet").await.unwrap();
    let reader = SerializedFileReader::new(bytes).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let columns = schema.columns().iter().map(|column| {
        let basic = column.self_type().get_basic_info();
        (column.physical_type(), basic.repetition())
    });
    let columns: Vec<(Physical, Repetition)> = columns.collect();
    let physical = [
        Physical::INT32,
        Physical::INT96,
        Physical::INT96,
        Physical::FIXED_LEN_BYTE_ARRAY,
    ];
    assert_eq!(columns, physical.map(|each| (each, Repetition::OPTIONAL)));
}

#[tokio::test]
async fn without_rows_there_is_no_file_and_no_manifest() {
    let (fresh, session) = table().await;
    for format in [
        "csv header",
        "json",
        "parquet",
        "parquet partition by (day)",
    ] {
        let unload = format!(
            "unload ('select * from u where day > 5') to 's3://bucket/none/' iam_role default {format} manifest"
        );
        run(&session, &[&unload]).await;
        assert!(keys(&fresh.bucket, "none/").await.is_empty(), "{format}");
    }
}

#[tokio::test]
async fn overwriting_leaves_what_has_another_name() {
    let (fresh, session) = table().await;
    let bucket = &fresh.bucket;
    let old = ["over/000", "over/manifest", "over/other"];
    for key in old {
        let bytes = Bytes::from_static(b"old");
        bucket.put("bucket", key, bytes).await.unwrap();
    }
    let unload = "unload ('select day from u') to 's3://bucket/over/' iam_role default csv parallel off manifest";
    let refused = session.run(unload, &[]).await.unwrap_err();
    assert_eq!(refused.rule().name, "UNLOAD_NOT_EMPTY");
    for key in old {
        assert_eq!(text(bucket, key).await, "old", "{key}");
    }
    run(&session, &[&format!("{unload} allowoverwrite")]).await;
    assert_eq!(keys(bucket, "over/").await, old);
    assert_eq!(text(bucket, "over/000").await, "1\n");
    assert_eq!(text(bucket, "over/other").await, "old");
    assert!(text(bucket, "over/manifest").await.contains("over/000"));
}
