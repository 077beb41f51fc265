//! Why the Data API refuses a request: the exceptions of Amazon's models.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An exception of the Data API, by Amazon's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exception {
    /// There are too many sessions.
    #[serde(rename = "ActiveSessionsExceededException")]
    ActiveSessionsExceeded,
    /// Too many statements run.
    #[serde(rename = "ActiveStatementsExceededException")]
    ActiveStatementsExceeded,
    /// Too many requests wait for one statement.
    #[serde(rename = "ActiveWaitingRequestsExceededException")]
    ActiveWaitingRequestsExceeded,
    /// A batch met a fault of the service.
    #[serde(rename = "BatchExecuteStatementException")]
    BatchExecuteStatement,
    /// The database cannot be reached, or is not there.
    #[serde(rename = "DatabaseConnectionException")]
    DatabaseConnection,
    /// A statement met a fault of the service.
    #[serde(rename = "ExecuteStatementException")]
    ExecuteStatement,
    /// A fault of the service.
    #[serde(rename = "InternalServerException")]
    InternalServer,
    /// The database took too long.
    #[serde(rename = "QueryTimeoutException")]
    QueryTimeout,
    /// There is no such statement, result or session.
    #[serde(rename = "ResourceNotFoundException")]
    ResourceNotFound,
    /// The body is not what the operation takes.
    #[serde(rename = "SerializationException")]
    Serialization,
    /// There are too many requests.
    #[serde(rename = "ThrottlingException")]
    Throttling,
    /// There is no such operation.
    #[serde(rename = "UnknownOperationException")]
    UnknownOperation,
    /// The request is wrong.
    #[serde(rename = "ValidationException")]
    Validation,
}

impl Exception {
    /// Faults of the service, which SDKs try again, are 500.
    fn status(self) -> StatusCode {
        match self {
            Self::BatchExecuteStatement
            | Self::DatabaseConnection
            | Self::ExecuteStatement
            | Self::InternalServer
            | Self::QueryTimeout => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The member that names what the exception is about, of those that have one.
    fn subject(self) -> Option<&'static str> {
        match self {
            Self::ResourceNotFound => Some("ResourceId"),
            Self::BatchExecuteStatement | Self::ExecuteStatement => Some("StatementId"),
            _ => None,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// The connection is closed instead.
    Lost,
    /// An exception with its message, and the number of what it is about.
    Because(Exception, String, String),
}

impl Refused {
    pub(super) fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self::Because(exception, message.into(), String::new())
    }

    /// The status and the body of the answer.
    pub(super) fn answer(&self) -> (StatusCode, Value) {
        let Self::Because(exception, message, id) = self else {
            return (StatusCode::INTERNAL_SERVER_ERROR, Value::Null);
        };
        let mut body = json!({ "__type": exception, "message": message, "Message": message });
        if let Some(subject) = exception.subject() {
            body[subject] = json!(id);
        }
        (exception.status(), body)
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Refused {
    Refused::new(Exception::Validation, message)
}

pub(super) fn missing(message: impl Into<String>, id: &str) -> Refused {
    Refused::Because(Exception::ResourceNotFound, message.into(), id.to_owned())
}
