//! How objects of `datetime` and `decimal`, lists and tuples are laid out, which is no part of the stable ABI.
//!
//! It has been the same from Python 3.3 (`decimal`) and 3.7 (`datetime`) to 3.14. It is checked when the module is
//! imported, on values that are made both ways; if one differs, what needs it is left to Python.

use core::ffi::{CStr, c_char, c_int};
use core::ops::RangeInclusive;
use core::ptr::{null, null_mut};

use crate::calendar;
use crate::decimal::{NativeWord, from_words, to_words};
use crate::kind::{DAY, Kind, SECOND, Unit};
use crate::python::{
    Borrowed, Builtin, EQUAL, Object, Owned, PyCapsule_Import, PyImport_ImportModule, PyList_New,
    PyList_SetItem, PyList_Type, PyLong_AsLongLong, PyObject_CallObject, PyObject_GetAttrString,
    PyObject_RichCompareBool, PyTuple_New, PyTuple_SetItem, PyTuple_Type, PyType_GenericAlloc,
    PyUnicode_DecodeUTF8, is_of, none, truth,
};

/// The head of a date, a datetime and a time. Bytes of fields follow, those of numbers the highest first.
#[repr(C)]
struct Dated<const FIELDS: usize> {
    head: Object,
    hash: isize,
    has_zone: u8,
    fields: [u8; FIELDS],
}

/// A datetime with 10 bytes of fields, or a time with 6.
#[repr(C)]
struct Timed<const FIELDS: usize> {
    head: Object,
    hash: isize,
    has_zone: u8,
    fields: [u8; FIELDS],
    fold: u8,
    /// Only where `has_zone`.
    zone: Borrowed,
}

#[repr(C)]
struct Span {
    head: Object,
    hash: isize,
    days: i32,
    seconds: i32,
    micros: i32,
}

/// `datetime.datetime_CAPI`.
#[repr(C)]
struct Dates {
    date: Borrowed,
    datetime: Borrowed,
    time: Borrowed,
    span: Borrowed,
    zone: Borrowed,
    utc: Borrowed,
    new_date: unsafe extern "C" fn(c_int, c_int, c_int, Borrowed) -> Borrowed,
    new_datetime: unsafe extern "C" fn(
        c_int,
        c_int,
        c_int,
        c_int,
        c_int,
        c_int,
        c_int,
        Borrowed,
        Borrowed,
    ) -> Borrowed,
    new_time: unsafe extern "C" fn(c_int, c_int, c_int, c_int, Borrowed, Borrowed) -> Borrowed,
    new_span: unsafe extern "C" fn(c_int, c_int, c_int, c_int, Borrowed) -> Borrowed,
}

/// Words that a decimal holds in itself (`_Py_DEC_MINALLOC`).
const WORDS: usize = 4;

/// A decimal: `PyDecObject`, with libmpdec's `mpd_t` in it.
#[repr(C)]
struct Decimal {
    head: Object,
    hash: isize,
    flags: u8,
    exponent: isize,
    digits: isize,
    length: isize,
    allocated: isize,
    data: *const NativeWord,
    words: [NativeWord; WORDS],
}

/// A decimal's flags: negative; infinite or not a number; its words are in itself.
const NEGATIVE: u8 = 1;
const SPECIAL: u8 = 2 | 4 | 8;
const WITHIN: u8 = 16 | 32;

/// The days that a duration may have.
pub(crate) const SPANS: RangeInclusive<i64> = -999_999_999..=999_999_999;

/// A list.
#[repr(C)]
struct List {
    head: Object,
    length: isize,
    items: *const Borrowed,
    allocated: isize,
}

/// Where in a tuple its items begin; 0 if they are somewhere else than in a tuple that was looked at.
static mut TUPLE_ITEMS: usize = 0;
/// Whether lists are as expected.
static mut KNOWS_LISTS: bool = false;
/// Null if dates are left to Python.
static mut DATES: *const Dates = null();
/// The class of decimals; null if they are left to Python.
static mut DECIMAL: Borrowed = null_mut();

