//! What is S3's alone: keys, pointers, objects that change, and what is refused.

use std::sync::Arc;

use transom_connect::{
    Attempt, Aws, ErrorKind, FileSink, Input, Location, Sink, SinkError, Source,
};
use transom_file::spec::{AwsOptions, Compression, CsvOptions, Endpoint, Format, SinkFormat};

use crate::places::Somewhere;
use crate::support::{self, CSV, apply, open, session, shown, stage, stream, table};

#[tokio::test]
async fn keys_are_taken_as_they_are() {
    let place = Somewhere::local_s3().await;
    for key in [
        "raw//twice//a.csv",
        "raw/with space/a+b=c.csv",
        "raw/é 漢字/100%/a.csv",
        "raw/./dot/../a.csv",
    ] {
        place.put(key, "id\n1\n").await;
        let source = place.source(key, CSV());
        let found = source.list().await.unwrap();
        assert_eq!(found.pieces.len(), 1, "{key}");
        assert!(found.pieces[0].path.to_str().unwrap().ends_with(key));
        assert!(
            shown(&source, "SELECT id FROM t").await.contains("| 1  |"),
            "{key}"
        );
    }
    let all = place.source("raw/", CSV()).list().await.unwrap();
    // Names that begin with a point are hidden from who lists.
    assert_eq!(all.pieces.len(), 3);
}

#[tokio::test]
async fn an_object_that_was_put_in_other_parts_has_its_content() {
    let place = Somewhere::local_s3().await;
    let content = "id\n1234567\n".repeat((6 << 20) / 11);
    let (first, second) = content.as_bytes().split_at(5 << 20);
    let source = place.source("raw/a.csv", CSV());
    let listed = async || source.list().await.unwrap().pieces[0].clone();
    let etag = |piece: &Input| match &piece.location {
        Location::Object { etag, .. } => etag.clone(),
        Location::File(path) => panic!("{} is a file", path.display()),
    };
    place.put("raw/a.csv", &content).await;
    let whole = listed().await;
    place.put_in_parts("raw/a.csv", &[first, second]).await;
    let in_parts = listed().await;
    assert_ne!(etag(&whole), etag(&in_parts));
    let has = async |piece: &Input, noted: &str| source.has_content(piece, noted).await.unwrap();
    assert_eq!(has(&in_parts, &etag(&whole)).await, Some(true));
    // An ETag that is not made of MD5s does not tell.
    assert_eq!(has(&in_parts, "\"abc\"").await, None);
    // It is not read as another one than it was listed as.
    let error = source.has_content(&whole, &etag(&in_parts)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Temporary);
    place.put("raw/a.csv", &content).await;
    assert_eq!(has(&whole, &etag(&in_parts)).await, Some(true));
    place.put("raw/a.csv", content.replace('7', "8")).await;
    let other = listed().await;
    for before in [&whole, &in_parts] {
        assert_eq!(has(&other, &etag(before)).await, Some(false));
    }
}

#[tokio::test]
async fn a_pattern_is_an_object_a_prefix_or_a_glob() {
    let place = Somewhere::local_s3().await;
    for key in [
        "raw/day=1/a.csv",
        "raw/day=1/_tmp/b.csv",
        "raw/day=1/.hidden.csv",
        "raw/day=2/b.csv",
        "raw/day=2/notes.txt",
        "raw2/c.csv",
        "raw/",
    ] {
        place.put(key, "id\n1\n").await;
    }
    let count = async |pattern: &str| {
        let found = place.source(pattern, CSV()).list().await;
        found.map_or(0, |found| found.pieces.len())
    };
    assert_eq!(count("raw").await, 2, "no prefix of a name is a folder");
    assert_eq!(count("raw/").await, 2);
    assert_eq!(count("raw/day=1/a.csv").await, 1);
    assert_eq!(count("raw/*/a.csv").await, 1);
    assert_eq!(count("raw/**/*.csv").await, 2);
    assert_eq!(count("raw*/**/*.csv").await, 3);
    assert_eq!(
        count("raw/day=2/notes.txt").await,
        1,
        "what is named is taken"
    );
    let source = place.source("raw", CSV());
    assert!(
        shown(&source, "SELECT sum(day) AS days FROM t")
            .await
            .contains("| 3    |")
    );
    let error = place
        .source("raw/day=3/x.csv", CSV())
        .list()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no CSV file matches") && text.contains("holds `day=1/`, `day=2/`"),
        "{text}"
    );
}

#[tokio::test]
async fn an_object_that_changes_after_it_was_listed_is_an_error_that_names_it() {
    let place = Somewhere::local_s3().await;
    let sink = place.sink(SinkFormat::default(), &[]);
    let rows = |ids: &[Option<i64>]| table(ids, &vec![Some("x"); ids.len()]);
    let parquet = transom_connect::encode(&rows(&[Some(1)]), &SinkFormat::default()).unwrap();
    let other =
        transom_connect::encode(&rows(&[Some(1), Some(2)]), &SinkFormat::default()).unwrap();
    drop(sink);
    for (key, format, old, new) in [
        ("raw/a.csv", CSV(), b"id\n1\n".to_vec(), b"id\n2\n".to_vec()),
        (
            "raw/a.json",
            Format::Json,
            b"{\"id\":1}\n".to_vec(),
            b"{\"id\":2}\n".to_vec(),
        ),
        ("raw/a.parquet", Format::Parquet, parquet, other),
    ] {
        place.put(key, &old).await;
        let source = place.source(key, format);
        let context = session();
        let table = open(&source, None, &context.state()).await.unwrap();
        context.register_table("t", table).unwrap();
        place.put(key, &new).await;
        let error = context
            .sql("SELECT id FROM t")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap_err();
        let text = chain(&error);
        assert!(
            text.contains(key) && text.contains("changed or deleted since it was listed"),
            "{text}"
        );
        // What is listed again is what is read.
        assert!(
            shown(&source, "SELECT max(id) AS last FROM t")
                .await
                .contains("| 2    |")
        );
    }
}

