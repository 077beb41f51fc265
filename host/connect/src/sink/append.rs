//! Tables of files that grow: each entry of a log adds some.
//!
//! ```text
//! visits/day=2024-05-01/9f31c2..-part-00000-00000.parquet        what readers find
//! .visits.transom/staged/9f31c2../day=2024-05-01/part-..         what an attempt has written
//! .visits.transom/files/9f31c2...json                            which files those are
//! .visits.transom/files/9f31c2...empty                           one of their kind without rows, for a rewind
//! .visits.transom/log                                            the log that the table belongs to
//! .visits.transom/last                                           the last of its entries that the table has
//! .visits.transom/shape.00000000000000000042                     what all of its files have in common since that entry
//! ```
//!
//! All that is not the table's lies beside it and not below it: a pattern such as `visits/**/*.parquet` would find rows twice.
//!
//! A name contains the attempt and is created once, so that a copy can be tried any number of times, by anyone. A rewind deletes what is
//! staged and then takes the names with files of no rows: a copy that is carried out late finds its name taken. A copy that begins later
//! finds nothing to copy, so that a gc may delete these files once no request of that time is under way any more.
//!
//! The shape is noted when an entry is applied that changes it, in a note of that entry's own: it has one content, whoever writes it, and
//! however late.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use serde::{Deserialize, Serialize};
use transom_commit::{self as commit, Applying, Published, SinkErrorKind, fault};
use transom_file::spec::{Place, S3Url};

use super::{
    Appended, Applied, Aside, Attempt, Expectation, Expected, FileSink, Fit, IsThere, Known, Noted,
    OutFile, Publish, Rewound, Shapes, Sink, SinkError, Staged, Staging, Unfit, Verified, Written,
    WrittenFile,
    aside::Asides,
    owner::{self, belongs, check_log, check_owner},
    probe::probe_table,
    shape::Shape,
    staging::{Ending, FileStaging, Room},
    tree::{Copied, Tree, TreeError, split, text, tree_at},
    verify::{FileOf, compare},
};
use crate::format;

/// Copies on their way at once.
const AT_ONCE: usize = 16;
/// The folder of what attempts have staged, in the table's own.
const STAGED: &str = "staged";

/// A table of files to which each slice adds.
#[derive(Debug, Clone)]
pub struct AppendSink {
    /// What the files are, and where.
    pub files: FileSink,
}

/// The place of a table, as an attempt finds it.
struct Opened {
    table: Place,
    tree: Arc<dyn Tree>,
    names: Names,
    /// The names in the table's own folder.
    own: Vec<String>,
    /// The log that it belongs to, if that is noted.
    owner: Option<Bytes>,
}

impl AppendSink {
    /// The place of the table, if nothing is there that somebody else has made.
    async fn open(&self) -> Result<Opened, SinkError> {
        let failed = |error: TreeError| error.staging(&self.files.name);
        let table = absolute(&self.files)?;
        let (tree, names) = self.tree(&table).await.map_err(failed)?;
        let (there, own, owner) = future::try_join3(
            tree.names(&names.table),
            tree.names(&names.own),
            owner::log(&tree, &names.own),
        )
        .await
        .map_err(failed)?;
        // A table that somebody else has made is not added to: its rows would be of two origins.
        if !there.is_empty() && own.is_empty() {
            return Err(SinkError::NotOurs {
                name: self.files.name.clone(),
                path: table,
                found: "a folder not made by transom".to_owned(),
            });
        }
        Ok(Opened {
            table,
            tree,
            names,
            own,
            owner,
        })
    }

    /// The tree in which the table lies, and the names there.
    async fn tree(&self, table: &Place) -> Result<(Arc<dyn Tree>, Names), TreeError> {
        let (above, name) = split(table)?;
        Ok((tree_at(&above, &self.files.aws).await?, Names::new(name)))
    }

