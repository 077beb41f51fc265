//! The server: it listens on loopback, and stops in order.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use transom_redshift::{Isolation, Objects};

use crate::access::AccessLog;
use crate::folder::{DataFolder, FolderError};
use crate::redshift::{self, Buckets, Redshift};
use crate::router::{Connection, Router};
use crate::s3::S3;

/// Requests under way have this long to end once the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// How often lifecycle rules run by themselves.
const LIFECYCLE_EVERY: Duration = Duration::from_secs(60 * 60);

/// A pair of keys. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the key.
    pub access_key: String,
    /// What signatures are made with.
    pub secret_key: String,
}

impl Default for Credentials {
    /// What [`environment`] says. On loopback it protects nothing and need not be secret.
    fn default() -> Self {
        Self {
            access_key: "transom".to_owned(),
            secret_key: "transom-local".to_owned(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// How a local AWS is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of its data, which is created if need be.
    pub data: PathBuf,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub http_port: u16,
    /// Where Redshift's wire protocol listens.
    pub redshift_port: RedshiftPort,
    /// The region that it is in.
    pub region: String,
    /// How transactions of Redshift see each other.
    pub isolation: Isolation,
    /// Whether requests have to be signed with [`Options::credentials`]. Otherwise those of anyone are taken.
    pub check_signatures: bool,
    /// The keys that [`LocalAws::environment`] gives to clients.
    pub credentials: Credentials,
    /// A file to whose end each request to S3 and the Data API is written, as IAM would judge it: one JSON object a line, with
    /// `operation`, `action`, `resource` and, of listings, `prefix`.
    pub access_log: Option<PathBuf>,
    /// The buckets that COPY reads and UNLOAD writes, if they are not those of the local S3.
    pub objects: Option<Arc<dyn Objects>>,
}

impl Options {
    /// The usual port.
    pub const HTTP_PORT: u16 = 4566;

    /// The usual options, over a folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            http_port: Self::HTTP_PORT,
            redshift_port: RedshiftPort::None,
            region: "us-east-1".to_owned(),
            isolation: Isolation::default(),
            check_signatures: false,
            credentials: Credentials::default(),
            access_log: None,
            objects: None,
        }
    }
}

/// The port of Redshift's wire protocol on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedshiftPort {
    /// It does not listen.
    None,
    /// [`RedshiftPort::USUAL`], or a free one if that is taken.
    Usual,
    /// This one; 0 takes a free one.
    At(u16),
}

impl RedshiftPort {
    /// The usual port of Redshift.
    pub const USUAL: u16 = 5439;

    async fn listen(self) -> Result<Option<TcpListener>, StartError> {
        let listen = async |port| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            listener.map_err(|source| StartError::Listen { port, source })
        };
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::At(port) => listen(port).await?,
            Self::Usual => match listen(Self::USUAL).await {
                Ok(listener) => listener,
                Err(_) => listen(0).await?,
            },
        }))
    }
}

