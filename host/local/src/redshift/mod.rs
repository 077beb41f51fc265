//! The local Redshift's doors: the Data API on the port of all services, the Postgres wire protocol on a port of its
//! own, and where COPY and UNLOAD find S3.
//!
//! ```text
//! request -> router -> data_api (model, answers) -> statements (what became of them; sessions: those that are kept) -> engine
//! bytes   -> wire (messages, portals, transactions)                                                                 -> engine
//! ```

mod answers;
mod data_api;
mod faults;
mod model;
mod objects;
mod refused;
mod sessions;
mod statements;
pub(crate) mod wire;

use std::path::Path;
use std::sync::Arc;

use transom_redshift::{Engine, Isolation, Objects, OpenError, Options, Session};

use self::statements::Statements;
use crate::access::AccessLog;

pub(crate) use self::data_api::answer;
pub use self::faults::{Fault, FaultKind};
pub(crate) use self::objects::Buckets;
pub use self::refused::Exception;

/// The database that is there.
pub(crate) const DATABASE: &str = "dev";
/// The user who owns everything.
pub(crate) const USER: &str = "transom";

/// Redshift as the router calls it.
#[derive(Debug)]
pub(crate) struct Redshift {
    engine: Engine,
    statements: Arc<Statements>,
    access: AccessLog,
}

impl Redshift {
    /// Opens the data in a folder that this process owns.
    pub(crate) fn open(
        folder: &Path,
        isolation: Isolation,
        objects: Arc<dyn Objects>,
        access: AccessLog,
    ) -> Result<Self, OpenError> {
        let engine = Engine::open(Options {
            data: folder.to_owned(),
            isolation,
            objects,
            database: DATABASE.to_owned(),
        })?;
        Ok(Self {
            statements: Arc::new(Statements::new(engine.clone())),
            engine,
            access,
        })
    }

    /// What sessions are made from.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sets the faults of the Data API.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.statements.faults.set(faults);
    }

    /// A session for what the program itself asks.
    pub(crate) fn session(&self) -> Session {
        self.engine.session(USER)
    }

    /// Numbers of tables and of their rows.
    pub(crate) fn contents(&self) -> (u64, u64) {
        self.engine.contents()
    }

    /// Deletes everything.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        self.statements.forget();
        self.engine.reset().await.map_err(|error| error.to_string())
    }
}
