//! Opens text files: as long as they were when they were listed, decompressed, in UTF-8, without a byte order mark.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read, Seek, SeekFrom},
    ops::Range,
};

use encoding_rs::{Decoder, DecoderResult, mem::convert_latin1_to_utf8};

use super::{
    FileSource, SourceError,
    inputs::{Input, Inputs, Location},
    io_error,
};
use crate::format::marks::{BYTE_ORDER_MARK, Kind, MARK, begins_as};
use transom_file::spec::{Encoding, is_gzip};

/// Bytes that are decoded at once.
const BLOCK: usize = 64 * 1024;

/// A file's text in UTF-8, which is checked later, when its line is known.
pub(super) fn open_text(
    source: &FileSource,
    found: &Input,
    encoding: Encoding,
) -> Result<Box<dyn Read>, SourceError> {
    let failed = |error| io_error(source, &found.path, error);
    let mut file = open_bytes(source, found, 0)?;
    let mark = peek(&mut file).map_err(failed)?;
    check_kind(source, found, &mark)?;
    let bytes = Cursor::new(mark).chain(file);
    let mut text: Box<dyn Read> = if is_gzip(&found.path) {
        // Several gzip members in a row are one stream: that is how such files are appended to.
        Box::new(flate2::read::MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    };
    let mark = peek(&mut text).map_err(failed)?;
    match encoding {
        Encoding::Utf8 => {
            check_utf16(source, found, &mark)?;
            let begin = match mark.starts_with(BYTE_ORDER_MARK.as_bytes()) {
                true => BYTE_ORDER_MARK.len() as u64,
                false => 0,
            };
            let mut mark = Cursor::new(mark);
            mark.set_position(begin);
            Ok(Box::new(mark.chain(text)))
        }
        Encoding::Latin1 => Ok(Box::new(Latin1 {
            bytes: Cursor::new(mark).chain(text),
            block: vec![0; BLOCK].into(),
        })),
        // Without a mark it may be of either order; most of what people write has a zero in one half of its characters.
        Encoding::Other(encoding)
            if encoding == encoding_rs::UTF_16LE
                && matches!(*mark, [0, 1..0x80, 0, 1..0x80, ..]) =>
        {
            Err(SourceError::OtherOrder {
                name: source.name.clone(),
                path: found.path.clone(),
            })
        }
        Encoding::Other(encoding) => Ok(Box::new(Decoded::new(
            Cursor::new(mark).chain(text),
            encoding.new_decoder(),
        ))),
    }
}

/// The bytes of a plain file from a position on, which are UTF-8 if they are text.
pub(super) fn open_from(
    source: &FileSource,
    found: &Input,
    from: u64,
) -> Result<Box<dyn Read>, SourceError> {
    let mut bytes = open_bytes(source, found, from)?;
    if from > 0 {
        return Ok(bytes);
    }
    let mark = peek(&mut bytes).map_err(|error| io_error(source, &found.path, error))?;
    check_kind(source, found, &mark)?;
    check_utf16(source, found, &mark)?;
    Ok(Box::new(Cursor::new(mark).chain(bytes)))
}

/// The bytes that were there when the piece was listed, from a position on. Within a runtime, but not in one of its tasks.
pub(super) fn open_bytes(
    source: &FileSource,
    found: &Input,
    from: u64,
) -> Result<Box<dyn Read>, SourceError> {
    let failed = |error| io_error(source, &found.path, error);
    let path = match &found.location {
        Location::File(path) => path,
        Location::Object { .. } => {
            let object = source
                .object(found)
                .ok_or_else(|| failed(unknown_bucket()))?;
            return Ok(Box::new(object.read_from(from)));
        }
    };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    Ok(Box::new(Listed {
        file,
        listed: found.bytes,
        left: found.bytes.saturating_sub(from),
        last: b'\n',
    }))
}

impl FileSource {
    /// # Errors
    /// If a file of this machine is gone, or another size or time of change says that it is not the one that was listed. Reads of an object
    /// say which one they mean.
    pub(super) fn check_unchanged(&self, found: &Input) -> Result<(), SourceError> {
        let failed = |error| io_error(self, &found.path, error);
        let Location::File(path) = &found.location else {
            return Ok(());
        };
        let metadata = fs::metadata(path).map_err(failed)?;
        let modified = metadata.modified().map_err(failed)?;
        if metadata.len() == found.bytes && modified == found.modified {
            return Ok(());
        }
        Err(SourceError::Changed {
            name: self.name.clone(),
            path: found.path.clone(),
            listed: found.bytes,
            now: metadata.len(),
        })
    }

    /// Whether all pieces are still the files that were listed, once they have been read. Text is read as far as a file went when it was
    /// listed, whatever has become of it, which is right for one that grows, and not for one that counts as loaded.
    ///
    /// # Errors
    /// If a file is gone or was changed: reading what was listed is to begin anew.
    pub async fn check_listed(&self, inputs: &Inputs) -> Result<(), SourceError> {
        let (source, pieces) = (self.clone(), inputs.pieces.clone());
        self.blocking(move || {
            pieces
                .iter()
                .try_for_each(|piece| source.check_unchanged(piece))
        })
        .await
    }
}

/// A table was made of pieces of another source's bucket.
pub(super) fn unknown_bucket() -> io::Error {
    io::Error::other("its bucket was not asked for")
}

fn check_kind(source: &FileSource, found: &Input, mark: &[u8]) -> Result<(), SourceError> {
    let kind = match begins_as(mark) {
        Some(Kind::Gzip) if !is_gzip(&found.path) => "gzip",
        Some(Kind::Other(kind)) => kind,
        Some(Kind::Parquet) => "Parquet",
        // UTF-16 is text: `encoding` may say so.
        Some(Kind::Gzip | Kind::Utf16) | None => return Ok(()),
    };
    Err(SourceError::NotText {
        name: source.name.clone(),
        path: found.path.clone(),
        kind,
    })
}

fn check_utf16(source: &FileSource, found: &Input, mark: &[u8]) -> Result<(), SourceError> {
    match begins_as(mark) {
        Some(Kind::Utf16) => Err(SourceError::Utf16 {
            name: source.name.clone(),
            path: found.path.clone(),
        }),
        _ => Ok(()),
    }
}

fn peek(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut mark = Vec::new();
    reader.take(MARK as u64).read_to_end(&mut mark)?;
    Ok(mark)
}

/// A file has another size than it had when it was listed.
#[derive(Debug, thiserror::Error)]
#[error("it had {listed} bytes when it was listed and has {now} now")]
pub(super) struct Resized {
    pub(super) listed: u64,
    pub(super) now: u64,
}

/// The bytes of a file that were there when it was listed. Ends with an error if some are gone, or if it ends within a line to which
/// more was written since.
struct Listed {
    file: File,
    listed: u64,
    left: u64,
    last: u8,
}

impl Listed {
    fn resized(&self) -> io::Error {
        match self.file.metadata() {
            Ok(metadata) => io::Error::other(Resized {
                listed: self.listed,
                now: metadata.len(),
            }),
            Err(error) => error,
        }
    }
}

impl Read for Listed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            let now = self.file.metadata()?.len();
            if now < self.listed || (now > self.listed && self.last != b'\n') {
                return Err(self.resized());
            }
            return Ok(0);
        }
        let wanted = buffer.len().min(self.left.try_into().unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(self.resized());
        }
        self.left -= read as u64;
        self.last = buffer[read - 1];
        Ok(read)
    }
}

