//! A list of Python's values -> the buffers of a column.

use core::ptr::null;

use crate::bits::{bytes_for, copy};
use crate::decimal::{digits, scaled};
use crate::kind::{Kind, Unit};
use crate::layout;
use crate::plain::{ascii_of, float_of, int_of};
use crate::python::{
    _PyBytes_Resize, Borrowed, Builtin, Owned, PyBytes_FromStringAndSize, PyErr_Clear,
    PyFloat_AsDouble, PyLong_AsLongLong, PyLong_AsUnsignedLongLong, PyTuple_New, PyTuple_SetItem,
    bytes_of, bytes_to_write, has_raised, int, is_float, is_of, none, text_of, truth,
};

/// Which rows there are, and which of them are null whatever their values.
pub(crate) enum Marks<'marks> {
    /// As many rows as values.
    None,
    /// A byte for each value: 0 makes its row null.
    Valid(&'marks [u8]),
    /// A byte for each row: 1 for those that the values are of, in their order; the others are null.
    Selected(&'marks [u8]),
}

/// `(null count, bitmap, *buffers)` of values, where None is null; the bitmap is empty without nulls. Declines if any
/// value is not the type's as it is.
///
/// # Safety
/// `values` is an object.
pub(crate) unsafe fn encode(kind: Kind, values: Borrowed, marks: &Marks<'_>) -> Option<Owned> {
    // SAFETY: as the caller says. No code of an author's runs in here that could change the list.
    unsafe {
        if !layout::knows(kind) {
            return None;
        }
        let values = layout::items_of_list(values)?;
        let given = values.len();
        let rows = match marks {
            Marks::None => given,
            Marks::Valid(valid) if valid.len() == given => given,
            Marks::Valid(_) => return None,
            Marks::Selected(selected) => selected.len(),
        };
        let mut encoder = Encoder::new(kind, rows)?;
        let mut next = 0;
        for row in 0..rows {
            let value = match marks {
                Marks::None => values[row],
                Marks::Valid(valid) if valid[row] == 0 => none(),
                Marks::Valid(_) => values[row],
                Marks::Selected(selected) if selected[row] == 0 => none(),
                Marks::Selected(_) => {
                    next += 1;
                    *values.get(next - 1)?
                }
            };
            encoder.push(value)?;
        }
        if matches!(marks, Marks::Selected(_)) && next != given {
            return None;
        }
        encoder.finish([])
    }
}

/// A column to which values are added one by one.
pub(crate) struct Encoder {
    kind: Kind,
    bitmap: Bytes,
    out: Out,
    /// Where the next value goes.
    row: usize,
    nulls: usize,
}

impl Encoder {
    /// None with an exception.
    pub(crate) fn new(kind: Kind, rows: usize) -> Option<Self> {
        Some(Self {
            kind,
            bitmap: Bytes::zeros(bytes_for(rows))?,
            out: Out::new(kind, rows)?,
            row: 0,
            nulls: 0,
        })
    }

    /// How many rows there are by now.
    pub(crate) const fn rows(&self) -> usize {
        self.row
    }

    /// Adds a value, where None is null. If it is not one of the type as it is, nothing is added.
    ///
    /// # Safety
    /// `value` is an object, and there are fewer rows than this was made for.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, value: Borrowed) -> Option<()> {
        // SAFETY: as the caller says.
        unsafe {
            if value == none() {
                self.push_null();
                return Some(());
            }
            self.out.put(self.kind, self.row, value)?;
            self.bitmap.set_bit(self.row);
        }
        self.row += 1;
        Some(())
    }

    /// # Safety
    /// There are fewer rows than this was made for.
    #[inline(always)]
    pub(crate) unsafe fn push_null(&mut self) {
        // SAFETY: as the caller says.
        unsafe { self.out.null(self.row) };
        self.nulls += 1;
        self.row += 1;
    }

    /// `(*first, null count, bitmap, *buffers)`; the bitmap is empty without nulls. None with an exception.
    pub(crate) fn finish<const COUNT: usize>(self, first: [Owned; COUNT]) -> Option<Owned> {
        let bitmap = match self.nulls {
            0 => Bytes::zeros(0)?,
            _ => self.bitmap,
        };
        self.out.finish(first, self.nulls, bitmap)
    }
}

