//! An iterator over the rows of some columns: a value for one column, else a tuple that is used again. It may take the result of
//! each row before it gives the next one, and write it into a column.

use core::ffi::c_void;
use core::ptr::null_mut;

use crate::column::Column;
use crate::encode::Encoder;
use crate::kind::Kind;
use crate::layout;
use crate::python::{
    Borrowed, Builtin, DEALLOC, ITER, ITER_NEXT, NO_CALLS, Object, Owned, PyErr_NoMemory,
    PyList_Append, PyList_New, PyMem_Calloc, PyMem_Free, PyObject_Free, PyTuple_GetItem,
    PyTuple_New, PyTuple_Size, PyType_FromSpec, PyType_GenericAlloc, Slot, Spec, answer, bytes_of,
    class_of, int, is_exactly, is_of, none,
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
    /// In memory of our own; null if results are the caller's.
    results: *mut Results,
}

/// The results of rows.
struct Results {
    encoder: Encoder,
    /// A list of one, where the caller leaves the result of the row that was given last. Without one it is null.
    slot: Owned,
    /// Whether there is such a row, whose result was not taken yet.
    due: bool,
    /// How many rows were given.
    given: usize,
    /// From the first result that is none of the type as it is, a list of all.
    left: Option<Owned>,
}

impl Results {
    /// Takes the result of the row that was given last, whose turn it is; None with an exception. The caller lets it go, when nothing
    /// of this is borrowed.
    ///
    /// # Safety
    /// There is such a row.
    #[inline(always)]
    unsafe fn take(&mut self) -> Option<Owned> {
        self.due = false;
        // SAFETY: what is in the list is an object, and results are as many as rows at most.
        unsafe {
            let nothing = Owned::another(none());
            let value = match layout::set_only_item(self.slot.borrow(), nothing) {
                Some(value) => value,
                None => Owned::another(none()),
            };
            if self.left.is_some() || self.encoder.push(value.borrow()).is_none() {
                self.leave(value.borrow())?;
            }
            Some(value)
        }
    }

    #[cold]
    unsafe fn leave(&mut self, value: Borrowed) -> Option<()> {
        // SAFETY: they are a list and an object.
        unsafe {
            if self.left.is_none() {
                // Python will say what is wrong with the value.
                drop(Owned::new(answer(None))?);
                self.left = Some(Owned::new(PyList_New(0))?);
            }
            let left = self.left.as_ref()?;
            (PyList_Append(left.borrow(), value) == 0).then_some(())
        }
    }

    /// The row that comes next in the column has no result.
    #[inline(always)]
    unsafe fn skip(&mut self) {
        if self.left.is_none() {
            // SAFETY: there are no more than all rows.
            unsafe { self.encoder.push_null() };
        }
    }
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

/// The same, which takes what is left in `slot` for each row as a value of `kind`.
///
/// # Safety
/// All are objects.
pub(crate) unsafe fn calls(
    columns: Borrowed,
    rows: usize,
    selected: Borrowed,
    kind: Kind,
    slot: Borrowed,
) -> Option<Owned> {
    // SAFETY: as the caller says. The memory is written to before it is read.
    unsafe {
        if !layout::knows(kind) || !layout::knows_lists() || !is_exactly(slot, Builtin::List) {
            return None;
        }
        let iterator = over(columns, rows, selected)?;
        let encoder = Encoder::new(kind, rows)?;
        let results = PyMem_Calloc(1, size_of::<Results>()).cast::<Results>();
        if results.is_null() {
            PyErr_NoMemory();
            return None;
        }
        results.write(Results {
            encoder,
            slot: Owned::another(slot),
            due: false,
            given: 0,
            left: None,
        });
        (*iterator.borrow().cast::<Rows>()).results = results;
        Some(iterator)
    }
}

/// How many rows an iterator of [`calls`] has given; None for any other object.
///
/// # Safety
/// `object` is one.
pub(crate) unsafe fn given(object: Borrowed) -> Option<usize> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe { Some(results_of(object)?.as_ref()?.given) }
}

/// What an iterator of [`calls`] has taken, once: `(left, rows, null count, bitmap, *buffers)`. `left` are the results that are
/// not in the buffers, or None.
///
/// # Safety
/// `object` is one.
pub(crate) unsafe fn finish(object: Borrowed) -> Option<Owned> {
    // SAFETY: as the caller says; the class says what the object is. The memory is given back after what is in it was taken out.
    unsafe {
        let place = results_of(object)?;
        if place.is_null() {
            return None;
        }
        (*object.cast::<Rows>()).results = null_mut();
        let results = place.read();
        PyMem_Free(place.cast());
        let rows = int(results.encoder.rows() as i64)?;
        let left = results.left.unwrap_or_else(|| Owned::another(none()));
        results.encoder.finish([left, rows])
    }
}

unsafe fn results_of(object: Borrowed) -> Option<*mut Results> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe { (class_of(object) == CLASS).then(|| (*object.cast::<Rows>()).results) }
}

unsafe extern "C" fn dealloc(object: Borrowed) {
    // SAFETY: Python calls this for objects of the class, once, when nothing refers to them.
    unsafe {
        let this = object.cast::<Rows>();
        for place in 0..(*this).made {
            (*this).columns.add(place).drop_in_place();
        }
        PyMem_Free((*this).columns.cast());
        if !(*this).results.is_null() {
            (*this).results.drop_in_place();
            PyMem_Free((*this).results.cast());
        }
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
    // SAFETY: Python calls this with an object of the class. There are marks for all rows, and rows below the last are those of all
    // columns.
    unsafe {
        // A result that goes may run code of an author's (`__del__`), which finds this iterator in the frames of the loop and may ask it
        // for rows, or end it. So nothing is borrowed then, and all is looked at anew. What follows runs no such code.
        while let Some(results) = (*object.cast::<Rows>()).results.as_mut() {
            if !results.due {
                break;
            }
            let Some(result) = results.take() else {
                return null_mut();
            };
            drop(result);
        }
        let this = &mut *object.cast::<Rows>();
        let mut results = this.results.as_mut();
        if !this.selected.is_null() {
            while this.next < this.rows && *this.selected.add(this.next) == 0 {
                this.next += 1;
                if let Some(results) = &mut results {
                    results.skip();
                }
            }
        }
        if this.next >= this.rows {
            return null_mut();
        }
        let row = this.next;
        this.next += 1;
        if let Some(results) = results {
            results.due = true;
            results.given += 1;
        }
        if this.made == 1 {
            return (*this.columns)
                .value::<true>(row)
                .map_or(null_mut(), Owned::give);
        }
        fill(this, row).map_or(null_mut(), Owned::give)
    }
}

/// The values of a row, in the tuple of the row before if nothing else refers to it.
/// The loops of the SDK take it apart at once, or hold it until the next one (`_many`, `_store_many`): so nobody has asked for its
/// hash, which the tuples of Python 3.14 keep.
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
            let value = (*this.columns.add(place)).value::<true>(row)?;
            // A new tuple has null in its places.
            let before = items.add(place).replace(value.give());
            drop(Owned::new(before));
        }
        let given = Owned::another(tuple.borrow());
        this.tuple = Some(tuple);
        Some(given)
    }
}
