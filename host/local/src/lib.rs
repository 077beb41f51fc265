//! The local AWS: services of Amazon's, on loopback, over a folder. They are S3 and Redshift.
//!
//! [`LocalAws`] is a running server. It owns a data folder, one process at a time, and answers every service on one
//! HTTP port: clients set `AWS_ENDPOINT_URL` ([`LocalAws::environment`]) and nothing else. Redshift's wire protocol
//! has a port of its own. [`Client`] asks a server
//! that another process runs what it holds, and tells it to empty itself or to run lifecycle rules.
//!
//! ```text
//! client -> router (which service?) -> S3: s3s decodes -> one method each -> store -> records, data files
//!                                   -> Redshift: the Data API -> sessions of the crate `transom-redshift`
//! psql, drivers -> the wire protocol ---------------------------> sessions
//! ```
//!
//! [`LocalFunction`] is apart from these: it runs the program of a Lambda function as Lambda does, and [`InvokeApi`] lets callers
//! invoke it.
//!
//! The services refuse what Amazon refuses, with Amazon's codes and texts. What Amazon can do and this server cannot
//! is an error that says so. Secrets are in no log and in no error.

mod access;
mod admin;
mod folder;
mod lambda;
mod redshift;
mod router;
mod s3;
mod server;

pub use self::admin::{
    Client, ClientError, Ran, RanAll, ResultColumn, ResultRows, StatementError, Status,
};
pub use self::folder::{FolderError, Owner, clear_folder, owner_of};
pub use self::lambda::{
    FunctionError, FunctionOptions, InvokeApi, LocalFunction, Outcome, request_id,
};
pub use self::redshift::{Exception, Fault, FaultKind};
pub use self::s3::{Contents, Expired};
pub use transom_redshift::{Isolation, Object, ObjectError, Objects, THREAD_STACK};

pub use self::server::{Credentials, LocalAws, Options, RedshiftPort, StartError, environment};
