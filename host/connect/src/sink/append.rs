//! Tables of files that grow: each entry of a log adds some.
//!
//! ```text
//! visits/day=2024-05-01/9f31c2..-part-00000-00000.parquet        what readers find
//! visits/_transom/staged/9f31c2../day=2024-05-01/part-..         what an attempt has written; readers skip names with `_`
//! visits/_transom/files/9f31c2...json                            which files those are
//! visits/_transom/files/9f31c2...empty                           one of their kind without rows, for a rewind
//! ```
//!
//! A name contains the attempt and is created once, so that a copy can be tried any number of times, by anyone. A rewind deletes what is
//! staged and then takes the names with files of no rows: a copy that is carried out late finds its name taken.

use std::{io, path::Path, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use transom_commit::{self as commit, Applying, Published, SinkErrorKind, fault};
use transom_file::spec::Place;

use super::{
    Appended, Applied, Attempt, FileSink, OutFile, Publish, Sink, SinkError, Staged, Staging,
    Written, WrittenFile,
    staging::{Ending, FileStaging, Room},
    tree::{Copied, Tree, TreeError, text, tree_at},
};
use crate::format;

/// What readers of the table skip.
const OWN: &str = "_transom";
/// Copies on their way at once.
const AT_ONCE: usize = 16;

/// A table of files to which each slice adds.
#[derive(Debug, Clone)]
pub struct AppendSink {
    /// What the files are, and where.
    pub files: FileSink,
}

impl AppendSink {
    async fn tree(&self, table: &Place) -> Result<Arc<dyn Tree>, TreeError> {
        tree_at(table, &self.files.aws).await
    }

    /// What an entry adds.
    async fn added(
        &self,
        part: &commit::Part,
    ) -> Result<(Arc<dyn Tree>, Appended, Written), commit::SinkError> {
        let name = &self.files.name;
        let broken = |message: String| commit::SinkError::new(SinkErrorKind::Broken, message);
        let publish: Publish = serde_json::from_value(part.staged.clone()).map_err(|error| {
            broken(format!(
                "sink `{name}`: what was staged is no document of this version"
            ))
            .because(error)
        })?;
        let Publish::Append(added) = publish else {
            return Err(broken(self.files.of_another_kind().to_string()));
        };
        let failed = |error: TreeError| error.applying(name);
        let tree = self.tree(&added.table).await.map_err(failed)?;
        let path = list_of(&added.attempt);
        let list = tree.get(&path).await.map_err(failed)?;
        let lost = || {
            let list = added.table.join(&path);
            broken(format!(
                "sink `{name}`: `{list}`, which lists what was staged, is gone"
            ))
        };
        let list = list.ok_or_else(lost)?;
        let written: Written = serde_json::from_slice(&list).map_err(|error| {
            broken(format!("sink `{name}`: a list of files was changed")).because(error)
        })?;
        if (written.files.len() as u64, written.bytes) != (added.files, added.bytes) {
            return Err(broken(format!(
                "sink `{name}`: a list of files was changed"
            )));
        }
        Ok((tree, added, written))
    }
}

fn staged_at(attempt: &str) -> String {
    format!("{OWN}/staged/{attempt}")
}

fn list_of(attempt: &str) -> String {
    format!("{OWN}/files/{attempt}.json")
}

fn empty_of(attempt: &str) -> String {
    format!("{OWN}/files/{attempt}.empty")
}

/// The name under which readers find a staged file.
fn final_name(attempt: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new(""));
    text(&folder.join(format!("{attempt}-{name}")))
}

#[async_trait]
impl Sink for AppendSink {
    fn name(&self) -> &str {
        &self.files.name
    }

    fn partition_by(&self) -> &[String] {
        &self.files.partition_by
    }

    fn check(&self, columns: &SchemaRef) -> Result<(), SinkError> {
        self.files.check_columns(columns)
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError> {
        let failed = |error: TreeError| error.staging(&self.files.name);
        let table = absolute(&self.files)?;
        let tree = self.tree(&table).await.map_err(failed)?;
        // A table that somebody else has made is not added to: its rows would be of two origins.
        let names = tree.names("").await.map_err(failed)?;
        let own = format!("{OWN}/");
        if !names.is_empty() && !names.contains(&own) {
            return Err(SinkError::NotOurs {
                name: self.files.name.clone(),
                path: table,
                found: "a folder not made by transom".to_owned(),
            });
        }
        let room = StagedRoom {
            sink: self.files.name.clone(),
            tree: Arc::clone(&tree),
            folder: staged_at(&attempt.id),
        };
        let ending = Appending {
            sink: self.files.clone(),
            tree,
            table,
            attempt: attempt.id.clone(),
        };
        let staging = FileStaging::new(self.files.clone(), Arc::new(room), Box::new(ending));
        Ok(Box::new(staging))
    }

    async fn apply(&self, _: &Staged) -> Result<Applied, SinkError> {
        Err(self.files.of_another_kind())
    }

    async fn tidy(&self, _: &Applied) {}

    async fn abandon(&self, _: &Staged) {}

    fn committed(&self) -> Option<commit::Sink<'_>> {
        Some(commit::Sink::Files(self))
    }

    async fn delete_attempt(&self, attempt: &str) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let tree = self.tree(&self.files.path).await.map_err(failed)?;
        tree.delete(&staged_at(attempt)).await.map_err(failed)
    }
}

