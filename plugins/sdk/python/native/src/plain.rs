//! Ints, floats and texts in place: read, and written anew, without a call of Python's.
//!
//! How they are laid out is no part of the stable ABI. It is looked at when the module is imported, on values that Python makes;
//! where it differs, Python's own functions do the work: for ints and texts before Python 3.12, whose texts may also keep another
//! form of themselves (`wstr`), which one that is written anew would still have.

use core::ptr::null;

use crate::bits::copy;
use crate::layout::size_of_objects;
use crate::python::{
    Borrowed, Builtin, EQUAL, Object, Owned, PyFloat_FromDouble, PyLong_AsLongLong,
    PyLong_FromLongLong, PyObject_CallObject, PyObject_GetAttrString, PyObject_RichCompareBool,
    PyTuple_New, PyUnicode_DecodeUTF8, PyUnicode_InternFromString, SMALL_NUMBERS, class_of, int,
    is_exactly, is_float,
};

/// An int of Python 3.12 or later.
#[repr(C)]
struct Int {
    head: Object,
    /// The number of digits, a bit of Python's own, and two for the sign.
    tag: usize,
    /// At least one. The lowest first.
    digits: [u32; 1],
}

/// Bits of a digit, and of what is beside the number of digits in a tag.
const DIGIT: u32 = 30;
const SIGN: u32 = 3;
/// In a tag: the sign of numbers below 0.
const NEGATIVE: usize = 2;

#[repr(C)]
struct Float {
    head: Object,
    number: f64,
}

/// The head of a text.
#[repr(C)]
struct Text {
    head: Object,
    length: isize,
    hash: isize,
    state: u32,
}

static mut KNOWS_INTS: bool = false;
static mut KNOWS_FLOATS: bool = false;
/// Where in a text of ASCII its bytes begin; 0 if that is left to Python.
static mut TEXT_BYTES: usize = 0;
static mut STATE: State = STATES[0];

/// Which bits of a text's state mean something, and what they are in a text of ASCII that is not interned. One that is has
/// further bits; all other texts lack some of these.
#[derive(Clone, Copy)]
struct State {
    mask: u32,
    ascii: u32,
}

/// Of Python 3.14, whose first half is for texts that are interned; and of 3.12 and 3.13.
const STATES: [State; 2] = [
    State {
        mask: 0x003F_FFFF,
        ascii: 0x0019_0000,
    },
    State {
        mask: 0xFF,
        ascii: 0x64,
    },
];

/// Looks where everything is, once.
///
/// # Safety
/// Python runs, and no other function of this crate does.
pub(crate) unsafe fn find() {
    // SAFETY: as the caller says. What is found is used only after it was checked.
    unsafe {
        KNOWS_INTS = are_ints_as_expected().unwrap_or(false);
        KNOWS_FLOATS = are_floats_as_expected().unwrap_or(false);
        if let Some((bytes, state)) = find_bytes_of_texts() {
            (TEXT_BYTES, STATE) = (bytes, state);
        }
    }
}

/// Tag and digits of a number; None for more than two digits.
#[inline(always)]
fn parts(number: i64) -> Option<(usize, usize, [u32; 2])> {
    let magnitude = number.unsigned_abs();
    if magnitude >> (2 * DIGIT) != 0 {
        return None;
    }
    let digits = [
        magnitude as u32 & ((1 << DIGIT) - 1),
        (magnitude >> DIGIT) as u32,
    ];
    let count = if digits[1] != 0 { 2 } else { 1 };
    let sign = if number < 0 { NEGATIVE } else { 0 };
    Some((count << SIGN | sign, count, digits))
}

