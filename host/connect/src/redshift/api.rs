//! The Data API: statements are submitted, then looked at until they are over.
//!
//! A statement that was submitted runs whether or not its caller still waits, and the same text submitted again runs
//! again. So nothing here submits twice: what is unclear is reported as that, and the caller looks at the warehouse.
//! `ClientToken` protects only against the SDK's own repetition of a request whose answer was lost; a statement that
//! failed is remembered with its token for hours.

use std::fmt;
use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::Region;
use aws_sdk_redshiftdata::config::http::HttpResponse;
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::types::{ExecutionMode, Field, StatementStatusString, StatusString};
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use transom_commit::Submission;
use transom_file::spec::{DbUser, RedshiftOptions, Server};

use super::error::{ApiError, ApiErrorKind};
use crate::aws::{Aws, S3ErrorKind, sorted};

/// Pause before a statement is looked at for the second time; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How often in a row looking at a statement may fail, each time after all of the SDK's own tries.
const LOOKS: u32 = 5;
/// Bytes of a statement at most.
pub(super) const MOST_TEXT: usize = 100_000;
/// Statements of a transaction at most.
pub(super) const MOST_STATEMENTS: usize = 40;
/// The region of services that are not Amazon's.
const ANY_REGION: &str = "us-east-1";

/// A row of a result: its values as text.
pub(super) type Row = Vec<Option<String>>;

/// A warehouse that is reached by the Data API.
pub(super) struct DataApi<'a> {
    client: Client,
    options: &'a RedshiftOptions,
}

impl fmt::Debug for DataApi<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataApi").field(self.options).finish()
    }
}

/// How the warehouse is named in a request: every operation that starts statements has the same fields.
macro_rules! of_warehouse {
    ($api:expr, $request:expr) => {{
        let options = $api.options;
        let request = $request.database(&options.database);
        let request = match &options.server {
            Server::Workgroup(name) => request.workgroup_name(name),
            Server::Cluster(name) => request.cluster_identifier(name),
        };
        match &options.user {
            None => request,
            Some(DbUser::DbUser(user)) => request.db_user(user),
            Some(DbUser::SecretArn(secret)) => request.secret_arn(secret),
        }
    }};
}

