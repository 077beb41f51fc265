//! The log of what clients asked for, in the words of IAM: a policy that allows these lines allows the same client on Amazon's.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use s3s::host::S3Host;
use serde::Serialize;

use crate::s3::{ACCOUNT, Localhost};

/// Where lines go; nowhere by default. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessLog(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    file: Mutex<File>,
    /// Of requests that are not signed for one.
    region: String,
}

/// A line: one action on one resource. Some requests are several.
#[derive(Debug, Serialize)]
struct Access<'a> {
    /// The request.
    operation: &'a str,
    /// What IAM allows or denies.
    action: &'a str,
    /// The ARN, or `*`.
    resource: &'a str,
    /// Of a listing: what the keys begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
}

impl AccessLog {
    /// A log at the end of a file.
    pub(crate) fn open(path: &Path, region: &str) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Some(Arc::new(Open {
            file: Mutex::new(file),
            region: region.to_owned(),
        }))))
    }

    fn write(&self, operation: &str, action: &str, resource: &str, prefix: Option<&str>) {
        let Some(open) = &self.0 else { return };
        let access = Access {
            operation,
            action,
            resource,
            prefix,
        };
        let line = serde_json::to_string(&access).unwrap_or_default();
        let mut file = open.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::warn!(%error, "the access log cannot be written");
        }
    }

    /// A request of S3. What `DeleteObjects` deletes is in its body: [`Self::of_deleted`].
    pub(crate) fn of_s3(&self, operation: &str, uri: &Uri, headers: &HeaderMap) {
        if self.0.is_none() || operation == "DeleteObjects" {
            return;
        }
        let (bucket, key) = place(uri, headers);
        let object = object(&bucket, &key);
        let bucket = format!("arn:aws:s3:::{bucket}");
        let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let prefix = query.find(|(name, _)| name == "prefix");
        let prefix = prefix.map(|(_, value)| value.into_owned());
        if let "CopyObject" | "UploadPartCopy" = operation {
            let from = headers.get("x-amz-copy-source");
            let from = from.map(|from| percent_decode_str(from.to_str().unwrap_or_default()));
            let from = from.map(|from| from.decode_utf8_lossy().into_owned());
            let from = from.unwrap_or_default();
            let from = format!("arn:aws:s3:::{}", from.trim_start_matches('/'));
            self.write(operation, "s3:GetObject", &from, None);
        }
        let (action, resource) = match operation {
            "ListBuckets" => ("s3:ListAllMyBuckets", "*"),
            "HeadBucket" | "ListObjects" | "ListObjectsV2" => ("s3:ListBucket", &*bucket),
            "ListMultipartUploads" => ("s3:ListBucketMultipartUploads", &*bucket),
            "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
                ("s3:PutLifecycleConfiguration", &*bucket)
            }
            "GetBucketLifecycleConfiguration" => ("s3:GetLifecycleConfiguration", &*bucket),
            "GetObject" | "HeadObject" => ("s3:GetObject", &*object),
            "PutObject"
            | "CopyObject"
            | "UploadPartCopy"
            | "PostObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "CompleteMultipartUpload" => ("s3:PutObject", &*object),
            "ListParts" => ("s3:ListMultipartUploadParts", &*object),
            other => {
                let resource = if key.is_empty() { &bucket } else { &object };
                let action = format!("s3:{other}");
                return self.write(operation, &action, resource, None);
            }
        };
        self.write(operation, action, resource, prefix.as_deref());
    }

    /// An object that a request deletes together with others.
    pub(crate) fn of_deleted(&self, bucket: &str, key: &str) {
        if self.0.is_some() {
            let object = object(bucket, key);
            self.write("DeleteObjects", "s3:DeleteObject", &object, None);
        }
    }

    /// A request of the Data API in the region that it is signed for, and what it needs to begin a session.
    pub(crate) fn of_data_api(
        &self,
        operation: &str,
        region: Option<&str>,
        warehouse: Option<&Warehouse<'_>>,
    ) {
        let Some(open) = &self.0 else { return };
        let action = format!("redshift-data:{operation}");
        let region = region.unwrap_or(&open.region);
        let arn = |service: &str, resource: String| {
            format!("arn:aws:{service}:{region}:{ACCOUNT}:{resource}")
        };
        let Some(warehouse) = warehouse else {
            return self.write(operation, &action, "*", None);
        };
        let of = match warehouse.server {
            Server::Workgroup(name) => arn("redshift-serverless", format!("workgroup/{name}")),
            Server::Cluster(name) => arn("redshift", format!("cluster:{name}")),
        };
        self.write(operation, &action, &of, None);
        let database = warehouse.database;
        match (warehouse.server, warehouse.secret, warehouse.user) {
            (_, Some(secret), _) => {
                // Its ARN ends with letters that its name does not tell.
                let of = match secret.starts_with("arn:") {
                    true => secret.to_owned(),
                    false => arn("secretsmanager", format!("secret:{secret}-AbCdEf")),
                };
                self.write(operation, "secretsmanager:GetSecretValue", &of, None);
            }
            (Server::Workgroup(_), ..) => {
                self.write(operation, "redshift-serverless:GetCredentials", &of, None);
            }
            (Server::Cluster(cluster), _, user) => {
                let action = match user {
                    Some(_) => "redshift:GetClusterCredentials",
                    None => "redshift:GetClusterCredentialsWithIAM",
                };
                let of = arn("redshift", format!("dbname:{cluster}/{database}"));
                self.write(operation, action, &of, None);
                if let Some(user) = user {
                    let of = arn("redshift", format!("dbuser:{cluster}/{user}"));
                    self.write(operation, action, &of, None);
                }
            }
        }
    }
}

