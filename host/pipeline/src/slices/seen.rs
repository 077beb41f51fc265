//! Which files of a source count as loaded: a set in the store beside the log, which an entry names by its content.
//!
//! ```text
//! objects/<attempt>/<digest>   { "format": 1, "chunks": [ { "first": "raw/a.csv", "files": 1000, "object": "objects/.." }, .. ] }
//! objects/<attempt>/<digest>   { "files": [ ["raw/a.csv", 1234, "<stamp> <content>"], .. ] }
//! ```
//!
//! A set of a hundred thousand files lies in a hundred chunks, sorted by path, so that a slice writes anew only those that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use transom_commit::{Attempt, Digest, Object, Store};
use transom_connect::{Input, Location, content_of};

use crate::error::{Error, Result};

/// What to do about documents that the log names and that are gone.
pub(super) const GONE: &str = "restore the state from a backup; or load everything again: `transom reset --yes --force`, then `transom run`";

const FORMAT: u32 = 1;
/// Files of a chunk when it is written; it is divided when it has twice as many.
const CHUNK: usize = 1000;
/// Chunks that are read at once.
const AT_ONCE: usize = 16;
/// Files whose content is looked at at once.
const FILES_AT_ONCE: usize = 4;

/// What tells a file that was loaded from another one in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Stamp {
    bytes: u64,
    /// Of an object its ETag, of a file the time of its last change, in nanoseconds since 1970.
    text: String,
}

impl Stamp {
    pub(super) fn of(piece: &Input) -> Self {
        let text = match &piece.location {
            Location::Object { etag, .. } => etag.clone(),
            Location::File(_) => {
                let since = piece
                    .modified
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                since.as_nanos().to_string()
            }
        };
        Self {
            bytes: piece.bytes,
            text,
        }
    }

    /// Whether two files that have it are the same one, wherever they lie: times of change have nanoseconds, unless a program has set them.
    pub(super) fn is_unique(&self) -> bool {
        const SECOND: u64 = 1_000_000_000;
        // An ETag is no such number.
        self.text
            .parse()
            .is_ok_and(|time: u64| !time.is_multiple_of(SECOND))
    }
}

/// A stamp as it is written down, and what tells the content of the file, if that is known. Neither a time nor an ETag has a blank.
fn noted(text: String) -> (String, Option<String>) {
    match text.split_once(' ') {
        Some((stamp, content)) => (stamp.to_owned(), Some(content.to_owned())),
        None => (text, None),
    }
}

/// The path by which a file is known.
pub(super) fn path_of(piece: &Input) -> String {
    piece.path.to_string_lossy().into_owned()
}

/// The files of a source that count as loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    files: BTreeMap<String, Known>,
    /// Where chunks begin, as they lie in the store.
    bounds: BTreeSet<String>,
    /// The chunks in the store, by the digests of their content.
    stored: Arc<There>,
}

/// What is known of a file.
#[derive(Debug, Clone)]
struct Known {
    stamp: Stamp,
    content: Content,
}

/// What tells the content of a file that was loaded.
#[derive(Debug, Clone)]
enum Content {
    /// Nothing but its stamp: it is an object, or could not be read.
    Unknown,
    /// Of an object: the ETag that it was loaded with, since the one that it has now may not tell what it is made of.
    Noted(String),
    /// It is to be read for that.
    Unread(Arc<Unread>),
}

/// A file that has come in. A slice that is computed ahead has those of the slices before it as well, and none is read twice for that.
#[derive(Debug)]
struct Unread {
    piece: Input,
    content: OnceCell<Option<String>>,
}

impl Unread {
    fn new(piece: Input) -> Self {
        let content = OnceCell::new();
        Self { piece, content }
    }

