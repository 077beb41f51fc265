//! The store behind the local S3: records in one database file, data in files of their own.
//!
//! ```text
//! records.redb          buckets, objects, uploads and parts, sorted by the bytes of their keys
//! data/<32 digits>      the bytes of an object or of a part, never changed
//! ```
//!
//! A key is never a path, so that `a` and `a/b`, `..`, blanks and 1,024 bytes are keys like any other, and a listing
//! reads the records in order from wherever it starts. A write first makes its data durable under a new name, then
//! commits the record that names it ([`commit`]), then is answered. A crash in between leaves a file without a
//! record, which the next start removes. So an object is there whole or not at all, and one that was acknowledged
//! stays.

mod blobs;
mod commit;
mod records;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableDefinition,
};
use s3s::{S3Error, S3Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::blobs::{Blobs, NewBlob, Pinned};
use self::commit::Committer;
pub(crate) use self::commit::Tables;
pub(crate) use self::records::{
    About, BlobId, BucketRecord, ObjectRecord, PartRecord, Time, UploadChecksum, UploadRecord,
};
use super::{Contents, errors};

/// Bucket and key. Bytes compare as S3 sorts keys.
pub(crate) type Key<'k> = (&'k str, &'k [u8]);
/// Bucket and upload.
pub(crate) type UploadKey<'k> = (&'k str, &'k str);
/// Upload and number of the part.
pub(crate) type PartKey<'k> = (&'k str, u32);

const BUCKETS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("buckets");
const OBJECTS: TableDefinition<'static, Key<'_>, &[u8]> = TableDefinition::new("objects");
const UPLOADS: TableDefinition<'static, UploadKey<'_>, &[u8]> = TableDefinition::new("uploads");
const PARTS: TableDefinition<'static, PartKey<'_>, &[u8]> = TableDefinition::new("parts");

/// Memory for pages of the database.
const CACHE_BYTES: usize = 64 << 20;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the data files cannot be opened")]
    Blobs(#[source] std::io::Error),
    #[error("the records cannot be opened")]
    Records(#[source] Box<redb::Error>),
    #[error("the record of {what} is damaged")]
    Damaged {
        what: String,
        #[source]
        source: serde_json::Error,
    },
}

/// The store. Closing it waits for changes that are under way.
#[derive(Debug)]
pub(crate) struct Store {
    database: Arc<Database>,
    blobs: Arc<Blobs>,
    committer: Committer,
}

impl Store {
    /// Opens or creates the store in a folder that this process owns.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let blobs = Arc::new(Blobs::open(&folder.join("data")).map_err(OpenError::Blobs)?);
        let database = Arc::new(open_database(&folder.join("records.redb"))?);
        sync_folders(folder).map_err(OpenError::Blobs)?;
        blobs
            .sweep(&named_blobs(&database)?)
            .map_err(OpenError::Blobs)?;
        let committer = Committer::start(Arc::clone(&database), Arc::clone(&blobs))
            .map_err(OpenError::Blobs)?;
        Ok(Self {
            database,
            blobs,
            committer,
        })
    }

    pub(crate) fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    /// Reads the store as it is now; what is committed later does not show.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let database = Arc::clone(&self.database);
        blocking(move || {
            let transaction = database.begin_read().map_err(storage)?;
            read(&Snapshot::new(&transaction).map_err(storage)?)
        })
        .await
    }

    /// Carries out a change alone and waits until it is durable. A change that returns an error must have changed
    /// nothing.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        self.committer.commit(change).await
    }

    /// Deletes everything.
    pub(crate) async fn reset(&self) -> S3Result<()> {
        self.commit(|tables| tables.clear()).await
    }

    /// Keys that begin with a prefix, and sizes; `None` without the bucket.
    pub(crate) async fn keys(
        &self,
        bucket: String,
        prefix: String,
    ) -> S3Result<Option<Vec<(String, u64)>>> {
        self.read(move |snapshot| {
            if snapshot
                .buckets
                .get(bucket.as_str())
                .map_err(storage)?
                .is_none()
            {
                return Ok(None);
            }
            let mut keys = Vec::new();
            let from = (bucket.as_str(), prefix.as_bytes());
            for object in snapshot.objects.range(from..).map_err(storage)? {
                let (key, record) = object.map_err(storage)?;
                let (within, key) = key.value();
                if within != bucket || !key.starts_with(prefix.as_bytes()) {
                    break;
                }
                let key = String::from_utf8_lossy(key).into_owned();
                keys.push((key, decode::<ObjectRecord>(record.value())?.size()));
            }
            Ok(Some(keys))
        })
        .await
    }

    pub(crate) async fn contents(&self) -> S3Result<Contents> {
        self.read(|snapshot| {
            let mut contents = Contents {
                buckets: snapshot.buckets.len().map_err(storage)?,
                objects: snapshot.objects.len().map_err(storage)?,
                uploads: snapshot.uploads.len().map_err(storage)?,
                bytes: 0,
            };
            for object in snapshot.objects.range::<Key<'_>>(..).map_err(storage)? {
                let (_, record) = object.map_err(storage)?;
                contents.bytes += decode::<ObjectRecord>(record.value())?.size();
            }
            Ok(contents)
        })
        .await
    }
}