    /// What an entry adds.
    async fn added(
        &self,
        part: &commit::Part,
    ) -> Result<(Arc<dyn Tree>, Added, Written), commit::SinkError> {
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
        let table = table_of(&self.files, &added.table)?;
        let (tree, names) = self.tree(&table).await.map_err(failed)?;
        let path = names.list(&added.attempt);
        let list = tree.get(&path).await.map_err(failed)?;
        let shown = tree.place().join(&path);
        let lost = || {
            let moved = match table == added.table {
                true => String::new(),
                false => format!("; the table was `{}` then", added.table),
            };
            broken(format!(
                "sink `{name}`: `{shown}`, which lists what was staged, is gone{moved}"
            ))
        };
        let list = list.ok_or_else(lost)?;
        let changed = || {
            broken(format!(
                "sink `{name}`: `{shown}`, which lists what was staged, was changed"
            ))
        };
        let List { written, shape } =
            serde_json::from_slice(&list).map_err(|error| changed().because(error))?;
        if (written.files.len() as u64, written.bytes) != (added.files, added.bytes) {
            return Err(changed());
        }
        let Appended {
            attempt, shapes, ..
        } = added;
        let added = Added {
            names,
            attempt,
            shape,
            shapes,
        };
        Ok((tree, added, written))
    }

    /// What files that were staged before say of the table's shape, as it is now; of those of earlier versions it is not known.
    async fn shapes_of(&self, appended: &Appended) -> Result<Shapes, SinkError> {
        let sink = &self.files;
        let failed = |error: TreeError| error.staging(&sink.name);
        let (tree, names) = self.tree(&absolute(sink)?).await.map_err(failed)?;
        let path = names.list(&appended.attempt);
        let unread = |message: String| SinkError::Log {
            name: sink.name.clone(),
            source: commit::SinkError::new(SinkErrorKind::Broken, message),
        };
        let shown = tree.place().join(&path);
        let list = tree.get(&path).await.map_err(failed)?;
        let list = list.ok_or_else(|| unread(format!("`{shown}` is gone")))?;
        let list: List = serde_json::from_slice(&list)
            .map_err(|error| unread(format!("`{shown}` was changed: {error}")))?;
        let Some(shape) = list.shape else {
            return Ok(appended.shapes);
        };
        let own = tree.names(&names.own).await.map_err(failed)?;
        let shapes = shapes(sink, &tree, &names, &own, shape).await?;
        Ok(shapes.of_files(appended.files))
    }

    /// Notes what the table's files have in common once it has an entry, if that changes with it.
    async fn note_shape(
        &self,
        tree: &Arc<dyn Tree>,
        added: &Added,
        entry: u64,
    ) -> Result<(), commit::SinkError> {
        let name = &self.files.name;
        let failed = |error: TreeError| error.applying(name);
        let Added { names, shapes, .. } = added;
        let Some(own) = added.shape.clone() else {
            return Ok(());
        };
        let before = match shapes {
            Shapes::Same => return Ok(()),
            Shapes::Begin => None,
            Shapes::Widen => {
                let there = tree.names(&names.own).await.map_err(failed)?;
                names.noted_shape(&there, entry)
            }
        };
        let known = match &before {
            None => None,
            Some(path) => tree.get(path).await.map_err(failed)?,
        };
        let shape = match (known, before) {
            (Some(known), Some(path)) => {
                let known = Shape::parse(&known).map_err(|error| {
                    let path = tree.place().join(&path);
                    let message = format!(
                        "sink `{name}`: `{path}`, which says what all files of the table have in common, was changed"
                    );
                    commit::SinkError::new(SinkErrorKind::Broken, message)
                        .hinted(Shape::WAY_OUT)
                        .because(error)
                })?;
                match known.with(own) {
                    Ok(shape) => shape,
                    Err(what) => {
                        // It was compared before it was decided, and what is decided is done.
                        tracing::warn!(sink = name, entry, "{what}");
                        return Ok(());
                    }
                }
            }
            _ => own,
        };
        let noted = tree.put(&names.shape(entry), shape.to_bytes()).await;
        noted.map_err(failed)
    }

    /// Whether it is known what the files of a table with rows have in common.
    async fn verify_shape(
        &self,
        tree: &Arc<dyn Tree>,
        names: &Names,
        expected: &Expected<'_>,
        verified: &mut Verified,
    ) -> Result<(), TreeError> {
        let has_rows = |load: &Expectation<'_>| load.is_there == IsThere::Yes && load.part.rows > 0;
        let loads = expected.loads.iter();
        let last = loads.rev().find(|load| has_rows(load));
        let own = tree.names(&names.own).await?;
        let path = names.noted_shape(&own, u64::MAX);
        let path = path.unwrap_or_else(|| names.shape(last.map_or(0, |load| load.position.seq)));
        let name = &self.files.name;
        Shape::verify(tree.as_ref(), &path, name, last.is_some(), verified).await
    }