/// Bytes that are being written: an object that nothing else refers to.
struct Bytes {
    object: Owned,
    start: *mut u8,
}

impl Bytes {
    /// None with an exception.
    fn new(length: usize) -> Option<Self> {
        // SAFETY: without bytes to copy, the object is made with room for them.
        let object = unsafe {
            Owned::new(PyBytes_FromStringAndSize(
                null(),
                isize::try_from(length).ok()?,
            ))?
        };
        Self::of(object)
    }

    fn zeros(length: usize) -> Option<Self> {
        let bytes = Self::new(length)?;
        // SAFETY: there is room for as many.
        unsafe { bytes.start.write_bytes(0, length) };
        Some(bytes)
    }

    fn of(object: Owned) -> Option<Self> {
        // SAFETY: nothing else refers to the object.
        let start = unsafe { bytes_to_write(object.borrow())? };
        Some(Self { object, start })
    }

    /// Another length; None with an exception.
    fn resized(self, length: usize) -> Option<Self> {
        let mut object = self.object.give();
        // SAFETY: nothing else refers to the object. If it fails, it frees the object and leaves null.
        unsafe { _PyBytes_Resize(&mut object, isize::try_from(length).ok()?) };
        Self::of(Owned::new(object)?)
    }

    /// # Safety
    /// There is a bit for `row`.
    #[inline(always)]
    unsafe fn set_bit(&mut self, row: usize) {
        // SAFETY: as the caller says.
        unsafe { *self.start.add(row >> 3) |= 1 << (row & 7) };
    }

    /// # Safety
    /// There is a slot for `row`.
    #[inline(always)]
    unsafe fn set<T>(&mut self, row: usize, value: T) {
        // SAFETY: as the caller says.
        unsafe { self.start.cast::<T>().add(row).write_unaligned(value) };
    }
}

/// Text or binary values, one after the other.
struct Data {
    bytes: Bytes,
    room: usize,
    /// How many bytes its offsets can count.
    most: usize,
    length: usize,
    large: bool,
}

/// The buffers of a column.
struct Out {
    /// Slots or offsets.
    first: Bytes,
    data: Option<Data>,
}

impl Out {
    fn new(kind: Kind, rows: usize) -> Option<Self> {
        let Some(offset) = kind.offset() else {
            // What is beneath a null is 0.
            let length = kind
                .width()
                .map_or(Some(bytes_for(rows)), |width| rows.checked_mul(width))?;
            return Some(Self {
                first: Bytes::zeros(length)?,
                data: None,
            });
        };
        let first = Bytes::zeros(rows.checked_add(1)?.checked_mul(offset)?)?;
        let large = offset == 8;
        let most = if large { isize::MAX } else { i32::MAX as isize } as usize;
        // Most texts are shorter.
        let room = rows.saturating_mul(16).min(most);
        let data = Data {
            bytes: Bytes::new(room)?,
            room,
            most,
            length: 0,
            large,
        };
        Some(Self {
            first,
            data: Some(data),
        })
    }

    /// # Safety
    /// `row` is one of the rows.
    #[inline(always)]
    unsafe fn null(&mut self, row: usize) {
        if let Some(data) = &self.data {
            // SAFETY: there is one more offset than rows.
            unsafe { data.set_end(&mut self.first, row) };
        }
    }

