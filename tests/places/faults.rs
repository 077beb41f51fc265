//! S3 as networks make it: answers that are lost after the request was carried out, errors, connections that break. What is written
//! through them is what is read, or there is one clear error and the table is as it was.

use std::sync::Arc;

use hyper::Method;
use transom_connect::{ErrorKind, FileSink, Sink};
use transom_file::spec::{CsvOptions, SinkFormat};
use transom_tests::proxy::{FAULTS, Fault, Proxy, Which};

use crate::places::Somewhere;
use crate::support::{CSV, apply, begin, shown, stage, stream, table};

const REQUESTS: [(&str, Which); 8] = [
    ("list", |method, url| {
        *method == Method::GET && url.contains("list-type=2")
    }),
    ("read an object", |method, url| {
        *method == Method::GET && !url.contains("list-type") && !url.contains("_transom")
    }),
    ("read the pointer", |method, url| {
        *method == Method::GET && url.contains("_transom/current")
    }),
    ("write the pointer", |method, url| {
        *method == Method::PUT && url.contains("_transom/current")
    }),
    ("write an object", |method, url| {
        *method == Method::PUT && url.contains("part-") && !url.contains("partNumber")
    }),
    ("begin an upload", |method, url| {
        *method == Method::POST && url.contains("uploads")
    }),
    ("write a part", |method, url| {
        *method == Method::PUT && url.contains("partNumber")
    }),
    ("complete an upload", |method, url| {
        *method == Method::POST && url.contains("uploadId")
    }),
];

/// Some of the rows of a table that is larger than one part.
fn rows(text: &str) -> Vec<arrow::array::RecordBatch> {
    let long = text.repeat(2000);
    let ids: Vec<_> = (0..1000).map(Some).collect();
    vec![table(&ids, &vec![Some(long.as_str()); ids.len()]); 10]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_any_request_changes_no_row() {
    let place = Somewhere::local_s3().await;
    let mut struck = Vec::new();
    for fault in FAULTS {
        for (name, which) in REQUESTS {
            let what = format!("{fault:?} of: {name}");
            let (address, proxy) = Proxy::start(place.endpoint(), fault, which, 1).await;
            let through = place.through(&address);
            let sink = FileSink {
                path: place.root.join(&what.replace(' ', "-")),
                ..through.sink(SinkFormat::Csv(CsvOptions::default()), &[])
            };
            // A small table, then a large one over it.
            let small = vec![table(&[Some(1)], &[Some("small")])];
            apply(&sink, &stage(&sink, "small", small).await).await;
            apply(&sink, &stage(&sink, "large", rows("x")).await).await;
            let source = through.source(&what.replace(' ', "-"), CSV());
            let sql = "SELECT count(*) AS n, min(length(text)) AS shortest, sum(id) AS ids FROM t";
            let found = shown(&source, sql).await;
            assert!(
                found.contains("| 10000 | 2000     | 4995000 |"),
                "{what}\n{found}"
            );
            struck.push((what, proxy.left()));
        }
    }
    let missed: Vec<_> = struck.iter().filter(|(_, left)| *left > 0).collect();
    assert!(missed.is_empty(), "no such request was made: {missed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_and_again_is_one_error_and_the_table_is_as_it_was() {
    let place = Somewhere::local_s3().await;
    let csv = || SinkFormat::Csv(CsvOptions::default());
    let old = place.sink(csv(), &[]);
    apply(
        &old,
        &stage(&old, "old", vec![table(&[Some(1)], &[Some("old")])]).await,
    )
    .await;
    for (name, which) in REQUESTS.into_iter().skip(3) {
        let fault = Fault::Refused(503);
        let (address, _proxy) = Proxy::start(place.endpoint(), fault, which, usize::MAX).await;
        let sink = place.through(&address).sink(csv(), &[]);
        let staging = begin(&sink, "new").await.unwrap();
        let batches = rows("y");
        let streams = match name {
            "write an object" => vec![stream(batches[0].schema(), vec![batches[0].slice(0, 1)])],
            _ => vec![stream(batches[0].schema(), batches)],
        };
        let failed = match staging.write(streams, &Arc::default()).await {
            Err(error) => {
                staging.abandon().await;
                error
            }
            Ok(_) => {
                let staged = staging.finish().await.unwrap();
                sink.apply(&staged).await.unwrap_err()
            }
        };
        assert_eq!(failed.kind(), ErrorKind::Temporary, "{name}: {failed}");
        let source = place.source("out/daily", CSV());
        assert!(
            shown(&source, "SELECT text FROM t")
                .await
                .contains("| old  |"),
            "{name}"
        );
    }
}