    /// What tells its content, if that can be seen.
    async fn content(&self) -> Option<String> {
        let content = self.content.get_or_init(|| content_of(&self.piece));
        content.await.clone()
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: u32,
    chunks: Vec<ChunkAt>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkAt {
    first: String,
    files: usize,
    object: Object,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk {
    files: Vec<(String, u64, String)>,
}

impl Seen {
    /// The set that an entry names; an empty one if it names none.
    pub(super) async fn load(store: &dyn Store, object: Option<Object>) -> Result<Self> {
        let Some(object) = object else {
            return Ok(Self::default());
        };
        let index: Index = read(store, object).await?;
        if index.format != FORMAT {
            return Err(Error::State {
                message: format!(
                    "`{object}` has format {}; this transom knows format {FORMAT}",
                    index.format
                ),
                hint: Some("update transom".to_owned()),
            });
        }
        let mut seen = Self::default();
        seen.lies_as(&index);
        let objects: Vec<Object> = index.chunks.iter().map(|chunk| chunk.object).collect();
        let chunks: Vec<Chunk> = stream::iter(objects)
            .map(|object| read(store, object))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (path, bytes, text) in chunks.into_iter().flat_map(|chunk| chunk.files) {
            let (text, content) = noted(text);
            let stamp = Stamp { bytes, text };
            let content = content.map_or(Content::Unknown, Content::Noted);
            seen.files.insert(path, Known { stamp, content });
        }
        Ok(seen)
    }

    /// Notes how the set lies in the store.
    fn lies_as(&mut self, index: &Index) {
        let chunks = index.chunks.iter();
        self.bounds = chunks.clone().map(|chunk| chunk.first.clone()).collect();
        self.stored = Arc::new(
            chunks
                .map(|chunk| (chunk.object.digest, chunk.object))
                .collect(),
        );
    }

    /// Puts what has changed beside the log, for an attempt.
    pub(super) async fn save(&mut self, store: &dyn Store, attempt: Attempt) -> Result<Object> {
        let mut chunks: Vec<Vec<(&String, &Known)>> = Vec::new();
        for (path, file) in &self.files {
            match chunks.last_mut() {
                Some(chunk) if !self.bounds.contains(path) => chunk.push((path, file)),
                _ => chunks.push(vec![(path, file)]),
            }
        }
        let entry = |(path, file): (&String, &Known)| {
            let time = &file.stamp.text;
            let text = match &file.content {
                Content::Noted(content) => format!("{time} {content}"),
                Content::Unknown | Content::Unread(_) => time.clone(),
            };
            (path.clone(), file.stamp.bytes, text)
        };
        let pieces = |chunk: Vec<(&'_ String, &'_ Known)>| match chunk.len() < 2 * CHUNK {
            true => vec![chunk.into_iter().map(entry).collect::<Vec<_>>()],
            false => chunk
                .chunks(CHUNK)
                .map(|part| part.iter().copied().map(entry).collect())
                .collect(),
        };
        let mut index = Index {
            format: FORMAT,
            chunks: Vec::new(),
        };
        let mut documents = Vec::new();
        for files in chunks.into_iter().flat_map(pieces) {
            let (first, count) = (files[0].0.clone(), files.len());
            let document = Document::of(attempt, &Chunk { files }, &self.stored);
            index.chunks.push(ChunkAt {
                first,
                files: count,
                object: document.object,
            });
            documents.push(document);
        }
        let whole = Document::of(attempt, &index, &There::new());
        let object = whole.object;
        documents.push(whole);
        // Nothing reads one of them before an entry names the index.
        stream::iter(documents)
            .map(|document| document.put(store))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.lies_as(&index);
        Ok(object)
    }

    pub(super) fn get(&self, path: &str) -> Option<&Stamp> {
        Some(&self.files.get(path)?.stamp)
    }

    pub(super) fn insert(&mut self, piece: &Input) {
        let content = match piece.location {
            Location::Object { .. } => Content::Unknown,
            Location::File(_) => Content::Unread(Arc::new(Unread::new(piece.clone()))),
        };
        let stamp = Stamp::of(piece);
        self.files.insert(path_of(piece), Known { stamp, content });
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// Looks at the content of files that have come in, so that they are known again when nothing but their time has changed.
    pub(super) async fn read_contents(&mut self) {
        let unread = self.files.iter().filter_map(|(path, file)| {
            let Content::Unread(unread) = &file.content else {
                return None;
            };
            Some((path.clone(), Arc::clone(unread)))
        });
        let read = stream::iter(unread.collect::<Vec<_>>())
            .map(|(path, unread)| async move { (path, unread.content().await) })
            .buffer_unordered(FILES_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for (path, content) in read {
            if let Some(file) = self.files.get_mut(&path) {
                file.content = content.map_or(Content::Unknown, Content::Noted);
            }
        }
    }

    /// What is known of the content of a file that looks changed and has its size: the ETag that it had, or what was noted.
    pub(super) fn if_like(&self, piece: &Input) -> Option<&str> {
        let was = self.files.get(&path_of(piece))?;
        let is = Stamp::of(piece);
        if was.stamp == is || was.stamp.bytes != is.bytes {
            return None;
        }
        match (&was.content, &piece.location) {
            (Content::Noted(content), _) => Some(content),
            (Content::Unknown | Content::Unread(_), Location::Object { .. }) => {
                Some(&was.stamp.text)
            }
            (Content::Unknown | Content::Unread(_), Location::File(_)) => None,
        }
    }

    /// A file has the content that was loaded: from now on it is known as it is.
    pub(super) fn keep(&mut self, piece: &Input) {
        let Some(file) = self.files.get_mut(&path_of(piece)) else {
            return;
        };
        let before = std::mem::replace(&mut file.stamp, Stamp::of(piece));
        if let (Content::Unknown, Location::Object { .. }) = (&file.content, &piece.location) {
            file.content = Content::Noted(before.text);
        }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&String, &Stamp)> {
        let files = self.files.iter();
        files.map(|(path, file)| (path, &file.stamp))
    }
}

/// A document beside the log.
pub(super) async fn read<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    object: Object,
) -> Result<T> {
    let bytes = object.get(store).await?;
    let gone = || Error::State {
        message: format!("`{object}`, which the log names, is gone"),
        hint: Some(GONE.to_owned()),
    };
    serde_json::from_slice(&bytes.ok_or_else(gone)?).map_err(|error| Error::State {
        message: format!("`{object}` is no document of this version: {error}"),
        hint: None,
    })
}

/// Documents that are there, by the digests of their content.
pub(super) type There = BTreeMap<Digest, Object>;

/// A document for the place beside the log. A gc deletes it with the attempt, or when no entry needs it any more.
struct Document {
    object: Object,
    /// None if one of its content is there.
    content: Option<Vec<u8>>,
}

impl Document {
    fn of<T: Serialize>(attempt: Attempt, document: &T, there: &There) -> Self {
        let bytes = serde_json::to_vec(document).expect("such documents have text for keys");
        match there.get(&Digest::of(&bytes)) {
            Some(object) => Self {
                object: *object,
                content: None,
            },
            None => Self {
                object: Object::of(Some(attempt), &bytes),
                content: Some(bytes),
            },
        }
    }

    async fn put(self, store: &dyn Store) -> Result<()> {
        if let Some(content) = self.content {
            store.put(&self.object.to_string(), content.into()).await?;
        }
        Ok(())
    }
}

/// Puts a document beside the log, unless one of its content is there.
pub(super) async fn write<T: Serialize>(
    store: &dyn Store,
    attempt: Attempt,
    document: &T,
    there: &There,
) -> Result<Object> {
    let document = Document::of(attempt, document, there);
    let object = document.object;
    document.put(store).await?;
    Ok(object)
}

/// The documents that a set consists of.
pub(super) async fn parts(store: &dyn Store, set: Object) -> Result<Vec<Object>> {
    let index: Index = read(store, set).await?;
    let chunks = index.chunks.iter().map(|chunk| chunk.object);
    Ok(chunks.chain([set]).collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use transom_commit::MemoryStore;
    use transom_file::spec::S3Url;

    use super::*;

    fn piece(number: usize, bytes: u64) -> Input {
        let path = PathBuf::from(format!("raw/{number:06}.csv"));
        Input {
            location: Location::File(path.clone()),
            path,
            bytes,
            modified: UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn a_set_comes_back_and_a_change_writes_few_chunks() {
        let store = MemoryStore::default();
        let mut seen = Seen::default();
        (0..5_000).for_each(|number| seen.insert(&piece(number, 1)));
        let first = seen.save(&store, Attempt::of(1)).await.unwrap();
        let objects = store.list("objects/", None).await.unwrap().len();
        assert_eq!(objects, 6, "five chunks and their index");

        let mut seen = Seen::load(&store, Some(first)).await.unwrap();
        assert_eq!(seen.paths().count(), 5_000);
        assert_eq!(seen.get("raw/000007.csv"), Some(&Stamp::of(&piece(7, 1))));
        seen.insert(&piece(7, 2));
        let second = seen.save(&store, Attempt::of(1)).await.unwrap();
        assert_ne!(first, second);
        let objects = store.list("objects/", None).await.unwrap().len();
        assert_eq!(objects, 8, "one chunk and the index");

        let mut again = Seen::load(&store, Some(second)).await.unwrap();
        assert_eq!(again.get("raw/000007.csv"), Some(&Stamp::of(&piece(7, 2))));
        assert_eq!(again.save(&store, Attempt::of(1)).await.unwrap(), second);
    }

    #[tokio::test]
    async fn an_object_is_compared_with_the_etag_that_it_was_loaded_with() {
        let object = |etag: &str| Input {
            location: Location::Object {
                url: S3Url {
                    bucket: "lake".to_owned(),
                    key: "raw/000001.csv".to_owned(),
                },
                etag: etag.to_owned(),
            },
            ..piece(1, 7)
        };
        let store = MemoryStore::default();
        let mut seen = Seen::default();
        seen.insert(&object("first"));
        assert_eq!(seen.if_like(&object("first")), None);
        assert_eq!(seen.if_like(&object("other-2")), Some("first"));
        seen.keep(&object("other-2"));
        seen.keep(&object("third-3"));
        let saved = seen.save(&store, Attempt::of(1)).await.unwrap();
        let seen = Seen::load(&store, Some(saved)).await.unwrap();
        assert_eq!(seen.if_like(&object("third-3")), None);
        for etag in ["first", "other-2"] {
            assert_eq!(seen.if_like(&object(etag)), Some("first"), "{etag}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_once_for_all_sets_that_it_has_come_into() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "a").unwrap();
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        let piece = Input {
            location: Location::File(file.clone()),
            modified,
            ..piece(0, 1)
        };
        let mut first = Seen::default();
        first.insert(&piece);
        // As the set of the slice that is computed ahead of it.
        let mut second = first.clone();
        first.read_contents().await;
        std::fs::remove_file(&file).unwrap();
        second.read_contents().await;
        let touched = Input {
            modified: UNIX_EPOCH,
            ..piece
        };
        let noted = first.if_like(&touched);
        assert!(noted.is_some());
        assert_eq!(second.if_like(&touched), noted);
    }

    #[tokio::test]
    async fn nothing_is_a_set_too() {
        let store = MemoryStore::default();
        assert!(Seen::load(&store, None).await.unwrap().files.is_empty());
        let object = Seen::default().save(&store, Attempt::of(1)).await.unwrap();
        assert!(
            Seen::load(&store, Some(object))
                .await
                .unwrap()
                .files
                .is_empty()
        );
    }
}
