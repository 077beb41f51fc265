//! Arrow arrays on their way out of a guest: every buffer is checked before an array is built from it.
//!
//! Lengths and counts are checked here, everything inside the buffers (offsets, UTF-8, null counts of children) by arrow's own
//! full validation, which `ArrayDataBuilder::build` runs; strings that are obviously valid skip it (`pieces`). A buffer is
//! taken over without copying; only one that is not aligned to its type is copied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, Field, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit,
};
use arrow_data::{ArrayData, ArrayDataBuilder};

use super::lower::fixed_width;
use super::pieces::are_well;
use crate::bindings::types;
use crate::text::counted;

const SECONDS_PER_DAY: i64 = 86_400;

/// Arrow pads buffers to 64 bytes; more than that beyond the needed length is a mistake.
const PADDING: usize = 64;

/// Builds the columns `fields` from a guest's batch, or says what is wrong with it.
///
/// Nulls and empty values take no bytes, so that the bytes that a guest hands over do not bound them: below the top level there may
/// be `free` of them beyond the batch's rows.
pub(crate) fn lift(
    batch: types::BatchResult,
    fields: &[Arc<Field>],
    free: usize,
) -> Result<Vec<ArrayRef>, String> {
    let types::BatchResult {
        rows,
        nodes,
        buffers,
    } = batch;
    let mut parts = Parts {
        nodes: nodes.into_iter(),
        buffers: buffers.into_iter(),
        rows: rows as usize,
        free,
    };
    let columns = fields
        .iter()
        .map(|field| {
            let in_column = |problem| format!("column `{}`: {problem}", field.name());
            let data = parts
                .take(field.data_type(), rows as usize)
                .map_err(in_column)?;
            if !field.is_nullable() && data.null_count() > 0 {
                return Err(in_column(format!(
                    "{} nulls in a column that has none",
                    data.null_count()
                )));
            }
            let array = make_array(data);
            check_values(&array).map_err(in_column)?;
            Ok(array)
        })
        .collect::<Result<Vec<_>, String>>()?;
    match (parts.nodes.len(), parts.buffers.len()) {
        (0, 0) => Ok(columns),
        (nodes, buffers) => Err(format!(
            "{nodes} nodes and {buffers} buffers more than its schema has"
        )),
    }
}

struct Parts {
    nodes: std::vec::IntoIter<types::Node>,
    buffers: std::vec::IntoIter<Vec<u8>>,
    rows: usize,
    /// How many values that take no bytes there may still be.
    free: usize,
}

impl Parts {
    /// The array of one field and its children. `length` is what the parent says.
    fn take(&mut self, data_type: &DataType, length: usize) -> Result<ArrayData, String> {
        let data = self.take_unvalidated(data_type, length)?;
        data.build().map_err(|error| match error {
            arrow::error::ArrowError::InvalidArgumentError(text) => text,
            other => other.to_string(),
        })
    }