    /// Notes that the table has an entry, or is about to have it.
    async fn note(&self, applying: &Applying<'_>) -> Result<(), TreeError> {
        let (tree, names) = self.tree(&self.files.path).await?;
        let log = applying.log().to_string();
        let noted = Noted::new(log, &self.files.name, &applying.position());
        owner::note(&tree, &names.own, &noted).await
    }

    /// The files of no rows that rewinds have put into the table.
    async fn emptied(
        &self,
        tree: &Arc<dyn Tree>,
        names: &Names,
        known: &Known,
    ) -> Result<Vec<Aside>, TreeError> {
        if known.taken_back.is_empty() {
            return Ok(Vec::new());
        }
        let mut sizes: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut emptied = Asides::new(known);
        for found in tree.files(&names.table).await? {
            let name = found.path.rsplit('/').next().unwrap_or_default();
            let Some(attempt) = Names::attempt_of(name) else {
                continue;
            };
            if !known.taken_back.contains(attempt) {
                continue;
            }
            let attempt = attempt.to_owned();
            let size = match sizes.get(&attempt) {
                Some(size) => *size,
                None => {
                    let size = tree.size(&names.empty(&attempt)).await?;
                    sizes.insert(attempt.clone(), size);
                    size
                }
            };
            // Another one is not what the rewind has written: that is for `verify` to say.
            if size == Some(found.bytes) {
                emptied.add(&attempt, found);
            }
        }
        // A staged file may have come late: then it is deleted as well.
        let emptied = emptied.into_all().map(|aside| Aside {
            folder: Some(names.staged(&aside.attempt)),
            is_emptied: true,
            ..aside
        });
        Ok(emptied.collect())
    }

    /// Deletes what an entry has staged.
    async fn delete_staged_of(&self, part: &commit::Part) -> Result<(), commit::SinkError> {
        let (tree, added, _) = self.added(part).await?;
        let deleted = tree.delete(&added.names.staged(&added.attempt)).await;
        deleted.map_err(|error| error.applying(&self.files.name))
    }

    /// Whether all that [`Self::occupy_names`] needs is there.
    async fn check_occupied(&self, part: &commit::Part) -> Result<(), commit::SinkError> {
        let (tree, added, written) = self.added(part).await?;
        if written.files.is_empty() {
            return Ok(());
        }
        let path = added.names.empty(&added.attempt);
        let size = tree.size(&path).await;
        match size.map_err(|error| error.applying(&self.files.name))? {
            Some(_) => Ok(()),
            None => Err(self.no_empty_file(&tree, &path)),
        }
    }

    fn no_empty_file(&self, tree: &Arc<dyn Tree>, path: &str) -> commit::SinkError {
        let message = format!(
            "sink `{}`: the file of no rows for a rewind, `{}`, is gone",
            self.files.name,
            tree.place().join(path)
        );
        commit::SinkError::new(SinkErrorKind::Broken, message).hinted(
            "restore it from a backup; one of another entry with the same columns does as well",
        )
    }

    /// Puts a file of no rows over each name of an entry.
    async fn occupy_names(&self, part: &commit::Part) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let (tree, added, written) = self.added(part).await?;
        if written.files.is_empty() {
            return Ok(());
        }
        let path = added.names.empty(&added.attempt);
        let empty = tree.get(&path).await.map_err(failed)?;
        let empty = empty.ok_or_else(|| self.no_empty_file(&tree, &path))?;
        let occupy = |file: &WrittenFile| {
            let (tree, empty) = (Arc::clone(&tree), empty.clone());
            let to = added.names.published(&added.attempt, &file.path);
            async move {
                #[cfg(feature = "testing")]
                if commit::Mutant::from_env() == Some(commit::Mutant::RewindDeletes) {
                    return tree.remove(&[to]).await;
                }
                tree.put(&to, empty).await?;
                fault::at("rewind.keys_half");
                Ok::<_, TreeError>(())
            }
        };
        stream::iter(written.files.iter().map(occupy))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
            .map_err(failed)
    }
}

/// What an attempt writes down of its files, beside the table: entries stay small.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    #[serde(flatten)]
    written: Written,
    /// What they are like; none of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Shape>,
}