unsafe fn are_ints_as_expected() -> Option<bool> {
    const NUMBERS: [i64; 10] = [
        1_000,
        -1_000,
        (1 << DIGIT) - 1,
        1 << DIGIT,
        -(1 << DIGIT),
        0x0234_5678_9ABC_DEF0,
        -0x0234_5678_9ABC_DEF0,
        (1 << (2 * DIGIT)) - 1,
        -(1 << (2 * DIGIT)) + 1,
        0x7234_5678_9ABC_DEF0,
    ];
    // SAFETY: all ints have a tag and a digit, where their size is this; there are as many digits as the tag says.
    unsafe {
        let zero = Owned::new(PyLong_FromLongLong(0))?;
        let class = class_of(zero.borrow());
        let size = core::mem::offset_of!(Int, digits);
        if size_of_objects(class, c"__basicsize__")? != size
            || size_of_objects(class, c"__itemsize__")? != size_of::<u32>()
        {
            return Some(false);
        }
        for small in [0, 1, -1, 5, -5, 256] {
            let object = Owned::new(PyLong_FromLongLong(small))?;
            let tag = (*object.borrow().cast::<Int>()).tag;
            if tag >> SIGN > 1 || read_int(object.borrow()) != Some(small) {
                return Some(false);
            }
        }
        for number in NUMBERS {
            let object = Owned::new(PyLong_FromLongLong(number))?;
            let int = object.borrow().cast::<Int>();
            let Some((tag, count, digits)) = parts(number) else {
                if (*int).tag >> SIGN != 3 || read_int(object.borrow()).is_some() {
                    return Some(false);
                }
                continue;
            };
            let theirs =
                core::slice::from_raw_parts((&raw const (*int).digits).cast::<u32>(), count);
            if (*int).tag != tag
                || *theirs != digits[..count]
                || read_int(object.borrow()) != Some(number)
            {
                return Some(false);
            }
        }
        // Written anew, it is the other number to Python as well.
        for (before, number) in [(-(1 << 40), 77_777), (1 << 40, -(1 << 41) - 5)] {
            let ours = Owned::new(PyLong_FromLongLong(before))?;
            let theirs = Owned::new(PyLong_FromLongLong(number))?;
            if !write_int(ours.borrow(), 2, number)
                || PyLong_AsLongLong(ours.borrow()) != number
                || PyObject_RichCompareBool(ours.borrow(), theirs.borrow(), EQUAL) != 1
            {
                return Some(false);
            }
        }
        Some(true)
    }
}

unsafe fn are_floats_as_expected() -> Option<bool> {
    // SAFETY: a float is read and written only after its size was checked.
    unsafe {
        let object = Owned::new(PyFloat_FromDouble(-1234.5))?;
        let float = object.borrow().cast::<Float>();
        if size_of_objects(class_of(object.borrow()), c"__basicsize__")? != size_of::<Float>()
            || (*float).number != -1234.5
        {
            return Some(false);
        }
        (*float).number = 0.1;
        let theirs = Owned::new(PyFloat_FromDouble(0.1))?;
        Some(PyObject_RichCompareBool(object.borrow(), theirs.borrow(), EQUAL) == 1)
    }
}

/// Where the bytes of texts begin, and the state of those that are ASCII.
unsafe fn find_bytes_of_texts() -> Option<(usize, State)> {
    // SAFETY: Python says how long a text is with all that belongs to it, and nothing behind is read.
    unsafe {
        let text = |text: &str| self::text(text.as_bytes());
        let size = |text: &Owned| {
            let ask = Owned::new(PyObject_GetAttrString(
                text.borrow(),
                c"__sizeof__".as_ptr(),
            ))?;
            let nothing = Owned::new(PyTuple_New(0))?;
            let size = Owned::new(PyObject_CallObject(ask.borrow(), nothing.borrow()))?;
            usize::try_from(PyLong_AsLongLong(size.borrow())).ok()
        };
        // A text of ASCII ends with a byte of 0.
        let begin = size(&text("")?)?.checked_sub(1)?;
        if begin < core::mem::offset_of!(Text, state) + size_of::<u32>() || begin > 64 {
            return None;
        }
        let state_of = |object: &Owned| (*object.borrow().cast::<Text>()).state;
        let first = state_of(&text("first")?);
        let mut states = STATES.into_iter();
        let state = states.find(|state| first & state.mask == state.ascii)?;
        for sample in ["ab", "A text of ASCII, somewhat longer", "\0\x7f "] {
            let object = text(sample)?;
            let head = object.borrow().cast::<Text>();
            let bytes = object.borrow().byte_add(begin).cast::<u8>();
            let length = sample.len();
            if size(&object)? != begin + length + 1
                || (*head).length != length as isize
                || (*head).hash != -1
                || state_of(&object) & state.mask != state.ascii
                || *core::slice::from_raw_parts(bytes, length) != *sample.as_bytes()
                || *bytes.add(length) != 0
            {
                return None;
            }
        }
        for sample in ["é1", "Łódź", "🛫"] {
            let object = text(sample)?;
            if state_of(&object) & state.ascii == state.ascii {
                return None;
            }
        }
        let interned = Owned::new(PyUnicode_InternFromString(c"_transom_native".as_ptr()))?;
        let interned = state_of(&interned);
        if interned & state.mask == state.ascii || interned & state.ascii != state.ascii {
            return None;
        }
        // Written anew, it is the other text to Python as well.
        let (ours, theirs) = (text("before")?, text("now")?);
        write_text(ours.borrow(), begin, b"now");
        let same = PyObject_RichCompareBool(ours.borrow(), theirs.borrow(), EQUAL) == 1;
        same.then_some((begin, state))
    }
}

