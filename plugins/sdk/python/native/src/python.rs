//! What of CPython's stable ABI is used, declared by hand, and its reference counts.
//!
//! By hand, since bindings such as `pyo3-ffi` need `std` and a Python to configure themselves after.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ops::RangeInclusive;
use core::ptr::{NonNull, null_mut};

/// The head of every object.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Object {
    /// The count. On 64-bit machines Python counts in the lower half, and may keep flags in the upper.
    references: u32,
    #[cfg(target_pointer_width = "64")]
    flags: u32,
    pub(crate) class: *mut Object,
}

/// A reference that is somebody else's.
pub(crate) type Borrowed = *mut Object;

/// A reference of one's own.
#[derive(Debug)]
pub(crate) struct Owned(NonNull<Object>);

impl Owned {
    /// Takes over a reference; None for null, which is what Python's functions return with an exception.
    pub(crate) fn new(object: Borrowed) -> Option<Self> {
        NonNull::new(object).map(Self)
    }

    /// Another reference to an object.
    ///
    /// # Safety
    /// `object` is an object.
    pub(crate) unsafe fn another(object: Borrowed) -> Self {
        // SAFETY: as the caller says.
        unsafe { add_reference(object) };
        // SAFETY: an object has an address.
        Self(unsafe { NonNull::new_unchecked(object) })
    }

    pub(crate) const fn borrow(&self) -> Borrowed {
        self.0.as_ptr()
    }

    /// Gives the reference away.
    pub(crate) fn give(self) -> Borrowed {
        let object = self.borrow();
        core::mem::forget(self);
        object
    }

    /// Whether this is the only reference.
    pub(crate) fn is_only(&self) -> bool {
        // SAFETY: an owned object lives.
        unsafe { (*self.borrow()).references == 1 }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is our own, and the object lives as long.
        unsafe {
            let object = self.borrow();
            if is_counted(object) {
                (*object).references -= 1;
                if (*object).references == 0 {
                    _Py_Dealloc(object);
                }
            }
        }
    }
}

/// Whether references to an object are counted. Those of immortal ones (None, small integers, strings of one letter)
/// are not: the count would creep up to where it turns negative. The limits are CPython 3.14's; earlier ones are beyond
/// them.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
unsafe fn is_counted(object: Borrowed) -> bool {
    const IMMORTAL: u32 = if cfg!(target_pointer_width = "32") {
        1 << 29
    } else {
        1 << 31
    };
    // SAFETY: as the caller says.
    unsafe { (*object).references < IMMORTAL }
}

/// # Safety
/// `object` is an object.
#[inline(always)]
unsafe fn add_reference(object: Borrowed) {
    // SAFETY: as the caller says.
    unsafe {
        if is_counted(object) {
            (*object).references += 1;
        }
    }
}

/// A function of a module.
pub(crate) type Function = unsafe extern "C" fn(Borrowed, *const Borrowed, isize) -> Borrowed;

/// `PyMethodDef`.
#[repr(C)]
pub(crate) struct Method {
    pub(crate) name: *const c_char,
    pub(crate) call: Option<Function>,
    pub(crate) flags: c_int,
    pub(crate) doc: *const c_char,
}

/// `METH_FASTCALL`.
pub(crate) const FAST_CALL: c_int = 0x80;

/// `PyModuleDef`.
#[repr(C)]
pub(crate) struct Module {
    pub(crate) head: Object,
    pub(crate) init: *const c_void,
    pub(crate) index: isize,
    pub(crate) copy: *const c_void,
    pub(crate) name: *const c_char,
    pub(crate) doc: *const c_char,
    pub(crate) size: isize,
    pub(crate) methods: *const Method,
    pub(crate) rest: [*const c_void; 4],
}

/// What every module's own head begins as.
pub(crate) const HEAD: Object = Object {
    references: 1,
    #[cfg(target_pointer_width = "64")]
    flags: 0,
    class: null_mut(),
};

