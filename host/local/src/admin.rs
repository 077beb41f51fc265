//! Requests of the program to a running server: `GET /_transom/status`, `POST /_transom/reset`,
//! `POST /_transom/lifecycle`, `POST /_transom/sql`, `POST /_transom/faults`.
//!
//! A web page can make a browser send a POST to loopback, but not one with a header of its own: without [`HEADER`]
//! nothing is changed.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::Body;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use transom_redshift::{Outcome, Session};

use crate::redshift::{Fault, Redshift};
use crate::s3::{Contents, Expired, S3};

const HEADER: &str = "x-transom-local";
/// Bytes of the statements of one request.
const MOST_BYTES: usize = 256 << 20;

/// What a running server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub process: u32,
    /// What S3 holds.
    pub s3: Contents,
    /// Tables of Redshift.
    #[serde(default)]
    pub tables: u64,
    /// Rows of those.
    #[serde(default)]
    pub rows: u64,
}

/// What the statements of a text did, up to the first that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanAll {
    /// Those that did not fail.
    pub statements: Vec<Ran>,
    /// Why the next one failed.
    pub error: Option<StatementError>,
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// As the wire protocol names it, such as `INSERT 0 3`.
    pub tag: String,
    /// Rows, if it gives some.
    pub result: Option<ResultRows>,
    /// What a client may show.
    pub notices: Vec<String>,
}

/// Rows of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRows {
    /// The columns; several may have one name.
    pub columns: Vec<ResultColumn>,
    /// The values as Redshift shows them; none is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type in SQL.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementError {
    /// The statement.
    pub statement: String,
    /// Five letters that clients compare.
    pub sqlstate: String,
    /// In Redshift's words.
    pub message: String,
    /// What to do instead, if that is known.
    pub hint: Option<String>,
}

impl StatementError {
    fn new(statement: &str, error: &transom_redshift::Error) -> Self {
        Self {
            statement: statement.to_owned(),
            sqlstate: error.sqlstate().to_owned(),
            message: error.text().to_owned(),
            hint: error.advice().map(str::to_owned),
        }
    }
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        let result = outcome.rows.map(|rows| ResultRows {
            columns: rows
                .columns()
                .iter()
                .map(|column| ResultColumn {
                    name: column.name.clone(),
                    data_type: column.data_type.name(),
                })
                .collect(),
            rows: rows.texts().collect(),
        });
        Self {
            tag: outcome.tag,
            result,
            notices: outcome.notices,
        }
    }
}

/// Runs the statements of a text in a session of its own.
async fn run(redshift: &Redshift, text: &str) -> RanAll {
    let mut ran = RanAll {
        statements: Vec::new(),
        error: None,
    };
    let statements = match Session::split(text) {
        Ok(statements) => statements,
        Err(error) => {
            ran.error = Some(StatementError::new(text, &error));
            return ran;
        }
    };
    let session = redshift.session();
    for statement in statements {
        match session.run(statement, &[]).await {
            Ok(outcome) => ran.statements.push(outcome.into()),
            Err(error) => {
                ran.error = Some(StatementError::new(statement, &error));
                break;
            }
        }
    }
    ran
}

/// The text of a request.
async fn text(request: Request<Body>) -> Result<String, String> {
    let body = Limited::new(request.into_body(), MOST_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| error.to_string())?;
    String::from_utf8(body.to_bytes().to_vec()).map_err(|_| "the text is not UTF-8".to_owned())
}

