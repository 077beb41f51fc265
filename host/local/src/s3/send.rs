//! Giving out the bytes of an object: from its data files, in order, from any byte to any other.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Result};

use super::errors::internal;
use super::store::{BlobId, Blobs, ObjectRecord, Pinned};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 512 << 10;

/// A range of an object's bytes, readable to its end also when the object is replaced or deleted meanwhile.
#[derive(Debug)]
pub(crate) struct Reader {
    pinned: Pinned,
    /// What is still to be read of each file. One is open at a time: an upload can have 10,000 parts.
    pieces: VecDeque<(BlobId, Range<u64>)>,
    open: Option<File>,
}

impl Reader {
    /// `None`: a file is gone, as the object was replaced since it was looked up.
    pub(crate) fn new(
        blobs: &Arc<Blobs>,
        object: &ObjectRecord,
        range: Range<u64>,
    ) -> Option<Self> {
        let mut pieces = VecDeque::new();
        let mut pinned = Vec::new();
        let mut begin = 0;
        for blob in &object.blobs {
            let end = begin + blob.length;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                pinned.push(blob.clone());
                pieces.push_back((blob.id.clone(), from - begin..to - begin));
            }
            begin = end;
        }
        Some(Self {
            pinned: blobs.pin(pinned)?,
            pieces,
            open: None,
        })
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn read(&mut self) -> std::io::Result<Option<Bytes>> {
        let Some((id, range)) = self.pieces.front_mut() else {
            return Ok(None);
        };
        let file = match self.open.take() {
            Some(file) => file,
            None => self.pinned.open(id)?,
        };
        let length = PIECE_BYTES.min(range.end - range.start);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, range.start)?;
        range.start += length;
        match range.is_empty() {
            true => drop(self.pieces.pop_front()),
            false => self.open = Some(file),
        }
        Ok(Some(bytes.into()))
    }

    /// The body of an answer. What fits into one piece is read at once: the caller may wait for the disk.
    pub(crate) fn into_body(mut self) -> S3Result<StreamingBlob> {
        let first = self.read().map_err(internal)?.unwrap_or_default();
        if self.pieces.is_empty() {
            return Ok(StreamingBlob::from(Body::from(first)));
        }
        let first = stream::once(async { Ok(first) });
        let rest = self.into_stream();
        Ok(StreamingBlob::wrap(futures::StreamExt::chain(first, rest)))
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync {
        stream::try_unfold(self, |mut reader| async move {
            let read = tokio::task::spawn_blocking(move || {
                let bytes = reader.read()?;
                Ok(bytes.map(|bytes| (bytes, reader)))
            });
            read.await.map_err(std::io::Error::other)?
        })
        .into_stream()
    }
}