struct Latin1<R> {
    bytes: R,
    block: Box<[u8]>,
}

impl<R: Read> Read for Latin1<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A character becomes two bytes at most.
        let wanted = (buffer.len() / 2).min(self.block.len());
        let read = self.bytes.read(&mut self.block[..wanted])?;
        Ok(convert_latin1_to_utf8(&self.block[..read], buffer))
    }
}

struct Decoded<R> {
    bytes: R,
    decoder: Decoder,
    block: Box<[u8]>,
    /// Where the bytes that are not decoded yet lie in the block.
    encoded: Range<usize>,
    text: Box<[u8]>,
    /// Where the text lies that was not read yet.
    decoded: Range<usize>,
    /// There are no more bytes.
    ended: bool,
    /// The decoder has given all it had, and must not be asked again.
    finished: bool,
}

impl<R: Read> Decoded<R> {
    fn new(bytes: R, decoder: Decoder) -> Self {
        Self {
            bytes,
            decoder,
            block: vec![0; BLOCK].into(),
            encoded: 0..0,
            text: vec![0; BLOCK].into(),
            decoded: 0..0,
            ended: false,
            finished: false,
        }
    }

    fn decode(&mut self) -> io::Result<()> {
        if self.encoded.is_empty() && !self.ended {
            self.encoded = 0..self.bytes.read(&mut self.block)?;
            self.ended = self.encoded.is_empty();
        }
        let encoded = &self.block[self.encoded.clone()];
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(encoded, &mut self.text, self.ended);
        self.encoded.start += read;
        self.decoded = 0..written;
        match result {
            DecoderResult::InputEmpty => self.finished = self.ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                let name = self.decoder.encoding().name();
                let message = format!("it is not valid {name}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoded.is_empty() && !self.finished {
            self.decode()?;
        }
        let taken = self.decoded.len().min(buffer.len());
        let begin = self.decoded.start;
        buffer[..taken].copy_from_slice(&self.text[begin..begin + taken]);
        self.decoded.start += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], encoding: &'static encoding_rs::Encoding) -> io::Result<String> {
        let mut text = String::new();
        // A byte at a time from both ends.
        let mut decoded = Decoded::new(bytes.chain(io::empty()), encoding.new_decoder());
        let mut byte = [0];
        let mut all = Vec::new();
        while decoded.read(&mut byte)? == 1 {
            all.push(byte[0]);
        }
        assert_eq!(decoded.read(&mut byte)?, 0, "the end stays the end");
        text.push_str(std::str::from_utf8(&all).expect("UTF-8"));
        Ok(text)
    }

    #[test]
    fn encoded_text_ends_once_and_for_all() {
        let utf16 = b"\xff\xfei\0d\0\n\x001\0\n\0";
        assert_eq!(decoded(utf16, encoding_rs::UTF_16LE).unwrap(), "id\n1\n");
        let euro = decoded(b"\x80 1", encoding_rs::WINDOWS_1252);
        assert_eq!(euro.unwrap(), "\u{20ac} 1");
        assert_eq!(decoded(b"", encoding_rs::SHIFT_JIS).unwrap(), "");
        // Half a character.
        assert!(decoded(b"i\0d", encoding_rs::UTF_16LE).is_err());
        assert!(decoded(b"\x82", encoding_rs::SHIFT_JIS).is_err());
    }
}