/// `PyType_Slot`.
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) number: c_int,
    pub(crate) function: *const c_void,
}

pub(crate) const DEALLOC: c_int = 52;
pub(crate) const ITER: c_int = 62;
pub(crate) const ITER_NEXT: c_int = 63;

/// `PyType_Spec`.
#[repr(C)]
pub(crate) struct Spec {
    pub(crate) name: *const c_char,
    pub(crate) size: c_int,
    pub(crate) item_size: c_int,
    pub(crate) flags: u32,
    pub(crate) slots: *const Slot,
}

/// `Py_TPFLAGS_DISALLOW_INSTANTIATION`.
pub(crate) const NO_CALLS: u32 = 1 << 7;

/// A built-in class, and the flag of the classes that derive from it: objects of them are laid out as its own.
#[derive(Clone, Copy)]
pub(crate) enum Builtin {
    Int = 24,
    List = 25,
    Tuple = 26,
    Bytes = 27,
    Str = 28,
}

impl Builtin {
    #[inline(always)]
    fn class(self) -> Borrowed {
        match self {
            Self::Int => &raw mut PyLong_Type,
            Self::List => &raw mut PyList_Type,
            Self::Tuple => &raw mut PyTuple_Type,
            Self::Bytes => &raw mut PyBytes_Type,
            Self::Str => &raw mut PyUnicode_Type,
        }
    }
}

unsafe extern "C" {
    pub(crate) fn PyModule_Create2(module: *mut Module, version: c_int) -> Borrowed;
    pub(crate) fn PyType_FromSpec(spec: *mut Spec) -> Borrowed;
    pub(crate) fn PyType_GenericAlloc(class: Borrowed, items: isize) -> Borrowed;
    safe fn PyType_GetFlags(class: Borrowed) -> core::ffi::c_ulong;
    pub(crate) fn PyObject_Free(memory: *mut c_void);
    pub(crate) fn PyObject_GetAttrString(object: Borrowed, name: *const c_char) -> Borrowed;
    pub(crate) fn PyObject_CallObject(callable: Borrowed, arguments: Borrowed) -> Borrowed;
    pub(crate) fn PyObject_RichCompareBool(a: Borrowed, b: Borrowed, operator: c_int) -> c_int;
    pub(crate) fn PyImport_ImportModule(name: *const c_char) -> Borrowed;
    pub(crate) fn PyCapsule_Import(name: *const c_char, no_block: c_int) -> *const c_void;
    pub(crate) fn PyMem_Calloc(count: usize, size: usize) -> *mut c_void;
    pub(crate) fn PyMem_Free(memory: *mut c_void);
    pub(crate) fn PyBytes_FromStringAndSize(bytes: *const u8, length: isize) -> Borrowed;
    pub(crate) fn PyBytes_AsStringAndSize(
        object: Borrowed,
        bytes: *mut *mut u8,
        length: *mut isize,
    ) -> c_int;
    pub(crate) fn _PyBytes_Resize(object: *mut Borrowed, length: isize) -> c_int;
    pub(crate) fn PyUnicode_DecodeUTF8(
        bytes: *const u8,
        length: isize,
        errors: *const c_char,
    ) -> Borrowed;
    pub(crate) fn PyUnicode_InternFromString(text: *const c_char) -> Borrowed;
    pub(crate) fn PyUnicode_AsUTF8AndSize(object: Borrowed, length: *mut isize) -> *const u8;
    pub(crate) fn PyLong_FromLongLong(number: i64) -> Borrowed;
    pub(crate) fn PyLong_FromUnsignedLongLong(number: u64) -> Borrowed;
    pub(crate) fn PyLong_AsLongLong(object: Borrowed) -> i64;
    pub(crate) fn PyLong_AsUnsignedLongLong(object: Borrowed) -> u64;
    pub(crate) fn PyFloat_FromDouble(number: f64) -> Borrowed;
    pub(crate) fn PyFloat_AsDouble(object: Borrowed) -> f64;
    pub(crate) fn PyList_New(length: isize) -> Borrowed;
    pub(crate) fn PyList_SetItem(list: Borrowed, place: isize, value: Borrowed) -> c_int;
    pub(crate) fn PyList_Append(list: Borrowed, value: Borrowed) -> c_int;
    pub(crate) fn PyTuple_New(length: isize) -> Borrowed;
    pub(crate) fn PyTuple_Size(object: Borrowed) -> isize;
    pub(crate) fn PyTuple_SetItem(tuple: Borrowed, place: isize, value: Borrowed) -> c_int;
    pub(crate) fn PyTuple_GetItem(tuple: Borrowed, place: isize) -> Borrowed;
    safe fn Py_GetVersion() -> *const c_char;
    fn PyErr_SetString(class: Borrowed, text: *const c_char);
    safe fn PyErr_Occurred() -> Borrowed;
    pub(crate) safe fn PyErr_Clear();
    safe fn PyErr_ExceptionMatches(class: Borrowed) -> c_int;
    pub(crate) safe fn PyErr_NoMemory() -> Borrowed;
    fn _Py_Dealloc(object: Borrowed);
    static mut _Py_NoneStruct: Object;
    static mut _Py_TrueStruct: Object;
    static mut _Py_FalseStruct: Object;
    static PyExc_ImportError: Borrowed;
    static PyExc_MemoryError: Borrowed;
    static mut PyFloat_Type: Object;
    static mut PyLong_Type: Object;
    pub(crate) static mut PyList_Type: Object;
    pub(crate) static mut PyTuple_Type: Object;
    static mut PyBytes_Type: Object;
    static mut PyUnicode_Type: Object;
}