/// Why a local AWS cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What is in the data folder cannot be read.
    #[error("the data in `{}` cannot be opened", path.display())]
    Data {
        /// The folder of S3's data.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The access log cannot be written.
    #[error("the access log `{}` cannot be opened", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A running local AWS. Dropped without [`LocalAws::shutdown`], it takes no more requests and cuts off those under
/// way; what was acknowledged stays.
#[derive(Debug)]
pub struct LocalAws {
    endpoint: String,
    redshift_port: Option<u16>,
    options: Options,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl LocalAws {
    /// Opens the data folder and listens. Runs on the runtime that calls it.
    ///
    /// # Errors
    /// If another process owns the folder, the data is damaged, or the port is taken.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let mut folder = DataFolder::open(&options.data)?;
        let path = folder.join("s3");
        let credentials = options
            .check_signatures
            .then(|| options.credentials.clone());
        let access = match &options.access_log {
            Some(path) => {
                AccessLog::open(path, &options.region).map_err(|source| StartError::AccessLog {
                    path: path.clone(),
                    source,
                })?
            }
            None => AccessLog::default(),
        };
        let s3 = S3::open(&path, &options.region, credentials, access.clone());
        let s3 = s3.map_err(|error| StartError::Data {
            path,
            source: Box::new(error),
        })?;
        let path = folder.join("redshift");
        let objects = options.objects.clone().unwrap_or_else(|| {
            let trusted = s3.trusted(&options.region);
            Arc::new(Buckets(trusted))
        });
        let redshift = Redshift::open(&path, options.isolation, objects, access);
        let redshift = redshift.map_err(|error| StartError::Data {
            path,
            source: Box::new(error),
        })?;
        let listen = |source| StartError::Listen {
            port: options.http_port,
            source,
        };
        let address = (Ipv4Addr::LOCALHOST, options.http_port);
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let wire = options.redshift_port.listen().await?;
        let redshift_port = wire.as_ref().map(TcpListener::local_addr).transpose();
        let redshift_port = redshift_port.map_err(listen)?.map(|address| address.port());
        let announced = folder.announce(&endpoint, redshift_port, &options.region);
        announced.map_err(|source| FolderError::Io {
            path: options.data.clone(),
            source,
        })?;
        let (stop, stopped) = oneshot::channel();
        let mut sessions = JoinSet::new();
        if let Some(listener) = wire {
            let password = options.credentials.secret_key.clone();
            let engine = redshift.engine().clone();
            sessions.spawn(redshift::wire::serve(listener, engine, password));
        }
        let router = Arc::new(Router::new(s3, redshift));
        let serving = tokio::spawn(serve(listener, router, stopped, folder, sessions));
        Ok(Self {
            endpoint,
            redshift_port,
            options,
            stop: Some(stop),
            serving,
        })
    }

    /// Where it answers, such as `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The port of Redshift's wire protocol, if it listens.
    pub fn redshift_port(&self) -> Option<u16> {
        self.redshift_port
    }

    /// The variables with which AWS's SDKs and tools use this server.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Options {
            region,
            credentials,
            ..
        } = &self.options;
        environment(&self.endpoint, self.redshift_port, region, credentials)
    }

    /// Takes no more requests, waits some seconds for those under way, and gives the folder back.
    pub async fn shutdown(mut self) {
        // The other end is gone only if serving has ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        // A panic of the task was reported where it happened.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        if self.stop.is_some() {
            self.serving.abort();
        }
    }
}

/// The variables with which AWS's SDKs and tools use a server, and with which those of PostgreSQL do.
pub fn environment(
    endpoint: &str,
    redshift_port: Option<u16>,
    region: &str,
    credentials: &Credentials,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key.clone()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        // Rust's object_store, and so Polars and delta-rs, ask for it.
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    if let Some(port) = redshift_port {
        variables.extend([
            ("PGHOST", Ipv4Addr::LOCALHOST.to_string()),
            ("PGPORT", port.to_string()),
            ("PGDATABASE", redshift::DATABASE.to_owned()),
            ("PGUSER", redshift::USER.to_owned()),
            ("PGPASSWORD", credentials.secret_key.clone()),
            ("PGSSLMODE", "disable".to_owned()),
        ]);
    }
    variables
}

/// The folder is given back when this ends.
async fn serve(
    listener: TcpListener,
    router: Arc<Router>,
    mut stopped: oneshot::Receiver<()>,
    folder: DataFolder,
    mut sessions: JoinSet<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut lifecycle = tokio::time::interval(LIFECYCLE_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = lifecycle.tick() => {
                router.run_lifecycle().await;
                continue;
            }
            _ = &mut stopped => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, usually: others may close some.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers would wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new());
        let connection =
            builder.serve_connection(TokioIo::new(stream), Connection(Arc::clone(&router)));
        let connection = graceful.watch(connection);
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests that did not end are cut off");
    }
    connections.shutdown().await;
    sessions.shutdown().await;
    // The store is closed before the folder is given back.
    drop(router);
    drop(folder);
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Options};

    #[test]
    fn secrets_are_not_shown() {
        let options = Options {
            credentials: Credentials {
                access_key: "name".to_owned(),
                secret_key: "hidden".to_owned(),
            },
            ..Options::new("data")
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains("name") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