/// Looks where everything is, once.
///
/// # Safety
/// Python runs, and no other function of this crate does.
pub(crate) unsafe fn find() {
    // SAFETY: as the caller says. What is found is used only after it was checked.
    unsafe {
        DATES = PyCapsule_Import(c"datetime.datetime_CAPI".as_ptr(), 0).cast();
        if !DATES.is_null() && !are_dates_as_expected().unwrap_or(false) {
            DATES = null();
        }
        KNOWS_LISTS = are_lists_as_expected().unwrap_or(false);
        TUPLE_ITEMS = find_items_of_tuples().unwrap_or(0);
        if let Some(class) = attribute(c"decimal".as_ptr(), c"Decimal".as_ptr()) {
            // Never given back, as the module is never unloaded.
            DECIMAL = class.give();
            if !are_decimals_as_expected().unwrap_or(false) {
                DECIMAL = null_mut();
            }
        }
    }
}

/// Whether values of such a column can be read and made here.
pub(crate) fn knows(kind: Kind) -> bool {
    // SAFETY: written once, while the module was imported.
    unsafe {
        match kind {
            Kind::Date32
            | Kind::Date64
            | Kind::Time32(_)
            | Kind::Time64
            | Kind::Timestamp { .. }
            | Kind::Duration(_) => !DATES.is_null(),
            Kind::Decimal { .. } => !DECIMAL.is_null(),
            _ => true,
        }
    }
}

/// An attribute of a module.
unsafe fn attribute(module: *const c_char, name: *const c_char) -> Option<Owned> {
    // SAFETY: both are texts of C.
    unsafe {
        let module = Owned::new(PyImport_ImportModule(module))?;
        Owned::new(PyObject_GetAttrString(module.borrow(), name))
    }
}

/// What a class says about the size of its objects: `__basicsize__` is the bytes that do not depend on their length,
/// `__itemsize__` those that do.
///
/// # Safety
/// `class` is an object.
pub(crate) unsafe fn size_of_objects(class: Borrowed, which: &CStr) -> Option<usize> {
    // SAFETY: as the caller says.
    unsafe {
        let size = Owned::new(PyObject_GetAttrString(class, which.as_ptr()))?;
        PyLong_AsLongLong(size.borrow()).try_into().ok()
    }
}

/// Whether objects of `class` are as long as a `T`: nothing behind it must be read.
unsafe fn is_as_long_as<T>(class: Borrowed) -> Option<bool> {
    // SAFETY: as the caller says.
    unsafe { Some(size_of_objects(class, c"__basicsize__")? == size_of::<T>()) }
}

unsafe fn are_lists_as_expected() -> Option<bool> {
    // SAFETY: the list is read only after its size was checked.
    unsafe {
        if !is_as_long_as::<List>(&raw mut PyList_Type)? {
            return Some(false);
        }
        let list = Owned::new(PyList_New(2))?;
        for (place, item) in [none(), truth(true)].into_iter().enumerate() {
            PyList_SetItem(list.borrow(), place as isize, Owned::another(item).give());
        }
        let found = &*list.borrow().cast::<List>();
        let items = [none(), truth(true)];
        Some(found.length == 2 && core::slice::from_raw_parts(found.items, 2) == items)
    }
}

unsafe fn find_items_of_tuples() -> Option<usize> {
    // SAFETY: a tuple has its items behind what all tuples have, and the size of that is asked for.
    unsafe {
        let begin = size_of_objects(&raw mut PyTuple_Type, c"__basicsize__")?;
        let tuple = Owned::new(PyTuple_New(2))?;
        for (place, item) in [none(), truth(true)].into_iter().enumerate() {
            PyTuple_SetItem(tuple.borrow(), place as isize, Owned::another(item).give());
        }
        let items = tuple.borrow().byte_add(begin).cast::<Borrowed>();
        let found = core::slice::from_raw_parts(items, 2) == [none(), truth(true)];
        Some(if found { begin } else { 0 })
    }
}

