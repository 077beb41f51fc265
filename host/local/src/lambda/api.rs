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

/// How the start of a program ended: it has asked for its first event, or says why it cannot.
pub(super) type Started = Result<(), FunctionError>;

/// The API, as one start of a program sees it.
#[derive(Debug)]
pub(super) struct Api {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

/// Where the event lies that comes next, and who waits: for the program's start, and for the answer to the event before.
#[derive(Debug)]
struct Desk {
    function: String,
    starting: Mutex<Option<oneshot::Sender<Started>>>,
    next: Mutex<Option<Event>>,
    waiting: Mutex<Option<(String, oneshot::Sender<Outcome>)>>,
    arrived: Notify,
}

impl Api {
    /// Listens on a free port of loopback; also what comes of the program's start.
    pub(super) async fn listen(function: &str) -> io::Result<(Self, oneshot::Receiver<Started>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (start, started) = oneshot::channel();
        let desk = Arc::new(Desk {
            function: function.to_owned(),
            starting: Mutex::new(Some(start)),
            next: Mutex::default(),
            waiting: Mutex::default(),
            arrived: Notify::new(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&desk)));
        let api = Self {
            address,
            desk,
            serving,
        };
        Ok((api, started))
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

    /// Takes an event back, if the program has not asked for it; whether that is so.
    pub(super) fn take_back(&self) -> bool {
        lock(&self.desk.next).take().is_some()
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

    /// The program's start is over. Whether it was not before.
    fn end_start(&self, started: Started) -> bool {
        let starting = lock(&self.starting).take();
        // The caller may have stopped waiting.
        starting.is_some_and(|start| start.send(started).is_ok())
    }

    /// The invocation of this id is over. Whether there was one.
    fn end(&self, request_id: &str, outcome: Outcome) -> bool {
        let mut waiting = lock(&self.waiting);
        let is_it = |(id, _): &mut (String, _)| request_id == id;
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
            self.end_start(Ok(()));
            return self.handed(self.take().await);
        }
        let body = Limited::new(request.into_body(), PAYLOAD).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        let parts: Vec<&str> = path.split('/').collect();
        let (id, outcome) = match (&parts[..], body) {
            (["invocation", id, "response"], Ok(body)) => (*id, Outcome::Answered(body)),
            (["invocation", id, "error"], Ok(body)) => (*id, Outcome::Failed(error(&body))),
            (["init", "error"], Ok(body)) => {
                return status(match self.end_start(Err(error(&body))) {
                    true => StatusCode::ACCEPTED,
                    // It has asked for an event: it has started.
                    false => StatusCode::FORBIDDEN,
                });
            }
            (["invocation", id, _], Err(_)) => {
                let outcome = Outcome::Failed(FunctionError {
                    kind: "Function.ResponseSizeTooLarge".to_owned(),
                    message: format!("the answer has more than {PAYLOAD} bytes"),
                });
                self.end(id, outcome);
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

/// What a program says of its error.
fn error(body: &[u8]) -> FunctionError {
    let error = serde_json::from_slice(body);
    error.unwrap_or_else(|error| FunctionError {
        kind: "Runtime.InvalidError".to_owned(),
        message: format!("the function's error cannot be read: {error}"),
    })
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    *response.status_mut() = status;
    response
}
