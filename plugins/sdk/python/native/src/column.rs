//! A column that is read: its buffers, looked through once, and then its values row by row.

use core::ops::Range;
use core::ptr::null;

use crate::bits::bytes_for;
use crate::calendar::DAYS;
use crate::kind::{Kind, Unit};
use crate::known::{Key, Known};
use crate::layout::{self, SPANS};
use crate::plain::{self, Again};
use crate::python::{
    Borrowed, Builtin, Owned, PyBytes_FromStringAndSize, PyFloat_FromDouble,
    PyLong_FromUnsignedLongLong, PyTuple_GetItem, PyTuple_Size, bytes_of, int, is_of, none,
    text_of, truth,
};

/// A column, whose buffers hold what its rows need: reading one cannot fail, but for memory.
pub(crate) struct Column {
    values: Values,
    /// One byte for each row, 0 for null; or null, where no row is.
    valid: *const u8,
    known: Known,
    again: Again,
    /// Keeps the buffers.
    _given: Owned,
}

enum Values {
    /// Slots of one width, or bits.
    Slots(Kind, *const u8),
    /// Text or binary values between offsets.
    Ranges {
        text: bool,
        large: bool,
        offsets: *const u8,
        data: *const u8,
    },
}

impl Column {
    /// Reads `(format, valid, *buffers)`, of at least `rows` rows. Declines what cannot be read as it is.
    ///
    /// # Safety
    /// `given` is an object.
    pub(crate) unsafe fn read(given: Borrowed, rows: usize) -> Option<Self> {
        // SAFETY: as the caller says. Items of a tuple live as long as it does, and the bytes of `bytes` never change.
        unsafe {
            if !is_of(given, Builtin::Tuple) || PyTuple_Size(given) < 3 {
                return None;
            }
            let item = |place| PyTuple_GetItem(given, place);
            let kind = Kind::of(text_of(item(0))?)?;
            if !layout::knows(kind) {
                return None;
            }
            let valid = match item(1) {
                marks if marks == none() => None,
                marks => Some(bytes_of(marks)?.get(..rows)?),
            };
            let first = bytes_of(item(2))?;
            let column = |values| Self {
                values,
                valid: valid.map_or(null(), <[u8]>::as_ptr),
                known: Known::new(),
                again: Again::new(),
                _given: Owned::another(given),
            };
            let Some(offset) = kind.offset() else {
                let length = match kind.width() {
                    Some(width) => rows.checked_mul(width)?,
                    None => bytes_for(rows),
                };
                check_slots(kind, first.get(..length)?, valid, rows)?;
                return Some(column(Values::Slots(kind, first.as_ptr())));
            };
            if PyTuple_Size(given) < 4 {
                return None;
            }
            let data = bytes_of(item(3))?;
            let column = column(Values::Ranges {
                text: kind.is_text(),
                large: offset == 8,
                offsets: first.as_ptr(),
                data: data.as_ptr(),
            });
            // Without rows there may be no offsets either.
            if rows > 0 {
                let used = if offset == 8 {
                    check_offsets(first, rows, data.len(), i64::from_le_bytes)?
                } else {
                    check_offsets(first, rows, data.len(), |bytes| {
                        i32::from_le_bytes(bytes).into()
                    })?
                };
                if kind.is_text() {
                    column.check_text(data, used, valid, rows)?;
                }
            }
            Some(column)
        }
    }

    /// That all texts are UTF-8, but for those beneath nulls; they are in the `used` part of `data`.
    ///
    /// # Safety
    /// The offsets were checked.
    unsafe fn check_text(
        &self,
        data: &[u8],
        used: Range<usize>,
        valid: Option<&[u8]>,
        rows: usize,
    ) -> Option<()> {
        let begin = used.start;
        let used = &data[used];
        if used.is_ascii() {
            return Some(());
        }
        let whole = core::str::from_utf8(used).ok();
        for row in 0..rows {
            if valid.is_some_and(|valid| valid[row] == 0) {
                continue;
            }
            // SAFETY: as the caller says.
            let (start, text) = unsafe { self.range(row) };
            let fits = match whole {
                Some(whole) => {
                    let start = start - begin;
                    whole.is_char_boundary(start) && whole.is_char_boundary(start + text.len())
                }
                None => core::str::from_utf8(text).is_ok(),
            };
            if !fits {
                return None;
            }
        }
        Some(())
    }

