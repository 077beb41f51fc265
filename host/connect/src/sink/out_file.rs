//! Where the bytes of one file go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::aws::Upload;

/// Bytes that are given to the system at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file on this machine, or an object. Written outside of the tasks of a runtime.
pub(crate) enum OutFile {
    Local(BufWriter<File>),
    S3(Box<Upload>),
}

impl OutFile {
    /// A new file; one that exists is never overwritten.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        Ok(Self::Local(BufWriter::with_capacity(BUFFER_BYTES, file)))
    }

    /// Bytes of memory that it takes beyond a small buffer.
    pub(crate) fn buffered_bytes(&self) -> usize {
        match self {
            Self::Local(_) => 0,
            Self::S3(upload) => upload.buffered_bytes(),
        }
    }

    /// Waits until all bytes outlive a power failure.
    pub(crate) async fn complete(self) -> io::Result<()> {
        match self {
            Self::Local(buffered) => {
                let file = buffered.into_inner().map_err(|error| error.into_error())?;
                let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
                synced.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            Self::S3(upload) => upload.complete().await.map_err(io::Error::other),
        }
    }
}

impl Write for OutFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.write(buffer),
            Self::S3(upload) => upload.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Local(file) => file.flush(),
            Self::S3(upload) => upload.flush(),
        }
    }
}
