//! Many writers of one key at once: exactly one wins, and what it wrote is what is read.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::server::{Server, server};

const WRITERS: usize = 32;
const ROUNDS: usize = 50;

/// How a writer writes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Put,
    Copy,
    Complete,
    /// A put that knows what it replaces.
    Match,
}

/// Runs writers against one key; returns how many won.
async fn round(server: &Server, way: Way, number: usize) {
    let key = format!("{way:?}/{number}");
    let (client, bucket) = (&server.client, &server.bucket);
    let known = match way {
        Way::Match => Some(server.put(&key, "before").await),
        _ => None,
    };
    let mut uploads = Vec::new();
    for writer in 0..WRITERS {
        uploads.push(match way {
            Way::Complete => Some(upload(client, bucket, &key, writer).await),
            _ => None,
        });
    }
    let barrier = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for (writer, upload) in uploads.into_iter().enumerate() {
        let (client, bucket, key) = (client.clone(), bucket.clone(), key.clone());
        let (barrier, known) = (Arc::clone(&barrier), known.clone());
        writers.spawn(async move {
            barrier.wait().await;
            let status = match way {
                Way::Put | Way::Match => {
                    let put = client.put_object().bucket(bucket).key(key);
                    let put = put.body(writer.to_string().into_bytes().into());
                    let put = match known {
                        Some(tag) => put.if_match(tag),
                        None => put.if_none_match("*"),
                    };
                    put.send()
                        .await
                        .map(drop)
                        .map_err(|error| crate::server::status(&error))
                }
                Way::Copy => {
                    let copy = client
                        .copy_object()
                        .copy_source(format!("{bucket}/source-{writer}"));
                    let copy = copy.bucket(bucket).key(key).if_none_match("*").send().await;
                    copy.map(drop)
                        .map_err(|error| crate::server::status(&error))
                }
                Way::Complete => {
                    let (id, part) = upload.unwrap();
                    let parts = CompletedMultipartUpload::builder().parts(part).build();
                    let complete = client.complete_multipart_upload().bucket(bucket).key(key);
                    let complete = complete
                        .upload_id(id)
                        .multipart_upload(parts)
                        .if_none_match("*");
                    complete
                        .send()
                        .await
                        .map(drop)
                        .map_err(|error| crate::server::status(&error))
                }
            };
            (writer, status)
        });
    }
    let mut winners = Vec::new();
    while let Some(done) = writers.join_next().await {
        match done.unwrap() {
            (writer, Ok(())) => winners.push(writer),
            // S3 may answer 409 where writers meet.
            (_, Err(status)) => assert!(status == 412 || status == 409, "{status}"),
        }
    }
    assert_eq!(winners.len(), 1, "{key}: {winners:?}");
    assert_eq!(
        server.get(&key).await.unwrap(),
        winners[0].to_string(),
        "{key}"
    );
}

async fn upload(
    client: &Client,
    bucket: &str,
    key: &str,
    writer: usize,
) -> (String, CompletedPart) {
    let create = client.create_multipart_upload().bucket(bucket).key(key);
    let id = create.send().await.unwrap().upload_id.unwrap();
    let part = client
        .upload_part()
        .bucket(bucket)
        .key(key)
        .upload_id(&id)
        .part_number(1);
    let part = part
        .body(writer.to_string().into_bytes().into())
        .send()
        .await
        .unwrap();
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag().unwrap())
        .build();
    (id, part)
}

async fn rounds(test: &str, way: Way, rounds: usize) {
    let Some(server) = server(test).await else {
        return;
    };
    if let Way::Copy = way {
        for writer in 0..WRITERS {
            server
                .put(&format!("source-{writer}"), &writer.to_string())
                .await;
        }
    }
    for number in 0..rounds {
        round(&server, way, number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_puts_creates() {
    rounds("one_of_many_puts_creates", Way::Put, ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_copies_creates() {
    rounds("one_of_many_copies_creates", Way::Copy, ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_uploads_creates() {
    rounds("one_of_many_uploads_creates", Way::Complete, ROUNDS / 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_puts_replaces() {
    rounds("one_of_many_puts_replaces", Way::Match, ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: minutes"]
async fn one_of_many_writers_wins_many_times() {
    for way in [Way::Put, Way::Copy, Way::Complete, Way::Match] {
        rounds(
            "one_of_many_writers_wins_many_times",
            way,
            crate::many().into(),
        )
        .await;
    }
}
