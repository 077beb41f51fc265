//! What every place of a table promises: a folder, the local S3, and, if `TRANSOM_S3_ENDPOINT` has its address, another server.
//!
//! One suite: each test runs in all places.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tempfile::TempDir;
use transom_commit::Store;
use transom_connect::{
    Attempt, Aws, ErrorKind, FileSink, FileSource, S3Store, Sink, SinkError, Source, Staged,
    publish_all,
};
use transom_file::spec::{AwsOptions, CsvOptions, Format, Place, S3Url, SinkFormat};
use transom_local::{Credentials, LocalAws, Options};

use crate::support::{self, apply, failing, shown, stage, stream, table};

/// What that server is called in messages.
const OTHER: &str = "another server";
/// The variable with the address of a server of S3, which takes any credentials.
const OTHER_SERVER: &str = "TRANSOM_S3_ENDPOINT";

/// Somewhere to keep tables.
pub(crate) struct Somewhere {
    pub(crate) name: &'static str,
    pub(crate) root: Place,
    pub(crate) aws: Aws,
    /// The server, past our own code.
    s3: Option<(String, Client)>,
    _folder: TempDir,
    _local: Option<LocalAws>,
}

impl Somewhere {
    fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            name: "folder",
            root: folder.path().into(),
            aws: Aws::default(),
            s3: None,
            _folder: folder,
            _local: None,
        }
    }

    pub(crate) async fn local_s3() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            http_port: 0,
            ..Options::new(folder.path())
        };
        let local = LocalAws::start(options).await.unwrap();
        let endpoint = local.endpoint().to_owned();
        Self {
            _folder: folder,
            _local: Some(local),
            ..Self::s3("local S3", &endpoint, "lake").await
        }
    }

    async fn s3(name: &'static str, endpoint: &str, bucket: &str) -> Self {
        let Credentials {
            access_key,
            secret_key,
        } = Credentials::default();
        let aws = Aws::at(AwsOptions::default(), endpoint, &access_key, &secret_key);
        aws.create_bucket(bucket).await.unwrap();
        let url = S3Url {
            bucket: bucket.to_owned(),
            key: format!("test-{}", uuid::Uuid::new_v4().simple()),
        };
        Self {
            name,
            root: Place::S3(url),
            aws,
            s3: Some((endpoint.to_owned(), client(endpoint))),
            _folder: tempfile::tempdir().unwrap(),
            _local: None,
        }
    }

    pub(crate) async fn all() -> Vec<Self> {
        let mut all = vec![Self::folder(), Self::local_s3().await];
        if let Ok(endpoint) = std::env::var(OTHER_SERVER) {
            all.push(Self::s3(OTHER, &endpoint, "transom-tests").await);
        }
        all
    }

    /// A place that another process has made.
    pub(crate) fn known(root: Place, endpoint: Option<&str>) -> Self {
        let Credentials {
            access_key,
            secret_key,
        } = Credentials::default();
        let aws = endpoint
            .map(|endpoint| Aws::at(AwsOptions::default(), endpoint, &access_key, &secret_key));
        Self {
            name: "known",
            root,
            aws: aws.unwrap_or_default(),
            s3: None,
            _folder: tempfile::tempdir().unwrap(),
            _local: None,
        }
    }

    pub(crate) fn has_endpoint(&self) -> bool {
        self.s3.is_some()
    }

    /// The address of the server.
    pub(crate) fn endpoint(&self) -> String {
        self.s3.as_ref().unwrap().0.clone()
    }

    /// The same place behind another address, with an identity that has asked for nothing yet.
    pub(crate) fn through(&self, endpoint: &str) -> Self {
        Self {
            name: self.name,
            ..Self::known(self.root.clone(), Some(endpoint))
        }
    }

    fn s3_of(&self, key: &str) -> (&Client, S3Url) {
        match (&self.s3, &self.root) {
            (Some((_, client)), Place::S3(url)) => (client, url.join(key)),
            _ => panic!("{} is no S3", self.name),
        }
    }

    /// Puts an object, by a key below the root.
    pub(crate) async fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let (client, S3Url { bucket, key }) = self.s3_of(key);
        let bytes = ByteStream::from(bytes.as_ref().to_vec());
        let put = client.put_object().bucket(bucket).key(key).body(bytes);
        put.send().await.unwrap();
    }

    /// Puts an object in parts, by a key below the root: all but the last one have 5 MiB at least.
    pub(crate) async fn put_in_parts(&self, key: &str, parts: &[&[u8]]) {
        let (client, S3Url { bucket, key }) = self.s3_of(key);
        let begin = client.create_multipart_upload().bucket(&bucket).key(&key);
        let upload = begin.send().await.unwrap().upload_id.unwrap();
        let mut sent = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(parts) {
            let put = client.upload_part().bucket(&bucket).key(&key);
            let put = put.upload_id(&upload).part_number(number);
            let put = put.body(ByteStream::from(part.to_vec()));
            let etag = put.send().await.unwrap().e_tag;
            let part = CompletedPart::builder().part_number(number);
            sent = sent.parts(part.set_e_tag(etag).build());
        }
        let complete = client.complete_multipart_upload().bucket(bucket).key(key);
        let complete = complete.upload_id(upload).multipart_upload(sent.build());
        complete.send().await.unwrap();
    }

    /// Names of the folders below a key.
    async fn folders(&self, key: &str) -> Vec<String> {
        let (client, S3Url { bucket, key }) = self.s3_of(key);
        let prefix = format!("{key}/");
        let list = client.list_objects_v2().bucket(bucket).prefix(&prefix);
        // Without a delimiter: SeaweedFS gives no folders whose names begin with a point.
        let listed = list.send().await.unwrap();
        let keys = listed.contents.unwrap_or_default().into_iter();
        let names = keys.filter_map(|object| {
            let below = object.key?[prefix.len()..].to_owned();
            below.split('/').next().map(str::to_owned)
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Uploads that were begun and are neither complete nor given up. Of the local S3.
    pub(crate) async fn open_uploads(&self) -> u64 {
        let (endpoint, _) = self.s3.as_ref().unwrap();
        let status = transom_local::Client::new(endpoint).status().await;
        status.unwrap().s3.uploads as u64
    }

    pub(crate) fn sink(&self, format: SinkFormat, partition_by: &[&str]) -> FileSink {
        FileSink {
            path: self.root.join("out/daily"),
            aws: self.aws.clone(),
            ..support::sink("".as_ref(), format, partition_by)
        }
    }

    pub(crate) fn source(&self, pattern: &str, format: Format) -> FileSource {
        let (root, pattern) = match &self.root {
            Place::Local(_) => (self.root.clone(), pattern.to_owned()),
            Place::S3(url) => {
                let whole = S3Url {
                    bucket: url.bucket.clone(),
                    key: String::new(),
                };
                (Place::S3(whole), url.join(pattern).key)
            }
        };
        FileSource {
            root,
            aws: self.aws.clone(),
            ..support::source("".as_ref(), &pattern, format)
        }
    }
}

fn client(endpoint: &str) -> Client {
    let Credentials {
        access_key,
        secret_key,
    } = Credentials::default();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new(
            access_key, secret_key, None, None, "tests",
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

pub(crate) fn csv() -> (SinkFormat, Format) {
    let options = CsvOptions::default;
    (SinkFormat::Csv(options()), Format::Csv(options()))
}

pub(crate) fn rows(text: &str) -> Vec<RecordBatch> {
    vec![table(
        &[Some(1), Some(2), None],
        &[Some(text), None, Some("")],
    )]
}

pub(crate) async fn texts(place: &Somewhere, table: &str) -> String {
    let source = place.source(table, csv().1);
    let shown = shown(&source, "SELECT DISTINCT text FROM t WHERE text > ''").await;
    shown
        .lines()
        .nth(3)
        .unwrap_or("nothing")
        .trim_matches(['|', ' '])
        .to_owned()
}

/// Whether these versions are there and no others, by a look past sink and source. Not known of other servers: SeaweedFS 4.48 lists
/// nothing for a prefix whose last name begins with a point, so that old versions stay there.
async fn has_versions(place: &Somewhere, expected: &[&str]) -> bool {
    place.name == OTHER || versions(place).await == expected
}

async fn versions(place: &Somewhere) -> Vec<String> {
    let mut names: Vec<String> = match &place.root {
        Place::Local(root) => std::fs::read_dir(root.join("out/.daily.versions"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "lock")
            .collect(),
        Place::S3(_) => place.folders("out/.daily.versions").await,
    };
    names.sort();
    names
}

#[tokio::test]
async fn what_was_written_is_read() {
    for place in Somewhere::all().await {
        for (format, read_as) in [
            csv(),
            (SinkFormat::Json, Format::Json),
            (SinkFormat::default(), Format::Parquet),
        ] {
            for partition_by in [&[][..], &["id"][..]] {
                let sink = place.sink(format.clone(), partition_by);
                let staged = stage(&sink, "run", rows("x")).await;
                assert_eq!(staged.written.rows, 3);
                let applied = apply(&sink, &staged).await;
                assert_eq!(applied.table, sink.path);
                let source = place.source("out/daily", read_as.clone());
                assert_eq!(
                    shown(&source, "SELECT text, id FROM t ORDER BY id").await,
                    "+------+----+\n| text | id |\n+------+----+\n| x    | 1  |\n|      | 2  |\n|      |    |\n+------+----+",
                    "{} {read_as:?} {partition_by:?}",
                    place.name
                );
                let nulls = "SELECT count(*) AS n FROM t WHERE text IS NULL";
                assert!(shown(&source, nulls).await.contains("| 1 |"));
            }
            // A part of a published table.
            let part = place.source("out/daily/id=1", read_as.clone());
            assert!(
                shown(&part, "SELECT text FROM t")
                    .await
                    .contains("| x    |")
            );
            for pattern in [
                "out/*/id=[12]/*",
                "out/daily/id=[12]/*",
                "out/dai*/id=[12]/*",
            ] {
                let part = place.source(pattern, read_as.clone());
                let count = shown(&part, "SELECT count(*) AS n FROM t").await;
                assert!(count.contains("| 2 |"), "{} {pattern}: {count}", place.name);
            }
        }
    }
}

#[tokio::test]
async fn values_with_percent_signs_are_read_as_they_were_written_or_not_at_all() {
    for place in Somewhere::all().await {
        let (format, read_as) = csv();
        let values = ["%", "%4", "%zz", "%FF", "100%", "a%20b"];
        let sink = place.sink(format, &["text"]);
        let written = table(&[Some(1); 6], &values.map(Some));
        apply(&sink, &stage(&sink, "run", vec![written]).await).await;
        let source = place.source("out/daily", read_as.clone());
        let texts = shown(&source, "SELECT string_agg(text, ' ' ORDER BY text) FROM t").await;
        assert!(
            texts.contains("| % %4 %FF %zz 100% a%20b "),
            "{}: {texts}",
            place.name
        );
        // As other programs name folders.
        for (folder, value) in [
            ("k=100%", Some("100%")),
            ("k=%zz", Some("%zz")),
            ("k=%FF", None),
        ] {
            let file = format!("{folder}/a.csv");
            match &place.root {
                Place::Local(root) => support::put(root, &file, "v\n1\n"),
                Place::S3(_) => place.put(&file, "v\n1\n").await,
            }
            let source = place.source(folder, read_as.clone());
            let Some(value) = value else {
                let state = support::session().state();
                let error = support::open(&source, None, &state).await.unwrap_err();
                let message = error.to_string();
                assert!(
                    message.contains("a folder `k=%FF`, whose escapes are not UTF-8"),
                    "{}: {message}",
                    place.name
                );
                assert!(error.hint().is_some_and(|hint| hint.contains("`%25`")));
                continue;
            };
            let found = shown(&source, "SELECT k FROM t").await;
            assert!(
                found.contains(&format!("| {value} ")),
                "{}: {found}",
                place.name
            );
        }
    }
}

#[tokio::test]
async fn an_empty_result_has_columns() {
    for place in Somewhere::all().await {
        let sink = place.sink(SinkFormat::default(), &[]);
        apply(&sink, &stage(&sink, "run", vec![table(&[], &[])]).await).await;
        let source = place.source("out/daily", Format::Parquet);
        let shown = shown(&source, "SELECT count(*) AS n, max(text) AS last FROM t").await;
        assert!(shown.contains("| 0 |      |"), "{}: {shown}", place.name);
    }
}

#[tokio::test]
async fn of_two_attempts_the_first_to_be_applied_wins_and_the_version_before_is_kept() {
    for place in Somewhere::all().await {
        let sink = place.sink(csv().0, &[]);
        apply(&sink, &stage(&sink, "a", rows("one")).await).await;
        let slow = stage(&sink, "slow", rows("slow")).await;
        let fast = stage(&sink, "fast", rows("fast")).await;
        assert_eq!(texts(&place, "out/daily").await, "one", "{}", place.name);
        apply(&sink, &fast).await;
        let error = sink.apply(&slow).await.unwrap_err();
        assert!(matches!(error, SinkError::Overtaken { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Overtaken);
        assert_eq!(texts(&place, "out/daily").await, "fast", "{}", place.name);
        assert!(
            has_versions(&place, &["000001-a", "000002-fast"]).await,
            "{}",
            place.name
        );
        apply(&sink, &stage(&sink, "b", rows("three")).await).await;
        assert!(
            has_versions(&place, &["000002-fast", "000003-b"]).await,
            "{}",
            place.name
        );
    }
}

#[tokio::test]
async fn many_attempts_at_once_have_one_winner() {
    const ATTEMPTS: usize = 16;
    for place in Somewhere::all().await {
        let sink = place.sink(csv().0, &[]);
        for round in 0..3 {
            let mut staged = Vec::new();
            for n in 0..ATTEMPTS {
                staged.push(stage(&sink, &format!("r{round}-{n}"), rows(&format!("by {n}"))).await);
            }
            let applying = staged.iter().map(|staged| sink.apply(staged));
            let applied = futures::future::join_all(applying).await;
            let won: Vec<usize> = (0..ATTEMPTS).filter(|n| applied[*n].is_ok()).collect();
            assert_eq!(won.len(), 1, "{}: {applied:?}", place.name);
            assert_eq!(
                texts(&place, "out/daily").await,
                format!("by {}", won[0]),
                "{}",
                place.name
            );
        }
    }
}

#[tokio::test]
async fn a_document_is_applied_by_anybody_as_often_as_they_like() {
    for place in Somewhere::all().await {
        let sink = place.sink(csv().0, &["id"]);
        let staged = stage(&sink, "run", rows("new")).await;
        let document = serde_json::to_string(&staged).unwrap();
        drop(staged);
        let staged: Staged = serde_json::from_str(&document).unwrap();
        let other = place.sink(csv().0, &["id"]);
        for _ in 0..3 {
            assert_eq!(apply(&other, &staged).await.version, "000001-run");
        }
        assert_eq!(texts(&place, "out/daily").await, "new", "{}", place.name);
    }
}

#[tokio::test]
async fn what_is_given_up_at_any_stage_leaves_the_old_result_and_no_trace() {
    for place in Somewhere::all().await {
        let sink = place.sink(csv().0, &[]);
        apply(&sink, &stage(&sink, "old", rows("old")).await).await;
        let batch = rows("new").remove(0);
        let begun = sink.begin(&Attempt::new("begun")).await.unwrap();
        begun.abandon().await;
        let written = sink.begin(&Attempt::new("written")).await.unwrap();
        let streams = vec![stream(batch.schema(), vec![batch.clone()])];
        written.write(streams, &Arc::default()).await.unwrap();
        written.abandon().await;
        let failed = sink.begin(&Attempt::new("failed")).await.unwrap();
        let streams = vec![
            stream(batch.schema(), vec![batch.clone()]),
            failing(batch.schema(), vec![batch.clone()]),
        ];
        assert!(failed.write(streams, &Arc::default()).await.is_err());
        failed.abandon().await;
        let finished = stage(&sink, "finished", rows("new")).await;
        sink.abandon(&finished).await;
        assert!(
            has_versions(&place, &["000001-old"]).await,
            "{}",
            place.name
        );
        assert_eq!(texts(&place, "out/daily").await, "old", "{}", place.name);
    }
}

#[tokio::test]
async fn several_tables_are_published_together() {
    for place in Somewhere::all().await {
        let named = |name: &str| FileSink {
            name: name.to_owned(),
            path: place.root.join("out").join(name),
            ..place.sink(csv().0, &[])
        };
        let mut results: Vec<(Arc<dyn Sink>, Staged)> = Vec::new();
        for name in ["a", "b", "c"] {
            let staged = stage(&named(name), "run", rows(name)).await;
            results.push((Arc::new(named(name)), staged));
        }
        // Another run is faster with the second.
        apply(
            &named("b"),
            &stage(&named("b"), "other", rows("other")).await,
        )
        .await;
        let error = publish_all(&results).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "sink `b` could not be published after `a` had been"
        );
        assert_eq!(error.kind(), ErrorKind::Overtaken);
        let rows_of = async |name: &str| {
            let source = place.source(&format!("out/{name}"), csv().1);
            source.list().await.map(|inputs| inputs.pieces.len())
        };
        assert_eq!(rows_of("a").await.unwrap(), 1);
        assert!(rows_of("c").await.is_err(), "{}", place.name);
    }
}

#[tokio::test]
async fn documents_of_the_commit_protocol_are_created_once() {
    for place in Somewhere::all().await {
        let store: Arc<dyn Store> = match &place.root {
            Place::Local(_) => continue,
            Place::S3(url) => {
                Arc::new(S3Store::open(&place.aws, &url.join("state")).await.unwrap())
            }
        };
        // Another server may queue writers of one key for a second each (SeaweedFS does).
        let rounds = if place.name == OTHER { 3 } else { 20 };
        transom_commit::conformance::check(store, rounds).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_large_enough_ends_and_another_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let csv = SinkFormat::Csv(CsvOptions::default());
    let mut sink = support::sink(folder.path(), csv, &[]);
    sink.limits.file_bytes = 1;
    let batches = vec![
        table(&[Some(1)], &[Some("a")]),
        table(&[Some(2), Some(3)], &[Some("b"), None]),
        table(&[Some(4)], &[Some("d")]),
    ];
    let staged = stage(&sink, "run", batches).await;
    let rows: Vec<u64> = staged.written.files.iter().map(|file| file.rows).collect();
    assert_eq!(rows, [1, 2, 1]);
}
