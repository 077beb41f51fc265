//! Functions that see one row at a time: NULL handling and the loop.
//!
//! A plain argument never sees NULL: a row with one gives NULL without a call. An `Option` does.

use super::Called;
use super::value::{Readable, Writable};
use crate::{Error, ErrorKind};
use arrow_array::Array;
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_schema::DataType;
use std::any::Any;
use std::fmt::Display;

/// A type of an argument of a row function: a readable value, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "a function cannot take `{Self}`",
    label = "not a type of an argument",
    note = "row by row: bool, i8 to i64, u8 to u64, f32, f64, &str, String, &[u8], Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, TimeDelta, Decimal<P, S>, or an Option of one",
    note = "whole columns: a reference to an Arrow array in every argument, such as &Int64Array or &ArrayRef"
)]
pub trait Argument<'a>: Sized {
    /// The column it is read from.
    type Column: Array + 'static;

    /// Its Arrow type.
    fn data_type() -> DataType;

    /// The rows that give NULL without a call.
    fn skips(column: &Self::Column) -> Option<&NullBuffer>;

    /// Reads the value of a row that is not skipped.
    ///
    /// # Errors
    ///
    /// What the value is, when the Rust type cannot hold it.
    ///
    /// # Safety
    ///
    /// `row` is less than the column's length.
    unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String>;
}

impl<'a, T: Readable<'a>> Argument<'a> for T {
    type Column = T::Column;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn skips(column: &Self::Column) -> Option<&NullBuffer> {
        column.nulls()
    }

    #[inline(always)]
    unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
        // SAFETY: the caller's promise.
        unsafe { T::read(column, row) }
    }
}

impl<'a, T: Readable<'a>> Argument<'a> for Option<T> {
    type Column = T::Column;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn skips(_column: &Self::Column) -> Option<&NullBuffer> {
        None
    }

    #[inline]
    unsafe fn read(column: &'a Self::Column, row: usize) -> Result<Self, String> {
        if column.is_null(row) {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { T::read(column, row) }.map(Some)
    }
}

/// A type that may be NULL or not: a value, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "a function cannot give `{Self}`",
    label = "not a type of a result",
    note = "row by row: bool, i8 to i64, u8 to u64, f32, f64, String, &str, Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, TimeDelta, Decimal<P, S>; an Option of one gives NULL, a Result rejects the row",
    note = "whole columns: an Arrow array such as Int64Array; an ArrayRef needs `#[function(output = \"first\")]`"
)]
pub trait Nullable {
    /// The value when there is one.
    type Value: Writable;

    /// Whether there may be none.
    const NULLABLE: bool;

    /// The value, None for NULL.
    fn value(self) -> Option<Self::Value>;
}

impl<T: Writable> Nullable for T {
    type Value = T;

    const NULLABLE: bool = false;

    #[inline(always)]
    fn value(self) -> Option<T> {
        Some(self)
    }
}

impl<T: Writable> Nullable for Option<T> {
    type Value = T;

    const NULLABLE: bool = true;

    #[inline(always)]
    fn value(self) -> Option<T> {
        self
    }
}

/// A type of a result of a row function: a value, an `Option` of one, or a `Result` of either with an error that borrows nothing.
#[diagnostic::on_unimplemented(
    message = "a function cannot give `{Self}`",
    label = "not a type of a result",
    note = "row by row: bool, i8 to i64, u8 to u64, f32, f64, String, &str, Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, TimeDelta, Decimal<P, S>; an Option of one gives NULL, a Result rejects the row",
    note = "whole columns: an Arrow array such as Int64Array; an ArrayRef needs `#[function(output = \"first\")]`"
)]
pub trait Returned {
    /// The value when there is one.
    type Value: Writable;

    /// The value, None for NULL.
    ///
    /// # Errors
    ///
    /// Why the row is rejected, or what ends the run.
    fn outcome(self) -> Result<Option<Self::Value>, Refusal>;
}

impl<T: Nullable> Returned for T {
    type Value = T::Value;

