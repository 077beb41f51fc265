//! The Postgres wire protocol: one session for each connection.
//!
//! ```text
//! bytes -> messages (frames, limits) -> startup (who it is) -> connection (statements, portals, transactions) -> Session
//!                                                              values (texts and binary forms)
//! ```
//!
//! It says what Redshift says. `server_protocol_version` is not among that: drivers then keep to the protocol of
//! PostgreSQL.

mod connection;
mod deallocate;
mod messages;
mod startup;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use transom_redshift::{Engine, Session};

/// Connections at once, as a provisioned cluster takes them.
const MOST_CONNECTIONS: usize = 500;
/// A client has this long to say who it is.
const AUTHENTICATION: Duration = Duration::from_secs(60);

/// Sessions that can be cancelled, by the numbers that their clients got.
type Sessions = Mutex<HashMap<i32, (i32, Weak<Session>)>>;

/// What connections share.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    password: String,
    sessions: Sessions,
}

impl Shared {
    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<i32, (i32, Weak<Session>)>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels what a session runs, for who knows its secret.
    fn cancel(&self, pid: i32, secret: i32) {
        let session = self.sessions().get(&pid).cloned();
        if let Some((own, session)) = session
            && own == secret
            && let Some(session) = session.upgrade()
        {
            session.cancel();
        }
    }
}

/// Serves connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, engine: Engine, password: String) {
    let shared = Arc::new(Shared {
        engine,
        password,
        sessions: Mutex::default(),
    });
    let mut connections = JoinSet::new();
    loop {
        let stream: TcpStream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, usually: others may close some.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let is_one_too_many = connections.len() >= MOST_CONNECTIONS;
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            if let Err(error) = connection::serve(stream, &shared, is_one_too_many).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
