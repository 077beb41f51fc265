//! What an SDK hides: the texts of errors, headers, bodies in chunks, requests without or with wrong signatures.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transom_local::{LocalAws, Options};

use crate::server::{client_with, code, server, start};

/// Sends a request as it is written and returns the answer with its headers.
pub(crate) async fn request(
    endpoint: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let address = endpoint.trim_start_matches("http://");
    let target = target.trim_start_matches(endpoint);
    let mut text = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    let has = |wanted: &str| headers.iter().any(|(name, _)| *name == wanted);
    if !has("host") {
        text.push_str(&format!("host: {address}\r\n"));
    }
    if !has("content-length") && !has("transfer-encoding") {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn assert_has(answer: &str, expected: &[&str]) {
    for text in expected {
        assert!(answer.contains(text), "`{text}` is not in {answer}");
    }
}

#[tokio::test]
async fn errors_have_the_texts_of_s3() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(folder.path()).await;
    let ask = |method: &'static str, target: &'static str, headers: &'static [(&str, &str)]| {
        let endpoint = local.endpoint().to_owned();
        async move { request(&endpoint, method, target, headers, b"").await }
    };
    let answer = ask("GET", "/bucket/k", &[]).await;
    assert_has(
        &answer,
        &[
            "HTTP/1.1 404",
            "<Code>NoSuchBucket</Code>",
            "<Message>The specified bucket does not exist</Message>",
            "<BucketName>bucket</BucketName>",
            "<Resource>/bucket/k</Resource>",
            "<RequestId>",
            "x-amz-request-id: ",
        ],
    );
    assert_has(&ask("PUT", "/bucket", &[]).await, &["HTTP/1.1 200"]);
    assert_has(
        &ask("GET", "/bucket/a%26%3Cb", &[]).await,
        &[
            "<Code>NoSuchKey</Code>",
            "<Message>The specified key does not exist.</Message>",
            "<Key>a&amp;&lt;b</Key>",
        ],
    );
    assert_has(&ask("PUT", "/bucket/k", &[]).await, &["HTTP/1.1 200"]);
    assert_has(
        &ask("PUT", "/bucket/k", &[("if-none-match", "*")]).await,
        &[
            "HTTP/1.1 412",
            "<Code>PreconditionFailed</Code>",
            "<Message>At least one of the pre-conditions you specified did not hold</Message>",
            "<Condition>If-None-Match</Condition>",
        ],
    );
    assert_has(
        &ask("GET", "/bucket/k", &[("range", "bytes=5-")]).await,
        &[
            "HTTP/1.1 416",
            "content-range: bytes */0",
            "<ActualObjectSize>0</ActualObjectSize>",
        ],
    );
    let unchanged = ask(
        "GET",
        "/bucket/k",
        &[("if-none-match", "\"d41d8cd98f00b204e9800998ecf8427e\"")],
    )
    .await;
    assert_has(
        &unchanged,
        &[
            "HTTP/1.1 304",
            "etag: \"d41d8cd98f00b204e9800998ecf8427e\"",
            "last-modified: ",
        ],
    );
    assert_has(
        &ask("PUT", "/bucket/k", &[("if-none-match", "\"tag\"")]).await,
        &[
            "HTTP/1.1 501",
            "<Message>A header you provided implies functionality that is not implemented</Message>",
        ],
    );
    assert_has(
        &ask("PUT", "/bucket/k", &[("x-amz-acl", "public-read")]).await,
        &["HTTP/1.1 400", "<Code>AccessControlListNotSupported</Code>"],
    );
    assert_has(
        &ask("GET", "/bucket/k?versionId=abc", &[]).await,
        &["Invalid version id specified"],
    );
}

#[tokio::test]
async fn what_is_missing_here_is_said() {
    let server = server("").await.unwrap();
    let target = format!("/{}?policy", server.bucket);
    let answer = request(&server.endpoint, "GET", &target, &[], b"").await;
    assert_has(
        &answer,
        &[
            "HTTP/1.1 501",
            "<Code>NotImplemented</Code>",
            "<Message>transom local cannot do this, Amazon S3 can: GetBucketPolicy is not implemented yet</Message>",
        ],
    );
    let put = |class: &'static str| {
        let (endpoint, target) = (server.endpoint.clone(), format!("/{}/k", server.bucket));
        let headers = [("x-amz-storage-class", class)];
        async move { request(&endpoint, "PUT", &target, &headers, b"x").await }
    };
    assert_has(&put("STANDARD_IA").await, &["HTTP/1.1 200"]);
    assert_has(
        &put("GLACIER").await,
        &[
            "HTTP/1.1 501",
            "transom local cannot do this, Amazon S3 can",
        ],
    );
    assert_has(
        &put("CELLAR").await,
        &["HTTP/1.1 400", "<Code>InvalidStorageClass</Code>"],
    );
}

#[tokio::test]
async fn other_services_are_refused_in_their_form() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(folder.path()).await;
    let json = [
        ("x-amz-target", "DynamoDB_20120810.PutItem"),
        ("content-type", "application/x-amz-json-1.0"),
    ];
    let answer = request(local.endpoint(), "POST", "/", &json, b"{}").await;
    assert_has(
        &answer,
        &[
            "HTTP/1.1 501",
            r#"{"__type":"NotImplementedException","message":"transom local has no service `dynamodb`; it has `s3` and `redshift-data`"}"#,
        ],
    );
    let signed = [(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0",
    )];
    let answer = request(
        local.endpoint(),
        "POST",
        "/",
        &signed,
        b"Action=GetCallerIdentity",
    )
    .await;
    assert_has(
        &answer,
        &[
            "HTTP/1.1 501",
            "<Code>NotImplemented</Code>",
            "no service `sts`",
        ],
    );
}