pub(crate) const EQUAL: c_int = 2;

#[inline(always)]
pub(crate) fn none() -> Borrowed {
    &raw mut _Py_NoneStruct
}

#[inline(always)]
pub(crate) fn truth(value: bool) -> Borrowed {
    if value {
        &raw mut _Py_TrueStruct
    } else {
        &raw mut _Py_FalseStruct
    }
}

/// Whether the object is a `float`, and of no class derived from it.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn is_float(object: Borrowed) -> bool {
    // SAFETY: as the caller says.
    unsafe { (*object).class == &raw mut PyFloat_Type }
}

/// Whether the object's class is, or derives from, a built-in one.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn is_of(object: Borrowed, builtin: Builtin) -> bool {
    // SAFETY: as the caller says.
    let class = unsafe { class_of(object) };
    // Mostly it is the class itself, which costs no call to find out.
    class == builtin.class() || PyType_GetFlags(class) as u32 & (1 << builtin as u32) != 0
}

/// Whether the object is of a built-in class, and of none derived from it.
///
/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn is_exactly(object: Borrowed, builtin: Builtin) -> bool {
    // SAFETY: as the caller says.
    unsafe { class_of(object) == builtin.class() }
}

/// # Safety
/// `object` is an object.
#[inline(always)]
pub(crate) unsafe fn class_of(object: Borrowed) -> Borrowed {
    // SAFETY: as the caller says.
    unsafe { (*object).class }
}

/// The whole numbers that Python keeps, each as one object.
pub(crate) const SMALL_NUMBERS: RangeInclusive<i64> = -5..=256;
static mut SMALL: [Borrowed; SMALLS] = [null_mut(); SMALLS];
const SMALLS: usize = 262;

/// Gets the small numbers; None with an exception.
///
/// # Safety
/// Called once, while the module is imported.
pub(crate) unsafe fn find_small_numbers() -> Option<()> {
    for (place, number) in SMALL_NUMBERS.enumerate() {
        // SAFETY: as the caller says. They are kept for good.
        unsafe { SMALL[place] = Owned::new(PyLong_FromLongLong(number))?.give() };
    }
    Some(())
}

