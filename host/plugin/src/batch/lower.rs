//! Arrow arrays on their way into a guest: nodes and buffers in the order of the columnar format.
//!
//! Buffers are borrowed from Arrow wherever they can be: cutting a slice to its rows costs nothing for fixed-width values,
//! and a copy only for bitmaps that do not start at a byte and for offsets that do not start at 0.

use arrow::array::{
    Array, ArrayRef, AsArray, GenericByteArray, GenericListArray, OffsetSizeTrait, new_empty_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ByteArrayType, DataType};

use super::format::border_type;
use crate::bindings::types::Node;
use crate::error::{Error, Result};

/// A batch ready to cross; holds references to Arrow's buffers.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    pub(crate) rows: u32,
    pub(crate) nodes: Vec<Node>,
    pub(crate) buffers: Vec<Buffer>,
}

impl Lowered {
    /// Lowers `columns`, all of `rows` rows. `name` is asked for a column's name when it cannot cross.
    pub(crate) fn new(
        columns: &[&ArrayRef],
        rows: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let mut lowered = Self {
            rows: as_u32(rows),
            ..Self::default()
        };
        for (index, column) in columns.iter().enumerate() {
            let unsupported = || Error::Unsupported {
                column: name(index),
                data_type: column.data_type().to_string(),
            };
            let data_type = border_type(column.data_type()).ok_or_else(unsupported)?;
            if data_type == *column.data_type() {
                lowered.push(column.as_ref());
            } else {
                lowered.push(
                    cast(column, &data_type)
                        .map_err(|_| unsupported())?
                        .as_ref(),
                );
            }
        }
        Ok(lowered)
    }

    fn push(&mut self, array: &dyn Array) {
        self.nodes.push(Node {
            length: as_u32(array.len()),
            null_count: as_u32(array.null_count()),
        });
        if !matches!(array.data_type(), DataType::Null) {
            self.push_validity(array.nulls());
        }
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => self.push_bits(array.as_boolean().values()),
            DataType::Utf8 => self.push_bytes(array.as_string::<i32>()),
            DataType::LargeUtf8 => self.push_bytes(array.as_string::<i64>()),
            DataType::Binary => self.push_bytes(array.as_binary::<i32>()),
            DataType::LargeBinary => self.push_bytes(array.as_binary::<i64>()),
            DataType::List(_) => self.push_list(array.as_list::<i32>()),
            DataType::LargeList(_) => self.push_list(array.as_list::<i64>()),
            DataType::Map(..) => {
                let map = array.as_map();
                let range = self.push_offsets(map.offsets());
                self.push(&map.entries().slice(range.start, range.len()));
            }
            DataType::FixedSizeList(..) => self.push(array.as_fixed_size_list().values().as_ref()),
            DataType::Struct(_) => {
                for column in array.as_struct().columns() {
                    self.push(column.as_ref());
                }
            }
            // What is left has one buffer of values of one width.
            data_type => {
                let width = fixed_width(data_type);
                let data = array.to_data();
                self.buffers.push(
                    data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width),
                );
            }
        }
    }

    fn push_validity(&mut self, nulls: Option<&NullBuffer>) {
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => self.push_bits(nulls.inner()),
            None => self.buffers.push(Buffer::default()),
        }
    }

    fn push_bits(&mut self, bits: &BooleanBuffer) {
        let bytes = bits.len().div_ceil(8);
        self.buffers.push(match bits.offset() % 8 {
            0 => bits.inner().slice_with_length(bits.offset() / 8, bytes),
            _ => bits.sliced().slice_with_length(0, bytes),
        });
    }

    /// Offsets from 0; returns the range of the values that they cover.
    fn push_offsets<O: OffsetSizeTrait>(
        &mut self,
        offsets: &OffsetBuffer<O>,
    ) -> std::ops::Range<usize> {
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        self.buffers.push(if first == O::usize_as(0) {
            offsets.inner().inner().clone()
        } else {
            offsets
                .iter()
                .map(|&offset| offset - first)
                .collect::<Vec<O>>()
                .into()
        });
        first.as_usize()..last.as_usize()
    }

    fn push_bytes<T: ByteArrayType>(&mut self, array: &GenericByteArray<T>) {
        let range = self.push_offsets(array.offsets());
        self.buffers
            .push(array.values().slice_with_length(range.start, range.len()));
    }

    fn push_list<O: OffsetSizeTrait>(&mut self, array: &GenericListArray<O>) {
        let range = self.push_offsets(array.offsets());
        match range.is_empty() {
            true => self.push(new_empty_array(array.values().data_type()).as_ref()),
            false => self.push(array.values().slice(range.start, range.len()).as_ref()),
        }
    }
}

/// Bytes of one value of a fixed-width type.
pub(crate) fn fixed_width(data_type: &DataType) -> usize {
    match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).unwrap_or(0),
        other => other.primitive_width().unwrap_or(0),
    }
}

/// Lengths on the wire are 32 bits; DataFusion's batches are thousands of rows, and [`crate::Instance`] refuses larger ones.
fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