    fn take_unvalidated(
        &mut self,
        data_type: &DataType,
        length: usize,
    ) -> Result<ArrayDataBuilder, String> {
        let node = self.nodes.next().ok_or("its node is missing")?;
        if node.length as usize != length {
            let rows = counted(node.length as usize, "row");
            return Err(format!("{rows} where {length} were expected"));
        }
        if takes_no_bytes(data_type) {
            let more = length.saturating_sub(self.rows);
            self.free = self.free.checked_sub(more).ok_or_else(|| {
                format!(
                    "{length} values of {data_type}, which take no bytes: more than there may be"
                )
            })?;
        }
        let mut data = ArrayDataBuilder::new(data_type.clone())
            .len(length)
            .align_buffers(true);
        if *data_type == DataType::Null {
            return match node.null_count as usize == length {
                true => Ok(data),
                false => Err(format!(
                    "a null count of {} in a column of {length} nulls",
                    node.null_count
                )),
            };
        }
        data = data.nulls(self.validity(length, node.null_count as usize)?);
        match data_type {
            DataType::Boolean => data = data.add_buffer(self.buffer("values", length.div_ceil(8))?),
            DataType::Utf8 => data = self.pieces::<i32, 4>(data, length, true)?,
            DataType::Binary => data = self.pieces::<i32, 4>(data, length, false)?,
            DataType::LargeUtf8 => data = self.pieces::<i64, 8>(data, length, true)?,
            DataType::LargeBinary => data = self.pieces::<i64, 8>(data, length, false)?,
            DataType::List(child) | DataType::Map(child, _) => {
                let (offsets, last) = self.offsets::<4>(length)?;
                data = data
                    .add_buffer(offsets)
                    .add_child_data(self.take(child.data_type(), last)?);
            }
            DataType::LargeList(child) => {
                let (offsets, last) = self.offsets::<8>(length)?;
                data = data
                    .add_buffer(offsets)
                    .add_child_data(self.take(child.data_type(), last)?);
            }
            DataType::FixedSizeList(child, size) => {
                let size = usize::try_from(*size).map_err(|_| "a negative list size")?;
                let items = length
                    .checked_mul(size)
                    .ok_or("more items than there can be")?;
                data = data.add_child_data(self.take(child.data_type(), items)?);
            }
            DataType::Struct(fields) => {
                for field in fields {
                    let child = self
                        .take(field.data_type(), length)
                        .map_err(|problem| format!("field `{}`: {problem}", field.name()))?;
                    data = data.add_child_data(child);
                }
            }
            fixed => {
                let needed = length
                    .checked_mul(fixed_width(fixed))
                    .ok_or("more values than there can be")?;
                data = data.add_buffer(self.buffer("values", needed)?);
            }
        }
        Ok(data)
    }

    fn validity(&mut self, length: usize, null_count: usize) -> Result<Option<NullBuffer>, String> {
        let bits = self
            .buffers
            .next()
            .ok_or("its validity buffer is missing")?;
        if bits.is_empty() {
            return match null_count {
                0 => Ok(None),
                more => Err(format!("a null count of {more} without a validity buffer")),
            };
        }
        let bits = fitting(bits, "validity", length.div_ceil(8))?;
        let nulls = NullBuffer::new(BooleanBuffer::new(bits, 0, length));
        match nulls.null_count() == null_count {
            true => Ok(Some(nulls)),
            false => Err(format!(
                "a null count of {null_count} and {} nulls in the validity buffer",
                nulls.null_count()
            )),
        }
    }

    fn buffer(&mut self, name: &str, needed: usize) -> Result<Buffer, String> {
        fitting(
            self.buffers
                .next()
                .ok_or_else(|| format!("its {name} buffer is missing"))?,
            name,
            needed,
        )
    }

    /// Offsets and data of strings or bytes; arrow validates them unless they are obviously valid.
    fn pieces<O: OffsetSizeTrait, const WIDTH: usize>(
        &mut self,
        array: ArrayDataBuilder,
        length: usize,
        text: bool,
    ) -> Result<ArrayDataBuilder, String> {
        let (offsets, last) = self.offsets::<WIDTH>(length)?;
        let data = self.buffer("data", last)?;
        let seen = &offsets[..(length + 1) * WIDTH];
        let well = are_well::<O>(seen, &data[..last], text);
        let array = array.add_buffer(offsets).add_buffer(data);
        // SAFETY: validation is skipped only where the offsets and what they point to were just found to be well; the
        // buffers' lengths were checked when they were taken, and so was the validity bitmap.
        Ok(unsafe { array.skip_validation(well) })
    }

    /// The offsets and the last of them, which is the length of what they point into. `WIDTH` is 4 or 8 bytes.
    fn offsets<const WIDTH: usize>(&mut self, length: usize) -> Result<(Buffer, usize), String> {
        let bytes = self.buffers.next().ok_or("its offsets buffer is missing")?;
        if length == 0 && bytes.is_empty() {
            return Ok((Buffer::from_vec(vec![0u8; WIDTH]), 0));
        }
        let buffer = fitting(bytes, "offsets", (length + 1) * WIDTH)?;
        let at = |index: usize| -> i64 {
            let mut value = [0; 8];
            value[..WIDTH].copy_from_slice(&buffer[index * WIDTH..(index + 1) * WIDTH]);
            match WIDTH {
                4 => i64::from(i32::from_le_bytes([value[0], value[1], value[2], value[3]])),
                _ => i64::from_le_bytes(value),
            }
        };
        if at(0) != 0 {
            return Err(format!("offsets start at {} and not at 0", at(0)));
        }
        let last = usize::try_from(at(length))
            .map_err(|_| format!("the last offset is {}", at(length)))?;
        Ok((buffer, last))
    }
}

