//! Arrow arrays on their way out of a guest: every buffer is checked before an array is built from it.
//!
//! Lengths and counts are checked here, everything inside the buffers (offsets, UTF-8, null counts of children) by arrow's own
//! full validation, which `ArrayDataBuilder::build` runs. A buffer is taken over without copying; only one that is not aligned to
//! its type is copied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, DecimalType, Field};
use arrow_data::{ArrayData, ArrayDataBuilder};

use super::lower::fixed_width;
use crate::bindings::types;

/// Arrow pads buffers to 64 bytes; more than that beyond the needed length is a mistake.
const PADDING: usize = 64;

/// Builds the columns `fields` from a guest's batch, or says what is wrong with it.
pub(crate) fn lift(
    batch: types::BatchResult,
    fields: &[Arc<Field>],
) -> Result<Vec<ArrayRef>, String> {
    let types::BatchResult {
        rows,
        nodes,
        buffers,
    } = batch;
    let mut parts = Parts {
        nodes: nodes.into_iter(),
        buffers: buffers.into_iter(),
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
            check_decimals(&array).map_err(in_column)?;
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
            return Err(format!("{} rows where {length} were expected", node.length));
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
            DataType::Utf8 | DataType::Binary => {
                let (offsets, last) = self.offsets::<4>(length)?;
                data = data
                    .add_buffer(offsets)
                    .add_buffer(self.buffer("data", last)?);
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                let (offsets, last) = self.offsets::<8>(length)?;
                data = data
                    .add_buffer(offsets)
                    .add_buffer(self.buffer("data", last)?);
            }
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

/// Takes the buffer over if it is as long as it must be, give or take the padding.
fn fitting(bytes: Vec<u8>, name: &str, needed: usize) -> Result<Buffer, String> {
    match bytes.len() {
        length if length < needed => Err(format!(
            "its {name} buffer has {length} bytes and needs {needed}"
        )),
        length if length >= needed.saturating_add(PADDING) => Err(format!(
            "its {name} buffer has {length} bytes where {needed} were expected"
        )),
        _ => Ok(Buffer::from_vec(bytes)),
    }
}

/// Arrow's validation leaves out whether decimals fit their precision; databases refuse those that do not.
fn check_decimals(array: &ArrayRef) -> Result<(), String> {
    fn fits<T: DecimalType>(array: &dyn Array, precision: u8) -> Result<(), String> {
        let decimals = array.as_primitive::<T>();
        decimals
            .validate_decimal_precision(precision)
            .map_err(|error| error.to_string())
    }
    match array.data_type() {
        DataType::Decimal128(precision, _) => fits::<Decimal128Type>(array, *precision),
        DataType::Decimal256(precision, _) => fits::<Decimal256Type>(array, *precision),
        DataType::List(_) => check_decimals(array.as_list::<i32>().values()),
        DataType::LargeList(_) => check_decimals(array.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => check_decimals(array.as_fixed_size_list().values()),
        DataType::Map(..) => array
            .as_map()
            .entries()
            .columns()
            .iter()
            .try_for_each(check_decimals),
        DataType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .try_for_each(check_decimals),
        _ => Ok(()),
    }
}