/// The items of a list; None for any other object, and if lists are left to Python.
///
/// # Safety
/// `object` is an object. The slice must not be used after code of an author's has run.
pub(crate) unsafe fn items_of_list<'list>(object: Borrowed) -> Option<&'list [Borrowed]> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe {
        if !KNOWS_LISTS || !is_of(object, Builtin::List) {
            return None;
        }
        let list = &*object.cast::<List>();
        if list.length == 0 {
            return Some(&[]);
        }
        Some(core::slice::from_raw_parts(
            list.items,
            list.length as usize,
        ))
    }
}

/// Whether [`items_of_tuple`] may be used.
pub(crate) fn knows_tuples() -> bool {
    // SAFETY: written once, while the module was imported.
    unsafe { TUPLE_ITEMS != 0 }
}

/// Where the items of a tuple are.
///
/// # Safety
/// [`knows_tuples`], and `tuple` is one.
#[inline(always)]
pub(crate) unsafe fn items_of_tuple(tuple: Borrowed) -> *mut Borrowed {
    // SAFETY: as the caller says.
    unsafe { tuple.byte_add(TUPLE_ITEMS).cast() }
}

/// Whether [`set_only_item`] may be used.
pub(crate) fn knows_lists() -> bool {
    // SAFETY: written once, while the module was imported.
    unsafe { KNOWS_LISTS }
}

/// Puts an item into a list of one in place of the one that is there; None if it has not one.
///
/// # Safety
/// [`knows_lists`], and `list` is one.
#[inline(always)]
pub(crate) unsafe fn set_only_item(list: Borrowed, item: Owned) -> Option<Owned> {
    // SAFETY: as the caller says.
    unsafe {
        let list = &*list.cast::<List>();
        if list.length != 1 {
            return None;
        }
        Owned::new(list.items.cast_mut().replace(item.give()))
    }
}

unsafe fn are_dates_as_expected() -> Option<bool> {
    // 2001-02-03 04:05:06.700008, and the span from 1970 to there.
    const MOMENT: i64 = (11_356 * 86_400 + 14_706) * SECOND + 700_008;
    // SAFETY: a value is read only after its size was checked, and those are made by the capsule's own functions.
    unsafe {
        let dates = &*DATES;
        if !(is_as_long_as::<Dated<4>>(dates.date)?
            && is_as_long_as::<Timed<10>>(dates.datetime)?
            && is_as_long_as::<Timed<6>>(dates.time)?
            && is_as_long_as::<Span>(dates.span)?)
        {
            return Some(false);
        }
        let day = date(MOMENT.div_euclid(DAY))?;
        let naive = datetime(MOMENT, false)?;
        let utc = datetime(-MOMENT, true)?;
        let time = time(MOMENT.rem_euclid(DAY))?;
        let span = duration(-MOMENT, Unit::Microsecond)?;
        Some(
            days_of(day.borrow()) == Some(11_356)
                && days_of(naive.borrow()).is_none()
                && moment_of(naive.borrow(), false) == Some(MOMENT)
                && moment_of(naive.borrow(), true).is_none()
                && moment_of(utc.borrow(), true) == Some(-MOMENT)
                && moment_of(utc.borrow(), false).is_none()
                && time_of(time.borrow()) == Some(MOMENT.rem_euclid(DAY))
                && span_of(span.borrow()) == Some(-MOMENT)
                && (*utc.borrow().cast::<Timed<10>>()).zone == dates.utc
                && can_be_set(&day, &date(0)?, |day| set_date(day, 0))
                && can_be_set(&naive, &datetime(-1, false)?, |naive| {
                    set_datetime(naive, -1)
                })
                && can_be_set(&utc, &datetime(-1, true)?, |utc| set_datetime(utc, -1)),
        )
    }
}

