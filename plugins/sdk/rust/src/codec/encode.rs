//! Arrays as the host wants them: nodes and buffers in the order of the columnar format, every slice cut.
//!
//! An array that is held nowhere else gives its buffers away without a copy; a slice or a shared array is copied, and of a
//! slice only the part that is seen.

use super::schema::cannot_cross;
use crate::Error;
use crate::bindings::transom::plugin::types::{Batch, Node};
use arrow_array::ArrayRef;
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

/// Encodes columns of `rows` rows.
///
/// # Errors
///
/// Internal, naming the column, when a type cannot cross or a column has more than `u32::MAX` values.
pub fn encode_batch<'a>(
    rows: usize,
    columns: impl IntoIterator<Item = (&'a str, ArrayRef)>,
) -> Result<Batch, Error> {
    let mut wire = Batch {
        rows: count(rows)?,
        nodes: Vec::new(),
        buffers: Vec::new(),
    };
    for (name, column) in columns {
        let data = column.to_data();
        // The data shares the column's buffers: only without the column does it own them.
        drop(column);
        array(name, data, &mut wire)?;
    }
    Ok(wire)
}

/// Bytes of a value of a fixed-width type.
pub fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Interval(unit) => Some(match unit {
            arrow_schema::IntervalUnit::YearMonth => 4,
            arrow_schema::IntervalUnit::DayTime => 8,
            arrow_schema::IntervalUnit::MonthDayNano => 16,
        }),
        DataType::FixedSizeBinary(width) => Some(*width as usize),
        other => other.primitive_width(),
    }
}

fn count(value: usize) -> Result<u32, Error> {
    u32::try_from(value)
        .map_err(|_| Error::internal(format!("{value} values are too many for one batch")))
}

fn array(name: &str, data: ArrayData, wire: &mut Batch) -> Result<(), Error> {
    let null_count = match data.data_type() {
        DataType::Null => data.len(),
        _ => data.null_count(),
    };
    wire.nodes.push(Node {
        length: count(data.len())?,
        null_count: count(null_count)?,
    });
    let (data_type, length, nulls, offset, buffers, children) = data.into_parts();
    let mut buffers = buffers.into_iter();
    let mut next = || buffers.next().unwrap_or_default();
    if !matches!(data_type, DataType::Null) {
        // A bitmap without a null is not worth its bytes.
        let bitmap = nulls.filter(|nulls| nulls.null_count() > 0);
        let bitmap = bitmap.map(|nulls| bits(nulls.into_inner()));
        wire.buffers.push(bitmap.unwrap_or_default());
    }
    match &data_type {
        DataType::Null => {}
        DataType::Boolean => {
            let values = BooleanBuffer::new(next(), offset, length);
            wire.buffers.push(bits(values));
        }
        DataType::Utf8 | DataType::Binary => variable::<i32>(next(), next(), offset, length, wire),
        DataType::LargeUtf8 | DataType::LargeBinary => {
            variable::<i64>(next(), next(), offset, length, wire)
        }
        DataType::List(_) | DataType::Map(_, _) => {
            let (start, values) = offsets::<i32>(next(), offset, length, wire);
            children
                .into_iter()
                .try_for_each(|child| array(name, cut(child, start, values), wire))?;
        }
        DataType::LargeList(_) => {
            let (start, values) = offsets::<i64>(next(), offset, length, wire);
            children
                .into_iter()
                .try_for_each(|child| array(name, cut(child, start, values), wire))?;
        }
        DataType::FixedSizeList(_, size) => {
            let size = *size as usize;
            children.into_iter().try_for_each(|child| {
                array(name, cut(child, offset * size, length * size), wire)
            })?;
        }
        DataType::Struct(_) => {
            // An array's own children are cut already, and `ArrayData::slice` moves a struct's children along.
            children
                .into_iter()
                .try_for_each(|child| array(name, cut(child, 0, length), wire))?;
        }
        other => match width(other) {
            Some(width) => wire
                .buffers
                .push(section(next(), offset * width, length * width)),
            None => return Err(cannot_cross(name, other)),
        },
    }
    Ok(())
}

/// `data` from `start` on, for `length` values; untouched when that is all of it.
fn cut(data: ArrayData, start: usize, length: usize) -> ArrayData {
    if start == 0 && length == data.len() {
        data
    } else {
        data.slice(start, length)
    }
}

fn variable<O: ArrowNativeType>(
    index: Buffer,
    values: Buffer,
    offset: usize,
    length: usize,
    wire: &mut Batch,
) {
    let (start, bytes) = offsets::<O>(index, offset, length, wire);
    wire.buffers.push(section(values, start, bytes));
}

/// Writes `length + 1` offsets that begin at 0; returns the first value they pointed to, and how many.
fn offsets<O: ArrowNativeType>(
    index: Buffer,
    offset: usize,
    length: usize,
    wire: &mut Batch,
) -> (usize, usize) {
    if length == 0 {
        // Arrow lets an empty array have no offsets at all; the contract wants the one.
        wire.buffers.push(vec![0; size_of::<O>()]);
        return (0, 0);
    }
    let (start, end) = {
        let seen = &index.typed_data::<O>()[offset..=offset + length];
        (seen[0].as_usize(), seen[length].as_usize())
    };
    if start == 0 {
        let width = size_of::<O>();
        wire.buffers
            .push(section(index, offset * width, (length + 1) * width));
    } else {
        let seen = &index.typed_data::<O>()[offset..=offset + length];
        let rebased: Vec<O> = seen
            .iter()
            .map(|at| O::usize_as(at.as_usize() - start))
            .collect();
        wire.buffers.push(bytes(Buffer::from_vec(rebased)));
    }
    (start, end - start)
}

fn bits(bits: BooleanBuffer) -> Vec<u8> {
    let length = bits.len().div_ceil(8);
    if bits.offset() == 0 {
        section(bits.into_inner(), 0, length)
    } else {
        section(bits.sliced(), 0, length)
    }
}

/// `length` bytes of `buffer` from `start` on.
fn section(buffer: Buffer, start: usize, length: usize) -> Vec<u8> {
    if start > 0 {
        return buffer.as_slice()[start..start + length].to_vec();
    }
    if length < buffer.len() / 2 {
        return buffer.as_slice()[..length].to_vec();
    }
    let mut bytes = bytes(buffer);
    bytes.truncate(length);
    bytes
}

/// The buffer's memory as a vector of bytes, without a copy when it is held nowhere else.
fn bytes(buffer: Buffer) -> Vec<u8> {
    let buffer = match buffer.into_vec::<u8>() {
        Ok(bytes) => return bytes,
        Err(buffer) => buffer,
    };
    #[cfg(target_arch = "wasm32")]
    let buffer = match crate::allocator::reinterpret(buffer) {
        Ok(bytes) => return bytes,
        Err(buffer) => buffer,
    };
    buffer.as_slice().to_vec()
}
