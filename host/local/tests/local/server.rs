//! Servers for tests: one of our own for each test, or the one that `TRANSOM_S3_ENDPOINT` names for all.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use tempfile::TempDir;
use transom_local::{LocalAws, Options, RedshiftPort};

/// What SeaweedFS 4.48 does otherwise: the test, and what it does.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "a_bucket_has_the_region_it_was_created_in",
        "the answer wraps the location once more, and the SDK cannot read it",
    ),
    (
        "a_bucket_with_objects_is_not_deleted",
        "a bucket is deleted with all its objects",
    ),
    (
        "a_copy_of_an_upload_is_one_object",
        "a copy keeps the entity tag of the upload, without quotes",
    ),
    (
        "a_listing_begins_after_a_key",
        "`start_after` a key leaves out the keys that it is a prefix of: `b`, `b/1`",
    ),
    (
        "a_source_that_is_not_there_is_named",
        "a copy of what is not there makes an empty object",
    ),
    (
        "attributes_are_given",
        "GetObjectAttributes gives no checksum",
    ),
    (
        "dots_and_slashes_are_letters",
        "keys are paths: `.` and `..` are refused",
    ),
    (
        "every_key_is_its_own",
        "keys are paths: `a/` is not beside `a`",
    ),
    (
        "keys_have_at_most_1024_bytes",
        "a name between two slashes has at most 255 bytes",
    ),
    ("numbers_of_parts_have_bounds", "the code is InvalidPart"),
    (
        "one_of_many_uploads_creates",
        "several completions of uploads win: the condition is looked at without a lock",
    ),
    (
        "one_of_many_writers_wins_a_thousand_times",
        "as `one_of_many_uploads_creates`",
    ),
    (
        "parts_are_copied_from_objects",
        "a range beyond the source is InvalidRange",
    ),
    (
        "puts_replace_only_what_they_know",
        "`If-Match` of an object that is not there is 412; S3 answers 404",
    ),
    ("ranges_that_make_no_sense_are_ignored", "they are refused"),
    (
        "tokens_are_not_invented",
        "any text is a continuation token",
    ),
    (
        "uploads_and_parts_are_listed",
        "a page of uploads does not say where the next one begins",
    ),
    ("without_a_bucket_nothing_works", "a put creates the bucket"),
];

/// A server, and a bucket in it that no other test uses.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) endpoint: String,
    local: Option<LocalAws>,
    _folder: TempDir,
}

/// A server with an empty bucket; none, if the other server is known to differ in this test.
#[expect(clippy::print_stderr, reason = "tests that are left out are named")]
pub(crate) async fn server(test: &str) -> Option<Server> {
    static BUCKETS: AtomicU32 = AtomicU32::new(0);
    let folder = TempDir::new().unwrap();
    let (endpoint, local) = match std::env::var("TRANSOM_S3_ENDPOINT") {
        Ok(endpoint) => {
            if let Some((_, reason)) = DIFFERENCES.iter().find(|(name, _)| *name == test) {
                eprintln!("not tried, SeaweedFS differs: {reason}");
                return None;
            }
            (endpoint, None)
        }
        Err(_) => {
            let local = start(folder.path()).await;
            (local.endpoint().to_owned(), Some(local))
        }
    };
    let number = BUCKETS.fetch_add(1, Ordering::Relaxed);
    let bucket = format!("t{}-{number}", std::process::id());
    let client = client(&endpoint);
    client.create_bucket().bucket(&bucket).send().await.unwrap();
    Some(Server {
        client,
        bucket,
        endpoint,
        local,
        _folder: folder,
    })
}

/// A server of our own over a folder.
pub(crate) async fn start(folder: &std::path::Path) -> LocalAws {
    let options = Options {
        http_port: 0,
        redshift_port: RedshiftPort::At(0),
        ..Options::new(folder.join("data"))
    };
    LocalAws::start(options).await.unwrap()
}

/// The SDK as it comes, with the keys that `transom local env` prints.
pub(crate) fn client(endpoint: &str) -> Client {
    client_with(endpoint, "transom", "transom-local")
}

pub(crate) fn client_with(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

impl Server {
    pub(crate) async fn put(&self, key: &str, body: &str) -> String {
        let put = self.client.put_object().bucket(&self.bucket).key(key);
        let put = put.body(body.as_bytes().to_vec().into());
        put.send().await.unwrap().e_tag.unwrap()
    }

    /// The text of an object; `None`, if there is none.
    pub(crate) async fn get(&self, key: &str) -> Option<String> {
        let got = self.client.get_object().bucket(&self.bucket).key(key);
        match got.send().await {
            Ok(object) => {
                let bytes = object.body.collect().await.unwrap().to_vec();
                Some(String::from_utf8(bytes).unwrap())
            }
            Err(error) if code(&error) == "NoSuchKey" => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(&self.bucket);
        let found = list.send().await.unwrap();
        let keys = found
            .contents()
            .iter()
            .map(|object| object.key().unwrap().to_owned());
        keys.collect()
    }

    /// The local server, if it is that.
    pub(crate) fn local(&self) -> Option<&LocalAws> {
        self.local.as_ref()
    }
}

/// The code of a refusal.
pub(crate) fn code<E, R>(error: &aws_sdk_s3::error::SdkError<E, R>) -> String
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    let code = error.as_service_error().and_then(|error| error.code());
    code.unwrap_or("no service error").to_owned()
}

/// The status of a refusal; for HEAD, whose answer has no code.
pub(crate) fn status<E>(
    error: &aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
) -> u16 {
    error.raw_response().unwrap().status().as_u16()
}

/// Runs a test of the suite, unless the other server differs in it.
macro_rules! suite {
    ($(async fn $name:ident($server:ident) $body:block)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some($server) = $crate::server::server(stringify!($name)).await else {
                    return;
                };
                $body
            }
        )*
    };
}
pub(crate) use suite;
