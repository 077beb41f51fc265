//! The server as its own program sees it: one owner of a folder, status, reset.

use transom_local::{Client, FolderError, LocalAws, Options, StartError, clear_folder, owner_of};

use crate::raw::request;
use crate::server::{client, start};

#[tokio::test]
async fn a_folder_has_one_owner_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    let data = folder.path().join("data");
    let options = Options {
        http_port: 0,
        ..Options::new(&data)
    };
    let error = LocalAws::start(options).await.unwrap_err();
    let StartError::Folder(FolderError::InUse { owner, .. }) = error else {
        panic!("{error:?}");
    };
    let owner = owner.unwrap();
    assert_eq!(owner.endpoint, first.endpoint());
    assert_eq!(owner.process, std::process::id());
    assert_eq!(owner_of(&data).unwrap(), Some(owner));
    clear_folder(&data).unwrap_err();
    first.shutdown().await;
    assert_eq!(owner_of(&data).unwrap(), None);
    start(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn a_folder_with_something_else_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "x").unwrap();
    let error = LocalAws::start(Options::new(folder.path()))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not a data folder of the local AWS"),
        "{error}"
    );
    clear_folder(folder.path()).unwrap_err();
    assert!(folder.path().join("thesis.txt").exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    let port = first
        .endpoint()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let options = Options {
        http_port: port,
        ..Options::new(folder.path().join("other"))
    };
    let error = LocalAws::start(options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}")
    );
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    let s3 = client(first.endpoint());
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    s3.put_object()
        .bucket("bucket")
        .key("k")
        .body(b"v".to_vec().into())
        .send()
        .await
        .unwrap();
    let status = Client::new(first.endpoint()).status().await.unwrap();
    assert_eq!(
        (status.s3.buckets, status.s3.objects, status.s3.bytes),
        (1, 1, 1)
    );
    first.shutdown().await;
    let second = start(folder.path()).await;
    let s3 = client(second.endpoint());
    let got = s3
        .get_object()
        .bucket("bucket")
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"v");
}

#[tokio::test]
async fn reset_deletes_all_and_asks_for_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(folder.path()).await;
    let s3 = client(local.endpoint());
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    s3.put_object()
        .bucket("bucket")
        .key("k")
        .body(b"v".to_vec().into())
        .send()
        .await
        .unwrap();
    // As a web page would.
    let refused = request(local.endpoint(), "POST", "/_transom/reset", &[], b"").await;
    assert!(refused.contains("HTTP/1.1 404"), "{refused}");
    let client = Client::new(local.endpoint());
    assert_eq!(client.status().await.unwrap().s3.objects, 1);
    client.reset().await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!((status.s3.buckets, status.s3.objects), (0, 0));
    // Files are deleted after the answer.
    local.shutdown().await;
    let data = folder.path().join("data/s3/data");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0);
}

#[tokio::test]
async fn replaced_and_deleted_data_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(folder.path()).await;
    let s3 = client(local.endpoint());
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    for n in 0..3u8 {
        let put = s3
            .put_object()
            .bucket("bucket")
            .key("k")
            .body(vec![n; 100].into());
        put.send().await.unwrap();
    }
    let copy = s3
        .copy_object()
        .bucket("bucket")
        .key("copy")
        .copy_source("bucket/k");
    copy.send().await.unwrap();
    s3.delete_object()
        .bucket("bucket")
        .key("k")
        .send()
        .await
        .unwrap();
    let upload = s3
        .create_multipart_upload()
        .bucket("bucket")
        .key("u")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    s3.upload_part()
        .bucket("bucket")
        .key("u")
        .upload_id(id)
        .part_number(1)
        .body(b"x".to_vec().into())
        .send()
        .await
        .unwrap();
    s3.abort_multipart_upload()
        .bucket("bucket")
        .key("u")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    // Files are deleted after the answer.
    local.shutdown().await;
    let data = folder.path().join("data/s3/data");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 1);
}

#[tokio::test]
async fn an_object_is_read_to_its_end_while_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(folder.path()).await;
    let s3 = client(local.endpoint());
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    let put = |byte: u8| {
        s3.put_object()
            .bucket("bucket")
            .key("k")
            .body(vec![byte; 8 << 20].into())
    };
    put(1).send().await.unwrap();
    let mut first = s3
        .get_object()
        .bucket("bucket")
        .key("k")
        .send()
        .await
        .unwrap();
    let mut bytes = first.body.next().await.unwrap().unwrap().to_vec();
    put(2).send().await.unwrap();
    s3.delete_object()
        .bucket("bucket")
        .key("k")
        .send()
        .await
        .unwrap();
    bytes.extend(first.body.collect().await.unwrap().to_vec());
    assert!(bytes.len() == 8 << 20 && bytes.iter().all(|byte| *byte == 1));
    local.shutdown().await;
    let data = folder.path().join("data/s3/data");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0);
}
