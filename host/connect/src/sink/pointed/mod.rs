//! Tables of files of which readers see one version: each entry of a log makes a new one.
//!
//! ```text
//! daily -> .daily.versions/00000000000000000042    on this machine: a link, named after the entry
//! daily/_transom/current                           on S3: the pointer, which has the entry's number
//! .daily.versions/9f31c2../day=2024-05-01/part-..  a version, named after its attempt
//! .daily.versions/9f31c2...json                     all its files, those of earlier versions that it goes on with included, and their shape
//! .daily.versions/b7-0-9f31c2...share.json          of a share of a backfill: its own files; which version is before it is known later
//! .daily.versions/log                              the log that the table belongs to
//! .daily.versions/last                             the last of its entries that the table has
//! ```
//!
//! With `overwrite_partitions` a version goes on with the partitions of the one before that were not computed anew: on this machine they
//! are second names of the same files, on S3 entries of the list. So readers see all partitions of a slice at once.
//!
//! A list has one content under its name: a request that is carried out late, after it was repeated, changes nothing.
//!
//! A pointer has no compare-and-swap here: the log decides, and the runner compares the pointer with it ([`transom_commit::Pointer`]).

mod bucket;
mod folder;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future;
use serde::{Deserialize, Serialize};
use transom_commit::{self as commit, SinkErrorKind, Version};
use transom_file::spec::Place;

use super::{
    Applied, Aside, Attempt, Expected, FileSink, Fit, Known, Noted, Pointed, Publish, Replaces,
    Rewound, Sink, SinkError, Staged, Staging, Unfit, Verified, Written,
    append::{StagedRoom, absolute, delete_aside, table_of},
    aside::Asides,
    owner::{self, belongs, check_log, check_owner},
    probe::probe_table,
    shape::Shape,
    staging::{Ending, FileStaging},
    tree::{Tree, TreeError, split, text},
    verify::{FileOf, compare, redo},
};
use crate::lease;

/// A table of files of which readers see one version.
#[derive(Debug, Clone)]
pub struct PointedSink {
    /// What the files are, and where.
    pub files: FileSink,
}

/// The name of the list of a version's files, beside the version: readers of its folder find data alone.
pub(crate) fn list_of(version: &str) -> String {
    format!("{version}.json")
}

/// The name of the list of a share's own files.
fn share_list_of(version: &str) -> String {
    format!("{version}.share.json")
}

/// The name of the link for an entry: digits alone, so that it is no version of a run without a log.
fn link_of(entry: u64) -> String {
    format!("{entry:020}")
}

fn entry_of(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// The files of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionFiles {
    /// Each with the version in whose folder it lies.
    pub(crate) files: Vec<VersionFile>,
    /// The partitions that it replaces of a version before; none if it replaces all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Replaces>,
    /// What the files have in common; none of earlier versions of transom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Shape>,
}

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionFile {
    /// The version in whose folder it lies; another one's if this goes on with it.
    pub(crate) version: String,
    /// Relative to that folder.
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// On S3: by which a reader knows that it is still this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) partition: Vec<(String, Option<String>)>,
    /// The CRC-32 of its bytes; none of files that earlier versions have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crc32: Option<u32>,
}