    /// Where the bytes of a row begin, and what they are.
    ///
    /// # Safety
    /// It is a column of ranges, and `row` is one of its rows.
    #[inline(always)]
    unsafe fn range(&self, row: usize) -> (usize, &[u8]) {
        let Values::Ranges {
            large,
            offsets,
            data,
            ..
        } = self.values
        else {
            return (0, &[]);
        };
        // SAFETY: offsets and data were checked to be there, and offsets not to be negative.
        unsafe {
            let (start, end) = if large {
                let offset = offsets.cast::<i64>().add(row);
                (
                    offset.read_unaligned() as usize,
                    offset.add(1).read_unaligned() as usize,
                )
            } else {
                let offset = offsets.cast::<i32>().add(row);
                (
                    offset.read_unaligned() as usize,
                    offset.add(1).read_unaligned() as usize,
                )
            };
            (
                start,
                core::slice::from_raw_parts(data.add(start), end - start),
            )
        }
    }

    /// The value of a row; None only with an exception. With `PASSING`, values are mostly let go before the row after the next.
    ///
    /// # Safety
    /// `row` is one of the rows.
    #[inline(always)]
    pub(crate) unsafe fn value<const PASSING: bool>(&mut self, row: usize) -> Option<Owned> {
        // SAFETY: buffers and values were checked when the column was read.
        unsafe {
            if !self.valid.is_null() && *self.valid.add(row) == 0 {
                return Some(Owned::another(none()));
            }
            match self.values {
                Values::Slots(kind, slots) => {
                    let again = PASSING.then_some(&mut self.again);
                    slot(kind, slots, row, &mut self.known, again)
                }
                Values::Ranges { text: false, .. } => {
                    let (_, bytes) = self.range(row);
                    Owned::new(PyBytes_FromStringAndSize(
                        bytes.as_ptr(),
                        bytes.len() as isize,
                    ))
                }
                Values::Ranges { .. } => {
                    let (_, text) = self.range(row);
                    // Not borrowed from the column, which is about to change what it knows.
                    let text = core::slice::from_raw_parts(text.as_ptr(), text.len());
                    let again = PASSING.then_some(&mut self.again);
                    let make = || match again {
                        Some(again) => again.text(text),
                        None => plain::text(text),
                    };
                    match Key::text(text) {
                        Some(key) => self.known.get(key, make),
                        None => make(),
                    }
                }
            }
        }
    }
}

/// That offsets are in order and within the data; from the first to the last of them.
fn check_offsets<const WIDTH: usize>(
    offsets: &[u8],
    rows: usize,
    length: usize,
    read: impl Fn([u8; WIDTH]) -> i64,
) -> Option<Range<usize>> {
    let needed = rows.checked_add(1)?.checked_mul(WIDTH)?;
    let mut offsets = offsets.get(..needed)?.chunks_exact(WIDTH);
    let mut read = || Some(read(offsets.next()?.try_into().ok()?));
    let first = read()?;
    let (mut last, mut ordered) = (first, first >= 0);
    while let Some(offset) = read() {
        ordered &= offset >= last;
        last = offset;
    }
    let end = usize::try_from(last)
        .ok()
        .filter(|end| ordered && *end <= length)?;
    Some(first as usize..end)
}

/// That Python's classes can hold all values, but for those beneath nulls: a loop over rows could not say so.
fn check_slots(kind: Kind, slots: &[u8], valid: Option<&[u8]>, rows: usize) -> Option<()> {
    let at = slots.as_ptr();
    let fits = |row: usize| -> bool {
        // SAFETY: there are slots for all rows.
        let (short, long) = unsafe {
            match kind.width() {
                Some(4) => (at.cast::<i32>().add(row).read_unaligned(), 0),
                Some(8) => (0, at.cast::<i64>().add(row).read_unaligned()),
                _ => (0, 0),
            }
        };
        match kind {
            Kind::Date32 => DAYS.contains(&short.into()),
            Kind::Date64 => {
                let a_day = Unit::Millisecond.a_day();
                long % a_day == 0 && DAYS.contains(&(long / a_day))
            }
            Kind::Time32(unit) => (0..unit.a_day()).contains(&short.into()),
            Kind::Time64 => (0..Unit::Microsecond.a_day()).contains(&long),
            Kind::Timestamp { unit, .. } => DAYS.contains(&long.div_euclid(unit.a_day())),
            Kind::Duration(unit) => SPANS.contains(&long.div_euclid(unit.a_day())),
            Kind::Decimal { width: 16, .. } => {
                // SAFETY: there are slots for all rows.
                layout::has_room(unsafe { wide(at, row) }.unsigned_abs())
            }
            _ => true,
        }
    };
    let checked = matches!(
        kind,
        Kind::Date32
            | Kind::Date64
            | Kind::Time32(_)
            | Kind::Time64
            | Kind::Timestamp { .. }
            | Kind::Duration(_)
            | Kind::Decimal { width: 16, .. }
    );
    let all = !checked
        || match valid {
            None => (0..rows).all(fits),
            Some(valid) => (0..rows).all(|row| valid[row] == 0 || fits(row)),
        };
    all.then_some(())
}

