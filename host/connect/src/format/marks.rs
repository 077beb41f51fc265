//! What the first bytes of a file say that it is.
//!
//! A reader of text refuses what is none, whatever its name; so a writer of text must not begin like one of them.

/// Bytes that have to be seen to tell.
pub(crate) const MARK: usize = 10;

/// What spreadsheets write in front of a file to say that it is UTF-8. Nothing that follows it is taken for another kind.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A kind of file that is no text in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gzip,
    /// Its name: a compression that is not read here, or another format.
    Other(&'static str),
    Parquet,
    Utf16,
}

/// The kind of file that begins with these bytes; `None` of text. Letters alone make no kind: text may begin with them.
pub(crate) fn begins_as(mark: &[u8]) -> Option<Kind> {
    let is_no_text = |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t');
    Some(match mark {
        [0x1f, 0x8b, ..] => Kind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Other("zstd"),
        // The magic of its first block or, if it is empty, of its end.
        [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
            if block.starts_with(b"1AY&SY") || block.starts_with(b"\x17rE8P\x90") =>
        {
            Kind::Other("bzip2")
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Kind::Other("xz"),
        [b'P', b'K', 3, 4, ..] => Kind::Other("zip"),
        [b'P', b'A', b'R', b'1', next, ..] if is_no_text(next) => Kind::Parquet,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, 0, ..] | [_, 0, _, 0, ..] => Kind::Utf16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_begin_with_the_letters_of_another_kind() {
        for text in [
            "BZh1,2\n",
            "BZh91AY\n",
            "PAR1\n",
            "PAR1,x\n",
            "PK\n",
            "",
            "a",
        ] {
            assert_eq!(begins_as(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(begins_as(b"BZh91AY&SY\0"), Some(Kind::Other("bzip2")));
        assert_eq!(begins_as(b"PAR1\x15\x04"), Some(Kind::Parquet));
        assert_eq!(begins_as(b"\0\n\0\n"), Some(Kind::Utf16));
        assert_eq!(begins_as("\u{feff}\0\n\0".as_bytes()), None);
    }
}