#[tokio::test]
async fn bodies_in_chunks_are_decoded_and_checked() {
    let server = server("").await.unwrap();
    let target = format!("/{}/k", server.bucket);
    let put = |checksum: &'static str| {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let length = body.len().to_string();
        let (endpoint, target) = (server.endpoint.clone(), target.clone());
        async move {
            let headers = [
                ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                ("x-amz-decoded-content-length", "5"),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
                ("content-encoding", "aws-chunked"),
                ("content-length", length.as_str()),
            ];
            request(&endpoint, "PUT", &target, &headers, body.as_bytes()).await
        }
    };
    assert_has(
        &put("AAAAAA==").await,
        &["HTTP/1.1 400", "<Code>BadDigest</Code>"],
    );
    assert_eq!(server.get("k").await, None);
    assert_has(
        &put("NhCmhg==").await,
        &["HTTP/1.1 200", "x-amz-checksum-crc32: NhCmhg=="],
    );
    let got = request(&server.endpoint, "GET", &target, &[], b"").await;
    assert!(
        got.ends_with("hello") && !got.contains("content-encoding"),
        "{got}"
    );
}

#[tokio::test]
async fn the_hash_of_a_signature_is_compared() {
    let server = server("").await.unwrap();
    let target = format!("/{}/k", server.bucket);
    let wrong = "0".repeat(64);
    let headers = [("x-amz-content-sha256", wrong.as_str())];
    let answer = request(&server.endpoint, "PUT", &target, &headers, b"x").await;
    assert_has(
        &answer,
        &["HTTP/1.1 400", "<Code>XAmzContentSHA256Mismatch</Code>"],
    );
    assert_eq!(server.get("k").await, None);
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_nothing() {
    let server = server("").await.unwrap();
    let address = server.endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /{}/k HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
        server.bucket
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"half of it").await.unwrap();
    drop(stream);
    assert_eq!(server.get("k").await, None);
}

#[tokio::test]
async fn bodies_without_a_length_are_refused() {
    let server = server("").await.unwrap();
    let target = format!("/{}/k", server.bucket);
    let headers = [("transfer-encoding", "chunked")];
    let body = b"1\r\nx\r\n0\r\n\r\n";
    let answer = request(&server.endpoint, "PUT", &target, &headers, body).await;
    assert_has(
        &answer,
        &["HTTP/1.1 411", "<Code>MissingContentLength</Code>"],
    );
}

#[tokio::test]
async fn a_bucket_can_be_in_the_name_of_the_host() {
    let server = server("").await.unwrap();
    let host = format!("{}.localhost:4566", server.bucket);
    let headers = [("host", host.as_str())];
    let put = request(&server.endpoint, "PUT", "/a/b", &headers, b"by host").await;
    assert_has(&put, &["HTTP/1.1 200"]);
    assert_eq!(server.get("a/b").await.unwrap(), "by host");
}

#[tokio::test]
async fn signatures_are_checked_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalAws::start(Options {
        http_port: 0,
        check_signatures: true,
        ..Options::new(folder.path())
    });
    let local = local.await.unwrap();
    let ours = client_with(local.endpoint(), "transom", "transom-local");
    ours.create_bucket().bucket("bucket").send().await.unwrap();
    let put = || ours.put_object().bucket("bucket").key("a b+c/ü");
    put().body(b"signed".to_vec().into()).send().await.unwrap();
    let got = ours
        .get_object()
        .bucket("bucket")
        .key("a b+c/ü")
        .send()
        .await
        .unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"signed");
    for (access, secret, expected) in [
        ("transom", "wrong", "SignatureDoesNotMatch"),
        ("other", "transom-local", "InvalidAccessKeyId"),
    ] {
        let other = client_with(local.endpoint(), access, secret);
        let list = other.list_objects_v2().bucket("bucket").send().await;
        assert_eq!(code(&list.unwrap_err()), expected);
    }
    let unsigned = request(local.endpoint(), "GET", "/bucket", &[], b"").await;
    assert_has(&unsigned, &["HTTP/1.1 403", "<Code>AccessDenied</Code>"]);
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    for check_signatures in [false, true] {
        let local = LocalAws::start(Options {
            http_port: 0,
            check_signatures,
            ..Options::new(folder.path())
        });
        let local = local.await.unwrap();
        let signed =
            "/bucket/k?X-Amz-Signature=sealed&X-Amz-Security-Token=sealed&X-Amz-Algorithm=x";
        let headers = [
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=transom/20260101/us-east-1/s3/aws4_request, \
                 SignedHeaders=host, Signature=sealed",
            ),
            ("x-amz-security-token", "sealed"),
        ];
        request(local.endpoint(), "GET", signed, &[], b"").await;
        request(local.endpoint(), "GET", "/bucket/k", &headers, b"").await;
        local.shutdown().await;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("/bucket/k"), "{log}");
    assert!(
        !log.contains("sealed") && !log.contains("transom-local\""),
        "{log}"
    );
}
