//! The Runtime API of Lambda, version 2018-06-01: `next`, `response`, `error` and `init/error`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::http::{Answer, serve};
use super::{FunctionError, Outcome, PAYLOAD, arn};

const ROOT: &str = "/2018-06-01/runtime/";

/// An event on its way to the program.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) deadline: SystemTime,
    pub(super) body: Bytes,
}

/// The API, as one start of a program sees it.
#[derive(Debug)]
pub(super) struct Api {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

/// Where the event lies that comes next, and who waits for the answer to the one before.
#[derive(Debug)]
struct Desk {
    function: String,
    next: Mutex<Option<Event>>,
    waiting: Mutex<Option<(String, oneshot::Sender<Outcome>)>>,
    arrived: Notify,
}

impl Api {
    /// Listens on a free port of loopback.
    pub(super) async fn listen(function: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk {
            function: function.to_owned(),
            next: Mutex::default(),
            waiting: Mutex::default(),
            arrived: Notify::new(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&desk)));
        Ok(Self {
            address,
            desk,
            serving,
        })
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The program's answer to an event.
    pub(super) fn hand_over(&self, event: Event) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        *lock(&self.desk.waiting) = Some((event.request_id.clone(), answer));
        *lock(&self.desk.next) = Some(event);
        self.desk.arrived.notify_one();
        answered
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Desk {
    async fn take(&self) -> Event {
        loop {
            let arrived = self.arrived.notified();
            if let Some(event) = lock(&self.next).take() {
                return event;
            }
            arrived.await;
        }
    }

    /// The invocation of this id is over. Whether there was one.
    fn end(&self, request_id: Option<&str>, outcome: Outcome) -> bool {
        let mut waiting = lock(&self.waiting);
        let is_it = |(id, _): &mut (String, _)| request_id.is_none_or(|request| request == id);
        match waiting.take_if(is_it) {
            // The caller may have stopped waiting.
            Some((_, answer)) => {
                let _ = answer.send(outcome);
                true
            }
            None => false,
        }
    }

    fn handed(&self, event: Event) -> Response<Full<Bytes>> {
        let deadline = event.deadline.duration_since(SystemTime::UNIX_EPOCH);
        let deadline = deadline.unwrap_or_default().as_millis().to_string();
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", event.request_id)
            .header("lambda-runtime-deadline-ms", deadline)
            .header("lambda-runtime-invoked-function-arn", arn(&self.function))
            .header(
                "lambda-runtime-trace-id",
                "Root=1-00000000-000000000000000000000000",
            )
            .body(Full::new(event.body));
        // A request id that is not a header's value.
        response.unwrap_or_else(|_| status(StatusCode::BAD_REQUEST))
    }
}

impl Answer for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let path = path.strip_prefix(ROOT).unwrap_or_default();
        if (request.method(), path) == (&Method::GET, "invocation/next") {
            return self.handed(self.take().await);
        }
        let body = Limited::new(request.into_body(), PAYLOAD).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        let parts: Vec<&str> = path.split('/').collect();
        let (id, outcome) = match (&parts[..], body) {
            (["invocation", id, "response"], Ok(body)) => (Some(*id), Outcome::Answered(body)),
            (["invocation", id, "error"], Ok(body)) => (Some(*id), failed(&body)),
            (["init", "error"], Ok(body)) => (None, failed(&body)),
            (["invocation", id, _], Err(_)) => {
                let outcome = Outcome::Failed(FunctionError {
                    kind: "Function.ResponseSizeTooLarge".to_owned(),
                    message: format!("the answer has more than {PAYLOAD} bytes"),
                });
                self.end(Some(id), outcome);
                return status(StatusCode::PAYLOAD_TOO_LARGE);
            }
            _ => return status(StatusCode::NOT_FOUND),
        };
        status(match self.end(id, outcome) {
            true => StatusCode::ACCEPTED,
            false => StatusCode::BAD_REQUEST,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(body: &[u8]) -> Outcome {
    let error = serde_json::from_slice(body);
    Outcome::Failed(error.unwrap_or_else(|error| FunctionError {
        kind: "Runtime.InvalidError".to_owned(),
        message: format!("the function's error cannot be read: {error}"),
    }))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    *response.status_mut() = status;
    response
}