    /// Writes a value; None if it is not one of the type as it is.
    ///
    /// # Safety
    /// `row` is one of the rows, `value` an object, and `kind` what this was made for.
    #[inline(always)]
    unsafe fn put(&mut self, kind: Kind, row: usize, value: Borrowed) -> Option<()> {
        let first = &mut self.first;
        // SAFETY: as the caller says, which is what each of these asks for.
        unsafe {
            match kind {
                Kind::Bool => {
                    if value == truth(true) {
                        first.set_bit(row);
                    } else if value != truth(false) {
                        return None;
                    }
                }
                Kind::Int8 => first.set(row, i8::try_from(signed(value)?).ok()?),
                Kind::Int16 => first.set(row, i16::try_from(signed(value)?).ok()?),
                Kind::Int32 => first.set(row, i32::try_from(signed(value)?).ok()?),
                Kind::Int64 => first.set(row, signed(value)?),
                Kind::UInt8 => first.set(row, u8::try_from(signed(value)?).ok()?),
                Kind::UInt16 => first.set(row, u16::try_from(signed(value)?).ok()?),
                Kind::UInt32 => first.set(row, u32::try_from(signed(value)?).ok()?),
                Kind::UInt64 => first.set(row, unsigned(value)?),
                Kind::Float32 => {
                    let wide = float(value, 1 << f32::MANTISSA_DIGITS)?;
                    let narrow = wide as f32;
                    // A finite number that becomes infinite does not fit. (Digits that a float32 has not are cut: that
                    // is what an author who declares one asks for, and what `struct` does.)
                    if narrow.is_infinite() && wide.is_finite() {
                        return None;
                    }
                    first.set(row, narrow);
                }
                Kind::Float64 => first.set(row, float(value, 1 << f64::MANTISSA_DIGITS)?),
                Kind::Date32 => first.set(row, layout::days_of(value)? as i32),
                Kind::Date64 => first.set(row, layout::days_of(value)? * Unit::Millisecond.a_day()),
                Kind::Time32(unit) => {
                    first.set(row, exactly(layout::time_of(value)?, unit)? as i32)
                }
                Kind::Time64 => first.set(row, layout::time_of(value)?),
                Kind::Timestamp { unit, utc } => {
                    first.set(row, exactly(layout::moment_of(value, utc)?, unit)?);
                }
                Kind::Duration(unit) => first.set(row, exactly(layout::span_of(value)?, unit)?),
                Kind::Decimal {
                    width,
                    precision,
                    scale,
                } => {
                    let number = unscaled(value, precision, scale)?;
                    match width {
                        4 => first.set(row, number as i32),
                        8 => first.set(row, number as i64),
                        _ => first.set(row, number),
                    }
                }
                Kind::FixedBinary(width) => {
                    let width = width as usize;
                    let bytes = bytes_of(value).filter(|bytes| bytes.len() == width)?;
                    copy(bytes, first.start.add(row * width));
                }
                Kind::Binary | Kind::LargeBinary | Kind::Utf8 | Kind::LargeUtf8 => {
                    let bytes = if !kind.is_text() {
                        bytes_of(value)?
                    } else if let Some(text) = ascii_of(value) {
                        text
                    } else {
                        text_of(value)?
                    };
                    let data = self.data.as_mut()?;
                    data.push(bytes)?;
                    data.set_end(first, row);
                }
            }
        }
        Some(())
    }

    /// `(*first, null count, bitmap, *buffers)`; None with an exception.
    fn finish<const COUNT: usize>(
        self,
        first: [Owned; COUNT],
        nulls: usize,
        bitmap: Bytes,
    ) -> Option<Owned> {
        // SAFETY: a tuple's items are given to it, as many as it has places.
        unsafe {
            let data = match self.data {
                Some(data) => Some(data.bytes.resized(data.length)?),
                None => None,
            };
            let count = int(nulls as i64)?;
            let items = [
                Some(count),
                Some(bitmap.object),
                Some(self.first.object),
                data.map(|data| data.object),
            ];
            let count = COUNT + items.iter().flatten().count();
            let tuple = Owned::new(PyTuple_New(count as isize))?;
            let items = first.into_iter().chain(items.into_iter().flatten());
            for (place, item) in items.enumerate() {
                if PyTuple_SetItem(tuple.borrow(), place as isize, item.give()) != 0 {
                    return None;
                }
            }
            Some(tuple)
        }
    }
}