/// The store at one moment.
pub(crate) struct Snapshot {
    pub(crate) buckets: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) objects: ReadOnlyTable<Key<'static>, &'static [u8]>,
    pub(crate) uploads: ReadOnlyTable<UploadKey<'static>, &'static [u8]>,
    pub(crate) parts: ReadOnlyTable<PartKey<'static>, &'static [u8]>,
}

impl Snapshot {
    fn new(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            objects: transaction.open_table(OBJECTS)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
        })
    }
}

/// Reading records, from a snapshot or within a change.
pub(crate) trait Records {
    fn buckets(&self) -> &impl ReadableTable<&'static str, &'static [u8]>;
    fn objects(&self) -> &impl ReadableTable<Key<'static>, &'static [u8]>;
    fn uploads(&self) -> &impl ReadableTable<UploadKey<'static>, &'static [u8]>;
    fn parts(&self) -> &impl ReadableTable<PartKey<'static>, &'static [u8]>;

    /// The bucket, or `NoSuchBucket`.
    fn bucket(&self, name: &str) -> S3Result<BucketRecord> {
        let record = self.buckets().get(name).map_err(storage)?;
        let record = record.ok_or_else(|| errors::no_such_bucket(name))?;
        decode(record.value())
    }

    fn find_object(&self, bucket: &str, key: &str) -> S3Result<Option<ObjectRecord>> {
        let record = self.objects().get((bucket, key.as_bytes()));
        let record = record.map_err(storage)?;
        record.map(|record| decode(record.value())).transpose()
    }

    /// The object, or `NoSuchBucket` or `NoSuchKey`.
    fn object(&self, bucket: &str, key: &str) -> S3Result<ObjectRecord> {
        self.bucket(bucket)?;
        let object = self.find_object(bucket, key)?;
        object.ok_or_else(|| errors::no_such_key(key))
    }

    /// The upload, or `NoSuchBucket` or `NoSuchUpload`.
    fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<UploadRecord> {
        self.bucket(bucket)?;
        let record = self.uploads().get((bucket, id)).map_err(storage)?;
        let record = record.map(|record| decode::<UploadRecord>(record.value()));
        match record.transpose()? {
            Some(upload) if upload.key == key => Ok(upload),
            _ => Err(errors::no_such_upload(id)),
        }
    }

    /// The parts of an upload with a number greater than the one given, in order.
    fn parts_after(&self, id: &str, number: u32) -> S3Result<Vec<(u32, PartRecord)>> {
        let from = (id, number.saturating_add(1));
        let range = self.parts().range(from..=(id, u32::MAX));
        let parts = range.map_err(storage)?.map(|part| {
            let (key, part) = part.map_err(storage)?;
            Ok((key.value().1, decode(part.value())?))
        });
        parts.collect()
    }
}

