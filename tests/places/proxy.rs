//! A network between a client and a server: answers are lost after the request was carried out, errors come, connections break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
pub(crate) enum Fault {
    /// It is answered so, and not carried out.
    Refused(u16),
    /// It is carried out, and answered so.
    CarriedOutAndAnswered(u16),
    /// It is carried out, and the connection closed.
    AnswerLost,
    /// Half of the answer comes.
    AnswerCut,
}

pub(crate) const FAULTS: [Fault; 7] = [
    Fault::Refused(503),
    Fault::Refused(500),
    Fault::Refused(429),
    Fault::CarriedOutAndAnswered(500),
    Fault::CarriedOutAndAnswered(503),
    Fault::AnswerLost,
    Fault::AnswerCut,
];

/// Which requests a fault meets: by their method, and their address or, of services that have one, the name of the operation.
pub(crate) type Which = fn(&Method, &str) -> bool;

/// A server that passes requests on, but for the first `times` of a kind.
pub(crate) struct Proxy {
    server: String,
    client: Client<HttpConnector, Full<Bytes>>,
    fault: Fault,
    which: Which,
    pub(crate) left: AtomicUsize,
}

impl Proxy {
    /// Gives its address and what counts the faults that are still to come.
    pub(crate) async fn start(
        server: String,
        fault: Fault,
        which: Which,
        times: usize,
    ) -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(Self {
            server,
            client: Client::builder(TokioExecutor::new()).build_http(),
            fault,
            which,
            left: AtomicUsize::new(times),
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
        (self.which)(method, url)
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let url = request.uri().to_string();
        let operation = request.headers().get("x-amz-target");
        let operation = operation.and_then(|operation| operation.to_str().ok());
        let struck = self.is_struck(request.method(), operation.unwrap_or(&url));
        if let (true, Fault::Refused(status)) = (struck, self.fault) {
            return Ok(refusal(status));
        }
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        parts.uri = format!("{}{url}", self.server).parse().unwrap();
        let passed = Request::from_parts(parts, Full::new(body));
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

fn refusal(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}
