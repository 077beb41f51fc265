//! An iterator over the rows of some columns: a value for one column, else a tuple that is used again.

use core::ffi::c_void;
use core::ptr::null_mut;

use crate::column::Column;
use crate::layout;
use crate::python::{
    Borrowed, Builtin, DEALLOC, ITER, ITER_NEXT, NO_CALLS, Object, Owned, PyErr_NoMemory,
    PyMem_Calloc, PyMem_Free, PyObject_Free, PyTuple_GetItem, PyTuple_New, PyTuple_Size,
    PyType_FromSpec, PyType_GenericAlloc, Slot, Spec, bytes_of, is_of, none,
};

#[repr(C)]
struct Rows {
    head: Object,
    /// As many as `made`, in memory of our own.
    columns: *mut Column,
    made: usize,
    next: usize,
    rows: usize,
    /// One byte for each row, 1 for those to be given; or null, for all. The object beside it keeps it.
    selected: *const u8,
    kept: Option<Owned>,
    /// The row that was given last, with more than one column.
    tuple: Option<Owned>,
}

/// The class of iterators.
static mut CLASS: Borrowed = null_mut();

/// Makes the class; None with an exception.
///
/// # Safety
/// Called once, while the module is imported.
pub(crate) unsafe fn create_class() -> Option<()> {
    let slot = |number, function| Slot { number, function };
    let slots = [
        slot(DEALLOC, dealloc as *const c_void),
        slot(ITER, iter as *const c_void),
        slot(ITER_NEXT, next as *const c_void),
        slot(0, null_mut()),
    ];
    let mut spec = Spec {
        name: c"_transom_native.Rows".as_ptr(),
        size: size_of::<Rows>() as i32,
        item_size: 0,
        flags: NO_CALLS,
        slots: slots.as_ptr(),
    };
    // SAFETY: Python copies what it keeps of the description. The module is never unloaded, so that the class stays.
    unsafe {
        CLASS = Owned::new(PyType_FromSpec(&mut spec))?.give();
    }
    Some(())
}

/// An iterator over the rows that `selected` marks with 1, or over all.
///
/// # Safety
/// `columns` and `selected` are objects.
pub(crate) unsafe fn over(columns: Borrowed, rows: usize, selected: Borrowed) -> Option<Owned> {
    // SAFETY: as the caller says. The new object is zeros, which is an empty `Rows`: it can be freed at any point.
    unsafe {
        if !layout::knows_tuples() || !is_of(columns, Builtin::Tuple) || PyTuple_Size(columns) < 1 {
            return None;
        }
        let arity = PyTuple_Size(columns) as usize;
        let iterator = Owned::new(PyType_GenericAlloc(CLASS, 0))?;
        let new = iterator.borrow().cast::<Rows>();
        (*new).rows = rows;
        (*new).columns = PyMem_Calloc(arity, size_of::<Column>()).cast();
        if (*new).columns.is_null() {
            PyErr_NoMemory();
            return None;
        }
        for place in 0..arity {
            let column = Column::read(PyTuple_GetItem(columns, place as isize), rows)?;
            (*new).columns.add(place).write(column);
            (*new).made += 1;
        }
        if selected != none() {
            (*new).selected = bytes_of(selected)?.get(..rows)?.as_ptr();
            (*new).kept = Some(Owned::another(selected));
        }
        Some(iterator)
    }
}

unsafe extern "C" fn dealloc(object: Borrowed) {
    // SAFETY: Python calls this for objects of the class, once, when nothing refers to them.
    unsafe {
        let this = object.cast::<Rows>();
        for place in 0..(*this).made {
            (*this).columns.add(place).drop_in_place();
        }
        PyMem_Free((*this).columns.cast());
        (&raw mut (*this).kept).drop_in_place();
        (&raw mut (*this).tuple).drop_in_place();
        let class = Owned::new((*object).class);
        PyObject_Free(object.cast());
        drop(class);
    }
}

unsafe extern "C" fn iter(object: Borrowed) -> Borrowed {
    // SAFETY: Python calls this with an object of the class.
    unsafe { Owned::another(object) }.give()
}

/// The next row; null at the end, and with an exception.
unsafe extern "C" fn next(object: Borrowed) -> Borrowed {
    // SAFETY: Python calls this with an object of the class. Making values runs no code of an author's, which could call
    // this again meanwhile.
    let this = unsafe { &mut *object.cast::<Rows>() };
    // SAFETY: there are marks for all rows, and rows below the last are those of all columns.
    unsafe {
        if !this.selected.is_null() {
            while this.next < this.rows && *this.selected.add(this.next) == 0 {
                this.next += 1;
            }
        }
        if this.next >= this.rows {
            return null_mut();
        }
        let row = this.next;
        this.next += 1;
        if this.made == 1 {
            return (*this.columns).value(row).map_or(null_mut(), Owned::give);
        }
        fill(this, row).map_or(null_mut(), Owned::give)
    }
}

/// The values of a row, in the tuple of the row before if nothing else refers to it.
/// The loops of the SDK take it apart at once: none asks for its hash, which the tuples of Python 3.14 keep.
///
/// # Safety
/// `row` is one of the rows.
#[inline(always)]
unsafe fn fill(this: &mut Rows, row: usize) -> Option<Owned> {
    // SAFETY: as the caller says; a tuple that only this refers to may be written to.
    unsafe {
        let tuple = match this.tuple.take() {
            Some(tuple) if tuple.is_only() => tuple,
            _ => Owned::new(PyTuple_New(this.made as isize))?,
        };
        let items = layout::items_of_tuple(tuple.borrow());
        for place in 0..this.made {
            let value = (*this.columns.add(place)).value(row)?;
            // A new tuple has null in its places.
            let before = items.add(place).replace(value.give());
            drop(Owned::new(before));
        }
        let given = Owned::another(tuple.borrow());
        this.tuple = Some(tuple);
        Some(given)
    }
}