/// The warehouse of a request, and as whom its session runs.
#[derive(Debug)]
pub(crate) struct Warehouse<'a> {
    pub(crate) server: Server<'a>,
    pub(crate) database: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) secret: Option<&'a str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Server<'a> {
    Workgroup(&'a str),
    Cluster(&'a str),
}

fn object(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// The bucket and the key of a request; empty where it names none.
fn place(uri: &Uri, headers: &HeaderMap) -> (String, String) {
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    let path = path.strip_prefix('/').unwrap_or(&path);
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| Localhost.parse_host_header(host).ok());
    match host.as_ref().and_then(|host| host.bucket()) {
        Some(bucket) => (bucket.to_owned(), path.to_owned()),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (bucket.to_owned(), key.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_actions_on_resources() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.jsonl");
        let log = AccessLog::open(&path, "us-east-1").unwrap();
        let mut headers = HeaderMap::new();
        log.of_s3(
            "ListObjectsV2",
            &"/lake?list-type=2&prefix=a%2Fb".parse().unwrap(),
            &headers,
        );
        headers.insert("host", "lake.localhost:4566".parse().unwrap());
        headers.insert("x-amz-copy-source", "lake/a/x%20y".parse().unwrap());
        log.of_s3("CopyObject", &"/a/b".parse().unwrap(), &headers);
        log.of_deleted("lake", "a/b");
        log.of_data_api("DescribeStatement", None, None);
        let warehouse = Warehouse {
            server: Server::Workgroup("dwh"),
            database: "dev",
            user: None,
            secret: None,
        };
        log.of_data_api("ExecuteStatement", None, Some(&warehouse));
        let warehouse = Warehouse {
            server: Server::Cluster("dwh"),
            secret: Some("loader"),
            ..warehouse
        };
        log.of_data_api("ExecuteStatement", Some("eu-west-1"), Some(&warehouse));
        let lines = std::fs::read_to_string(&path).unwrap();
        let lines = lines.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("action"), text("resource"), text("prefix"))
        });
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "s3:ListBucket arn:aws:s3:::lake a/b",
                "s3:GetObject arn:aws:s3:::lake/a/x y -",
                "s3:PutObject arn:aws:s3:::lake/a/b -",
                "s3:DeleteObject arn:aws:s3:::lake/a/b -",
                "redshift-data:DescribeStatement * -",
                "redshift-data:ExecuteStatement \
                 arn:aws:redshift-serverless:us-east-1:000000000000:workgroup/dwh -",
                "redshift-serverless:GetCredentials \
                 arn:aws:redshift-serverless:us-east-1:000000000000:workgroup/dwh -",
                "redshift-data:ExecuteStatement arn:aws:redshift:eu-west-1:000000000000:cluster:dwh -",
                "secretsmanager:GetSecretValue \
                 arn:aws:secretsmanager:eu-west-1:000000000000:secret:loader-AbCdEf -",
            ]
        );
    }
}