/// The process may change its folder while it runs.
pub(super) fn absolute(sink: &FileSink) -> Result<Place, SinkError> {
    match &sink.path {
        Place::S3(_) => Ok(sink.path.clone()),
        Place::Local(path) => {
            let absolute = std::path::absolute(path).map_err(|source| SinkError::Io {
                name: sink.name.clone(),
                action: "find",
                path: sink.path.clone(),
                source,
            })?;
            Ok(Place::Local(absolute))
        }
    }
}

/// The folder of an attempt.
#[derive(Debug)]
pub(super) struct StagedRoom {
    pub(super) sink: String,
    pub(super) tree: Arc<dyn Tree>,
    pub(super) folder: String,
}

#[async_trait]
impl Room for StagedRoom {
    fn file(&self, path: &Path) -> io::Result<OutFile> {
        self.tree.file(&format!("{}/{}", self.folder, text(path)))
    }

    async fn seal(&self, files: &[WrittenFile]) -> Result<(), SinkError> {
        let sealed = self.tree.seal(&self.folder, files).await;
        sealed.map_err(|error| error.staging(&self.sink))
    }

    async fn remove(&self) {
        if let Err(error) = self.tree.delete(&self.folder).await {
            tracing::warn!(sink = self.sink, folder = self.folder, %error, "staged files are left");
        }
    }

    /// What a process leaves is collected when an entry says that it cannot win any more: it may have won.
    fn let_go(&self, _: bool) {}
}

/// Files become a list of files.
#[derive(Debug)]
struct Appending {
    sink: FileSink,
    tree: Arc<dyn Tree>,
    table: Place,
    attempt: String,
}

#[async_trait]
impl Ending for Appending {
    fn wants_empty_file(&self) -> bool {
        false
    }

    async fn publish(&self, written: &Written, schema: &SchemaRef) -> Result<Publish, SinkError> {
        let failed = |error: TreeError| error.staging(&self.sink.name);
        let list = serde_json::to_vec(written).expect("a list of files has text for keys");
        let path = list_of(&self.attempt);
        self.tree.put(&path, list.into()).await.map_err(failed)?;
        if !written.files.is_empty() {
            let empty = format::encode(
                &RecordBatch::new_empty(Arc::clone(schema)),
                &self.sink.format,
            );
            let empty = empty.map_err(|source| SinkError::Unwritable {
                name: self.sink.name.clone(),
                reason: Box::new(source),
            })?;
            let path = empty_of(&self.attempt);
            let put = self.tree.put(&path, Bytes::from(empty)).await;
            put.map_err(failed)?;
        }
        Ok(Publish::Append(Appended {
            table: self.table.clone(),
            attempt: self.attempt.clone(),
            files: written.files.len() as u64,
            bytes: written.bytes,
        }))
    }
}

#[async_trait]
impl commit::Files for AppendSink {
    async fn publish(&self, applying: &Applying<'_>) -> Result<Published, commit::SinkError> {
        let Some(part) = applying.part() else {
            return Ok(Published::All);
        };
        let (tree, added, written) = self.added(part).await?;
        let failed = |error: TreeError| error.applying(&self.files.name);
        fault::at("lake.copy_before");
        let copy = |file: &WrittenFile| {
            let tree = Arc::clone(&tree);
            let from = format!("{}/{}", staged_at(&added.attempt), text(&file.path));
            let to = final_name(&added.attempt, &file.path);
            let bytes = file.bytes;
            async move {
                let outcome = match tree.copy(&from, &to).await? {
                    Copied::Yes => Published::All,
                    // The name is this attempt's alone: what is there is its file, or what a rewind has put there.
                    taken => match (tree.size(&to).await?, taken) {
                        (Some(size), _) if size == bytes => Published::All,
                        (Some(_), _) => Published::TakenBack,
                        (None, _) => Published::Gone,
                    },
                };
                fault::at("lake.copied_one");
                Ok::<_, TreeError>(outcome)
            }
        };
        let outcomes: Vec<Published> = stream::iter(written.files.iter().map(copy))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(failed)?;
        // A name that was taken back says more than files that are gone: both follow from a rewind.
        let is = |outcome| outcomes.contains(&outcome);
        Ok(match (is(Published::TakenBack), is(Published::Gone)) {
            (true, _) => Published::TakenBack,
            (false, true) => Published::Gone,
            (false, false) => Published::All,
        })
    }

    async fn delete_staged(&self, applying: &Applying<'_>) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        for (_, part) in applying.parts_taken_back() {
            let (tree, added, _) = self.added(part).await?;
            tree.delete(&staged_at(&added.attempt))
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    async fn occupy(&self, applying: &Applying<'_>) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        for (_, part) in applying.parts_taken_back() {
            let (tree, added, written) = self.added(part).await?;
            if written.files.is_empty() {
                continue;
            }
            let empty = tree.get(&empty_of(&added.attempt)).await.map_err(failed)?;
            let empty = empty.ok_or_else(|| {
                let message = format!(
                    "sink `{}`: the file of no rows for a rewind is gone",
                    self.files.name
                );
                commit::SinkError::new(SinkErrorKind::Broken, message)
            })?;
            let occupy = |file: &WrittenFile| {
                let (tree, empty) = (Arc::clone(&tree), empty.clone());
                let to = final_name(&added.attempt, &file.path);
                async move {
                    tree.put(&to, empty).await?;
                    fault::at("rewind.keys_half");
                    Ok::<_, TreeError>(())
                }
            };
            stream::iter(written.files.iter().map(occupy))
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await
                .map_err(failed)?;
        }
        Ok(())
    }
}
