//! Columns of Parquet files as they are stored, where the reader would change their values: it cuts whole numbers to the bits that their
//! annotations say, and counts INT96 in nanoseconds, which end in the year 2262.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::{BasicTypeInfo, SchemaDescriptor, Type as Node};

use super::parquet_file::{DAY, EPOCH};
use crate::error::{self, Error, Result};

/// Bytes of a value of INT96.
const INT96_BYTES: i32 = 12;
/// Bits of the least whole number that Parquet stores.
const STORED_BITS: i8 = 32;

/// Whether a column of a table is of INT96, which [`moments`] reads.
pub(super) fn is_int96(column: &Node) -> bool {
    column.is_primitive()
        && column.get_physical_type() == Physical::INT96
        && column.get_basic_info().repetition() != Repetition::REPEATED
}

/// The footer of a file with such columns as they are stored.
pub(super) fn stored(footer: &ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let of_file = footer.file_metadata();
    let root = of_file.schema_descr().root_schema();
    let fields = root.get_fields().iter().map(|field| {
        let info = field.get_basic_info();
        match is_int96(field) {
            true => Node::primitive_type_builder(info.name(), Physical::FIXED_LEN_BYTE_ARRAY)
                .with_length(INT96_BYTES)
                .with_repetition(info.repetition())
                .build()
                .map(Arc::new),
            false => uncut(field),
        }
    });
    let root = Node::group_type_builder(root.name())
        .with_fields(fields.collect::<Result<Vec<_>, _>>()?)
        .build()?;
    let of_file = FileMetaData::new(
        of_file.version(),
        of_file.num_rows(),
        of_file.created_by().map(str::to_owned),
        None,
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        of_file.column_orders().cloned(),
    );
    Ok(ParquetMetaData::new(of_file, footer.row_groups().to_vec()))
}

/// A column whose small whole numbers have all bits that are stored.
fn uncut(node: &Arc<Node>) -> Result<Arc<Node>, ParquetError> {
    let info = node.get_basic_info();
    if node.is_group() {
        let fields = node.get_fields().iter().map(uncut);
        let group = Node::group_type_builder(info.name())
            .with_repetition(info.repetition())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields.collect::<Result<Vec<_>, _>>()?);
        return Ok(Arc::new(group.build()?));
    }
    if !is_small(info) {
        return Ok(Arc::clone(node));
    }
    let column = Node::primitive_type_builder(info.name(), node.get_physical_type())
        .with_repetition(info.repetition());
    Ok(Arc::new(column.build()?))
}

/// Whether an annotation says that a whole number has fewer bits than are stored.
fn is_small(info: &BasicTypeInfo) -> bool {
    match info.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => integer.bit_width < STORED_BITS,
        _ => matches!(
            info.converted_type(),
            ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
        ),
    }
}

/// INT96 as timestamps: nanoseconds of a day, and the day, both signed.
pub(super) fn moments(array: &ArrayRef) -> Result<ArrayRef> {
    let values = array.as_fixed_size_binary();
    let micros = (0..values.len()).map(|row| {
        if values.is_null(row) {
            return Ok(None);
        }
        let (mut nanos, mut day) = ([0; 8], [0; 4]);
        nanos.copy_from_slice(&values.value(row)[..8]);
        day.copy_from_slice(&values.value(row)[8..12]);
        let (nanos, day) = (i64::from_le_bytes(nanos), i32::from_le_bytes(day));
        let since = i64::from(day) - EPOCH;
        let micros = since
            .checked_mul(DAY)
            .and_then(|micros| micros.checked_add(nanos.div_euclid(1_000)));
        match micros {
            Some(micros) => Ok(Some(micros)),
            None => Err(Error::new(&error::DATE_RANGE, &[&format!("day {since}")])),
        }
    });
    let micros = micros.collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(micros))
}
