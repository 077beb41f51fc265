//! Where the bytes of one file go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::aws::Upload;

/// Bytes that are given to the system at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file on this machine, or an object. Written outside of the tasks of a runtime.
pub(crate) struct OutFile {
    to: To,
    crc32: crc32fast::Hasher,
}

enum To {
    Local(BufWriter<File>),
    S3(Box<Upload>),
}

impl OutFile {
    /// A new file; one that exists is never overwritten.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self::new(To::Local(buffered)))
    }

    /// An object.
    pub(crate) fn upload(upload: Upload) -> Self {
        Self::new(To::S3(Box::new(upload)))
    }

    fn new(to: To) -> Self {
        Self {
            to,
            crc32: crc32fast::Hasher::new(),
        }
    }

    /// Bytes of memory that it takes beyond a small buffer.
    pub(crate) fn buffered_bytes(&self) -> usize {
        match &self.to {
            To::Local(_) => 0,
            To::S3(upload) => upload.buffered_bytes(),
        }
    }

    /// The CRC-32 of all bytes that were written.
    pub(crate) fn crc32(&self) -> u32 {
        self.crc32.clone().finalize()
    }

    /// Waits until all bytes outlive a power failure.
    pub(crate) async fn complete(self) -> io::Result<()> {
        match self.to {
            To::Local(buffered) => {
                let file = buffered.into_inner().map_err(|error| error.into_error())?;
                let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
                synced.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            To::S3(upload) => upload.complete().await.map_err(io::Error::other),
        }
    }
}

impl Write for OutFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = match &mut self.to {
            To::Local(file) => file.write(buffer)?,
            To::S3(upload) => upload.write(buffer)?,
        };
        self.crc32.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Local(file) => file.flush(),
            To::S3(upload) => upload.flush(),
        }
    }
}