#[tokio::test]
async fn inputs_that_were_written_down_are_read_in_another_process() {
    let place = Somewhere::local_s3().await;
    place.put("raw/a.csv", "id\n1\n").await;
    let listed = place.source("raw/", CSV()).list().await.unwrap();
    let document = serde_json::to_string(&listed).unwrap();
    place.put("raw/b.csv", "id\n2\n").await;
    let inputs = serde_json::from_str(&document).unwrap();
    // A source that has listed nothing.
    let source = place.source("raw/", CSV());
    let context = session();
    let table = source.table(&inputs, None, &context.state()).await.unwrap();
    context.register_table("t", table).unwrap();
    let rows = context
        .sql("SELECT id FROM t")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
}

#[tokio::test]
async fn large_files_are_written_in_parts_and_read_in_ranges() {
    let place = Somewhere::local_s3().await;
    const ROWS: i64 = 400_000;
    let text = |n: i64| {
        format!(
            "{:>60}",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed())
        )
    };
    let batches: Vec<_> = (0..ROWS / 8000)
        .map(|batch| {
            let ids: Vec<_> = (batch * 8000..(batch + 1) * 8000).map(Some).collect();
            let texts: Vec<_> = ids.iter().map(|id| text(id.unwrap())).collect();
            let texts: Vec<_> = texts.iter().map(|text| Some(text.as_str())).collect();
            table(&ids, &texts)
        })
        .collect();
    for (format, read_as) in [
        (SinkFormat::Csv(CsvOptions::default()), CSV()),
        (SinkFormat::Json, Format::Json),
        // A column is one range, which is read in pieces.
        (
            SinkFormat::Parquet {
                compression: Compression::None,
            },
            Format::Parquet,
        ),
    ] {
        let sink = place.sink(format, &[]);
        let staged = stage(&sink, "run", batches.clone()).await;
        assert!(staged.written.bytes > 24 << 20, "{}", staged.written.bytes);
        apply(&sink, &staged).await;
        let source = place.source("out/daily", read_as);
        let sql = "SELECT count(*) AS n, sum(id) AS total FROM t WHERE length(text) >= 60";
        let sum = ROWS * (ROWS - 1) / 2;
        assert!(
            shown(&source, sql)
                .await
                .contains(&format!("| {ROWS} | {sum} |"))
        );
        let sql = "SELECT text FROM t WHERE id = 399999";
        assert!(shown(&source, sql).await.contains(text(ROWS - 1).trim()));
    }
}

#[tokio::test]
async fn a_prefix_that_holds_anything_else_is_never_replaced() {
    let place = Somewhere::local_s3().await;
    place.put("out/daily/mine.csv", "id\n1\n").await;
    let sink = place.sink(SinkFormat::default(), &[]);
    let error = sink.begin(&Attempt::new("run")).await.unwrap_err();
    assert!(matches!(error, SinkError::NotOurs { .. }), "{error}");
    assert!(
        error.to_string().contains("a prefix with `mine.csv`"),
        "{error}"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_or_found_says_so_without_secrets() {
    let place = Somewhere::local_s3().await;
    let mut source = place.source("raw/", CSV());
    source.root = transom_file::spec::Place::S3(transom_file::spec::S3Url {
        bucket: "no-such-bucket".to_owned(),
        key: String::new(),
    });
    let error = source.list().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights`: there is no bucket `no-such-bucket`"
    );
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.hint().is_some());

    // Nothing listens there.
    let options = AwsOptions {
        endpoint: Endpoint::Aws,
        ..AwsOptions::default()
    };
    let unreachable = Aws::at(options, "http://127.0.0.1:9", "key", "hidden-secret");
    let mut source = place.source("raw/", CSV());
    source.aws = unreachable.clone();
    let error = source.list().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary, "{error}");
    assert!(!format!("{error} {error:?} {unreachable:?}").contains("hidden-secret"));
    let sink = FileSink {
        aws: unreachable,
        ..place.sink(SinkFormat::default(), &[])
    };
    let error = sink.begin(&Attempt::new("run")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary, "{error}");
}

#[tokio::test]
async fn a_stream_that_fails_leaves_no_upload() {
    let place = Somewhere::local_s3().await;
    let sink = place.sink(SinkFormat::Csv(CsvOptions::default()), &[]);
    let text = "x".repeat(4000);
    let ids: Vec<_> = (0..4000).map(Some).collect();
    let batch = table(&ids, &vec![Some(text.as_str()); ids.len()]);
    let staging = sink.begin(&Attempt::new("run")).await.unwrap();
    let streams = vec![
        stream(batch.schema(), vec![batch.clone(); 4]),
        support::failing(batch.schema(), vec![batch.clone(); 2]),
    ];
    assert!(staging.write(streams, &Arc::default()).await.is_err());
    staging.abandon().await;
    // Uploads are given up by tasks of their own.
    for _ in 0..100 {
        if place.open_uploads().await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{} uploads are left", place.open_uploads().await);
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
