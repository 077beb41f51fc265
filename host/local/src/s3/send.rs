//! Giving out the bytes of an object: from its data files, in order, from any byte to any other.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Result};

use super::errors::internal;
use super::store::{Blobs, ObjectRecord};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 512 << 10;

/// Open data files: their bytes stay readable when the object is replaced or deleted.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What is read of each file.
    files: Vec<(Arc<File>, Range<u64>)>,
}

impl Opened {
    /// Opens the files that hold a range of an object's bytes. `None`: a file is gone, as the object was replaced
    /// meanwhile.
    pub(crate) fn open(
        blobs: &Blobs,
        object: &ObjectRecord,
        range: Range<u64>,
    ) -> S3Result<Option<Self>> {
        let mut files = Vec::new();
        let mut begin = 0;
        for blob in &object.blobs {
            let end = begin + blob.length;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                let file = match blobs.read(&blob.id) {
                    Ok(file) => file,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(internal(error)),
                };
                files.push((Arc::new(file), from - begin..to - begin));
            }
            begin = end;
        }
        Ok(Some(Self { files }))
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn read(&mut self) -> std::io::Result<Option<Bytes>> {
        while let Some((file, range)) = self.files.first_mut() {
            if range.is_empty() {
                self.files.remove(0);
                continue;
            }
            let length = PIECE_BYTES.min(range.end - range.start);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, range.start)?;
            range.start += length;
            return Ok(Some(bytes.into()));
        }
        Ok(None)
    }

    /// The body of an answer. What fits into one piece is read at once: the caller may wait for the disk.
    pub(crate) fn into_body(mut self) -> S3Result<StreamingBlob> {
        let first = self.read().map_err(internal)?.unwrap_or_default();
        if self.files.iter().all(|(_, range)| range.is_empty()) {
            return Ok(StreamingBlob::from(Body::from(first)));
        }
        let first = stream::once(async { Ok(first) });
        Ok(StreamingBlob::wrap(futures::StreamExt::chain(
            first,
            self.into_stream(),
        )))
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync {
        stream::try_unfold(self, |mut opened| async move {
            let read = tokio::task::spawn_blocking(move || {
                let bytes = opened.read()?;
                Ok(bytes.map(|bytes| (bytes, opened)))
            });
            read.await.map_err(std::io::Error::other)?
        })
        .into_stream()
    }
}
