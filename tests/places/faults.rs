//! S3 as networks make it: answers that are lost after the request was carried out, errors, connections that break. What is written
//! through them is what is read, or there is one clear error and the table is as it was.

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
use transom_connect::{ErrorKind, FileSink, Sink};
use transom_file::spec::{CsvOptions, SinkFormat};

use crate::places::Somewhere;
use crate::support::{CSV, apply, begin, shown, stage, stream, table};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It is answered so, and not carried out.
    Refused(u16),
    /// It is carried out, and answered so.
    CarriedOutAndAnswered(u16),
    /// It is carried out, and the connection closed.
    AnswerLost,
    /// Half of the answer comes.
    AnswerCut,
}

const FAULTS: [Fault; 7] = [
    Fault::Refused(503),
    Fault::Refused(500),
    Fault::Refused(429),
    Fault::CarriedOutAndAnswered(500),
    Fault::CarriedOutAndAnswered(503),
    Fault::AnswerLost,
    Fault::AnswerCut,
];

/// Which requests a fault meets.
type Which = fn(&Method, &str) -> bool;

const REQUESTS: [(&str, Which); 8] = [
    ("list", |method, url| {
        *method == Method::GET && url.contains("list-type=2")
    }),
    ("read an object", |method, url| {
        *method == Method::GET && !url.contains("list-type") && !url.contains("_transom")
    }),
    ("read the pointer", |method, url| {
        *method == Method::GET && url.contains("_transom/current")
    }),
    ("write the pointer", |method, url| {
        *method == Method::PUT && url.contains("_transom/current")
    }),
    ("write an object", |method, url| {
        *method == Method::PUT && url.contains("part-") && !url.contains("partNumber")
    }),
    ("begin an upload", |method, url| {
        *method == Method::POST && url.contains("uploads")
    }),
    ("write a part", |method, url| {
        *method == Method::PUT && url.contains("partNumber")
    }),
    ("complete an upload", |method, url| {
        *method == Method::POST && url.contains("uploadId")
    }),
];

/// A server that passes requests on, but for the first `times` of a kind.
struct Proxy {
    server: String,
    client: Client<HttpConnector, Full<Bytes>>,
    fault: Fault,
    which: Which,
    left: AtomicUsize,
}

impl Proxy {
    /// Gives its address and what counts the faults that are still to come.
    async fn start(
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
        let struck = self.is_struck(request.method(), &url);
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

/// Some of the rows of a table that is larger than one part.
fn rows(text: &str) -> Vec<arrow::array::RecordBatch> {
    let long = text.repeat(2000);
    let ids: Vec<_> = (0..1000).map(Some).collect();
    vec![table(&ids, &vec![Some(long.as_str()); ids.len()]); 10]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_any_request_changes_no_row() {
    let place = Somewhere::local_s3().await;
    let mut struck = Vec::new();
    for fault in FAULTS {
        for (name, which) in REQUESTS {
            let what = format!("{fault:?} of: {name}");
            let (address, proxy) = Proxy::start(place.endpoint(), fault, which, 1).await;
            let through = place.through(&address);
            let sink = FileSink {
                path: place.root.join(&what.replace(' ', "-")),
                ..through.sink(SinkFormat::Csv(CsvOptions::default()), &[])
            };
            // A small table, then a large one over it.
            let small = vec![table(&[Some(1)], &[Some("small")])];
            apply(&sink, &stage(&sink, "small", small).await).await;
            apply(&sink, &stage(&sink, "large", rows("x")).await).await;
            let source = through.source(&what.replace(' ', "-"), CSV());
            let sql = "SELECT count(*) AS n, min(length(text)) AS shortest, sum(id) AS ids FROM t";
            let found = shown(&source, sql).await;
            assert!(
                found.contains("| 10000 | 2000     | 4995000 |"),
                "{what}\n{found}"
            );
            struck.push((what, proxy.left.load(Ordering::SeqCst)));
        }
    }
    let missed: Vec<_> = struck.iter().filter(|(_, left)| *left > 0).collect();
    assert!(missed.is_empty(), "no such request was made: {missed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_and_again_is_one_error_and_the_table_is_as_it_was() {
    let place = Somewhere::local_s3().await;
    let csv = || SinkFormat::Csv(CsvOptions::default());
    let old = place.sink(csv(), &[]);
    apply(
        &old,
        &stage(&old, "old", vec![table(&[Some(1)], &[Some("old")])]).await,
    )
    .await;
    for (name, which) in REQUESTS.into_iter().skip(3) {
        let fault = Fault::Refused(503);
        let (address, _proxy) = Proxy::start(place.endpoint(), fault, which, usize::MAX).await;
        let sink = place.through(&address).sink(csv(), &[]);
        let staging = begin(&sink, "new").await.unwrap();
        let batches = rows("y");
        let streams = match name {
            "write an object" => vec![stream(batches[0].schema(), vec![batches[0].slice(0, 1)])],
            _ => vec![stream(batches[0].schema(), batches)],
        };
        let failed = match staging.write(streams, &Arc::default()).await {
            Err(error) => {
                staging.abandon().await;
                error
            }
            Ok(_) => {
                let staged = staging.finish().await.unwrap();
                sink.apply(&staged).await.unwrap_err()
            }
        };
        assert_eq!(failed.kind(), ErrorKind::Temporary, "{name}: {failed}");
        let source = place.source("out/daily", CSV());
        assert!(
            shown(&source, "SELECT text FROM t")
                .await
                .contains("| old  |"),
            "{name}"
        );
    }
}
