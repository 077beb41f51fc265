//! Whether a file that looks changed has the content that was loaded: copies, backups and uploads in other parts change what a listing says
//! of a file, and not its rows.
//!
//! It is asked only where the size is the same and what the listing says is not. Of an object its ETag was noted, which is made of MD5s of
//! the content unless the object is encrypted with a key of KMS; of a file of this machine [`content_of`] was, when it was loaded.

use std::fs::{File, Metadata};
use std::hash::Hasher as _;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest as _, Md5};
use twox_hash::XxHash64;

use super::{FileSource, Input, Location, SourceError};
use crate::aws::{ObjectFile, S3Error};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
/// The same of a small file.
const LEAST_PIECE: usize = 4 << 10;
/// Sizes of parts that uploads have, in MiB: those of AWS's tools and SDKs, of s5cmd, rclone, Spark and this program.
const PARTS: [u64; 15] = [5, 6, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512];

/// What tells the content of a file of this machine, if it is still the one that was listed: a change that does not show in it is one of
/// 2^64. Nothing is known of an object but its ETag, nor of a file that cannot be read.
pub async fn content_of(piece: &Input) -> Option<String> {
    let Location::File(path) = &piece.location else {
        return None;
    };
    let (path, piece) = (path.clone(), piece.clone());
    let read = tokio::task::spawn_blocking(move || hash(&path, &piece));
    read.await.ok()?.ok()?
}

fn hash(path: &Path, listed: &Input) -> io::Result<Option<String>> {
    let is_listed = |is: &Metadata| {
        is.len() == listed.bytes && is.modified().is_ok_and(|at| at == listed.modified)
    };
    let mut file = File::open(path)?;
    let mut hasher = XxHash64::with_seed(0);
    each_piece(&mut file, listed.bytes, |bytes| hasher.write(bytes))?;
    let is_same = is_listed(&file.metadata()?);
    Ok(is_same.then(|| format!("{:016x}", hasher.finish())))
}

