//! Amazon's services, reached by one identity: whoever reads a source, writes a sink or asks a protocol's question is the same client.
//!
//! - [`Aws`]: credentials, region and endpoint, found once in a process and shared by its clones,
//! - [`bucket`]: the calls of S3 that sources and sinks are made of,
//! - [`object`]: an object as it was listed, for DataFusion's readers and for ours,
//! - [`upload`]: an object that is written piece by piece,
//! - [`error`]: what S3 refuses, in words that say what can be done.

mod bucket;
mod error;
mod object;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_smithy_http_client::tls;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use bytes::Bytes;
use tokio::sync::OnceCell;
use transom_file::spec::{AwsOptions, Endpoint, S3Url};

pub use self::error::{S3Error, S3ErrorKind};
pub(crate) use self::{
    bucket::{Bucket, Expiration, Listed},
    error::sorted,
    object::{ObjectFile, PinnedObject},
    upload::Upload,
};

/// Requests are tried so often, with pauses that grow and vary by chance.
const ATTEMPTS: u32 = 6;
/// Pause before the second try, at most; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const CONNECT: Duration = Duration::from_secs(10);
/// Time for one try of one request, with all of its bytes.
const ATTEMPT: Duration = Duration::from_secs(120);
/// The variable that names a server of S3 alone.
const S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";
/// The region where none is said and services are not Amazon's.
const ANY_REGION: &str = "us-east-1";

/// How Amazon's services are reached. Cheap to clone; nothing is looked for before something is asked.
#[derive(Clone, Default)]
pub struct Aws(Arc<Inner>);

#[derive(Default)]
struct Inner {
    options: AwsOptions,
    given: Option<Given>,
    config: OnceCell<SdkConfig>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// Services that the program has started itself.
struct Given {
    endpoint: String,
    access_key: String,
    secret_key: String,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aws").field(&self.0.options).finish()
    }
}