impl Data {
    /// Adds some more bytes; None with an exception, and where there are more than offsets can say.
    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let length = self.length.checked_add(bytes.len())?;
        if length > self.room {
            self.grow(length)?;
        }
        // SAFETY: there is room.
        unsafe { copy(bytes, self.bytes.start.add(self.length)) };
        self.length = length;
        Some(())
    }

    #[cold]
    fn grow(&mut self, length: usize) -> Option<()> {
        if length > self.most {
            return None;
        }
        let mut room = length.saturating_mul(2).min(self.most);
        let mut bigger = Bytes::new(room);
        if bigger.is_none() {
            // Where there is no memory for more, there may be for this.
            PyErr_Clear();
            room = length;
            bigger = Bytes::new(room);
        }
        let bigger = bigger?;
        // SAFETY: both have room for what is there, and are two objects.
        unsafe {
            bigger
                .start
                .copy_from_nonoverlapping(self.bytes.start, self.length)
        };
        (self.bytes, self.room) = (bigger, room);
        Some(())
    }

    /// Writes the offset behind `row`.
    ///
    /// # Safety
    /// It is one of the rows that `offsets` were made for.
    #[inline(always)]
    unsafe fn set_end(&self, offsets: &mut Bytes, row: usize) {
        // SAFETY: as the caller says.
        unsafe {
            if self.large {
                offsets.set(row + 1, self.length as i64);
            } else {
                offsets.set(row + 1, self.length as i32);
            }
        }
    }
}

/// A whole number of 64 bits; None for any other, and for what is no `int`.
///
/// # Safety
/// `value` is an object.
#[inline(always)]
unsafe fn signed(value: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says.
    unsafe {
        if let Some(number) = int_of(value) {
            return Some(number);
        }
        if !is_of(value, Builtin::Int) {
            return None;
        }
        let number = PyLong_AsLongLong(value);
        (number != -1 || !has_raised()).then_some(number)
    }
}

/// # Safety
/// `value` is an object.
#[inline(always)]
unsafe fn unsigned(value: Borrowed) -> Option<u64> {
    // SAFETY: as the caller says.
    unsafe {
        if !is_of(value, Builtin::Int) {
            return None;
        }
        let number = PyLong_AsUnsignedLongLong(value);
        (number != u64::MAX || !has_raised()).then_some(number)
    }
}

/// A float, or a whole number below `exact` as one: a float may not hold all digits of another. None where that does not go.
///
/// # Safety
/// `value` is an object.
#[inline(always)]
unsafe fn float(value: Borrowed, exact: i64) -> Option<f64> {
    // SAFETY: as the caller says.
    unsafe {
        if let Some(number) = float_of(value) {
            return Some(number);
        }
        if !is_float(value) {
            let number = signed(value)?;
            return (-exact..=exact).contains(&number).then_some(number as f64);
        }
        let number = PyFloat_AsDouble(value);
        (number != -1.0 || !has_raised()).then_some(number)
    }
}

/// Microseconds in a unit; None if something would be lost.
#[inline(always)]
fn exactly(micros: i64, unit: Unit) -> Option<i64> {
    match unit {
        Unit::Microsecond => Some(micros),
        _ => (micros % unit.micros() == 0).then(|| micros / unit.micros()),
    }
}

/// A decimal in units of its column's last digit; None if something would be lost.
///
/// # Safety
/// `value` is an object, and decimals are known.
#[inline(always)]
unsafe fn unscaled(value: Borrowed, precision: u8, scale: i8) -> Option<i128> {
    // SAFETY: as the caller says.
    let (negative, magnitude, exponent) = unsafe { layout::decimal_of(value)? };
    let magnitude = match exponent + isize::from(scale) {
        0 => magnitude,
        exponent => scaled(magnitude, exponent.try_into().ok()?)?,
    };
    if digits(magnitude) > precision.into() {
        return None;
    }
    let number = i128::try_from(magnitude).ok()?;
    Some(if negative { -number } else { number })
}