/// # Safety
/// There are slots of 16 bytes for `row` and all before it.
#[inline(always)]
unsafe fn wide(slots: *const u8, row: usize) -> i128 {
    // SAFETY: as the caller says.
    unsafe { slots.cast::<i128>().add(row).read_unaligned() }
}

/// The value of a slot; None only with an exception.
///
/// # Safety
/// The slot is there, and was checked.
#[inline(always)]
unsafe fn slot(
    kind: Kind,
    slots: *const u8,
    row: usize,
    known: &mut Known,
    again: Option<&mut Again>,
) -> Option<Owned> {
    // SAFETY: as the caller says.
    unsafe {
        macro_rules! read {
            ($type:ty) => {
                slots.cast::<$type>().add(row).read_unaligned()
            };
        }
        let int = |number, again: Option<&mut Again>| match again {
            Some(again) => again.int(number),
            None => int(number),
        };
        let float = |number, again: Option<&mut Again>| match again {
            Some(again) => again.float(number),
            None => Owned::new(PyFloat_FromDouble(number)),
        };
        let date = |days: i64, again: Option<&mut Again>, known: &mut Known| {
            known.get(Key::number(days as u64, 0), || match again {
                Some(again) => again.object(
                    |date| {
                        layout::set_date(date, days);
                        Some(())
                    },
                    || layout::date(days),
                ),
                None => layout::date(days),
            })
        };
        match kind {
            Kind::Bool => {
                let set = *slots.add(row >> 3) >> (row & 7) & 1 != 0;
                Some(Owned::another(truth(set)))
            }
            Kind::Int8 => int(read!(i8).into(), again),
            Kind::Int16 => int(read!(i16).into(), again),
            Kind::Int32 => int(read!(i32).into(), again),
            Kind::Int64 => int(read!(i64), again),
            Kind::UInt8 => int(read!(u8).into(), again),
            Kind::UInt16 => int(read!(u16).into(), again),
            Kind::UInt32 => int(read!(u32).into(), again),
            Kind::UInt64 => Owned::new(PyLong_FromUnsignedLongLong(read!(u64))),
            Kind::Float32 => float(read!(f32).into(), again),
            Kind::Float64 => float(read!(f64), again),
            Kind::FixedBinary(width) => {
                let at = slots.add(row * width as usize);
                Owned::new(PyBytes_FromStringAndSize(at, width as isize))
            }
            Kind::Date32 => date(read!(i32).into(), again, known),
            Kind::Date64 => date(read!(i64) / Unit::Millisecond.a_day(), again, known),
            Kind::Time32(unit) => layout::time(i64::from(read!(i32)) * unit.micros()),
            Kind::Time64 => layout::time(read!(i64)),
            Kind::Timestamp { unit, utc } => {
                let micros = read!(i64) * unit.micros();
                match again {
                    Some(again) => again.object(
                        |moment| {
                            layout::set_datetime(moment, micros);
                            Some(())
                        },
                        || layout::datetime(micros, utc),
                    ),
                    None => layout::datetime(micros, utc),
                }
            }
            Kind::Duration(unit) => layout::duration(read!(i64), unit),
            Kind::Decimal { width, scale, .. } => {
                let number = match width {
                    4 => read!(i32).into(),
                    8 => read!(i64).into(),
                    _ => wide(slots, row),
                };
                let key = Key::number(number as u64, (number >> 64) as u64);
                let (negative, magnitude) = (number < 0, number.unsigned_abs());
                let exponent = -isize::from(scale);
                let make = || layout::new_decimal(negative, magnitude, exponent);
                known.get(key, || match again {
                    Some(again) => again.object(
                        |decimal| layout::set_decimal(decimal, negative, magnitude, exponent),
                        make,
                    ),
                    None => make(),
                })
            }
            // Their values are no slots.
            Kind::Utf8 | Kind::LargeUtf8 | Kind::Binary | Kind::LargeBinary => None,
        }
    }
}
