//! How Amazon's services are reached.

use serde::Serialize;

/// How Amazon's services are reached; what is not said is found as Amazon's own tools find it, in variables and profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AwsOptions {
    /// Which services.
    pub endpoint: Endpoint,
    /// The region, unless a bucket says that it is in another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The profile in `~/.aws/config` that has the credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether requests are paid for here, where buckets ask for that.
    pub requester_pays: bool,
    /// The key of KMS that encrypts what is written; as the bucket says if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// Which services are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Amazon's, or what the variable `AWS_ENDPOINT_URL` says.
    #[default]
    Aws,
    /// The local AWS on this machine.
    Local,
    /// Those at an address.
    Url(String),
}