    #[inline(always)]
    fn outcome(self) -> Result<Option<Self::Value>, Refusal> {
        Ok(self.value())
    }
}

// `'static` tells the SDK's own error from others: an error that borrows from the arguments has no type that can be asked for.
impl<T: Nullable, E: Display + 'static> Returned for Result<T, E> {
    type Value = T::Value;

    #[inline]
    fn outcome(self) -> Result<Option<Self::Value>, Refusal> {
        self.map(Nullable::value).map_err(|error| refusal(&error))
    }
}

/// What an Err ends.
#[derive(Debug)]
pub enum Refusal {
    /// The row is rejected, for this reason.
    Row(String),
    /// The run.
    Run(Box<Error>),
}

#[cold]
pub(crate) fn refusal<E: Display + 'static>(error: &E) -> Refusal {
    match (error as &dyn Any).downcast_ref::<Error>() {
        None => Refusal::Row(error.to_string()),
        // What is wrong with the data is wrong with one row. So is what came in through `?`, mostly a value that did not parse.
        Some(error) if error.kind == ErrorKind::BadData || error.foreign => {
            Refusal::Row(error.message.clone())
        }
        Some(error) => Refusal::Run(Box::new(error.clone())),
    }
}

/// Calls `function` for each of `rows` rows that none of `skips` marks.
///
/// `function` is an author's function with the reading of its arguments around it; an Err rejects the row.
///
/// # Errors
///
/// The author's, if it is not one of the data, with its row.
#[inline]
pub fn apply<R: Returned>(
    rows: usize,
    skips: &[Option<&NullBuffer>],
    mut function: impl FnMut(usize) -> Result<R, String>,
) -> Result<Called, Error> {
    let mut loop_ = Loop::<R::Value> {
        gathered: R::Value::gather(rows),
        nulls: NullBufferBuilder::new(rows),
        rejected: Vec::new(),
    };
    let skipped = skips
        .iter()
        .fold(None, |all, more| NullBuffer::union(all.as_ref(), *more));
    let mut outcome = |row| function(row).map_err(Refusal::Row).and_then(R::outcome);
    match skipped.filter(|skipped| skipped.null_count() > 0) {
        None => {
            for row in 0..rows {
                loop_.take(row, outcome(row)).map_err(|error| *error)?;
            }
        }
        Some(skipped) => {
            for row in 0..rows {
                if skipped.is_valid(row) {
                    loop_.take(row, outcome(row)).map_err(|error| *error)?;
                } else {
                    loop_.null();
                }
            }
        }
    }
    Ok(loop_.finish())
}

/// The error with the row that it is about, unless it names one.
#[cold]
fn at_row(mut error: Box<Error>, row: usize) -> Box<Error> {
    error.row = error.row.or(u32::try_from(row).ok());
    error
}

struct Loop<T: Writable> {
    gathered: T::Gathered,
    nulls: NullBufferBuilder,
    rejected: Vec<(u32, String)>,
}

impl<T: Writable> Loop<T> {
    #[inline(always)]
    fn take(&mut self, row: usize, outcome: Result<Option<T>, Refusal>) -> Result<(), Box<Error>> {
        let added = match outcome {
            Ok(Some(value)) => value.add(&mut self.gathered),
            Ok(None) => {
                self.null();
                return Ok(());
            }
            Err(Refusal::Row(reason)) => Err(reason),
            Err(Refusal::Run(error)) => return Err(at_row(error, row)),
        };
        match added {
            // As long as there is no null this only counts.
            Ok(()) => self.nulls.append_non_null(),
            Err(reason) => self.reject(row, reason),
        }
        Ok(())
    }

    fn null(&mut self) {
        T::add_null(&mut self.gathered);
        self.nulls.append_null();
    }

    #[cold]
    fn reject(&mut self, row: usize, reason: String) {
        // A batch on the wire has at most u32::MAX rows.
        self.rejected.push((row as u32, reason));
        self.null();
    }

    fn finish(mut self) -> Called {
        Called {
            column: T::finish(self.gathered, self.nulls.finish()),
            rejected: self.rejected,
        }
    }
}