/// Reads all there is, which are so many bytes as far as is known: a small file takes little memory.
fn each_piece(read: &mut impl Read, bytes: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let known = usize::try_from(bytes).unwrap_or(PIECE);
    let mut piece = vec![0; known.clamp(LEAST_PIECE, PIECE)];
    loop {
        match read.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(bytes) => take(&piece[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl FileSource {
    /// Whether a piece has the content of one of the same size that was noted: by its ETag, or by [`content_of`]. Reads all of it. None if
    /// that cannot be told: by this note, or of a file that cannot be read as it was listed.
    ///
    /// # Errors
    /// If an object cannot be read as it was listed.
    pub async fn has_content(
        &self,
        piece: &Input,
        noted: &str,
    ) -> Result<Option<bool>, SourceError> {
        let Location::Object { url, etag } = &piece.location else {
            let content = content_of(piece).await;
            return Ok(content.map(|content| content == noted));
        };
        if etag == noted {
            // It is as it was again.
            return Ok(Some(true));
        }
        let Some(sums) = Sums::of(noted, piece.bytes) else {
            return Ok(None);
        };
        let failed = |source: S3Error| SourceError::S3 {
            name: self.name.clone(),
            source: Box::new(source),
        };
        let bucket = self.aws.bucket(&url.bucket).await.map_err(failed)?;
        let mut object = ObjectFile::new(bucket, &url.key, etag, piece.bytes).read_from(0);
        let (name, path, bytes) = (self.name.clone(), piece.path.clone(), piece.bytes);
        self.blocking(move || {
            let compared = sums.are_of(&mut object, bytes);
            compared
                .map(Some)
                .map_err(|source| match S3Error::find(&source) {
                    Some(said) => SourceError::S3 {
                        name,
                        source: Box::new(said.clone()),
                    },
                    None => SourceError::Io { name, path, source },
                })
        })
        .await
    }
}

/// An ETag that is made of MD5s, and how the content may have been divided.
struct Sums {
    expected: [u8; 16],
    /// Whether it is the MD5 of those of the parts.
    in_parts: bool,
    divided: Vec<Divided>,
}

impl Sums {
    /// None if the ETag is not of this kind, or of parts of a size that nobody uses.
    fn of(etag: &str, bytes: u64) -> Option<Self> {
        let etag = etag.trim_matches('"');
        let (digest, parts) = match etag.split_once('-') {
            Some((digest, parts)) => (digest, Some(parts.parse::<u64>().ok()?)),
            None => (etag, None),
        };
        let sizes = match parts {
            Some(parts) => part_sizes(bytes, parts),
            None => vec![u64::MAX],
        };
        let divided: Vec<Divided> = sizes.into_iter().map(Divided::new).collect();
        (!divided.is_empty()).then_some(Self {
            expected: from_hex(digest)?,
            in_parts: parts.is_some(),
            divided,
        })
    }

    /// Whether a content is the one that the ETag was made of.
    fn are_of(mut self, content: &mut impl Read, bytes: u64) -> io::Result<bool> {
        each_piece(content, bytes, |bytes| {
            self.divided
                .iter_mut()
                .for_each(|divided| divided.add(bytes));
        })?;
        let (expected, in_parts) = (self.expected, self.in_parts);
        let mut digests = self.divided.into_iter();
        Ok(digests.any(|divided| divided.end(in_parts) == expected))
    }
}

/// The sizes of parts by which so many bytes are so many parts.
fn part_sizes(bytes: u64, parts: u64) -> Vec<u64> {
    const MIB: u64 = 1 << 20;
    if parts <= 1 {
        return vec![u64::MAX];
    }
    // Also the smallest whole number of MiB: tools that have a size of their own for large files take that.
    let smallest = bytes.div_ceil(parts).div_ceil(MIB);
    let mut sizes: Vec<u64> = PARTS.into_iter().chain([smallest]).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.retain(|size| *size > 0 && bytes.div_ceil(size * MIB) == parts);
    sizes.into_iter().map(|size| size * MIB).collect()
}

/// MD5s of a content that is divided into parts of one size.
struct Divided {
    size: u64,
    /// Bytes that the part still takes.
    left: u64,
    part: Md5,
    parts: Md5,
}

impl Divided {
    fn new(size: u64) -> Self {
        Self {
            size,
            left: size,
            part: Md5::new(),
            parts: Md5::new(),
        }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(most.min(bytes.len()));
            self.part.update(now);
            self.left -= now.len() as u64;
            if self.left == 0 {
                let part = std::mem::take(&mut self.part);
                self.parts.update(part.finalize());
                self.left = self.size;
            }
            bytes = later;
        }
    }

    fn end(mut self, in_parts: bool) -> [u8; 16] {
        if !in_parts {
            return self.part.finalize().into();
        }
        if self.left < self.size {
            self.parts.update(self.part.finalize());
        }
        self.parts.finalize().into()
    }
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(content: &[u8], etag: &str) -> bool {
        let bytes = content.len() as u64;
        let sums = Sums::of(etag, bytes);
        sums.is_some_and(|sums| sums.are_of(&mut &content[..], bytes).unwrap())
    }

    fn hex(digest: &[u8]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn an_etag_tells_the_content_however_it_was_divided() {
        assert!(has(b"hello", "\"5d41402abc4b2a76b9719d911017c592\""));
        assert!(!has(b"hellO", "\"5d41402abc4b2a76b9719d911017c592\""));
        let content: Vec<u8> = (0..13u32 << 20).map(|at| (at >> 7) as u8).collect();
        for size in [5, 8, 13] {
            let parts = content.chunks(size << 20).map(Md5::digest);
            let digests: Vec<u8> = parts.flatten().collect();
            let parts = digests.len() / 16;
            let etag = format!("\"{}-{parts}\"", hex(&Md5::digest(&digests)));
            assert!(has(&content, &etag), "parts of {size} MiB");
            assert!(!has(&content[1..], &etag), "parts of {size} MiB");
        }
        // Of an object that is encrypted with a key of KMS, and of other makers, an ETag says nothing.
        for etag in ["", "\"abc\"", "\"0123456789abcdef0123456789abcdef-x\""] {
            assert!(!has(b"hello", etag), "{etag}");
        }
    }
}
