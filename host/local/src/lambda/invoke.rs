//! Lambda's Invoke API: `POST /2015-03-31/functions/NAME/invocations`, for one function.
//!
//! There is one instance, as of a function whose reserved concurrency is 1: a call that comes while another is being carried out is
//! refused with 429, which SDKs and state machines try again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::http::{Answer, serve};
use super::{LocalFunction, PAYLOAD, arn, request_id};

const ROOT: &str = "/2015-03-31/functions/";
const VERSION: &str = "$LATEST";

/// A function that callers invoke by HTTP, such as the AWS CLI, SDKs and state machines. Dropped, it takes no more calls;
/// [`InvokeApi::shutdown`] also kills the function's program.
#[derive(Debug)]
pub struct InvokeApi {
    address: SocketAddr,
    door: Arc<Door>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Door {
    name: String,
    function: Arc<Mutex<LocalFunction>>,
    /// The invocation that was begun last. It goes on without its caller, as in Lambda.
    invocation: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// Why a call is refused: a name that SDKs know, and what it says.
struct Refused(StatusCode, &'static str, String);

impl InvokeApi {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is taken, or may not be used.
    pub async fn listen(address: SocketAddr, function: LocalFunction) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let door = Arc::new(Door {
            name: function.options.name.clone(),
            function: Arc::new(Mutex::new(function)),
            invocation: std::sync::Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&door)));
        Ok(Self {
            address,
            door,
            serving,
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more calls, and kills the function's program.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn shutdown(self) -> io::Result<()> {
        self.serving.abort();
        let invocation = self.door.invocation.lock();
        let invocation = invocation
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(invocation) = invocation {
            invocation.abort();
            // Cancelled, or over already.
            let _ = invocation.await;
        }
        self.door.function.lock().await.kill().await
    }
}

impl Drop for InvokeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Answer for Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let id = request_id();
        let mut response = match self.invoke(request, &id).await {
            Ok(response) => response,
            Err(Refused(status, kind, message)) => {
                let body = json!({ "Type": "User", "message": message, "Message": message });
                let mut response = of_bytes(Bytes::from(body.to_string()));
                *response.status_mut() = status;
                let kind = HeaderValue::from_static(kind);
                response.headers_mut().insert("x-amzn-errortype", kind);
                response
            }
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

impl Door {
    async fn invoke(
        &self,
        request: Request<Incoming>,
        id: &str,
    ) -> Result<Response<Full<Bytes>>, Refused> {
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        let called = path.strip_prefix(ROOT);
        let called = called.and_then(|rest| rest.strip_suffix("/invocations"));
        let (Some(called), &Method::POST) = (called, request.method()) else {
            return Err(Refused(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                format!(
                    "there is only `POST {ROOT}{}/invocations` here, not `{} {path}`",
                    self.name,
                    request.method()
                ),
            ));
        };
        if !is_name(called, &self.name) {
            return Err(Refused(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                format!("Function not found: {}", arn(called)),
            ));
        }
        let is_dry = match header(&request, "x-amz-invocation-type") {
            None | Some("RequestResponse") => false,
            Some("DryRun") => true,
            Some(other) => {
                return Err(Refused(
                    StatusCode::BAD_REQUEST,
                    "InvalidParameterValueException",
                    format!(
                        "the invocation type `{other}` is not supported here; callers wait for the answer"
                    ),
                ));
            }
        };
        let event = event(request).await?;
        if is_dry {
            let mut response = of_bytes(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        let Ok(mut function) = Arc::clone(&self.function).try_lock_owned() else {
            return Err(Refused(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequestsException",
                "Rate Exceeded.".to_owned(),
            ));
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let own_id = id.to_owned();
        let invocation = tokio::spawn(async move {
            let outcome = function.invoke(&event, &own_id).await;
            // The caller may be gone.
            let _ = answer.send(outcome);
        });
        let last = self.invocation.lock();
        *last.unwrap_or_else(std::sync::PoisonError::into_inner) = Some(invocation);
        let failed = |message| {
            Refused(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceException",
                message,
            )
        };
        let outcome = match answered.await {
            Ok(outcome) => outcome.map_err(|error| {
                failed(format!("the function's program cannot be run: {error}"))
            })?,
            Err(_) => return Err(failed("the function is being shut down".to_owned())),
        };
        let (body, is_error) = match outcome.answer(id) {
            Ok(body) => (body, false),
            Err(error) => (Bytes::from(json!(error).to_string()), true),
        };
        let mut response = of_bytes(body);
        let headers = response.headers_mut();
        headers.insert("x-amz-executed-version", HeaderValue::from_static(VERSION));
        if is_error {
            let kind = HeaderValue::from_static("Unhandled");
            headers.insert("x-amz-function-error", kind);
        }
        Ok(response)
    }
}

/// The event of a call: a JSON value; an empty object if there is none.
async fn event(request: Request<Incoming>) -> Result<Bytes, Refused> {
    let body = Limited::new(request.into_body(), PAYLOAD).collect().await;
    let body = body.map_err(|_| {
        Refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            format!(
                "Request must be smaller than {PAYLOAD} bytes for the InvokeFunction operation"
            ),
        )
    })?;
    let body = body.to_bytes();
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(_) => Ok(body),
        Err(error) => Err(Refused(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            format!("Could not parse request body into json: {error}"),
        )),
    }
}

fn header<'r>(request: &'r Request<Incoming>, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

/// Whether a function is called by this name, alone or as the end of an ARN, with the version or without.
fn is_name(called: &str, own: &str) -> bool {
    let (before, name) = match called.split_once("function:") {
        Some((before, name)) => (before, name),
        None => ("", called),
    };
    let name = name.strip_suffix(&format!(":{VERSION}")).unwrap_or(name);
    (before.is_empty() || before.ends_with(':')) && name == own
}

fn of_bytes(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_function_is_called_by_its_name_or_its_arn() {
        for called in [
            "orders",
            "orders:$LATEST",
            "function:orders",
            "000000000000:function:orders",
            "arn:aws:lambda:us-east-1:000000000000:function:orders",
            "arn:aws:lambda:eu-west-1:123456789012:function:orders:$LATEST",
        ] {
            assert!(is_name(called, "orders"), "{called}");
        }
        for called in [
            "order",
            "orders:1",
            "my-function:orders",
            "function:other",
            "",
        ] {
            assert!(!is_name(called, "orders"), "{called}");
        }
    }
}