pub(crate) async fn answer(
    s3: &S3,
    redshift: &Redshift,
    action: &str,
    request: Request<Body>,
) -> Response<Body> {
    let changes = request.method() == Method::POST && request.headers().contains_key(HEADER);
    match action {
        "status" if request.method() == Method::GET => {
            let contents = s3.contents().await;
            let (tables, rows) = redshift.contents();
            json(contents.map(|s3| Status {
                process: std::process::id(),
                s3,
                tables,
                rows,
            }))
        }
        "reset" if changes => match redshift.reset().await {
            Ok(()) => json(s3.reset().await),
            Err(error) => json::<()>(Err(error)),
        },
        "faults" if changes => match text(request).await {
            Ok(text) => json(match serde_json::from_str::<Vec<Fault>>(&text) {
                Ok(faults) => {
                    redshift.set_faults(faults);
                    Ok(())
                }
                Err(error) => Err(format!("not a list of faults: {error}")),
            }),
            Err(error) => json::<()>(Err(error)),
        },
        "sql" if changes => match text(request).await {
            Ok(text) => json(Ok(run(redshift, &text).await)),
            Err(error) => json::<()>(Err(error)),
        },
        "lifecycle" if changes => {
            let query = request.uri().query().unwrap_or_default();
            let at = query.strip_prefix("at=").map(str::parse).transpose();
            match at {
                Ok(at) => json(s3.run_lifecycle(at).await),
                Err(_) => json::<()>(Err("`at` must be seconds since 1970".to_owned())),
            }
        }
        _ => {
            let mut response = json::<()>(Err(format!("there is no `{action}`")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Problem {
    error: String,
}

fn json<T: Serialize>(result: Result<T, String>) -> Response<Body> {
    let (status, text) = match result {
        Ok(value) => (StatusCode::OK, serde_json::to_string(&value)),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            serde_json::to_string(&Problem { error }),
        ),
    };
    let mut response = Response::new(Body::from(Bytes::from(text.unwrap_or_default())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answers there.
    #[error("nothing answers at {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What answers is no local AWS, or one of another version.
    #[error("what answers at {endpoint} is not a local AWS of this version")]
    Foreign {
        /// Where.
        endpoint: String,
    },
    /// The server could not do it.
    #[error("the local AWS failed: {message}")]
    Failed {
        /// In its words.
        message: String,
    },
}

/// Asks a server that another process runs.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: String,
}

impl Client {
    /// For a server at an endpoint such as `http://127.0.0.1:4566`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
        }
    }

    /// What the server holds.
    ///
    /// # Errors
    /// If the server does not answer or fails.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "status").await
    }

    /// Deletes all data of all services.
    ///
    /// # Errors
    /// If the server does not answer or fails.
    pub async fn reset(&self) -> Result<(), ClientError> {
        self.ask(Method::POST, "reset").await
    }

    /// Replaces the faults that statements of the Data API meet; none is without.
    ///
    /// # Errors
    /// If the server does not answer or fails.
    pub async fn set_faults(&self, faults: &[Fault]) -> Result<(), ClientError> {
        let text = serde_json::to_string(faults).unwrap_or_default();
        self.ask_with(Method::POST, "faults", text).await
    }

    /// Runs statements on Redshift, up to the first that fails.
    ///
    /// # Errors
    /// If the server does not answer or fails. A statement that fails is in what it answers.
    pub async fn sql(&self, statements: &str) -> Result<RanAll, ClientError> {
        self.ask_with(Method::POST, "sql", statements.to_owned())
            .await
    }

    /// Runs lifecycle rules as if it were a moment, in seconds since 1970; now, if none is given.
    ///
    /// # Errors
    /// If the server does not answer or fails.
    pub async fn run_lifecycle(&self, at: Option<i64>) -> Result<Expired, ClientError> {
        let at = at.map(|at| format!("?at={at}")).unwrap_or_default();
        self.ask(Method::POST, &format!("lifecycle{at}")).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        action: &str,
    ) -> Result<T, ClientError> {
        self.ask_with(method, action, String::new()).await
    }

    async fn ask_with<T: DeserializeOwned>(
        &self,
        method: Method,
        action: &str,
        text: String,
    ) -> Result<T, ClientError> {
        let (status, bytes) =
            self.send(method, action, text)
                .await
                .map_err(|source| ClientError::Unreachable {
                    endpoint: self.endpoint.clone(),
                    source,
                })?;
        let foreign = || ClientError::Foreign {
            endpoint: self.endpoint.clone(),
        };
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| foreign());
        }
        match serde_json::from_slice(&bytes) {
            Ok(Problem { error }) => Err(ClientError::Failed { message: error }),
            Err(_) => Err(foreign()),
        }
    }

    async fn send(
        &self,
        method: Method,
        action: &str,
        text: String,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let address = self.endpoint.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/_transom/{action}"))
            .header(HOST, address)
            .header(HEADER, "1")
            .body(Full::new(Bytes::from(text)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, bytes))
    }
}
