//! The module: its functions as Python calls them.

use core::ffi::c_int;
use core::ptr::{null, null_mut};

use crate::bits;
use crate::column::Column;
use crate::encode::{Marks, encode};
use crate::kind::Kind;
use crate::layout;
use crate::plain;
use crate::python::{
    Borrowed, Builtin, FAST_CALL, Function, HEAD, Method, Module, Owned, PyBytes_FromStringAndSize,
    PyList_New, PyList_SetItem, PyLong_AsLongLong, PyModule_Create2, answer, bytes_of,
    bytes_to_write, counts_as_expected, find_small_numbers, has_raised, int, is_of, none, text_of,
};
use crate::rows;

/// The arguments of a call; None if they are not as many.
unsafe fn arguments<'call, const COUNT: usize>(
    first: *const Borrowed,
    count: isize,
) -> Option<&'call [Borrowed; COUNT]> {
    // SAFETY: Python gives `count` of them.
    (count as usize == COUNT).then(|| unsafe { &*first.cast() })
}

/// A number of rows.
unsafe fn count_of(object: Borrowed) -> Option<usize> {
    // SAFETY: an argument is an object.
    unsafe {
        if !is_of(object, Builtin::Int) {
            return None;
        }
        let count = PyLong_AsLongLong(object);
        if count == -1 && has_raised() {
            return None;
        }
        // Lists and tuples count with a sign.
        isize::try_from(count).ok()?.try_into().ok()
    }
}

/// `rows(columns, rows, selected)`: an iterator over the rows that `selected` marks with 1, or over all.
unsafe extern "C" fn rows_of(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects.
    answer(unsafe {
        arguments(first, count)
            .and_then(|[columns, rows, selected]| rows::over(*columns, count_of(*rows)?, *selected))
    })
}

/// `calls(columns, rows, selected, format, slot)`: the same, which takes a value of `format` out of `slot` after each row.
unsafe extern "C" fn calls(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects.
    answer(unsafe {
        arguments(first, count).and_then(|[columns, rows, selected, format, slot]| {
            let kind = Kind::of(text_of(*format)?)?;
            rows::calls(*columns, count_of(*rows)?, *selected, kind, *slot)
        })
    })
}

/// `given(iterator)`: how many rows an iterator of `calls` has given.
unsafe extern "C" fn given(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects.
    answer(unsafe {
        arguments(first, count).and_then(|[iterator]| int(rows::given(*iterator)? as i64))
    })
}

/// `finish(iterator)`: `(left, rows, null count, bitmap, *buffers)` of what an iterator of `calls` has taken.
unsafe extern "C" fn finish(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects.
    answer(unsafe { arguments(first, count).and_then(|[iterator]| rows::finish(*iterator)) })
}

/// `decode(column, rows)`: a list of values, None for null.
unsafe extern "C" fn decode(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects.
    answer(unsafe {
        arguments(first, count).and_then(|[column, rows]| {
            let rows = count_of(*rows)?;
            let mut column = Column::read(*column, rows)?;
            let list = Owned::new(PyList_New(rows as isize))?;
            for row in 0..rows {
                let value = column.value::<false>(row)?;
                if PyList_SetItem(list.borrow(), row as isize, value.give()) != 0 {
                    return None;
                }
            }
            Some(list)
        })
    })
}

/// `encode(format, values, valid, selected)`: `(null count, bitmap, *buffers)`.
unsafe extern "C" fn encode_list(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects, and keeps them while it does.
    answer(unsafe {
        arguments(first, count).and_then(|[format, values, valid, selected]| {
            let kind = Kind::of(text_of(*format)?)?;
            let marks = match (*valid, *selected) {
                (valid, selected) if valid == none() && selected == none() => Marks::None,
                (valid, selected) if selected == none() => Marks::Valid(bytes_of(valid)?),
                (valid, selected) if valid == none() => Marks::Selected(bytes_of(selected)?),
                _ => return None,
            };
            encode(kind, *values, &marks)
        })
    })
}

/// `unpack(bitmap, rows)`: one byte for each bit, 0 or 1.
unsafe extern "C" fn unpack(_: Borrowed, first: *const Borrowed, count: isize) -> Borrowed {
    // SAFETY: Python calls this with objects; what is written to is an object that nothing else refers to.
    answer(unsafe {
        arguments(first, count).and_then(|[bitmap, rows]| {
            let rows = count_of(*rows)?;
            let bitmap = bytes_of(*bitmap)?.get(..bits::bytes_for(rows))?;
            let flags = Owned::new(PyBytes_FromStringAndSize(null(), rows as isize))?;
            let start = bytes_to_write(flags.borrow())?;
            start.write_bytes(0, rows);
            bits::unpack(bitmap, core::slice::from_raw_parts_mut(start, rows));
            Some(flags)
        })
    })
}

const fn method(name: &'static core::ffi::CStr, call: Function) -> Method {
    Method {
        name: name.as_ptr(),
        call: Some(call),
        flags: FAST_CALL,
        doc: null(),
    }
}

static mut METHODS: [Method; 8] = [
    method(c"rows", rows_of),
    method(c"calls", calls),
    method(c"given", given),
    method(c"finish", finish),
    method(c"decode", decode),
    method(c"encode", encode_list),
    method(c"unpack", unpack),
    Method {
        name: null(),
        call: None,
        flags: 0,
        doc: null(),
    },
];

static mut MODULE: Module = Module {
    head: HEAD,
    init: null(),
    index: 0,
    copy: null(),
    name: c"_transom_native".as_ptr(),
    doc: null(),
    size: -1,
    methods: (&raw const METHODS).cast(),
    rest: [null(); 4],
};

/// `PYTHON_ABI_VERSION`, of modules that use the stable ABI alone.
const STABLE_ABI: c_int = 3;

/// Python calls this to import the module.
///
/// # Safety
/// Python runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__transom_native() -> Borrowed {
    // SAFETY: Python imports one module at a time.
    unsafe {
        // Before any object is looked at.
        if !counts_as_expected() {
            return null_mut();
        }
        layout::find();
        plain::find();
        // What is not there is left to Python, and no reason not to be imported.
        let _ = Owned::new(answer(None));
        if find_small_numbers().is_none() || rows::create_class().is_none() {
            return null_mut();
        }
        PyModule_Create2(&raw mut MODULE, STABLE_ABI)
    }
}
