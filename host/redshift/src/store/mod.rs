//! What is on the disk: records of the catalog in a database, rows in files.
//!
//! ```text
//! catalog.redb       one record for each object, and the numbers that were given out
//! data/<32 digits>   rows of a table as Parquet, never changed
//! ```
//!
//! A file is durable before the record that names it; the transaction of the database is the commit. A crash leaves
//! files without a record, which the next start removes. Deleted rows are named in the record of their table, and a
//! file of which many are deleted is written anew.

mod files;
mod scan;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

pub(crate) use files::{DataFile, Folder};
pub(crate) use scan::{ROW, Rows};
pub(crate) use write::{Written, compact, write};

use crate::catalog::{Catalog, FIRST, Id, Object, PUBLIC, Schema, Table, View};
use crate::error::{Error, Result};

const OBJECTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("objects");
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

/// What a commit changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Objects by number; `None` for one that is dropped.
    pub(crate) objects: BTreeMap<Id, Option<Object>>,
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
                named.extend(table.files.iter().map(|file| file.name.clone()));
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
        let mut read = || -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let objects = transaction.open_table(OBJECTS)?;
            let mut records = Vec::new();
            for record in objects.iter()? {
                let (id, record) = record?;
                records.push((id.value(), record.value().to_vec()));
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
            Ok(records)
        };
        for (id, record) in read()? {
            let record: Record<'_> = serde_json::from_slice(&record)
                .map_err(|source| OpenError::Damaged { id, source })?;
            contents.catalog.put(match record {
                Record::Schema(schema) => Object::Schema(Arc::new(schema.into_owned())),
                Record::Table(table) => {
                    let mut table = table.into_owned();
                    for file in &mut table.files {
                        file.handle = Some(self.folder.existing(&file.name));
                    }
                    Object::Table(Arc::new(table))
                }
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
                for (id, object) in &change.objects {
                    let Some(object) = object else {
                        objects.remove(id)?;
                        continue;
                    };
                    use std::borrow::Cow::Borrowed;
                    let record = match object {
                        Object::Schema(schema) => Record::Schema(Borrowed(schema)),
                        Object::Table(table) => Record::Table(Borrowed(table)),
                        Object::View(view) => Record::View(Borrowed(view)),
                    };
                    let record = serde_json::to_vec(&record)
                        .map_err(|error| redb::Error::Io(std::io::Error::other(error)))?;
                    objects.insert(id, record.as_slice())?;
                }
                let mut numbers = transaction.open_table(NUMBERS)?;
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