/// # Safety
/// `object` is an int, laid out as expected.
#[inline(always)]
unsafe fn read_int(object: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says; there are as many digits as the tag says, and one at least.
    unsafe {
        let int = object.cast::<Int>();
        let tag = (*int).tag;
        let digits = (&raw const (*int).digits).cast::<u32>();
        let magnitude = match tag >> SIGN {
            0 | 1 => i64::from(*digits),
            2 => i64::from(*digits) | i64::from(*digits.add(1)) << DIGIT,
            _ => return None,
        };
        Some(if tag & NEGATIVE == 0 {
            magnitude
        } else {
            -magnitude
        })
    }
}

/// Makes an int another number; false if that does not fit.
///
/// # Safety
/// `object` is an int with room for so many digits that nothing else refers to.
#[inline(always)]
unsafe fn write_int(object: Borrowed, room: usize, number: i64) -> bool {
    let Some((tag, count, digits)) = parts(number) else {
        return false;
    };
    if count > room {
        return false;
    }
    // SAFETY: as the caller says.
    unsafe {
        let int = object.cast::<Int>();
        (*int).tag = tag;
        let place = (&raw mut (*int).digits).cast::<u32>();
        *place = digits[0];
        if count > 1 {
            *place.add(1) = digits[1];
        }
    }
    true
}

/// # Safety
/// `object` is a text of ASCII with room for as many bytes that nothing else refers to.
#[inline(always)]
unsafe fn write_text(object: Borrowed, begin: usize, text: &[u8]) {
    // SAFETY: as the caller says.
    unsafe {
        let head = object.cast::<Text>();
        (*head).length = text.len() as isize;
        (*head).hash = -1;
        let bytes = object.byte_add(begin).cast::<u8>();
        copy(text, bytes);
        *bytes.add(text.len()) = 0;
    }
}

/// An int as it is; None for all others, and for what Python has to read.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn int_of(object: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says.
    unsafe {
        if !KNOWS_INTS || !is_exactly(object, Builtin::Int) {
            return None;
        }
        read_int(object)
    }
}

/// A float as it is; None for all others, and if Python has to read it.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn float_of(object: Borrowed) -> Option<f64> {
    // SAFETY: as the caller says.
    unsafe { (KNOWS_FLOATS && is_float(object)).then(|| (*object.cast::<Float>()).number) }
}

/// A text of ASCII as it is; None for all others, and for what Python has to read.
///
/// # Safety
/// `object` is an object. The slice must not be used after it.
#[inline(always)]
pub(crate) unsafe fn ascii_of<'text>(object: Borrowed) -> Option<&'text [u8]> {
    // SAFETY: as the caller says; bytes of ASCII are behind the head of a text whose state says so.
    unsafe {
        if TEXT_BYTES == 0 || !is_exactly(object, Builtin::Str) {
            return None;
        }
        let head = object.cast::<Text>();
        if (*head).state & STATE.ascii != STATE.ascii {
            return None;
        }
        let bytes = object.byte_add(TEXT_BYTES).cast::<u8>();
        Some(core::slice::from_raw_parts(bytes, (*head).length as usize))
    }
}

/// A text; None with an exception.
///
/// # Safety
/// It is UTF-8.
#[inline(always)]
pub(crate) unsafe fn text(text: &[u8]) -> Option<Owned> {
    // SAFETY: the bytes are there.
    unsafe {
        Owned::new(PyUnicode_DecodeUTF8(
            text.as_ptr(),
            text.len() as isize,
            null(),
        ))
    }
}

