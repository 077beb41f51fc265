//! The Rust types of single values: how each is read from a column and gathered into one.
//!
//! Everything here is resolved at compile time and inlined into one loop per function: a number is read without a bounds
//! check, which the loop has done for the whole batch, and gathered into memory reserved for the whole batch.

use arrow_array::builder::{BinaryBuilder, BooleanBufferBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use std::sync::Arc;

use crate::decimal::Decimal;

/// A type that a row function takes for a value that is not NULL.
#[diagnostic::on_unimplemented(
    message = "a function cannot take `{Self}`",
    label = "not a type of an argument",
    note = "row by row: bool, i8 to i64, u8 to u64, f32, f64, &str, String, &[u8], Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, TimeDelta, Decimal<P, S>, or an Option of one",
    note = "whole columns: a reference to an Arrow array in every argument, such as &Int64Array or &ArrayRef"
)]
pub trait Readable<'a>: Sized {
    /// The column it is read from.
    type Column: Array + 'static;

    /// Its Arrow type.
    fn data_type() -> DataType;

    /// Reads the value of a row.
    ///
    /// # Errors
    ///
    /// What the value is, when Arrow can hold it and the Rust type cannot.
    ///
    /// # Safety
    ///
    /// `row` is less than the column's length.
    unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String>;
}

/// A type that a row function gives for a value that is not NULL.
#[diagnostic::on_unimplemented(
    message = "a function cannot give `{Self}`",
    label = "not a type of a result",
    note = "row by row: bool, i8 to i64, u8 to u64, f32, f64, String, &str, Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, TimeDelta, Decimal<P, S>; an Option of one gives NULL, a Result rejects the row",
    note = "whole columns: an Arrow array such as Int64Array; an ArrayRef needs `#[function(output = \"first\")]`"
)]
pub trait Writable: Sized {
    /// Where values are gathered.
    type Gathered;

    /// Its Arrow type.
    fn data_type() -> DataType;

    /// Room for the values of that many rows.
    fn gather(rows: usize) -> Self::Gathered;

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// What the value is, when Arrow cannot hold it; nothing was added then.
    fn add(self, gathered: &mut Self::Gathered) -> Result<(), String>;

    /// Adds the value beneath a NULL.
    fn add_null(gathered: &mut Self::Gathered);

    /// The column, of as many rows as were added.
    fn finish(gathered: Self::Gathered, nulls: Option<NullBuffer>) -> ArrayRef;
}

macro_rules! numbers {
    ($($rust:ty => $arrow:ty),* $(,)?) => {$(
        impl<'a> Readable<'a> for $rust {
            type Column = PrimitiveArray<$arrow>;

            fn data_type() -> DataType {
                <$arrow>::DATA_TYPE
            }

            #[inline(always)]
            unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
                // SAFETY: the caller's promise.
                Ok(unsafe { column.value_unchecked(row) })
            }
        }

        impl Writable for $rust {
            type Gathered = Vec<$rust>;

            fn data_type() -> DataType {
                <$arrow>::DATA_TYPE
            }

            fn gather(rows: usize) -> Self::Gathered {
                Vec::with_capacity(rows)
            }

            #[inline(always)]
            fn add(self, gathered: &mut Self::Gathered) -> Result<(), String> {
                gathered.push(self);
                Ok(())
            }

            fn add_null(gathered: &mut Self::Gathered) {
                gathered.push(Default::default());
            }

            fn finish(gathered: Self::Gathered, nulls: Option<NullBuffer>) -> ArrayRef {
                Arc::new(PrimitiveArray::<$arrow>::new(gathered.into(), nulls))
            }
        }
    )*};
}

numbers! {
    i8 => Int8Type, i16 => Int16Type, i32 => Int32Type, i64 => Int64Type,
    u8 => UInt8Type, u16 => UInt16Type, u32 => UInt32Type, u64 => UInt64Type,
    f32 => Float32Type, f64 => Float64Type,
}

/// Types that Arrow stores as a number: `$read` and `$write` turn the number into the value and back, None when it does
/// not fit.
macro_rules! stored_as_numbers {
    ($([$($generics:tt)*] $rust:ty, $arrow:ty, $data_type:expr, $read:expr, $write:expr, $what:literal;)*) => {$(
        impl<'a, $($generics)*> Readable<'a> for $rust {
            type Column = PrimitiveArray<$arrow>;

            fn data_type() -> DataType {
                $data_type
            }

            #[inline]
            unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
                let read: fn(<$arrow as ArrowPrimitiveType>::Native) -> Option<Self> = $read;
                // SAFETY: the caller's promise.
                let stored = unsafe { column.value_unchecked(row) };
                read(stored).ok_or_else(|| format!("{stored} is out of the range of {}", $what))
            }
        }

        impl<$($generics)*> Writable for $rust {
            type Gathered = Vec<<$arrow as ArrowPrimitiveType>::Native>;

            fn data_type() -> DataType {
                $data_type
            }

            fn gather(rows: usize) -> Self::Gathered {
                Vec::with_capacity(rows)
            }

            #[inline]
            fn add(self, gathered: &mut Self::Gathered) -> Result<(), String> {
                let write: fn(Self) -> Option<<$arrow as ArrowPrimitiveType>::Native> = $write;
                let stored = write(self).ok_or_else(|| format!("{self} does not fit {}", $what))?;
                gathered.push(stored);
                Ok(())
            }

            fn add_null(gathered: &mut Self::Gathered) {
                gathered.push(0);
            }

            fn finish(gathered: Self::Gathered, nulls: Option<NullBuffer>) -> ArrayRef {
                let column = PrimitiveArray::<$arrow>::new(gathered.into(), nulls);
                Arc::new(column.with_data_type(<Self as Writable>::data_type()))
            }
        }
    )*};
}