impl Records for Snapshot {
    fn buckets(&self) -> &impl ReadableTable<&'static str, &'static [u8]> {
        &self.buckets
    }
    fn objects(&self) -> &impl ReadableTable<Key<'static>, &'static [u8]> {
        &self.objects
    }
    fn uploads(&self) -> &impl ReadableTable<UploadKey<'static>, &'static [u8]> {
        &self.uploads
    }
    fn parts(&self) -> &impl ReadableTable<PartKey<'static>, &'static [u8]> {
        &self.parts
    }
}

impl Records for Tables<'_> {
    fn buckets(&self) -> &impl ReadableTable<&'static str, &'static [u8]> {
        &self.buckets
    }
    fn objects(&self) -> &impl ReadableTable<Key<'static>, &'static [u8]> {
        &self.objects
    }
    fn uploads(&self) -> &impl ReadableTable<UploadKey<'static>, &'static [u8]> {
        &self.uploads
    }
    fn parts(&self) -> &impl ReadableTable<PartKey<'static>, &'static [u8]> {
        &self.parts
    }
}

/// Runs what waits for the disk on a thread where that stops nothing else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(errors::internal(error)),
    }
}

/// An error of the database.
pub(crate) fn storage(error: impl Into<redb::Error>) -> S3Error {
    errors::internal(error.into())
}

pub(crate) fn decode<T: DeserializeOwned>(record: &[u8]) -> S3Result<T> {
    serde_json::from_slice(record).map_err(errors::internal)
}

fn encode<T: Serialize>(record: &T) -> S3Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(errors::internal)
}

fn open_database(path: &Path) -> Result<Database, OpenError> {
    let records = |error: redb::Error| OpenError::Records(Box::new(error));
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder
        .create(path)
        .map_err(|error| records(error.into()))?;
    // A table that was never written to cannot be read.
    let create = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(BUCKETS)?;
        transaction.open_table(OBJECTS)?;
        transaction.open_table(UPLOADS)?;
        transaction.open_table(PARTS)?;
        transaction.commit()?;
        Ok(())
    };
    create().map_err(records)?;
    Ok(database)
}

/// Makes the entries of new files and folders durable, up to the one that holds the data of all services.
fn sync_folders(folder: &Path) -> std::io::Result<()> {
    for folder in folder.ancestors().take(3) {
        // The last of a relative path is empty: the folder where the program is.
        if !folder.as_os_str().is_empty() {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}

/// The data files that records name.
fn named_blobs(database: &Database) -> Result<HashSet<BlobId>, OpenError> {
    let records = |error: redb::Error| OpenError::Records(Box::new(error));
    let transaction = database
        .begin_read()
        .map_err(|error| records(error.into()))?;
    let snapshot = Snapshot::new(&transaction).map_err(records)?;
    let mut named = HashSet::new();
    let objects = snapshot.objects.range::<Key<'_>>(..);
    for object in objects.map_err(|error| records(error.into()))? {
        let (key, object) = object.map_err(|error| records(error.into()))?;
        let object: ObjectRecord = serde_json::from_slice(object.value()).map_err(|source| {
            let (bucket, key) = key.value();
            let what = format!("`{}` in bucket `{bucket}`", String::from_utf8_lossy(key));
            OpenError::Damaged { what, source }
        })?;
        named.extend(object.blobs.into_iter().map(|blob| blob.id));
    }
    let parts = snapshot.parts.range::<PartKey<'_>>(..);
    for part in parts.map_err(|error| records(error.into()))? {
        let (key, part) = part.map_err(|error| records(error.into()))?;
        let part: PartRecord = serde_json::from_slice(part.value()).map_err(|source| {
            let (upload, number) = key.value();
            let what = format!("part {number} of upload `{upload}`");
            OpenError::Damaged { what, source }
        })?;
        named.insert(part.blob.id);
    }
    Ok(named)
}