impl Aws {
    /// Services as the pipeline says. The local AWS must be given by [`Self::at`].
    #[must_use]
    pub fn new(options: AwsOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            ..Inner::default()
        }))
    }

    /// Services at an address, with credentials of their own: nothing that the environment says of Amazon's takes part.
    #[must_use]
    pub fn at(options: AwsOptions, endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        Self(Arc::new(Inner {
            options,
            given: Some(Given {
                endpoint: endpoint.to_owned(),
                access_key: access_key.to_owned(),
                secret_key: secret_key.to_owned(),
            }),
            ..Inner::default()
        }))
    }

    /// Makes a bucket if there is none of this name. For the local AWS: elsewhere, buckets belong to whoever administers them.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn create_bucket(&self, name: &str) -> Result<(), S3Error> {
        self.bucket(name).await?.create().await
    }

    /// Copies a file into an object, whatever is there.
    ///
    /// # Errors
    /// If the file cannot be read, or the service refuses; nothing of the object is visible then.
    pub async fn upload(&self, file: &Path, to: &S3Url) -> io::Result<()> {
        let file = file.to_owned();
        let fill = move |upload: &mut Upload| io::copy(&mut File::open(file)?, upload).map(drop);
        self.write(to, fill).await
    }

    /// Writes an object, whatever is there.
    ///
    /// # Errors
    /// If the service refuses; nothing of the object is visible then.
    pub async fn put(&self, to: &S3Url, bytes: Bytes) -> io::Result<()> {
        self.write(to, move |upload| upload.write_all(&bytes)).await
    }

    async fn write(
        &self,
        to: &S3Url,
        fill: impl FnOnce(&mut Upload) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let bucket = self.bucket(&to.bucket).await.map_err(io::Error::other)?;
        let mut upload = Upload::new(bucket, to.key.clone());
        let filled = tokio::task::spawn_blocking(move || {
            fill(&mut upload)?;
            Ok::<_, io::Error>(upload)
        });
        let upload = filled.await.map_err(io::Error::other)??;
        upload.complete().await.map_err(io::Error::other)
    }

    /// All bytes of an object; none if there is none.
    ///
    /// # Errors
    /// If the service refuses, or the object changes meanwhile.
    pub async fn get(&self, from: &S3Url) -> Result<Option<Bytes>, S3Error> {
        let bucket = self.bucket(&from.bucket).await?;
        let Some(found) = bucket.head(&from.key).await? else {
            return Ok(None);
        };
        let bytes = bucket.read(&from.key, &found.etag, 0..found.bytes).await?;
        Ok(Some(bytes))
    }

    /// Deletes an object, if there is one.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn delete(&self, at: &S3Url) -> Result<(), S3Error> {
        let bucket = self.bucket(&at.bucket).await?;
        bucket.delete(std::slice::from_ref(&at.key)).await
    }

    /// The keys that begin with a prefix, which need not end with a slash, with the bytes of their objects.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn keys(&self, prefix: &S3Url) -> Result<Vec<(String, u64)>, S3Error> {
        let bucket = self.bucket(&prefix.bucket).await?;
        let listed = bucket.list(&prefix.key).await?.into_iter();
        Ok(listed.map(|object| (object.key, object.bytes)).collect())
    }

    /// The objects of a prefix, each with what follows the prefix in its key; the one object of a key, with nothing.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn list(&self, at: &S3Url) -> Result<Vec<(S3Url, String)>, S3Error> {
        let bucket = self.bucket(&at.bucket).await?;
        let folder = match at.key.as_str() {
            "" => String::new(),
            key => format!("{}/", key.trim_end_matches('/')),
        };
        let listed = bucket.list(&folder).await?.into_iter();
        let files = listed.filter(|object| !object.key.ends_with('/'));
        let below = files.map(|object| {
            let below = object.key[folder.len()..].to_owned();
            (bucket.url(&object.key), below)
        });
        let mut found: Vec<_> = below.collect();
        if found.is_empty() && bucket.head(&at.key).await?.is_some() {
            found.push((at.clone(), String::new()));
        }
        Ok(found)
    }

    /// Copies an object into a file, with the folders above it; the file appears when it is whole, in place of one that is there.
    ///
    /// # Errors
    /// If the disk or the service refuses.
    pub async fn download(&self, from: &S3Url, file: &Path) -> io::Result<()> {
        let bucket = self.bucket(&from.bucket).await.map_err(io::Error::other)?;
        let found = bucket.head(&from.key).await.map_err(io::Error::other)?;
        let found = found.ok_or(io::ErrorKind::NotFound)?;
        let object = ObjectFile::new(bucket, &from.key, &found.etag, found.bytes);
        let mut bytes = object.read_from(0);
        let file = file.to_owned();
        let copied = tokio::task::spawn_blocking(move || {
            let folder = file
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut part = tempfile::NamedTempFile::new_in(folder)?;
            io::copy(&mut bytes, &mut part)?;
            part.persist(file).map(drop).map_err(|error| error.error)
        });
        copied.await.map_err(io::Error::other)?
    }

    /// A bucket that was asked for before.
    pub(crate) fn known(&self, name: &str) -> Option<Bucket> {
        let buckets = self.0.buckets.lock();
        let buckets = buckets.unwrap_or_else(PoisonError::into_inner);
        buckets.get(name).cloned()
    }

    /// A bucket; its region is asked for once, since requests to another one are refused.
    pub(crate) async fn bucket(&self, name: &str) -> Result<Bucket, S3Error> {
        if let Some(bucket) = self.known(name) {
            return Ok(bucket);
        }
        let options = &self.0.options;
        if options.endpoint == Endpoint::Local && self.0.given.is_none() {
            return Err(S3Error::no_local(name));
        }
        let config = self.config().await;
        let elsewhere = self.is_elsewhere(config);
        let client = client(config, config.region().cloned(), name, elsewhere);
        let mut bucket = Bucket::new(client, name, options);
        // Only Amazon's buckets are in regions.
        if !elsewhere
            && let Some(region) = bucket.region().await?
            && config.region().map(Region::as_ref) != Some(region.as_str())
        {
            bucket = Bucket::new(client_in(config, region, name), name, options);
        }
        let buckets = self.0.buckets.lock();
        let mut buckets = buckets.unwrap_or_else(PoisonError::into_inner);
        Ok(buckets.entry(name.to_owned()).or_insert(bucket).clone())
    }

    /// What clients of other services are made of; none if the local AWS is meant and does not run.
    pub(crate) async fn for_services(&self) -> Option<SdkConfig> {
        let Inner { options, given, .. } = self.0.as_ref();
        if options.endpoint == Endpoint::Local && given.is_none() {
            return None;
        }
        Some(self.config().await.clone())
    }

    /// Whether the services are others than Amazon's.
    fn is_elsewhere(&self, config: &SdkConfig) -> bool {
        let given = self.0.given.is_some() || matches!(self.0.options.endpoint, Endpoint::Url(_));
        let of_s3 = std::env::var(S3_ENDPOINT).ok();
        let urls = of_s3.as_deref().into_iter().chain(config.endpoint_url());
        given || urls.into_iter().any(|url| !url.contains(".amazonaws.com"))
    }

    async fn config(&self) -> &SdkConfig {
        let Inner {
            options,
            given,
            config,
            ..
        } = self.0.as_ref();
        config
            .get_or_init(|| async {
                let http = aws_smithy_http_client::Builder::new()
                    .tls_provider(tls::Provider::Rustls(
                        tls::rustls_provider::CryptoMode::Ring,
                    ))
                    .build_https();
                let mut loader = aws_config::defaults(BehaviorVersion::latest())
                    .http_client(http.clone())
                    .retry_config(
                        RetryConfig::standard()
                            .with_max_attempts(ATTEMPTS)
                            .with_initial_backoff(FIRST_PAUSE),
                    )
                    .timeout_config(
                        TimeoutConfig::builder()
                            .connect_timeout(CONNECT)
                            .operation_attempt_timeout(ATTEMPT)
                            .build(),
                    );
                if let Some(profile) = &options.profile {
                    // Alone: keys in variables would win over the profile that the pipeline names.
                    let provider = ProviderConfig::default().with_http_client(http.clone());
                    let credentials = ProfileFileCredentialsProvider::builder()
                        .profile_name(profile)
                        .configure(&provider)
                        .build();
                    loader = loader
                        .profile_name(profile)
                        .credentials_provider(credentials);
                }
                if let Some(region) = &options.region {
                    loader = loader.region(Region::new(region.clone()));
                }
                if let Endpoint::Url(url) = &options.endpoint {
                    loader = loader.endpoint_url(url);
                }
                if let Some(given) = given {
                    let Given {
                        endpoint,
                        access_key,
                        secret_key,
                    } = given;
                    let credentials =
                        Credentials::new(access_key, secret_key, None, None, "transom");
                    loader = loader
                        .endpoint_url(endpoint)
                        .credentials_provider(credentials)
                        .region(Region::from_static(ANY_REGION));
                }
                loader.load().await
            })
            .await
    }
}

fn client_in(config: &SdkConfig, region: String, bucket: &str) -> Client {
    client(config, Some(Region::new(region)), bucket, false)
}

fn client(config: &SdkConfig, region: Option<Region>, bucket: &str, elsewhere: bool) -> Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .region(region.unwrap_or(Region::from_static(ANY_REGION)))
        // Other servers have no name for each bucket; a point in a name does not fit the certificate.
        // Standard retries know the codes of Amazon, which others leave out.
        .retry_classifier(HttpStatusCodeClassifier::new_from_codes(&[429]))
        .force_path_style(elsewhere || bucket.contains('.'))
        .build();
    Client::from_conf(config)
}
