//! What a table of files belongs to: a log, a sink in it, and how far the table is. It is noted beside the table, and nothing is decided by it.

use std::sync::Arc;

use bytes::Bytes;
use transom_commit::{self as commit, SinkErrorKind};

use super::tree::{Tree, TreeError};
use super::{Attempt, Expected, FileSink, Noted, SinkError, Verified};

fn last(own: &str) -> String {
    format!("{own}/last")
}

/// Notes the last entry that the table has, in the folder of its own.
pub(super) async fn note(tree: &Arc<dyn Tree>, own: &str, noted: &Noted) -> Result<(), TreeError> {
    let noted = serde_json::to_vec(noted).expect("it has text for keys");
    tree.put(&last(own), noted.into()).await
}

/// The last entry that the table has, as was noted.
pub(super) async fn noted(
    tree: &Arc<dyn Tree>,
    own: &str,
    sink: &str,
) -> Result<Option<Noted>, commit::SinkError> {
    let path = last(own);
    let found = tree.get(&path).await;
    let Some(found) = found.map_err(|error| error.applying(sink))? else {
        return Ok(None);
    };
    let noted = serde_json::from_slice(&found).map_err(|error| {
        let path = tree.place().join(&path);
        let message =
            format!("sink `{sink}`: `{path}`, which says how far the table is, was changed");
        commit::SinkError::new(SinkErrorKind::Broken, message)
            .hinted("restore it from a backup, or delete it: the next slice writes it anew")
            .because(error)
    })?;
    Ok(Some(noted))
}

/// That what lies beside the table is this log's; it is, too, if nothing is there.
pub(super) async fn check_log(
    tree: &Arc<dyn Tree>,
    own: &str,
    log: &str,
    sink: &FileSink,
) -> Result<(), commit::SinkError> {
    let found = self::log(tree, own).await;
    let found = found.map_err(|error| error.applying(&sink.name))?;
    match found {
        Some(found) if found != log.as_bytes() => {
            let log = String::from_utf8_lossy(&found);
            let message = format!(
                "the table `{}` of sink `{}` belongs to another log, {log}",
                sink.path, sink.name
            );
            Err(commit::SinkError::new(SinkErrorKind::Broken, message))
        }
        _ => Ok(()),
    }
}

/// The log that the table belongs to, as was noted beside it.
pub(super) async fn log(tree: &Arc<dyn Tree>, own: &str) -> Result<Option<Bytes>, TreeError> {
    tree.get(&format!("{own}/log")).await
}

/// Whether the table belongs to a log, by the owner that was noted beside it; if nobody's is noted, it is this log's. A log that was lost,
/// or a second one, would load everything again; a table that was lost would lack what was loaded.
pub(super) fn check_owner(
    own: &str,
    owner: Option<&Bytes>,
    log: &str,
    has_rows: bool,
    sink: &FileSink,
) -> Result<(), SinkError> {
    match owner {
        Some(found) if found[..] == *log.as_bytes() => Ok(()),
        Some(found) => Err(SinkError::OtherLog {
            name: sink.name.clone(),
            path: sink.path.clone(),
            log: String::from_utf8_lossy(found).into_owned(),
        }),
        None if has_rows => Err(SinkError::Elsewhere {
            name: sink.name.clone(),
            path: sink.path.clone(),
            beside: own.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Whether the table belongs to the log that the attempt is for; the first attempt notes it.
pub(super) async fn belongs(
    tree: &Arc<dyn Tree>,
    own: &str,
    owner: Option<Bytes>,
    attempt: &Attempt,
    sink: &FileSink,
) -> Result<(), SinkError> {
    let Some(log) = &attempt.log else {
        return Ok(());
    };
    check_owner(own, owner.as_ref(), log, attempt.has_rows, sink)?;
    if owner.is_some() {
        return Ok(());
    }
    let path = format!("{own}/log");
    let noted = tree.put(&path, Bytes::from(log.clone())).await;
    noted.map_err(|error| error.staging(&sink.name))
}

/// Compares the note beside a table with the log; says whether it is worthwhile to look at the table.
pub(super) fn verify(
    noted: Option<Noted>,
    sink: &str,
    expected: &Expected<'_>,
    verified: &mut Verified,
) -> bool {
    let Some(noted) = noted.filter(|noted| noted.log == expected.log.to_string()) else {
        return true;
    };
    if noted.sink != sink {
        let problem = format!("the table belongs to sink `{}` of this log", noted.sink);
        let hint = "give the sink its old name, or let it write another table";
        verified.find(sink, problem, hint);
        return false;
    }
    if noted.seq > expected.position.seq {
        let (has, log) = (noted.seq, expected.position.seq);
        let problem = format!("the table has entry {has}, and the log says {log}");
        let hint = "the end of the log is missing: find the right state";
        verified.find(sink, problem, hint);
    }
    true
}