/// Midnight, 1 January 1970, in the days that chrono counts from 1 January of the year 1.
const EPOCH: i32 = 719_163;

fn time_of(micros: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(
        seconds,
        micros.rem_euclid(1_000_000) as u32 * 1_000,
    )
}

/// Whether microseconds hold the time. chrono has nanoseconds, and shows a leap second as one of up to 2e9 of them; cut, both would
/// be another time.
fn is_whole(time: NaiveTime) -> bool {
    use chrono::Timelike;
    time.nanosecond() < 1_000_000_000 && time.nanosecond().is_multiple_of(1_000)
}

fn micros_of(time: NaiveTime) -> i64 {
    use chrono::Timelike;
    i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000)
}

stored_as_numbers! {
    [] NaiveDate, Date32Type, DataType::Date32,
        |days| NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH)?),
        |date| Some(chrono::Datelike::num_days_from_ce(&date) - EPOCH), "a date";
    [] NaiveTime, Time64MicrosecondType, DataType::Time64(TimeUnit::Microsecond),
        time_of, |time| is_whole(time).then(|| micros_of(time)), "a time of day in microseconds";
    [] NaiveDateTime, TimestampMicrosecondType, DataType::Timestamp(TimeUnit::Microsecond, None),
        |micros| DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc()),
        |at| is_whole(at.time()).then(|| at.and_utc().timestamp_micros()), "a timestamp in microseconds";
    [] DateTime<Utc>, TimestampMicrosecondType, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DateTime::from_timestamp_micros,
        |at| is_whole(at.time()).then(|| at.timestamp_micros()), "a timestamp in microseconds";
    [] TimeDelta, DurationMicrosecondType, DataType::Duration(TimeUnit::Microsecond),
        |micros| Some(TimeDelta::microseconds(micros)),
        |delta| delta.num_microseconds().filter(|_| delta.subsec_nanos() % 1_000 == 0), "a duration in microseconds";
    [const P: u8, const S: i8] Decimal<P, S>, Decimal128Type, DataType::Decimal128(P, S),
        |unscaled| Some(Decimal::from_unscaled(unscaled)),
        |decimal| decimal.fits().then(|| decimal.unscaled()), "its precision";
}

impl<'a> Readable<'a> for bool {
    type Column = BooleanArray;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    #[inline(always)]
    unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
        // SAFETY: the caller's promise.
        Ok(unsafe { column.value_unchecked(row) })
    }
}

impl Writable for bool {
    type Gathered = BooleanBufferBuilder;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn gather(rows: usize) -> Self::Gathered {
        BooleanBufferBuilder::new(rows)
    }

    #[inline]
    fn add(self, gathered: &mut Self::Gathered) -> Result<(), String> {
        gathered.append(self);
        Ok(())
    }

    fn add_null(gathered: &mut Self::Gathered) {
        gathered.append(false);
    }

    fn finish(mut gathered: Self::Gathered, nulls: Option<NullBuffer>) -> ArrayRef {
        Arc::new(BooleanArray::new(gathered.finish(), nulls))
    }
}

macro_rules! bytes {
    ($borrowed:ty, $owned:ty, $column:ty, $builder:ty, $data_type:expr, $own:expr) => {
        impl<'a> Readable<'a> for &'a $borrowed {
            type Column = $column;

            fn data_type() -> DataType {
                $data_type
            }

            #[inline]
            unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
                // SAFETY: the caller's promise.
                Ok(unsafe { column.value_unchecked(row) })
            }
        }

        impl<'a> Readable<'a> for $owned {
            type Column = $column;

            fn data_type() -> DataType {
                $data_type
            }

            #[inline]
            unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
                // SAFETY: the caller's promise.
                Ok(($own)(unsafe { column.value_unchecked(row) }))
            }
        }

        impl Writable for $owned {
            type Gathered = $builder;

            fn data_type() -> DataType {
                $data_type
            }

            fn gather(rows: usize) -> Self::Gathered {
                <$builder>::with_capacity(rows, 0)
            }

            #[inline]
            fn add(self, gathered: &mut Self::Gathered) -> Result<(), String> {
                gathered.append_value(self);
                Ok(())
            }

            fn add_null(gathered: &mut Self::Gathered) {
                gathered.append_null();
            }

            fn finish(mut gathered: Self::Gathered, _nulls: Option<NullBuffer>) -> ArrayRef {
                // The builder has kept count of the nulls by itself.
                Arc::new(gathered.finish())
            }
        }

        impl Writable for &$borrowed {
            type Gathered = $builder;

            fn data_type() -> DataType {
                $data_type
            }

            fn gather(rows: usize) -> Self::Gathered {
                <$builder>::with_capacity(rows, 0)
            }

            #[inline]
            fn add(self, gathered: &mut Self::Gathered) -> Result<(), String> {
                gathered.append_value(self);
                Ok(())
            }

            fn add_null(gathered: &mut Self::Gathered) {
                gathered.append_null();
            }

            fn finish(mut gathered: Self::Gathered, _nulls: Option<NullBuffer>) -> ArrayRef {
                Arc::new(gathered.finish())
            }
        }
    };
}

bytes!(
    str,
    String,
    StringArray,
    StringBuilder,
    DataType::Utf8,
    str::to_owned
);
bytes!(
    [u8],
    Vec<u8>,
    BinaryArray,
    BinaryBuilder,
    DataType::Binary,
    <[u8]>::to_vec
);
