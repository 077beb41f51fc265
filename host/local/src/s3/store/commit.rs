//! The committer: one thread that carries out all changes, one after the other.
//!
//! Conditions of writes are looked at here, where nothing can come between the look and the write. Changes that wait
//! are carried out as one transaction: one sync makes all of them durable, and only then are they answered.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use redb::{Database, Table};
use s3s::S3Result;
use tokio::sync::oneshot;

use super::blobs::{Blobs, NewBlob};
use super::records::{Blob, BlobId, BucketRecord, ObjectRecord, PartRecord, UploadRecord};
use super::{BUCKETS, Key, OBJECTS, PARTS, PartKey, UPLOADS, UploadKey, decode, encode, storage};
use crate::s3::errors;

/// Changes in one transaction. More would keep the first of them waiting.
const MOST_CHANGES: usize = 256;

type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
type Change = Box<dyn for<'t> FnOnce(&mut Tables<'t>) -> Answer + Send>;

/// The tables of a transaction that is being written.
pub(crate) struct Tables<'t> {
    pub(crate) buckets: Table<'t, &'static str, &'static [u8]>,
    pub(crate) objects: Table<'t, Key<'static>, &'static [u8]>,
    pub(crate) uploads: Table<'t, UploadKey<'static>, &'static [u8]>,
    pub(crate) parts: Table<'t, PartKey<'static>, &'static [u8]>,
    added: Vec<NewBlob>,
    garbage: Vec<BlobId>,
}

