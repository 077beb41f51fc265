//! What is on the disk: the catalog and few rows in a database, many rows in files.
//!
//! ```text
//! catalog.redb       a record for each object and for each segment of rows, the rows of small segments, and the numbers that were
//!                    given out
//! data/<32 digits>   a segment of a table's rows as Parquet, never changed
//! ```
//!
//! A file is durable before the record that names it; the transaction of the database is the commit. So a commit of few rows waits
//! once for the disk. A crash leaves files without a record, which the next start removes. Deleted rows are named in the record of
//! their segment. A commit rewrites segments that have many deleted rows, and joins small ones.

mod scan;
mod segment;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

pub(crate) use scan::{ROW, Rows};
pub(crate) use segment::{Folder, Segment};
pub(crate) use write::{Written, compacted, write};

use self::segment::Place;
use crate::catalog::{Catalog, FIRST, Id, Object, PUBLIC, Schema, Table, View};
use crate::error::{Error, Result};

const OBJECTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("objects");
/// Segments by their table and their number.
const SEGMENTS: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("segments");
/// The rows of those that are small, as a stream of Arrow.
const ROWS: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("rows");
const NUMBERS: TableDefinition<'static, &str, u64> = TableDefinition::new("numbers");

/// Memory for pages of the database.
const CACHE_BYTES: usize = 8 << 20;

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its files cannot be read or written.
    #[error("the folder `{}` cannot be opened", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The catalog cannot be read.
    #[error("the catalog cannot be opened")]
    Catalog(#[source] Box<redb::Error>),
    /// A record of the catalog cannot be read.
    #[error("the record of object {id} is damaged")]
    Damaged {
        /// The object.
        id: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        Self::Catalog(Box::new(error))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record<'a> {
    Schema(#[serde(borrow = "'a")] std::borrow::Cow<'a, Schema>),
    Table(std::borrow::Cow<'a, Table>),
    View(std::borrow::Cow<'a, View>),
}

/// The record of a segment.
#[derive(Serialize, Deserialize)]
struct SegmentRecord<'a> {
    rows: u64,
    bytes: u64,
    deleted: std::borrow::Cow<'a, [u32]>,
    /// The name of its file; without one its rows are in the database.
    file: Option<std::borrow::Cow<'a, str>>,
}

/// What a commit changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Objects by number, before and after; `None` for one that is created or dropped.
    pub(crate) objects: BTreeMap<Id, (Option<Object>, Option<Object>)>,
    /// Next numbers of IDENTITY columns.
    pub(crate) identities: BTreeMap<Id, i64>,
}

/// The store of a folder that this process owns.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    pub(crate) folder: Arc<Folder>,
}

/// What is in a store when it is opened.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) catalog: Catalog,
    pub(crate) next_id: Id,
    pub(crate) identities: BTreeMap<Id, i64>,
}

impl Store {
    /// Opens or creates the store.
    pub(crate) fn open(path: &Path) -> Result<(Self, Contents), OpenError> {
        let files = |source| OpenError::Files {
            path: path.to_owned(),
            source,
        };
        let folder = Arc::new(Folder::open(&path.join("data")).map_err(files)?);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let created = builder.create(path.join("catalog.redb"));
        let database = created.map_err(redb::Error::from)?;
        std::fs::File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(files)?;
        let store = Self { database, folder };
        store.create_tables()?;
        let contents = store.load()?;
        let mut named = HashSet::new();
        for object in contents.catalog.objects() {
            if let Object::Table(table) = object {
                let files = table.segments.iter().filter_map(|segment| segment.file());
                named.extend(files.map(|file| file.name().to_owned()));
            }
        }
        store.folder.sweep(&named).map_err(files)?;
        Ok((store, contents))
    }

