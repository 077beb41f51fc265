//! Clients of a local AWS: questions to its Redshift by the Data API, and S3 past our own code.

use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_redshiftdata::types::{Field, StatusString};

/// The keys of the local AWS.
pub(crate) const KEYS: (&str, &str) = ("transom", "transom-local");

/// A client of the Data API at an address.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(KEYS.0, KEYS.1, None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// A client of S3 at the same address.
pub(crate) fn s3(endpoint: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(KEYS.0, KEYS.1, None, None, "test"))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The rows of a statement, each with its values as text.
pub(crate) async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let request = client.execute_statement().workgroup_name("local");
    let submitted = request.database("dev").sql(sql).send().await.unwrap();
    let id = submitted.id.unwrap();
    let described = loop {
        let described = client.describe_statement().id(&id).send().await.unwrap();
        match described.status() {
            Some(StatusString::Finished) => break described,
            Some(StatusString::Failed) => return Err(described.error.unwrap()),
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    let mut rows = Vec::new();
    if described.has_result_set != Some(true) {
        return Ok(rows);
    }
    let mut next = None;
    loop {
        let request = client.get_statement_result().id(&id);
        let answer = request.set_next_token(next).send().await.unwrap();
        let records = answer.records.iter();
        rows.extend(records.map(|record| record.iter().map(text).collect()));
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(rows);
        }
    }
}

fn text(value: &Field) -> String {
    match value {
        Field::StringValue(text) => text.clone(),
        Field::LongValue(number) => number.to_string(),
        Field::DoubleValue(number) => number.to_string(),
        Field::BooleanValue(value) => value.to_string(),
        _ => "NULL".to_owned(),
    }
}
