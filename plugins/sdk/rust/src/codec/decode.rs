//! What the host sent, as Arrow arrays: the received bytes become the arrays' buffers, nothing is copied or checked.

use crate::Error;
use crate::bindings::transom::plugin::types::{Batch, Node};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, SchemaRef};

/// Builds the batch that `schema` describes.
///
/// # Errors
///
/// Internal when the host sent fewer nodes or buffers than the schema asks for.
pub fn decode_batch(schema: &SchemaRef, batch: Batch) -> Result<RecordBatch, Error> {
    let rows = batch.rows as usize;
    let columns = decode_columns(schema.fields().iter().map(AsRef::as_ref), batch)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

/// Builds one array for each of `fields`.
///
/// # Errors
///
/// As [`decode_batch`].
pub fn decode_columns<'a>(
    fields: impl Iterator<Item = &'a Field>,
    batch: Batch,
) -> Result<Vec<ArrayRef>, Error> {
    let mut source = Source {
        nodes: batch.nodes.into_iter(),
        buffers: batch.buffers.into_iter(),
    };
    fields
        .map(|field| Ok(make_array(source.array(field.data_type())?)))
        .collect()
}

struct Source {
    nodes: std::vec::IntoIter<Node>,
    buffers: std::vec::IntoIter<Vec<u8>>,
}

impl Source {
    fn array(&mut self, data_type: &DataType) -> Result<ArrayData, Error> {
        let node = self
            .nodes
            .next()
            .ok_or_else(|| Error::internal("the host sent too few nodes"))?;
        let length = node.length as usize;
        let mut builder = ArrayData::builder(data_type.clone()).len(length);
        if !matches!(data_type, DataType::Null) {
            builder = builder.nulls(self.nulls(length, node.null_count as usize)?);
        }
        let align = super::encode::width(data_type).unwrap_or(1);
        match data_type {
            DataType::Null | DataType::FixedSizeList(_, _) | DataType::Struct(_) => {}
            DataType::Utf8 | DataType::Binary => {
                builder = builder
                    .add_buffer(self.buffer(4)?)
                    .add_buffer(self.buffer(1)?);
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                builder = builder
                    .add_buffer(self.buffer(8)?)
                    .add_buffer(self.buffer(1)?);
            }
            DataType::List(_) | DataType::Map(_, _) => {
                builder = builder.add_buffer(self.buffer(4)?)
            }
            DataType::LargeList(_) => builder = builder.add_buffer(self.buffer(8)?),
            DataType::FixedSizeBinary(_) => builder = builder.add_buffer(self.buffer(1)?),
            _ => builder = builder.add_buffer(self.buffer(align)?),
        }
        match data_type {
            DataType::List(child)
            | DataType::LargeList(child)
            | DataType::FixedSizeList(child, _)
            | DataType::Map(child, _) => {
                builder = builder.add_child_data(self.array(child.data_type())?)
            }
            DataType::Struct(children) => {
                for child in children {
                    builder = builder.add_child_data(self.array(child.data_type())?);
                }
            }
            _ => {}
        }
        // SAFETY: the host lays buffers out as the contract says; it is the one party that a guest trusts.
        Ok(unsafe { builder.build_unchecked() })
    }

    fn nulls(&mut self, length: usize, null_count: usize) -> Result<Option<NullBuffer>, Error> {
        let bitmap = self.buffer(1)?;
        if bitmap.is_empty() || null_count == 0 {
            return Ok(None);
        }
        let bits = BooleanBuffer::new(bitmap, 0, length);
        // SAFETY: the host counted; see above.
        Ok(Some(unsafe { NullBuffer::new_unchecked(bits, null_count) }))
    }

    /// The next buffer, at an address that is a multiple of `align` (at most 16).
    ///
    /// `list<u8>` promises no alignment. On Wasm the SDK's allocator gives 16 for every block that could hold a wider value
    /// (see `allocator`), elsewhere allocators do so by themselves; the copy is for the empty buffer, which lies nowhere.
    fn buffer(&mut self, align: usize) -> Result<Buffer, Error> {
        let bytes = self
            .buffers
            .next()
            .ok_or_else(|| Error::internal("the host sent too few buffers"))?;
        if bytes.as_ptr().align_offset(align.min(16)) == 0 {
            Ok(Buffer::from_vec(bytes))
        } else {
            Ok(Buffer::from_slice_ref(&bytes))
        }
    }
}