    fn create_tables(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            if objects.get(PUBLIC)?.is_none() {
                let public = Schema {
                    id: PUBLIC,
                    name: "public".to_owned(),
                };
                let record = Record::Schema(std::borrow::Cow::Owned(public));
                let record = serde_json::to_vec(&record).unwrap_or_default();
                objects.insert(PUBLIC, record.as_slice())?;
            }
            transaction.open_table(SEGMENTS)?;
            transaction.open_table(ROWS)?;
            transaction.open_table(NUMBERS)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn load(&self) -> Result<Contents, OpenError> {
        let mut contents = Contents {
            catalog: Catalog::default(),
            next_id: FIRST,
            identities: BTreeMap::new(),
        };
        let mut objects = Vec::new();
        let mut segments = Vec::new();
        let mut read = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_read()?;
            for record in transaction.open_table(OBJECTS)?.iter()? {
                let (id, record) = record?;
                objects.push((id.value(), record.value().to_vec()));
            }
            let rows = transaction.open_table(ROWS)?;
            for record in transaction.open_table(SEGMENTS)?.iter()? {
                let (key, record) = record?;
                let few = rows.get(key.value())?;
                let few = few.map(|few| Bytes::copy_from_slice(few.value()));
                segments.push((key.value(), record.value().to_vec(), few));
            }
            for number in transaction.open_table(NUMBERS)?.iter()? {
                let (name, number) = number?;
                match name.value() {
                    "next_id" => contents.next_id = number.value(),
                    "commit" => contents.catalog.number = number.value(),
                    name => {
                        if let Some(id) = name.strip_prefix("identity/")
                            && let Ok(id) = id.parse()
                        {
                            contents.identities.insert(id, number.value() as i64);
                        }
                    }
                }
            }
            Ok(())
        };
        read()?;
        let mut tables: BTreeMap<Id, Vec<Arc<Segment>>> = BTreeMap::new();
        for ((id, number), record, few) in segments {
            let damaged = |source| OpenError::Damaged { id, source };
            let record: SegmentRecord<'_> = serde_json::from_slice(&record).map_err(damaged)?;
            let place = match (record.file, few) {
                (Some(name), _) => Place::File(self.folder.existing(name.into_owned())),
                (None, Some(few)) => Place::Database(few),
                (None, None) => return Err(damaged(serde::de::Error::custom("rows are missing"))),
            };
            self.folder.has_number(number);
            tables.entry(id).or_default().push(Arc::new(Segment {
                number,
                rows: record.rows,
                bytes: record.bytes,
                deleted: record.deleted.into_owned(),
                place,
            }));
        }
        for (id, record) in objects {
            let record: Record<'_> = serde_json::from_slice(&record)
                .map_err(|source| OpenError::Damaged { id, source })?;
            contents.catalog.put(match record {
                Record::Schema(schema) => Object::Schema(Arc::new(schema.into_owned())),
                Record::Table(table) => Object::Table(Arc::new(Table {
                    segments: tables.remove(&id).unwrap_or_default(),
                    ..table.into_owned()
                })),
                Record::View(view) => Object::View(Arc::new(view.into_owned())),
            });
        }
        Ok(contents)
    }

    /// Makes a change durable. It is there whole, or not at all.
    pub(crate) fn commit(&self, number: u64, next_id: Id, change: &Change) -> Result<()> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut objects = transaction.open_table(OBJECTS)?;
                let mut segments = transaction.open_table(SEGMENTS)?;
                let mut rows = transaction.open_table(ROWS)?;
                let mut numbers = transaction.open_table(NUMBERS)?;
                for (id, (before, after)) in &change.objects {
                    use std::borrow::Cow::Borrowed;
                    let record = match after {
                        None => {
                            objects.remove(id)?;
                            numbers.remove(format!("identity/{id}").as_str())?;
                            None
                        }
                        Some(Object::Schema(schema)) => Some(Record::Schema(Borrowed(schema))),
                        Some(Object::Table(table)) => Some(Record::Table(Borrowed(table))),
                        Some(Object::View(view)) => Some(Record::View(Borrowed(view))),
                    };
                    if let Some(record) = record {
                        let record = json(&record)?;
                        let is_new = objects
                            .get(id)?
                            .is_none_or(|known| known.value() != record.as_slice());
                        if is_new {
                            objects.insert(id, record.as_slice())?;
                        }
                    }
                    let (before, after) = (of_table(before.as_ref()), of_table(after.as_ref()));
                    for (number, segment) in &before {
                        if after.get(number).is_none_or(|same| !same.is_at(segment)) {
                            segments.remove((*id, *number))?;
                            rows.remove((*id, *number))?;
                        }
                    }
                    for (number, segment) in &after {
                        let known = before.get(number);
                        if known.is_some_and(|known| Arc::ptr_eq(known, segment)) {
                            continue;
                        }
                        let record = json(&SegmentRecord {
                            rows: segment.rows,
                            bytes: segment.bytes,
                            deleted: Borrowed(&segment.deleted),
                            file: segment.file().map(|file| Borrowed(file.name())),
                        })?;
                        segments.insert((*id, *number), record.as_slice())?;
                        if let Place::Database(few) = &segment.place
                            && known.is_none_or(|known| !known.is_at(segment))
                        {
                            rows.insert((*id, *number), few.as_ref())?;
                        }
                    }
                }
                numbers.insert("commit", number)?;
                numbers.insert("next_id", next_id)?;
                for (id, next) in &change.identities {
                    numbers.insert(format!("identity/{id}").as_str(), *next as u64)?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(Error::internal)
    }
}

fn json(record: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(record).map_err(|error| redb::Error::Io(std::io::Error::other(error)))
}

/// The segments of an object by their numbers.
fn of_table(object: Option<&Object>) -> BTreeMap<u64, &Arc<Segment>> {
    let segments = match object {
        Some(Object::Table(table)) => table.segments.as_slice(),
        _ => &[],
    };
    segments
        .iter()
        .map(|segment| (segment.number, segment))
        .collect()
}
