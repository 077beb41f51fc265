//! The guest's memory: every block of 16 bytes or more lies at a multiple of 16.
//!
//! Two things need it, both on Wasm only. The host writes batches into memory it asks `cabi_realloc` for, with the alignment
//! of `list<u8>`: 1. The standard library's allocator then gives 8, which suffices for an `i64` and not for the `i128` of a
//! Decimal128: by chance half of the batches would lie wrong, and each would have to be copied. And what goes back as
//! `list<u8>` was made as, say, `Vec<i64>`: giving the same block away as `Vec<u8>` is sound only when both name the same
//! layout to the allocator beneath, which they do here, since alignments up to 16 are all raised to 16.

use arrow_buffer::Buffer;
use std::alloc::{GlobalAlloc, Layout, System};

const ALIGN: usize = 16;

struct Aligned;

#[global_allocator]
static ALLOCATOR: Aligned = Aligned;

/// The layout that the allocator beneath is asked for: smaller blocks hold no value that needs more than they ask for.
fn raised(layout: Layout) -> Layout {
    if layout.size() < ALIGN || layout.align() >= ALIGN {
        return layout;
    }
    // Raising the alignment of a size close to `isize::MAX` fails; such a block cannot be had on 32 bits anyway, and
    // asking for it as it was makes the allocator beneath say no.
    Layout::from_size_align(layout.size(), ALIGN).unwrap_or(layout)
}

// SAFETY: every method hands the same raised layout of a block to `System`, which upholds the contract.
unsafe impl GlobalAlloc for Aligned {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size, and raising keeps it.
        unsafe { System.alloc(raised(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(raised(layout)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with the same layout, hence the same raised one.
        unsafe { System.dealloc(block, raised(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let old = raised(layout);
        // SAFETY: the caller promises that `size` is valid for the layout's alignment.
        let new = raised(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
        if old.align() == new.align() {
            // SAFETY: the block came from `System` with `old`.
            return unsafe { System.realloc(block, old, size) };
        }
        // SAFETY: `new` has a size; both blocks hold the smaller of both sizes and do not overlap.
        unsafe {
            let moved = System.alloc(new);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, old.size().min(size));
                System.dealloc(block, old);
            }
            moved
        }
    }
}

/// Gives a buffer of wider values away as bytes without a copy.
///
/// # Errors
///
/// The buffer itself, when it is shared, is a slice, or was not made as a vector of integers.
pub fn reinterpret(buffer: Buffer) -> Result<Vec<u8>, Buffer> {
    let buffer = match buffer.into_vec::<u64>() {
        Ok(values) => return widened(values),
        Err(buffer) => buffer,
    };
    let buffer = match buffer.into_vec::<u32>() {
        Ok(values) => return widened(values),
        Err(buffer) => buffer,
    };
    let buffer = match buffer.into_vec::<u16>() {
        Ok(values) => return widened(values),
        Err(buffer) => buffer,
    };
    match buffer.into_vec::<i128>() {
        Ok(values) => widened(values),
        Err(buffer) => Err(buffer),
    }
}

fn widened<T: arrow_buffer::ArrowNativeType>(values: Vec<T>) -> Result<Vec<u8>, Buffer> {
    let capacity = values.capacity() * size_of::<T>();
    if capacity < ALIGN || align_of::<T>() > ALIGN {
        return Err(Buffer::from_vec(values));
    }
    let mut values = std::mem::ManuallyDrop::new(values);
    let length = values.len() * size_of::<T>();
    // SAFETY: any value here is plain bytes, and `capacity` bytes with alignment 1 name the same raised layout to the
    // allocator above as the vector's own.
    Ok(unsafe { Vec::from_raw_parts(values.as_mut_ptr().cast::<u8>(), length, capacity) })
}
