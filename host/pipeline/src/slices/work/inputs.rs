//! What is written beside the log of the files that a slice reads.

use serde::Serialize;
use transom_commit::{self as commit, Object, Store};
use transom_connect::{self as connect, Inputs};

use crate::error::Result;
use crate::slices::choose::Chosen;
use crate::slices::seen::{Seen, There, write};

/// What was written beside the log of a source that a slice reads.
pub(super) struct NotedInputs {
    pub(super) source: String,
    /// What counts as loaded after the slice, and its document.
    pub(super) seen: Seen,
    pub(super) object: Object,
    pub(super) inputs: commit::Inputs,
}

/// Writes beside the log which files a slice reads, and which count as loaded after it. If the slice fails, this stays until a gc has named
/// the attempt: no run deletes documents of the state, and none needs the right to.
pub(super) async fn note_inputs(
    store: &dyn Store,
    chosen: &Chosen,
    attempt: commit::Attempt,
) -> Result<Vec<NotedInputs>> {
    let mut noted = Vec::new();
    for (source, read) in &chosen.inputs {
        let mut seen = chosen.seen.get(source).cloned().unwrap_or_default();
        seen.read_contents().await;
        let files = FilesRead::of(read);
        let (object, list) = futures::future::try_join(
            seen.save(store, attempt),
            write(store, attempt, &files, &There::new()),
        )
        .await?;
        let inputs = commit::Inputs {
            files: read.pieces.len() as u64,
            bytes: read.bytes(),
            list,
        };
        noted.push(NotedInputs {
            source: source.clone(),
            seen,
            object,
            inputs,
        });
    }
    Ok(noted)
}

/// The files that a slice has read.
#[derive(Debug, Serialize)]
struct FilesRead<'a> {
    files: Vec<&'a connect::Input>,
}

impl<'a> FilesRead<'a> {
    fn of(inputs: &'a Inputs) -> Self {
        Self {
            files: inputs.pieces.iter().collect(),
        }
    }
}