impl VersionFiles {
    /// The files in partitions that are not replaced.
    fn others(&self, replaces: &Replaces) -> impl Iterator<Item = &VersionFile> {
        self.files.iter().filter(move |file| {
            let mut values = file.partition.iter();
            let value = values.find(|(column, _)| *column == replaces.column);
            // A file without rows stands for a table without any.
            file.rows > 0 && value.is_some_and(|(_, value)| !replaces.values.contains(value))
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// A table's place, with what differs between a folder and a bucket.
#[async_trait]
trait Table: std::fmt::Debug + Send + Sync {
    /// The tree in which the versions' folder and the table lie.
    fn tree(&self) -> &Arc<dyn Tree>;

    /// Whether nothing stands in the table's place that no sink of this kind has made.
    async fn check_ours(&self) -> Result<(), Foreign>;

    /// The files of a new version, complete with what readers need.
    async fn seal(&self, version: &str, written: &Written) -> Result<VersionFiles, TreeError>;

    /// Goes on with files of another version.
    async fn carry(
        &self,
        version: &str,
        files: Vec<VersionFile>,
    ) -> Result<Vec<VersionFile>, TreeError>;

    /// Takes files of a version that are not in its list from where readers find them.
    async fn leave_out(&self, version: &str, files: Vec<VersionFile>) -> Result<(), TreeError>;

    /// Gives an earlier version another name, the attempt of a rewind.
    async fn again(&self, version: &str, earlier: &str) -> Result<(), TreeError>;

    /// The entry that the pointer was written for; 0 if there is none.
    async fn entry(&self) -> Result<u64, TreeError>;

    /// Moves the pointer.
    async fn point(&self, entry: u64, version: &str, files: &VersionFiles)
    -> Result<(), TreeError>;
}

/// Why a version cannot be begun.
enum Foreign {
    Found(String),
    Failed(TreeError),
}

impl From<TreeError> for Foreign {
    fn from(error: TreeError) -> Self {
        Self::Failed(error)
    }
}

impl PointedSink {
    /// The place of the table, if nothing is there that no sink of this kind has made, and the log that it belongs to, if that is noted.
    async fn open(&self) -> Result<(Box<dyn Table>, Option<Bytes>), SinkError> {
        let name = &self.files.name;
        let place = absolute(&self.files)?;
        let path_error = || SinkError::Path {
            name: name.clone(),
            path: place.clone(),
        };
        versions_of(&place).ok_or_else(path_error)?;
        let table = self
            .table(&place)
            .await
            .map_err(|error| error.staging(name))?;
        table.check_ours().await.map_err(|foreign| match foreign {
            Foreign::Failed(error) => error.staging(name),
            Foreign::Found(found) => SinkError::NotOurs {
                name: name.clone(),
                path: place.clone(),
                found,
            },
        })?;
        let owner = owner::log(table.tree(), &self.folder()).await;
        let owner = owner.map_err(|error| error.staging(name))?;
        Ok((table, owner))
    }

    async fn table(&self, place: &Place) -> Result<Box<dyn Table>, TreeError> {
        Ok(match place {
            Place::Local(path) => Box::new(folder::FolderTable::new(path)?),
            Place::S3(url) => {
                let bucket = self.files.aws.bucket(&url.bucket).await;
                Box::new(bucket::BucketTable::new(
                    url,
                    bucket.map_err(TreeError::S3)?,
                ))
            }
        })
    }

    fn broken(&self, what: &str) -> commit::SinkError {
        let message = format!("sink `{}`: {what}", self.files.name);
        commit::SinkError::new(SinkErrorKind::Broken, message)
    }

    async fn write_pointer(&self, version: &Version<'_>) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let name = version.position.attempt_text();
        let table = match &version.part {
            Some((_, part)) => {
                let publish: Publish =
                    serde_json::from_value(part.staged.clone()).map_err(|error| {
                        self.broken("what was staged is no document of this version")
                            .because(error)
                    })?;
                let Publish::Point(pointed) = publish else {
                    return Err(self.broken("what was staged is of a sink of another kind"));
                };
                let place = table_of(&self.files, &pointed.table)?;
                let table = self.table(&place).await.map_err(failed)?;
                if pointed.attempt != name {
                    table.again(&name, &pointed.attempt).await.map_err(failed)?;
                }
                table
            }
            None => {
                let place =
                    absolute(&self.files).map_err(|error| self.broken(&error.to_string()))?;
                let table = self.table(&place).await.map_err(failed)?;
                put_list(
                    table.tree(),
                    self,
                    &list_of(&name),
                    &VersionFiles::default(),
                )
                .await
                .map_err(failed)?;
                table
            }
        };
        let tree = table.tree();
        let log = async {
            let log = owner::log(tree, &self.folder()).await;
            log.map_err(failed)
        };
        let (files, log) = future::try_join(self.list(tree, &name), log).await?;
        let note = async {
            let Some(log) = log else {
                return Ok(());
            };
            let log = String::from_utf8_lossy(&log).into_owned();
            let noted = Noted::new(log, &self.files.name, &version.position);
            owner::note(tree, &self.folder(), &noted).await
        };
        let point = table.point(version.position.seq, &name, &files);
        let pointed = future::try_join(point, note).await;
        pointed.map(|_| ()).map_err(failed)
    }

    /// The files of a version that an entry of the log names.
    async fn list(
        &self,
        tree: &Arc<dyn Tree>,
        version: &str,
    ) -> Result<VersionFiles, commit::SinkError> {
        self.read_list(tree, &list_of(version)).await
    }

    async fn read_list(
        &self,
        tree: &Arc<dyn Tree>,
        list: &str,
    ) -> Result<VersionFiles, commit::SinkError> {
        let path = format!("{}/{list}", self.folder());
        let list = tree.get(&path).await;
        let list = list.map_err(|error| error.applying(&self.files.name))?;
        let list = list.ok_or_else(|| {
            self.broken(&format!("`{path}` is gone, which lists a version's files"))
        })?;
        serde_json::from_slice(&list)
            .map_err(|error| self.broken(&format!("`{path}` was changed")).because(error))
    }

    async fn list_staged(
        &self,
        tree: &Arc<dyn Tree>,
        list: &str,
    ) -> Result<VersionFiles, SinkError> {
        let list = self.read_list(tree, list).await;
        list.map_err(|source| SinkError::Log {
            name: self.files.name.clone(),
            source,
        })
    }

    /// Writes the list of a version: its own files, and those of the version before that it goes on with.
    async fn put_behind(
        &self,
        table: &dyn Table,
        version: &str,
        mut files: VersionFiles,
        after: Option<&str>,
    ) -> Result<Pointed, SinkError> {
        let failed = |error: TreeError| error.staging(&self.files.name);
        if let (Some(after), Some(replaces)) = (after, &files.replaces) {
            let before = self.list_staged(table.tree(), &list_of(after)).await?;
            let shape = files.shape.take();
            files.shape = self.shape_behind(table, &before, shape).await?;
            let kept: Vec<VersionFile> = before.others(replaces).cloned().collect();
            let (own, empty): (Vec<_>, Vec<_>) = files
                .files
                .into_iter()
                .partition(|file| file.rows > 0 || kept.is_empty());
            files.files = own;
            // A file without rows stands for a table without any, and this one has some: perhaps one of the same name.
            if !empty.is_empty() {
                // Readers may see it already: nothing of it is deleted again.
                if let Some(listed) = self.listed(table.tree(), version, &files, &kept).await? {
                    return self.pointed(version, &listed);
                }
                table.leave_out(version, empty).await.map_err(failed)?;
            }
            let kept = table.carry(version, kept).await.map_err(failed)?;
            files.files.extend(kept);
        }
        files
            .files
            .sort_by(|a, b| (&a.path, &a.version).cmp(&(&b.path, &b.version)));
        put_list(table.tree(), self, &list_of(version), &files)
            .await
            .map_err(failed)?;
        self.pointed(version, &files)
    }

    /// What a version's files have in common with those of the version before, some of which are also its own.
    async fn shape_behind(
        &self,
        table: &dyn Table,
        before: &VersionFiles,
        shape: Option<Shape>,
    ) -> Result<Option<Shape>, SinkError> {
        let sink = &self.files;
        if before.files.iter().all(|file| file.rows == 0) {
            return Ok(shape);
        }
        let known = match &before.shape {
            Some(known) => Some(known.clone()),
            None => Shape::read(table.tree().as_ref(), &self.earlier_shape(), sink).await?,
        };
        let (Some(known), Some(shape)) = (known.clone(), shape.clone()) else {
            return Ok(shape.or(known));
        };
        let both = known.with(shape).map_err(|what| SinkError::Mixed {
            name: sink.name.clone(),
            path: sink.path.clone(),
            what,
            leaves: false,
        });
        both.map(Some)
    }

    /// The version that readers see, as far as that is noted beside the table: nothing is decided by it.
    async fn shown(&self, tree: &Arc<dyn Tree>) -> Option<VersionFiles> {
        let noted = owner::noted(tree, &self.folder(), &self.files.name).await;
        let noted = noted.ok()??;
        self.list(tree, &noted.attempt).await.ok()
    }

    /// Where earlier versions of transom have noted what the table's files have in common.
    fn earlier_shape(&self) -> String {
        format!("{}/shape", self.folder())
    }

    /// The list of a version, if it was written and has what it is to have.
    async fn listed(
        &self,
        tree: &Arc<dyn Tree>,
        version: &str,
        own: &VersionFiles,
        kept: &[VersionFile],
    ) -> Result<Option<VersionFiles>, SinkError> {
        let path = format!("{}/{}", self.folder(), list_of(version));
        let found = tree.get(&path).await;
        let found = found.map_err(|error| error.staging(&self.files.name))?;
        let listed = found.and_then(|list| serde_json::from_slice::<VersionFiles>(&list).ok());
        let all = own.files.iter().chain(kept);
        let mut paths: Vec<&PathBuf> = all.map(|file| &file.path).collect();
        paths.sort();
        Ok(listed.filter(|listed| {
            let mut there: Vec<&PathBuf> = listed.files.iter().map(|file| &file.path).collect();
            there.sort();
            there == paths
        }))
    }

    fn pointed(&self, version: &str, files: &VersionFiles) -> Result<Pointed, SinkError> {
        Ok(Pointed {
            table: absolute(&self.files)?,
            attempt: version.to_owned(),
            files: files.files.len() as u64,
            bytes: files.bytes(),
        })
    }

    /// The folder of versions, beside the table.
    fn folder(&self) -> String {
        versions_of(&self.files.path).unwrap_or_default()
    }
}

/// The name of the folder of versions.
fn versions_of(table: &Place) -> Option<String> {
    let (_, name) = split(table).ok()?;
    Some(lease::versions_folder_name(&name))
}

async fn put_list(
    tree: &Arc<dyn Tree>,
    sink: &PointedSink,
    list: &str,
    files: &VersionFiles,
) -> Result<(), TreeError> {
    let path = format!("{}/{list}", sink.folder());
    let list = serde_json::to_vec(files).expect("a list of files has text for keys");
    tree.put(&path, list.into()).await
}

#[async_trait]
impl Sink for PointedSink {
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
        let (_, owner) = self.open().await?;
        let folder = self.folder();
        check_owner(&folder, owner.as_ref(), log, has_rows, &self.files)
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError> {
        let (table, owner) = self.open().await?;
        let folder = self.folder();
        belongs(table.tree(), &folder, owner, attempt, &self.files).await?;
        let room = StagedRoom {
            sink: self.files.name.clone(),
            tree: Arc::clone(table.tree()),
            folder: format!("{folder}/{}", attempt.id),
        };
        let ending = Pointing {
            sink: self.clone(),
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
        Some(commit::Sink::Pointer(self))
    }

    async fn follow(&self, publish: Publish, after: Option<&str>) -> Result<Publish, SinkError> {
        let Publish::Point(pointed) = publish else {
            return Ok(publish);
        };
        let table = self.table(&pointed.table).await;
        let table = table.map_err(|error| error.staging(&self.files.name))?;
        let version = &pointed.attempt;
        let own = share_list_of(version);
        let own = self.list_staged(table.tree(), &own).await?;
        let follows = self.put_behind(&*table, version, own, after);
        Ok(Publish::Point(follows.await?))
    }

    async fn noted(&self) -> Result<Option<Noted>, commit::SinkError> {
        let table = self.table(&self.files.path).await;
        let table = table.map_err(|error| error.applying(&self.files.name))?;
        owner::noted(table.tree(), &self.folder(), &self.files.name).await
    }

    async fn verify(&self, expected: &Expected<'_>) -> Result<Verified, commit::SinkError> {
        let name = &self.files.name;
        let failed = |error: TreeError| error.applying(name);
        let table = self.table(&self.files.path).await.map_err(failed)?;
        let tree = table.tree();
        check_log(tree, &self.folder(), &expected.log.to_string(), &self.files).await?;
        let mut verified = Verified::default();
        if !owner::verify(self.noted().await?, name, expected, &mut verified) {
            return Ok(verified);
        }
        let at = table.entry().await.map_err(failed)?;
        let position = match expected.before {
            Some(before) if before.seq == at => before,
            _ => expected.position,
        };
        if at != position.seq {
            let problem = format!(
                "`{}` shows entry {at}, and the log says {}",
                self.files.path, position.seq
            );
            let hint = match at > position.seq {
                true => "the end of the log is missing: find the right state",
                false => "`transom run` puts it right",
            };
            verified.find(name, problem, hint);
        }
        if position.seq == 0 {
            return Ok(verified);
        }
        let version = position.attempt_text();
        let list = match self.list(tree, &version).await {
            Ok(list) => list,
            Err(error) if error.kind() == SinkErrorKind::Broken => {
                let hint = redo(position.seq);
                verified.find(name, error.to_string(), hint);
                return Ok(verified);
            }
            Err(error) => return Err(error),
        };
        let root = self.folder();
        if list.shape.is_none() {
            // Of a table whose versions were all new, none was kept.
            let has_shape = list.replaces.is_some() && list.files.iter().any(|file| file.rows > 0);
            let shape = self.earlier_shape();
            Shape::verify(tree.as_ref(), &shape, name, has_shape, &mut verified)
                .await
                .map_err(failed)?;
        }
        let mut files = BTreeMap::new();
        let mut folders = BTreeSet::new();
        for file in &list.files {
            folders.insert(file.version.clone());
            let expected = FileOf {
                entry: position.seq,
                bytes: file.bytes,
                crc32: file.crc32,
                is_optional: false,
            };
            let path = format!("{root}/{}/{}", file.version, text(&file.path));
            files.insert(path, expected);
        }
        let mut found = Vec::new();
        for folder in &folders {
            let folder = format!("{root}/{folder}");
            found.extend(tree.files(&folder).await.map_err(failed)?);
        }
        let unknown = compare(tree, name, found, &files, expected.deep, &mut verified).await;
        let unknown = unknown.map_err(failed)?;
        // On S3, readers see the files of the list alone; what else is there is of other versions.
        let is_local = matches!(tree.place(), Place::Local(_));
        for file in unknown.into_iter().filter(|_| is_local) {
            let problem = format!("no entry has written `{}`", tree.place().join(&file.path));
            verified.find(name, problem, "readers see its rows: move it away");
        }
        Ok(verified)
    }

    async fn check_rewind(&self, rewind: &Rewound<'_>) -> Result<(), commit::SinkError> {
        let Some(version) = rewind.stays else {
            return Ok(());
        };
        let failed = |error: TreeError| error.applying(&self.files.name);
        let place = absolute(&self.files).map_err(|error| self.broken(&error.to_string()))?;
        let table = self.table(&place).await.map_err(failed)?;
        self.list(table.tree(), version).await.map(drop)
    }

    async fn delete_attempt(&self, _: &str, attempt: &str) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let table = self.table(&self.files.path).await.map_err(failed)?;
        let folder = format!("{}/{attempt}", self.folder());
        table.tree().delete(&folder).await.map_err(failed)?;
        let lists = [list_of(&folder), share_list_of(&folder)];
        table.tree().remove(&lists).await.map_err(failed)
    }

    async fn aside(&self, known: &Known) -> Result<Vec<Aside>, commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let table = self.table(&self.files.path).await.map_err(failed)?;
        let tree = table.tree();
        check_log(tree, &self.folder(), &known.log, &self.files).await?;
        // On S3, a version goes on with files in the folders of earlier ones.
        let mut kept = BTreeSet::new();
        for version in &known.needed {
            let list = self.list(tree, version).await?;
            let paths = list.files.iter();
            kept.extend(paths.map(|file| format!("{}/{}", file.version, text(&file.path))));
        }
        let entries: BTreeMap<u64, &String> =
            known.named.iter().map(|(at, seq)| (*seq, at)).collect();
        let root = format!("{}/", self.folder());
        let mut asides = Asides::new(known);
        let mut halves = BTreeSet::new();
        for found in tree.files(&root).await.map_err(failed)? {
            let within = found.path.strip_prefix(&root).unwrap_or_default();
            let attempt = match within.split_once('/') {
                Some((version, _)) if kept.contains(within) => {
                    halves.insert(version.to_owned());
                    continue;
                }
                Some((version, _)) => version,
                // The link for an entry, the list of a version, or another name of one.
                None => match entry_of(within).and_then(|entry| entries.get(&entry)) {
                    Some(attempt) => attempt,
                    None => within.split('.').next().unwrap_or_default(),
                },
            };
            let attempt = attempt.to_owned();
            asides.add(&attempt, found);
        }
        let unneeded = asides.into_unneeded().map(|aside| Aside {
            folder: (!halves.contains(&aside.attempt)).then(|| format!("{root}{}", aside.attempt)),
            ..aside
        });
        Ok(unneeded.collect())
    }

    async fn probe(&self) -> Option<(Place, Result<Fit, Unfit>)> {
        let place = &self.files.path;
        let fit = probe_table(&self.files.aws, place, &self.folder(), None).await;
        Some((place.clone(), fit))
    }

    async fn delete_aside(&self, aside: &Aside) -> Result<(), commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let table = self.table(&self.files.path).await.map_err(failed)?;
        delete_aside(table.tree(), aside).await.map_err(failed)
    }
}

/// A version of its own files and of those that it goes on with.
#[derive(Debug)]
struct Pointing {
    sink: PointedSink,
    table: Box<dyn Table>,
    attempt: Attempt,
}

#[async_trait]
impl Ending for Pointing {
    fn wants_empty_file(&self) -> bool {
        true
    }

    async fn publish(&self, written: &Written, schema: &SchemaRef) -> Result<Publish, SinkError> {
        let version = &self.attempt.id;
        let shape = Shape::of(&self.sink.files, schema)?;
        if self.attempt.is_share
            && self.attempt.replaces.is_some()
            && let Some(shown) = self.sink.shown(self.table.tree()).await
        {
            // It is compared when it is loaded, too, with the version before it. Now less is computed in vain.
            let behind = self
                .sink
                .shape_behind(&*self.table, &shown, Some(shape.clone()));
            behind.await?;
        }
        let files = self.table.seal(version, written).await;
        let mut files = files.map_err(|error| error.staging(&self.sink.files.name))?;
        files.replaces.clone_from(&self.attempt.replaces);
        files.shape = Some(shape);
        if self.attempt.is_share {
            let list = share_list_of(version);
            put_list(self.table.tree(), &self.sink, &list, &files)
                .await
                .map_err(|error| error.staging(&self.sink.files.name))?;
            return Ok(Publish::Point(self.sink.pointed(version, &files)?));
        }
        let after = self.attempt.after.as_deref();
        let pointed = self.sink.put_behind(&*self.table, version, files, after);
        Ok(Publish::Point(pointed.await?))
    }
}

#[async_trait]
impl commit::Pointer for PointedSink {
    async fn read(&self) -> Result<u64, commit::SinkError> {
        let failed = |error: TreeError| error.applying(&self.files.name);
        let table = self.table(&self.files.path).await.map_err(failed)?;
        table.entry().await.map_err(failed)
    }

    async fn write(&self, version: &Version<'_>) -> Result<(), commit::SinkError> {
        self.write_pointer(version).await
    }
}

/// The files of an attempt as a version's own.
fn own_files(version: &str, written: &Written) -> VersionFiles {
    let files = written.files.iter().map(|file| VersionFile {
        version: version.to_owned(),
        path: PathBuf::from(text(&file.path)),
        rows: file.rows,
        bytes: file.bytes,
        etag: None,
        partition: file.partition.clone(),
        crc32: file.crc32,
    });
    VersionFiles {
        files: files.collect(),
        replaces: None,
        shape: None,
    }
}
