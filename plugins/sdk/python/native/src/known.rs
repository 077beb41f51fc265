//! Values that were met before: where a column repeats few of them, as texts and dates mostly do, a value is made once.
//! A text that is given again brings its hash along, too.

use core::ptr::null_mut;

use crate::python::{Borrowed, Owned, PyErr_NoMemory, PyMem_Calloc, PyMem_Free};

/// Places for values. Each has its place by its key; another one that has the same takes it over.
const PLACES: usize = 256;
/// How many values are looked up before it is decided whether to go on.
const TRIAL: u32 = 512;

/// What tells values of one column apart.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Key {
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) length: u32,
}

impl Key {
    pub(crate) const fn number(first: u64, second: u64) -> Self {
        Self {
            first,
            second,
            length: 0,
        }
    }

    /// Of a text of up to 16 bytes: its length with its first and its last eight bytes, which are all.
    #[inline(always)]
    pub(crate) fn text(text: &[u8]) -> Option<Self> {
        let length = text.len();
        let (first, second) = if length > 16 {
            return None;
        } else if length >= 8 {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if length >= 4 {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            (
                u32::from_le_bytes(*first).into(),
                u32::from_le_bytes(*last).into(),
            )
        } else {
            let first = text
                .iter()
                .fold(0, |bytes, byte| bytes << 8 | u64::from(*byte));
            (first, 0)
        };
        Some(Self {
            first,
            second,
            length: length as u32,
        })
    }

    #[inline(always)]
    fn place(self) -> usize {
        let mixed = self.first ^ self.second.rotate_left(29) ^ u64::from(self.length);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize
    }
}

#[repr(C)]
struct Place {
    key: Key,
    /// A reference of our own; null in a place that is free.
    value: Borrowed,
}

/// The values that were met in one column of one batch.
pub(crate) struct Known {
    /// `PLACES` of them; null before the first value is looked up.
    places: *mut Place,
    off: bool,
    tried: u32,
    found: u32,
}

impl Known {
    pub(crate) const fn new() -> Self {
        Self {
            places: null_mut(),
            off: false,
            tried: 0,
            found: 0,
        }
    }

    /// The value of a key: known, or made. None when `make` raises.
    #[inline(always)]
    pub(crate) fn get(&mut self, key: Key, make: impl FnOnce() -> Option<Owned>) -> Option<Owned> {
        if self.off {
            return make();
        }
        if self.places.is_null() && !self.begin() {
            return None;
        }
        self.tried += 1;
        if self.tried == TRIAL {
            // Where most values are new, looking them up is in vain.
            self.off = self.found < TRIAL / 2;
            (self.tried, self.found) = (0, 0);
        }
        // SAFETY: a place is below `PLACES`, of which there are as many, all of them written (with zeros at first).
        let place = unsafe { &mut *self.places.add(key.place()) };
        if place.key == key && !place.value.is_null() {
            self.found += 1;
            // SAFETY: the value lives as long as its place refers to it.
            return Some(unsafe { Owned::another(place.value) });
        }
        let made = make()?;
        // SAFETY: `made` is an object.
        let kept = unsafe { Owned::another(made.borrow()) }.give();
        place.key = key;
        drop(Owned::new(core::mem::replace(&mut place.value, kept)));
        Some(made)
    }

    #[cold]
    fn begin(&mut self) -> bool {
        // SAFETY: no argument is a pointer.
        self.places = unsafe { PyMem_Calloc(PLACES, size_of::<Place>()) }.cast();
        if self.places.is_null() {
            PyErr_NoMemory();
        }
        !self.places.is_null()
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if self.places.is_null() {
            return;
        }
        for place in 0..PLACES {
            // SAFETY: there are `PLACES`, and the references in them are our own.
            drop(Owned::new(unsafe { (*self.places.add(place)).value }));
        }
        // SAFETY: it was allocated by `begin`, and is not used any more.
        unsafe { PyMem_Free(self.places.cast()) };
    }
}
