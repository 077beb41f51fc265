//! What the fuzz target of the local Redshift does: any text as statements that a client sends.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use transom_redshift::{Engine, Isolation, Object, ObjectError, Objects, Options, Session};

use crate::run;

/// Statements of a text: split, parsed, and a query bound as well. None of them runs.
///
/// Errors are what most texts give. What must hold: no panic and no hang, however the text is nested.
pub fn statement(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    thread_local! {
        static SESSION: Arc<Session> = Arc::new(session());
    }
    let session = SESSION.with(Arc::clone);
    let Ok(statements) = Session::split(text) else {
        return;
    };
    for statement in statements {
        // Errors are as good as answers.
        let _ = Session::parameters(statement);
        let _ = run(session.describe(statement, &[]));
        run(session.fail());
    }
}

/// A session beside some tables.
fn session() -> Session {
    // It stays until the process ends: the engine reads it.
    let data = tempfile::tempdir().expect("a temporary folder").keep();
    let engine = Engine::open(Options {
        data,
        isolation: Isolation::Serializable,
        objects: Arc::new(NoObjects),
        database: "dev".to_owned(),
    });
    let session = engine.expect("an engine").session("bob");
    for table in [
        "create table t (id int, name varchar(10), at timestamp, amount numeric(12,2), ok bool)",
        "create table u (id bigint, day date, more super, zoned timestamptz, share float8)",
        "create view v as select id, name from t",
    ] {
        run(session.run(table, &[])).expect("a table is created");
    }
    session
}

/// S3 without a bucket.
#[derive(Debug)]
struct NoObjects;

#[async_trait]
impl Objects for NoObjects {
    async fn list(&self, _: &str, _: &str) -> Result<Vec<Object>, ObjectError> {
        Err(ObjectError::NoSuchBucket)
    }

    async fn get(&self, _: &str, _: &str) -> Result<Bytes, ObjectError> {
        Err(ObjectError::NoSuchBucket)
    }

    async fn put(&self, _: &str, _: &str, _: Bytes) -> Result<(), ObjectError> {
        Err(ObjectError::NoSuchBucket)
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), ObjectError> {
        Err(ObjectError::NoSuchBucket)
    }
}