/// An entry's files, by their names.
struct Added {
    names: Names,
    attempt: String,
    shape: Option<Shape>,
    shapes: Shapes,
}

/// What files of a shape say of that of the table's. `own` has the names in the table's own folder.
///
/// # Errors
/// If readers could not take them for files of one table.
async fn shapes(
    sink: &FileSink,
    tree: &Arc<dyn Tree>,
    names: &Names,
    own: &[String],
    shape: Shape,
) -> Result<Shapes, SinkError> {
    let known = match names.noted_shape(own, u64::MAX) {
        Some(path) => Shape::read(tree.as_ref(), &path, sink).await?,
        None => None,
    };
    let Some(known) = known else {
        return Ok(Shapes::Begin);
    };
    match known.clone().with(shape) {
        Ok(both) if both == known => Ok(Shapes::Same),
        Ok(_) => Ok(Shapes::Widen),
        Err(what) => {
            // Files without rows, which a rewind leaves, are as those were whose rows were taken back.
            let files = tree.files(&names.table).await;
            match files.map_err(|error| error.staging(&sink.name))?.is_empty() {
                true => Ok(Shapes::Begin),
                false => Err(SinkError::Mixed {
                    name: sink.name.clone(),
                    path: sink.path.clone(),
                    what,
                    leaves: true,
                }),
            }
        }
    }
}

/// Names in the tree in which a table lies.
#[derive(Debug, Clone)]
struct Names {
    /// The table's folder.
    table: String,
    /// The folder of all that readers are not to find.
    own: String,
}

impl Names {
    fn new(table: String) -> Self {
        Self {
            own: format!(".{table}.transom"),
            table,
        }
    }

    fn staged(&self, attempt: &str) -> String {
        format!("{}/{STAGED}/{attempt}", self.own)
    }

    /// The folder of lists.
    fn files(&self) -> String {
        format!("{}/files/", self.own)
    }

    fn list(&self, attempt: &str) -> String {
        format!("{}/files/{attempt}.json", self.own)
    }

    /// The note of what the table's files have in common since an entry.
    fn shape(&self, entry: u64) -> String {
        format!("{}/shape.{entry:020}", self.own)
    }

    /// The last such note of an entry before this one, among the names in the table's own folder. If there is none, the note of earlier
    /// versions, which does not name its entry.
    fn noted_shape(&self, own: &[String], before: u64) -> Option<String> {
        let entry = |name: &String| name.strip_prefix("shape.")?.parse::<u64>().ok();
        let entries = own.iter().filter_map(entry);
        let last = entries.filter(|entry| *entry < before).max();
        let earlier = || own.iter().find(|name| *name == "shape");
        last.map(|entry| self.shape(entry))
            .or_else(|| Some(format!("{}/{}", self.own, earlier()?)))
    }

    fn empty(&self, attempt: &str) -> String {
        format!("{}/files/{attempt}.empty", self.own)
    }

    /// The attempt that a file of the table is of, by its name.
    fn attempt_of(name: &str) -> Option<&str> {
        name.split_once("-part-").map(|(attempt, _)| attempt)
    }

    /// The name under which readers find a staged file.
    fn published(&self, attempt: &str, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path.parent().unwrap_or(Path::new(""));
        let path = text(&folder.join(format!("{attempt}-{name}")));
        format!("{}/{path}", self.table)
    }
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

