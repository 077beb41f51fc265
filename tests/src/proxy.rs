//! A network between a client and a server: answers are lost after the request was carried out, errors come, connections break, requests
//! are carried out long after their clients have given up.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// It is answered so, and not carried out.
    Refused(u16),
    /// It is carried out, and answered so.
    CarriedOutAndAnswered(u16),
    /// It is carried out, and the connection closed.
    AnswerLost,
    /// Half of the answer comes.
    AnswerCut,
    /// It is kept for [`Proxy::carry_out`], and not answered: its client waits until it is killed.
    Kept,
    /// It is kept for [`Proxy::carry_out`], and the connection closed: its client makes it again, which passes.
    KeptAndRepeated,
    /// It is refused unless it says that its client pays, as by buckets whose requesters pay.
    Unpaid,
    /// It is answered with success, and in the answer is an error, as by S3 once a copy takes long. It is not carried out.
    ErrorInside,
    /// It is refused, since the client's credentials are over by now.
    Expired,
    /// It is carried out two times, and the second answer comes.
    Twice,
}

/// Those that are over when the request is answered.
pub const FAULTS: [Fault; 7] = [
    Fault::Refused(503),
    Fault::Refused(500),
    Fault::Refused(429),
    Fault::CarriedOutAndAnswered(500),
    Fault::CarriedOutAndAnswered(503),
    Fault::AnswerLost,
    Fault::AnswerCut,
];

/// The header of a request to S3 that says who pays.
const PAYER: &str = "x-amz-request-payer";

/// Which requests a fault meets: by their method, and their address or, of services that have one, the name of the operation.
pub type Which = fn(&Method, &str) -> bool;

/// A server that passes requests on, but for some of a kind.
pub struct Proxy {
    server: String,
    client: Client<HttpConnector, Full<Bytes>>,
    fault: Fault,
    which: Which,
    /// Requests of the kind that have come.
    met: AtomicUsize,
    /// Requests of the kind that pass before the first one is struck.
    passing: AtomicUsize,
    left: AtomicUsize,
    kept: Mutex<Vec<Request<Full<Bytes>>>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("server", &self.server)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Strikes the first `times` requests of a kind. Gives its address and the proxy.
    ///
    /// # Panics
    /// If it gets no port.
    pub async fn start(
        server: String,
        fault: Fault,
        which: Which,
        times: usize,
    ) -> (String, Arc<Self>) {
        Self::start_after(server, fault, which, 0, times).await
    }

