//! What nearly every plugin needs: `use transom_sdk::prelude::*;`.

pub use crate::log;
pub use crate::transform::{
    Emitter, End, NoOptions, Opened, Output, RowTransform, Transform, column,
};
pub use crate::{Decimal, Error, function, options, plugin, row, state, transform};
pub use arrow_array::cast::AsArray;
pub use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray,
    LargeStringArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array,
};
pub use arrow_schema::{DataType, Field, Schema, TimeUnit};
pub use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
pub use std::sync::Arc;