/// Whether an object, written anew, is the other one to Python as well.
unsafe fn can_be_set(ours: &Owned, theirs: &Owned, set: impl FnOnce(Borrowed)) -> bool {
    set(ours.borrow());
    // SAFETY: both are objects.
    unsafe { PyObject_RichCompareBool(ours.borrow(), theirs.borrow(), EQUAL) == 1 }
}

unsafe fn are_decimals_as_expected() -> Option<bool> {
    // The magnitude has three words on every machine that has words of nine digits.
    const TEXT: &str = "-12345678901234567890.123";
    const MAGNITUDE: u128 = 12_345_678_901_234_567_890_123;
    // SAFETY: the class is one, and a decimal is read only after its size was checked.
    unsafe {
        if !is_as_long_as::<Decimal>(DECIMAL)? {
            return Some(false);
        }
        let text = Owned::new(PyUnicode_DecodeUTF8(
            TEXT.as_ptr(),
            TEXT.len() as isize,
            null(),
        ))?;
        let arguments = Owned::new(PyTuple_New(1))?;
        if PyTuple_SetItem(arguments.borrow(), 0, text.give()) != 0 {
            return None;
        }
        let theirs = Owned::new(PyObject_CallObject(DECIMAL, arguments.borrow()))?;
        let decimal = &*theirs.borrow().cast::<Decimal>();
        let (words, length) = to_words::<NativeWord, WORDS>(MAGNITUDE)?;
        let within = decimal.flags == NEGATIVE | WITHIN
            && decimal.exponent == -3
            && decimal.digits == 23
            && decimal.length == length as isize
            && decimal.allocated == WORDS as isize
            && decimal.data == decimal.words.as_ptr()
            && decimal.words[..length] == words[..length];
        if !within || decimal_of(theirs.borrow()) != Some((true, MAGNITUDE, -3)) {
            return Some(false);
        }
        let ours = new_decimal(false, 7, 2)?;
        Some(can_be_set(&ours, &theirs, |ours| {
            set_decimal(ours, true, MAGNITUDE, -3);
        }))
    }
}

/// A date; None with an exception.
///
/// # Safety
/// [`knows`] dates; `days` is in [`calendar::DAYS`].
pub(crate) unsafe fn date(days: i64) -> Option<Owned> {
    let (year, month, day) = calendar::civil(days);
    // SAFETY: as the caller says.
    unsafe { Owned::new(((*DATES).new_date)(year, month, day, (*DATES).date)) }
}

/// A datetime, in UTC or without a zone, of microseconds since 1970; None with an exception.
///
/// # Safety
/// [`knows`] dates; the day of `micros` is in [`calendar::DAYS`].
pub(crate) unsafe fn datetime(micros: i64, utc: bool) -> Option<Owned> {
    let (year, month, day) = calendar::civil(micros.div_euclid(DAY));
    let (hour, minute, second, micro) = clock(micros.rem_euclid(DAY));
    // SAFETY: as the caller says.
    unsafe {
        let dates = &*DATES;
        let zone = if utc { dates.utc } else { none() };
        let class = dates.datetime;
        Owned::new((dates.new_datetime)(
            year, month, day, hour, minute, second, micro, zone, class,
        ))
    }
}

/// Makes a date another one.
///
/// # Safety
/// It was made by [`date`], and nothing else refers to it; `days` is in [`calendar::DAYS`].
#[inline(always)]
pub(crate) unsafe fn set_date(object: Borrowed, days: i64) {
    let (year, month, day) = calendar::civil(days);
    // SAFETY: as the caller says.
    unsafe {
        let date = object.cast::<Dated<4>>();
        (*date).hash = -1;
        (*date).fields = [(year >> 8) as u8, year as u8, month as u8, day as u8];
    }
}