/// A whole number; None with an exception.
#[inline(always)]
pub(crate) fn int(number: i64) -> Option<Owned> {
    let place = number.wrapping_sub(*SMALL_NUMBERS.start()) as u64;
    // SAFETY: the module is imported, so the small numbers are there.
    unsafe {
        if place < SMALLS as u64 {
            return Some(Owned::another(SMALL[place as usize]));
        }
        Owned::new(PyLong_FromLongLong(number))
    }
}

/// Whether objects have the head that is declared here; false with an ImportError. Python without its global lock has another one, and
/// objects that nobody else refers to are not those with a count of 1. In WebAssembly there is no such Python.
///
/// # Safety
/// Python runs.
pub(crate) unsafe fn counts_as_expected() -> bool {
    if cfg!(target_family = "wasm") {
        return true;
    }
    // SAFETY: Python's version is a text that stays, such as `3.14.0 free-threading build (main, ..`.
    let version = unsafe { CStr::from_ptr(Py_GetVersion()) }.to_bytes();
    let other = b"free-threading";
    if version.windows(other.len()).all(|words| words != other) {
        return true;
    }
    let problem =
        c"_transom_native needs Python with its global lock, this is a free-threading build";
    // SAFETY: a class of exceptions that Python sets before any module is imported.
    unsafe { PyErr_SetString(PyExc_ImportError, problem.as_ptr()) };
    false
}

/// Whether a function of Python's has raised.
pub(crate) fn has_raised() -> bool {
    !PyErr_Occurred().is_null()
}

/// What a function of the module returns: its result, or None when it declines. What made it decline is forgotten; that
/// there is no more memory is raised.
pub(crate) fn answer(result: Option<Owned>) -> Borrowed {
    if let Some(result) = result {
        return result.give();
    }
    if has_raised() {
        // SAFETY: a class of exceptions that Python sets before any module is imported.
        if PyErr_ExceptionMatches(unsafe { PyExc_MemoryError }) != 0 {
            return null_mut();
        }
        PyErr_Clear();
    }
    // SAFETY: None is an object.
    unsafe { Owned::another(none()) }.give()
}

/// The bytes of an object of class `bytes`; None for any other.
///
/// # Safety
/// `object` is an object. The slice must not be used after it.
pub(crate) unsafe fn bytes_of<'bytes>(object: Borrowed) -> Option<&'bytes [u8]> {
    let (mut bytes, mut length) = (null_mut(), 0);
    // SAFETY: as the caller says, and both are written to where the call succeeds.
    unsafe {
        if !is_of(object, Builtin::Bytes)
            || PyBytes_AsStringAndSize(object, &mut bytes, &mut length) != 0
        {
            return None;
        }
        Some(core::slice::from_raw_parts(bytes, length as usize))
    }
}

/// Where the bytes of an object of class `bytes` begin, to be written to.
///
/// # Safety
/// `object` is one that nothing else refers to.
pub(crate) unsafe fn bytes_to_write(object: Borrowed) -> Option<*mut u8> {
    // Without a length to be told, Python would refuse bytes with a 0 in them.
    let (mut bytes, mut length) = (null_mut(), 0);
    // SAFETY: as the caller says, and both are written to where the call succeeds.
    let failed = unsafe { PyBytes_AsStringAndSize(object, &mut bytes, &mut length) } != 0;
    (!failed).then_some(bytes)
}

/// The UTF-8 of an object of class `str`; None for any other, and with an exception for a text that has none.
///
/// # Safety
/// `object` is an object. The slice must not be used after it.
#[inline(always)]
pub(crate) unsafe fn text_of<'text>(object: Borrowed) -> Option<&'text [u8]> {
    let mut length = 0;
    // SAFETY: as the caller says; `length` is written to where the call succeeds.
    unsafe {
        if !is_of(object, Builtin::Str) {
            return None;
        }
        let text = PyUnicode_AsUTF8AndSize(object, &mut length);
        if text.is_null() {
            return None;
        }
        Some(core::slice::from_raw_parts(text, length as usize))
    }
}