impl Tables<'_> {
    /// The file becomes part of the store with this transaction.
    pub(crate) fn add(&mut self, blob: NewBlob) -> Blob {
        let added = blob.blob().clone();
        self.added.push(blob);
        added
    }

    /// The file is deleted once this transaction is durable.
    pub(crate) fn discard(&mut self, blobs: impl IntoIterator<Item = Blob>) {
        self.garbage.extend(blobs.into_iter().map(|blob| blob.id));
    }

    pub(crate) fn put_bucket(&mut self, name: &str, bucket: &BucketRecord) -> S3Result<()> {
        let record = encode(bucket)?;
        self.buckets
            .insert(name, record.as_slice())
            .map_err(storage)?;
        Ok(())
    }

    pub(crate) fn put_object(
        &mut self,
        bucket: &str,
        key: &str,
        object: &ObjectRecord,
    ) -> S3Result<()> {
        let record = encode(object)?;
        let replaced = self
            .objects
            .insert((bucket, key.as_bytes()), record.as_slice())
            .map_err(storage)?
            .map(|replaced| decode::<ObjectRecord>(replaced.value()));
        if let Some(replaced) = replaced.transpose()? {
            let kept = |blob: &Blob| object.blobs.iter().any(|kept| kept.id == blob.id);
            self.discard(replaced.blobs.into_iter().filter(|blob| !kept(blob)));
        }
        Ok(())
    }

    pub(crate) fn remove_object(&mut self, bucket: &str, key: &str) -> S3Result<()> {
        let removed = self
            .objects
            .remove((bucket, key.as_bytes()))
            .map_err(storage)?
            .map(|removed| decode::<ObjectRecord>(removed.value()));
        if let Some(removed) = removed.transpose()? {
            self.discard(removed.blobs);
        }
        Ok(())
    }

    pub(crate) fn put_upload(
        &mut self,
        bucket: &str,
        id: &str,
        upload: &UploadRecord,
    ) -> S3Result<()> {
        let record = encode(upload)?;
        self.uploads
            .insert((bucket, id), record.as_slice())
            .map_err(storage)?;
        Ok(())
    }

    pub(crate) fn put_part(&mut self, id: &str, number: u32, part: &PartRecord) -> S3Result<()> {
        let record = encode(part)?;
        let replaced = self
            .parts
            .insert((id, number), record.as_slice())
            .map_err(storage)?
            .map(|replaced| decode::<PartRecord>(replaced.value()));
        if let Some(replaced) = replaced.transpose()? {
            self.discard([replaced.blob]);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> S3Result<()> {
        let mut removed = Vec::new();
        let objects = self.objects.extract_if(|_, _| true);
        for object in objects.map_err(storage)? {
            let (_, object) = object.map_err(storage)?;
            removed.extend(decode::<ObjectRecord>(object.value())?.blobs);
        }
        let parts = self.parts.extract_if(|_, _| true);
        for part in parts.map_err(storage)? {
            let (_, part) = part.map_err(storage)?;
            removed.push(decode::<PartRecord>(part.value())?.blob);
        }
        self.uploads.retain(|_, _| false).map_err(storage)?;
        self.buckets.retain(|_, _| false).map_err(storage)?;
        self.discard(removed);
        Ok(())
    }

    /// Removes an upload; its parts, but for those that are kept, are discarded.
    pub(crate) fn remove_upload(&mut self, bucket: &str, id: &str, kept: &[Blob]) -> S3Result<()> {
        self.uploads.remove((bucket, id)).map_err(storage)?;
        let all = self
            .parts
            .extract_from_if((id, 0)..=(id, u32::MAX), |_, _| true);
        let mut removed = Vec::new();
        for part in all.map_err(storage)? {
            let (_, part) = part.map_err(storage)?;
            removed.push(decode::<PartRecord>(part.value())?.blob);
        }
        self.discard(removed.into_iter().filter(|blob| !kept.contains(blob)));
        Ok(())
    }
}

/// Hands changes to the committer.
#[derive(Debug)]
pub(super) struct Committer {
    changes: Option<Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(database: Arc<Database>, blobs: Arc<Blobs>) -> std::io::Result<Self> {
        let (changes, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("transom-s3-commit".to_owned())
            .spawn(move || run(&database, &blobs, &waiting))?;
        Ok(Self {
            changes: Some(changes),
            thread: Some(thread),
        })
    }

    /// Carries out a change and waits until it is durable. A change that returns an error must have changed nothing.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let (send, receive) = oneshot::channel();
        let change: Change = Box::new(move |tables| {
            let result = change(tables);
            Box::new(move |committed| {
                let result = match committed {
                    Ok(()) => result,
                    Err(cause) => Err(errors::internal(cause)),
                };
                // A client that went away asks for no answer.
                let _ = send.send(result);
            })
        });
        let stopped = || errors::internal("the store has stopped");
        let changes = self.changes.as_ref().ok_or_else(stopped)?;
        changes.send(change).map_err(|_| stopped())?;
        receive.await.map_err(|_| stopped())?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn run(database: &Database, blobs: &Blobs, waiting: &Receiver<Change>) {
    while let Ok(first) = waiting.recv() {
        let mut changes = vec![first];
        while changes.len() < MOST_CHANGES
            && let Ok(next) = waiting.try_recv()
        {
            changes.push(next);
        }
        transact(database, blobs, changes);
    }
}

fn transact(database: &Database, blobs: &Blobs, changes: Vec<Change>) {
    let mut answers = Vec::with_capacity(changes.len());
    match apply(database, blobs, changes, &mut answers) {
        Ok(garbage) => {
            for answer in answers {
                answer(Ok(()));
            }
            for id in garbage {
                blobs.remove(&id);
            }
        }
        Err(error) => {
            let cause = error.to_string();
            tracing::error!(cause, "changes could not be made durable");
            for answer in answers {
                answer(Err(&cause));
            }
        }
    }
}

/// Returns the files that no record names any more.
fn apply(
    database: &Database,
    blobs: &Blobs,
    changes: Vec<Change>,
    answers: &mut Vec<Answer>,
) -> Result<Vec<BlobId>, redb::Error> {
    let transaction = database.begin_write()?;
    let (added, garbage) = {
        let mut tables = Tables {
            buckets: transaction.open_table(BUCKETS)?,
            objects: transaction.open_table(OBJECTS)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
            added: Vec::new(),
            garbage: Vec::new(),
        };
        answers.extend(changes.into_iter().map(|change| change(&mut tables)));
        (tables.added, tables.garbage)
    };
    // Names first: a record must not outlive the file that it names. From here on the files stay, whatever happens:
    // after a failed commit it is not known which records are on the disk, and the next start removes what they do
    // not name.
    let named = match added.is_empty() {
        true => Ok(()),
        false => blobs.sync(),
    };
    for blob in added {
        blob.keep();
    }
    named.map_err(redb::Error::Io)?;
    transaction.commit()?;
    Ok(garbage)
}