/// Makes a datetime another one, with the zone that it has.
///
/// # Safety
/// It was made by [`datetime`], and nothing else refers to it; the day of `micros` is in [`calendar::DAYS`].
#[inline(always)]
pub(crate) unsafe fn set_datetime(object: Borrowed, micros: i64) {
    let (year, month, day) = calendar::civil(micros.div_euclid(DAY));
    let (hour, minute, second, micro) = clock(micros.rem_euclid(DAY));
    // SAFETY: as the caller says.
    unsafe {
        let moment = object.cast::<Timed<10>>();
        (*moment).hash = -1;
        (*moment).fields = [
            (year >> 8) as u8,
            year as u8,
            month as u8,
            day as u8,
            hour as u8,
            minute as u8,
            second as u8,
            (micro >> 16) as u8,
            (micro >> 8) as u8,
            micro as u8,
        ];
    }
}

/// A time of day of microseconds since midnight; None with an exception.
///
/// # Safety
/// [`knows`] dates; `micros` are within a day.
pub(crate) unsafe fn time(micros: i64) -> Option<Owned> {
    let (hour, minute, second, micro) = clock(micros);
    // SAFETY: as the caller says.
    unsafe {
        let dates = &*DATES;
        Owned::new((dates.new_time)(
            hour,
            minute,
            second,
            micro,
            none(),
            dates.time,
        ))
    }
}

/// A duration of so many of a unit; None with an exception.
///
/// # Safety
/// [`knows`] dates; its days are in [`SPANS`].
pub(crate) unsafe fn duration(count: i64, unit: Unit) -> Option<Owned> {
    let (days, rest) = (
        count.div_euclid(unit.a_day()),
        count.rem_euclid(unit.a_day()),
    );
    let micros = rest * unit.micros();
    let (second, micro) = ((micros / SECOND) as c_int, (micros % SECOND) as c_int);
    // SAFETY: as the caller says.
    unsafe {
        let dates = &*DATES;
        Owned::new((dates.new_span)(
            days as c_int,
            second,
            micro,
            0,
            dates.span,
        ))
    }
}

fn clock(micros: i64) -> (c_int, c_int, c_int, c_int) {
    let (seconds, micro) = ((micros / SECOND) as c_int, (micros % SECOND) as c_int);
    (seconds / 3600, seconds / 60 % 60, seconds % 60, micro)
}

/// Days since 1970 of an object of class `date`; None for any other, a datetime among them.
///
/// # Safety
/// [`knows`] dates; `object` is an object.
#[inline(always)]
pub(crate) unsafe fn days_of(object: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe {
        if (*object).class != (*DATES).date {
            return None;
        }
        let [high, low, month, day] = (*object.cast::<Dated<4>>()).fields;
        Some(day_of(high, low, month, day))
    }
}

/// Microseconds since 1970 of a datetime in UTC, or of one without a zone; None for any other object.
///
/// # Safety
/// [`knows`] dates; `object` is an object.
#[inline(always)]
pub(crate) unsafe fn moment_of(object: Borrowed, utc: bool) -> Option<i64> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe {
        let dates = &*DATES;
        if (*object).class != dates.datetime {
            return None;
        }
        let moment = &*object.cast::<Timed<10>>();
        if (moment.has_zone != 0) != utc || utc && moment.zone != dates.utc {
            return None;
        }
        let [high, low, month, day, hour, minute, second, micros @ ..] = moment.fields;
        let days = day_of(high, low, month, day);
        Some(days * DAY + clock_of(hour, minute, second, micros))
    }
}

/// Microseconds since midnight of a time without a zone; None for any other object.
///
/// # Safety
/// [`knows`] dates; `object` is an object.
#[inline(always)]
pub(crate) unsafe fn time_of(object: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe {
        if (*object).class != (*DATES).time {
            return None;
        }
        let time = &*object.cast::<Timed<6>>();
        let [hour, minute, second, micros @ ..] = time.fields;
        (time.has_zone == 0).then(|| clock_of(hour, minute, second, micros))
    }
}