    /// The same, once so many requests of the kind have passed.
    ///
    /// # Panics
    /// If it gets no port.
    pub async fn start_after(
        server: String,
        fault: Fault,
        which: Which,
        passing: usize,
        times: usize,
    ) -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(Self {
            server,
            client: Client::builder(TokioExecutor::new()).build_http(),
            fault,
            which,
            met: AtomicUsize::new(0),
            passing: AtomicUsize::new(passing),
            left: AtomicUsize::new(times),
            kept: Mutex::default(),
        });
        let serving = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let proxy = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let proxy = Arc::clone(&proxy);
                    async move { proxy.answer(request).await }
                });
                let server = hyper::server::conn::http1::Builder::new();
                let serving = server.serve_connection(TokioIo::new(connection), service);
                tokio::spawn(serving);
            }
        });
        (address, proxy)
    }

    fn is_struck(&self, method: &Method, url: &str) -> bool {
        let counted = |counter: &AtomicUsize| {
            let count = |left: usize| left.checked_sub(1);
            let counted = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
            counted.is_ok()
        };
        if !(self.which)(method, url) {
            return false;
        }
        self.met.fetch_add(1, Ordering::SeqCst);
        !counted(&self.passing) && counted(&self.left)
    }

    /// Requests of the kind until now.
    #[must_use]
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }

    /// Faults that are still to come.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// The requests that are kept, as method and address.
    ///
    /// # Panics
    /// If a thread of the proxy has.
    pub fn kept(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let told = kept
            .iter()
            .map(|request| format!("{} {}", request.method(), request.uri()));
        told.collect()
    }

    /// Carries out what was kept; gives the answers' status.
    ///
    /// # Panics
    /// If the server is gone.
    pub async fn carry_out(&self) -> Vec<StatusCode> {
        let mut answers = Vec::new();
        let kept = take(&mut *self.kept.lock().unwrap());
        for request in kept {
            answers.push(self.client.request(request).await.unwrap().status());
        }
        answers
    }

    /// Keeps a request. A copy has read its source by then: what is left of it is to write that, on the same conditions.
    async fn keep(&self, mut request: Request<Full<Bytes>>) -> Result<(), Cut> {
        if let Some(copied) = request.headers_mut().remove("x-amz-copy-source") {
            let source = copied.to_str().map_err(|_| Cut)?.trim_start_matches('/');
            let mut reading = Request::get(format!("{}/{source}", self.server));
            for name in ["authorization", "x-amz-date"] {
                reading = reading.header(name, &request.headers()[name]);
            }
            let reading = reading.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            let read = reading.body(Full::default()).map_err(|_| Cut)?;
            let read = self.client.request(read).await.map_err(|_| Cut)?;
            let is_there = read.status() == StatusCode::OK;
            let bytes = read.into_body().collect().await.map_err(|_| Cut)?;
            let headers = request.headers_mut();
            match is_there {
                true => {
                    headers.remove("content-length");
                    headers.insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
                    *request.body_mut() = Full::new(bytes.to_bytes());
                }
                // It copies nothing, whenever it is carried out.
                false => drop(headers.insert("x-amz-copy-source", copied)),
            }
        }
        self.kept.lock().unwrap().push(request);
        Ok(())
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let url = request.uri().to_string();
        let operation = request.headers().get("x-amz-target");
        let operation = operation.and_then(|operation| operation.to_str().ok());
        let struck = self.is_struck(request.method(), operation.unwrap_or(&url));
        let refused = match self.fault {
            Fault::Refused(status) => Some(status),
            Fault::Unpaid if !request.headers().contains_key(PAYER) => Some(403),
            _ => None,
        };
        if let (true, Some(status)) = (struck, refused) {
            return Ok(refusal(status));
        }
        match self.fault {
            Fault::ErrorInside if struck => return Ok(answered(200, ERROR_INSIDE)),
            Fault::Expired if struck => return Ok(answered(400, EXPIRED)),
            _ => {}
        }
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        parts.uri = format!("{}{url}", self.server).parse().unwrap();
        let passed = Request::from_parts(parts, Full::new(body));
        match self.fault {
            Fault::Kept if struck => {
                self.keep(passed).await?;
                return std::future::pending().await;
            }
            Fault::KeptAndRepeated if struck => {
                self.keep(passed).await?;
                return Err(Cut);
            }
            Fault::Twice if struck => {
                let first = self.client.request(passed.clone()).await;
                let body = first.map_err(|_| Cut)?.into_body();
                body.collect().await.map_err(|_| Cut)?;
            }
            _ => {}
        }
        let answer = self.client.request(passed).await.map_err(|_| Cut)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        match self.fault {
            Fault::CarriedOutAndAnswered(status) if struck => Ok(refusal(status)),
            Fault::AnswerLost if struck => Err(Cut),
            Fault::AnswerCut if struck => {
                // The length that was promised stays; what comes is less, which ends the connection.
                let half = body.slice(..body.len() / 2);
                let mut cut = Response::from_parts(parts, Full::new(half));
                let length = body.len().max(1).into();
                cut.headers_mut().insert("content-length", length);
                Ok(cut)
            }
            _ => Ok(Response::from_parts(parts, Full::new(body))),
        }
    }
}

/// What S3 says inside an answer with status 200.
const ERROR_INSIDE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>"#;

/// What the Data API says of credentials that are over.
const EXPIRED: &str = r#"{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}"#;

fn refusal(status: u16) -> Response<Full<Bytes>> {
    answered(status, "")
}

fn answered(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}