/// Two objects that a column gave, in turns: the one of the row before last, which is most often nobody's any more, is
/// made the next value. (The loops of the SDK still hold the last row's.)
///
/// It is nobody's if its count is 1, which is the reference here. That is proof although Python 3.14's frames borrow what they do not
/// count: each borrows from another reference, one that is counted and stays as long, and nobody borrows from the one here. What
/// outlives a call (a generator, a coroutine, the frame of an error) takes references of its own. Only the table of interned texts
/// has references without one that is counted, and the state of a text says so. Weak references to these classes there are none.
pub(crate) struct Again {
    objects: [Option<Owned>; 2],
    /// Digits or bytes for which there is room.
    room: [usize; 2],
    turn: usize,
}

impl Again {
    pub(crate) const fn new() -> Self {
        Self {
            objects: [None, None],
            room: [0, 0],
            turn: 0,
        }
    }

    /// An object that `set` makes another value if it has room, else a new one; None with an exception. All of a column are
    /// made by the same `make`.
    #[inline(always)]
    pub(crate) fn object(
        &mut self,
        set: impl FnOnce(Borrowed) -> Option<()>,
        make: impl FnOnce() -> Option<Owned>,
    ) -> Option<Owned> {
        if let Some(object) = self.free() {
            if set(object).is_some() {
                return self.taken();
            }
        }
        let made = make()?;
        Some(self.keep(made, 0))
    }

    /// The object whose turn it is, if nothing else refers to it. Whoever takes it makes it another value.
    #[inline(always)]
    fn free(&mut self) -> Option<Borrowed> {
        self.turn ^= 1;
        let object = self.objects[self.turn].as_ref()?;
        object.is_only().then(|| object.borrow())
    }

    /// The object that [`Again::free`] gave, now another value.
    #[inline(always)]
    fn taken(&self) -> Option<Owned> {
        // SAFETY: an owned object lives.
        Some(unsafe { Owned::another(self.objects[self.turn].as_ref()?.borrow()) })
    }

    /// A new value in its place.
    #[inline(always)]
    fn keep(&mut self, made: Owned, room: usize) -> Owned {
        // SAFETY: an owned object lives.
        self.objects[self.turn] = Some(unsafe { Owned::another(made.borrow()) });
        self.room[self.turn] = room;
        made
    }

    /// An int; None with an exception.
    #[inline(always)]
    pub(crate) fn int(&mut self, number: i64) -> Option<Owned> {
        // SAFETY: an object that nothing else refers to may be written to. Those kept here are ints, none of them one of the
        // small numbers, which others refer to.
        unsafe {
            if !KNOWS_INTS || SMALL_NUMBERS.contains(&number) {
                return int(number);
            }
            if let Some(object) = self.free() {
                if write_int(object, self.room[self.turn], number) {
                    return self.taken();
                }
            }
            let made = Owned::new(PyLong_FromLongLong(number))?;
            let room = (*made.borrow().cast::<Int>()).tag >> SIGN;
            Some(self.keep(made, room))
        }
    }

    /// A float; None with an exception.
    #[inline(always)]
    pub(crate) fn float(&mut self, number: f64) -> Option<Owned> {
        // SAFETY: an object that nothing else refers to may be written to. Those kept here are floats.
        unsafe {
            if !KNOWS_FLOATS {
                return Owned::new(PyFloat_FromDouble(number));
            }
            self.object(
                |object| {
                    (*object.cast::<Float>()).number = number;
                    Some(())
                },
                || Owned::new(PyFloat_FromDouble(number)),
            )
        }
    }

    /// A text; None with an exception.
    ///
    /// # Safety
    /// It is UTF-8.
    #[inline(always)]
    pub(crate) unsafe fn text(&mut self, text: &[u8]) -> Option<Owned> {
        /// More in a text than its own length are lost when somebody keeps it.
        const SPARE: usize = 32;
        let length = text.len();
        // SAFETY: an object that nothing else refers to may be written to. Those kept here are texts of ASCII; one that was
        // interned meanwhile has another state. Python has each text of one letter once.
        unsafe {
            if TEXT_BYTES == 0 || length < 2 || !text.is_ascii() {
                return self::text(text);
            }
            if let Some(object) = self.free() {
                let room = self.room[self.turn];
                if length <= room
                    && room <= length * 2 + SPARE
                    && (*object.cast::<Text>()).state & STATE.mask == STATE.ascii
                {
                    write_text(object, TEXT_BYTES, text);
                    return self.taken();
                }
            }
            let made = self::text(text)?;
            Some(self.keep(made, length))
        }
    }
}
