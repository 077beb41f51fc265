//! Functions that see whole columns: every argument a reference to an Arrow array, the result an array.

use super::{Accepts, Called};
use crate::Error;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, LargeBinaryArray, LargeStringArray, PrimitiveArray,
    StringArray,
};
use arrow_schema::DataType;
use std::sync::Arc;

/// An array type that a function takes by reference.
#[diagnostic::on_unimplemented(
    message = "a function cannot take a column as `&{Self}`",
    label = "not a column type of an argument",
    note = "these are: Int8Array to Int64Array, UInt8Array to UInt64Array, Float32Array, Float64Array, BooleanArray, StringArray, LargeStringArray, BinaryArray, LargeBinaryArray, Date*Array, Time*Array, Timestamp*Array (no zone), Duration*Array, and ArrayRef for any"
)]
pub trait Column: Sized {
    /// The types of columns it takes.
    fn accepts() -> Accepts;

    /// The column as this type.
    ///
    /// # Errors
    ///
    /// Internal when it is another type, which `open` would have refused.
    fn of(arguments: &[ArrayRef], index: usize) -> Result<&Self, Error>;
}

/// An array type whose data type is known without an array.
#[diagnostic::on_unimplemented(
    message = "a function cannot give a column of `{Self}`",
    label = "not a column type of a result",
    note = "these are: Int8Array to Int64Array, UInt8Array to UInt64Array, Float32Array, Float64Array, BooleanArray, StringArray, LargeStringArray, BinaryArray, LargeBinaryArray, Date*Array, Time*Array, Timestamp*Array (no zone), Duration*Array",
    note = "for an ArrayRef of the first argument's type write `#[function(output = \"first\")]`"
)]
pub trait Typed: Array + 'static {
    /// The data type.
    fn data_type() -> DataType;
}

impl<T: Typed> Column for T {
    fn accepts() -> Accepts {
        Accepts::Exact(<T as Typed>::data_type())
    }

    fn of(arguments: &[ArrayRef], index: usize) -> Result<&Self, Error> {
        super::argument(arguments, index)
    }
}

impl Column for ArrayRef {
    fn accepts() -> Accepts {
        Accepts::Any
    }

    fn of(arguments: &[ArrayRef], index: usize) -> Result<&Self, Error> {
        arguments
            .get(index)
            .ok_or_else(|| Error::internal(format!("argument {index} is missing")))
    }
}

/// Array types with a fixed data type, primitive ones among them.
macro_rules! typed {
    ($($array:ty => $data_type:expr),* $(,)?) => {$(
        impl Typed for $array {
            fn data_type() -> DataType {
                $data_type
            }
        }
    )*};
}

macro_rules! primitive {
    ($($arrow:ty),* $(,)?) => { typed! { $(PrimitiveArray<$arrow> => <$arrow>::DATA_TYPE),* } };
}

primitive! {
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type, Float32Type, Float64Type,
    Date32Type, Date64Type, Time32SecondType, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampSecondType, TimestampMillisecondType, TimestampMicrosecondType, TimestampNanosecondType,
    DurationSecondType, DurationMillisecondType, DurationMicrosecondType, DurationNanosecondType,
}

typed! {
    BooleanArray => DataType::Boolean,
    StringArray => DataType::Utf8,
    LargeStringArray => DataType::LargeUtf8,
    BinaryArray => DataType::Binary,
    LargeBinaryArray => DataType::LargeBinary,
}

/// What a column function gives: an array, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "a function of whole columns cannot give `{Self}`",
    label = "not a column type of a result",
    note = "it gives an Arrow array such as Int64Array, or a Result<Int64Array, transom_sdk::Error>"
)]
pub trait ReturnedColumn {
    /// The array.
    type Array;

    /// The array as any.
    ///
    /// # Errors
    ///
    /// The author's.
    fn column(self) -> Result<Called, Error>;
}

fn whole(column: ArrayRef) -> Called {
    Called {
        column,
        rejected: Vec::new(),
    }
}

impl<T: Typed> ReturnedColumn for T {
    type Array = T;

    fn column(self) -> Result<Called, Error> {
        Ok(whole(Arc::new(self)))
    }
}

impl ReturnedColumn for ArrayRef {
    type Array = ArrayRef;

    fn column(self) -> Result<Called, Error> {
        Ok(whole(self))
    }
}

impl<T: ReturnedColumn, E: Into<Error>> ReturnedColumn for Result<T, E> {
    type Array = T::Array;

    fn column(self) -> Result<Called, Error> {
        self.map_err(Into::into)?.column()
    }
}