/// Whether values have neither bytes nor children of their own that are counted.
fn takes_no_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::FixedSizeBinary(0) | DataType::FixedSizeList(_, 0) => true,
        DataType::Struct(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Takes the buffer over if it is as long as it must be, give or take the padding.
fn fitting(bytes: Vec<u8>, name: &str, needed: usize) -> Result<Buffer, String> {
    match bytes.len() {
        length if length < needed => Err(format!(
            "its {name} buffer has {} and needs {needed}",
            counted(length, "byte")
        )),
        length if length >= needed.saturating_add(PADDING) => Err(format!(
            "its {name} buffer has {} where {needed} were expected",
            counted(length, "byte")
        )),
        // Without the padding: arrow's validation asserts that offsets fill their buffer to the last byte.
        _ => Ok(Buffer::from_vec(bytes).slice_with_length(0, needed)),
    }
}

/// Arrow's validation leaves out whether decimals fit their precision and times and dates are some: databases refuse those that are not,
/// and few readers have them.
fn check_values(array: &ArrayRef) -> Result<(), String> {
    match array.data_type() {
        DataType::Decimal32(precision, _) => check_decimals::<Decimal32Type>(array, *precision),
        DataType::Decimal64(precision, _) => check_decimals::<Decimal64Type>(array, *precision),
        DataType::Decimal128(precision, _) => check_decimals::<Decimal128Type>(array, *precision),
        DataType::Decimal256(precision, _) => check_decimals::<Decimal256Type>(array, *precision),
        DataType::Time32(TimeUnit::Second) => check_times::<Time32SecondType>(array, 1),
        DataType::Time32(_) => check_times::<Time32MillisecondType>(array, 1_000),
        DataType::Time64(TimeUnit::Microsecond) => {
            check_times::<Time64MicrosecondType>(array, 1_000_000)
        }
        DataType::Time64(_) => check_times::<Time64NanosecondType>(array, 1_000_000_000),
        DataType::Date64 => check_dates(array),
        DataType::List(_) => check_values(array.as_list::<i32>().values()),
        DataType::LargeList(_) => check_values(array.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => check_values(array.as_fixed_size_list().values()),
        DataType::Map(..) => array
            .as_map()
            .entries()
            .columns()
            .iter()
            .try_for_each(check_values),
        DataType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .try_for_each(check_values),
        _ => Ok(()),
    }
}

fn check_decimals<T: DecimalType>(array: &ArrayRef, precision: u8) -> Result<(), String> {
    let decimals = array.as_primitive::<T>();
    // One by one: the array's own check takes a negative scale for one of more than 128 digits.
    decimals
        .iter()
        .flatten()
        .try_for_each(|value| T::validate_decimal_precision(value, precision, decimals.scale()))
        .map_err(|error| error.to_string())
}

/// Refuses a time that is not within a day; there are `per_second` units in a second.
fn check_times<T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &ArrayRef,
    per_second: i64,
) -> Result<(), String> {
    let day = 0..SECONDS_PER_DAY * per_second;
    let mut times = array
        .as_primitive::<T>()
        .iter()
        .flatten()
        .map(Into::<i64>::into);
    match times.find(|time| !day.contains(time)) {
        None => Ok(()),
        Some(time) => Err(format!(
            "{time} is no time of day in {}: those are from 0 to {}",
            array.data_type(),
            day.end - 1
        )),
    }
}

/// Refuses a date in milliseconds that is no midnight.
fn check_dates(array: &ArrayRef) -> Result<(), String> {
    const DAY: i64 = SECONDS_PER_DAY * 1_000;
    let mut dates = array.as_primitive::<Date64Type>().iter().flatten();
    match dates.find(|date| date % DAY != 0) {
        None => Ok(()),
        Some(date) => Err(format!(
            "{date} is no date in {}: those are multiples of {DAY}",
            array.data_type()
        )),
    }
}

#[cfg(test)]
mod tests;
