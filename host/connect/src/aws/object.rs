//! An object as it was listed, as the readers want it: an object store for DataFusion, a file for ours.
//!
//! Every read names the ETag of the listing, so that an object that was overwritten since is an error and never a mix of two.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Bucket, S3Error, S3ErrorKind};

/// Bytes of the first piece that is read ahead: who looks at a header needs no more.
const FIRST_PIECE: u64 = 256 << 10;
/// Bytes of the largest: pieces double.
const LARGEST_PIECE: u64 = 8 << 20;
/// Pieces that wait for their reader, beside the one that is on its way.
const PIECES_AHEAD: usize = 1;
/// The name of this store in errors of the trait.
const STORE: &str = "S3";

/// An object that was listed, to be read in ranges.
#[derive(Debug, Clone)]
pub(crate) struct ObjectFile {
    bucket: Bucket,
    key: String,
    etag: String,
    bytes: u64,
}

impl ObjectFile {
    pub(crate) fn new(bucket: Bucket, key: &str, etag: &str, bytes: u64) -> Self {
        Self {
            bucket,
            key: key.to_owned(),
            etag: etag.to_owned(),
            bytes,
        }
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, S3Error> {
        self.bucket.read(&self.key, &self.etag, range).await
    }

    /// Waits for the bytes: not to be called from a task.
    pub(crate) fn read_now(&self, range: Range<u64>) -> io::Result<Bytes> {
        let read = Handle::current().block_on(self.read(range));
        read.map_err(io::Error::other)
    }

    /// Reads from a position to the end, a piece ahead. Must be called within a runtime, and read outside of its tasks.
    pub(crate) fn read_from(self, from: u64) -> ObjectRead {
        let (send, pieces) = mpsc::channel(PIECES_AHEAD);
        Handle::current().spawn(async move {
            let (mut at, mut size) = (from, FIRST_PIECE);
            while at < self.bytes {
                let end = self.bytes.min(at + size);
                let piece = self.read(at..end).await;
                let ended = piece.is_err();
                // The reader may have seen enough.
                if send.send(piece).await.is_err() || ended {
                    return;
                }
                at = end;
                size = LARGEST_PIECE.min(size * 2);
            }
        });
        ObjectRead {
            pieces,
            piece: Bytes::new(),
        }
    }
}

/// The bytes of an object, one after another.
pub(crate) struct ObjectRead {
    pieces: mpsc::Receiver<Result<Bytes, S3Error>>,
    piece: Bytes,
}

impl Read for ObjectRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// One object as an object store: whatever path is asked for, it is this one. Keys may hold what paths of object stores may not (`//`,
/// `.`), so that they cannot be paths. Reading is all that is asked of it.
#[derive(Debug)]
pub(crate) struct PinnedObject {
    file: ObjectFile,
    /// The bytes at its end from this position on, where the footer was looked at.
    tail: Option<(u64, Bytes)>,
}

impl PinnedObject {
    pub(crate) fn new(file: ObjectFile, tail: Option<(u64, Bytes)>) -> Self {
        Self { file, tail }
    }

    fn unsupported<T>(&self) -> Result<T> {
        Err(Error::NotImplemented {
            operation: "anything but reading".to_owned(),
            implementer: STORE.to_owned(),
        })
    }

    async fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if let Some((begin, tail)) = &self.tail
            && range.start >= *begin
        {
            let at = |position: u64| (position - begin) as usize;
            return Ok(tail.slice(at(range.start)..at(range.end)));
        }
        let path = self.file.key.clone();
        self.file
            .read(range)
            .await
            .map_err(|error| match error.kind {
                S3ErrorKind::Changed => Error::Precondition {
                    path,
                    source: Box::new(error),
                },
                _ => Error::Generic {
                    store: STORE,
                    source: Box::new(error),
                },
            })
    }
}

impl fmt::Display for PinnedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.bucket.url(&self.file.key).fmt(f)
    }
}

#[async_trait]
impl ObjectStore for PinnedObject {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let size = self.file.bytes;
        let range = match options.range {
            None => 0..size,
            Some(GetRange::Bounded(range)) => range.start.min(size)..range.end.min(size),
            Some(GetRange::Offset(from)) => from.min(size)..size,
            Some(GetRange::Suffix(length)) => size.saturating_sub(length)..size,
        };
        let bytes = match options.head {
            true => Bytes::new(),
            false => self.bytes(range.clone()).await?,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(Box::pin(stream::once(async { Ok(bytes) }))),
            meta: ObjectMeta {
                location: location.clone(),
                last_modified: DateTime::<Utc>::UNIX_EPOCH,
                size,
                e_tag: Some(self.file.etag.clone()),
                version: None,
            },
            range,
            attributes: Attributes::default(),
        })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        self.unsupported()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.unsupported()
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        Box::pin(stream::once(std::future::ready(self.unsupported())))
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        Box::pin(stream::once(std::future::ready(self.unsupported())))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        self.unsupported()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        self.unsupported()
    }
}