/// The microseconds of a duration; None for any other object, and beyond 64 bits.
///
/// # Safety
/// [`knows`] dates; `object` is an object.
#[inline(always)]
pub(crate) unsafe fn span_of(object: Borrowed) -> Option<i64> {
    // SAFETY: as the caller says; the class says what the object is.
    unsafe {
        if (*object).class != (*DATES).span {
            return None;
        }
        let span = &*object.cast::<Span>();
        // Of microseconds, 64 bits hold fewer days than a duration may have.
        const DAYS: i64 = i64::MAX / DAY - 1;
        let days = i64::from(span.days);
        if !(-DAYS..=DAYS).contains(&days) {
            return None;
        }
        Some(days * DAY + i64::from(span.seconds) * SECOND + i64::from(span.micros))
    }
}

fn day_of(high: u8, low: u8, month: u8, day: u8) -> i64 {
    calendar::days(
        i32::from(high) << 8 | i32::from(low),
        month.into(),
        day.into(),
    )
}

fn clock_of(hour: u8, minute: u8, second: u8, [high, middle, low]: [u8; 3]) -> i64 {
    let [hour, minute, second] = [hour, minute, second].map(i64::from);
    let [high, middle, low] = [high, middle, low].map(i64::from);
    ((hour * 60 + minute) * 60 + second) * SECOND + (high << 16 | middle << 8 | low)
}

/// A decimal of a sign, a coefficient and a power of ten; None with an exception, and where there is no room
/// for it ([`has_room`]).
///
/// # Safety
/// [`knows`] decimals, or it is what finds out.
pub(crate) unsafe fn new_decimal(
    negative: bool,
    magnitude: u128,
    exponent: isize,
) -> Option<Owned> {
    // SAFETY: the class makes objects of the size of `Decimal`, as was checked.
    unsafe {
        let made = Owned::new(PyType_GenericAlloc(DECIMAL, 0))?;
        set_decimal(made.borrow(), negative, magnitude, exponent)?;
        Some(made)
    }
}

/// Makes a decimal another one; None where there is no room for it.
///
/// # Safety
/// It was made by [`new_decimal`], and nothing else refers to it.
pub(crate) unsafe fn set_decimal(
    object: Borrowed,
    negative: bool,
    magnitude: u128,
    exponent: isize,
) -> Option<()> {
    let (words, length) = to_words::<NativeWord, WORDS>(magnitude)?;
    // SAFETY: as the caller says.
    unsafe {
        let decimal = object.cast::<Decimal>();
        (*decimal).hash = -1;
        (*decimal).flags = WITHIN | if negative { NEGATIVE } else { 0 };
        (*decimal).exponent = exponent;
        (*decimal).digits = crate::decimal::digits(magnitude) as isize;
        (*decimal).length = length as isize;
        (*decimal).allocated = WORDS as isize;
        (*decimal).words = words;
        (*decimal).data = (&raw const (*decimal).words).cast();
    }
    Some(())
}

/// Whether a decimal has room for a coefficient.
pub(crate) fn has_room(magnitude: u128) -> bool {
    to_words::<NativeWord, WORDS>(magnitude).is_some()
}

/// Sign, coefficient and power of ten of a decimal; None for any other object, for infinity and NaN, and beyond 128
/// bits.
///
/// # Safety
/// [`knows`] decimals, or it is what finds out; `object` is an object.
#[inline(always)]
pub(crate) unsafe fn decimal_of(object: Borrowed) -> Option<(bool, u128, isize)> {
    // SAFETY: as the caller says; the class says what the object is, and `length` how many words it has.
    unsafe {
        if (*object).class != DECIMAL {
            return None;
        }
        let decimal = &*object.cast::<Decimal>();
        // 128 bits are at most five words.
        if decimal.flags & SPECIAL != 0 || decimal.length > 5 {
            return None;
        }
        let words = core::slice::from_raw_parts(decimal.data, decimal.length as usize);
        let magnitude = from_words(words)?;
        Some((decimal.flags & NEGATIVE != 0, magnitude, decimal.exponent))
    }
}
