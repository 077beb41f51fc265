//! Parquet as UNLOAD writes it: all columns optional, timestamps as INT96.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use parquet::basic::{
    Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type as P32, Int64Type as P64, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type as Node;

use crate::error::{Error, Result};
use crate::types::show::{self, Digits};
use crate::types::{Column, Type};

/// The day number of 1970-01-01 that INT96 counts by.
pub(super) const EPOCH: i64 = 2_440_588;
pub(super) const DAY: i64 = 86_400_000_000;

/// A file of so many bytes, or a few more, and how many rows are in it: as many groups as fit, one at least.
pub(super) fn write(
    columns: &[Column],
    rows: &RecordBatch,
    group_rows: usize,
    most: u64,
) -> Result<(Vec<u8>, usize)> {
    let fields = columns.iter().map(node).collect::<Result<Vec<_>>>()?;
    let schema = Node::group_type_builder("redshift")
        .with_fields(fields)
        .build()
        .map_err(Error::internal)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
        .map_err(Error::internal)?;
    let (mut count, mut largest) = (0, 0);
    while count < rows.num_rows() {
        let before = writer.bytes_written();
        if count > 0 && (before + largest) as u64 > most {
            break;
        }
        let rows = rows.slice(count, group_rows.min(rows.num_rows() - count));
        let mut group = writer.next_row_group().map_err(Error::internal)?;
        for (column, values) in columns.iter().zip(rows.columns()) {
            let values = crate::types::cast::plain(values)?;
            self::column(&mut group, column.data_type, &values)?;
        }
        group.close().map_err(Error::internal)?;
        largest = largest.max(writer.bytes_written() - before);
        count += rows.num_rows();
    }
    let bytes = writer.into_inner().map_err(Error::internal)?;
    Ok((bytes, count))
}

fn node(column: &Column) -> Result<Arc<Node>> {
    let builder = |physical| {
        Node::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL)
    };
    let builder = match column.data_type {
        Type::Bool => builder(Physical::BOOLEAN),
        Type::Int2 => {
            builder(Physical::INT32).with_logical_type(Some(LogicalType::integer(16, true)))
        }
        Type::Int4 => builder(Physical::INT32),
        Type::Int8 => builder(Physical::INT64),
        Type::Float4 => builder(Physical::FLOAT),
        Type::Float8 => builder(Physical::DOUBLE),
        Type::Numeric(precision, scale) => builder(Physical::FIXED_LEN_BYTE_ARRAY)
            .with_length(16)
            .with_converted_type(ConvertedType::DECIMAL)
            .with_precision(i32::from(precision))
            .with_scale(i32::from(scale)),
        Type::Char(_) | Type::Varchar(_) | Type::Super | Type::Unknown => {
            builder(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String))
        }
        Type::Date => builder(Physical::INT32).with_logical_type(Some(LogicalType::Date)),
        Type::Time => builder(Physical::INT64)
            .with_logical_type(Some(LogicalType::time(false, TimeUnit::MICROS))),
        Type::Timestamp | Type::TimestampTz => builder(Physical::INT96),
        Type::Varbyte(_) => builder(Physical::BYTE_ARRAY),
        Type::Interval => return Err(Error::not_yet("UNLOAD of intervals")),
    };
    Ok(Arc::new(builder.build().map_err(Error::internal)?))
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &ArrayRef,
    value: impl Fn(usize) -> T::T,
) -> Result<()> {
    let rows = 0..values.len();
    let levels: Vec<i16> = rows
        .clone()
        .map(|row| i16::from(values.is_valid(row)))
        .collect();
    let present: Vec<T::T> = rows
        .filter(|row| values.is_valid(*row))
        .map(value)
        .collect();
    let mut writer = group
        .next_column()
        .map_err(Error::internal)?
        .ok_or_else(|| Error::internal("more columns than the schema has"))?;
    writer
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)
        .map_err(Error::internal)?;
    writer.close().map_err(Error::internal)
}

fn column(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    data_type: Type,
    values: &ArrayRef,
) -> Result<()> {
    match data_type {
        Type::Bool => put::<BoolType>(group, values, |row| values.as_boolean().value(row)),
        Type::Int2 => put::<P32>(group, values, |row| {
            i32::from(values.as_primitive::<Int16Type>().value(row))
        }),
        Type::Int4 => put::<P32>(group, values, |row| {
            values.as_primitive::<Int32Type>().value(row)
        }),
        Type::Int8 => put::<P64>(group, values, |row| {
            values.as_primitive::<Int64Type>().value(row)
        }),
        Type::Float4 => put::<FloatType>(group, values, |row| {
            values.as_primitive::<Float32Type>().value(row)
        }),
        Type::Float8 => put::<DoubleType>(group, values, |row| {
            values.as_primitive::<Float64Type>().value(row)
        }),
        Type::Numeric(..) => put::<FixedLenByteArrayType>(group, values, |row| {
            let value = values.as_primitive::<Decimal128Type>().value(row);
            FixedLenByteArray::from(ByteArray::from(value.to_be_bytes().to_vec()))
        }),
        Type::Date => put::<P32>(group, values, |row| {
            values.as_primitive::<Date32Type>().value(row)
        }),
        Type::Time => put::<P64>(group, values, |row| {
            values.as_primitive::<Time64MicrosecondType>().value(row)
        }),
        Type::Timestamp | Type::TimestampTz => put::<Int96Type>(group, values, |row| {
            int96(values.as_primitive::<TimestampMicrosecondType>().value(row))
        }),
        Type::Varbyte(_) => put::<ByteArrayType>(group, values, |row| {
            ByteArray::from(values.as_binary::<i32>().value(row).to_vec())
        }),
        Type::Char(_) => put::<ByteArrayType>(group, values, |row| {
            let text = show::output(values, row, data_type, Digits::All).unwrap_or_default();
            ByteArray::from(text.into_bytes())
        }),
        _ => put::<ByteArrayType>(group, values, |row| {
            ByteArray::from(values.as_string::<i32>().value(row).as_bytes().to_vec())
        }),
    }
}

/// Nanoseconds of the day, then the day.
fn int96(micros: i64) -> Int96 {
    let nanos = (micros.rem_euclid(DAY) * 1_000) as u64;
    let day = (micros.div_euclid(DAY) + EPOCH) as u32;
    let mut value = Int96::new();
    value.set_data(nanos as u32, (nanos >> 32) as u32, day);
    value
}