    async fn check_begin(&self, log: &str, has_rows: bool) -> Result<(), SinkError> {
        let Opened { names, owner, .. } = self.open().await?;
        check_owner(&names.own, owner.as_ref(), log, has_rows, &self.files)
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError> {
        let Opened {
            table,
            tree,
            names,
            own,
            owner,
        } = self.open().await?;
        belongs(&tree, &names.own, owner, attempt, &self.files).await?;
        let room = StagedRoom {
            sink: self.files.name.clone(),
            tree: Arc::clone(&tree),
            folder: names.staged(&attempt.id),
        };
        let ending = Appending {
            sink: self.files.clone(),
            tree,
            names,
            own,
            table,
            attempt: attempt.clone(),
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

    async fn follow(&self, publish: Publish, _: Option<&str>) -> Result<Publish, SinkError> {
        let Publish::Append(appended) = publish else {
            return Ok(publish);
        };
        let shapes = self.shapes_of(&appended).await?;
        Ok(Publish::Append(Appended { shapes, ..appended }))
    }

    async fn check_staged(&self, staged: &Publish) -> Result<(), SinkError> {
        match staged {
            Publish::Append(appended) => self.shapes_of(appended).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn noted(&self) -> Result<Option<Noted>, commit::SinkError> {
        let tree = self.tree(&self.files.path).await;
        let (tree, names) = tree.map_err(|error| error.applying(&self.files.name))?;
        owner::noted(&tree, &names.own, &self.files.name).await
    }

    async fn verify(&self, expected: &Expected<'_>) -> Result<Verified, commit::SinkError> {
        let name = &self.files.name;
        let failed = |error: TreeError| error.applying(name);
        let (tree, names) = self.tree(&self.files.path).await.map_err(failed)?;
        check_log(&tree, &names.own, &expected.log.to_string(), &self.files).await?;
        let mut verified = Verified::default();
        self.verify_shape(&tree, &names, expected, &mut verified)
            .await
            .map_err(failed)?;
        if !owner::verify(self.noted().await?, name, expected, &mut verified) {
            return Ok(verified);
        }
        let mut files = BTreeMap::new();
        for load in &expected.loads {
            let (entry, attempt) = (load.position.seq, load.position.attempt_text());
            if load.is_there == IsThere::Never {
                continue;
            }
            let list = self.added(load.part).await;
            let (_, added, written) = match list {
                Ok(added) => added,
                // The table was somewhere else then.
                Err(error)
                    if error.kind() == SinkErrorKind::Broken
                        && load.is_there == IsThere::TakenBack =>
                {
                    continue;
                }
                Err(error) if error.kind() == SinkErrorKind::Broken => {
                    let problem = format!("what entry {entry} has added is not known: {error}");
                    verified.find(name, problem, "restore it from a backup");
                    continue;
                }
                Err(error) => return Err(error),
            };
            // A rewind has put a file without rows in the place of each, and a gc may have deleted it.
            let empty = match load.is_there {
                IsThere::TakenBack => tree.size(&added.names.empty(&attempt)).await,
                _ => Ok(None),
            };
            let empty = empty.map_err(failed)?;
            for file in &written.files {
                let expected = FileOf {
                    entry,
                    bytes: empty.unwrap_or(file.bytes),
                    crc32: file.crc32.filter(|_| empty.is_none()),
                    is_optional: load.is_there != IsThere::Yes,
                };
                files.insert(added.names.published(&attempt, &file.path), expected);
            }
        }
        let perhaps = |load: &Expectation<'_>| load.is_there == IsThere::Perhaps;
        let unclear: Vec<String> = expected
            .loads
            .iter()
            .filter(|load| perhaps(load))
            .map(|load| load.position.attempt_text())
            .collect();
        // What an unfinished rewind takes back is there with its rows or without.
        let is_unclear = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or_default();
            unclear
                .iter()
                .any(|attempt| file.starts_with(attempt.as_str()))
        };
        files.retain(|path, _| !is_unclear(path));
        let mut found = tree.files(&names.table).await.map_err(failed)?;
        found.retain(|file| !is_unclear(&file.path));
        let unknown = compare(&tree, name, found, &files, expected.deep, &mut verified).await;
        for file in unknown.map_err(failed)? {
            let problem = format!("no entry has added `{}`", tree.place().join(&file.path));
            let hint = "readers see its rows: move it away, unless the end of the log is missing";
            verified.find(name, problem, hint);
        }
        Ok(verified)
    }

    async fn check_rewind(&self, rewind: &Rewound<'_>) -> Result<(), commit::SinkError> {
        let parts = rewind.taken_back.iter();
        let known: Vec<_> = parts.map(|part| self.check_occupied(part)).collect();
        stream::iter(known)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn delete_attempt(&self, _: &str, attempt: &str) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let (tree, names) = self.tree(&self.files.path).await.map_err(failed)?;
        tree.delete(&names.staged(attempt)).await.map_err(failed)?;
        let lists = [names.list(attempt), names.empty(attempt)];
        tree.remove(&lists).await.map_err(failed)
    }

    async fn aside(&self, known: &Known) -> Result<Vec<Aside>, commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let (tree, names) = self.tree(&self.files.path).await.map_err(failed)?;
        check_log(&tree, &names.own, &known.log, &self.files).await?;
        let mut asides = Asides::new(known);
        let staged = names.staged("");
        for found in tree.files(&staged).await.map_err(failed)? {
            let within = found.path.strip_prefix(&staged).unwrap_or_default();
            let attempt = within.split('/').next().unwrap_or_default().to_owned();
            asides.add(&attempt, found);
        }
        // A rewind takes the names of an entry's files by their list, however old the entry is.
        let lists = names.files();
        for found in tree.files(&lists).await.map_err(failed)? {
            let name = found.path.strip_prefix(&lists).unwrap_or_default();
            let attempt = name.split('.').next().unwrap_or_default().to_owned();
            if !known.named.contains_key(&attempt) {
                asides.add(&attempt, found);
            }
        }
        let unneeded = asides.into_unneeded().map(|aside| Aside {
            folder: Some(names.staged(&aside.attempt)),
            ..aside
        });
        let mut unneeded: Vec<Aside> = unneeded.collect();
        unneeded.extend(self.emptied(&tree, &names, known).await.map_err(failed)?);
        Ok(unneeded)
    }

    async fn probe(&self) -> Option<(Place, Result<Fit, Unfit>)> {
        let place = &self.files.path;
        let fit = match split(place) {
            Ok((_, name)) => {
                let own = Names::new(name).own;
                probe_table(&self.files.aws, place, &own, Some(STAGED)).await
            }
            Err(error) => Err(error.into()),
        };
        Some((place.clone(), fit))
    }

    async fn delete_aside(&self, aside: &Aside) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let (tree, _) = self.tree(&self.files.path).await.map_err(failed)?;
        delete_aside(&tree, aside).await.map_err(failed)
    }
}

/// Deletes what was found of an attempt: first what could be copied, then the names to which.
pub(super) async fn delete_aside(tree: &Arc<dyn Tree>, aside: &Aside) -> Result<(), TreeError> {
    if let Some(folder) = &aside.folder {
        tree.delete(folder).await?;
    }
    tree.remove(&aside.paths).await
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

/// Where the table is that an entry names: on this machine where the pipeline says, since a project may be moved or copied with its state.
pub(super) fn table_of(sink: &FileSink, named: &Place) -> Result<Place, commit::SinkError> {
    let broken = |message: String| commit::SinkError::new(SinkErrorKind::Broken, message);
    let now = absolute(sink).map_err(|error| broken(error.to_string()))?;
    let is_same = match (named, &now) {
        (Place::Local(_), Place::Local(_)) => true,
        (Place::S3(named), Place::S3(now)) => {
            let key = |url: &S3Url| url.key.trim_end_matches('/').to_owned();
            (&named.bucket, key(named)) == (&now.bucket, key(now))
        }
        _ => false,
    };
    match is_same {
        true => Ok(now),
        false => Err(broken(format!(
            "sink `{}`: the log has loaded rows into `{named}`, and its path is `{now}` now: set it back, and use a sink of another name for another table",
            sink.name
        ))),
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

    /// What a process leaves is collected when an entry says that it cannot win any more: it may have won.
    async fn remove(&self) {}

    fn let_go(&self, _: bool) {}
}

/// Files become a list of files.
#[derive(Debug)]
struct Appending {
    sink: FileSink,
    tree: Arc<dyn Tree>,
    names: Names,
    /// The names in the table's own folder when the attempt began.
    own: Vec<String>,
    table: Place,
    attempt: Attempt,
}

impl Appending {
    /// A file of no rows, for a rewind.
    fn empty_file(&self, schema: &SchemaRef) -> Result<Vec<u8>, SinkError> {
        let splitter = self.sink.splitter(schema)?;
        let none = RecordBatch::new_empty(Arc::clone(splitter.file_schema()));
        let empty = format::encode(&none, &self.sink.format);
        empty.map_err(|reason| self.sink.unwritable(reason))
    }
}

#[async_trait]
impl Ending for Appending {
    fn wants_empty_file(&self) -> bool {
        false
    }

    async fn publish(&self, written: &Written, schema: &SchemaRef) -> Result<Publish, SinkError> {
        let attempt = &self.attempt.id;
        let put = async |path: String, content: Vec<u8>| {
            let put = self.tree.put(&path, content.into()).await;
            put.map_err(|error| error.staging(&self.sink.name))
        };
        let shape = Shape::of(&self.sink, schema)?;
        let list = List {
            written: written.clone(),
            shape: Some(shape.clone()),
        };
        let list = serde_json::to_vec(&list).expect("a list of files has text for keys");
        let empty = match written.files.is_empty() {
            true => None,
            false => Some(self.empty_file(schema)?),
        };
        let put_empty = async {
            match empty {
                Some(empty) => put(self.names.empty(attempt), empty).await,
                None => Ok(()),
            }
        };
        let (shapes, (), ()) = future::try_join3(
            shapes(&self.sink, &self.tree, &self.names, &self.own, shape),
            put(self.names.list(attempt), list),
            put_empty,
        )
        .await?;
        let files = written.files.len() as u64;
        Ok(Publish::Append(Appended {
            table: self.table.clone(),
            attempt: attempt.clone(),
            files,
            bytes: written.bytes,
            shapes: shapes.of_files(files),
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
            let from = format!(
                "{}/{}",
                added.names.staged(&added.attempt),
                text(&file.path)
            );
            let to = added.names.published(&added.attempt, &file.path);
            let (bytes, crc32) = (file.bytes, file.crc32);
            async move {
                let outcome = match tree.copy(&from, &to).await? {
                    Copied::Yes => Published::All,
                    // The name is this attempt's alone: what is there is its file, or what a rewind has put there.
                    Copied::Taken | Copied::Gone => match tree.summed(&to).await? {
                        Some((size, sum)) => {
                            let differs = sum.zip(crc32).is_some_and(|(is, was)| is != was);
                            match size == bytes && !differs {
                                true => Published::All,
                                false => Published::TakenBack,
                            }
                        }
                        None => Published::Gone,
                    },
                };
                fault::at("lake.copied_one");
                Ok::<_, TreeError>(outcome)
            }
        };
        let copies = stream::iter(written.files.iter().map(copy))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<Published>>();
        // The entry is decided, so that it does not matter whether its files are there when the notes are.
        let published = async {
            let published = future::try_join(copies, self.note(applying)).await;
            published.map_err(failed)
        };
        let shaped = self.note_shape(&tree, &added, applying.position().seq);
        let ((outcomes, ()), ()) = future::try_join(published, shaped).await?;
        // A name that was taken back says more than files that are gone: both follow from a rewind.
        let is = |outcome| outcomes.contains(&outcome);
        Ok(match (is(Published::TakenBack), is(Published::Gone)) {
            (true, _) => Published::TakenBack,
            (false, true) => Published::Gone,
            (false, false) => Published::All,
        })
    }

    async fn delete_staged(&self, applying: &Applying<'_>) -> Result<(), commit::SinkError> {
        let parts = applying.parts_taken_back();
        let deleted: Vec<_> = parts.map(|(_, part)| self.delete_staged_of(part)).collect();
        stream::iter(deleted)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn occupy(&self, applying: &Applying<'_>) -> Result<(), commit::SinkError> {
        let parts = applying.parts_taken_back();
        let occupied: Vec<_> = parts.map(|(_, part)| self.occupy_names(part)).collect();
        stream::iter(occupied)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let noted = self.note(applying).await;
        noted.map_err(|error| error.applying(&self.files.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_of_a_shape_before_an_entry_counts() {
        let names = Names::new("out".to_owned());
        let noted = |own: &[&str], before| {
            let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
            let noted = names.noted_shape(&own, before)?;
            Some(noted.trim_start_matches(".out.transom/").to_owned())
        };
        let (two, ten) = ("shape.00000000000000000002", "shape.00000000000000000010");
        let all = ["files/", "last", "log", "shape", two, ten, "staged/"];
        assert_eq!(noted(&all, u64::MAX).as_deref(), Some(ten));
        // Whoever applies an entry late finds what was there before it.
        assert_eq!(noted(&all, 10).as_deref(), Some(two));
        assert_eq!(noted(&all, 2).as_deref(), Some("shape"));
        assert_eq!(noted(&["files/", two], 2), None);
        let share = "b61-3-253db91d2f0c4be5a1c0b8a7f5c1d0e2";
        let file = names.published(share, Path::new("day=1/part-00001-00000.parquet"));
        assert_eq!(
            Names::attempt_of(file.rsplit('/').next().unwrap()),
            Some(share)
        );
    }
}
