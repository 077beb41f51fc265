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
                // Arrow's cast forgets how many rows there are when every row is a list of no items.
                let plain = cast(column, &data_type)
                    .ok()
                    .filter(|plain| plain.len() == column.len())
                    .ok_or_else(unsupported)?;
                lowered.push(plain.as_ref());
            }
        }
        Ok(lowered)
    }

    /// Whether every length is one that 32 bits hold.
    pub(crate) fn fits(&self) -> bool {
        let lengths = self.nodes.iter().map(|node| node.length);
        lengths.chain([self.rows]).all(|length| length < u32::MAX)
    }

    fn push(&mut self, array: &dyn Array) {
        // All of a null array is null, which Arrow's own count, made for validity bitmaps, does not say.
        let null_count = match array.data_type() {
            DataType::Null => array.len(),
            _ => array.null_count(),
        };
        self.nodes.push(Node {
            length: as_u32(array.len()),
            null_count: as_u32(null_count),
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

/// Lengths on the wire are 32 bits; a length that does not fit becomes the largest, which [`Lowered::fits`] finds.
fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Int32Array, NullArray, StringArray};
    use std::sync::Arc;

    fn lower(column: ArrayRef) -> Lowered {
        Lowered::new(&[&column], column.len(), |_| "a".to_owned()).unwrap()
    }

    #[test]
    fn a_slice_is_cut_to_its_rows_and_its_offsets_start_at_0() {
        let texts = StringArray::from(vec![Some("one"), None, Some("three"), Some("four")]);
        let lowered = lower(Arc::new(texts.slice(1, 2)));
        let bytes: Vec<&[u8]> = lowered.buffers.iter().map(Buffer::as_slice).collect();
        let offsets: Vec<u8> = [0_i32, 0, 5]
            .iter()
            .flat_map(|at| at.to_le_bytes())
            .collect();
        assert_eq!(bytes, [&[0b10][..], &offsets, b"three"]);
        assert_eq!(
            (lowered.nodes[0].length, lowered.nodes[0].null_count),
            (2, 1)
        );
    }

    #[test]
    fn bits_are_moved_only_when_they_do_not_start_at_a_byte() {
        let bits: BooleanArray = (0..32).map(|bit| Some(bit % 3 == 0)).collect();
        let whole = lower(Arc::new(bits.clone()));
        let from_byte = lower(Arc::new(bits.slice(8, 24)));
        assert_eq!(
            from_byte.buffers[1].as_ptr(),
            whole.buffers[1][1..].as_ptr()
        );
        let moved = lower(Arc::new(bits.slice(3, 5)));
        assert_eq!(moved.buffers[1].as_slice()[0] & 0b11111, 0b01001);
    }

    #[test]
    fn values_are_borrowed_and_a_bitmap_without_nulls_is_left_out() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let lowered = lower(Arc::clone(&values));
        assert!(lowered.buffers[0].is_empty());
        assert_eq!(
            lowered.buffers[1].as_ptr(),
            values.to_data().buffers()[0].as_ptr()
        );
    }

    #[test]
    fn a_column_with_more_values_than_32_bits_count_does_not_fit() {
        let nulls = lower(Arc::new(NullArray::new(7)));
        assert_eq!((nulls.nodes[0].length, nulls.nodes[0].null_count), (7, 7));
        assert!(nulls.fits());
        assert!(!lower(Arc::new(NullArray::new(1 << 32))).fits());
    }
}
