//! Figures, for comparing servers in one run: `just bench-s3` prints those of this one and of SeaweedFS.

use std::time::Instant;

use crate::server::server;

const SMALL_PUTS: u32 = 200;
const LARGE_BYTES: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, and asserts nothing"]
async fn figures() {
    // How many keys are listed. Not with the slow tests, which are those that can fail.
    let Ok(keys) = std::env::var("TRANSOM_FIGURES") else {
        return;
    };
    let count: usize = keys.parse().unwrap();
    let server = server("figures").await.unwrap();
    let (client, bucket) = (&server.client, &server.bucket);

    let begin = Instant::now();
    for n in 0..SMALL_PUTS {
        server.put(&format!("small/{n}"), "a small object").await;
    }
    println!(
        "small put, one after the other: {:?}",
        begin.elapsed() / SMALL_PUTS
    );

    let body = vec![7u8; LARGE_BYTES];
    let begin = Instant::now();
    let put = client
        .put_object()
        .bucket(bucket)
        .key("large")
        .body(body.into());
    put.send().await.unwrap();
    println!("put of 64 MiB: {:?}", begin.elapsed());
    let begin = Instant::now();
    let got = client
        .get_object()
        .bucket(bucket)
        .key("large")
        .send()
        .await
        .unwrap();
    assert_eq!(
        got.body.collect().await.unwrap().into_bytes().len(),
        LARGE_BYTES
    );
    println!("get of 64 MiB: {:?}", begin.elapsed());
    let begin = Instant::now();
    let copy = client
        .copy_object()
        .bucket(bucket)
        .key("copy")
        .copy_source(format!("{bucket}/large"));
    copy.send().await.unwrap();
    println!("copy of 64 MiB: {:?}", begin.elapsed());

    let begin = Instant::now();
    let mut puts = tokio::task::JoinSet::new();
    for n in 0..count {
        while puts.len() >= 64 {
            puts.join_next().await.unwrap().unwrap();
        }
        let put = client
            .put_object()
            .bucket(bucket)
            .key(format!("many/{:03}/{n:06}", n % 500));
        puts.spawn(async move {
            put.body(b"x".to_vec().into()).send().await.unwrap();
        });
    }
    while let Some(put) = puts.join_next().await {
        put.unwrap();
    }
    println!(
        "small put, 64 at once: {:?}",
        begin.elapsed() / count as u32
    );

    let begin = Instant::now();
    let (mut pages, mut keys) = (0, 0);
    let list = client.list_objects_v2().bucket(bucket).prefix("many/");
    let mut listing = list.into_paginator().send();
    while let Some(page) = listing.next().await {
        pages += 1;
        keys += page.unwrap().contents().len();
    }
    assert_eq!(keys, count);
    println!(
        "listing of {count} keys: {:?} in {pages} pages",
        begin.elapsed()
    );
    let begin = Instant::now();
    let list = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix("many/")
        .delimiter("/");
    let groups = list.send().await.unwrap();
    assert_eq!(groups.common_prefixes().len(), 500);
    println!("listing of their 500 groups: {:?}", begin.elapsed());
}