impl<'a> DataApi<'a> {
    /// The warehouse, reached with the credentials and the region of `aws`.
    ///
    /// # Errors
    /// If the local AWS is meant and does not run.
    pub(super) async fn new(aws: &Aws, options: &'a RedshiftOptions) -> Result<Self, ApiError> {
        let config = aws.for_services().await.ok_or_else(|| ApiError {
            kind: ApiErrorKind::Refused,
            message: "the local AWS is not started here".to_owned(),
            statement: None,
        })?;
        let region = config.region().cloned();
        let config = aws_sdk_redshiftdata::config::Builder::from(&config)
            .region(region.unwrap_or(Region::from_static(ANY_REGION)))
            // Standard retries know the codes of Amazon, which others leave out.
            .retry_classifier(HttpStatusCodeClassifier::new_from_codes(&[429]))
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            options,
        })
    }

    /// The region that the warehouse is looked for in.
    pub(super) fn region(&self) -> Option<&str> {
        self.client.config().region().map(Region::as_ref)
    }

    /// Runs one statement, and waits until it is over.
    ///
    /// # Errors
    /// If it fails, or if it is not clear what became of it.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), ApiError> {
        self.finished(sql).await.map(drop)
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn query(&self, sql: &str) -> Result<Vec<Row>, ApiError> {
        let id = self.finished(sql).await?;
        let mut rows = Vec::new();
        let mut next = None;
        loop {
            let asked = self.client.get_statement_result().id(&id);
            let answer = asked.set_next_token(next).send().await.map_err(failed)?;
            for record in answer.records {
                rows.push(record.iter().map(text).collect());
            }
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(rows);
            }
        }
    }

    async fn finished(&self, sql: &str) -> Result<String, ApiError> {
        let request = self.client.execute_statement().sql(sql);
        let token = Submission::random().to_string();
        let request = of_warehouse!(self, request).client_token(token);
        let submitted = request.send().await.map_err(failed)?;
        self.wait(submitted.id.unwrap_or_default()).await
    }

    /// Runs statements as one transaction, and waits until it is over. `token` names this submission, and never
    /// another one.
    ///
    /// # Errors
    /// If it fails, with the statement that did; or if it is not clear what became of it.
    pub(super) async fn transaction(
        &self,
        statements: Vec<String>,
        token: &str,
    ) -> Result<(), ApiError> {
        transom_commit::fault::at("redshift.submit_before");
        let request = self.client.batch_execute_statement();
        let request = of_warehouse!(self, request)
            .set_sqls(Some(statements))
            .execution_mode(ExecutionMode::Transaction)
            .client_token(token);
        let submitted = request.send().await.map_err(failed)?;
        transom_commit::fault::at("redshift.submit_after");
        let waited = self.wait(submitted.id.unwrap_or_default()).await;
        transom_commit::fault::at("redshift.finished");
        waited.map(drop)
    }

    /// Waits until a statement is over; gives its id back.
    async fn wait(&self, id: String) -> Result<String, ApiError> {
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        loop {
            let seen = self.client.describe_statement().id(&id).send().await;
            let seen = match seen.map_err(failed) {
                Ok(seen) => seen,
                Err(error) => {
                    failures += 1;
                    if failures == LOOKS || error.kind == ApiErrorKind::Refused {
                        // It goes on all the same.
                        return Err(ApiError {
                            kind: ApiErrorKind::Unclear,
                            ..error
                        });
                    }
                    tokio::time::sleep(LONGEST_PAUSE).await;
                    continue;
                }
            };
            failures = 0;
            let status = seen.status();
            match status {
                Some(StatusString::Finished) => return Ok(id),
                Some(StatusString::Failed | StatusString::Aborted) => {
                    let parts = seen.sub_statements();
                    let is_failed = |status: Option<&StatementStatusString>| {
                        matches!(
                            status,
                            Some(StatementStatusString::Failed | StatementStatusString::Aborted)
                        )
                    };
                    let statement = parts.iter().position(|part| is_failed(part.status()));
                    let of_part = statement.and_then(|at| parts[at].error());
                    let message = of_part.or(seen.error()).unwrap_or("it was aborted");
                    return Err(ApiError {
                        kind: match status {
                            Some(StatusString::Aborted) => ApiErrorKind::Unclear,
                            _ => ApiErrorKind::Failed,
                        },
                        message: message.to_owned(),
                        statement,
                    });
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(value) => Some(value.to_string()),
        // Bytes and what newer services have: nothing here asks for them.
        _ => None,
    }
}

fn failed<E>(error: SdkError<E, HttpResponse>) -> ApiError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let (kind, message) = sorted(&error, kind_of);
    ApiError {
        kind: match kind {
            S3ErrorKind::Temporary | S3ErrorKind::Unclear => ApiErrorKind::Unclear,
            _ => ApiErrorKind::Refused,
        },
        message,
        statement: None,
    }
}

/// Nearly all of the Data API's answers have status 400.
fn kind_of(status: u16, code: &str) -> S3ErrorKind {
    match (status, code) {
        (429 | 500..=599, _) => S3ErrorKind::Temporary,
        (
            _,
            "ActiveStatementsExceededException"
            | "ActiveSessionsExceededException"
            | "ActiveWaitingRequestsExceededException"
            | "BatchExecuteStatementException"
            | "DatabaseConnectionException"
            | "ExecuteStatementException"
            | "InternalServerException"
            | "QueryTimeoutException"
            | "ThrottlingException"
            | "TooManyRequestsException",
        ) => S3ErrorKind::Temporary,
        _ => S3ErrorKind::Refused,
    }
}
