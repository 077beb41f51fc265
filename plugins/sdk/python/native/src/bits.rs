//! Arrow's bitmaps, least significant bit first, and bytes of 0 and 1; and how bytes are copied.

/// Writes one byte, 0 or 1, for each bit. `bitmap` has at least as many bits as `flags` has bytes.
pub(crate) fn unpack(bitmap: &[u8], flags: &mut [u8]) {
    for (byte, flags) in bitmap.iter().zip(flags.chunks_mut(8)) {
        for (bit, flag) in flags.iter_mut().enumerate() {
            *flag = byte >> bit & 1;
        }
    }
}

/// How many bytes the bits of some rows take.
pub(crate) const fn bytes_for(rows: usize) -> usize {
    rows.div_ceil(8)
}

/// Copies bytes; a few of them without a call.
///
/// # Safety
/// There is room for as many at `target`, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy(bytes: &[u8], mut target: *mut u8) {
    let (mut source, mut left) = (bytes.as_ptr(), bytes.len());
    // SAFETY: as the caller says; `left` counts what is left of both.
    unsafe {
        if left > 64 {
            target.copy_from_nonoverlapping(source, left);
            return;
        }
        macro_rules! step {
            ($type:ty) => {
                let value = source.cast::<$type>().read_unaligned();
                target.cast::<$type>().write_unaligned(value);
                source = source.add(size_of::<$type>());
                target = target.add(size_of::<$type>());
                left -= size_of::<$type>();
            };
        }
        while left >= 8 {
            step!(u64);
        }
        if left >= 4 {
            step!(u32);
        }
        if left >= 2 {
            step!(u16);
        }
        if left >= 1 {
            target.write(source.read());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_past_the_last_row_mean_nothing() {
        let mut flags = [7; 11];
        unpack(&[0b1010_0110, 0b1111_1101], &mut flags[..10]);
        assert_eq!(flags, [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 7]);
        assert_eq!([0, 1, 8, 9].map(bytes_for), [0, 1, 1, 2]);
    }
}
