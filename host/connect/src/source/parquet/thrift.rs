//! A look at Thrift's compact protocol before the parquet crate parses it.
//!
//! The crate skips what it does not know item by item, for as many items as a list says that it has: items that take no bytes, or
//! that lie behind the end of the file, cost time alone, and a few bytes say two thousand million of them, again and again. So lists that
//! cannot be there are refused here. The protocol:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use parquet::errors::ParquetError;

/// Deeper than any structure of Parquet.
const MAX_DEPTH: usize = 32;
/// Bytes of the longest number.
const MAX_VARINT: usize = 10;

/// Fields of a page header, by the number of the field in its structure; within another one after the number of that.
const COMPRESSED_SIZE: u32 = 3;
const VALUES: u32 = 5 * 100 + 1;
const VALUES_OF_V2: u32 = 8 * 100 + 1;

/// # Errors
/// If a list in the footer has more items than there are bytes left, or the footer ends too early.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), ParquetError> {
    Walk { rest: bytes }.structure(0, 0, &mut |_, _| {})
}

/// Looks at the headers of the pages of a column, which begin with `bytes`, until they have `values`.
///
/// # Errors
/// As [`check_footer`], of a page's header.
pub(super) fn check_pages(bytes: &[u8], values: i64) -> Result<(), ParquetError> {
    let mut walk = Walk { rest: bytes };
    let mut left = values;
    // What follows the last page is padding, which no reader looks at.
    while left > 0 && !walk.rest.is_empty() {
        let mut size = 0;
        walk.structure(0, 0, &mut |field, number| match field {
            COMPRESSED_SIZE => size = number,
            VALUES | VALUES_OF_V2 => left = left.saturating_sub(number.max(0)),
            _ => {}
        })?;
        // A page that does not fit is for the decoder to report.
        match usize::try_from(size)
            .ok()
            .and_then(|size| walk.rest.get(size..))
        {
            Some(rest) => walk.rest = rest,
            None => break,
        }
    }
    Ok(())
}

struct Walk<'a> {
    rest: &'a [u8],
}

type Visit<'v> = dyn FnMut(u32, i64) + 'v;

impl Walk<'_> {
    fn structure(
        &mut self,
        within: u32,
        depth: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), ParquetError> {
        if depth > MAX_DEPTH {
            return Err(damaged(format!("structures {depth} deep")));
        }
        let mut field = 0;
        loop {
            let header = self.byte()?;
            let kind = header & 0xf;
            if kind == 0 {
                return Ok(());
            }
            field = match u32::from(header >> 4) {
                0 => u32::try_from(self.number()?).unwrap_or(u32::MAX),
                delta => u32::saturating_add(field, delta),
            };
            let path = within.saturating_mul(100).saturating_add(field);
            self.value(kind, path, depth, visit)?;
        }
    }

    fn value(
        &mut self,
        kind: u8,
        path: u32,
        depth: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), ParquetError> {
        match kind {
            // A field's header says which.
            1 | 2 => {}
            3 => self.skip(1)?,
            4..=6 => visit(path, self.number()?),
            7 => self.skip(8)?,
            8 => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            9 | 10 => {
                let header = self.byte()?;
                let items = match u64::from(header >> 4) {
                    15 => self.varint()?,
                    items => items,
                };
                self.items(items, &[header & 0xf], depth, visit)?;
            }
            11 => {
                let items = self.varint()?;
                if items > 0 {
                    let kinds = self.byte()?;
                    self.items(items, &[kinds >> 4, kinds & 0xf], depth, visit)?;
                }
            }
            12 => self.structure(path, depth + 1, visit)?,
            13 => self.skip(16)?,
            other => return Err(damaged(format!("a field of type {other}"))),
        }
        Ok(())
    }

    fn items(
        &mut self,
        items: u64,
        kinds: &[u8],
        depth: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), ParquetError> {
        if depth > MAX_DEPTH {
            return Err(damaged(format!("lists {depth} deep")));
        }
        // The protocol gives them a byte each and the parquet crate none; Parquet's footers and pages have no such list.
        if items > 0 && kinds.iter().any(|kind| matches!(kind, 1 | 2)) {
            return Err(damaged("a list of booleans".to_owned()));
        }
        // An item takes a byte at least.
        if items > self.rest.len() as u64 {
            let left = self.rest.len();
            return Err(damaged(format!("a list of {items} items in {left} bytes")));
        }
        for _ in 0..items {
            for kind in kinds {
                self.value(*kind, u32::MAX, depth + 1, visit)?;
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, ParquetError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(ended)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ParquetError> {
        self.rest = self.rest.get(bytes..).ok_or_else(ended)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, ParquetError> {
        let mut number = 0_u64;
        for at in 0..MAX_VARINT {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f)
                .checked_shl(7 * at as u32)
                .unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("a number without end".to_owned()))
    }

    /// Zigzag: the last bit is the sign.
    fn number(&mut self) -> Result<i64, ParquetError> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }
}

fn ended() -> ParquetError {
    damaged("an end within a structure".to_owned())
}

fn damaged(what: String) -> ParquetError {
    ParquetError::General(format!("its metadata has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<(), ParquetError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn lists_that_cannot_be_there_are_refused() {
        // Field 9, a list of so many: doubles, lists, booleans.
        let list = |kind: u8| [0x99, 0xf0 | kind, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0];
        for kind in [3, 5, 7, 9, 12, 13] {
            let message = message(check_footer(&list(kind)));
            assert!(
                message.contains("a list of 2147483647 items in 2 bytes"),
                "{message}"
            );
        }
        assert!(message(check_footer(&list(1))).contains("booleans"));
        // A map, from binary to list.
        let map = [0x1b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x89, 0, 0];
        assert!(message(check_footer(&map)).contains("2147483647 items"));
        assert!(message(check_footer(&[0x1c; 64])).contains("deep"));
        assert!(message(check_footer(&[0x15])).contains("an end"));
        assert!(
            message(check_footer(&[
                0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0
            ]))
            .contains("without end")
        );
    }

    #[test]
    fn pages_are_walked_until_they_have_all_values() {
        // Type 0, 4 bytes, 2 compressed, field 5: a structure with 3 values; then the page.
        let page = [0x15, 0, 0x15, 8, 0x15, 4, 0x2c, 0x15, 6, 0, 0, 0xaa, 0xbb];
        let mut two = [page, page].concat();
        assert!(check_pages(&two, 6).is_ok());
        two.extend([0x99, 0xf7, 0xff, 0xff, 0x07]);
        assert!(check_pages(&two, 6).is_ok(), "padding is not read");
        assert!(message(check_pages(&two, 7)).contains("items in"));
    }
}
