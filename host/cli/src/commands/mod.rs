//! The commands, each with its help, its options and what it does.

pub(crate) mod backfill;
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod invoke;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod package;
pub(crate) mod plan;
pub(crate) mod preview;
pub(crate) mod reject;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod sink;
pub(crate) mod state;
pub(crate) mod template;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod version;
